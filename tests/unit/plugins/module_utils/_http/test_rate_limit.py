# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rate limiter: no minute and no hour with more calls than allowed, and a block that applies to all threads."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._http.rate_limit import RateLimiter
from ansible_collections.secops.mde.tests.unit.support.module_run import ManualClock


def send_times(clock: ManualClock, rate_limiter: RateLimiter, calls: int) -> list[float]:
    seen = []
    for _call in range(calls):
        rate_limiter.acquire()
        seen.append(clock.monotonic())
    return seen


def max_calls_within(seen: list[float], span: float) -> int:
    """Return the maximum number of calls within any period of ``span`` seconds."""
    return max(sum(start <= call < start + span for call in seen) for start in seen)


@pytest.mark.parametrize("calls", [99, 100, 101, 350])
def test_no_minute_holds_more_calls_than_allowed(calls: int) -> None:
    clock = ManualClock()
    seen = send_times(clock, RateLimiter(clock, per_minute=100, per_hour=1500), calls)
    assert max_calls_within(seen, 60) == min(calls, 100)
    assert seen == sorted(seen)
    assert seen[-1] < ((calls - 1) // 100) * 61 + 1  # no call waits longer than necessary


def test_no_hour_holds_more_calls_than_allowed() -> None:
    clock = ManualClock()
    seen = send_times(clock, RateLimiter(clock, per_minute=10, per_hour=25), 60)
    assert max_calls_within(seen, 60) == 10
    assert max_calls_within(seen, 3600) == 25
    assert seen[-1] < 7300


def test_calls_below_the_limit_never_wait() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    for _call in range(500):
        rate_limiter.acquire()
        clock.passed += 3
    assert clock.sleeps == []


def test_a_block_delays_the_next_call() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    rate_limiter.acquire()
    rate_limiter.block_all(42)
    rate_limiter.block_all(10)
    rate_limiter.acquire()
    assert clock.passed == 42


def test_a_block_that_begins_while_a_call_waits_delays_it() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=1, per_hour=1500)
    rate_limiter.acquire()
    blocks = iter([100.0])
    ordinary = clock.sleep

    def sleep(seconds: float) -> None:
        ordinary(seconds)
        for seconds_blocked in blocks:
            rate_limiter.block_all(seconds_blocked)

    clock.sleep = sleep  # type: ignore[method-assign]
    rate_limiter.acquire()
    assert clock.passed == pytest.approx(160, abs=1)


def test_a_call_that_would_be_too_late_is_refused_immediately_and_takes_no_capacity() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=2, per_hour=1500)
    assert rate_limiter.acquire(latest=0)
    assert rate_limiter.acquire()
    assert not rate_limiter.acquire(latest=59)
    assert clock.sleeps == []
    assert rate_limiter.acquire(latest=61)
    assert clock.passed == pytest.approx(60, abs=1)


def test_a_call_that_a_block_makes_too_late_is_refused() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    rate_limiter.block_all(200)
    assert not rate_limiter.acquire(latest=120)
    assert rate_limiter.acquire(latest=200)
    assert clock.passed == 200


def test_a_block_returns_the_seconds_that_it_adds() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    assert [rate_limiter.block_all(40), rate_limiter.block_all(30), rate_limiter.block_all(50)] == [40, 0, 10]


def test_long_after_a_block_calls_leave_without_gaps() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    rate_limiter.acquire()
    rate_limiter.block_all(5)
    clock.sleep(5000)
    began = clock.monotonic()
    assert all(rate_limiter.acquire() for _call in range(50))
    assert clock.monotonic() == began
    clock.sleep(100)
    assert rate_limiter.block_all(5) == 5


def test_after_a_block_calls_leave_one_at_a_time_for_a_minute() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    rate_limiter.block_all(10)
    seen = send_times(clock, rate_limiter, 100)
    assert seen[0] == 10
    assert seen[1:100] == pytest.approx([10 + 0.25 * nth for nth in range(1, 100)])
    clock.sleep(100)
    assert len(set(send_times(clock, rate_limiter, 50))) == 1


def blocks(seconds: float, *, accepted: int, refused_before: int = 0, limit: float = 1000) -> list[float]:
    """Return the seconds of a block after these numbers of accepted and then refused calls, for 200 seeds."""
    seen = []
    for seed in range(200):
        clock, rng = ManualClock(), random.Random(seed)
        rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
        for _refusal in range(refused_before):
            rate_limiter.acquire()
            clock.passed += rate_limiter.block_all(seconds, rng)
        for _call in range(accepted + 1):
            rate_limiter.acquire()
        seen.append(rate_limiter.block_all(seconds, rng, limit))
    return seen


