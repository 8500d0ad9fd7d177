# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The API in typed calls: machines, machine actions, offboard.

Here live the rules of the wire: which calls may be repeated and when, who gets the token, how lists are paged,
and how the service's clock is read. What the answers mean for a device is decided elsewhere.
"""

from __future__ import annotations

import random
import threading
import typing as t
from dataclasses import dataclass
from datetime import datetime, timezone
from urllib.parse import quote

from ._answers import api_error, excerpt, is_missing_entity
from ._clock import Clock
from ._errors import ApiError, BadAnswerError, MdeError, ThrottledError, TooLateError, WireError
from ._http import Response, Session
from ._models import Machine, MachineAction, format_time, same
from ._odata import all_of, equals_any
from ._pacing import Pacer
from ._retry import TRANSIENT, UNREACHED_LIMIT, Budget, http_date, retry_after

# The service's largest page. Microsoft Learn: "Maximum page size is 10,000".
PAGE_SIZE: t.Final = 10000


class TokenSource(t.Protocol):
    """Where the client gets its token from."""

    def token(self) -> str:
        """A token that is good for now."""

    def renew(self, refused: str) -> str:
        """Another token than the one the API refused; raises when there can be none."""


@dataclass
class Statistics:
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


class _ServiceTime:
    """The service's clock as told by its ``Date`` headers, carried on by the monotonic clock in between."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._offset: float | None = None

    def observe(self, response: Response) -> None:
        told = http_date(response.headers.get("date", ""))
        if told is not None:
            self._offset = told - self._clock.monotonic()

    def now(self) -> datetime | None:
        if self._offset is None:
            return None
        return datetime.fromtimestamp(self._offset + self._clock.monotonic(), timezone.utc)


