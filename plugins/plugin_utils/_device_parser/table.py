# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Devices in a table: what the portal's inventory exports, what a spreadsheet made of it, what people write."""

from __future__ import annotations

import csv
import re
import typing as t
from functools import partial

from ...module_utils._errors import OptionError
from ...module_utils._options.identifiers import is_guid
from .columns import COLUMNS_HINT, GENERIC, IDENTIFIERS, Chosen, Columns, header_role, normalize_header
from .words import AmbiguousInputError, Device, DeviceCollector, is_device_id, quote_for_message, unquote

HINT: t.Final = f"The table needs a header line, and each row its device. {COLUMNS_HINT}"
_DELIMITERS: t.Final = "\t;,|"
_SEPARATOR_LINE = re.compile(r"sep=([\t;,|])\s*", re.IGNORECASE)
# Below the header of Markdown, of PowerShell and of clients of databases.
_RULE = re.compile(r"[\s|:+=-]*[=-]{2}[\s|:+=-]*")
_KEPT_BY_EXCEL = re.compile(r'="(.*)"', re.DOTALL)


class Row(t.NamedTuple):
    """The cells of a row as they stand there, and the line where it begins."""

    line: int
    cells: list[str]
    is_one_cell: bool = False
    """Whether it is a single cell without quotes."""

    @property
    def text(self) -> str:
        return ", ".join(cell for cell in self.cells[:20] if cell)


def parse_table(text: str, chosen: Chosen | None) -> list[Device] | None:
    """The devices of a table, None where the text is none; raises OptionError for what is not clear in it."""
    lines = text.split("\n")
    start = next((n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), len(lines))
    if start == len(lines):
        return None
    said = _SEPARATOR_LINE.fullmatch(lines[start])
    if said:
        start += 1
    lines = [f"{line}\n" for line in lines]
    delimiter = _delimiter(lines, start, said.group(1) if said else _DELIMITERS, chosen)
    if delimiter is None:
        return None
    try:
        header, *body = _rows(lines, start, delimiter)
    except csv.Error as error:
        raise OptionError(f"The table breaks off: {error}.", hint="Look for a quote that is not closed.") from error
    names = [unquote(cell) for cell in header.cells]
    if not body and chosen is None:
        # A header alone is an export without devices; a list of names that happens to begin so is none.
        known = sum(header_role(name) in IDENTIFIERS for name in names)
        return [] if known > 1 or len(names) == 1 else None
    # Quotes around the headers are those of the file; around a name alone they are a part of it.
    bare = unquote if any(name != cell for name, cell in zip(names, header.cells, strict=True)) else _as_kept_by_excel
    return _devices(
        header.line, names, [row._replace(cells=[bare(cell) for cell in row.cells]) for row in body], chosen
    )


def _delimiter(lines: list[str], start: int, delimiters: str, chosen: Chosen | None) -> str | None:
    """The delimiter with which most cells of the first row are headers that count, None where none is."""
    best, most = None, (0, 0)
    for delimiter in delimiters:
        try:
            header = next(_rows(lines, start, delimiter), None)
        except csv.Error:
            continue
        names = [unquote(cell) for cell in header.cells] if header else []
        wanted = {name.casefold() for name in chosen.values()} if chosen is not None else None
        known = sum(header_role(name) in IDENTIFIERS if wanted is None else name.casefold() in wanted for name in names)
        # With headers that the user named there has to be a table, so that the error can show its headers.
        if (known or (wanted is not None and names)) and (known, len(names)) > most:
            best, most = delimiter, (known, len(names))
    return best


def _rows(lines: list[str], start: int, delimiter: str) -> t.Iterator[Row]:
    """The rows that are not blank and do not begin with a number sign. Raises csv.Error."""
    reader = csv.reader(lines[start:], delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t")
    line = start + 1
    for cells in reader:
        row = Row(line, [cell.strip() for cell in cells], len(cells) == 1 and '"' not in lines[line - 1])
        line = start + reader.line_num + 1
        # As written: a cell in quotes that begins so is a tag, or whatever somebody noted, of a device that counts.
        if any(row.cells) and not lines[row.line - 1].lstrip(" ").startswith("#"):
            yield row


def _is_header(cell: str) -> bool:
    """Whether a cell can be nothing but a header: one that is known and no common word, such as those for kinds of devices."""
    return header_role(cell) in IDENTIFIERS and normalize_header(cell) not in (*GENERIC, "host")


def _as_kept_by_excel(cell: str) -> str:
    kept = _KEPT_BY_EXCEL.fullmatch(cell)
    return kept.group(1).strip() if kept else cell


def _devices(line: int, header: list[str], rows: list[Row], chosen: Chosen | None) -> list[Device]:
    where = f"line {line}, {quote_for_message(', '.join(header[:20]))}"
    if any(is_device_id(cell) or is_guid(cell.strip("{}")) for cell in header):
        raise OptionError(f"{where}: is it a header or a device?", hint=HINT)
    if rows and _RULE.fullmatch("|".join(rows[0].cells)):
        del rows[0]
    rows = [row for row in rows if row.cells != header]  # exports put one below the other
    width = len(header)
    # A spreadsheet leaves out the separators of blank cells at the end.
    padded = [[*row.cells, *[""] * (width - len(row.cells))] for row in rows]
    try:
        columns = Columns.of(header, padded, chosen)
    except AmbiguousInputError as unclear:
        raise OptionError(f"{where}: {unclear}.", hint=HINT) from unclear
    collector = DeviceCollector(HINT)
    for row, cells in zip(rows, padded, strict=True):
        if chosen is None and any(map(_is_header, row.cells)):
            collector.add_error(f"line {row.line}", row.text, "it may be the header of another table")
        elif row.is_one_cell and re.search(f"[{_DELIMITERS}]", row.text):
            why = "it may be several cells, but the header has other separators; put a name that has them in quotes"
            collector.add_error(f"line {row.line}", row.text, why)
        elif columns.last_identifier < len(row.cells) <= width:
            collector.take(f"line {row.line}", row.text, partial(columns.devices, cells))
        else:
            why = f"it has {len(row.cells)} cells and the header {width}, so that they cannot be told apart"
            collector.add_error(f"line {row.line}", row.text, why)
    return collector.devices_or_raise()
