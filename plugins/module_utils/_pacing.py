# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Our own pace: never more calls than the service counts, so that it rarely has to refuse one.

Limits: Microsoft Learn, the API's pages: 100 calls a minute and 1,500 an hour for each app and tenant. They
are shared with everything else that uses the app, so a 429 can come all the same: it pauses everybody.
"""

from __future__ import annotations

import threading
import typing as t
from collections import deque

from ._clock import Clock

# The service sees our calls a little closer together than we sent them.
_MARGIN = 0.2


class _Window:
    """Sliding: at most ``limit`` calls in any ``span`` seconds."""

    def __init__(self, limit: int, span: float) -> None:
        self._limit = limit
        self._span = span + _MARGIN
        self._taken: deque[float] = deque(maxlen=limit)

    def free_at(self) -> float:
        return self._taken[0] + self._span if len(self._taken) == self._limit else float("-inf")

    def take(self, at: float) -> None:
        self._taken.append(at)


class Pacer:
    """Hands out moments to send at, one a call, to any number of threads."""

    def __init__(self, clock: Clock, *, per_minute: int, per_hour: int) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: t.Final = (_Window(per_minute, 60.0), _Window(per_hour, 3600.0))
        self._paused_until = float("-inf")

    def wait(self) -> None:
        """Return when the next call may be sent."""
        with self._lock:
            now = self._clock.monotonic()
            at = max(now, self._paused_until, *(window.free_at() for window in self._windows))
            for window in self._windows:
                window.take(at)
        while at > now:
            self._clock.sleep(at - now)
            now = self._clock.monotonic()
            at = max(at, self._paused_until)

    def pause(self, seconds: float) -> None:
        """Nobody sends for so long: the service said so to one of us."""
        with self._lock:
            self._paused_until = max(self._paused_until, self._clock.monotonic() + seconds)
