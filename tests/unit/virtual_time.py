# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Time that jumps for several threads at once: their sleeps overlap, and the same inputs give the same order of events.

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
from ansible_collections.secops.mde.tests.unit.module_run import Clock

T = t.TypeVar("T")


class VirtualTime(Clock):
    """The emulator's time as the clock of a client with many threads, which are the crews it gives out.

    The thread that makes it holds the baton first, and holds it alone again when a crew has done its work. No thread
    may sleep while it holds a lock that another may want. The client has one lock of that kind: it is held during a
    sign-in, which must therefore take no time here, neither by latency nor by pauses between attempts.
    """

    def __init__(
        self, emulator: service.Emulator, rng: random.Random | None = None, *, skew: float = 0.0, patience: float = 60.0
    ) -> None:
        """With ``rng``, threads that wake at the same moment run in an order of its choice, else in that of their sleeps.

        ``patience`` is in real seconds: how long to wait for a thread that does not let go of the baton.
        """
        super().__init__(emulator, skew)
        self._baton = _Baton(emulator.clock, rng, patience)

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.sleeps.append(seconds)
            self.elapse(seconds)

    def elapse(self, seconds: float) -> None:
        """Let time go by for this thread as sleep does, but on behalf of others: it is not among ``sleeps``."""
        if seconds > 0:
            self._baton.lay_down(self.monotonic() + seconds)

    def crew(self, count: int) -> WorkerPool:
        """So many threads of this time, the caller's among them."""
        return _Relay(self._baton, count)


class _Gate:
    """What one thread waits at until another opens it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lock.acquire()
        self.open = self._lock.release

    def opened(self, within: float) -> bool:
        """Whether it opens in so many real seconds."""
        return self._lock.acquire(timeout=within)


class _Baton:
    """Who has it runs; the others wait at their gates."""

    def __init__(self, clock: service.Clock, rng: random.Random | None, patience: float) -> None:
        self._clock = clock
        self._rng = rng
        self._patience = patience
        self._holder = threading.get_ident()
        self._handovers = 0
        self._order = itertools.count()
        self._waking: list[tuple[float, float, int, _Gate]] = []

    def lay_down(self, until: float) -> None:
        """Let the others run, and go on at that moment."""
        if not self._is_mine():
            raise RuntimeError("Only the thread that made a VirtualTime, or one of its crew at work, can sleep on it.")
        gate = _Gate()
        self.wake(gate, until)
        self.pass_on()
        self.wait_at(gate)

    def wake(self, gate: _Gate, at: float | None = None) -> None:
        """Have a gate opened at a moment; by default as soon as the thread that runs lets go."""
        when = self._clock.monotonic() if at is None else at
        tie = self._rng.random() if self._rng else 0.0
        heapq.heappush(self._waking, (when, tie, next(self._order), gate))

    def pass_on(self) -> None:
        """Let whoever wakes first run, if there is anybody."""
        if self._waking and self._is_mine():
            when, _tie, _order, gate = heapq.heappop(self._waking)
            self._clock.sleep(when - self._clock.monotonic())
            self._handovers += 1
            gate.open()

    def wait_at(self, gate: _Gate) -> None:
        """Return with the baton. Raises RuntimeError when there is no hope for it any more."""
        seen = self._handovers
        while not gate.opened(self._patience):
            if seen == self._handovers:
                raise RuntimeError(
                    f"No thread has let go of the baton for {self._patience:g} s: probably the one that holds it wants "
                    "a lock that another holds in its sleep."
                )
            seen = self._handovers
        self._holder = threading.get_ident()

    def _is_mine(self) -> bool:
        return self._holder == threading.get_ident()


class _Turn:
    """At the source is one thread at a time; the others come in the order of their arrival."""

    def __init__(self, baton: _Baton) -> None:
        self._baton = baton
        self._taken = False
        self._waiting: deque[_Gate] = deque()

    def __enter__(self) -> None:
        if self._taken:
            gate = _Gate()
            self._waiting.append(gate)
            self._baton.pass_on()
            self._baton.wait_at(gate)  # opened with the turn still taken: nobody can come between
        self._taken = True

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        if self._waiting:
            self._baton.wake(self._waiting.popleft())
        else:
            self._taken = False


class _Relay:
    """A crew as ``ThreadPool`` is one, but for the baton."""

    def __init__(self, baton: _Baton, count: int) -> None:
        self._baton = baton
        self._count = count

    def each(self, work: t.Callable[[T], None], source: t.Iterator[T]) -> None:
        turn = _Turn(self._baton)
        failures: list[BaseException] = []
        at_work = self._count
        end = _Gate()
        nothing = object()

        def labour(start: _Gate | None = None) -> None:
            nonlocal at_work
            try:
                if start is not None:
                    self._baton.wait_at(start)
                while not failures:
                    with turn:
                        piece = next(source, nothing)
                    if piece is nothing:
                        break
                    work(t.cast("T", piece))
            except BaseException as error:  # handed to the caller's thread
                failures.append(error)
            at_work -= 1
            if not at_work:
                self._baton.wake(end)
            self._baton.pass_on()

        for _other in range(self._count - 1):
            start = _Gate()
            self._baton.wake(start)
            threading.Thread(target=labour, args=(start,), daemon=True).start()
        labour()
        self._baton.wait_at(end)
        if failures:
            raise failures[0]
