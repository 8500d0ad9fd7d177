# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A large tenant with the real quotas: days of virtual time, with faults of many kinds.

This is a separate folder, because it runs once and not for each ansible-core, which it does not use. `make test` simulates
10,000 devices, and `make matrix` 100,000 devices with `--complete`.
"""

from __future__ import annotations

import gc
import os
import random
import typing as t
from bisect import bisect_right
from collections import Counter
from unittest import mock

import pytest

from ansible_collections.secops.mde.plugins.module_utils._offboarding.results import DeviceResult
from ansible_collections.secops.mde.tests.emulator import Device, Emulator, Exchange
from ansible_collections.secops.mde.tests.unit.support.simulated_run import SimulatedRun
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

MINUTE, HOUR = 60.0, 3600.0
PER_MINUTE, PER_HOUR = 100, 1500
# The number of IDs of 40 characters in the largest filter.
PER_READ = 86


@pytest.fixture
def service() -> t.Iterator[Emulator]:
    """A tenant without devices, with the quotas that Microsoft documents."""
    with Emulator() as running:
        running.knobs.quota_per_minute, running.knobs.quota_per_hour = PER_MINUTE, PER_HOUR
        yield running


def fleet(service: Emulator, count: int) -> list[dict[str, str]]:
    """Add devices that are offline, and return them as a list to request."""
    devices = [Device(name=f"pc-{number:06d}.corp.example", fate="offline") for number in range(count)]
    service.add_devices(devices)
    return [{"device_id": device.id} for device in devices]


class OtherProgram:
    """Another program that uses a part of the quota of the same application."""

    def __init__(self, service: Emulator, rng: random.Random, *, every: float, most: int) -> None:
        self.accepted = 0
        self._service = service
        self._rng = rng
        self._every = every
        self._most = most
        self._next = service.clock.monotonic() + every

    def running(self) -> t.ContextManager[t.Any]:
        """Return a context in which the program makes calls while the clock advances."""
        clock = self._service.clock
        original_advance = clock.advance

        def advance(seconds: float) -> float:
            until = clock.monotonic() + seconds
            while self._next <= until:
                original_advance(max(0.0, self._next - clock.monotonic()))
                self.accepted += self._service.use_quota_as_other_app(self._rng.randint(1, self._most))
                self._next += self._rng.uniform(0, 2 * self._every)
            return original_advance(max(0.0, until - clock.monotonic()))

        return mock.patch.object(clock, "advance", advance)


@pytest.fixture
def _full_speed() -> t.Iterator[None]:
    """Use one core, on which the threads switch faster, and no garbage collection, because there are no cycles."""
    cores = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set()
    if cores:
        os.sched_setaffinity(0, {random.choice(sorted(cores))})
    gc.collect()
    gc.disable()
    yield
    gc.enable()
    if cores:
        os.sched_setaffinity(0, cores)


def best_possible(calls: int) -> float:
    """Return the shortest time in seconds from the first to the last of this number of calls."""
    hours, rest = divmod(calls - 1, PER_HOUR)
    return hours * HOUR + rest // PER_MINUTE * MINUTE


def avoidable_refusals(calls: t.Sequence[Exchange]) -> int:
    """Return the number of calls that were refused because of our own calls, without those of other programs."""
    accepted = [call.at for call in calls if call.status != 429]
    count = 0
    for call in calls:
        if call.status == 429:
            now = bisect_right(accepted, call.at)
            in_minute = now - bisect_right(accepted, call.at - MINUTE)
            in_hour = now - bisect_right(accepted, call.at - HOUR)
            count += in_minute >= PER_MINUTE or in_hour >= PER_HOUR
    return count


def assert_one_action_each(
    service: Emulator, requested: t.Sequence[dict[str, str]], results: t.Sequence[DeviceResult]
) -> None:
    """Check that each device has exactly one action, and that its result has this action."""
    all_actions = service.actions()
    actions = {action["machineId"]: action["id"] for action in all_actions}
    assert len(all_actions) == len(actions) == len(requested)
    assert Counter(result.outcome for result in results) == {"submitted": len(requested)}
    assert [result.action and result.action["id"] for result in results] == [
        actions[one["device_id"]] for one in requested
    ]


@pytest.mark.usefixtures("_full_speed")
@pytest.mark.parametrize("external_id", ["echo", "drop", "refuse"])
def test_a_large_fleet_is_offboarded_once_despite_faults_and_other_users_of_the_quota(
    service: Emulator, external_id: str, request: pytest.FixtureRequest
) -> None:
    complete = request.config.getoption("--complete")
    requested = fleet(service, 100_000 if complete else 10_000)
    service.knobs.external_id = external_id
    service.knobs.list_lag = 5
    # Shorter than the sign-in reports. In the shorter run, also shorter than the time that uses up the hourly quota.
    service.knobs.token_lifetime = 2000 if complete else 500
    for seed, (kind, method, handled, chance) in enumerate(
        [
            ("lost", "POST", True, 0.002),
            ("lost_before", "POST", False, 0.002),
            ("503", "POST", False, 0.002),
            ("html_502", "POST", True, 0.002),
            ("503", "GET", False, 0.01),
            ("lost", "GET", True, 0.01),
        ]
    ):
        service.fault(kind=kind, method=method, handled=handled, chance=chance, seed=seed, times=None)
    other_program = OtherProgram(service, random.Random(1), every=120, most=60)
    time = VirtualTime(service)
    start = time.monotonic()
    with other_program.running():
        results = SimulatedRun(service, time, fast_path=True).run(requested)
    duration = time.monotonic() - start

    assert_one_action_each(service, requested, results)
    calls = service.calls("api")
    assert avoidable_refusals(calls) == 0
    posts = sum(call.method == "POST" and call.status not in (401, 429) for call in calls)
    reads = 2 * -(-len(requested) // PER_READ)
    assert other_program.accepted > len(requested) / 100
    returned = [result.action and result.action["externalId"] for result in results]
    assert returned == [result.external_id if external_id == "echo" else None for result in results]
    # With a tenth of the devices, a random wait at the end of an hour has ten times the effect.
    assert duration <= (1.02 if complete else 1.04) * best_possible(posts + reads + other_program.accepted)
    kinds = Counter(call.fault or call.status for call in calls)
    assert all(kinds[kind] for kind in ("lost", "lost_before", "503", "html_502", 401, 429))
    print(
        f"{duration / HOUR:.2f} h, best {best_possible(posts + reads + other_program.accepted) / HOUR:.2f} h, {kinds}"
    )


@pytest.mark.parametrize("size", [3200, 400], ids=["in one task", "in batches with one process each"])
def test_more_devices_than_the_quota_of_two_hours_are_all_offboarded(service: Emulator, size: int) -> None:
    requested = fleet(service, 3200)
    time = VirtualTime(service)
    results = [
        result
        for start in range(0, len(requested), size)
        for result in SimulatedRun(service, time).run(requested[start:][:size])
    ]
    assert_one_action_each(service, requested, results)
