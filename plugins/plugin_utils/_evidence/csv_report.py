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

from .report import Evidence, parse_evidence
from .rows import Row

COLUMNS: t.Final = (
    "Device ID",
    "Device name",
    "Entra device ID",
    "Inventory host",
    "Outcome",
    "Needs attention",
    "Result",
    "Action ID",
    "Action status",
    "Action created (UTC)",
    "Action updated (UTC)",
    "Requestor",
    "Comment",
    "Error code",
    "Error message",
    "Correlation ID",
    "Tenant",
    "API",
    "Operator",
    "Job ID",
    "Collection version",
    "Run started (UTC)",
    "Prediction",
    "Run complete",
)
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
    run = _run_cells(found)
    writer.writerows([escape_formula(cell) for cell in (*_device_cells(row), *run)] for row in found.rows)
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


def _device_cells(row: Row) -> tuple[str, ...]:
    return (
        row.device_id,
        row.name,
        row.entra_id,
        row.host,
        row.outcome,
        "yes" if row.needs_attention else "no",
        " ".join(part for part in (row.result, row.tag if row.tag_missing else "") if part),
        row.action_id,
        row.status,
        row.created,
        row.updated,
        row.requestor,
        row.comment,
        row.code,
        row.message,
        row.correlation_id,
    )


def _run_cells(evidence: Evidence) -> tuple[str, ...]:
    """The same in every line, so that a line copied from the file still shows its origin."""
    return (
        evidence.context.get("tenant_id", ""),
        evidence.context.get("api_url", ""),
        evidence.run.get("operator", ""),
        evidence.run.get("job_id", ""),
        evidence.context.get("collection_version", ""),
        evidence.run.get("started_at", ""),
        "yes" if evidence.prediction else "no",
        "yes" if evidence.complete else "no",
    )
