# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The clock of the emulated service: virtual, or real time."""

from __future__ import annotations

import threading
import time


class Clock:
    """Seconds of the service. Virtual by default; with ``real_time`` the wall clock plus what was advanced."""

    def __init__(self, real_time: bool = False, start: float | None = None) -> None:
        self.real_time = real_time
        self.start = time.time() if start is None else float(start)
        self._began = time.monotonic()
        self._advanced = 0.0
        self._lock = threading.Lock()

    def now(self) -> float:
        """Epoch seconds."""
        return self.start + self.monotonic()

    def monotonic(self) -> float:
        """Seconds since the emulator began."""
        walked = time.monotonic() - self._began if self.real_time else 0.0
        return self._advanced + walked

    def advance(self, seconds: float) -> float:
        """Move on by so many seconds (never back) and return the new epoch seconds."""
        if seconds < 0:
            raise ValueError("the clock does not run backwards")
        with self._lock:
            self._advanced += float(seconds)
        return self.now()

    def sleep(self, seconds: float) -> None:
        """What a client under test may sleep with: no waiting, the clock moves on."""
        self.advance(max(0.0, seconds))
