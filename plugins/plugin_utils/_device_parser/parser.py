# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Devices from text or data, in the form of the option ``devices``."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Iterator, Mapping, Sequence

from ...module_utils._errors import OptionError
from ...module_utils._same import comparable
from .columns import FIELDS, GENERIC, IDENTIFIERS, Chosen, Columns, header_role, is_certain
from .documents import HINT, has_yaml_entries, load_document, looks_like_flow, looks_like_yaml, parse_pairs
from .encoding import HINT as SAVE_AS_UTF8
from .encoding import decode
from .headers import normalize_header
from .records_to_keep import check_beside, is_module_result, kept_by_key, reason_to_keep_record
from .table import parse_table
from .text_lines import parse_lines, parse_quoted_words
from .words import AmbiguousInputError, Device, DeviceCollector, quote_for_message, shorten

_MAX_TEXT: t.Final = 20_000_000
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
# Keys with the list in results of this collection, responses of the service, results of hunting queries and of `uri`.
_LISTS: t.Final = ("devices", "machines", "machine_actions", "value", "results", "Results", "json")
# Keys with the list in other data. Next to a name, they do not say whether the name is that of a device or of the list.
_OTHER_LISTS = re.compile(
    "assets|clients|computers|data|endpoints|entries|hosts|items|members|objects|records|result|rows|servers",
    re.IGNORECASE,
)


def parse_devices(value: object, columns: object = None) -> list[Device]:
    """The devices of text or data, each once, in the order of the input.

    ``value`` is a string, None, a mapping, or a list of these. ``columns`` selects the headers to use: a mapping of fields
    to headers, or its text. Raises OptionError for input that is invalid or ambiguous, LibraryError without PyYAML.
    """
    try:
        devices = _Parser(_parse_columns(columns)).parse(value)
    except RecursionError as error:
        raise OptionError("The input is nested too deeply.", hint=HINT) from error
    unique: dict[frozenset[tuple[str, str]], Device] = {}
    for device in devices:
        # The module decides on device IDs that differ in case only.
        key = {field: text if field in ("device_id", "comment") else comparable(text) for field, text in device.items()}
        unique.setdefault(frozenset(key.items()), device)
    return list(unique.values())


def _parse_columns(columns: object) -> Chosen:
    """The headers by field; empty if the user set none. Raises OptionError."""
    if isinstance(columns, str):
        columns = parse_pairs(columns)
    if columns is None:
        return {}
    hint = f"Use a mapping of {', '.join(FIELDS)} to headers, with at least one of the first three."
    if not isinstance(columns, Mapping):
        raise OptionError(f"columns: {shorten(columns)} is not a mapping.", hint=hint)
    chosen = {}
    for field, header in columns.items():
        if header is None or not str(header).strip():
            continue
        if field not in FIELDS or not isinstance(header, str):
            raise OptionError(
                f"columns: {shorten(field)}: {shorten(header)} is not a field with its header.", hint=hint
            )
        chosen[str(field)] = str.__str__(header).strip()
    if chosen and (not chosen.keys() & set(IDENTIFIERS) or len(set(chosen.values())) < len(chosen)):
        raise OptionError(
            "columns has no field that identifies the device, or two fields with the same header.", hint=hint
        )
    return chosen


