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
_CLOCK_MARGIN = 0.2
# After a 429 the quota is known to be shared: for so long calls come evenly, so that few of them run into the next one.
_COOLDOWN = 60.0
# Less is no sleep: added to the clock it may be lost to rounding.
_MIN_SLEEP = 0.001
_NEVER = float("-inf")


class _SlidingWindow:
    """Sliding: at most ``limit`` calls in any ``span`` seconds."""

    def __init__(self, limit: int, span: float) -> None:
        self.limit = limit
        self._span = span + _CLOCK_MARGIN
        self._sent_at: deque[float] = deque(maxlen=limit)
        """The moments of the last calls, in their order."""

    def free_at(self, nth: int = 1) -> float:
        """When the nth call from now may be sent; with more than the limit, when the limit may."""
        index = len(self._sent_at) + min(nth, self.limit) - self.limit - 1
        return self._sent_at[index] + self._span if index >= 0 else _NEVER

    def remaining(self, until: float) -> int:
        """How many more calls may be sent up to that moment, if it is no farther away than the span."""
        return self.limit - sum(sent_at > until - self._span for sent_at in self._sent_at)

    def record(self, at: float) -> None:
        self._sent_at.append(at)


class RateLimiter:
    """Hands out moments to send at, one a call, to any number of threads."""

    def __init__(self, clock: Clock, *, per_minute: int, per_hour: int) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: t.Final = (_SlidingWindow(per_minute, 60.0), _SlidingWindow(per_hour, 3600.0))
        self._even_interval = 60.0 / per_minute
        self._last = _NEVER
        self._waiting_threads = 0
        self._blocked_until = _NEVER
        self._cooldown_until = _NEVER

    def acquire(self, latest: float | None = None) -> bool:
        """Return true when a call may be sent, now, or false, at once, where that will be after ``latest``.

        ``latest`` is a moment of the monotonic clock. Nothing is reserved while a thread sleeps: a pause or a deadline
        that comes between would leave the windows with moments at which nothing was sent.
        """
        with self._lock:
            ahead = (
                self._waiting_threads
            )  # each sleeps until a place of its own is free: one that comes wakes one, not all
        while True:
            with self._lock:
                now = self._clock.monotonic()
                at = self._free_at(1 + ahead)
                if latest is not None and max(at, now) > latest:
                    return False
                if at <= now:
                    self._last = now
                    for window in self._windows:
                        window.record(now)
                    return True
                self._waiting_threads += 1
            self._clock.sleep(max(at - now, _MIN_SLEEP))
            with self._lock:
                self._waiting_threads -= 1
            ahead = 0

    def wait_for_capacity(self, calls: int, within: float) -> int:
        """Return when ``calls`` could be sent in the next ``within`` seconds, or as many as the limits ever allow.

        ``within`` is at most a minute. The answer is how many calls could, and may be more. It is a forecast: a 429
        or other threads can spoil it.
        """
        while True:
            with self._lock:
                horizon = self._clock.monotonic() + within
                missing = max(self._blocked_until, *(window.free_at(calls) for window in self._windows)) - horizon
                if missing <= 0:
                    return min(window.remaining(horizon) for window in self._windows)
            self._clock.sleep(max(missing, _MIN_SLEEP))

    def block_all(self, seconds: float) -> float:
        """Nobody sends for so long: the service said so to one of us. Returns the seconds that this adds."""
        with self._lock:
            now = self._clock.monotonic()
            before = max(now, self._blocked_until)
            self._blocked_until = max(before, now + seconds)
            self._cooldown_until = self._blocked_until + _COOLDOWN
            return self._blocked_until - before

    def _free_at(self, nth: int) -> float:
        """When the nth call from now may be sent."""
        at = max(self._blocked_until, *(window.free_at(nth) for window in self._windows))
        return max(at, self._last + nth * self._even_interval) if at < self._cooldown_until else at
