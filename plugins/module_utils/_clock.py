# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Time as a protocol (monotonic, time, sleep), so that no test has to wait."""

from __future__ import annotations

import threading
import time
import typing as t


class Clock(t.Protocol):
    """Source of time for all code of the collection. Tests pass one that does not sleep."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start. Never goes back, and continues while the machine is suspended."""

    def time(self) -> float:
        """Seconds since 1970 in UTC, from this machine's clock, which may be wrong."""

    def sleep(self, seconds: float) -> None:
        """Return after this many seconds; immediately if zero or less."""


class SystemClock:
    """The clock of this machine."""

    def __init__(self) -> None:
        self.monotonic = _suspend_aware()

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)


def _suspend_aware() -> t.Callable[[], float]:
    """A monotonic clock that includes the time in which the machine is suspended.

    Linux has one. On other systems Python's monotonic clock may or may not stop.
    """
    boot_time = getattr(time, "CLOCK_BOOTTIME", None)
    if boot_time is not None:
        try:
            time.clock_gettime(boot_time)
        except OSError:  # not available in this kernel or sandbox
            pass
        else:
            return lambda: time.clock_gettime(boot_time)
    return SuspendAwareClock(time.monotonic, time.time)


class SuspendAwareClock:
    """A monotonic clock that also advances when the wall clock jumps ahead of it.

    A wall clock that is set forward has the same effect as a suspended machine: something is read again before its time,
    which does no harm.
    """

    # Seconds. Routine adjustments of wall clocks are smaller.
    _STEP: t.Final = 1.0

    def __init__(self, monotonic: t.Callable[[], float], wall: t.Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._wall = wall
        self._lock = threading.Lock()
        self._ahead = wall() - monotonic()
        self._suspended = 0.0

    def __call__(self) -> float:
        """Seconds from an arbitrary start; never goes back."""
        with self._lock:
            monotonic = self._monotonic()
            ahead = self._wall() - monotonic
            if ahead - self._ahead > self._STEP:
                self._suspended += ahead - self._ahead
            self._ahead = ahead
            return monotonic + self._suspended
