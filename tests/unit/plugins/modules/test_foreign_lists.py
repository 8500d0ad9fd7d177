# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records that were not requested: a response without any other is that to another request, and the rest is a warning."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import RunModule, offboard_as_other_app, offboards


@pytest.fixture
def device(emulator: Emulator) -> Device:
    return emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))


def foreign_list(emulator: Emulator, path: str, records: list[dict[str, t.Any]], **more: t.Any) -> None:
    emulator.fault(method="GET", path=path, kind="body", body=json.dumps({"value": records}), **more)


def test_actions_of_other_devices_are_not_a_response_to_the_filter(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    """A proxy returns the response to another read, so the actions of the requested devices are unknown."""
    other = emulator.add_device(Device(name="other.corp.example", fate="offline"))
    foreign = offboard_as_other_app(emulator, other.id)
    offboard_as_other_app(emulator, device.id)
    emulator.knobs.duplicate_mode = "create"
    foreign_list(emulator, "/machineactions", [foreign])
    run = offboard(device_id=device.id)
    assert (run.outcome, run.error_code, len(offboards(emulator, device.id))) == ("error", "unexpected_response", 1)
    assert offboard(device_id=device.id).outcome == "in_progress"


def test_actions_of_other_devices_beside_our_own_are_a_warning(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    other = emulator.add_device(Device(name="other.corp.example", fate="offline"))
    foreign = offboard_as_other_app(emulator, other.id)
    own = offboard_as_other_app(emulator, device.id)
    foreign_list(emulator, "/machineactions", [foreign, own])
    run = offboard(device_id=device.id)
    assert (run.outcome, run.result["action"]["id"]) == ("in_progress", own["id"])
    (warning,) = run.warnings
    assert f"records that were not requested (1: {foreign['id']})" in warning


def test_actions_of_a_device_whose_id_differs_in_case_only_are_no_warning(
    emulator: Emulator, offboard: RunModule
) -> None:
    """A filter may ignore case."""
    emulator.add_device(Device(id="ab" * 20, name="pc-1"))
    action = {
        "id": "11111111-1111-4111-8111-111111111111",
        "type": "Offboard",
        "machineId": "AB" * 20,
        "status": "Failed",
    }
    foreign_list(emulator, "/machineactions", [action])
    run = offboard(device_id="ab" * 20)
    assert (run.outcome, run.warnings) == ("submitted", [])


@pytest.mark.parametrize("alone", [False, True], ids=["in the list", "by its own read"])
def test_an_action_that_was_not_requested_is_a_warning(
    emulator: Emulator, offboard_info: RunModule, device: Device, alone: bool
) -> None:
    requested = "1f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22"
    action = emulator.add_action(device.id, age="2d")
    path, body = (f"/machineactions/{requested}", action) if alone else ("/machineactions", {"value": [action]})
    emulator.fault(method="GET", path=path, kind="body", body=json.dumps(body))
    run = offboard_info(action_id=[requested])
    assert [one["outcome"] for one in run.result["devices"]] == ["no_action"]
    (warning,) = run.warnings
    assert action["id"] in warning


def test_the_record_of_another_machine_is_no_absence(
    emulator: Emulator, offboard: RunModule, offboard_info: RunModule, tag: RunModule, device: Device
) -> None:
    other = emulator.add_device(Device(name="other.corp.example"))
    emulator.add_action(device.id, age="3d")
    foreign_list(emulator, "/machines", [], query="$filter", times=None)
    emulator.fault(
        method="GET",
        path=f"/machines/{device.id}",
        kind="body",
        body=json.dumps(emulator.machine(other.id)),
        times=None,
    )
    for run in (
        offboard(device_id=device.id, missing_ok=True),
        offboard_info(device_id=[device.id]),
        tag(device_id=[device.id]),
    ):
        assert (run.failed, run.error_code) == (True, "unexpected_response"), run.result


def test_machines_that_do_not_match_the_filter_are_not_an_absence(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    other = emulator.add_device(Device(name="other.corp.example"))
    record = emulator.machine(other.id)
    foreign_list(emulator, "/machines", [record], times=None)
    run = offboard(device_name=device.name, missing_ok=True)
    assert run.failed, run.result["devices"]
