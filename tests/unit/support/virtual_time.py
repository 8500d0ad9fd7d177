# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual time for several threads: their sleeps overlap, and the same inputs give the same order of events.

The threads are real, but only one of them runs at a time: the one that holds the baton. It lets go of it when it
sleeps, when it has to wait for its turn at the source of its crew, and when it ends. The baton goes to whoever wakes
first, and the clock jumps to that moment.
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
    """The emulator's time as the clock of a client with many threads, which its worker pools run.

    The thread that makes it holds the baton first, and holds it alone again when a crew has done its work. No thread
    may sleep while it holds a lock that another may want. The client has one lock of that kind: it is held during a
    sign-in, which must therefore take no time here, neither by latency nor by pauses between attempts.
    """

    def __init__(
        self,
        emulator: service.Emulator,
        rng: random.Random | None = None,
        *,
        skew: float = 0.0,
        time_limit: float = 60.0,
    ) -> None:
        """With ``rng``, threads that wake at the same moment run in an order of its choice, else in that of their sleeps.

        ``time_limit`` is in real seconds: how long to wait for a thread that does not let go of the baton.
        """
        super().__init__(emulator, skew)
        self._scheduler = _Scheduler(emulator.clock, rng, time_limit)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.sleeps.append(seconds)
            self.elapse(seconds)

    def elapse(self, seconds: float) -> None:
        """Let time go by for this thread as sleep does, but on behalf of others: it is not among ``sleeps``."""
        if seconds > 0:
            self._scheduler.sleep_until(self.monotonic() + seconds)

    def worker_pool(self, count: int) -> WorkerPool:
        """So many threads of this time, the caller's among them."""
        return _ScheduledPool(self._scheduler, count)


class _Signal:
    """One thread waits for it until another opens it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.open = self._lock.release

    def wait(self, within: float) -> bool:
        """Whether it opens within this number of real seconds."""
        return self._lock.acquire(timeout=within)


class _Scheduler:
    """Lets one thread run; the others wait for their signals."""

    def __init__(self, clock: service.Clock, rng: random.Random | None, time_limit: float) -> None:
        self._clock = clock
        self._rng = rng
        self._time_limit = time_limit
        self._holder = threading.get_ident()
        self._handovers = 0
        self._order = itertools.count()
        self._waking: list[tuple[float, float, int, _Signal]] = []

    def sleep_until(self, time: float) -> None:
        """Let the other threads run, and continue at this time."""
        if not self._is_mine():
            raise RuntimeError("Only the thread that made a VirtualTime, or one of its crew at work, can sleep on it.")
        signal = _Signal()
        self.wake(signal, time)
        self.pass_on()
        self.wait_at(signal)

    def wake(self, signal: _Signal, at: float | None = None) -> None:
        """Open a signal at a time; by default, when the running thread waits."""
        when = self._clock.monotonic() if at is None else at
        tie = self._rng.random() if self._rng else 0.0
        heapq.heappush(self._waking, (when, tie, next(self._order), signal))

    def pass_on(self) -> None:
        """Run the thread that wakes first, if there is one."""
        if self._waking and self._is_mine():
            when, _tie, _order, signal = heapq.heappop(self._waking)
            self._clock.sleep(when - self._clock.monotonic())
            self._handovers += 1
            signal.open()

    def wait_at(self, signal: _Signal) -> None:
        """Return when this thread runs. Raises RuntimeError if that cannot happen any more."""
        seen = self._handovers
        while not signal.wait(self._time_limit):
            if seen == self._handovers:
                raise RuntimeError(
                    f"No thread has let go of the baton for {self._time_limit:g} s: probably the one that holds it wants "
                    "a lock that another holds in its sleep."
                )
            seen = self._handovers
        self._holder = threading.get_ident()

    def _is_mine(self) -> bool:
        return self._holder == threading.get_ident()


class _FairLock:
    """One thread at a time holds the lock; the others follow in the order of their arrival."""

    def __init__(self, scheduler: _Scheduler) -> None:
        self._scheduler = scheduler
        self._taken = False
        self._waiting: deque[_Signal] = deque()

    def __enter__(self) -> None:
        if self._taken:
            signal = _Signal()
            self._waiting.append(signal)
            self._scheduler.pass_on()
            self._scheduler.wait_at(signal)  # opened while this thread has its turn: no other thread can come between
        self._taken = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        if self._waiting:
            self._scheduler.wake(self._waiting.popleft())
        else:
            self._taken = False


class _ScheduledPool:
    """A worker pool like ``ThreadPool``, with one running thread."""

    def __init__(self, scheduler: _Scheduler, count: int) -> None:
        self._scheduler = scheduler
        self._count = count

    def for_each(self, work: t.Callable[[T], None], source: t.Iterator[T]) -> None:
        source_lock = _FairLock(self._scheduler)
        failures: list[BaseException] = []
        at_work = self._count
        end = _Signal()
        nothing = object()

        def work_loop(start: _Signal | None = None) -> None:
            nonlocal at_work
            try:
                if start is not None:
                    self._scheduler.wait_at(start)
                while not failures:
                    with source_lock:
                        item = next(source, nothing)
                    if item is nothing:
                        break
                    work(t.cast("T", item))
            except BaseException as error:  # handed to the caller's thread
                failures.append(error)
            at_work -= 1
            if not at_work:
                self._scheduler.wake(end)
            self._scheduler.pass_on()

        for _other in range(self._count - 1):
            start = _Signal()
            self._scheduler.wake(start)
            threading.Thread(target=work_loop, args=(start,), daemon=True).start()
        work_loop()
        self._scheduler.wait_at(end)
        if failures:
            raise failures[0]
