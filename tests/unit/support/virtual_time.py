# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual time for several threads: their sleeps overlap, and the same inputs give the same order of events.

The threads are real, but only one of them runs at a time. It runs until it sleeps, waits for the source of its pool, or
ends. Then the thread that wakes first runs, and the clock advances to that time.
"""

from __future__ import annotations

import heapq
import itertools
import random
import threading
import types
import typing as t
from collections import deque

from ansible_collections.secops.mde.plugins.module_utils._offboarding.workers import WorkerPool
from ansible_collections.secops.mde.tests import emulator as service
from ansible_collections.secops.mde.tests.unit.support.module_run import EmulatorClock

T = t.TypeVar("T")


class VirtualTime(EmulatorClock):
    """The emulator's time as the clock of a client with many threads, and the worker pools that run these threads.

    The thread that creates it runs first, and is the only one again when a pool has done its work. No thread may sleep
    while it holds a lock that another thread needs. The client holds such a lock during a sign-in. Therefore a sign-in
    must not take virtual time, neither for latency nor for retries.
    """

    def __init__(
        self,
        emulator: service.Emulator,
        rng: random.Random | None = None,
        *,
        skew: float = 0.0,
        time_limit: float = 60.0,
    ) -> None:
        """Threads that wake at the same time run in the order of their sleeps, or with ``rng`` in random order.

        ``time_limit`` is the maximum real time in seconds that a thread may run without a sleep.
        """
        super().__init__(emulator, skew)
        self._scheduler = _Scheduler(emulator.clock, rng, time_limit)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.sleeps.append(seconds)
            self.elapse(seconds)

    def elapse(self, seconds: float) -> None:
        """Let time pass for this thread like a sleep, but do not record it in ``sleeps``."""
        if seconds > 0:
            self._scheduler.sleep_until(self.monotonic() + seconds)

    def worker_pool(self, count: int) -> WorkerPool:
        """Return a pool with this number of threads, including the calling thread."""
        return _ScheduledPool(self._scheduler, count)


class _Signal:
    """One thread waits until another thread opens the signal."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.open = self._lock.release

    def wait(self, within: float) -> bool:
        """Return whether the signal opens within this real time in seconds."""
        return self._lock.acquire(timeout=within)


class _Scheduler:
    """Runs one thread at a time. The others wait for their signals."""

    def __init__(self, clock: service.Clock, rng: random.Random | None, time_limit: float) -> None:
        self._clock = clock
        self._rng = rng
        self._time_limit = time_limit
        self._holder = threading.get_ident()
        self._handovers = 0
        self._order = itertools.count()
        self._waking: list[tuple[float, float, int, _Signal]] = []

    def sleep_until(self, time: float) -> None:
        """Let other threads run, and continue at this time."""
        if not self._is_mine():
            raise RuntimeError(
                "Only the thread that created a VirtualTime and the threads of its pools can sleep on it."
            )
        signal = _Signal()
        self.wake(signal, time)
        self.pass_on()
        self.wait_at(signal)

    def wake(self, signal: _Signal, at: float | None = None) -> None:
        """Open a signal at a time. The default is the current time, when the running thread waits."""
        when = self._clock.monotonic() if at is None else at
        tie_breaker = self._rng.random() if self._rng else 0.0
        heapq.heappush(self._waking, (when, tie_breaker, next(self._order), signal))

    def pass_on(self) -> None:
        """Run the thread that wakes first, if any."""
        if self._waking and self._is_mine():
            when, _tie_breaker, _order, signal = heapq.heappop(self._waking)
            self._clock.sleep(when - self._clock.monotonic())
            self._handovers += 1
            signal.open()

    def wait_at(self, signal: _Signal) -> None:
        """Wait until this thread runs. Raises RuntimeError if no thread makes progress."""
        handovers = self._handovers
        while not signal.wait(self._time_limit):
            if handovers == self._handovers:
                raise RuntimeError(
                    f"The running thread has not slept or ended for {self._time_limit:g} s. It probably waits for a lock "
                    "that another thread holds during a sleep."
                )
            handovers = self._handovers
        self._holder = threading.get_ident()

    def _is_mine(self) -> bool:
        return self._holder == threading.get_ident()


class _FairLock:
    """A lock that threads get in the order of their requests."""

    def __init__(self, scheduler: _Scheduler) -> None:
        self._scheduler = scheduler
        self._locked = False
        self._waiting: deque[_Signal] = deque()

    def __enter__(self) -> None:
        if self._locked:
            signal = _Signal()
            self._waiting.append(signal)
            self._scheduler.pass_on()
            self._scheduler.wait_at(signal)  # this thread now owns the lock, which was never unlocked
        self._locked = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        if self._waiting:
            self._scheduler.wake(self._waiting.popleft())
        else:
            self._locked = False


class _ScheduledPool:
    """A worker pool like ``ThreadPool``, in which one thread runs at a time."""

    def __init__(self, scheduler: _Scheduler, count: int) -> None:
        self._scheduler = scheduler
        self._count = count

    def for_each(self, work: t.Callable[[T], None], source: t.Iterator[T]) -> None:
        source_lock = _FairLock(self._scheduler)
        failures: list[BaseException] = []
        running = self._count
        end = _Signal()
        nothing = object()

        def work_loop(start: _Signal | None = None) -> None:
            nonlocal running
            try:
                if start is not None:
                    self._scheduler.wait_at(start)
                while not failures:
                    with source_lock:
                        item = next(source, nothing)
                    if item is nothing:
                        break
                    work(t.cast("T", item))
            except BaseException as error:  # raised again in the calling thread
                failures.append(error)
            running -= 1
            if not running:
                self._scheduler.wake(end)
            self._scheduler.pass_on()

        for _thread in range(self._count - 1):
            start = _Signal()
            self._scheduler.wake(start)
            threading.Thread(target=work_loop, args=(start,), daemon=True).start()
        work_loop()
        self._scheduler.wait_at(end)
        if failures:
            raise failures[0]
