# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Devices in plain text: one per line, or all on one line."""

from __future__ import annotations

import re
import typing as t

from ...module_utils._errors import OptionError
from .columns import COLUMNS_HINT
from .rows_to_keep import asks_to_keep, says_keep
from .words import (
    AmbiguousInputError,
    Device,
    DeviceCollector,
    is_comment,
    looks_like_id,
    parse_word,
    quote_for_message,
    unquote,
)

HINT: t.Final = (
    "Write one device per line: a name, a device ID, an Entra device ID, or the URL of the device page in the portal."
    f" A table needs a header line. {COLUMNS_HINT}"
)
# No-break spaces, and line ends that only some editors write.
_SPACES = re.compile("[\u00a0\u2000-\u200a\u202f\u3000]")
_LINE_END = re.compile("[\n\v\f\x85\u2028\u2029]")
_MAX_QUOTED: t.Final = 60
_HEADER = re.compile("[^0-9.]+|sha-?[0-9]+", re.IGNORECASE)
_BULLET = re.compile(r"^(?:[-*+\u2022\u2013]|[0-9]{1,4}[.)])\s+")
_COMMENT = re.compile(r"(?:^|\s)#.*")


def parse_lines(text: str) -> list[Device]:
    """The devices of a text without structure. Raises OptionError, with all lines that are invalid or ambiguous."""
    written = _LINE_END.split(_SPACES.sub(" ", text))
    lines = [(number, line) for number, line in enumerate(map(_strip_markup, written), 1) if line]
    if len(lines) > 1:
        _refuse_table(lines)
    if {"+ ", "- "} <= {line.lstrip()[:2] for line in written}:
        raise OptionError("Some lines start with + and some with -, which can mean to add and to remove.", hint=HINT)
    collector = DeviceCollector(HINT)
    for number, line in enumerate(written, 1):
        comment = line.partition("#")[2].strip("# ")
        if comment and (says_keep(comment) or asks_to_keep(comment)):
            why = "the comment says that devices are to be kept; remove the lines of devices that are not to be offboarded"
            collector.add_error(f"line {number}", line, why)
    for number, line in lines:
        with collector.at(f"line {number}", line):
            collector.add(*_parse_line(line, is_only_line=len(lines) == 1))
    devices = collector.devices_or_raise()
    if len(lines) > 1 and _could_be_header([line for _number, line in lines], devices):
        number, line = lines[0]
        if line == written[number - 1].strip():  # with a bullet or a separator, it is an item of a list
            why = "cannot tell whether this line is a header or a device; if it is a device, end the line with a comma"
            raise OptionError(f"line {number}, {quote_for_message(line)}: {why}.", hint=COLUMNS_HINT)
    return devices


def parse_quoted_words(words: t.Iterable[str]) -> list[Device]:
    """The devices of strings in quotes. Raises OptionError, with all strings that are invalid or ambiguous."""
    collector = DeviceCollector(HINT)
    for number, word in enumerate(words, 1):
        with collector.at(f"entry {number}", word):
            if word.strip():
                collector.add(parse_word(word, in_quotes=True))
    return collector.devices_or_raise()


def _refuse_table(lines: list[tuple[int, str]]) -> None:
    """Raise OptionError for a table without a known header: several lines that have the same number of cells."""
    number, header = lines[0]
    for delimiter in "\t;,|":
        widths = {line.count(delimiter) for _number, line in lines}
        if len(widths) == 1 and widths != {0}:
            names = ", ".join(repr(unquote(cell)[:_MAX_QUOTED]) for cell in header.split(delimiter)[:20])
            raise OptionError(
                f"line {number}, {quote_for_message(header)}: none of the headers {names} is known.", hint=COLUMNS_HINT
            )


def _could_be_header(lines: list[str], devices: list[Device]) -> bool:
    """Whether the first of several lines can be the header of a column that does not identify the devices.

    Such a line has no digit and no dot, and all other names have one. If only the first line has quotes, it is a name,
    unless the other lines are IDs.
    """
    if "device_name" not in devices[0] or not _HEADER.fullmatch(unquote(lines[0])):
        return False
    named = [device["device_name"] for device in devices[1:] if "device_name" in device]
    quotes = [unquote(line) != line for line in lines]
    return not named if quotes[0] and not all(quotes) else all(re.search("[0-9.]", name) for name in named)


def _strip_markup(line: str) -> str:
    """The line without comment, bullet, and separators at its ends."""
    line = line.strip()
    if not line.startswith("#") or is_comment(line):
        line = _COMMENT.sub("", line).strip()
    if line == "---":  # the start of a YAML document
        return ""
    return _BULLET.sub("", line).strip(" \t,;")


def _parse_line(line: str, *, is_only_line: bool) -> list[Device]:
    """The devices of one line. Raises AmbiguousInputError.

    Several devices are accepted only on the only line: two words on each line can be an old and a new device, or a
    device and its owner.
    """
    by_separator = [part.strip() for part in re.split("[,;]", line)]
    by_space = line.split()
    if unquote(line) != line and line[0] not in line[1:-1]:  # one name in quotes, with spaces in it
        by_space = [line]
    if len(by_separator) == len(by_space) == 1:
        return [parse_word(line)]
    if not is_only_line:
        raise AmbiguousInputError("the line has more than one word; write one device per line")
    if len(by_separator) > 1:
        devices = [parse_word(part) for part in by_separator if part]
    elif why := looks_like_id(line):
        raise AmbiguousInputError(why)
    elif all(re.search("[0-9]", part) for part in by_space):
        devices = [parse_word(part) for part in by_space]
    else:
        raise AmbiguousInputError("looks like a sentence; separate names without digits by commas")
    if len({next(iter(device)) for device in devices}) > 1:
        raise AmbiguousInputError("IDs and names are mixed on one line; write one device per line")
    return devices