class _Parser:
    def __init__(self, chosen: Chosen) -> None:
        self._chosen = chosen

    def parse(self, value: object) -> list[Device]:
        if value is None:
            return []
        if isinstance(value, str):
            return self._parse_text(str.__str__(value))
        if isinstance(value, Mapping):
            return self._parse_mapping(value)
        if isinstance(value, (Sequence, Iterator)) and not isinstance(value, (bytes, bytearray)):
            return self._parse_list(list(value))
        raise OptionError(f"{shorten(value)} is not a string, list or mapping; put IDs in quotes.", hint=HINT)

    def _parse_text(self, text: str) -> list[Device]:
        text = _normalize(text)
        if looks_like_flow(text.lstrip()):
            data = load_document(text)
            # The strings of such a list have quotes, so the names can have more characters than words without quotes.
            if isinstance(data, list) and data and all(isinstance(item, str) for item in data) and not self._chosen:
                return parse_quoted_words(data)
            return self.parse(data)
        is_yaml = looks_like_yaml(text)
        is_document = is_yaml and (bool(self._chosen) or has_yaml_entries(text))
        table = None if is_document else parse_table(text, self._chosen)
        if table is not None:
            return table
        return self.parse(load_document(text)) if is_yaml else parse_lines(text)

    def _parse_mapping(self, value: Mapping[t.Any, t.Any]) -> list[Device]:
        """The devices of the list in the mapping, or of the mapping as a record."""
        lists = _lists(value)
        if len(lists) > 1:
            raise OptionError(f"The input has several lists: {', '.join(lists)}.", hint="Pass only one.")
        if not lists:
            return self._parse_list([value])
        rest = next((str(key) for key in value if str(key).lower().endswith("nextlink") and value[key]), None)
        if rest:
            raise OptionError(
                f"The input is one page of a list, as its {rest} shows.", hint="Read all pages of the list."
            )
        if own := next((str(key) for key in value if is_certain(str(key))), ""):
            # Such a list can be that of the disks of a device.
            raise OptionError(
                f"The input is ambiguous: a device ({own}) or a list ({lists[0]})?", hint="Pass only one."
            )
        devices = self.parse(value[lists[0]])
        if not self._chosen:
            check_beside({str(key): item for key, item in value.items() if key != lists[0]}, lists[0], devices)
        return devices

    def _parse_list(self, items: list[t.Any]) -> list[Device]:
        # Lines that Ansible has split, as in stdout_lines, are one text.
        if all(isinstance(item, str) for item in items):
            return self._parse_text("\n".join(items))
        records = [item for item in items if isinstance(item, Mapping)]
        known = {str(key) for record in records for key in record}
        keys = [key for key in self._chosen.values() if key in known]
        kept = {} if self._chosen else kept_by_key(records)
        expected = [key for key, values in kept.items() if "" in values]
        collector = DeviceCollector(HINT)
        for number, item in enumerate(items, 1):
            with collector.at(f"entry {number}", item):
                if isinstance(item, Mapping) and not _lists(item):
                    if why := reason_to_keep_record(item, kept, expected):
                        raise AmbiguousInputError(why)
                    # A key that other records have is not missing here: JSON can omit null values.
                    collector.add(self._parse_record({**dict.fromkeys(keys), **item}))
                elif len(items) > 1 and _could_be_row(item):
                    raise AmbiguousInputError(
                        "could be a row of a table; use records, or one list without nested lists"
                    )
                else:
                    collector.add(*self.parse(item))
        return collector.devices_or_raise()

    def _parse_record(self, record: Mapping[t.Any, t.Any]) -> Device:
        """The device of a record, which is read as a table of one row. Raises AmbiguousInputError."""
        keys = [str(key) for key in record]
        used = set(self._chosen.values())
        if not used:
            if is_module_result(record):
                return _parse_module_result(record)
            inner = next((str(key) for key, value in record.items() if _is_other_list(str(key), value)), "")
            if inner and not any(map(is_certain, keys)):
                raise AmbiguousInputError(f"ambiguous: a device or a list ({inner})? Pass only the list")
            used = set(filter(header_role, keys))
        row = [
            _text(key, value) if key in used else value if isinstance(value, str) else ""
            for key, value in zip(keys, record.values(), strict=True)
        ]
        return Columns.of(keys, [row], self._chosen).device(row)


def _could_be_row(item: object) -> bool:
    return isinstance(item, Sequence) and not isinstance(item, str) and sum(isinstance(cell, str) for cell in item) > 1


def _normalize(text: str) -> str:
    """The decoded text with line feeds as line ends. Raises OptionError for text that is too long or has control characters."""
    if len(text) > _MAX_TEXT:
        raise OptionError(f"The text exceeds {_MAX_TEXT:,} characters.", hint="Split it.")
    text = decode(text).replace("\r\n", "\n").replace("\r", "\n")
    control = _CONTROL.search(text)
    if control:
        line = text.count("\n", 0, control.start()) + 1
        shown = quote_for_message(text[text.rfind("\n", 0, control.start()) + 1 :].partition("\n")[0])
        message = f"line {line}, {shown}: contains the control character {control.group()!r}."
        raise OptionError(message, hint=SAVE_AS_UTF8)
    return text


def _parse_module_result(result: Mapping[t.Any, t.Any]) -> Device:
    """The device that mde_offboard found, else the one that was requested, without the comment of that run."""
    requested = result["requested"]
    source = result if result.get("device_id") or not isinstance(requested, Mapping) else requested
    row = [_text(field, source.get(field)) for field in IDENTIFIERS]
    return Columns.of(IDENTIFIERS, [row]).device(row)


def _text(key: str, value: object) -> str:
    """The value of a key that is used. Raises AmbiguousInputError for a value that is not a string."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str.__str__(value).strip()
    is_generic = normalize_header(key) in GENERIC
    if is_generic and (isinstance(value, (Mapping, Sequence)) or (isinstance(value, int) and abs(value) < 10**19)):
        return ""
    raise AmbiguousInputError(f"{key} is not a string; put numbers in quotes to keep all digits")


def _lists(value: Mapping[t.Any, t.Any]) -> list[str]:
    """The keys of the mapping that have a list of devices, or a response of the service with one."""
    return [
        key
        for key in _LISTS
        if (isinstance(value.get(key), Sequence) and not isinstance(value[key], str))
        or (key == "json" and isinstance(value.get(key), Mapping))
    ]


def _is_other_list(key: str, value: object) -> bool:
    return _OTHER_LISTS.fullmatch(key) is not None and isinstance(value, (list, tuple))
