# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Devices in a table: CSV exports, files saved by a spreadsheet, Markdown, output of a shell."""

from __future__ import annotations

import csv
import re
import typing as t

from ...module_utils._errors import OptionError
from ...module_utils._options.identifiers import is_guid
from ...module_utils._same import comparable
from .columns import COLUMNS_HINT, IDENTIFIERS, Chosen, Columns, header_role, is_certain
from .headers import normalize_header
from .rows_to_keep import kept_values, reason_to_keep
from .words import AmbiguousInputError, Device, DeviceCollector, is_comment, is_device_id, quote_for_message, unquote

HINT: t.Final = f"The table needs a header line, and a device in each row. {COLUMNS_HINT}"
_DELIMITERS: t.Final = "\t;,|"
_SEPARATOR_LINE = re.compile(r"sep=([\t;,|])\s*", re.IGNORECASE)
# The line below the header in Markdown, and in the output of PowerShell and database clients.
_RULER = re.compile(r"[\s|:+=-]*")
_LINE = re.compile(r"[=-]{2}")


class Row(t.NamedTuple):
    """The cells of a row as written, and the line where the row starts."""

    line: int
    cells: list[str]
    is_one_cell: bool = False
    """Whether the row is a single cell without quotes."""

    @property
    def text(self) -> str:
        return ", ".join(cell for cell in self.cells[:20] if cell)


def parse_table(text: str, chosen: Chosen) -> list[Device] | None:
    """The devices of a table, or None if the text is not a table. Raises OptionError."""
    lines = text.split("\n")
    start = next((n for n, line in enumerate(lines) if line.strip() and not line.lstrip().startswith("#")), len(lines))
    if start == len(lines):
        return None
    separator = _SEPARATOR_LINE.fullmatch(lines[start])
    if separator:
        start += 1
    lines = [f"{line}\n" for line in lines]
    delimiter = _delimiter(lines, start, separator.group(1) if separator else _DELIMITERS, chosen)
    if delimiter is None:
        return None
    try:
        header, *body = _rows(lines, start, delimiter)
    except csv.Error as error:
        raise OptionError(f"The table is incomplete: {error}.", hint="Look for an unclosed quote.") from error
    names = [unquote(cell) for cell in header.cells]
    if not body and not chosen:
        # A header alone is an export without devices. A list of names can have a known header among its names.
        known = sum(header_role(name) in IDENTIFIERS for name in names)
        return [] if known > 1 or len(names) == 1 else None
    # If headers have quotes, the file quotes its cells. Otherwise the quotes around a name are part of the name, unless they
    # keep Excel from converting it.
    has_quotes = names != header.cells
    rows = [
        row._replace(cells=[unquote(cell) if has_quotes or cell.startswith('="') else cell for cell in row.cells])
        for row in body
    ]
    return _devices(header.line, names, rows, chosen)


def _delimiter(lines: list[str], start: int, delimiters: str, chosen: Chosen) -> str | None:
    """The delimiter that splits the first row into the most headers that are used, or None if there is no such header."""
    best, most = None, (0, 0)
    chosen_names = set(map(comparable, chosen.values()))
    for delimiter in delimiters:
        try:
            header = next(_rows(lines, start, delimiter), None)
        except csv.Error:
            continue
        names = [unquote(cell) for cell in header.cells] if header else []
        known = sum(comparable(name) in chosen_names if chosen else header_role(name) in IDENTIFIERS for name in names)
        # If the user named headers, the text is a table, and the error shows its headers.
        if (known or chosen) and (known, len(names)) > most:
            best, most = delimiter, (known, len(names))
    return best


def _rows(lines: list[str], start: int, delimiter: str) -> t.Iterator[Row]:
    """The rows that are not empty and do not start with a number sign. Raises csv.Error."""
    reader = csv.reader(lines[start:], delimiter=delimiter, strict=True, skipinitialspace=delimiter != "\t")
    line = start + 1
    for cells in reader:
        row = Row(line, [cell.strip() for cell in cells], len(cells) == 1 and '"' not in lines[line - 1])
        line = start + reader.line_num + 1
        # The line as written: a cell in quotes that starts with a number sign is a value of a device.
        if any(row.cells) and not is_comment(lines[row.line - 1].lstrip(" ")):
            yield row


def _devices(line: int, header: list[str], rows: list[Row], chosen: Chosen) -> list[Device]:
    where = f"line {line}, {quote_for_message(', '.join(header[:20]))}"
    if any(is_device_id(cell) or is_guid(cell.strip("{}")) for cell in header):
        raise OptionError(f"{where}: cannot tell whether this line is a header or a device.", hint=HINT)
    first = "|".join(rows[0].cells) if rows else ""
    if _RULER.fullmatch(first) and _LINE.search(first):
        del rows[0]
    rows = [row for row in rows if row.cells != header]  # files are concatenated with their headers
    width = len(header)
    # A spreadsheet omits the separators of empty cells at the end of a row.
    padded = [[*row.cells, *[""] * (width - len(row.cells))] for row in rows]
    try:
        columns = Columns.of(header, padded, chosen)
    except AmbiguousInputError as unclear:
        raise OptionError(f"{where}: {unclear}.", hint=HINT) from unclear
    if chosen or columns.own_evidence:
        unused = []
    else:
        unused = [index for index, name in enumerate(header) if header_role(name) not in IDENTIFIERS]
    kept = [
        (index, values) for index in unused if (values := kept_values(header[index], {row[index] for row in padded}))
    ]
    collector = DeviceCollector(HINT)
    for row, cells in zip(rows, padded, strict=True):
        with collector.at(f"line {row.line}", row.text):
            # A cell with the word host can also be the kind of a device.
            if not chosen and any(is_certain(cell) and normalize_header(cell) != "host" for cell in row.cells):
                raise AmbiguousInputError("could be the header of another table")
            if row.is_one_cell and re.search(f"[{_DELIMITERS}]", row.text):
                raise AmbiguousInputError(
                    "could be several cells, but the header has another separator; put a name with separators in quotes"
                )
            if not columns.last_identifier < len(row.cells) <= width:
                raise AmbiguousInputError(f"expected {width} cells as in the header, found {len(row.cells)}")
            if why := reason_to_keep((header[index], cells[index], values) for index, values in kept):
                raise AmbiguousInputError(why)
            collector.add(columns.device(cells))
    return collector.devices_or_raise()
