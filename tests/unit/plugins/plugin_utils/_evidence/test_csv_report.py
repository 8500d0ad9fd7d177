# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CSV file is complete, can be read back unchanged, and has no formulas."""

from __future__ import annotations

import csv
import io
import re
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._presentable import escape_invisible
from ansible_collections.secops.mde.plugins.plugin_utils._evidence.csv_report import COLUMNS, escape_formula, render
from ansible_collections.secops.mde.tests.unit.support.evidence_samples import (
    CLIENT,
    COMMENT,
    MALICIOUS,
    Record,
    device_id,
    evidence,
    guid,
    machine_action,
    malicious,
    many_devices,
    small_office,
)

# Listed by name, so that the test does not repeat an error of the code.
FULL_WIDTH_EQUALS, FULL_WIDTH_MINUS = "\N{FULLWIDTH EQUALS SIGN}", "\N{FULLWIDTH HYPHEN-MINUS}"
STARTS = (
    "=+-@\N{MINUS SIGN}\N{FULLWIDTH PLUS SIGN}\N{FULLWIDTH COMMERCIAL AT}\N{SMALL HYPHEN-MINUS}\N{SMALL PLUS SIGN}"
    f"\N{SMALL EQUALS SIGN}\N{SMALL COMMERCIAL AT}{FULL_WIDTH_EQUALS}{FULL_WIDTH_MINUS}"
)
BEFORE = " \t\n\r\x0b\x0c\x85\xa0\u2003\u3000'\"`\xb4\u2018\u2019\u201a\u201b\u201c\u201d\u201e\u201f\xab\xbb"


def parsed(text: str) -> list[dict[str, str]]:
    """Return the rows as another program reads them: the byte order mark, then RFC 4180."""
    assert text.startswith("\ufeff")
    header, *rows = csv.reader(io.StringIO(text.encode().decode("utf-8-sig"), newline=""), strict=True)
    assert header == list(COLUMNS)
    assert {len(row) for row in rows} <= {len(COLUMNS)}
    return [dict(zip(header, row, strict=True)) for row in rows]


def could_be_a_formula(cell: str) -> bool:
    """Return whether a part that a spreadsheet can read as a cell starts with a formula."""
    return any(part.lstrip(BEFORE)[:1] in set(STARTS) and part[:1] != "'" for part in re.split(r"[;\n]", cell))


def unescaped(cell: str) -> str:
    """Return the original text of an escaped cell."""
    parts = re.split(r"([;\n])", cell)
    return "".join(
        part[1:] if part[:1] == "'" and part[1:].lstrip(BEFORE)[:1] in set(STARTS) else part for part in parts
    )


def test_a_line_has_what_a_ticket_and_an_auditor_need() -> None:
    row = parsed(render(small_office()))[0]
    name = "pc-0101"
    assert row == {
        "Device ID": device_id(f"{name}.corp.example"),
        "Device name": f"{name}.corp.example",
        "Entra device ID": guid(f"{name}.corp.example"),
        "Inventory host": "",
        "Outcome": "submitted",
        "Needs attention": "no",
        "Result": "The offboard action succeeded on the device.",
        "Action ID": machine_action(name, "Succeeded", "04:06:41")["id"],
        "Action status": "Succeeded",
        "Action created (UTC)": "2026-02-03T04:06:41Z",
        "Action updated (UTC)": "2026-02-03T04:14:02Z",
        "Requestor": CLIENT,
        "Comment": COMMENT,
        "Error code": "",
        "Error message": "",
        "Correlation ID": "",
        "Tenant": "0a1b2c3d-4e5f-4a6b-8c7d-001122334455",
        "API": "https://api.security.microsoft.com",
        "Operator": "j.doe",
        "Job ID": "4711",
        "Collection version": "1.0.0",
        "Run started (UTC)": "2026-02-03T04:05:06Z",
        "Prediction": "no",
        "Run complete": "yes",
        "External ID": f"{guid(f'request {name}.corp.example')} CHG-1042",
    }


def test_a_failed_device_has_its_reason_and_its_correlation_id() -> None:
    row = next(row for row in parsed(render(small_office())) if row["Outcome"] == "refused")
    assert row["Needs attention"] == "yes"
    assert row["Error code"] == "refused"
    assert (
        row["Error message"]
        == row["Result"]
        == "The service refused the request: Action is not supported on this OS platform."
    )
    assert row["Correlation ID"] == guid("correlation")


