# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quotas: sliding windows of virtual time, per app and tenant."""

from __future__ import annotations

import math
from collections import defaultdict, deque

from .errors import ApiError
from .knobs import Knobs
from .times import http_date

_MINUTE, _HOUR = 60.0, 3600.0


class Quota:
    """The calls of the last hour per app."""

    def __init__(self, knobs: Knobs) -> None:
        self._knobs = knobs
        self._calls: defaultdict[str, deque[float]] = defaultdict(deque)

    def clear(self) -> None:
        """Delete all calls."""
        self._calls.clear()

    def take(self, app: str, now: float) -> None:
        """Count a call, or refuse it. Raises ApiError."""
        if self._knobs.quota_per_minute is None and self._knobs.quota_per_hour is None:
            return
        wait, limit, window = self._longest_wait(app, now)
        if wait <= 0 or self._knobs.quota_counts_refused:
            self._calls[app].append(now)
        if wait > 0:
            raise self.refusal(f"API calls quota exceeded! Maximum admitted {limit} per {window}.", wait, now)

    def take_some(self, app: str, now: float, count: int) -> int:
        """Count up to this number of calls while the quota allows, and return how many it allowed."""
        allowed = 0
        while allowed < count and self._longest_wait(app, now)[0] <= 0:
            self.take(app, now)
            allowed += 1
        return allowed

    def _longest_wait(self, app: str, now: float) -> tuple[float, int | None, str]:
        """Return the window with the longest wait for the next call: seconds to wait, limit, length."""
        knobs = self._knobs
        calls = self._calls[app]
        while calls and calls[0] <= now - _HOUR:
            calls.popleft()
        return max(
            (
                self._wait(calls, now, _HOUR, knobs.quota_per_hour, knobs.quota_others_per_hour),
                knobs.quota_per_hour,
                "01:00:00",
            ),
            (
                self._wait(calls, now, _MINUTE, knobs.quota_per_minute, knobs.quota_others_per_minute),
                knobs.quota_per_minute,
                "00:01:00",
            ),
            key=lambda item: item[0],
        )

    def refusal(self, message: str, wait: float, now: float) -> ApiError:
        """Return an HTTP 429 as set by the knobs."""
        headers: dict[str, str] = {}
        seconds = max(1, math.ceil(wait))
        if self._knobs.retry_after == "seconds":
            headers["Retry-After"] = str(seconds)
        elif self._knobs.retry_after == "date":
            headers["Retry-After"] = http_date(math.ceil(now + wait))
        return ApiError(429, self._knobs.code_429, message, headers)

    @staticmethod
    def _wait(calls: deque[float], now: float, window: float, limit: int | None, used_by_others: int) -> float:
        """Return the seconds until a window allows another call."""
        if limit is None:
            return 0.0
        remaining = limit - used_by_others
        if remaining <= 0:
            return window
        # The calls are in order of time. Another call is allowed when calls[-remaining] has left the window.
        if len(calls) < remaining:
            return 0.0
        return max(0.0, calls[-remaining] + window - now)
