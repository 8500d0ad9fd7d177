# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life cycle of an action and its device."""

from __future__ import annotations

import typing as t
from collections.abc import Callable
from datetime import timedelta

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.emulator.times import from_ticks, parse_iso
from ansible_collections.secops.mde.tests.unit.emulator.client import Client

PC1 = "a1" * 20
DAY = 86400
QUEUE = 72 * 3600 + 14 * 60


def run(device: Device, *advances: t.Any, **knobs: dict[str, t.Any]) -> t.Any:
    """Offboard a device, and return the status after each advance of the clock."""
    with Emulator([device]) as service:
        service.knobs.update(knobs)
        service._fleet.offboard(device.id, "me", requestorComment="x")
        seen = []
        for seconds in advances:
            service.clock.advance(seconds)
            seen.append(service.actions()[0])
        return seen, service.machine(device.id)


def test_an_online_device_goes_through_all_states() -> None:
    seen, machine = run(Device(poll_seconds=4, ack_seconds=6), 3.9, 0.2, 5.8, 0.2)
    assert [item["status"] for item in seen] == ["Pending", "InProgress", "InProgress", "Succeeded"]
    assert [item["errorHResult"] for item in seen] == [0, 0, 0, 0]
    created = parse_iso(seen[0]["creationDateTimeUtc"])
    assert [(parse_iso(item["lastUpdateDateTimeUtc"]) - created) // 10_000_000 for item in seen] == [0, 4, 4, 10]
    assert machine["onboardingStatus"] == "Onboarded"


def test_one_long_advance_has_the_same_result_as_many_short_ones() -> None:
    (end,), machine = run(Device(last_seen=3600), 9 * DAY)
    assert end["status"] == "Succeeded"
    assert (machine["healthStatus"], machine["onboardingStatus"]) == ("Inactive", "CanBeOnboarded")


def test_an_offline_device_times_out_after_72_hours_and_14_minutes() -> None:
    seen, _service = run(Device(fate="offline"), QUEUE - 1, 2, 30 * DAY)
    assert [item["status"] for item in seen] == ["Pending", "TimeOut", "TimeOut"]
    assert seen[1]["errorHResult"] == -2145844840
    waited = parse_iso(seen[1]["lastUpdateDateTimeUtc"]) - parse_iso(seen[1]["creationDateTimeUtc"])
    assert abs(from_ticks(waited) - QUEUE) < 0.01


def test_a_device_that_never_answers_times_out_from_in_progress() -> None:
    seen, _service = run(Device(fate="never_answers"), 10, QUEUE)
    assert [item["status"] for item in seen] == ["InProgress", "TimeOut"]


def test_a_device_reports_a_failure_with_a_negative_number() -> None:
    seen, machine = run(Device(fate="fails"), 60)
    assert seen[0]["status"] == "Failed"
    assert seen[0]["errorHResult"] < 0
    assert machine["onboardingStatus"] == "Onboarded"


def test_an_offline_device_is_offboarded_when_it_is_online_in_time() -> None:
    seen, machine = run(Device(fate="offline", online_at=3600, last_seen="9d"), 3599, 2, 20)
    assert [item["status"] for item in seen] == ["Pending", "Pending", "Succeeded"]
    assert machine["healthStatus"] == "Active"


def test_a_device_that_is_online_too_late_does_not_run_the_action() -> None:
    seen, _service = run(Device(fate="offline", online_at=5 * DAY), 6 * DAY)
    assert seen[0]["status"] == "TimeOut"


def test_after_a_success_the_record_changes_later(service: Emulator) -> None:
    service._fleet.offboard(PC1, "me", requestorComment="x")
    service.clock.advance(20)
    before = service.machine(PC1)
    service.clock.advance(service.knobs.onboarding_delay - 30)
    assert service.machine(PC1)["onboardingStatus"] == "Onboarded"
    service.clock.advance(60)
    assert service.machine(PC1)["onboardingStatus"] == "CanBeOnboarded"
    assert service.machine(PC1)["healthStatus"] == "Active"
    service.clock.advance(6 * DAY)
    after = service.machine(PC1)
    assert after["healthStatus"] == "Inactive"
    assert after["lastSeen"] == before["lastSeen"]


def test_a_device_in_use_reports_once_a_day(service: Emulator) -> None:
    before = parse_iso(service.machine(PC1)["lastSeen"])
    service.clock.advance(10 * DAY)
    after = parse_iso(service.machine(PC1)["lastSeen"])
    assert (after - before) % (DAY * 10_000_000) == 0
    assert service.clock.now() - from_ticks(after) < DAY


def test_a_device_that_is_powered_off_is_inactive_after_a_week() -> None:
    with Emulator([Device(id=PC1, fate="offline", last_seen="2d")]) as service:
        before = service.machine(PC1)
        assert before["healthStatus"] == "Active"
        service.clock.advance(4 * DAY)
        assert service.machine(PC1) == before
        service.clock.advance(2 * DAY)
        assert service.machine(PC1) == {**before, "healthStatus": "Inactive"}


def test_a_device_can_report_again_after_a_success() -> None:
    with Emulator([Device(id=PC1, reonboard_after=3 * DAY)]) as service:
        service._fleet.offboard(PC1, "me", requestorComment="x")
        service.clock.advance(2 * DAY)
        assert service.machine(PC1)["onboardingStatus"] == "CanBeOnboarded"
        frozen = service.machine(PC1)["lastSeen"]
        service.clock.advance(2 * DAY)
        machine = service.machine(PC1)
        assert (machine["onboardingStatus"], machine["healthStatus"]) == ("Onboarded", "Active")
        assert parse_iso(machine["lastSeen"]) > parse_iso(frozen)
        service.clock.advance(10 * DAY)
        assert service.machine(PC1)["healthStatus"] == "Active"
        service._fleet.offboard(PC1, "me", requestorComment="x")
        service.clock.advance(60)
        assert service.actions()[0]["status"] == "Succeeded"


def test_an_offboarded_device_picks_up_no_actions(service: Emulator) -> None:
    service._fleet.offboard(PC1, "me", requestorComment="x")
    service.clock.advance(60)
    service._fleet.offboard(PC1, "me", requestorComment="again")
    service.clock.advance(3600)
    assert [item["status"] for item in service.actions()] == ["Pending", "Succeeded"]


def test_a_new_fate_applies_to_active_actions(service: Emulator) -> None:
    service.update_device(PC1, fate="offline")
    service._fleet.offboard(PC1, "me", requestorComment="x")
    service.clock.advance(DAY)
    assert service.actions()[0]["status"] == "Pending"
    service.update_device("pc1.corp.example", fate="online")
    service.clock.advance(60)
    assert service.actions()[0]["status"] == "Succeeded"


@pytest.mark.parametrize(
    ("status", "hresult"),
    [("Succeeded", 0), ("Failed", -2147024891), ("TimeOut", -2145844840), ("Cancelled", -2147467260)],
)
def test_an_earlier_action_is_stored_as_it_ended(service: Emulator, status: str, hresult: int) -> None:
    action = service.add_action(PC1, status=status, age=timedelta(days=9), comment="old", requestor="sam")
    assert service.actions(PC1) == [action]
    assert (action["status"], action["errorHResult"], action["requestor"]) == (status, hresult, "sam")
    assert from_ticks(parse_iso(action["creationDateTimeUtc"])) == pytest.approx(
        service.clock.now() - 9 * DAY, abs=0.001
    )
    assert (action["cancellationDateTimeUtc"] is not None) == (status == "Cancelled")
    service.clock.advance(30 * DAY)
    assert service.actions(PC1) == [action]


def test_an_earlier_action_that_is_active_continues(service: Emulator) -> None:
    service.add_action(PC1, status="Pending", age=60)
    service.clock.advance(60)
    assert service.actions()[0]["status"] == "Succeeded"


def test_an_action_that_waits_longer_than_its_timeout_is_stuck(service: Emulator) -> None:
    service.add_action(PC1, status="Pending", age="5d")
    service.clock.advance(60 * DAY)
    assert service.actions()[0]["status"] == "Pending"


def test_a_device_with_a_fresh_success_does_not_report(service: Emulator) -> None:
    service.add_action(PC1, status="Succeeded", age=7200)
    before = service.machine(PC1)["lastSeen"]
    service.clock.advance(3 * DAY)
    assert service.machine(PC1)["lastSeen"] == before


def test_no_other_status_and_no_offboarded_machine_is_ever_returned(service: Emulator) -> None:
    service.add_devices(
        Device(fate=fate) for fate in ("online", "offline", "never_answers", "fails") for _number in range(3)
    )
    for device in service.devices:
        service._fleet.offboard(device.id, "me", requestorComment="x")
    statuses, onboarding = set(), set()
    for step in (1, 5, 10, 100, DAY, 2 * DAY, 3 * DAY, 9 * DAY):
        service.clock.advance(step)
        statuses |= {item["status"] for item in service.actions()}
        onboarding |= {service.machine(device.id)["onboardingStatus"] for device in service.devices}
    assert statuses == {"Pending", "InProgress", "Succeeded", "Failed", "TimeOut"}
    assert onboarding == {"Onboarded", "CanBeOnboarded"}


# --- cancel ---


def cancel(client: Client, action_id: str, comment: str = "stop") -> t.Any:
    return client.post(f"/machineactions/{action_id}/cancel", {"Comment": comment})


def test_a_queued_action_is_cancelled(client: Client, service: Emulator) -> None:
    service.update_device(PC1, fate="offline")
    action = client.offboard().json()
    service.clock.advance(100)
    response = cancel(client, action["id"])
    ended = response.json()
    assert response.status_code == 200
    assert (ended["id"], ended["status"], ended["errorHResult"]) == (action["id"], "Cancelled", -2147467260)
    assert (ended["cancellationRequestor"], ended["cancellationComment"]) == (service.client_id, "stop")
    assert parse_iso(ended["lastUpdateDateTimeUtc"]) - parse_iso(ended["cancellationDateTimeUtc"]) == 1
    service.clock.advance(30 * DAY)
    assert service.actions()[0]["status"] == "Cancelled"


def test_a_cancel_request_needs_no_comment(client: Client, service: Emulator) -> None:
    action = client.offboard().json()
    assert client.call("POST", f"/machineactions/{action['id']}/cancel").json()["status"] == "Cancelled"


def test_a_cancel_request_requires_an_action_permission(
    client: Client, service: Emulator, client_of: Callable[..., Client]
) -> None:
    action = client.offboard().json()
    assert cancel(client_of(service, roles=["Machine.Read.All"]), action["id"]).status_code == 403
    assert cancel(client_of(service, roles=["Machine.Isolate"]), action["id"]).status_code == 200


def test_a_cancel_request_for_an_unknown_action_is_not_found(client: Client) -> None:
    assert cancel(client, "nothing").json()["error"]["code"] == "ResourceNotFound"


@pytest.mark.parametrize("knob", [200, 400])
def test_a_cancel_request_for_a_finished_action_changes_nothing(client: Client, service: Emulator, knob: int) -> None:
    service.knobs.cancel_final = knob
    action = service.add_action(PC1, status="Succeeded", age="2d")
    response = cancel(client, action["id"])
    assert response.status_code == knob
    assert service.actions() == [action]


def test_a_device_can_be_faster_than_a_cancel_request(client: Client, service: Emulator) -> None:
    service.knobs.cancel_race = "succeeded"
    action = client.offboard().json()
    assert cancel(client, action["id"]).json()["status"] == "Succeeded"
    service.clock.advance(2 * DAY)
    assert service.machine(PC1)["onboardingStatus"] == "CanBeOnboarded"


def test_a_cancelled_action_can_have_been_carried_out(client: Client, service: Emulator) -> None:
    service.knobs.cancel_race = "completes"
    action = client.offboard().json()
    assert cancel(client, action["id"]).json()["status"] == "Cancelled"
    service.clock.advance(2 * DAY)
    assert service.machine(PC1)["onboardingStatus"] == "CanBeOnboarded"


def test_a_cancel_request_can_take_effect_later(client: Client, service: Emulator) -> None:
    service.update_device(PC1, fate="offline")
    service.knobs.cancel_delay = 20
    action = client.offboard().json()
    assert cancel(client, action["id"]).json()["status"] == "Pending"
    service.clock.advance(21)
    assert service.actions()[0]["status"] == "Cancelled"


@pytest.mark.parametrize("status", ["InProgress", "Succeeded", "Failed", "TimeOut", "Cancelled"])
def test_an_action_can_be_changed_manually(client: Client, service: Emulator, status: str) -> None:
    action = client.offboard().json()
    assert service.move_action(action["id"], status)["status"] == status
    service.clock.advance(30 * DAY)
    assert service.actions()[0]["status"] == status
