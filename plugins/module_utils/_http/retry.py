# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Retry-After, the time budget for retries, and which outcomes may be retried.

A retry never leaves earlier than the service asked for.
"""

from __future__ import annotations

import math
import random
import re
import typing as t
from dataclasses import dataclass

from .._clock import Clock
from .._errors import TransportError
from .._timestamps import http_date
from .response import Response
from .transport import HttpTransport

# A read is repeated after these statuses.
RETRYABLE_STATUSES: t.Final = frozenset({408, 429, 500, 502, 503, 504})
_INITIAL_BACKOFF = 1.0
_MAX_BACKOFF = 30.0
# Seconds for a host that has not responded in this run. Its name is probably misspelled, so a long wait does not help.
UNREACHABLE_HOST_LIMIT: t.Final = 60.0


def retry_after(response: Response, now: float) -> float | None:
    """Return the seconds to wait by ``Retry-After`` in either form, or None without a usable value.

    A date is compared with the ``Date`` of the same response, so that a wrong local clock does not shorten the wait.
    Without that header it is compared with ``now`` (seconds since 1970).
    """
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]+)?(\s*,\s*[0-9]+(\.[0-9]+)?)*", value):  # a proxy may add its own value
        return max(map(float, value.split(",")))
    until = http_date(value)
    if until is None:
        return None
    return max(0.0, until - (http_date(response.headers.get("date", "")) or now))


@dataclass
class RetryBudget:
    """Time in seconds that one call may spend on throttling and retries, including the time of its requests.

    Waiting for the client's own rate limit does not count.
    """

    limit: float
    clock: Clock
    rng: random.Random
    spent: float = 0.0
    attempts: int = 0
    not_after: float | None = None
    """Monotonic time after which nothing may be sent."""

    def remaining(self, limit: float = math.inf) -> float:
        """Return the seconds left of the limit, or of ``limit`` if that is smaller."""
        return min(limit, self.limit) - self.spent

    def next_delay(self, requested: float | None, limit: float = math.inf) -> float | None:
        """Return the seconds to wait before the next attempt, or None if the budget does not allow one.

        ``requested`` is the wait by ``Retry-After``, which is never shortened. Without it the wait is random, from a
        range that doubles with each attempt. The same applies if the service asks for almost no wait, for example with a
        date in the past: such retries would never use up the budget.
        """
        remaining = self.remaining(limit)
        if requested is not None and (requested >= _INITIAL_BACKOFF or requested > remaining):
            return requested if requested <= remaining else None
        window = min(_MAX_BACKOFF, _INITIAL_BACKOFF * 2**self.attempts)
        return max(requested or 0.0, min(self.rng.uniform(0, window), remaining)) if remaining > 0 else None

    def delay_after(self, outcome: Response | TransportError, transport: HttpTransport, url: str) -> float | None:
        """Return the seconds to wait before ``transport`` sends again, or None if no retry is allowed."""
        if isinstance(outcome, Response):
            return self.next_delay(retry_after(outcome, self.clock.time()))
        limit = math.inf if transport.has_responded(url) else UNREACHABLE_HOST_LIMIT
        return self.next_delay(None, limit) if outcome.retryable else None

    def attempt(self, send: t.Callable[[], Response]) -> Response | TransportError:
        """The outcome of one try, whose time counts as spent."""
        began = self.clock.monotonic()
        try:
            return send()
        except TransportError as error:
            return error
        finally:
            self.spent += self.clock.monotonic() - began

    def sleep(self, seconds: float) -> None:
        """Wait before the next attempt, and count the wait as spent."""
        self.attempts += 1
        self.clock.sleep(seconds)
        self.spent += seconds


def is_retryable_read(outcome: Response | TransportError) -> bool:
    """Whether a request that changes nothing, or nothing a second time, may be repeated."""
    if isinstance(outcome, TransportError):
        return outcome.retryable
    return outcome.status in RETRYABLE_STATUSES
