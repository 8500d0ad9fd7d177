# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The decision table: every rule and its limits. Exactly one rule applies in every state."""

from __future__ import annotations

import itertools
import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._api.models import Machine, MachineAction
from ansible_collections.secops.mde.plugins.module_utils._offboarding.decision import (
    RULES,
    ActiveAction,
    DeviceState,
    History,
    decide,
)

NOW = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
DEVICE = "00aa11bb22cc33dd44ee55ff66aa77bb88cc99dd"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def stamp(time: datetime) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.%f").rstrip("0").rstrip(".") + "Z"


def machine(onboarding: object = "Onboarded", seen: timedelta | str | None = HOUR, health: str = "Active") -> Machine:
    """Return a record with this time since its last report."""
    last_seen = stamp(NOW - seen) if isinstance(seen, timedelta) else seen
    found = Machine.from_json(
        {"id": DEVICE, "onboardingStatus": onboarding, "lastSeen": last_seen, "healthStatus": health}
    )
    assert found is not None
    return found


def action(status: object, created: timedelta, ended: timedelta | None = None, **fields: object) -> MachineAction:
    """Return an Offboard action with these times since its creation and end."""
    record = {
        "id": f"action-{status}-{created.total_seconds():.0f}",
        "type": "Offboard",
        "machineId": DEVICE,
        "status": status,
        "creationDateTimeUtc": stamp(NOW - created),
        "lastUpdateDateTimeUtc": stamp(NOW - (created if ended is None else ended)),
        **fields,
    }
    found = MachineAction.from_json(record)
    assert found is not None
    return found


# record, actions, outcome, outcome with force
CASES: list[tuple[str, Machine, list[MachineAction], str, str]] = [
    ("no action at all", machine(), [], "submitted", "submitted"),
    ("pending", machine(), [action("Pending", HOUR)], "in_progress", "in_progress"),
    ("in progress", machine(), [action("InProgress", HOUR)], "in_progress", "in_progress"),
    ("in uppercase", machine(), [action("PENDING", HOUR)], "in_progress", "in_progress"),
    ("created in the future by a fast clock", machine(), [action("Pending", -HOUR)], "in_progress", "in_progress"),
    ("an hour less than four days", machine(), [action("Pending", 4 * DAY - HOUR)], "in_progress", "in_progress"),
    ("more than four days", machine(), [action("Pending", 4 * DAY + HOUR)], "in_progress", "submitted"),
    ("pending for weeks", machine(), [action("Pending", 21 * DAY)], "in_progress", "submitted"),
    ("an unknown status", machine(), [action("Queued", HOUR)], "in_progress", "submitted"),
    ("no status", machine(), [action(None, HOUR)], "in_progress", "submitted"),
    (
        "pending without a readable time",
        machine(),
        [action("Pending", HOUR, creationDateTimeUtc="soon")],
        "in_progress",
        "submitted",
    ),
    (
        "an older active action and a newer failed one",
        machine(),
        [action("Failed", HOUR), action("Pending", 2 * DAY)],
        "in_progress",
        "in_progress",
    ),
    (
        "a recent action and a stuck action",
        machine(),
        [action("Pending", 21 * DAY), action("Pending", HOUR)],
        "in_progress",
        "in_progress",
    ),
    (
        "active although not onboarded",
        machine("CanBeOnboarded"),
        [action("Pending", HOUR)],
        "in_progress",
        "in_progress",
    ),
    (
        "offboarded, with a successful action",
        machine("CanBeOnboarded", 30 * DAY),
        [action("Succeeded", 20 * DAY)],
        "already_offboarded",
        "submitted",
    ),
    ("never onboarded", machine("CanBeOnboarded"), [], "not_onboarded", "submitted"),
    ("unsupported", machine("Unsupported"), [], "not_onboarded", "submitted"),
    ("insufficient information", machine("insufficientinfo"), [], "not_onboarded", "submitted"),
    (
        "not onboarded, the last action failed",
        machine("CanBeOnboarded"),
        [action("Failed", DAY)],
        "not_onboarded",
        "submitted",
    ),
    (
        "not onboarded, the last action timed out",
        machine("CanBeOnboarded"),
        [action("TimeOut", DAY)],
        "not_onboarded",
        "submitted",
    ),
    (
        "not onboarded, a newer action failed after a success",
        machine("CanBeOnboarded"),
        [action("Failed", DAY), action("Succeeded", 9 * DAY)],
        "not_onboarded",
        "submitted",
    ),
    ("an unknown onboarding status counts as onboarded", machine("Offboarded"), [], "submitted", "submitted"),
    ("a missing onboarding status counts as onboarded", machine(None), [], "submitted", "submitted"),
    ("failed before", machine(), [action("Failed", DAY)], "submitted", "submitted"),
    ("timed out before", machine(), [action("TimeOut", DAY)], "submitted", "submitted"),
    ("cancelled before", machine(), [action("Cancelled", DAY)], "submitted", "submitted"),
    ("cancelled in the other spelling", machine(), [action("Canceled", DAY)], "submitted", "submitted"),
    ("not seen since", machine(seen=20 * DAY), [action("Succeeded", 19 * DAY)], "already_offboarded", "submitted"),
    (
        "a last report within a day of the end",
        machine(seen=19 * DAY - 23 * HOUR),
        [action("Succeeded", 19 * DAY)],
        "already_offboarded",
        "submitted",
    ),
    (
        "a report more than a day after the end",
        machine(seen=19 * DAY - 25 * HOUR),
        [action("Succeeded", 19 * DAY)],
        "submitted",
        "submitted",
    ),
    (
        "offboarded in January, back in February, powered off in June",
        machine(seen=20 * DAY, health="Inactive"),
        [action("Succeeded", 170 * DAY)],
        "submitted",
        "submitted",
    ),
    (
        "the end counts, not the beginning",
        machine(seen=17 * DAY),
        [action("Succeeded", 20 * DAY, ended=17 * DAY)],
        "already_offboarded",
        "submitted",
    ),
    ("never seen by the record", machine(seen=None), [action("Succeeded", 9 * DAY)], "submitted", "submitted"),
    ("seen at an unreadable time", machine(seen="yesterday"), [action("Succeeded", 9 * DAY)], "submitted", "submitted"),
    (
        "ended at an unreadable time",
        machine(seen=20 * DAY),
        [action("Succeeded", 9 * DAY, lastUpdateDateTimeUtc=None)],
        "submitted",
        "submitted",
    ),
    (
        "a newer action failed after a success, not seen since",
        machine(seen=20 * DAY),
        [action("Failed", 5 * DAY), action("Succeeded", 19 * DAY)],
        "already_offboarded",
        "submitted",
    ),
    (
        "the newest success counts",
        machine(seen=100 * DAY),
        [action("Succeeded", 170 * DAY), action("Succeeded", 99 * DAY)],
        "already_offboarded",
        "submitted",
    ),
    ("another type of action", machine(), [action("Pending", HOUR, type="Isolate")], "submitted", "submitted"),
    ("another machine's action", machine(), [action("Pending", HOUR, machineId="ff" * 20)], "submitted", "submitted"),
    (
        "an action of a machine whose ID differs only in case",
        machine(),
        [action("Pending", HOUR, machineId=DEVICE.upper())],
        "submitted",
        "submitted",
    ),
]


