# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A single record with an impossible time has no effect on decisions."""

from __future__ import annotations

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import (
    EmulatorClock,
    RunModule,
    offboard_as_other_app,
    offboards,
)

DAY = 86400
FUTURE = ["2099-01-01T00:00:00Z", "9999-12-31T23:59:59.9999999Z"]


@pytest.mark.parametrize("date", ["absent", "virtual"])
@pytest.mark.parametrize("skew", [0, -DAY, DAY, 40 * DAY, -40 * DAY])
@pytest.mark.parametrize("seen", FUTURE)
def test_a_record_from_the_future_makes_no_recent_action_stuck(
    emulator: Emulator, offboard: RunModule, clock: EmulatorClock, seen: str, date: str, skew: float
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    offboard_as_other_app(emulator, device.id)
    emulator.update_machine(device.id, lastSeen=seen)
    emulator.knobs.update({"date_header": date, "duplicate_mode": "create"})
    clock.skew = skew
    run = offboard(device_id=device.id, force=True)
    assert (run.outcome, run.changed, len(offboards(emulator, device.id))) == ("in_progress", False, 1)


@pytest.mark.parametrize("date", ["absent", "virtual"])
@pytest.mark.parametrize("seen", FUTURE)
def test_a_record_from_the_future_makes_no_active_device_look_retired(
    emulator: Emulator, machine_info: RunModule, seen: str, date: str
) -> None:
    emulator.add_device(Device(name="active.corp.example"))
    odd = emulator.add_device(Device(name="odd.corp.example"))
    emulator.update_machine(odd.id, lastSeen=seen)
    emulator.knobs.date_header = date
    assert machine_info(last_seen_before="30").names == []
