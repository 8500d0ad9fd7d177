# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Threads in virtual time: one runs at a time, their sleeps overlap, and their order is deterministic."""

from __future__ import annotations

import itertools
import random
import threading
import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.secops.mde.plugins.module_utils._http.rate_limit import RateLimiter
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    """An emulator that is not started: only its clock is used."""
    unstarted = Emulator()
    yield unstarted
    unstarted.stop()


@pytest.fixture
def time(emulator: Emulator) -> VirtualTime:
    return VirtualTime(emulator)


class EventLog:
    """Events with their times, in the order in which they happened."""

    def __init__(self, time: VirtualTime) -> None:
        self.entries: list[tuple[float, object]] = []
        self._time = time

    def record(self, what: object) -> None:
        self.entries.append((self._time.monotonic(), what))

    def slow(self, seconds: t.Callable[[int], float]) -> t.Callable[[int], None]:
        """Return work that records its item at the start and the negative item at the end."""

        def work(item: int) -> None:
            self.record(item)
            self._time.sleep(seconds(item))
            self.record(-item)

        return work


# -- one thread ----------------------------------------------------------------------------------------------


def test_the_sleep_of_a_single_thread_advances_the_clock(time: VirtualTime) -> None:
    began = time.time()
    time.sleep(2.5)
    time.sleep(1)
    assert (time.monotonic(), time.time() - began, time.sleeps) == (3.5, 3.5, [2.5, 1])


@pytest.mark.parametrize("seconds", [0, -3])
def test_a_sleep_without_a_duration_returns_immediately(time: VirtualTime, seconds: float) -> None:
    time.sleep(seconds)
    assert (time.monotonic(), time.sleeps) == (0, [])


def test_elapsed_time_of_others_is_not_a_sleep(time: VirtualTime) -> None:
    time.elapse(4)
    assert (time.monotonic(), time.sleeps) == (4, [])


def test_the_wall_clock_can_be_wrong(emulator: Emulator) -> None:
    assert VirtualTime(emulator, skew=-90).time() == emulator.clock.now() - 90


def test_a_pool_of_one_thread_works_in_the_calling_thread(time: VirtualTime) -> None:
    seen: list[tuple[int, str]] = []
    time.worker_pool(1).for_each(lambda item: seen.append((threading.get_ident(), item)), iter("abc"))
    assert seen == [(threading.get_ident(), letter) for letter in "abc"]


# -- sleeps --------------------------------------------------------------------------------------------------


def test_sleeps_overlap(time: VirtualTime) -> None:
    time.worker_pool(5).for_each(lambda _item: time.sleep(2), iter(range(20)))
    assert time.monotonic() == 8
    assert time.sleeps == [2] * 20


def test_the_thread_that_wakes_first_continues_first(time: VirtualTime) -> None:
    event_log = EventLog(time)
    time.worker_pool(3).for_each(event_log.slow(lambda item: {1: 5, 2: 1, 3: 3}[item]), iter([1, 2, 3]))
    assert event_log.entries == [(0, 1), (0, 2), (0, 3), (1, -2), (3, -3), (5, -1)]


def test_threads_that_wake_at_the_same_time_continue_in_the_order_of_their_sleeps(time: VirtualTime) -> None:
    event_log = EventLog(time)
    time.worker_pool(4).for_each(event_log.slow(lambda _item: 1), iter(range(1, 9)))
    assert [what for _at, what in event_log.entries] == [1, 2, 3, 4, -1, 5, -2, 6, -3, 7, -4, 8, -5, -6, -7, -8]


def test_only_one_thread_runs_at_a_time(time: VirtualTime) -> None:
    running = 0

    def work(item: int) -> None:
        nonlocal running
        running += 1
        assert running == 1
        sum(range(2000))  # long enough for the interpreter to look for other threads
        running -= 1
        time.sleep(item % 3)

    time.worker_pool(6).for_each(work, iter(range(300)))


def test_the_clock_never_goes_back_for_threads_that_wake_late(time: VirtualTime, emulator: Emulator) -> None:
    event_log = EventLog(time)

    def work(item: int) -> None:
        time.sleep(item)
        event_log.record(item)
        if item == 1:
            emulator.advance(10)

    time.worker_pool(3).for_each(work, iter([3, 1, 2]))
    assert event_log.entries == [(1, 1), (11, 2), (11, 3)]


def test_the_calling_thread_continues_alone_after_the_work(time: VirtualTime) -> None:
    pool = time.worker_pool(4)
    for _round in range(2):
        pool.for_each(time.sleep, iter([4, 3, 2, 1]))
    time.sleep(1)
    assert time.monotonic() == 9


def test_a_pool_can_run_within_the_work_of_another_pool(time: VirtualTime) -> None:
    inner: list[str] = []

    def work(item: str) -> None:
        def process_part(part: str) -> None:
            time.sleep(1)
            inner.append(item + part)

        time.worker_pool(2).for_each(process_part, iter("xyz"))

    time.worker_pool(2).for_each(work, iter("ab"))
    assert sorted(inner) == ["ax", "ay", "az", "bx", "by", "bz"]
    assert time.monotonic() == 2


