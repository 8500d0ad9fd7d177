# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Two concurrent runs offboard the same devices with the same application and comment, and with lost responses."""

from __future__ import annotations

import random
import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._offboarding.results import DeviceResult
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import offboards
from ansible_collections.secops.mde.tests.unit.support.simulated_run import SimulatedRun
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

# Both runs of a pair try to offboard each device.
DEVICES = 20
PAIRS = {"echo": 50, "drop": 4, "refuse": 4}
DUPLICATES = ("grace", "existing", "refuse", "create")
FAULTS: tuple[tuple[str, bool | None], ...] = (
    ("lost", None),
    ("lost_before", None),
    ("500", True),
    ("html_502", True),
    ("503", False),
    ("empty_200", True),
)


@pytest.fixture(scope="module")
def service() -> t.Iterator[Emulator]:
    with Emulator() as running:
        yield running


def run_concurrently(
    service: Emulator, seed: int, external_id: str
) -> tuple[list[Device], list[dict[str, DeviceResult]]]:
    """Run twice with the same devices in different orders. Returns the results of both runs by device."""
    rng = random.Random(seed)
    service.reset()
    service.knobs.update(
        {
            "external_id": external_id,
            "external_id_form": rng.choice(["sent", "swapped", "padded"]),
            "external_id_length": rng.choice([None, None, 36, 45]),
            "duplicate_mode": DUPLICATES[seed % len(DUPLICATES)],
            "list_lag": rng.choice([0.0, 0.5, 4.0, 20.0]),
            "date_header": rng.choice(["virtual", "absent"]),
        }
    )
    devices = [Device(name=f"pc-{number:02d}.corp.example", fate="offline") for number in range(DEVICES)]
    service.add_devices(devices)
    for kind, handled in rng.sample(FAULTS, 2):
        # The first POST has no fault. Otherwise its outcome is unknown with a service that refuses external IDs.
        service.fault(kind=kind, method="POST", handled=handled, chance=0.1, seed=rng.random(), times=None, after=2)
    time = VirtualTime(service, random.Random(seed))
    runs = [
        SimulatedRun(
            service, time, concurrency=rng.randint(1, 4), latency=rng.uniform(0.05, 0.3), seed=rng.getrandbits(32)
        )
        for _run in range(2)
    ]
    orders = [rng.sample(devices, len(devices)) for _run in runs]
    delays = [0.0, rng.choice([0.0, 0.0, 0.1, 0.5, 2.0])]
    results: list[dict[str, DeviceResult]] = [{}, {}]

    def start(number: int) -> None:
        time.elapse(delays[number])
        found = runs[number].run([{"device_id": device.id} for device in orders[number]], external_id="CHG-1042")
        results[number] = {str(result.device_id): result for result in found}

    time.worker_pool(2).for_each(start, iter(range(2)))
    return devices, results


def is_action_of_result(result: DeviceResult, action: dict[str, t.Any]) -> bool:
    """Return whether the action has the UUID that this run sent for the device."""
    return str(action["externalId"]).strip().lower()[:36] == str(result.external_id)[:36]


@pytest.mark.parametrize("part", range(5))
def test_no_run_reports_the_action_of_another_run_as_its_own(service: Emulator, part: int) -> None:
    owned, doubled = 0, 0
    for seed in range(part, PAIRS["echo"], 5):
        devices, results = run_concurrently(service, seed, "echo")
        for device in devices:
            actions = {action["id"]: action for action in offboards(service, device.id)}
            pair = [one[device.id] for one in results]
            for result in pair:
                made = {id_ for id_, action in actions.items() if is_action_of_result(result, action)}
                if result.error is not None:
                    assert result.error.code == "outcome_unknown"
                elif result.changed:
                    assert result.action is not None
                    assert {result.action["id"]} == made
                else:
                    assert not made
            changed = [result.action["id"] for result in pair if result.changed and result.action]
            assert len(set(changed)) == len(changed)
            assert actions
            assert len(actions) == 1 or service.knobs.duplicate_mode == "create"
            owned += len(changed)
            doubled += len(actions) > 1
    assert owned >= DEVICES * 9
    assert doubled > 0


@pytest.mark.parametrize("external_id", ["drop", "refuse"])
def test_a_service_without_external_ids_gets_one_action_for_each_device_too(
    service: Emulator, external_id: str
) -> None:
    for seed in range(PAIRS[external_id]):
        devices, results = run_concurrently(service, seed, external_id)
        if service.knobs.duplicate_mode != "create":
            assert [len(offboards(service, device.id)) for device in devices] == [1] * len(devices)
        for one in results:
            assert {result.outcome for result in one.values()} <= {"submitted", "in_progress", "error"}
