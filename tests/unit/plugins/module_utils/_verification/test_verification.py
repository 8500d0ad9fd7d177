# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The assessment of offboard actions: a table, and a property test that every history has one outcome."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._api.models import Machine, MachineAction
from ansible_collections.secops.mde.plugins.module_utils._evidence_format import VERIFY_OUTCOMES
from ansible_collections.secops.mde.plugins.module_utils._verification.verification import assess

ID = "a" * 40
AWAY, BACK = "2026-02-03T12:00:00Z", "2026-02-09T12:00:00Z"


def action(status: str, day: int) -> MachineAction:
    """Return an action that was created and finished on a day in February."""
    record = {
        "id": f"{status}-{day}",
        "type": "Offboard",
        "machineId": ID,
        "status": status,
        "creationDateTimeUtc": f"2026-02-{day:02}T08:00:00Z",
        "lastUpdateDateTimeUtc": f"2026-02-{day:02}T09:00:00.1234567Z",
    }
    found = MachineAction.from_json(record)
    assert found
    return found


def machine(seen: str | None, onboarding: str = "Onboarded") -> Machine:
    return Machine(record={"id": ID, "lastSeen": seen, "onboardingStatus": onboarding}, id=ID)


@pytest.mark.parametrize(
    ("history", "record", "expected", "by"),
    [
        ([], machine(AWAY), "no_action", None),
        (["Succeeded-3"], machine(AWAY), "done", "Succeeded-3"),
        (["Succeeded-3"], None, "done", "Succeeded-3"),
        (["Succeeded-3"], machine(BACK), "came_back", "Succeeded-3"),
        (["Succeeded-3"], machine(BACK, "CanBeOnboarded"), "done", "Succeeded-3"),
        (["Succeeded-3"], machine(None), "came_back", "Succeeded-3"),
        (["Pending-3"], machine(AWAY), "pending", "Pending-3"),
        (["InProgress-3", "Succeeded-2"], machine(AWAY), "pending", "InProgress-3"),
        (["Pending-2", "Failed-3"], machine(AWAY), "pending", "Pending-2"),
        (["SomethingNew-3"], machine(AWAY), "pending", "SomethingNew-3"),
        (["Failed-3"], machine(AWAY), "failed", "Failed-3"),
        (["TimeOut-3"], machine(AWAY), "timed_out", "TimeOut-3"),
        (["Cancelled-3"], machine(AWAY), "cancelled", "Cancelled-3"),
        (["Canceled-3"], machine(AWAY), "cancelled", "Canceled-3"),
        (["TimeOut-4", "Succeeded-3"], machine(AWAY), "done", "Succeeded-3"),
        (["TimeOut-8", "Succeeded-3"], machine(BACK), "timed_out", "TimeOut-8"),
    ],
)
def test_the_outcome_is_that_of_the_table(
    history: list[str], record: Machine | None, expected: str, by: str | None
) -> None:
    actions = [action(status, int(day)) for status, day in (text.split("-") for text in history)]
    outcome, decisive = assess(actions, record)
    assert (outcome, decisive and decisive.id) == (expected, by)


STATUSES = st.sampled_from(["Pending", "InProgress", "Succeeded", "Failed", "TimeOut", "Cancelled", "Whatever"])


@given(
    st.lists(st.tuples(STATUSES, st.integers(1, 9)), max_size=4),
    st.sampled_from([None, machine(AWAY), machine(BACK), machine(None), machine(BACK, "CanBeOnboarded")]),
    st.randoms(),
)
def test_every_history_has_one_outcome_in_any_order(
    history: list[tuple[str, int]], record: Machine | None, rng: t.Any
) -> None:
    actions = [action(status, day) for day, status in {day: status for status, day in history}.items()]
    outcome, decisive = assess(actions, record)
    assert outcome in VERIFY_OUTCOMES
    assert (decisive is None) == (not actions)
    rng.shuffle(actions)
    assert assess(actions, record)[0] == outcome
