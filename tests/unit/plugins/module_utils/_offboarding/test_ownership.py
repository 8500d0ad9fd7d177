# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ownership of actions for every external ID, comment and time that a service can return."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._api.models import MachineAction
from ansible_collections.secops.mde.plugins.module_utils._offboarding.external_id import contradicts, is_same
from ansible_collections.secops.mde.plugins.module_utils._offboarding.ownership import OwnershipCheck

NOW = datetime(2026, 7, 1, 12, tzinfo=timezone.utc)
DEVICE, OTHER_DEVICE = "aa" * 20, "bb" * 20
COMMENT = "CHG-1042 retired"
UUID = "3d1f7a52-8f0e-4c6b-9d35-7a1b2c3d4e5f"
FOREIGN = "0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22"
OURS = f"{UUID} CHG-1042 job 7"

SAME = {
    "as sent": OURS,
    "in upper case": OURS.upper(),
    "in the other case": OURS.swapcase(),
    "with spaces around": f"  {OURS}\t",
    "only the UUID": UUID,
    "the UUID and a space": f"{UUID} ",
    "a part of the text": OURS[:41],
    "one character of the text": OURS[:38],
}
ANOTHER = {
    "of another request": FOREIGN,
    "of another request with our text": f"{FOREIGN} CHG-1042 job 7",
    "only our text": "CHG-1042 job 7",
    "our UUID with another text": f"{UUID} CHG-7",
    "ours with more": f"{OURS}7",
    "ours after something else": f"x {OURS}",
    "not the complete UUID": UUID[:35],
    "the beginning of the UUID": UUID[:8],
    "a few characters of it": UUID[:3],
    "a word": "job",
}


@pytest.mark.parametrize("returned", SAME.values(), ids=SAME)
def test_a_value_is_the_same_ignoring_case_and_surrounding_spaces_or_truncated_after_the_uuid(returned: str) -> None:
    assert is_same(OURS, returned)
    assert not contradicts(OURS, returned)


@pytest.mark.parametrize("returned", ANOTHER.values(), ids=ANOTHER)
def test_every_other_value_is_different(returned: str) -> None:
    assert not is_same(OURS, returned)
    assert contradicts(OURS, returned) == (returned not in (UUID[:35], UUID[:8]))


def test_every_value_contradicts_a_run_that_sent_none() -> None:
    assert contradicts(None, OURS)


def action(**fields: t.Any) -> MachineAction:
    record = {
        "id": "a-1",
        "type": "Offboard",
        "machineId": DEVICE,
        "status": "Pending",
        "requestorComment": COMMENT,
        "creationDateTimeUtc": "2026-07-01T12:00:01Z",
        "externalId": None,
    }
    return MachineAction.checked({**record, **fields})


CHECK = OwnershipCheck(DEVICE, COMMENT, frozenset({"before"}), NOW, OURS)
WITHOUT = OwnershipCheck(DEVICE, COMMENT, frozenset({"before"}), NOW, None)
IDS = st.one_of(
    st.none(),
    st.just(""),
    st.sampled_from([*SAME.values(), *ANOTHER.values()]),
    st.integers(0, len(OURS)).map(lambda length: OURS[:length]),
    st.text(max_size=5),
)
ACTIONS = st.fixed_dictionaries(
    {
        "id": st.sampled_from(["before", "BEFORE", "a-1", "a-2", "a-3"]),
        "type": st.sampled_from(["Offboard", "Offboard", "Isolate"]),
        "machineId": st.sampled_from([DEVICE, DEVICE, DEVICE.upper(), OTHER_DEVICE]),
        "status": st.sampled_from(["Pending", "InProgress", "Succeeded", "Failed", "Queued", None]),
        "requestorComment": st.sampled_from([COMMENT, f" {COMMENT} ", "CHG-7", COMMENT[:8], None]),
        "creationDateTimeUtc": st.one_of(
            st.none(),
            st.integers(-60, 60).map(lambda age: (NOW + timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")),
        ),
        "externalId": IDS,
    }
).map(lambda fields: action(**fields))


def is_on_our_device(one: MachineAction) -> bool:
    return one.type == "Offboard" and one.machine_id == DEVICE


def fits_without_external_id(one: MachineAction) -> bool:
    """A second implementation of the rule for a service without external IDs."""
    return (
        is_on_our_device(one)
        and one.id.lower() != "before"
        and (one.comment or "").strip() == COMMENT
        and one.created is not None
        and one.created >= NOW - timedelta(seconds=5)
    )


def has_our_external_id(one: MachineAction) -> bool:
    value = (one.external_id or "").strip().lower()
    return is_on_our_device(one) and len(value) >= 36 and OURS.lower().startswith(value)


@given(st.lists(ACTIONS, max_size=6))
def test_histories_with_foreign_truncated_and_missing_external_ids_are_assessed(actions: list[MachineAction]) -> None:
    for one in actions:
        missing = one.external_id is None
        assert CHECK.owns(one) == (fits_without_external_id(one) if missing else has_our_external_id(one))
        assert WITHOUT.owns(one) == (missing and fits_without_external_id(one))
        assert CHECK.fits_but_for_external_id(one) == (
            not missing and not has_our_external_id(one) and fits_without_external_id(one)
        )
    proven = [one for one in actions if has_our_external_id(one)]
    fitting = [one for one in actions if one.external_id is None and fits_without_external_id(one)]
    assert CHECK.find_own(actions, in_doubt=False) == next(iter(proven), None)
    assert CHECK.find_own(actions, in_doubt=True) == next(iter([*proven, *fitting]), None)
    assert WITHOUT.find_own(actions, in_doubt=False) is None


@given(ACTIONS)
def test_a_direct_response_is_ours_where_nothing_contradicts(one: MachineAction) -> None:
    value = (one.external_id or "").strip().lower()
    is_prefix = not value or (len(value) >= 8 and OURS.lower().startswith(value))
    recent = one.created is None or one.created >= NOW - timedelta(seconds=5)
    comment = COMMENT.startswith((one.comment or "").strip())
    expected = is_on_our_device(one) and one.id.lower() != "before" and recent and comment and is_prefix
    assert CHECK.owns_response(one) == (expected or has_our_external_id(one))


@given(ACTIONS, ACTIONS)
def test_two_runs_never_both_own_an_action_that_has_an_external_id(one: MachineAction, two: MachineAction) -> None:
    other = OwnershipCheck(DEVICE, COMMENT, frozenset(), NOW, f"{FOREIGN} CHG-1042 job 7")
    for found in (one, two):
        if found.external_id is not None:
            assert not (CHECK.owns(found) and other.owns(found))
            assert not (CHECK.owns_response(found) and other.owns_response(found))