# -- the source ----------------------------------------------------------------------------------------------


def test_other_threads_work_while_one_waits_for_the_source(time: VirtualTime) -> None:
    event_log = EventLog(time)

    def source() -> Iterator[int]:
        for item in (1, 2, 3):
            time.sleep(1)  # such as a read
            yield item

    time.worker_pool(2).for_each(event_log.slow(lambda _item: 5), source())
    assert event_log.entries == [(1, 1), (2, 2), (6, -1), (7, -2), (7, 3), (12, -3)]


def test_threads_wait_for_the_source_in_the_order_of_their_arrival(time: VirtualTime) -> None:
    order: list[str] = []

    def source() -> Iterator[int]:
        for item in range(12):
            time.sleep(10)
            yield item

    def work(_item: int) -> None:
        order.append(threading.current_thread().name)

    time.worker_pool(4).for_each(work, source())
    assert len(set(order)) == 4
    assert order == order[:4] * 3
    assert time.monotonic() == 120


# -- failures ------------------------------------------------------------------------------------------------


def test_a_failure_stops_the_others_after_their_present_item(time: VirtualTime) -> None:
    done: list[int] = []

    def work(item: int) -> None:
        time.sleep(item)
        if item == 2:
            raise ValueError("item 2 is bad")
        done.append(item)

    with pytest.raises(ValueError, match="item 2"):
        time.worker_pool(3).for_each(work, itertools.count(1))
    assert done == [1, 3, 4]
    assert time.monotonic() == 5
    time.sleep(1)


def test_a_failure_of_the_source_is_raised_too(time: VirtualTime) -> None:
    done: list[int] = []

    def source() -> Iterator[int]:
        yield 1
        yield 2
        raise OSError("no more items")

    def work(item: int) -> None:
        time.sleep(1)
        done.append(item)

    with pytest.raises(OSError, match="no more"):
        time.worker_pool(2).for_each(work, source())
    assert done == [1, 2]


def test_a_lock_that_is_held_in_a_sleep_does_not_hang_the_tests(emulator: Emulator) -> None:
    time = VirtualTime(emulator, time_limit=0.05)
    lock = threading.Lock()

    def work(_item: int) -> None:
        with lock:
            time.sleep(1)

    with pytest.raises(RuntimeError, match="a lock that another thread holds"):
        time.worker_pool(3).for_each(work, iter(range(9)))


def test_a_thread_that_belongs_to_no_pool_cannot_sleep(time: VirtualTime) -> None:
    failures: list[BaseException] = []

    def sleep_in_another_thread() -> None:
        try:
            time.sleep(1)
        except RuntimeError as error:
            failures.append(error)

    thread = threading.Thread(target=sleep_in_another_thread)
    thread.start()
    thread.join()
    assert "the threads of its pools" in str(failures)
    assert time.monotonic() == 0


# -- random order --------------------------------------------------------------------------------------------------


def run_events(seed: int | None, seconds: t.Callable[[int], float]) -> list[tuple[float, object]]:
    emulator = Emulator()
    time = VirtualTime(emulator, None if seed is None else random.Random(seed))
    event_log = EventLog(time)
    time.worker_pool(5).for_each(event_log.slow(seconds), iter(range(1, 31)))
    emulator.stop()
    return event_log.entries


def test_the_order_of_events_depends_on_the_seed_only() -> None:
    def seconds(item: int) -> float:
        return item % 2 + 1

    assert run_events(None, seconds) == run_events(None, seconds)
    assert run_events(7, seconds) == run_events(7, seconds)
    assert len({str(run_events(seed, seconds)) for seed in (None, 1, 2, 3, 4)}) == 5


def test_the_seed_affects_only_threads_that_wake_at_the_same_time() -> None:
    def seconds(item: int) -> float:
        return 1 + 1 / item

    ends = [what for _at, what in run_events(7, seconds) if what in range(-5, 0)]
    assert ends == [-5, -4, -3, -2, -1]


# -- with the client -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [None, 1, 2])
def test_a_pool_shares_one_rate_limiter(emulator: Emulator, seed: int | None) -> None:
    time = VirtualTime(emulator, None if seed is None else random.Random(seed))
    rate_limiter = RateLimiter(time, per_minute=10, per_hour=600)
    sent: list[float] = []

    def work(_item: int) -> None:
        rate_limiter.acquire()
        sent.append(time.monotonic())
        time.sleep(7)

    time.worker_pool(8).for_each(work, iter(range(50)))
    assert sent == sorted(sent)
    assert all(later - earlier > 60 for earlier, later in zip(sent, sent[10:], strict=False))
    assert sent[-1] < 5 * 61
