# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Four independent slices that share one quota. The test takes minutes."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.secops.mde.tests.awx.awx import Awx, Host
from ansible_collections.secops.mde.tests.emulator import Device, Emulator

PER_MINUTE = 100
DEVICES = 200


@pytest.mark.matrix_only
def test_four_slices_offboard_200_devices_once_each_at_nearly_the_full_quota(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any]
) -> None:
    devices = [emulator.add_device(Device(name=f"pc-{n:04d}.corp.example", fate="offline")) for n in range(DEVICES)]
    hosts = [Host(device.name or "", {"mde_device_id": device.id}) for device in devices]
    emulator.knobs.update({"quota_per_minute": PER_MINUTE})
    jobs = awx.slices(
        "Defender: offboard tagged devices", credential, hosts, answers={"mde_comment": "CHG-1044 retired"}
    )
    assert [job.successful for job in jobs] == [True] * 4, "".join(job.output for job in jobs)
    assert sorted(action["machineId"] for action in emulator.actions()) == sorted(device.id for device in devices)
    accepted = [call for call in emulator.calls("api") if call.status != 429]
    assert sum(call.method == "POST" for call in accepted) == DEVICES
    # From the first to the last call, so that the speed of the machine has little effect.
    took = accepted[-1].at - accepted[0].at
    best = 60.0 * ((len(accepted) - 1) // PER_MINUTE)
    print(f"{took:.0f} s for {len(accepted)} accepted calls; at best {best:.0f} s")
    assert took <= 1.15 * best