@pytest.mark.parametrize(("accepted", "longest"), [(0, 12), (1, 6), (2, 4), (5, 2), (59, 0.2)])
def test_the_random_wait_is_the_shorter_the_more_calls_were_accepted(accepted: int, longest: float) -> None:
    seen = blocks(40, accepted=accepted)
    assert min(seen) >= 40
    assert max(seen) <= 40 + longest
    assert max(seen) - min(seen) > 0.9 * longest


@pytest.mark.parametrize(("refused_before", "share"), [(0, 0), (1, 2 / 3), (2, 1 / 2), (9, 2 / 11)])
def test_repeated_refusals_skip_a_minute_at_random_and_less_often_each_time(refused_before: int, share: float) -> None:
    seen = blocks(40, accepted=0, refused_before=refused_before)
    assert max(seen) <= 40 + 12 + 60
    assert sum(seconds > 60 for seconds in seen) / len(seen) == pytest.approx(share, abs=0.1)


def test_an_accepted_call_ends_a_series_of_refusals() -> None:
    assert max(blocks(40, accepted=1, refused_before=1)) <= 46


@pytest.mark.parametrize("seconds", [0, 1, 9.9, 60.1, 3600])
def test_a_block_that_does_not_end_with_the_minute_has_no_random_wait(seconds: float) -> None:
    assert set(blocks(seconds, accepted=0)) == {seconds}


def test_the_random_wait_ends_at_the_limit_and_the_block_never_before_its_time() -> None:
    assert max(blocks(40, accepted=0, refused_before=1, limit=50)) == pytest.approx(50)
    assert set(blocks(40, accepted=0, limit=40)) == set(blocks(40, accepted=0, limit=0)) == {40}


def test_a_refusal_of_a_call_that_was_already_sent_adds_no_random_wait() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=1500)
    send_times(clock, rate_limiter, 10)
    added = rate_limiter.block_all(40, random.Random(7))
    assert [rate_limiter.block_all(40, random.Random(seed)) for seed in range(9)] == [0] * 9
    rate_limiter.acquire()
    assert clock.passed == pytest.approx(added)


def test_capacity_is_available_at_once_before_the_first_call() -> None:
    clock = ManualClock()
    assert RateLimiter(clock, per_minute=100, per_hour=1500).wait_for_capacity(3, 60) == 100
    assert clock.sleeps == []


def test_capacity_includes_what_becomes_free_in_time() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=10, per_hour=1500)
    send_times(clock, rate_limiter, 10)
    clock.sleep(10)
    assert rate_limiter.wait_for_capacity(1, 20) == 10
    assert clock.passed == pytest.approx(
        40, abs=1
    )  # ten calls sent at 0 are free again at 60, which is within 20 s from 40 on


def test_waiting_for_capacity_includes_the_hour_and_a_block() -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=100, per_hour=50)
    send_times(clock, rate_limiter, 50)
    assert rate_limiter.wait_for_capacity(3, 60) == 50
    assert clock.passed == pytest.approx(3540, abs=1)
    rate_limiter.block_all(500)
    rate_limiter.wait_for_capacity(3, 60)
    assert clock.passed == pytest.approx(3540 + 440, abs=1)


@pytest.mark.parametrize("limit", [1, 2])
def test_capacity_above_the_limit_is_not_waited_for(limit: int) -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=limit, per_hour=1500)
    for _round in range(3):
        assert rate_limiter.wait_for_capacity(3, 60) <= limit
        send_times(clock, rate_limiter, limit)
    assert clock.passed < 3 * 61


@given(
    st.lists(st.tuples(st.sampled_from(["call", "pass", "block", "capacity"]), st.integers(1, 90)), max_size=60),
    st.integers(1, 8),
    st.integers(1, 20),
)
def test_no_sequence_of_events_exceeds_a_window(steps: list[tuple[str, int]], per_minute: int, per_hour: int) -> None:
    clock = ManualClock()
    rate_limiter = RateLimiter(clock, per_minute=per_minute, per_hour=per_hour)
    sent = []
    for step, number in steps:
        if step == "pass":
            clock.passed += number
        elif step == "block":
            rate_limiter.block_all(number)
        elif step == "capacity":
            rate_limiter.wait_for_capacity(number, 60)
        elif rate_limiter.acquire():
            sent.append(clock.monotonic())
    if sent:
        assert max_calls_within(sent, 60) <= per_minute
        assert max_calls_within(sent, 3600) <= per_hour
