# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Our own pace: no minute and no hour with more calls than allowed, and a pause that holds everybody."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._http.rate_limit import RateLimiter
from ansible_collections.secops.mde.tests.unit.module_run import ManualClock


def moments(clock: ManualClock, rate_limiter: RateLimiter, calls: int) -> list[float]:
    seen = []
    for _call in range(calls):
        rate_limiter.acquire()
        seen.append(clock.monotonic())
    return seen


def busiest(seen: list[float], span: float) -> int:
    """The most calls in any stretch of so many seconds."""
    return max(sum(start <= moment < start + span for moment in seen) for start in seen)


@pytest.mark.parametrize("calls", [99, 100, 101, 350])
def test_no_minute_holds_more_calls_than_allowed(calls: int) -> None:
    clock = ManualClock()
    seen = moments(clock, RateLimiter(clock, per_minute=100, per_hour=1500), calls)
    assert busiest(seen, 60) == min(calls, 100)
    assert seen == sorted(seen)
    assert seen[-1] < ((calls - 1) // 100) * 61 + 1  # and none is waited for in vain


def test_no_hour_holds_more_calls_than_allowed() -> None:
    clock = ManualClock()
    seen = moments(clock, RateLimiter(clock, per_minute=10, per_hour=25), 60)
    assert busiest(seen, 60) == 10
    assert busiest(seen, 3600) == 25
    assert seen[-1] < 7300


def test_calls_that_come_slowly_are_never_held() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    for _call in range(500):
        rate_limiter.acquire()
        clock.passed += 3
    assert clock.sleeps == []


def test_a_pause_holds_the_next_calls() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    rate_limiter.acquire()
    rate_limiter.block_all(42)
    rate_limiter.block_all(10)
    rate_limiter.acquire()
    assert clock.passed == 42


def test_a_pause_that_comes_while_waiting_is_kept_too() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=1, per_hour=1500)
    rate_limiter.acquire()
    pauses = itertools.chain([100.0])
    ordinary = clock.sleep

    def sleep(seconds: float) -> None:
        ordinary(seconds)
        for pause in pauses:
            rate_limiter.block_all(pause)

    clock.sleep = sleep  # type: ignore[method-assign]
    rate_limiter.acquire()
    assert clock.passed == pytest.approx(160, abs=1)


def test_a_call_that_would_come_too_late_is_called_off_at_once_and_leaves_its_place() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=2, per_hour=1500)
    assert rate_limiter.acquire(latest=0)
    assert rate_limiter.acquire()
    assert not rate_limiter.acquire(latest=59)
    assert clock.sleeps == []
    assert rate_limiter.acquire(latest=61)
    assert clock.passed == pytest.approx(60, abs=1)


def test_a_call_that_a_pause_makes_late_is_called_off() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    rate_limiter.block_all(200)
    assert not rate_limiter.acquire(latest=120)
    assert rate_limiter.acquire(latest=200)
    assert clock.passed == 200


def test_a_pause_tells_what_it_adds() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    assert [rate_limiter.block_all(40), rate_limiter.block_all(30), rate_limiter.block_all(50)] == [40, 0, 10]
    clock.sleep(100)
    assert rate_limiter.block_all(5) == 5


def test_after_a_pause_calls_come_evenly_for_a_minute() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    rate_limiter.block_all(10)
    seen = moments(clock, rate_limiter, 100)
    assert seen[0] == 10
    assert seen[1:100] == pytest.approx([10 + 0.6 * nth for nth in range(1, 100)])
    clock.sleep(100)
    assert len(set(moments(clock, rate_limiter, 50))) == 1


def test_room_is_there_at_once_while_nothing_was_sent() -> None:
    clock = ManualClock()
    assert RateLimiter(clock, per_minute=100, per_hour=1500).wait_for_capacity(3, 60) == 100
    assert clock.sleeps == []


def test_room_counts_what_becomes_free_in_time() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=10, per_hour=1500)
    moments(clock, rate_limiter, 10)
    clock.sleep(10)
    assert rate_limiter.wait_for_capacity(1, 20) == 10
    assert clock.passed == pytest.approx(40, abs=1)  # ten sent at 0 are free again at 60, within 20 from 40 on


def test_room_is_waited_for_through_the_hour_and_through_a_pause() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=50)
    moments(clock, rate_limiter, 50)
    assert rate_limiter.wait_for_capacity(3, 60) == 50
    assert clock.passed == pytest.approx(3540, abs=1)
    rate_limiter.block_all(500)
    rate_limiter.wait_for_capacity(3, 60)
    assert clock.passed == pytest.approx(3540 + 440, abs=1)


@pytest.mark.parametrize("limit", [1, 2])
def test_more_room_than_the_limit_ever_leaves_is_not_waited_for(limit: int) -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=limit, per_hour=1500)
    for _round in range(3):
        assert rate_limiter.wait_for_capacity(3, 60) <= limit
        moments(clock, rate_limiter, limit)
    assert clock.passed < 3 * 61


@given(
    st.lists(st.tuples(st.sampled_from(["call", "pass", "pause", "room"]), st.integers(1, 90)), max_size=60),
    st.integers(1, 8),
    st.integers(1, 20),
)
def test_whatever_happens_no_window_is_overdrawn(steps: list[tuple[str, int]], per_minute: int, per_hour: int) -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=per_minute, per_hour=per_hour)
    sent = []
    for step, number in steps:
        if step == "pass":
            clock.passed += number
        elif step == "pause":
            rate_limiter.block_all(number)
        elif step == "room":
            rate_limiter.wait_for_capacity(number, 60)
        elif rate_limiter.acquire():
            sent.append(clock.monotonic())
    if sent:
        assert busiest(sent, 60) <= per_minute
        assert busiest(sent, 3600) <= per_hour
