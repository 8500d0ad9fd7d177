# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists with more devices than those to offboard, and a column that says which."""

from __future__ import annotations

import json

import pytest

from ansible_collections.secops.mde.tests.unit.support.device_lists import parse, parse_error

BOTH = [{"device_name": "pc-0101"}, {"device_name": "pc-0102"}]


@pytest.mark.parametrize(
    ("header", "meant", "kept"),
    [
        ("Offboard", "yes", "no"), ("Offboard?", "Y", "N"), ("offboard", "TRUE", "FALSE"), ("Retire (y/n)", "y", "n"),
        ("To be retired", "x", ""), ("Decommission", "x", " "), ("Decom", "1", "0"), ("Ready for disposal", "yes", "not yet"),
        ("Remove from MDE", "yes", "No - spare"), ("Delete", "ok", "no, used by lab"), ("Disposal", "Yes (Q4)", "none"),
        ("Approved", "yes", "pending"), ("Approved for decommissioning", "yes", "rejected"), ("In scope", "yes", "no"),
        ("Selected", "✓", "✗"), ("EOL", "yes", "no"), ("End of life", "yes", "no"), ("Ausmustern", "ja", "nein"),
        ("À retirer", "oui", "non"), ("Eliminar", "sí", "no"), ("Verwijderen", "ja", "nee"),
        ("Retired", "yes", "no"), ("Decommissioned", "true", "false"), ("Ausgemustert", "x", "nein"),
        ("Keep", "", "x"), ("Keep?", "no", "yes"), ("Still in use", "no", "yes"), ("Exclude", "", "legal"),
        ("Exception", "n/a", "EX-17"), ("On hold", "no", "2026-12-01"),
        ("Do not offboard", "", "x"), ("Not to be retired", "no", "yes"), ("Nicht ausmustern", "", "x"), ("Behalten", "nein", "ja"),
        ("In use", "no", "yes"), ("Needed?", "no", "yes"), ("In Verwendung", "nein", "ja"), ("Noch in Gebrauch", "nein", "ja"),
        ("To be offboarded", "x", "-"), ("Not to be offboarded", "", "x"), ("Off-board", "yes", "nope"), ("Offboard_YN", "Y", "N"),
        ("Can be retired", "yes", "no - see ticket INC0012345 of the desk in Berlin, and the mail of the site manager"),
        ("Abmelden", "WAHR", "FALSCH"), ("Offboard", "[x]", "[ ]"), ("Offboard", "yes", "?"), ("Offboard", "✓", "⬜"), ("Offboard", "+", "-"),
        ("Offboard", "done", ""), ("Action", "Delete", "none"), ("state", "absent", "present"), ("Disposition", "Scrap", "no action"),
        ("Status", "7 - Retired", "In use"), ("Status", "RETIRED", "IN-USE"), ("Status", "retired", "still_in_use"),
        ("Lifecycle", "Pending retirement", "Active"), ("Statut", "Hors service", "En service"), ("Status", "Außer Betrieb", "In Betrieb"),
        ("Status", "Verschrottet", "Im Einsatz"),
        ("Status", "Retired", "In use"), ("State", "To be decommissioned", "In production"), ("Lifecycle", "EOL", "Active"),
        ("Status", "Ausgemustert", "In Betrieb"), ("Action", "Retire", "Keep"), ("Plan", "Dispose", "keep - user still active"),
        ("Note", "", "do not offboard!"), ("Remark", "ok", "DON'T TOUCH"), ("Notes", "", "CHG-1042: not to be retired"),
        ("Comment", "", "please keep"), ("Bemerkung", "", "nicht ausmustern"), ("Decision", "offboard", "skip"),
        ("What to do", "remove", "keep until 2027"), ("Owner", "sam", "keep"), ("Note", "", "Please do not offboard this device"),
        ("Note", "", "DO NOT OFFBOARD - this is the laptop of the managing director, who keeps it until the summer"),
        ("Note", "", "User left, but do not offboard."), ("Note", "", "** keep **"), ("Note", "", "keep as spare"), ("Note", "", "must stay"),
        ("Note", "", "still needed for payroll"), ("Note", "", "wird noch gebraucht"), ("Notiz", "", "bitte nicht löschen!"),
        ("Nota", "", "no eliminar"), ("Note", "", "niet verwijderen"), ("Note", "", "non toccare"), ("Note", "", "à conserver"),
    ],
)  # fmt: skip
def test_a_row_whose_device_is_to_be_kept_is_an_error_that_names_the_column(header: str, meant: str, kept: str) -> None:
    for name in ("Computer", "Device ID"):
        one, other = ("pc-0101", "pc-0102") if name == "Computer" else ("a1" * 20, "b2" * 20)
        message = parse_error(f"{name};{header}\n{one};{meant}\n{other};{kept}\n")
        assert ": line 3, " in message
        assert f"the column {header!r} says {kept.strip()[:60]!r}" in message
        records = [{name: one, header: meant}, {name: other, header: kept}]
        for data in (records, json.dumps(records)):
            assert f"the column {header!r} says {kept.strip()[:60]!r}" in parse_error(data)
        assert len(parse(f"{name};{header}\n{one};{meant}\n")) == 1
    if header != "Comment":
        assert (
            parse(f"Computer;{header}\npc-0101;{meant}\npc-0102;{kept}\n", columns={"device_name": "Computer"}) == BOTH
        )


