# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Independent jobs that share the quota of one application: job slices, loops, or runs of other teams.

Each job is a separate client, as in a separate process. Only the responses of the service tell it about the others. Each
case runs with one seed of random numbers. ``pytest tests/simulation --seeds 10`` runs ten.
"""

from __future__ import annotations

import random
import typing as t
from collections import Counter
from dataclasses import dataclass

import pytest

from ansible_collections.secops.mde.plugins.module_utils._offboarding.results import DeviceResult
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.simulated_run import SimulatedRun
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

MINUTE, HOUR = 60.0, 3600.0
PER_MINUTE, PER_HOUR = 100, 1500
LATENCY = 0.2
CONCURRENCY = 10
# Seconds within which the jobs start. Processes never send their first calls at exactly the same time.
START = 5.0


@dataclass(frozen=True)
class SharedRun:
    """The result of all jobs, from the log of the service."""

    devices: int
    outcomes: t.Counter[str]
    seconds: float
    """From the first call to the last response."""
    accepted: int
    refused: int
    shortest: float
    """Seconds that one job takes without a quota."""

    def time_ratio(self, calls: int | None = None) -> float:
        """Return the time relative to the shortest possible time for this number of calls (default: accepted calls)."""
        hours, rest = divmod((calls or self.accepted) - 1, PER_HOUR)
        return self.seconds / max(hours * HOUR + rest // PER_MINUTE * MINUTE, self.shortest)

    @property
    def calls_per_device(self) -> float:
        return (self.accepted + self.refused) / self.devices

    @property
    def refused_ratio(self) -> float:
        return self.refused / self.accepted


def run_jobs(
    jobs: int, devices_each: int, seed: int, *, start_within: float = START, loop: bool = False, **knobs: t.Any
) -> SharedRun:
    """Run jobs to their end. With ``loop`` each job runs one process after the other, with one device each.

    Checks that each device with the outcome ``submitted`` has exactly one action, and that other devices have none.
    """
    rng = random.Random(seed)
    starts = [rng.uniform(0, start_within) for _job in range(jobs)]
    seeds = [rng.randrange(2**32) for _job in range(jobs)]
    results: list[DeviceResult] = []
    with Emulator() as service:
        service.knobs.update({"quota_per_minute": PER_MINUTE, "quota_per_hour": PER_HOUR, **knobs})
        time = VirtualTime(service, random.Random(seed))
        devices = [
            [Device(name=f"pc-{job:03d}-{number:03d}.corp.example", fate="offline") for number in range(devices_each)]
            for job in range(jobs)
        ]
        for part in devices:
            service.add_devices(part)

        def run(job: int) -> None:
            time.elapse(starts[job])
            requests = [{"device_id": device.id} for device in devices[job]]
            for number, part in enumerate([[one] for one in requests] if loop else [requests]):
                process = SimulatedRun(
                    service,
                    time,
                    LATENCY,
                    concurrency=1 if loop else CONCURRENCY,
                    retry_timeout=300 if loop else 3900,
                    seed=seeds[job] + number,
                    fast_path=True,
                )
                results.extend(process.run(part))

        time.worker_pool(jobs).for_each(run, iter(range(jobs)))
        calls = service.calls("api")
        actions = Counter(action["machineId"] for action in service.actions())
    assert len(results) == jobs * devices_each
    assert actions == Counter(result.device_id for result in results if result.outcome == "submitted")
    refused = sum(call.status == 429 for call in calls)
    return SharedRun(
        devices=jobs * devices_each,
        outcomes=Counter(result.outcome for result in results),
        seconds=max(call.at for call in calls) - min(call.at for call in calls) + LATENCY,
        accepted=len(calls) - refused,
        refused=refused,
        # Two reads, the first POST (its response shows whether the service accepts an ExternalId), and the others.
        shortest=(3 + -(-(devices_each - 1) // CONCURRENCY)) * LATENCY,
    )


def check(run: SharedRun, *, time_ratio: float, calls_per_device: float, refused_ratio: float) -> None:
    """Check that all devices are offboarded within these bounds."""
    print(f"{run}, time {run.time_ratio():.3f}, calls {run.calls_per_device:.3f}, refused {run.refused_ratio:.3f}")
    assert run.outcomes == {"submitted": run.devices}
    assert run.time_ratio() <= time_ratio
    assert run.calls_per_device <= calls_per_device
    assert run.refused_ratio <= refused_ratio


@pytest.mark.parametrize(
    ("jobs", "devices_each", "time_ratio", "calls_per_device", "refused_ratio"),
    [(1, 50, 1.001, 1.04, 0), (4, 50, 1.1, 1.2, 0.2), (20, 50, 1.15, 1.5, 0.5), (100, 10, 1.25, 2, 1)],
    ids=["1 job", "4 jobs", "20 jobs", "100 jobs"],
)
def test_jobs_share_the_quota_without_failures_and_use_all_of_it(
    jobs: int, devices_each: int, time_ratio: float, calls_per_device: float, refused_ratio: float, seed: int
) -> None:
    run = run_jobs(jobs, devices_each, seed)
    check(run, time_ratio=time_ratio, calls_per_device=calls_per_device, refused_ratio=refused_ratio)


@pytest.mark.parametrize(
    ("jobs", "devices_each", "time_ratio", "calls_per_device", "refused_ratio"),
    # With 4 jobs about 30 calls are in progress when the quota is used up, before a job can know about the others.
    [(4, 50, 1.1, 1.26, 0.2), (20, 50, 1.15, 1.5, 0.5), (100, 10, 1.25, 2, 1)],
    ids=["4 jobs", "20 jobs", "100 jobs"],
)
def test_jobs_that_start_at_the_same_instant_share_the_quota(
    jobs: int, devices_each: int, time_ratio: float, calls_per_device: float, refused_ratio: float, seed: int
) -> None:
    run = run_jobs(jobs, devices_each, seed, start_within=0)
    check(run, time_ratio=time_ratio, calls_per_device=calls_per_device, refused_ratio=refused_ratio)


def test_jobs_that_use_up_the_quota_of_an_hour_continue_in_the_next_hour(seed: int) -> None:
    run = run_jobs(20, 80, seed)
    assert run.accepted > PER_HOUR
    check(run, time_ratio=1.02, calls_per_device=1.5, refused_ratio=0.5)


@pytest.mark.parametrize(("jobs", "calls_per_device"), [(4, 1.2), (20, 1.6)], ids=["4 jobs", "20 jobs"])
def test_jobs_share_the_quota_of_a_service_that_counts_refused_calls(
    jobs: int, calls_per_device: float, seed: int
) -> None:
    run = run_jobs(jobs, 50, seed, quota_counts_refused=True)
    assert run.outcomes == {"submitted": run.devices}
    assert run.time_ratio(run.accepted + run.refused) <= 1.15
    assert run.calls_per_device <= calls_per_device


@pytest.mark.parametrize(("jobs", "calls_per_device"), [(4, 1.5), (20, 3.5)], ids=["4 jobs", "20 jobs"])
def test_jobs_share_the_quota_of_a_service_that_does_not_say_when_to_retry(
    jobs: int, calls_per_device: float, seed: int
) -> None:
    run = run_jobs(jobs, 50, seed, retry_after="absent")
    assert run.outcomes == {"submitted": run.devices}
    assert run.time_ratio() <= 1.35
    assert run.calls_per_device <= calls_per_device


def test_loops_of_single_calls_share_the_quota(seed: int) -> None:
    """Each device takes three calls. Each process has 300 s for each call and no information from earlier processes."""
    run = run_jobs(4, 30, seed, loop=True)
    check(run, time_ratio=1.25, calls_per_device=3.3, refused_ratio=0.1)
