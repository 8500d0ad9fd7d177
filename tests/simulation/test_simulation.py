# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A large tenant at the real quotas: days of virtual time, with faults of every kind.

A folder of its own: it runs once in `make test`, and not again for each ansible-core, of which it does not know.
The service that returns ExternalId has all devices there, and those that drop and refuse it have a tenth of them. With
`pytest tests/simulation --complete` they have all devices too.
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
# Ids of 40 characters that fit into the largest filter.
PER_READ = 86


@pytest.fixture
def service() -> t.Iterator[Emulator]:
    """A tenant without devices, at the quotas that Microsoft documents."""
    with Emulator() as running:
        running.knobs.quota_per_minute, running.knobs.quota_per_hour = PER_MINUTE, PER_HOUR
        yield running


def fleet(service: Emulator, count: int) -> list[dict[str, str]]:
    """So many devices that are offline, as a list to request."""
    devices = [Device(name=f"pc-{number:06d}.corp.example", fate="offline") for number in range(count)]
    service.add_devices(devices)
    return [{"device_id": device.id} for device in devices]


class Others:
    """Another program with the same application, which uses a part of the quota."""

    def __init__(self, service: Emulator, rng: random.Random, *, every: float, most: int) -> None:
        self.let_in = 0
        self._service = service
        self._rng = rng
        self._every = every
        self._most = most
        self._next = service.clock.monotonic() + every

    def at_work(self) -> t.ContextManager[t.Any]:
        """A context in which they call as the clock advances."""
        clock = self._service.clock
        ordinary = clock.advance

        def advance(seconds: float) -> float:
            until = clock.monotonic() + seconds
            while self._next <= until:
                ordinary(max(0.0, self._next - clock.monotonic()))
                self.let_in += self._service.use_quota_as_other_app(self._rng.randint(1, self._most))
                self._next += self._rng.uniform(0, 2 * self._every)
            return ordinary(max(0.0, until - clock.monotonic()))

        return mock.patch.object(clock, "advance", advance)


@pytest.fixture
def _at_full_speed() -> t.Iterator[None]:
    """Threads that run one at a time switch faster on one core, and nothing here creates reference cycles."""
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
    """Seconds that the windows need from the first to the last of so many calls."""
    hours, rest = divmod(calls - 1, PER_HOUR)
    return hours * HOUR + rest // PER_MINUTE * MINUTE


def foreseeable(calls: t.Sequence[Exchange]) -> int:
    """How many calls were refused although our own calls had filled a window."""
    taken = [call.at for call in calls if call.status != 429]
    count = 0
    for call in calls:
        if call.status == 429:
            now = bisect_right(taken, call.at)
            in_minute = now - bisect_right(taken, call.at - MINUTE)
            in_hour = now - bisect_right(taken, call.at - HOUR)
            count += in_minute >= PER_MINUTE or in_hour >= PER_HOUR
    return count


def one_action_each(
    service: Emulator, requested: t.Sequence[dict[str, str]], results: t.Sequence[DeviceResult]
) -> None:
    """Every device has exactly one action, and its result shows it."""
    made = service.actions()
    actions = {action["machineId"]: action["id"] for action in made}
    assert len(made) == len(actions) == len(requested)
    assert Counter(result.outcome for result in results) == {"submitted": len(requested)}
    assert [result.action and result.action["id"] for result in results] == [
        actions[one["device_id"]] for one in requested
    ]


@pytest.mark.usefixtures("_at_full_speed")
@pytest.mark.parametrize("external_id", ["echo", "drop", "refuse"])
def test_a_hundred_thousand_devices_are_offboarded_despite_faults_and_other_users_of_the_quota(
    service: Emulator, external_id: str, request: pytest.FixtureRequest
) -> None:
    complete = external_id == "echo" or request.config.getoption("--complete")
    requested = fleet(service, 100_000 if complete else 10_000)
    service.knobs.external_id = external_id
    service.knobs.list_lag = 5
    # Shorter than the sign-in reports, and in the shorter run than the minutes in which an hour's calls are sent.
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
    others = Others(service, random.Random(1), every=120, most=60)
    time = VirtualTime(service)
    began = time.monotonic()
    with others.at_work():
        results = SimulatedRun(service, time, fast_path=True).run(requested)
    took = time.monotonic() - began

    one_action_each(service, requested, results)
    calls = service.calls("api")
    assert foreseeable(calls) == 0
    posts = sum(call.method == "POST" and call.status not in (401, 429) for call in calls)
    reads = 2 * -(-len(requested) // PER_READ)
    assert others.let_in > len(requested) / 100
    shown = [result.action and result.action["externalId"] for result in results]
    assert shown == [result.external_id if external_id == "echo" else None for result in results]
    # A random wait at the border of an hour counts ten times as much in a run of a tenth of the devices.
    assert took <= (1.02 if complete else 1.04) * best_possible(posts + reads + others.let_in)
    kinds = Counter(call.fault or call.status for call in calls)
    assert all(kinds[kind] for kind in ("lost", "lost_before", "503", "html_502", 401, 429))
    print(f"{took / HOUR:.2f} h, best {best_possible(posts + reads + others.let_in) / HOUR:.2f} h, {kinds}")


@pytest.mark.parametrize("size", [3200, 400], ids=["in one task", "in batches that are processes of their own"])
def test_more_devices_than_the_quota_of_two_hours_are_all_offboarded(service: Emulator, size: int) -> None:
    requested = fleet(service, 3200)
    time = VirtualTime(service)
    results = [
        result
        for start in range(0, len(requested), size)
        for result in SimulatedRun(service, time).run(requested[start:][:size])
    ]
    one_action_each(service, requested, results)
