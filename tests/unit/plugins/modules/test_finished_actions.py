# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A finished action is not the response to an offboard request."""

from __future__ import annotations

import json

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import RunModule, offboard_as_other_app, offboards


@pytest.fixture
def device(emulator: Emulator) -> Device:
    return emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))


@pytest.mark.parametrize("handled", [True, False])
@pytest.mark.parametrize("status", ["Succeeded", "Failed", "Cancelled", "TimeOut"])
def test_a_finished_action_is_not_the_response_to_a_post(
    emulator: Emulator, offboard: RunModule, device: Device, status: str, handled: bool
) -> None:
    body = {"id": "11111111-1111-4111-8111-111111111111", "type": "Offboard", "machineId": device.id, "status": status}
    emulator.fault(method="POST", kind="body", body=json.dumps(body), handled=handled)
    run = offboard(device_id=device.id)
    (own,) = offboards(emulator, device.id)
    assert (run.outcome, run.changed, run.failed) == ("submitted", True, False)
    assert run.result["action"]["id"] == own["id"]


@pytest.mark.parametrize("handled", [True, False])
def test_the_response_to_an_earlier_post_is_not_the_response_to_another_one(
    emulator: Emulator, offboard: RunModule, handled: bool
) -> None:
    device = emulator.add_device(Device(name="lab-w11-08.corp.example", fate="online"))
    earlier = offboard_as_other_app(emulator, device.id)
    emulator.clock.advance(600)
    ended = emulator.action(earlier["id"])
    assert ended["status"] == "Succeeded"
    emulator.fault(method="POST", kind="body", body=json.dumps(ended), handled=handled)
    run = offboard(device_id=device.id, force=True)
    assert (run.outcome, run.changed, run.failed) == ("submitted", True, False)
    assert run.result["action"]["id"] != earlier["id"]
    assert len(offboards(emulator, device.id)) == 2
