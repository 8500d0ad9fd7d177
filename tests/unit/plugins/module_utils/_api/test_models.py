# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of the service: times in every format, enums in any case, and values that are not records."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from ansible_collections.secops.mde.plugins.module_utils._api.models import (
    Machine,
    MachineAction,
    case_variants,
    meant,
)
from ansible_collections.secops.mde.plugins.module_utils._timestamps import format_time, parse_time

MOMENT = datetime(2026, 2, 3, 4, 5, 6, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("text", "micro"),
    [
        ("2026-02-03T04:05:06.1234567Z", 123456),
        ("2026-02-03T04:05:06.123456Z", 123456),
        ("2026-02-03T04:05:06.15497Z", 154970),
        ("2026-02-03T04:05:06.93Z", 930000),
        ("2026-02-03T04:05:06.9Z", 900000),
        ("2026-02-03T04:05:06Z", 0),
        ("2026-02-03t04:05:06z", 0),
        ("2026-02-03T04:05:06", 0),
        (" 2026-02-03T06:05:06+02:00 ", 0),
    ],
)
def test_a_time_of_the_service_is_read_in_every_form(text: str, micro: int) -> None:
    assert parse_time(text) == MOMENT.replace(microsecond=micro)


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "soon",
        7,
        [],
        "2026-13-03T04:05:06Z",
        "2026-02-03",
        "0001-01-01T00:00:00+23:59",
        "0001-01-01T00:00:00Z",
    ],
)
def test_a_value_that_is_not_a_time_is_none(value: object) -> None:
    assert parse_time(value) is None


def test_a_time_is_written_as_it_is_read() -> None:
    assert parse_time(format_time(MOMENT.timestamp())) == MOMENT


@pytest.mark.parametrize("value", [None, [], "x", {}, {"id": None}, {"id": 7}, {"id": " "}])
def test_a_value_that_is_not_a_record_is_none(value: object) -> None:
    assert Machine.from_json(value) is None
    assert MachineAction.from_json(value) is None


def test_an_action_needs_a_machine() -> None:
    assert MachineAction.from_json({"id": "x"}) is None
    assert MachineAction.from_json({"id": "x", "machineId": "a1"}) is not None


@pytest.mark.parametrize(
    ("status", "state", "active", "ended"),
    [
        ("Pending", "pending", True, False),
        ("InProgress", "inprogress", True, False),
        ("inprogress", "inprogress", True, False),
        ("Succeeded", "succeeded", False, True),
        ("TimeOut", "timeout", False, True),
        ("Timeout", "timeout", False, True),
        ("Cancelled", "cancelled", False, True),
        ("Canceled", "cancelled", False, True),
        ("Failed", "failed", False, True),
        ("Brandnew", "brandnew", False, False),
        (None, "none", False, False),
    ],
)
def test_a_status_is_case_insensitive_and_an_unknown_one_is_not_final(
    status: object, state: str, active: bool, ended: bool
) -> None:
    action = MachineAction.from_json({"id": "x", "machineId": "a1", "status": status})
    assert action is not None
    assert (action.normalized_status, action.is_active, action.is_final) == (state, active, ended)


def test_a_record_merged_into_itself_is_not_merged() -> None:
    machine = Machine.from_json({"id": "a1", "mergedIntoMachineId": "a1"})
    assert machine is not None
    assert machine.merged_into is None


@pytest.mark.parametrize(
    ("requested", "found"),
    [
        (["a1"], ["a1"]),
        (["A1"], ["A1"]),
        (["a1", "A1"], ["a1", "A1"]),
        (["b2"], ["B2"]),
        (["B2", "a1"], ["a1", "B2"]),
        (["c3"], []),
    ],
)
def test_an_id_means_the_record_that_has_it_exactly_or_else_those_that_differ_in_case(
    requested: list[str], found: list[str]
) -> None:
    records = [machine for id_ in ("a1", "A1", "B2") if (machine := Machine.from_json({"id": id_}))]
    assert [machine.id for machine in meant(requested, records)] == found


def test_a_name_is_requested_as_typed_in_lowercase_and_in_both_encodings() -> None:
    assert case_variants(["PC1"]) == ["PC1", "pc1"]
    assert set(case_variants(["B\u00dcRO"])) == {"B\u00dcRO", "BU\u0308RO", "b\u00fcro", "bu\u0308ro"}
