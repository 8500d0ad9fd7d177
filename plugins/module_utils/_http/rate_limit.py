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

from .._clock import Clock

# The service sees our calls a little closer together than we sent them.
_MARGIN = 0.2
# After a 429 the quota is known to be shared: for so long calls come evenly, so that few of them run into the next one.
_CAREFUL = 60.0
# Less is no sleep: added to the clock it may be lost to rounding.
_INSTANT = 0.001
_LONG_AGO = float("-inf")


class _Window:
    """Sliding: at most ``limit`` calls in any ``span`` seconds."""

    def __init__(self, limit: int, span: float) -> None:
        self.limit = limit
        self._span = span + _MARGIN
        self._taken: deque[float] = deque(maxlen=limit)
        """The moments of the last calls, in their order."""

    def free_at(self, nth: int = 1) -> float:
        """When the nth call from now may be sent; with more than the limit, when the limit may."""
        place = len(self._taken) + min(nth, self.limit) - self.limit - 1
        return self._taken[place] + self._span if place >= 0 else _LONG_AGO

    def room(self, until: float) -> int:
        """How many more calls may be sent up to that moment, if it is no farther away than the span."""
        return self.limit - sum(moment > until - self._span for moment in self._taken)

    def take(self, at: float) -> None:
        self._taken.append(at)


class Pacer:
    """Hands out moments to send at, one a call, to any number of threads."""

    def __init__(self, clock: Clock, *, per_minute: int, per_hour: int) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: t.Final = (_Window(per_minute, 60.0), _Window(per_hour, 3600.0))
        self._even = 60.0 / per_minute
        self._last = _LONG_AGO
        self._sleepers = 0
        self._paused_until = _LONG_AGO
        self._careful_until = _LONG_AGO

    def wait(self, latest: float | None = None) -> bool:
        """Return true when a call may be sent, now, or false, at once, where that will be after ``latest``.

        ``latest`` is a moment of the monotonic clock. Nothing is reserved while a thread sleeps: a pause or a deadline
        that comes between would leave the windows with moments at which nothing was sent.
        """
        with self._lock:
            ahead = self._sleepers  # each sleeps until a place of its own is free: one that comes wakes one, not all
        while True:
            with self._lock:
                now = self._clock.monotonic()
                at = self._free_at(1 + ahead)
                if latest is not None and max(at, now) > latest:
                    return False
                if at <= now:
                    self._last = now
                    for window in self._windows:
                        window.take(now)
                    return True
                self._sleepers += 1
            self._clock.sleep(max(at - now, _INSTANT))
            with self._lock:
                self._sleepers -= 1
            ahead = 0

    def wait_for_room(self, calls: int, within: float) -> int:
        """Return when ``calls`` could be sent in the next ``within`` seconds, or as many as the limits ever allow.

        ``within`` is at most a minute. The answer is how many calls could, and may be more. It is a forecast: a 429
        or other threads can spoil it.
        """
        while True:
            with self._lock:
                horizon = self._clock.monotonic() + within
                missing = max(self._paused_until, *(window.free_at(calls) for window in self._windows)) - horizon
                if missing <= 0:
                    return min(window.room(horizon) for window in self._windows)
            self._clock.sleep(max(missing, _INSTANT))

    def pause(self, seconds: float) -> float:
        """Nobody sends for so long: the service said so to one of us. Returns the seconds that this adds."""
        with self._lock:
            now = self._clock.monotonic()
            before = max(now, self._paused_until)
            self._paused_until = max(before, now + seconds)
            self._careful_until = self._paused_until + _CAREFUL
            return self._paused_until - before

    def _free_at(self, nth: int) -> float:
        """When the nth call from now may be sent."""
        at = max(self._paused_until, *(window.free_at(nth) for window in self._windows))
        return max(at, self._last + nth * self._even) if at < self._careful_until else at