def test_every_line_of_a_prediction_and_of_an_aborted_run_is_marked() -> None:
    rows = parsed(render(small_office() | {"prediction": True, "complete": False}))
    assert {(row["Prediction"], row["Run complete"]) for row in rows} == {("yes", "no")}


def test_every_device_has_a_line_in_the_order_of_the_request() -> None:
    sample = small_office()
    assert [row["Device name"] for row in parsed(render(sample))] == [
        device["device_name"] or device["requested"]["device_name"] for device in sample["devices"]
    ]


@pytest.mark.parametrize(
    ("cell", "safe"),
    [
        ("=1+1", "'=1+1"),
        ("+1", "'+1"),
        ("-1", "'-1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("  =1", "'  =1"),
        ('"=1', "'\"=1"),
        ("'=1", "''=1"),
        (f"\u3000{FULL_WIDTH_EQUALS}1", f"'\u3000{FULL_WIDTH_EQUALS}1"),
        (f"{FULL_WIDTH_MINUS}2+3", f"'{FULL_WIDTH_MINUS}2+3"),
        ("first\n=1", "first\n'=1"),
        ("first;=1", "first;'=1"),
        ("a-b, c=d", "a-b, c=d"),
        ("it's 'fine'", "it's 'fine'"),
        ("", ""),
    ],
)
def test_a_cell_never_starts_a_formula(cell: str, safe: str) -> None:
    assert escape_formula(cell) == safe


@pytest.mark.parametrize("text", ["n" * 40_000, ";=" * 20_000, "\n-" * 20_000, "\u202e" * 10_000])
def test_no_cell_is_so_long_that_a_spreadsheet_splits_it(text: str) -> None:
    device = small_office()["devices"][0]
    sample = evidence([device | {"device_name": text, "error": {"message": text, "code": "x"}}])
    (row,) = parsed(render(sample))
    assert max(map(len, row.values())) <= 32_767
    assert "characters)" in row["Device name"]
    assert not [cell for cell in row.values() if could_be_a_formula(cell)]


@pytest.mark.parametrize("start", ["\t", "\r", "\x00"])
def test_a_control_character_at_the_start_is_made_visible(start: str) -> None:
    sample = evidence([small_office()["devices"][0] | {"device_name": f"{start}=1"}])
    assert parsed(render(sample))[0]["Device name"] == f"⟨U+{ord(start):04X}⟩=1"


def test_malicious_names_and_comments_are_complete_and_harmless() -> None:
    rows = parsed(render(malicious()))
    assert not [cell for row in rows for cell in row.values() if could_be_a_formula(cell)]
    assert [unescaped(row["Device name"]) for row in rows[::2]] == [escape_invisible(text) for text in MALICIOUS]
    assert [unescaped(row["Comment"]) for row in rows[::2]] == [
        escape_invisible(text, lines=True) for text in MALICIOUS
    ]


texts = st.one_of(
    st.text(max_size=12),
    st.text(alphabet=STARTS + BEFORE + ";,ab", max_size=8),
    st.sampled_from(MALICIOUS),
)


@given(cell=texts)
@example(cell="'=")
@example(cell="''\n'=;'-")
def test_an_escaped_cell_is_safe_and_complete(cell: str) -> None:
    visible = escape_invisible(cell, lines=True)
    assert not could_be_a_formula(escape_formula(visible))
    assert unescaped(escape_formula(visible)) == visible


@given(names=st.lists(texts, max_size=4), comment=texts)
def test_any_evidence_is_read_back_cell_by_cell(names: list[str], comment: str) -> None:
    action = {"requestorComment": comment, "id": comment}
    devices: list[Record] = [
        {"device_name": name, "device_id": name, "outcome": name, "action": action} for name in names
    ]
    rows = parsed(render(evidence(devices)))
    assert [[unescaped(row[key]) for key in ("Device name", "Device ID", "Outcome")] for row in rows] == [
        [escape_invisible(name)] * 3 for name in names
    ]
    assert {unescaped(row["Comment"]) for row in rows} <= {escape_invisible(comment, lines=True) or COMMENT}


def test_two_thousand_devices_are_written_in_two_seconds() -> None:
    sample = many_devices(2000)
    began = time.process_time()
    text = render(sample)
    assert time.process_time() - began < 2
    assert len(parsed(text)) == 2000