@pytest.mark.parametrize(
    ("record", "actions", "normal", "forced"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_each_state_has_its_outcome(record: Machine, actions: list[MachineAction], normal: str, forced: str) -> None:
    for order in itertools.permutations(actions):
        assert decide(record, order, NOW).outcome == normal
        assert decide(record, order, NOW, force=True).outcome == forced


STATES = [
    DeviceState(active_action=work, onboarded=onboarded, history=past, came_back=came_back)
    for work, onboarded, past, came_back in itertools.product(ActiveAction, (True, False), History, (True, False))
]


@pytest.mark.parametrize("state", STATES, ids=str)
def test_exactly_one_rule_applies_in_every_state(state: DeviceState) -> None:
    assert [rule.applies(state) for rule in RULES].count(True) == 1


STATUSES = st.sampled_from(["Pending", "InProgress", "Succeeded", "Failed", "TimeOut", "Cancelled", "Queued", "", None])
TIMES = st.one_of(st.none(), st.text(max_size=5), st.floats(-10, 400).map(lambda days: stamp(NOW - days * DAY)))


@st.composite
def histories(draw: st.DrawFn) -> list[MachineAction]:
    fields = st.fixed_dictionaries(
        {
            "id": st.uuids().map(str),
            "type": st.sampled_from(["Offboard", "offboard", "Isolate", None]),
            "machineId": st.sampled_from([DEVICE, DEVICE.upper(), "ff" * 20]),
            "status": STATUSES,
            "creationDateTimeUtc": TIMES,
            "lastUpdateDateTimeUtc": TIMES,
        }
    )
    actions = [MachineAction.from_json(record) for record in draw(st.lists(fields, max_size=5))]
    return [found for found in actions if found is not None]


RECORDS = st.builds(
    lambda onboarding, seen: t.cast(
        "Machine", Machine.from_json({"id": DEVICE, "onboardingStatus": onboarding, "lastSeen": seen})
    ),
    st.sampled_from(["Onboarded", "CanBeOnboarded", "Unsupported", "InsufficientInfo", "New", None, 7]),
    TIMES,
)


@given(RECORDS, histories(), st.booleans())
def test_every_history_that_the_service_can_send_has_a_decision(
    record: Machine, actions: list[MachineAction], force: bool
) -> None:
    decision = decide(record, actions, NOW, force=force)
    assert decision.outcome in ("submitted", "in_progress", "already_offboarded", "not_onboarded")
    recent = [
        a
        for a in actions
        if a.is_offboard_of(DEVICE) and a.is_active and a.created is not None and a.created >= NOW - 4 * DAY
    ]
    if recent:  # a recent action is never duplicated, even with force
        assert decision.outcome == "in_progress"
        assert decision.action in recent
    if decision.outcome == "already_offboarded":  # "done" is always correct
        assert decision.action is not None
        assert decision.action.normalized_status == "succeeded"


def test_the_warning_about_a_stuck_action_says_how_to_cancel_it() -> None:
    decision = decide(machine(), [action("Pending", 21 * DAY, id="stuck-1")], NOW)
    assert decision.warning is not None
    assert "stuck-1" in decision.warning
    assert "mde_machine_action_cancel" in decision.warning


def test_a_recent_action_has_no_warning() -> None:
    assert decide(machine(), [action("Pending", HOUR)], NOW).warning is None


def test_the_action_that_proves_the_offboard_is_returned() -> None:
    done = action("Succeeded", 19 * DAY)
    assert decide(machine(seen=20 * DAY), [action("Failed", 30 * DAY), done], NOW).action is done
