# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The option ``devices`` from whatever people have: a text of some kind, or data."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ...module_utils._errors import OptionError
from .columns import role
from .documents import HINT, load, looks_like_flow, looks_like_yaml
from .records import from_record
from .table import from_table
from .text_lines import from_lines
from .words import Device, Findings, Unclear, quoted

_MOST_TEXT: t.Final = 20_000_000
_LINE_ENDS = re.compile("\r\n|[\r\v\f\x85\u2028\u2029]")
# Marks without width, among them the byte order mark: they come with what is copied from chats and mail.
_INVISIBLE = re.compile("[\ufeff\u200b-\u200f\u2060]")
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u3000]")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_LISTS: t.Final = ("devices", "machines", "machine_actions", "value")


def parse_devices(value: object) -> list[Device]:
    """The devices that a text or data names, each once.

    Takes text, None, a mapping, or a list of any of these; raises OptionError for what is not clear.
    """
    try:
        devices = _of_value(value)
    except RecursionError as error:
        raise OptionError("It is nested too deeply.", hint=HINT) from error
    unique: dict[frozenset[tuple[str, str]], Device] = {}
    for device in devices:
        unique.setdefault(frozenset((key, text.casefold()) for key, text in device.items()), device)
    return list(unique.values())


def _of_value(value: object) -> list[Device]:
    if value is None:
        return []
    if isinstance(value, str):
        return _of_text(str.__str__(value))
    if isinstance(value, Mapping):
        return _of_mapping(value)
    if isinstance(value, (Sequence, Iterator)) and not isinstance(value, (bytes, bytearray)):
        return _of_list(list(value))
    raise OptionError(f"{quoted(str(value))} is neither text nor a list nor a record; ids go in quotes.", hint=HINT)


def _of_text(text: str) -> list[Device]:
    text = _clean(text)
    if looks_like_flow(text.lstrip()):
        return _of_value(load(text))
    table = from_table(text)
    if table is not None:
        return table
    return _of_value(load(text)) if looks_like_yaml(text) else from_lines(text)


def _clean(text: str) -> str:
    """The text with plain line ends and spaces; raises OptionError where it is no text."""
    if len(text) > _MOST_TEXT:
        raise OptionError(f"The text is longer than {_MOST_TEXT:,} characters.", hint="Give it in parts.")
    text = _SPACES.sub(" ", _INVISIBLE.sub("", _LINE_ENDS.sub("\n", text)))
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        raise OptionError(
            f"line {line}, {quoted(text.split(chr(10))[line - 1])}: it holds the control character {control.group()!r}.",
            hint="Save the file as UTF-8 text.",
        )
    return text


def _of_mapping(value: Mapping[t.Any, t.Any]) -> list[Device]:
    """The list that the object holds, or itself as a record."""
    lists = _lists(value)
    if len(lists) > 1:
        raise OptionError(f"It holds several lists: {', '.join(lists)}.", hint="Give one of them.")
    if not lists:
        return _of_list([value])
    own = [str(key) for key in value if (role(str(key)) or ("", False))[1]]
    if own:  # the devices of a device may be its disks
        raise OptionError(f"Is it a device, by its {own[0]}, or a list, by its {lists[0]}?", hint="Give one of them.")
    return _of_list(list(value[lists[0]]))


def _lists(value: Mapping[t.Any, t.Any]) -> list[str]:
    """The keys under which the object holds lists of devices."""
    return [key for key in _LISTS if isinstance(value.get(key), Sequence) and not isinstance(value.get(key), str)]


def _of_list(items: list[t.Any]) -> list[Device]:
    # Lines that Ansible has split, as in stdout_lines, belong together.
    if all(isinstance(item, str) for item in items):
        return _of_text("\n".join(items))
    findings = Findings(HINT)
    for number, item in enumerate(items, 1):
        try:
            if isinstance(item, Mapping) and not _lists(item):
                findings.add(from_record(item))
            else:
                findings.add(*_of_value(item))
        except Unclear as unclear:
            findings.refuse(f"entry {number}", str(item), unclear)
        except OptionError as error:
            findings.refuse(f"entry {number}", str(item), error.message.rstrip("."))
    return findings.result()
