# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A wrong local clock or Date header selects no active device and repeats no action."""

from __future__ import annotations

import socket
import typing as t

import pytest
import urllib3.util.connection

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import (
    EmulatorClock,
    RunModule,
    api_calls,
    offboard_as_other_app,
    offboards,
    posts,
)

DAY = 86400


@pytest.fixture
def device(emulator: Emulator) -> Device:
    return emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("date", [10 * DAY, 3650 * DAY])
def test_a_date_header_that_contradicts_everything_else_makes_no_recent_action_stuck(
    emulator: Emulator, offboard: RunModule, device: Device, date: float, force: bool
) -> None:
    offboard_as_other_app(emulator, device.id)
    emulator.knobs.date_header = date
    run = offboard(device_id=device.id, force=force)
    assert (run.outcome, run.changed) == ("in_progress", False)
    assert len(offboards(emulator, device.id)) == 1
    assert "cancel" not in run.output.lower().replace("cancelled", "").replace("cancellation", "")
    assert [warning for warning in run.warnings if "Date header" in warning] == run.warnings
    assert len(run.warnings) == 1


@pytest.mark.parametrize("skew", [40 * DAY, -40 * DAY])
def test_selections_use_the_time_of_the_service(
    emulator: Emulator, machine_info: RunModule, clock: EmulatorClock, skew: float
) -> None:
    emulator.add_device(Device(name="active.corp.example"))
    idle = emulator.add_device(Device(name="idle.corp.example"))
    emulator.update_machine(idle.id, lastSeen="2020-01-01T00:00:00Z")
    clock.skew = skew
    assert machine_info(last_seen_before="30").names == ["idle.corp.example"]


@pytest.mark.parametrize("skew", [40 * DAY, -40 * DAY])
def test_selections_of_actions_use_the_time_of_the_service(
    emulator: Emulator, action_info: RunModule, clock: EmulatorClock, device: Device, skew: float
) -> None:
    offboard_as_other_app(emulator, device.id)
    clock.skew = skew
    assert len(action_info(created_after="1").result["machine_actions"]) == 1
    assert action_info(created_before="1").result["machine_actions"] == []


@pytest.mark.parametrize("timeout", [30, 600], ids="a time-out of {} s".format)
def test_a_machine_that_is_suspended_between_the_read_and_the_post_reads_again(
    timeout: int,
    emulator: Emulator,
    offboard: RunModule,
    clock: EmulatorClock,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The machine is suspended while the connection for the POST is opened, after all other reads of the clock."""
    dial = urllib3.util.connection.create_connection
    emulator.fault(
        method="GET", path="/machineactions", kind="body", body='{"value": []}', headers={"Connection": "close"}
    )
    asleep = [False]

    def suspended(*args: t.Any, **options: t.Any) -> socket.socket:
        if [call for call in api_calls(emulator) if call == "GET machineactions"] and not asleep[0]:
            asleep[0] = True
            emulator.clock.advance(176)
            offboard_as_other_app(emulator, device.id)
        return dial(*args, **options)

    monkeypatch.setattr(urllib3.util.connection, "create_connection", suspended)
    run = offboard(device_id=device.id, timeout=timeout)
    assert asleep == [True]
    assert (run.outcome, run.changed) == ("in_progress", False)
    assert posts(emulator) == 0  # the POST of the other application is not in the log
    assert len(offboards(emulator, device.id)) == 1