class Client:
    """One signed-in client for one tenant. Safe to use from several threads."""

    def __init__(
        self,
        session: Session,
        tokens: TokenSource,
        api_url: str,
        *,
        pacer: Pacer,
        clock: Clock,
        rng: random.Random,
        retry_timeout: float,
    ) -> None:
        """``api_url`` is the base without ``/api``; ``retry_timeout`` is in seconds for each call."""
        self.statistics = Statistics()
        self.clock = clock
        self._session = session
        self._tokens = tokens
        self._base = f"{api_url}/api"
        self._pacer = pacer
        self._rng = rng
        self._retry_timeout = retry_timeout
        self._service_time = _ServiceTime(clock)
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give back the connections."""
        self._session.close()

    # -- time ----------------------------------------------------------------------------------------------

    def service_time(self) -> datetime | None:
        """Now, by the service's clock; None as long as no answer carried a ``Date``."""
        return self._service_time.now()

    def now(self) -> datetime:
        """Now, by the service's clock where it is known, else by this machine's."""
        return self.service_time() or datetime.fromtimestamp(self.clock.time(), timezone.utc)

    # -- machines ------------------------------------------------------------------------------------------

    def machine(self, machine_id: str) -> Machine | None:
        """One record by its id, or None when the service itself says that there is none."""
        response = self._read(f"machines/{quote(machine_id, safe='')}", missing_ok=True)
        if response is None:
            return None
        found = Machine.from_json(response.json())
        if found is None:
            raise _bad_answer(response, "a machine with an id")
        return found

    def machines(self, condition: str) -> list[Machine]:
        """All records that fit an OData condition, in the service's order, each id once."""
        return self._list("machines", condition, Machine.from_json, "machines with an id")

    # -- machine actions -----------------------------------------------------------------------------------

    def offboard_actions(self, machine_ids: t.Sequence[str]) -> list[MachineAction]:
        """Every Offboard action of these machines. What the service sends beside them is dropped."""
        wanted = all_of([equals_any("machineId", machine_ids), "type eq 'Offboard'"])
        return [
            action
            for action in self._actions(wanted)
            if any(action.is_offboard_of(machine_id) for machine_id in machine_ids)
        ]

    def actions_by_id(self, action_ids: t.Sequence[str], within: float | None = None) -> list[MachineAction]:
        """These actions as they are now. One that is missing is no news: lists lag behind.

        ``within`` bounds the seconds that retries may take.
        """
        found = self._actions(equals_any("id", action_ids), within=within)
        return [action for action in found if any(same(action.id, action_id) for action_id in action_ids)]

    def _actions(self, condition: str, within: float | None = None) -> list[MachineAction]:
        return self._list(
            "machineactions", condition, MachineAction.from_json, "actions with an id and a machine", within=within
        )

    def budget(self) -> Budget:
        """A new allowance for one call; hand the same one in again where a call goes on after a break."""
        return Budget(limit=self._retry_timeout, clock=self.clock, rng=self._rng)

    def offboard(
        self, machine_id: str, comment: str, *, budget: Budget | None = None, not_after: float | None = None
    ) -> MachineAction:
        """Ask for the offboard of one device, once: repeated only when it surely was not taken.

        ``not_after`` (monotonic seconds) is the moment from which nothing may be sent any more. Raises TooLateError
        then, WireError with ``sent``, or ApiError. After 5xx, a broken connection or a strange body the caller has
        to find out what became of it: see ``is_unclear``.
        """
        response = self._exchange(
            "POST",
            f"machines/{quote(machine_id, safe='')}/offboard",
            may_repeat=_surely_not_taken,
            json_body={"Comment": comment},
            budget=budget,
            not_after=not_after,
        )
        if not 200 <= response.status < 300:
            raise api_error(response)
        action = MachineAction.from_json(response.json())
        if action is None or action.type.lower() != "offboard":
            raise _bad_answer(response, "an Offboard action with an id and a machine")
        return action

    # -- reading -------------------------------------------------------------------------------------------

    def _read(
        self,
        path: str,
        params: t.Mapping[str, t.Any] | None = None,
        *,
        missing_ok: bool = False,
        within: float | None = None,
    ) -> Response | None:
        budget = self.budget()
        if within is not None:
            budget.limit = min(within, budget.limit)
        response = self._exchange("GET", path, may_repeat=_worth_asking_again, params=params, budget=budget)
        if response.status == 200:
            return response
        if missing_ok and is_missing_entity(response):
            return None
        raise api_error(response)

    def _list(
        self,
        path: str,
        condition: str,
        parse: t.Callable[[object], t.Any],
        what: str,
        within: float | None = None,
    ) -> list[t.Any]:
        """All pages of a list. ``$top`` and ``$skip`` only: a ``nextLink`` has been seen to lose the filter."""
        found: dict[str, t.Any] = {}
        asked = 0
        while True:
            response = self._read(
                path,
                {"$filter": condition, "$top": PAGE_SIZE, "$skip": asked or None},
                missing_ok=True,  # an empty list has been documented as 404
                within=within,
            )
            if response is None:
                return list(found.values())
            document = response.json()
            records = document.get("value") if isinstance(document, dict) else None
            if not isinstance(records, list):
                raise _bad_answer(response, "a list")
            page = [parse(record) for record in records]
            if None in page:
                raise _bad_answer(response, what)
            more = len(page) == PAGE_SIZE or bool(document.get("@odata.nextLink"))
            new = {item.id.lower(): item for item in page if item.id.lower() not in found}
            if more and not new:
                raise _bad_answer(response, "another page (this one repeats the last)")
            found.update(new)
            asked += len(page)
            if not more:
                return list(found.values())

    # -- one call ------------------------------------------------------------------------------------------

    def _exchange(
        self,
        method: str,
        path: str,
        *,
        may_repeat: t.Callable[[Response | WireError], bool],
        params: t.Mapping[str, t.Any] | None = None,
        json_body: t.Any = None,
        budget: Budget | None = None,
        not_after: float | None = None,
    ) -> Response:
        """Send until there is an answer to keep, or the time for retries is used up."""
        url = f"{self._base}/{path}"
        # Encoded by hand: a '+' for a space is read as a plus by some gateways.
        query = "&".join(f"{k}={quote(str(v), safe='$')}" for k, v in (params or {}).items() if v is not None)
        budget = budget or self.budget()
        token = self._tokens.token()
        renewed = False
        while True:
            self._pacer.wait()
            began = self.clock.monotonic()
            if not_after is not None and began > not_after:
                raise TooLateError("The moment to send this has passed.")
            outcome: Response | WireError
            try:
                outcome = self._session.send(
                    method,
                    f"{url}?{query}" if query else url,
                    headers={"Authorization": f"Bearer {token}", "Accept": "application/json"},
                    json_body=json_body,
                )
                self._service_time.observe(outcome)
            except WireError as error:
                outcome = error
            budget.spent += self.clock.monotonic() - began
            with self._lock:
                self.statistics.calls += 1
            if isinstance(outcome, Response) and outcome.status == 401 and not renewed:
                renewed = True
                token = self._tokens.renew(token)
            elif may_repeat(outcome):
                self._pause_or_give_up(outcome, budget, url)
            elif isinstance(outcome, WireError):
                raise outcome
            else:
                return outcome
            with self._lock:
                self.statistics.retries += 1

    def _pause_or_give_up(self, outcome: Response | WireError, budget: Budget, url: str) -> None:
        if isinstance(outcome, WireError):
            limit = None if self._session.has_reached(url) else UNREACHED_LIMIT
            pause = budget.pause(None, limit)
            if pause is None:
                raise outcome
            budget.sleep(pause)
            return
        asked = retry_after(outcome, self.clock.time())
        pause = budget.pause(asked)
        throttled = outcome.status == 429
        if pause is None:
            raise self._throttled(outcome, asked) if throttled else api_error(outcome)
        if throttled:
            self._pacer.pause(pause)
            with self._lock:
                self.statistics.throttled_seconds += pause
        budget.sleep(pause, throttled=throttled)

    def _throttled(self, response: Response, asked: float | None) -> ThrottledError:
        error = api_error(response)
        if asked is None:
            when = "It did not say when to come back"
        else:
            when = f"Come back after {format_time(self.now().timestamp() + asked)}"
        return ThrottledError(
            error.message,
            http_status=429,
            service_code=error.service_code,
            correlation_id=error.correlation_id,
            hint=f"{when}, or allow more waiting with retry_timeout ({self._retry_timeout:g} s now). "
            "The quota is shared by everything that uses this application.",
        )