def test_booleans_numbers_and_missing_keys_of_records_count_as_cells_do() -> None:
    for kept in ({"offboard": False}, {"offboard": 0}, {"offboard": None}, {}):
        message = parse_error([{"name": "pc-0101", "offboard": True}, {"name": "pc-0102", **kept}])
        assert ": entry 2, " in message
    assert "'keep' says 'true'" in parse_error("- name: pc-0101\n  keep: true\n")
    assert "'retire' says 'false'" in parse_error("name: pc-0101\nretire: false\n")


@pytest.mark.parametrize(
    ("header", "one", "other"),
    [
        ("Offboard", "yes", "yes"), ("Offboard", "", ""), ("Retired", "", "no"), ("Offboarded", "yes", "no"), ("Backup done", "yes", "no"),
        ("Encrypted", "yes", "no"), ("Returned", "yes", "no"), ("Remove from Intune", "yes", "no"), ("Approved by", "sam", "no"),
        ("Keep", "", "no"), ("Exception", "none", "N/A"), ("Exclusion status", "Not excluded", "Excluded"), ("isExcluded", "false", "true"),
        ("Health status", "Active", "Inactive"), ("Status", "In use", "In use"), ("State", "Deployed", "In stock"),
        ("Active", "true", "true"), ("Note", "Removed from AD, not encrypted", "active"), ("Note", "do not reimage", "keep disk"),
        ("Owner", "Kepler", "Keeper"), ("Legal hold", "no", "yes"), ("Retirement date", "2026-10-01", ""), ("Disposal", "Recycler Ltd", ""),
        ("Decommission", "2026-10-01", "2026-11-01"), ("Leave", "2026-10-01", ""), ("Tags", "Retired", "Kiosk"),
    ],
)  # fmt: skip
def test_other_columns_say_nothing_of_that_kind(header: str, one: str, other: str) -> None:
    assert parse(f"Computer;{header}\npc-0101;{one}\npc-0102;{other}\n") == BOTH
    assert parse([{"name": "pc-0101", header: one}, {"name": "pc-0102", header: other}]) == BOTH


@pytest.mark.parametrize(
    "heading",
    ["Keep:", "To keep", "Devices to keep", "Do not offboard", "Behalten :", "Exceptions", "Retain", "Excluded", "Ausnahmen",
     "NOT TO BE RETIRED", "Retire", "To be retired:", "PCs to retire (approved)", "To keep - do not touch"],
)  # fmt: skip
def test_a_heading_among_devices_is_no_device(heading: str) -> None:
    assert f"'{heading}'" in parse_error(f"Hostname\npc-0101\n{heading}\npc-0102\n")
    assert f"{heading}" in parse_error(f"Hostname;Serial\npc-0101;S1\n{heading};\npc-0102;S2\n")
    assert f"'{heading}'" in parse_error(json.dumps(["pc-0101", heading, "pc-0102"]))
    assert f"'{heading}'" in parse_error(f"pc-0101\n{heading}\npc-0102\n")


@pytest.mark.parametrize(
    "name",
    [
        "keeper",
        "KEEP-01",
        "scope",
        "life",
        "host",
        "laptop",
        "x",
        "don",
        "no-01",
        "Sam's laptop",
        "retire1",
        "PC 1",
        "Laptop S",
    ],
)
def test_a_name_that_has_such_a_word_is_a_device(name: str) -> None:
    assert parse(f"Computer;Serial\n{name};S1\n") == [{"device_name": name}]


@pytest.mark.parametrize("key", ["exclude", "keep", "excluded", "exceptions", "do_not_offboard", "toKeep"])
def test_a_list_beside_a_list_of_devices_to_keep_is_an_error(key: str) -> None:
    for name in ("devices", "machines"):
        message = parse_error({name: ["pc-0101", "pc-0102"], key: ["pc-0102"]})
        assert f"two lists, {name} and {key}" in message
        assert parse({name: ["pc-0101"], key: []}) == [{"device_name": "pc-0101"}]
    assert "two lists" in parse_error(f"devices:\n  - pc-0101\n{key}:\n  - pc-0101\n")


def test_another_list_with_devices_of_the_list_is_an_error_whatever_its_key_is() -> None:
    assert "two lists, devices and vip" in parse_error({"devices": ["pc-0101", "pc-0102"], "vip": ["PC-0102"]})
    assert parse({"devices": ["pc-0101"], "tags": ["pc", "old"]}) == [{"device_name": "pc-0101"}]


def test_an_answer_next_to_the_list_counts_for_the_whole_list() -> None:
    for answer in ({"offboard": False}, {"action": "keep"}, {"note": "do not offboard"}):
        assert "so the device may not be meant" in parse_error({"devices": ["pc-0101"], **answer})
    assert parse({"devices": ["pc-0101"], "offboard": True, "msg": "OK"}) == [{"device_name": "pc-0101"}]


def test_a_comment_that_says_keep_is_an_error() -> None:
    for comment in ("# keep", "# do not offboard", "# in use", "# Exceptions", "## To keep", "# not in scope"):
        assert "line 2, " in parse_error(f"pc-0101\npc-0102  {comment}\n")
        assert "line 2, " in parse_error(f"pc-0101\n{comment}\npc-0102\n")
    for comment in ("# the kiosk", "# keep this list sorted", "# Retire", "# not returned", "# pc-0103", "#"):
        assert parse(f"{comment}\npc-0101\npc-0102  {comment}\n") == BOTH


def test_lines_to_add_and_to_remove_are_an_error() -> None:
    assert "add and to remove" in parse_error("+ pc-0101\n- pc-0102\n")
    for mark in "+-*":
        assert parse(f"{mark} pc-0101\n{mark} pc-0102\n") == BOTH
