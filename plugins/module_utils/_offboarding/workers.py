# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""WorkerPool that pulls work lazily: a thread takes the next item when it is free."""

from __future__ import annotations

import threading
import typing as t

T = t.TypeVar("T")
_EXHAUSTED: t.Final = object()


class WorkerPool(t.Protocol):
    """Processes items in several threads. Tests pass one that runs in virtual time."""

    def for_each(self, work: t.Callable[[T], None], source: t.Iterator[T]) -> None:
        """Call ``work`` once with each item that ``source`` yields, and return when all calls have returned.

        One thread at a time advances the source, and only when it has nothing else to do, so that an item is as fresh as
        possible. An exception of either is raised here, after all threads have stopped.
        """


class ThreadPool:
    """Real threads. The calling thread is one of the workers."""

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
            except RuntimeError:  # no more threads available: continue with fewer
                break
            others.append(thread)
        work_loop()
        for thread in others:
            thread.join()
        if failures:
            raise failures[0]
