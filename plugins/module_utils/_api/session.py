# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One call to the API, however often it has to be sent: token, pace, retries by verb, and the service's clock.

What may be repeated after what is the caller's to say; how long that may go on, and how the service's wish to be left
alone is kept, is decided here for all of them.
"""

from __future__ import annotations

import random
import threading
import typing as t
from dataclasses import dataclass
from datetime import datetime

from .._auth.token import TokenClaims, read_claims
from .._clock import Clock
from .._errors import DeadlineExceededError, ThrottledError, TransportError
from .._http.rate_limit import RateLimiter
from .._http.retry import RetryBudget, retry_after
from .._http.transport import HttpTransport, Response
from .._timestamps import format_time
from .error_responses import error_from_response, is_by_service
from .odata import url_encode
from .service_time import ServiceTime

# Seconds after a deadline in which a first try may still leave: nobody sleeps to the exact moment.
_DEADLINE_GRACE: t.Final = 1.0
_RATE_LIMIT_HINT = (
    "calls_per_minute and calls_per_hour set the pace; 100 and 1500 is what the service allows an application."
)


class TokenSource(t.Protocol):
    """Where the client gets its token from."""

    def token(self, time_limit: float) -> str:
        """A token that is good for now; getting one may take so many seconds."""

    def refresh(self, refused: str, time_limit: float) -> str:
        """Another token than the one the API refused; raises when there can be none."""


@dataclass
class ApiStatistics:
    """What the calls cost; shown as ``summary.api``."""

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
    """The way to one API with one identity. Safe to use from several threads."""

    def __init__(
        self,
        transport: HttpTransport,
        tokens: TokenSource,
        api_url: str,
        *,
        rate_limiter: RateLimiter,
        clock: Clock,
        rng: random.Random,
        retry_timeout: float,
    ) -> None:
        """``api_url`` is the base without ``/api``; ``retry_timeout`` is in seconds for each call."""
        self.statistics = ApiStatistics()
        self.clock = clock
        self._transport = transport
        self._tokens = tokens
        self._base = f"{api_url}/api"
        self.rate_limiter = rate_limiter
        self._rng = rng
        self._retry_timeout = retry_timeout
        self._service_clock = ServiceTime(clock)
        self._lock = threading.Lock()
        self._last_token = ""

    def close(self) -> None:
        """Give back the connections."""
        self._transport.close()

    @property
    def claims(self) -> TokenClaims | None:
        """What the token in use says of itself; None before the sign-in, and for one that cannot be read."""
        return read_claims(self._last_token)

    def service_time(self) -> datetime | None:
        """Now, by the ``Date`` headers of the service; None as long as there is none that is believed."""
        return self._service_clock.by_headers()

    def now(self) -> datetime:
        """Now, for decisions and selections: the service's time where it is known, and this machine's where it is not.

        Signs in, as long as nothing was sent: the token is the first to show that this machine's clock is wrong.
        Raises what the sign-in raises.
        """
        if not self._service_clock.is_informed:
            self._token(self._retry_timeout)
        return self._service_clock.now()

    def _token(self, time_limit: float) -> str:
        token = self._tokens.token(time_limit)
        self._last_token = token
        self._service_clock.observe_token(token)
        return token

    def observe_records(self, records: t.Sequence[object]) -> None:
        """Let the times in records, as the service sent them, help to judge what time it is."""
        self._service_clock.observe_records(records)

    def warnings(self) -> list[str]:
        """What people should know of the exchange so far."""
        return self._service_clock.warnings()

    def budget(self, until: float | None = None) -> RetryBudget:
        """A new allowance for one call; ``until`` (monotonic seconds) is when it is too late to ask again, or at all."""
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
        """Send until there is a success.

        ``path`` is relative to the API; ``should_retry`` judges each outcome by the rules of the verb; one of the
        ``permissions`` is needed; ``budget`` is that of an earlier part of the same call; ``before_send`` is told right
        before each try, after all waiting. Raises TransportError without an answer, ApiError for one that is no success,
        ThrottledError, DeadlineExceededError, and what the sign-in raises.
        """
        url = f"{self._base}/{path}"
        query = "&".join(f"{k}={url_encode(str(v))}" for k, v in (params or {}).items() if v is not None)
        budget = budget or self.budget()
        refreshed = False
        while True:
            if not self.rate_limiter.acquire(budget.not_after):
                raise DeadlineExceededError(
                    "The pace of calls leaves no place for this one in time.", hint=_RATE_LIMIT_HINT
                )
            token = self._token(budget.remaining())
            began = self.clock.monotonic()
            if budget.not_after is not None and began > budget.not_after:
                raise DeadlineExceededError("The sign-in took so long that it is too late for this call.")
            before_send()
            outcome: Response | TransportError
            try:
                outcome = self._transport.send(
                    method,
                    f"{url}?{query}" if query else url,
                    headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                    json_body=json_body,
                    not_after=budget.not_after,
                )
                self._check_kind(outcome, method)
                self._service_clock.observe(outcome)
            except TransportError as error:
                outcome = error
            budget.spent += self.clock.monotonic() - began
            with self._lock:
                self.statistics.calls += 1
            if _token_refused(outcome, method) and not refreshed:
                refreshed = True
                self._tokens.refresh(token, budget.remaining())
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

    def drop_connections(self) -> None:
        """Open new connections from now on: a response was that of another request, and the next one may be as well."""
        self._transport.close()

    def _check_kind(self, response: Response, method: str) -> None:
        """Raise TransportError for the success of a request of another kind: a read is answered with 200 and nothing else."""
        if method == "GET" and 200 < response.status < 300:
            self.drop_connections()
            raise TransportError(
                f"GET {response.url.split('?')[0]}: the response has status {response.status}, which no read returns.",
                may_have_arrived=True,
            )

    def _wait_or_raise(self, outcome: Response | TransportError, budget: RetryBudget, url: str) -> None:
        pause = budget.delay_after(outcome, self._transport, url)
        throttled = isinstance(outcome, Response) and outcome.status == 429
        if pause is None:
            if isinstance(outcome, TransportError):
                raise outcome
            raise self._throttled(outcome) if throttled else error_from_response(outcome)
        if throttled:
            held = self.rate_limiter.block_all(pause)
            with self._lock:
                self.statistics.throttled_seconds += held
        budget.sleep(pause)

    def _keep_pause(self, response: Response, budget: RetryBudget) -> None:
        """Let the next call wait as a 429 asks, also where this one is not sent again, if there is time for that."""
        requested = retry_after(response, self.clock.time()) if response.status == 429 else None
        if requested is not None and requested <= budget.remaining():
            self.rate_limiter.block_all(requested)

    def _throttled(self, response: Response) -> ThrottledError:
        error, requested = error_from_response(response), retry_after(response, self.clock.time())
        if requested is None:
            when = "It did not say when to come back"
        else:
            try:
                when = f"Come back after {format_time(self.now().timestamp() + requested)}"
            except (ValueError, OverflowError, OSError):  # no calendar goes as far
                when = f"It asks for a pause of {requested:g} s"
        return ThrottledError(
            error.message,
            http_status=429,
            service_code=error.service_code,
            correlation_id=error.correlation_id,
            hint=f"{when}, or allow more waiting with retry_timeout ({self._retry_timeout:g} s now). "
            "The quota is shared by everything that uses this application.",
        )


def _token_refused(outcome: Response | TransportError, method: str) -> bool:
    """Whether the same with another token is right; what is no read must surely not have been carried out."""
    if isinstance(outcome, TransportError) or outcome.status != 401:
        return False
    return method == "GET" or is_by_service(outcome)