def _worth_asking_again(outcome: Response | WireError) -> bool:
    """For reads: they change nothing."""
    if isinstance(outcome, WireError):
        return not outcome.final
    return outcome.status in TRANSIENT


def _surely_not_taken(outcome: Response | WireError) -> bool:
    """For the offboard: only what the service did not take may be sent again without looking."""
    if isinstance(outcome, WireError):
        return not outcome.sent and not outcome.final
    return outcome.status == 429


def is_unclear(error: MdeError) -> bool:
    """Whether a POST that ended so may have been carried out all the same.

    A refusal is only believed when the service itself wrote it (or, for 401 and 403, which may come with an
    empty body, whoever did); a gateway's page can hide a success.
    """
    if isinstance(error, WireError):
        return error.sent
    if isinstance(error, BadAnswerError):
        return True
    if not isinstance(error, ApiError) or isinstance(error, ThrottledError) or error.http_status is None:
        return False
    status = error.http_status
    if status >= 500 or status == 408:
        return True
    return 400 <= status < 500 and error.service_code is None and status not in (401, 403, 429)


def _bad_answer(response: Response, wanted: str) -> BadAnswerError:
    return BadAnswerError(
        f"{response.method} {response.url.split('?')[0]} answered {response.status}, but not with {wanted}: "
        f"{excerpt(response)}",
        http_status=response.status,
        hint="Something between here and the service may have written this: check api_url and any proxy.",
    )
