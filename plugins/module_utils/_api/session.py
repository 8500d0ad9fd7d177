# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One API call with token, rate limit, retries, service time and statistics.

The caller decides which outcomes may be retried. ApiSession decides how long, and applies ``Retry-After`` to all calls.
"""

from __future__ import annotations

import random
import threading
import typing as t
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from .._auth.token import TokenCache, TokenClaims, read_claims
from .._clock import Clock
from .._errors import DeadlineExceededError, MdeError, ThrottledError, TransportError
from .._http.rate_limit import RateLimiter
from .._http.response import Response
from .._http.retry import RetryBudget, retry_after
from .._http.transport import HttpTransport
from .._timestamps import format_time
from .error_responses import error_from_response, is_by_service
from .odata import url_encode
from .service_time import ServiceTime

# Seconds after a deadline in which a first attempt may still be sent: no sleep ends exactly on time.
_DEADLINE_GRACE: t.Final = 1.0
_RATE_LIMIT_HINT = (
    "The limit is set by calls_per_minute and calls_per_hour; the service allows 100 and 1500 per application."
)


@dataclass
class ApiStatistics:
    """Counts of the API calls of one run, returned as ``summary.api``."""

    calls: int = 0
    retries: int = 0
    throttled_seconds: float = 0.0

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "calls": self.calls,
            "retries": self.retries,
            "throttled_seconds": round(self.throttled_seconds, 1),
        }


class ApiSession:
    """Sends calls to one API with one identity. Safe to use from several threads."""

    def __init__(
        self,
        transport: HttpTransport,
        tokens: TokenCache,
        api_url: str,
        *,
        rate_limiter: RateLimiter,
        clock: Clock,
        rng: random.Random,
        retry_timeout: float,
    ) -> None:
        """``api_url`` is the URL without ``/api``; ``retry_timeout`` is in seconds per call."""
        self.statistics = ApiStatistics()
        self.clock = clock
        self._transport = transport
        self._tokens = tokens
        self._base = f"{api_url}/api"
        self.rate_limiter = rate_limiter
        self._rng = rng
        self._retry_timeout = retry_timeout
        self.service_clock = ServiceTime(clock)
        self._not_requested: dict[str, None] = {}
        """IDs of records that were ignored, because they were not requested."""
        self._lock = threading.Lock()
        self._last_token = ""
        self._long_pause: tuple[float, Response] | None = None
        """Monotonic time until which a response has asked for a pause, and that response, if its call had no time for it."""

    @property
    def claims(self) -> TokenClaims | None:
        """Return the claims of the current token, or None before the sign-in and for a token that cannot be decoded."""
        return read_claims(self._last_token)

    def service_time(self) -> datetime | None:
        """Return the current time by the service's ``Date`` headers, or None without a trusted one."""
        return self.service_clock.by_headers()

    def now(self) -> datetime:
        """Return the current time for decisions and filters: the service's time if known, else this machine's.

        Signs in if nothing was sent yet, because the token can already show that this machine's clock is wrong. Raises
        what the sign-in raises.
        """
        if not self.service_clock.is_informed:
            self._token(self._retry_timeout)
        return self.service_clock.now()

    def _token(self, time_limit: float) -> str:
        token = self._tokens.token(time_limit)
        self._last_token = token
        self.service_clock.observe_token(token)
        return token

    def warnings(self) -> list[str]:
        """Return warnings for users about the calls so far."""
        warnings = self.service_clock.warnings()
        with self._lock:
            ids = list(self._not_requested)
        if ids:
            warnings.append(
                f"Ignored: records that were not requested ({len(ids)}: {', '.join(ids[:3])}{', ...' if len(ids) > 3 else ''}). "
                "The service, or a proxy, ignored the filters or returned the response to another request. Run the task "
                "again; if the warning stays, check api_url and any proxy."
            )
        return warnings

    def ignore_records(self, ids: t.Iterable[str]) -> None:
        """Remember records that the service returned without a request for them, for a warning."""
        with self._lock:
            self._not_requested.update(dict.fromkeys(ids))

    def budget(self, until: float | None = None) -> RetryBudget:
        """Return a new budget for one call; ``until`` (monotonic seconds) is the deadline of the call."""
        budget = RetryBudget(limit=self._retry_timeout, clock=self.clock, rng=self._rng)
        if until is not None:
            budget.limit = min(budget.limit, max(0.0, until - self.clock.monotonic()))
            budget.not_after = until + _DEADLINE_GRACE
        return budget

    def request(
        self,
        method: str,
        path: str,
        *,
        should_retry: t.Callable[[Response | TransportError], bool],
        permissions: t.Sequence[str],
        params: t.Mapping[str, t.Any] | None = None,
        json_body: t.Any = None,
        budget: RetryBudget | None = None,
        before_send: t.Callable[[], None] = lambda: None,
    ) -> Response:
        """Send a request, repeat it as ``should_retry`` allows, and return the first response with a 2xx status.

        ``path`` is relative to the API. One of the ``permissions`` is required. ``budget`` is set if the call has
        already spent a part of it. ``before_send`` is called directly before each attempt, after all waiting. Raises
        TransportError if there is no response, ApiError for any other status, ThrottledError, DeadlineExceededError,
        and what the sign-in raises.
        """
        query = "&".join(f"{k}={url_encode(str(v))}" for k, v in (params or {}).items() if v is not None)
        url = f"{self._base}/{path}?{query}".removesuffix("?")
        budget = budget or self.budget()
        refused: str | None = None
        unauthorized: MdeError | None = None
        while True:
            self._keep_long_pause(budget)
            if not self.rate_limiter.acquire(budget.not_after):
                raise DeadlineExceededError(
                    "The rate limit does not allow this call before its deadline.",
                    hint=_RATE_LIMIT_HINT,
                    unauthorized=unauthorized,
                )
            if refused is not None:  # only now, as a token can expire in a long wait for the rate limit
                self._tokens.refresh(refused, budget.remaining())
            token = self._token(budget.remaining())
            if budget.not_after is not None and self.clock.monotonic() > budget.not_after:
                raise DeadlineExceededError("Signing in took too long; the deadline of this call has passed.")
            before_send()
            outcome = budget.attempt(partial(self._send, method, url, token, json_body, budget.not_after))
            with self._lock:
                self.statistics.calls += 1
            was_refused, refused = refused is not None, None
            if isinstance(outcome, Response) and _token_refused(outcome, method) and not was_refused:
                self._tokens.check_replaceable()
                refused, unauthorized = token, error_from_response(outcome, permissions, self.claims)
            elif should_retry(outcome):
                self._wait_or_raise(outcome, budget, url)
            elif isinstance(outcome, TransportError):
                raise outcome
            elif 200 <= outcome.status < 300:
                return outcome
            else:
                self._keep_pause(outcome, budget)
                raise error_from_response(outcome, permissions, self.claims)
            with self._lock:
                self.statistics.retries += 1

    def close_connections(self) -> None:
        """Close all connections; later calls open new ones.

        Also after a response that belongs to another request, because the next one on its connection may, too.
        """
        self._transport.close()

    def _send(self, method: str, url: str, token: str, json_body: t.Any, not_after: float | None) -> Response:
        """Send once. A read that returns a 2xx status other than 200 raises TransportError: it belongs to another request."""
        response = self._transport.send(
            method,
            url,
            headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
            json_body=json_body,
            not_after=not_after,
        )
        if method == "GET" and 200 < response.status < 300:
            self.close_connections()
            raise TransportError(
                f"GET {response.url.split('?')[0]}: the response has status {response.status}, which no read returns.",
                may_have_arrived=True,
            )
        self.service_clock.observe(response)
        return response

    def _wait_or_raise(self, outcome: Response | TransportError, budget: RetryBudget, url: str) -> None:
        pause = budget.delay_after(outcome, self._transport, url)
        throttled = isinstance(outcome, Response) and outcome.status == 429
        if pause is None:
            if isinstance(outcome, TransportError):
                raise outcome
            requested = self._note_long_pause(outcome, budget)
            if throttled or (requested is not None and requested > budget.remaining()):
                raise self._throttled(outcome, requested)
            raise error_from_response(outcome)
        if throttled:
            held = self.rate_limiter.block_all(pause, self._rng, budget.remaining())
            with self._lock:
                self.statistics.throttled_seconds += held
            pause = max(pause, held)
        budget.sleep(pause)

    def _keep_pause(self, response: Response, budget: RetryBudget) -> None:
        """Block the next calls after a 429 to a call that is not repeated."""
        requested = self._note_long_pause(response, budget) if response.status == 429 else None
        if requested is not None and requested <= budget.remaining():
            self.rate_limiter.block_all(requested)

    def _note_long_pause(self, response: Response, budget: RetryBudget) -> float | None:
        """Return the pause that the service asks for. Remember one for which this call has no time."""
        requested = retry_after(response, self.clock.time())
        if requested is not None and requested > budget.remaining():
            until = self.clock.monotonic() + requested
            with self._lock:
                if self._long_pause is None or until > self._long_pause[0]:  # calls in flight get different pauses
                    self._long_pause = (until, response)
        return requested

    def _keep_long_pause(self, budget: RetryBudget) -> None:
        """Wait for the rest of a long pause, or raise ThrottledError if this call has no time for it either."""
        if self._long_pause is None:
            return
        until, response = self._long_pause
        left = until - self.clock.monotonic()
        if left > budget.remaining():
            raise self._throttled(response, left)
        if left > 0:
            with self._lock:
                self.statistics.throttled_seconds += left
            budget.sleep(left)

    def _throttled(self, response: Response, requested: float | None) -> ThrottledError:
        error = error_from_response(response)
        if requested is None:
            when = "The service did not say when to retry"
        else:
            try:
                when = f"Retry after {format_time(self.now().timestamp() + requested)}"
            except (ValueError, OverflowError, OSError):  # beyond the last date of the calendar
                when = f"The service asks for a wait of {requested:g} s"
        hint = f"{when}, or increase retry_timeout (now {self._retry_timeout:g} s)."
        if response.status == 429:
            hint += " All jobs that use the application share its quota."
        return ThrottledError(
            error.message,
            http_status=response.status,
            service_code=error.service_code,
            correlation_id=error.correlation_id,
            hint=hint,
        )


def _token_refused(outcome: Response | TransportError, method: str) -> bool:
    """Whether to repeat the request with a new token: any read, else only if the service itself has rejected it."""
    if isinstance(outcome, TransportError) or outcome.status != 401:
        return False
    return method == "GET" or is_by_service(outcome)
