# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a proxy does to the responses, each device is offboarded exactly once, and its result is correct.

``make hunt`` runs 200 devices with each of 200 seeds. The gate has fewer devices and seeds.
"""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import settings

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.chaos import Chaos, ChaosAdapter
from ansible_collections.secops.mde.tests.unit.support.external_id_service import SERVICES
from ansible_collections.secops.mde.tests.unit.support.module_run import offboards
from ansible_collections.secops.mde.tests.unit.support.simulated_run import SimulatedRun
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

# An offboard request that does not reach the service is sent at most three times. A proxy can lose all of them.
POSTS = {
    "interim": 0.05,
    "broken before": 0.01,
    "broken after": 0.03,
    "delay": 0.03,
    "swap": 0.03,
    "repeat": 0.03,
    "repeat later": 0.03,
    "refusal before": 0.02,
    "redirect": 0.02,
    "page": 0.02,
}
# No read gets the response to another read of the same kind, because the client cannot recognize that.
GETS = {"interim": 0.1, "broken before": 0.05, "broken after": 0.05, "delay": 0.05, "repeat": 0.05}

_FULL = settings().max_examples > 1000
SEEDS, DEVICES = (200, 200) if _FULL else (8, 60)


@pytest.mark.hypothesis  # for ``make hunt``
@pytest.mark.parametrize("external_id", SERVICES)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_proxy_that_corrupts_responses_at_random_changes_no_outcome(seed: int, external_id: str) -> None:
    counts = run_through_chaos(seed, DEVICES, external_id)
    assert sum(counts.values()) > counts["POST nothing"] + counts["GET nothing"]


def run_through_chaos(seed: int, count: int, external_id: str) -> Counter[str]:
    """Offboard ``count`` devices, and compare the results with the actions in the service."""
    rng = random.Random(seed)
    with Emulator() as emulator:
        emulator.knobs.external_id = external_id
        emulator.knobs.list_lag = rng.choice([0.0, 2.0, 10.0])
        devices = [Device(name=f"pc-{number:03d}.corp.example", fate="offline") for number in range(count)]
        emulator.add_devices(devices)
        time = VirtualTime(emulator, random.Random(seed))
        # Two reads, and the POST that a service refuses because of its ExternalId. If it is lost, its outcome is unknown.
        chaos = Chaos(rng, POSTS, GETS, without_faults=3 if external_id == "refuse" else 1)
        simulated_run = SimulatedRun(emulator, time, adapter=ChaosAdapter(emulator, time, chaos), seed=seed)
        results = simulated_run.run({"device_id": device.id} for device in devices)
        actions_by_device = {
            device.id: [action["id"] for action in offboards(emulator, device.id)] for device in devices
        }
    outcomes = Counter((result.outcome, str(result.error)) for result in results)
    assert outcomes == {("submitted", "None"): count}
    assert {device_id: len(actions) for device_id, actions in actions_by_device.items()} == dict.fromkeys(
        actions_by_device, 1
    )
    for device, result in zip(devices, results, strict=True):
        assert [result.action and result.action["id"]] == actions_by_device[device.id]
    return chaos.counts
