# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""When to ask again: by verb, within a budget of time, and never sooner than the service said."""

from __future__ import annotations

import random
import re
import typing as t
from dataclasses import dataclass

from .._clock import Clock
from .._errors import TransportError
from .._timestamps import http_date
from .transport import HttpTransport, Response

# Statuses after which a read is simply asked again.
RETRYABLE_STATUSES: t.Final = frozenset({408, 429, 500, 502, 503, 504})
_INITIAL_BACKOFF = 1.0
_MAX_BACKOFF = 30.0
# A host that never answered in this run gets this long: more is a long wait for a misspelt address.
UNREACHABLE_HOST_LIMIT: t.Final = 60.0


def retry_after(response: Response, now: float) -> float | None:
    """Seconds that the answer asks to wait, from its ``Retry-After`` in either form; None without a usable one.

    A date is measured against the answer's own ``Date``, so that a wrong clock here shortens nothing; ``now``
    (seconds since 1970) stands in where that header is missing.
    """
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?(\s*,\s*[0-9]+(\.[0-9]+)?)*", value):  # a proxy may add a header of its own
        return max(map(float, value.split(",")))
    until = http_date(value)
    if until is None:
        return None
    return max(0.0, until - (http_date(response.headers.get("date", "")) or now))


@dataclass
class RetryBudget:
    """What one call may still spend on throttling and retries together, and the pauses it takes.

    Waiting for our own pace is not booked here.
    """

    limit: float
    clock: Clock
    rng: random.Random
    spent: float = 0.0
    attempts: int = 0
    not_after: float | None = None
    """Moment (monotonic) from which nothing may be sent any more."""

    def remaining(self, limit: float | None = None) -> float:
        """Seconds; a smaller limit may be given for this question."""
        return (self.limit if limit is None else min(limit, self.limit)) - self.spent

    def next_delay(self, requested: float | None, limit: float | None = None) -> float | None:
        """Seconds to wait before the next try, or None when there is no time left for one.

        What the service asked for is kept to the second; else full jitter over a window that doubles. The same jitter
        where it asked for nothing or next to it, as a date that has passed does: that would use up no time, ever.
        """
        remaining = self.remaining(limit)
        if requested is not None and (requested >= _INITIAL_BACKOFF or requested > remaining):
            return requested if requested <= remaining else None
        window = min(_MAX_BACKOFF, _INITIAL_BACKOFF * 2**self.attempts)
        return max(requested or 0.0, min(self.rng.uniform(0, window), remaining)) if remaining > 0 else None

    def delay_after(self, outcome: Response | TransportError, transport: HttpTransport, url: str) -> float | None:
        """Seconds to wait before ``transport`` sends again after an outcome; None when it must not, or the time is up."""
        if isinstance(outcome, Response):
            return self.next_delay(retry_after(outcome, self.clock.time()))
        limit = None if transport.has_responded(url) else UNREACHABLE_HOST_LIMIT
        return self.next_delay(None, limit) if outcome.retryable else None

    def sleep(self, seconds: float) -> None:
        self.attempts += 1
        self.clock.sleep(seconds)
        self.spent += seconds


def is_retryable_read(outcome: Response | TransportError) -> bool:
    """For reads: they change nothing."""
    if isinstance(outcome, TransportError):
        return outcome.retryable
    return outcome.status in RETRYABLE_STATUSES


def is_safe_to_resend(outcome: Response | TransportError) -> bool:
    """For the offboard: only what the service did not take may be sent again without looking."""
    if isinstance(outcome, TransportError):
        return not outcome.may_have_arrived and outcome.retryable
    return outcome.status == 429
