# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever a proxy does to the responses, each device is offboarded exactly once, and its result is true.

``make hunt`` runs 200 devices with each of 200 seeds; the gate has fewer of both.
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

# An offboard that does not reach the service is sent three times at most. A proxy may lose all of them.
POSTS = {
    "interim": 0.05,
    "cut before": 0.01,
    "cut after": 0.03,
    "delay": 0.03,
    "swap": 0.03,
    "repeat": 0.03,
    "repeat later": 0.03,
    "refusal before": 0.02,
    "redirect": 0.02,
    "page": 0.02,
}
# No read is answered by a response to another read of the same kind: nothing in it shows that.
GETS = {"interim": 0.1, "cut before": 0.05, "cut after": 0.05, "delay": 0.05, "repeat": 0.05}

_FULL = settings().max_examples > 1000
SEEDS, DEVICES = (200, 200) if _FULL else (8, 60)


@pytest.mark.hypothesis  # for ``make hunt``
@pytest.mark.parametrize("external_id", SERVICES)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_proxy_that_corrupts_responses_at_random_changes_no_outcome(seed: int, external_id: str) -> None:
    happened = run_through_chaos(seed, DEVICES, external_id)
    assert sum(happened.values()) > happened["POST nothing"] + happened["GET nothing"]


def run_through_chaos(seed: int, count: int, external_id: str) -> Counter[str]:
    """Offboard so many devices, and compare the results with the actions in the service."""
    rng = random.Random(seed)
    with Emulator() as emulator:
        emulator.knobs.external_id = external_id
        emulator.knobs.list_lag = rng.choice([0.0, 2.0, 10.0])
        devices = [Device(name=f"pc-{number:03d}.corp.example", fate="offline") for number in range(count)]
        emulator.add_devices(devices)
        time = VirtualTime(emulator, random.Random(seed))
        # Two reads and the POST that a service refuses because of its ExternalId: lost, its outcome would stay unknown.
        chaos = Chaos(rng, POSTS, GETS, calm=3 if external_id == "refuse" else 1)
        simulated_run = SimulatedRun(emulator, time, adapter=ChaosAdapter(emulator, time, chaos), seed=seed)
        results = simulated_run.run({"device_id": device.id} for device in devices)
        held = {device.id: [action["id"] for action in offboards(emulator, device.id)] for device in devices}
    outcomes = Counter((result.outcome, str(result.error)) for result in results)
    assert outcomes == {("submitted", "None"): count}
    assert {device_id: len(actions) for device_id, actions in held.items()} == dict.fromkeys(held, 1)
    for device, result in zip(devices, results, strict=True):
        assert [result.action and result.action["id"]] == held[device.id]
    return chaos.happened
