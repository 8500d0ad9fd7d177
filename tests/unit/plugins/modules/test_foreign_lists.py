# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A list with none of the requested records is the response to another request."""

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


def test_machines_that_do_not_match_the_filter_are_not_an_absence(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    other = emulator.add_device(Device(name="other.corp.example"))
    record = emulator.machine(other.id)
    foreign_list(emulator, "/machines", [record], times=None)
    run = offboard(device_name=device.name, missing_ok=True)
    assert run.failed, run.result["devices"]
