# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Time as the collection sees it: one small protocol, so that no test has to wait."""

from __future__ import annotations

import time
import typing as t


class Clock(t.Protocol):
    """What everything here knows of time. Tests hand in one that jumps instead of sleeping."""

    def monotonic(self) -> float:
        """Seconds from an arbitrary start; never goes back."""

    def time(self) -> float:
        """Seconds since 1970 in UTC, by this machine's clock, which may be wrong."""

    def sleep(self, seconds: float) -> None:
        """Return after so many seconds; zero and less return at once."""


class SystemClock:
    """The real one."""

    def monotonic(self) -> float:
        return time.monotonic()

    def time(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            time.sleep(seconds)
