# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The API in typed calls: machines, machine actions, offboard.

How lists are paged, what counts as an answer and which verb may be repeated is settled here; what the answers mean for
a device is decided elsewhere.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from ._answers import api_error, excerpt, is_missing_entity
from ._batches import Batches
from ._errors import BadAnswerError, MdeError
from ._exchange import Exchange
from ._http import Response
from ._models import Machine, MachineAction
from ._odata import Form, all_of, equals_any
from ._retry import Budget, surely_not_taken, worth_asking_again

# The service's largest page. Microsoft Learn: "Maximum page size is 10,000".
PAGE_SIZE: t.Final = 10000
# Seconds after a deadline in which a first try may still leave: nobody sleeps to the exact moment.
_LATE: t.Final = 1.0


@dataclass(frozen=True)
class Known:
    """The Offboard actions of one machine, all of them, as they were at one moment."""

    actions: tuple[MachineAction, ...]
    as_of: float
    """Seconds of the monotonic clock."""


class Client:
    """What can be asked of one tenant. Safe to use from several threads."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.batches = Batches(exchange.clock)

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

    def offboard_actions(self, machine_ids: t.Sequence[str]) -> dict[str, Known | MdeError]:
        """Every Offboard action of these machines, by the id as given, in as few calls as the service allows.

        For an id that the service does not take in a filter, its error. Raises MdeError when a read fails otherwise.
        """

        def condition(some: t.Sequence[str], form: Form) -> str:
            return all_of([equals_any("machineId", some, lists=form.lists), "type eq 'Offboard'"])

        reading = self.batches.read(machine_ids, condition, self._actions)
        found: dict[str, list[MachineAction]] = {machine_id.lower(): [] for machine_id in machine_ids}
        for action in reading.records:
            of_machine = found.get(action.machine_id.lower())
            if of_machine is not None and action.is_offboard:  # what the service sends beside them is dropped
                of_machine.append(action)
        known = {id_: Known(tuple(found[id_.lower()]), reading.as_of) for id_ in machine_ids}
        return {**known, **reading.refused}

    def actions_by_id(self, action_ids: t.Sequence[str], *, until: float | None = None) -> list[MachineAction]:
        """These actions as they are now. One that is missing is no news: lists lag behind.

        ``until`` (monotonic seconds) is when it is too late to ask again, or at all.
        """

        def condition(some: t.Sequence[str], form: Form) -> str:
            return equals_any("id", some, lists=form.lists)

        reading = self.batches.read(action_ids, condition, lambda text: self._actions(text, until=until))
        wanted = {action_id.lower() for action_id in action_ids}
        return [action for action in reading.records if action.id.lower() in wanted]

    def offboard_actions_since(self, created: datetime, *, until: float | None = None) -> list[MachineAction]:
        """Every Offboard action of the tenant from a moment on; ``until`` as for ``actions_by_id``."""
        moment = created.strftime("%Y-%m-%dT%H:%M:%SZ")
        return self._actions(f"type eq 'Offboard' and creationDateTimeUtc ge {moment}", until=until)

    def _actions(self, condition: str, until: float | None = None) -> list[MachineAction]:
        return self._list(
            "machineactions", condition, MachineAction.from_json, "actions with an id and a machine", until=until
        )

    def offboard(
        self,
        machine_id: str,
        comment: str,
        *,
        budget: Budget | None = None,
        not_after: float | None = None,
        on_send: t.Callable[[], None] = lambda: None,
    ) -> MachineAction:
        """Ask for the offboard of one device, once: repeated only when it surely was not taken.

        ``budget``, ``not_after`` and ``on_send`` are those of Exchange.call. Raises TooLateError, WireError or ApiError; after some
        of them the caller has to find out what became of it: see ``is_unclear``.
        """
        response = self.exchange.call(
            "POST",
            f"machines/{quote(machine_id, safe='')}/offboard",
            may_repeat=surely_not_taken,
            json_body={"Comment": comment},
            budget=budget,
            not_after=not_after,
            on_send=on_send,
        )
        if not 200 <= response.status < 300:
            raise api_error(response)
        action = MachineAction.from_json(response.json())
        if action is None or not action.is_offboard:
            raise _bad_answer(response, "an Offboard action with an id and a machine")
        return action

    # -- reading -------------------------------------------------------------------------------------------

    def _read(
        self,
        path: str,
        params: t.Mapping[str, t.Any] | None = None,
        *,
        missing_ok: bool = False,
        until: float | None = None,
    ) -> Response | None:
        response = self.exchange.call(
            "GET",
            path,
            may_repeat=worth_asking_again,
            params=params,
            budget=self.exchange.budget(until),
            not_after=None if until is None else until + _LATE,
        )
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
        until: float | None = None,
    ) -> list[t.Any]:
        """All pages of a list. ``$top`` and ``$skip`` only: a ``nextLink`` has been seen to lose the filter."""
        found: dict[str, t.Any] = {}
        asked = 0
        while True:
            response = self._read(
                path,
                {"$filter": condition, "$top": PAGE_SIZE, "$skip": asked or None},
                missing_ok=True,  # an empty list has been documented as 404
                until=until,
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


def _bad_answer(response: Response, wanted: str) -> BadAnswerError:
    return BadAnswerError(
        f"{response.method} {response.url.split('?')[0]} answered {response.status}, but not with {wanted}: "
        f"{excerpt(response)}",
        http_status=response.status,
        hint="Something between here and the service may have written this: check api_url and any proxy.",
    )
