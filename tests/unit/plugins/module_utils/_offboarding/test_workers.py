# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Threads that share one heap of work: every piece once, the source by one at a time, no failure swallowed."""

from __future__ import annotations

import threading
import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._offboarding.workers import ThreadPool


@pytest.mark.parametrize("count", [1, 2, 10])
def test_every_piece_is_worked_on_once(count: int) -> None:
    done: list[int] = []
    ThreadPool(count).for_each(done.append, iter(range(500)))
    assert sorted(done) == list(range(500))


def test_a_crew_of_one_works_in_the_callers_thread() -> None:
    seen: set[int] = set()
    ThreadPool(1).for_each(lambda _piece: seen.add(threading.get_ident()), iter(range(3)))
    assert seen == {threading.get_ident()}


def test_so_many_work_at_the_same_time() -> None:
    together = threading.Barrier(4, timeout=30)  # breaks, and fails the test, when one of them is missing
    ThreadPool(4).for_each(lambda _piece: t.cast("None", together.wait()), iter(range(4)))


@pytest.mark.parametrize("given", [0, 2])
def test_where_the_machine_gives_fewer_threads_those_do_all_the_work(
    monkeypatch: pytest.MonkeyPatch, given: int
) -> None:
    start, started = threading.Thread.start, []

    def grudging(thread: threading.Thread) -> None:
        if len(started) == given:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", grudging)
    done: list[int] = []
    ThreadPool(10).for_each(done.append, iter(range(500)))
    assert sorted(done) == list(range(500))
    assert not any(thread.is_alive() for thread in started)


def test_the_source_is_asked_by_one_thread_at_a_time() -> None:
    inside = threading.Lock()

    def source() -> t.Iterator[int]:
        for piece in range(300):
            assert inside.acquire(blocking=False)
            inside.release()
            yield piece

    ThreadPool(8).for_each(lambda _piece: None, source())


@pytest.mark.parametrize("count", [1, 6])
def test_a_failure_of_the_work_is_raised_after_all_have_stopped(count: int) -> None:
    done: list[int] = []

    def work(piece: int) -> None:
        if piece == 5:
            raise KeyError("a mistake")
        done.append(piece)

    with pytest.raises(KeyError, match="a mistake"):
        ThreadPool(count).for_each(work, iter(range(10**9)))
    assert 5 not in done


def test_a_failure_that_looks_like_the_end_is_raised_all_the_same() -> None:
    with pytest.raises(StopIteration):
        ThreadPool(2).for_each(lambda _piece: next(iter(())), iter(range(5)))


@pytest.mark.parametrize("count", [1, 6])
def test_a_failure_of_the_source_is_raised_too(count: int) -> None:
    def source() -> t.Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        ThreadPool(count).for_each(lambda _piece: None, source())
