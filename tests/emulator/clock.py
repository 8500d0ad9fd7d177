# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of the emulated service: virtual, or real time."""

from __future__ import annotations

import threading
import time


class Clock:
    """The time of the service in seconds: virtual, or with ``real_time`` the real time plus all advances."""

    def __init__(self, real_time: bool = False, start: float | None = None) -> None:
        self.real_time = real_time
        self.start = time.time() if start is None else float(start)
        self._began = time.monotonic()
        self._advanced = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Return epoch seconds."""
        return self.start + self.monotonic()

    def monotonic(self) -> float:
        """Return the seconds since the start of the emulator."""
        elapsed = time.monotonic() - self._began if self.real_time else 0.0
        return self._advanced + elapsed

    def advance(self, seconds: float) -> float:
        """Advance the clock by this number of seconds, which is not negative. Returns the new epoch seconds."""
        if seconds < 0:
            raise ValueError("the clock cannot go back")
        with self._lock:
            self._advanced += float(seconds)
        return self.now()

    def sleep(self, seconds: float) -> None:
        """Advance the clock instead of waiting, for clients under test."""
        self.advance(max(0.0, seconds))
