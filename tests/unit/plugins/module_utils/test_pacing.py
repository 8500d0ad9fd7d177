# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our own pace: no minute and no hour with more calls than allowed, and a pause that holds everybody."""

from __future__ import annotations

import itertools

import pytest

from ansible_collections.secops.mde.plugins.module_utils._pacing import Pacer
from ansible_collections.secops.mde.tests.unit.harness import FakeClock


def moments(clock: FakeClock, pacer: Pacer, calls: int) -> list[float]:
    seen = []
    for _call in range(calls):
        pacer.wait()
        seen.append(clock.monotonic())
    return seen


def busiest(seen: list[float], span: float) -> int:
    """The most calls in any stretch of so many seconds."""
    return max(sum(start <= moment < start + span for moment in seen) for start in seen)


@pytest.mark.parametrize("calls", [99, 100, 101, 350])
def test_no_minute_holds_more_calls_than_allowed(calls: int) -> None:
    clock = FakeClock()
    seen = moments(clock, Pacer(clock, per_minute=100, per_hour=1500), calls)
    assert busiest(seen, 60) == min(calls, 100)
    assert seen == sorted(seen)
    assert seen[-1] < ((calls - 1) // 100) * 61 + 1  # and none is waited for in vain


def test_no_hour_holds_more_calls_than_allowed() -> None:
    clock = FakeClock()
    seen = moments(clock, Pacer(clock, per_minute=10, per_hour=25), 60)
    assert busiest(seen, 60) == 10
    assert busiest(seen, 3600) == 25
    assert seen[-1] < 7300


def test_calls_that_come_slowly_are_never_held() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, per_minute=100, per_hour=1500)
    for _call in range(500):
        pacer.wait()
        clock.passed += 3
    assert clock.sleeps == []


def test_a_pause_holds_the_next_calls() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, per_minute=100, per_hour=1500)
    pacer.wait()
    pacer.pause(42)
    pacer.pause(10)
    pacer.wait()
    assert clock.passed == 42


def test_a_pause_that_comes_while_waiting_is_kept_too() -> None:
    clock = FakeClock()
    pacer = Pacer(clock, per_minute=1, per_hour=1500)
    pacer.wait()
    pauses = itertools.chain([100.0])
    ordinary = clock.sleep

    def sleep(seconds: float) -> None:
        ordinary(seconds)
        for pause in pauses:
            pacer.pause(pause)

    clock.sleep = sleep  # type: ignore[method-assign]
    pacer.wait()
    assert clock.passed == pytest.approx(160, abs=1)
