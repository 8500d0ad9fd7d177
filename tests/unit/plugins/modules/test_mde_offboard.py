# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One device from the module's parameters to the JSON it prints, against the emulator."""

from __future__ import annotations

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.harness import RunModule, api_calls, offboards, posts, sign_ins


def test_one_device_by_id_takes_three_calls_and_one_sign_in(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example"))
    run = offboard(device_id=device.id)
    assert run.changed
    assert run.outcome == "submitted"
    assert run.result["action"].items() >= emulator.actions(device.id)[0].items()
    assert api_calls(emulator) == ["GET machines", "GET machineactions", "POST offboard"]
    assert sign_ins(emulator) == 1
    assert run.result["summary"]["api"]["calls"] == 3


def test_the_second_run_changes_nothing_and_sends_no_post(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example"))
    first, second = offboard(device_id=device.id), offboard(device_id=device.id)
    assert (first.changed, second.changed) == (True, False)
    assert second.outcome == "in_progress"
    assert second.result["action"]["id"] == first.result["action"]["id"]
    assert posts(emulator) == 1
    assert len(offboards(emulator, device.id)) == 1
