# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Many hands for one heap of work: threads that each take the next piece when they are free."""

from __future__ import annotations

import threading
import typing as t

T = t.TypeVar("T")
_EXHAUSTED: t.Final = object()


class WorkerPool(t.Protocol):
    """Who does the work. Tests hand in one whose threads share a clock that jumps."""

    def for_each(self, work: t.Callable[[T], None], source: t.Iterator[T]) -> None:
        """Call ``work`` once with everything that ``source`` yields, and return when all is done.

        The source is asked by one thread at a time, and only when a thread has nothing to do: what it finds out
        before it yields is as fresh as can be. What either of them raises is raised here, after all have stopped.
        """


class ThreadPool:
    """The real ones; the caller's own thread is one of them, so that a crew of one needs no other."""

    def __init__(self, count: int) -> None:
        self._count = count

    def for_each(self, work: t.Callable[[T], None], source: t.Iterator[T]) -> None:
        source_lock = threading.Lock()
        failures: list[BaseException] = []

        def work_loop() -> None:
            try:
                while not failures:
                    with source_lock:
                        item = next(source, _EXHAUSTED)
                    if item is _EXHAUSTED:
                        return
                    work(t.cast("T", item))
            except BaseException as error:  # handed to the caller's thread
                failures.append(error)

        others: list[threading.Thread] = []
        for _other in range(self._count - 1):
            thread = threading.Thread(target=work_loop, daemon=True)
            try:
                thread.start()
            except RuntimeError:  # the machine has no more to give: fewer hands do the same work
                break
            others.append(thread)
        work_loop()
        for thread in others:
            thread.join()
        if failures:
            raise failures[0]
