# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The CSV file of the evidence, one line per device, for a ticket or the spreadsheet of an auditor.

RFC 4180 in UTF-8 with a byte order mark. Without the mark, Excel uses its own code page and corrupts every name that is not
ASCII. Other readers of CSV know the mark (``utf-8-sig`` in Python).
"""

from __future__ import annotations

import csv
import io
import re
import typing as t

from ...module_utils._presentable import to_text
from .report import Evidence, parse_evidence
from .rows import Row

COLUMNS: t.Final[t.Mapping[str, t.Callable[[Evidence, Row], str]]] = {
    "Device ID": lambda _evidence, row: row.device_id,
    "Device name": lambda _evidence, row: row.name,
    "Entra device ID": lambda _evidence, row: row.entra_id,
    "Inventory host": lambda _evidence, row: row.host,
    "Outcome": lambda _evidence, row: row.outcome,
    "Needs attention": lambda _evidence, row: to_text(row.needs_attention),
    "Result": lambda _evidence, row: " ".join(filter(None, (row.result, row.tag if row.tag_missing else ""))),
    "Action ID": lambda _evidence, row: row.action_id,
    "Action status": lambda _evidence, row: row.status,
    "Action created (UTC)": lambda _evidence, row: row.created,
    "Action updated (UTC)": lambda _evidence, row: row.updated,
    "Requestor": lambda _evidence, row: row.requestor,
    "Comment": lambda _evidence, row: row.comment,
    "Error code": lambda _evidence, row: row.code,
    "Error message": lambda _evidence, row: row.message,
    "Correlation ID": lambda _evidence, row: row.correlation_id,
    # The same in every line, so that a line copied from the file still shows its origin.
    "Tenant": lambda evidence, _row: evidence.context.get("tenant_id", ""),
    "API": lambda evidence, _row: evidence.context.get("api_url", ""),
    "Operator": lambda evidence, _row: evidence.run.get("operator", ""),
    "Job ID": lambda evidence, _row: evidence.run.get("job_id", ""),
    "Collection version": lambda evidence, _row: evidence.context.get("collection_version", ""),
    "Run started (UTC)": lambda evidence, _row: evidence.run.get("started_at", ""),
    "Prediction": lambda evidence, _row: to_text(evidence.prediction),
    "Run complete": lambda evidence, _row: to_text(evidence.complete),
    # New columns are last, so that the position of the others stays the same.
    "External ID": lambda _evidence, row: row.external_id,
}
# What a spreadsheet can read as the start of a formula: also after spaces and quotes, and as full-width or small forms.
# A cell starts with the value, with each of its lines, and after a semicolon, which separates cells in many countries.
_CELL_START: t.Final = r"(?:^|(?<=[;\n]))"
_FORMULA: t.Final = r"""(?=(?:[^\S\n]|['"`\u00ab\u00b4\u00bb\u2018-\u201f])*[=+\-@\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20])"""
_FORMULA_START: t.Final = re.compile(_CELL_START + _FORMULA)
_ESCAPED_FORMULA: t.Final = re.compile(f"{_CELL_START}'{_FORMULA}")
_ESCAPED_CHARACTER: t.Final = re.compile("⟨U\\+([0-9A-F]{4,6})⟩")

# Excel moves the rest of a cell with more than 32,767 characters to the next row, where it could start a formula. An
# apostrophe can be added to each character.
_MAX_CELL_LENGTH: t.Final = 16_000


def render(evidence: object) -> str:
    """The text of the CSV file. Raises ValueError if ``evidence`` is not an evidence document."""
    found = parse_evidence(evidence)
    text = io.StringIO()
    text.write("\ufeff")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([escape_formula(cell(found, row)) for cell in COLUMNS.values()] for row in found.rows)
    return text.getvalue()


def escape_formula(cell: str) -> str:
    """The cell with an apostrophe before everything that could start a formula, so that it stays text.

    A cell that spreadsheets would split is cut, with a note. The JSON file has the complete value.
    """
    if len(cell) > _MAX_CELL_LENGTH:
        cell = f"{cell[:_MAX_CELL_LENGTH]} (cut: {len(cell):,} characters)"
    return _FORMULA_START.sub("'", cell)


def unescape(cell: str) -> str:
    """The value of a cell, with invisible characters, for reading the file back."""
    return _ESCAPED_CHARACTER.sub(lambda found: chr(int(found[1], 16)), _ESCAPED_FORMULA.sub("", cell))
