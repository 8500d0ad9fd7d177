# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""RateLimiter: two sliding windows, a block for all threads, and a fair share of a quota that other jobs use, too.

Client-side rate limiter: sends no more calls than the service allows. Microsoft Learn, in the pages of the API: 100 calls
per minute and 1,500 per hour for an application in a tenant.

All jobs of the application share that quota and do not know of each other. After a 429 to each of them, all would return
at the end of the same ``Retry-After``, use up the quota with a few calls each, and be refused again. Therefore:

- Each waits a random time longer: the longer, the fewer of its calls were accepted since the previous 429.
- From the second 429 in a row without an accepted call, some also skip a minute, at random, so that fewer jobs compete
  for the next one. The longer a job has waited, the less probable that is.
- For a minute after a block, calls leave one at a time, so that few are on their way when the quota is used up. They leave
  faster than evenly: the job that is first sends all it has and is done, and its decisions do not expire.
"""

from __future__ import annotations

import math
import random
import threading
import typing as t
from collections import deque

from .._clock import Clock

# The service sees the calls a little closer together than they were sent.
_CLOCK_MARGIN = 0.2
# Seconds after a block in which calls leave one at a time, and the time between two of them as a part of the even interval.
_COOLDOWN = 60.0
_GAP = 5 / 12
# Upper limit in seconds of the random wait after a 429 without an accepted call since the previous one.
_MAX_RANDOM_WAIT = 12.0
# Only these values of Retry-After (seconds) end for many jobs at once, when the quota of the minute is free again. Shorter
# ones differ anyway, and longer ones are those of the hour.
_MIN_SHARED_WAIT, _MAX_SHARED_WAIT = 10.0, 60.0
# Less is no sleep: added to the clock it may be lost to rounding.
_MIN_SLEEP = 0.001
_NEVER = float("-inf")


class _SlidingWindow:
    """Sliding: at most ``limit`` calls in any ``span`` seconds."""

    def __init__(self, limit: int, span: float) -> None:
        self.limit = limit
        self._span = span + _CLOCK_MARGIN
        self._sent_at: deque[float] = deque(maxlen=limit)
        """The times of the last calls, in order."""

    def free_at(self, nth: int) -> float:
        """Return when the nth call from now may be sent, where nth is at most the limit."""
        index = len(self._sent_at) + min(nth, self.limit) - self.limit - 1
        return self._sent_at[index] + self._span if index >= 0 else _NEVER

    def remaining(self, until: float) -> int:
        """Return how many more calls may be sent until that time, which is at most the span away."""
        return self.limit - sum(sent_at > until - self._span for sent_at in self._sent_at)

    def record(self, at: float) -> None:
        self._sent_at.append(at)


class RateLimiter:
    """Grants permission to send, one call at a time, to any number of threads."""

    def __init__(self, clock: Clock, *, per_minute: int, per_hour: int) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: t.Final = (_SlidingWindow(per_minute, 60.0), _SlidingWindow(per_hour, 3600.0))
        self._gap = _GAP * 60.0 / per_minute
        self._last = _NEVER
        self._waiting_threads = 0
        self._blocked_until = _NEVER
        self._cooldown_until = _NEVER
        self._sent_since_block = 0
        self._blocks_without_success = 0

    def acquire(self, latest: float | None = None) -> bool:
        """Wait until a call may be sent and return true, or return false at once if that is after ``latest``.

        ``latest`` is a time of the monotonic clock. A waiting thread reserves nothing: a block or a deadline during its
        wait would leave times in the windows at which nothing was sent.
        """
        with self._lock:
            # Each waits for a place of its own, so that a free place wakes one thread and not all.
            ahead = self._waiting_threads
        while True:
            with self._lock:
                now = self._clock.monotonic()
                at = self._free_at(1 + ahead, now)
                if latest is not None and max(at, now) > latest:
                    return False
                if at <= now:
                    self._last = now
                    self._sent_since_block += 1
                    for window in self._windows:
                        window.record(now)
                    return True
                self._waiting_threads += 1
            self._clock.sleep(max(at - now, _MIN_SLEEP))
            with self._lock:
                self._waiting_threads -= 1
            ahead = 0

    def wait_for_capacity(self, calls: int, within: float) -> int:
        """Return when ``calls``, or as many as the limits ever allow, can be sent in the next ``within`` seconds.

        ``within`` is at most a minute. Returns how many calls can be sent, possibly more than ``calls``. This is a
        prediction: a 429 or other threads can make it wrong.
        """
        while True:
            with self._lock:
                horizon = self._clock.monotonic() + within
                missing = max(self._blocked_until, *(window.free_at(calls) for window in self._windows)) - horizon
                if missing <= 0:
                    return min(window.remaining(horizon) for window in self._windows)
            self._clock.sleep(max(missing, _MIN_SLEEP))

    def block_all(self, seconds: float, rng: random.Random | None = None, limit: float = math.inf) -> float:
        """Block all threads for this long after a 429 to one of them. Return the seconds that this adds.

        With ``rng`` the block is longer by a random wait, for the sake of other jobs (see above), but not longer than
        ``limit`` seconds. A 429 during a block, to a call that was on its way when it began, adds no random wait.
        """
        with self._lock:
            now = self._clock.monotonic()
            before = max(now, self._blocked_until)
            if rng is not None and now >= self._blocked_until:
                accepted = max(0, self._sent_since_block - 1)
                self._sent_since_block = 0
                self._blocks_without_success = 0 if accepted else self._blocks_without_success + 1
                if _MIN_SHARED_WAIT <= seconds <= _MAX_SHARED_WAIT:
                    seconds = max(seconds, min(seconds + self._random_wait(accepted, rng), limit))
            self._blocked_until = max(before, now + seconds)
            self._cooldown_until = self._blocked_until + _COOLDOWN
            return self._blocked_until - before

    def _random_wait(self, accepted: int, rng: random.Random) -> float:
        wait = rng.uniform(0, _MAX_RANDOM_WAIT / (accepted + 1))
        skips = self._blocks_without_success > 1 and rng.random() < 2 / (self._blocks_without_success + 1)
        return wait + 60.0 * skips

    def _free_at(self, nth: int, now: float) -> float:
        """Return when the nth call from now may be sent."""
        at = max(self._blocked_until, *(window.free_at(nth) for window in self._windows))
        return max(at, self._last + nth * self._gap) if max(at, now) < self._cooldown_until else at
