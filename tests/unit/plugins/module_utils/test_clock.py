# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The real clock counts the time in which the machine is suspended."""

from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._clock import SuspendAwareClock, SystemClock


class Machine:
    """The clocks of a machine. While it is suspended, only some of them continue."""

    def __init__(self) -> None:
        self.boot = 50.0
        self.monotonic = 40.0
        self.wall = 1_780_000_000.0

    def works(self, seconds: float) -> None:
        self.monotonic += seconds
        self.suspend(seconds)

    def suspend(self, seconds: float) -> None:
        self.boot += seconds
        self.wall += seconds


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    machine = Machine()
    monkeypatch.setattr(time, "monotonic", lambda: machine.monotonic)
    monkeypatch.setattr(time, "time", lambda: machine.wall)
    monkeypatch.setattr(time, "CLOCK_BOOTTIME", 7, raising=False)
    monkeypatch.setattr(time, "clock_gettime", lambda clock: machine.boot if clock == 7 else machine.monotonic)
    return machine


def raise_not_supported(_clock: int) -> t.NoReturn:
    raise OSError(22, "Invalid argument")


@pytest.mark.parametrize("kind", ["has a clock for it", "has none", "refuses it"])
def test_suspended_time_counts(machine: Machine, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "has none":
        monkeypatch.delattr(time, "CLOCK_BOOTTIME")
    elif kind == "refuses it":
        monkeypatch.setattr(time, "clock_gettime", raise_not_supported)
    clock = SystemClock()
    began = clock.monotonic()
    machine.works(10)
    assert clock.monotonic() - began == pytest.approx(10)
    machine.suspend(176)
    machine.works(1)
    assert clock.monotonic() - began == pytest.approx(187)


@pytest.mark.parametrize("step", [-86_400.0, -5.0, 0.5])
def test_a_wall_clock_that_is_set_back_or_adjusted_changes_nothing(machine: Machine, step: float) -> None:
    clock = SuspendAwareClock(time.monotonic, time.time)
    began = clock()
    machine.works(10)
    machine.wall += step
    assert clock() - began == pytest.approx(10)
    machine.works(10)
    assert clock() - began == pytest.approx(20)
