# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Devices in a table: what the portal's inventory exports, what a spreadsheet made of it, what people write."""

from __future__ import annotations

import csv
import re
import typing as t

from ...module_utils._errors import OptionError
from .columns import Columns, plain, role
from .records import combine
from .words import Device, Findings, Unclear, is_device_id, is_entra_id, quoted, unquote

HINT: t.Final = "The table needs one column of device ids, Entra device ids or names, and each row its device."
_DELIMITERS: t.Final = "\t;,|"
_SEPARATOR_LINE = re.compile(r"sep=([\t;,|])\s*", re.IGNORECASE)


class Row(t.NamedTuple):
    """The cells of a row, and the line where it begins."""

    line: int
    cells: list[str]

    @property
    def is_blank(self) -> bool:
        return not any(self.cells)

    @property
    def text(self) -> str:
        return ", ".join(cell for cell in self.cells if cell)


def from_table(text: str) -> list[Device] | None:
    """The devices of a table, None where the text is none; raises OptionError for what is not clear in it."""
    lines = text.split("\n")
    start = next((n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), len(lines))
    said = _SEPARATOR_LINE.fullmatch(lines[start]) if start < len(lines) else None
    if said:
        start += 1
    lines = [f"{line}\n" for line in lines]
    delimiters = said.group(1) if said else _DELIMITERS
    known = _by_header(lines, start, delimiters)
    if known is None:
        return _by_content(lines, start, delimiters)
    try:
        rows = list(_rows(lines, start, known))
    except csv.Error as error:
        raise OptionError(f"The table breaks off: {error}.", hint="Look for a quote that is not closed.") from error
    header, body = rows[0], rows[1:]
    if not body:
        # A header alone is an export without devices; a list of names that happens to begin so is none.
        sure = sum((role(cell) or ("", False))[1] for cell in header.cells)
        return [] if sure and (sure > 1 or len(header.cells) == 1) else None
    return _devices(header, body)


def _by_header(lines: list[str], start: int, delimiters: str) -> str | None:
    """The delimiter with which most cells of the header are known, None where none is."""
    best, most = None, (0, 0)
    for delimiter in delimiters:
        try:
            header = next(_rows(lines, start, delimiter), None)
        except csv.Error:
            continue
        told = sum(role(cell) is not None for cell in header.cells) if header else 0
        if header and told and (told, len(header.cells)) > most:
            best, most = delimiter, (told, len(header.cells))
    return best


def _by_content(lines: list[str], start: int, delimiters: str) -> list[Device] | None:
    """The devices of a table whose header is in a language that is not known, told by the form of the ids."""
    for delimiter in delimiters:
        if start >= len(lines) or delimiter not in lines[start]:
            continue
        try:
            header, *body = _rows(lines, start, delimiter)
        except (csv.Error, ValueError):
            continue
        # Separators at the ends of lines, and comments after them, make no table of a list.
        words = sum(bool(plain(cell)) and not cell.startswith("#") for cell in header.cells)
        wide = words > 1 and all(len(row.cells) == len(header.cells) for row in body)
        # Names of devices have digits, headers have not.
        if not wide or re.search("[0-9]", header.text):
            continue
        if any(is_device_id(cell) or is_entra_id(cell) for row in body for cell in row.cells):
            return _devices(header, body)
    return None


def _rows(lines: list[str], start: int, delimiter: str) -> t.Iterator[Row]:
    """The rows that are not blank and do not begin with a number sign. Raises csv.Error."""
    reader = csv.reader(lines[start:], delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t")
    line = start + 1
    for cells in reader:
        row = Row(line, [unquote(cell) for cell in cells])
        line = start + reader.line_num + 1
        # As written: a cell in quotes that begins so is a tag, or whatever somebody noted, of a device that counts.
        if not row.is_blank and not lines[row.line - 1].lstrip(" ").startswith("#"):
            yield row


def _devices(header: Row, rows: list[Row]) -> list[Device]:
    if any(is_device_id(cell) or is_entra_id(cell) for cell in header.cells):
        raise OptionError(f"line {header.line}, {quoted(header.text)}: is it a header or a device?", hint=HINT)
    findings = Findings(HINT)
    body = []
    for row in rows:
        width = len(header.cells)
        if row.cells == header.cells:  # exports put one below the other
            continue
        if len(row.cells) < width or any(row.cells[width:]):
            why = f"it has {len(row.cells)} cells and the header {width}, so that they cannot be told apart"
            findings.refuse(f"line {row.line}", row.text, why)
        else:
            body.append(row)
    findings.result()
    try:
        columns = Columns.tell(header.cells, [row.cells for row in body])
    except Unclear as unclear:
        raise OptionError(f"line {header.line}, {quoted(header.text)}: {unclear}.", hint=HINT) from unclear
    for row in body:
        try:
            findings.add(_device(columns, header, row))
        except Unclear as unclear:
            findings.refuse(f"line {row.line}", row.text, unclear)
    return findings.result()


def _device(columns: Columns, header: Row, row: Row) -> Device:
    def cell(place: int | None) -> str:
        return "" if place is None else row.cells[place]

    entra = columns.aad_device_id
    return combine(
        device_id=cell(columns.device_id),
        device_name=cell(columns.device_name),
        aad_device_id=cell(entra),
        comment=cell(columns.comment),
        insists=entra is not None and header.cells[entra] == "aad_device_id",
    )
