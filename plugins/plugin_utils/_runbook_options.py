# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Variables of the runbook: defaults, conversion and validation, with error messages that name the variable.

AWX writes survey answers as ``!unsafe`` text. The YAML loader of ansible-core 2.19 and later reads the plain type below that
tag: an empty answer is null, ``20261044`` a number, ``no`` a boolean, ``2026-10-01`` a date. The typed text is lost:
``0012345`` arrives as 5349. A comment is still useful then, an identifier is not.
"""

from __future__ import annotations

import difflib
import re
import typing as t
from dataclasses import dataclass, field
from datetime import date

from ansible.module_utils.parsing.convert_bool import BOOLEANS, BOOLEANS_TRUE

from ..module_utils._errors import OptionError
from ..module_utils._evidence_format import VERIFY_OUTCOMES
from ..module_utils._offboarding.external_id import clean_external_id
from ..module_utils._options.identifiers import MAX_TAG_LENGTH, clean_tag
from ..module_utils._options.values import EXCLUSION_REASONS, canonical_spelling
from ._host_devices import DEVICE_VARIABLES, is_unset

_NUMBER: t.Final = re.compile(r"[1-9][0-9]{0,5}")
_SIMILAR: t.Final = 0.85
_OF_RESULTS: t.Final = frozenset(
    {"mde_machine", "mde_machines", "mde_result"}
)  # set by the inventory plugin and the role
_FAIL_ON: t.Final = ("failed", "timed_out", "cancelled", "came_back")
_OUTCOMES: t.Final = tuple(
    outcome for outcome in VERIFY_OUTCOMES if outcome != "error"
)  # an error always fails the run


@dataclass(frozen=True)
class RunbookOptions:
    """The values by option (the variable without ``mde_``), the errors, and warnings about converted values."""

    options: dict[str, t.Any] = field(default_factory=dict)
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


class _Refused(Exception):
    """The variable is invalid. The text is the reason, without the name of the variable."""


def read_options(variables: t.Mapping[str, t.Any], required: t.Collection[str] = ()) -> RunbookOptions:
    """Return the options that the variables set, with defaults for unset ones, and an error for each invalid variable.

    Raises KeyError for a name that is not a variable of the runbook.
    """
    found = RunbookOptions()
    for name, value in variables.items():
        option = _OPTIONS[name]
        key = name.removeprefix("mde_")
        found.options[key] = option.default
        try:
            if not is_unset(value):
                found.options[key] = option.read(value)
                if option.read in (_text, _line) and not isinstance(value, str):
                    found.warnings.append(
                        f'{name} arrived as {_describe(value)} and is used as the text "{found.options[key]}". '
                        "If you typed something else, use text that begins with a letter."
                    )
            elif name in required:
                raise _Refused(f" is missing. {option.missing}")
        except _Refused as refusal:
            found.errors.append(f"{name}{refusal}")
    return found


def misspelled(names: t.Iterable[str]) -> list[str]:
    """Return an error for each unknown variable whose name is similar to a known one: its value would be ignored."""
    known = {_spelling(name): name for name in (*_OPTIONS, *DEVICE_VARIABLES.values())}
    errors = []
    for name in sorted(set(names) - set(known.values()) - _OF_RESULTS):
        meant = difflib.get_close_matches(_spelling(name), known, 1, _SIMILAR) if name.startswith("mde_") else []
        if meant:
            errors.append(
                f"{name} is not a variable of the runbook. Did you mean {known[meant[0]]}? If not, rename it."
            )
    return errors


def read_ids(name: str, value: object) -> list[str]:
    """Return the IDs in a list or text; none if it is unset. Raises OptionError with this name for the value."""
    try:
        return [] if is_unset(value) else _words(value)
    except _Refused as refusal:
        raise OptionError(f"{name}{refusal}") from refusal


def _spelling(name: str) -> str:
    return name.lower().removeprefix("mde").replace("_", "")


def is_plain(value: object) -> bool:
    """Whether a value is a number, a boolean or a date, as YAML reads text without quotes."""
    return isinstance(value, (bool, int, float, date))


def _describe(value: object) -> str:
    if isinstance(value, bool):
        return f"the boolean {_plain_text(value)}"
    if isinstance(value, date):
        return f"the date {value}"
    return f"the number {value}" if isinstance(value, (int, float)) else "a list or a mapping"


def _plain_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# -- one variable ----------------------------------------------------------------------------------------------


def _text(value: object) -> str:
    if not isinstance(value, str) and not is_plain(value):
        raise _Refused(f" must be text, but is {_describe(value)}.")
    return _plain_text(value).strip()


def _line(value: object) -> str:
    try:
        return clean_tag(_text(value))
    except OptionError as error:
        raise _Refused(f" must be one line of at most {MAX_TAG_LENGTH} characters, all of them printable.") from error


def _external_id(value: object) -> str:
    if not isinstance(value, str):
        raise _Refused(
            f" arrived as {_describe(value)}, and the typed text is lost. Use text that begins with a letter, in quotes."
        )
    try:
        return clean_external_id(value)
    except OptionError as error:
        raise _Refused(str(error).removeprefix("external_id")) from error


def _exclusion_reason(value: object) -> str:
    reason = canonical_spelling(EXCLUSION_REASONS)(_text(value))
    if reason not in EXCLUSION_REASONS:
        raise _Refused(f" is {reason}. The reasons are {', '.join(EXCLUSION_REASONS)}.")
    return reason


def _path(value: object) -> str:
    if not isinstance(value, str):
        raise _Refused(
            f" must be a path, but arrived as {_describe(value)}. Use text that begins with a letter or with ./, in quotes."
        )
    return str(value)


def _number(value: object) -> int:
    text = _plain_text(value).strip()
    if isinstance(value, float) and value.is_integer():
        text = str(int(value))
    if not _NUMBER.fullmatch(text):
        raise _Refused(f" is {text}. It must be a whole number from 1 to 999999.")
    return int(text)


def _switch(value: object) -> bool:
    text = _plain_text(value).strip().lower()
    if text not in BOOLEANS:
        raise _Refused(f" is {text}. It must be true or false.")
    return text in BOOLEANS_TRUE


def _devices(value: object) -> bool:
    """Return true: devices are set. ``parse_devices`` reads them."""
    if is_plain(value):
        raise _Refused(
            f" arrived as {_describe(value)}, and the typed text is lost. Use a list, mde_devices_file, or text that "
            "begins with a letter."
        )
    return True


def _columns(value: object) -> str | dict[str, str]:
    if isinstance(value, str):
        return str(value)
    if not isinstance(value, t.Mapping) or not all(isinstance(text, str) for pair in value.items() for text in pair):
        raise _Refused(
            " must map device_id, device_name, aad_device_id or comment to the headers of the columns, for example "
            f'{{"device_name": "Computer"}}, but arrived as {_describe(value)}.'
        )
    return {str(key): str(header) for key, header in value.items()}


def _words(value: object, separators: str = r"[\s,;]+") -> list[str]:
    """Return the entries of a list or of text, without empty ones. An entry that is not text is an error."""
    if isinstance(value, str):
        return [word for word in re.split(separators, str(value).strip()) if word.strip()]
    if not isinstance(value, t.Sequence):
        raise _Refused(f" arrived as {_describe(value)}. Use a list, or text that begins with a letter.")
    for place, entry in enumerate(value):
        if entry is not None and not isinstance(entry, str):
            raise _Refused(f" has {_describe(entry)} as entry {place + 1}. Put each entry in quotes.")
    return [str(entry).strip() for entry in value if not is_unset(entry)]


def _host_patterns(value: object) -> list[str]:
    return _words(value, r"\A\Z")  # a pattern of hosts has separators of its own


def _fail_on(value: object) -> list[str]:
    if isinstance(value, t.Sequence) and not value:
        return []  # the only way to accept every outcome
    outcomes = [word.lower() for word in _words(value)]
    unknown = [outcome for outcome in outcomes if outcome not in VERIFY_OUTCOMES]
    if unknown:
        raise _Refused(f" has {', '.join(unknown)}. The outcomes are {', '.join(_OUTCOMES)}.")
    return outcomes or list(_FAIL_ON)


@dataclass(frozen=True)
class _Option:
    read: t.Callable[[t.Any], t.Any]
    default: t.Any = None
    missing: str = ""
    """How to set it, for a variable that is required."""


_OPTIONS: t.Final[t.Mapping[str, _Option]] = {
    "mde_action_ids": _Option(_words, []),
    "mde_allow_empty": _Option(_switch, False),
    "mde_batch_size": _Option(_number, 100),
    "mde_columns": _Option(_columns),
    "mde_comment": _Option(
        _text,
        missing="State the reason, for example -e \"mde_comment='CHG-1044 retired'\". It is stored with each action.",
    ),
    "mde_devices": _Option(_devices, False),
    "mde_devices_file": _Option(_path),
    "mde_evidence": _Option(_path),
    "mde_evidence_dir": _Option(_path),
    "mde_exclude": _Option(_exclusion_reason),
    "mde_external_id": _Option(_external_id),
    "mde_fail_on": _Option(_fail_on, list(_FAIL_ON)),
    "mde_force": _Option(_switch, False),
    "mde_hosts": _Option(_host_patterns, []),
    "mde_match_short_names": _Option(_switch, False),
    "mde_max_devices": _Option(_number, 100),
    "mde_missing_ok": _Option(_switch, False),
    "mde_send_external_id": _Option(_switch, True),
    "mde_tag": _Option(_line),
    "mde_wait": _Option(_switch, False),
    "mde_wait_timeout": _Option(_number, 600),
}

ENTRY_POINTS: t.Final[t.Mapping[str, t.Sequence[str]]] = {
    "offboard": (
        "mde_allow_empty",
        "mde_batch_size",
        "mde_columns",
        "mde_comment",
        "mde_devices",
        "mde_devices_file",
        "mde_evidence_dir",
        "mde_exclude",
        "mde_external_id",
        "mde_force",
        "mde_match_short_names",
        "mde_max_devices",
        "mde_missing_ok",
        "mde_send_external_id",
        "mde_tag",
        "mde_wait",
        "mde_wait_timeout",
    ),
    "verify": ("mde_action_ids", "mde_allow_empty", "mde_comment", "mde_evidence", "mde_evidence_dir", "mde_fail_on"),
}
REQUIRED: t.Final[t.Mapping[str, t.Sequence[str]]] = {"offboard": ("mde_comment",), "verify": ()}
