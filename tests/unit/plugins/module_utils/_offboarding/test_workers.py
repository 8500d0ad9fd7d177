# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A thread pool processes each item once, one thread at a time reads the source, and no exception is lost."""

from __future__ import annotations

import threading
import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._offboarding.workers import ThreadPool


@pytest.mark.parametrize("count", [1, 2, 10])
def test_every_item_is_processed_once(count: int) -> None:
    done: list[int] = []
    ThreadPool(count).for_each(done.append, iter(range(500)))
    assert sorted(done) == list(range(500))


def test_a_pool_of_one_works_in_the_calling_thread() -> None:
    seen: set[int] = set()
    ThreadPool(1).for_each(lambda _item: seen.add(threading.get_ident()), iter(range(3)))
    assert seen == {threading.get_ident()}


def test_as_many_threads_as_requested_work_concurrently() -> None:
    together = threading.Barrier(4, timeout=30)  # fails the test if a thread is missing
    ThreadPool(4).for_each(lambda _item: t.cast("None", together.wait()), iter(range(4)))


@pytest.mark.parametrize("given", [0, 2])
def test_fewer_threads_than_requested_do_all_the_work(monkeypatch: pytest.MonkeyPatch, given: int) -> None:
    start = threading.Thread.start
    started: list[threading.Thread] = []

    def limited(thread: threading.Thread) -> None:
        if len(started) == given:
            raise RuntimeError("can't start new thread")
        started.append(thread)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", limited)
    done: list[int] = []
    ThreadPool(10).for_each(done.append, iter(range(500)))
    assert sorted(done) == list(range(500))
    assert not any(thread.is_alive() for thread in started)


def test_one_thread_at_a_time_advances_the_source() -> None:
    inside = threading.Lock()

    def source() -> t.Iterator[int]:
        for item in range(300):
            assert inside.acquire(blocking=False)
            inside.release()
            yield item

    ThreadPool(8).for_each(lambda _item: None, source())


@pytest.mark.parametrize("count", [1, 6])
def test_an_exception_of_the_work_is_raised_after_all_threads_have_stopped(count: int) -> None:
    done: list[int] = []

    def work(item: int) -> None:
        if item == 5:
            raise KeyError("a bug")
        done.append(item)

    with pytest.raises(KeyError, match="a bug"):
        ThreadPool(count).for_each(work, iter(range(10**9)))
    assert 5 not in done


def test_a_stop_iteration_of_the_work_is_raised_too() -> None:
    with pytest.raises(StopIteration):
        ThreadPool(2).for_each(lambda _item: next(iter(())), iter(range(5)))


@pytest.mark.parametrize("count", [1, 6])
def test_an_exception_of_the_source_is_raised_too(count: int) -> None:
    def source() -> t.Iterator[int]:
        yield 1
        raise ValueError("no more")

    with pytest.raises(ValueError, match="no more"):
        ThreadPool(count).for_each(lambda _item: None, source())
