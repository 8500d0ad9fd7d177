# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The API in typed calls: machines, machine actions, offboard, cancel, tag.

What counts as an answer and which call may be repeated is settled here; what the answers mean for a device is decided
elsewhere.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import quote

from .._auth.permissions import CANCEL, EXCLUDE, OFFBOARD, READ, TAG
from .._errors import MdeError, TransportError, UnexpectedResponseError
from .._http.retry import RetryBudget, is_retryable_read, is_safe_to_resend
from .._http.transport import Response
from .._presentable import presentable
from .._same import comparable, equal_ignoring_case
from .error_responses import is_by_service
from .filter_batches import BatchResult, FilterBatcher
from .models import Machine, MachineAction, RecordError, is_record_id
from .odata import FilterSyntax, all_of, property_in, time_literal
from .paging import Allowance, Item, Lists, RefusedRecord, Report, get, unexpected_response
from .session import ApiSession

# Microsoft Learn, "Add or remove a tag for multiple machines": at most 500 ids a call.
TAG_BATCH: t.Final = 500


@dataclass(frozen=True)
class ActionSnapshot:
    """The Offboard actions of one machine, all of them, as they were at one moment."""

    actions: tuple[MachineAction, ...]
    read_at: float
    """Seconds of the monotonic clock."""


class MdeClient:
    """What can be asked of one tenant. Safe to use from several threads."""

    def __init__(self, session: ApiSession) -> None:
        self.session = session
        self.filter_batcher = FilterBatcher(session.clock)
        self._lists = Lists(session)
        self.own_actions: set[str] = set()
        """IDs of the actions that this run made, each on the device that it was meant for."""

    def _get(self, path: str, id_: str, parse: t.Callable[[object], Item], what: str) -> Item | None:
        response = get(self.session, f"{path}/{quote(id_, safe='')}", missing_ok=True)
        found = _checked(parse, response, what) if response is not None else None
        # The read of a machine also takes a name for an ID, and what is cancelled is never another action.
        return found if found is not None and equal_ignoring_case(found.id, id_) else None

    # -- machines ------------------------------------------------------------------------------------------

    def get_machine(self, machine_id: str) -> Machine | None:
        """One record by its id, or None when the service itself says that there is none."""
        return self._get("machines", machine_id, Machine.checked, "a machine")

    def list_machines(self, condition: str, *, report: Report | None = None) -> list[Machine]:
        """All records that fit an OData condition, in the service's order, each id once. See ``Lists.pages``."""
        return [machine for page in self.iter_machine_pages(condition, report=report) for machine in page]

    def iter_machine_pages(
        self, condition: str, *, limit: int | None = None, count: bool = False, report: Report | None = None
    ) -> t.Iterator[list[Machine]]:
        """The same page by page."""
        return self._lists.pages("machines", condition, Machine.checked, limit=limit, count=count, report=report)

    def machines_by_id(self, machine_ids: t.Sequence[str]) -> list[Machine]:
        """The records of these machines, as far as a list has them. One that is missing is no news."""
        return self.filter_batcher.read(machine_ids, _has_id, self.list_machines).records

    def available_actions(self, machine_id: str, *, budget: RetryBudget | None = None) -> list[dict[str, t.Any]]:
        """The actions that the service offers for a machine, each with ``action``, ``isAvailable``, ``notSupportedReason``.

        The route is in the API's ``$metadata`` (AvailableMachineActions), and Microsoft documents it nowhere. Raises
        MdeError, also for any other body.
        """
        path = f"machines/{quote(machine_id, safe='')}/availableMachineActions"
        response = self.session.request("GET", path, should_retry=is_retryable_read, permissions=READ, budget=budget)
        document = presentable(response.json())
        found = document.get("value") if isinstance(document, dict) else None
        if not isinstance(found, list):
            raise unexpected_response(response, "a list of actions")
        return [action for action in found if isinstance(action, dict)]

    def update_tag(self, machine_ids: t.Sequence[str], tag: str, action: str) -> list[Machine]:
        """``Add`` or ``Remove`` a tag on up to ``TAG_BATCH`` machines; their records as the service sent them back.

        May be repeated like a read: the second time it changes nothing. Raises MdeError.
        """
        response = self.session.request(
            "POST",
            "machines/AddOrRemoveTagForMultipleMachines",
            should_retry=is_retryable_read,
            permissions=TAG,
            json_body={"Value": tag, "Action": action, "MachineIds": list(machine_ids)},
        )
        document = response.json()
        records = document.get("value") if isinstance(document, dict) else None
        found = [Machine.from_json(record) for record in records] if isinstance(records, list) else []
        return [machine for machine in found if machine is not None]

    def set_exclusion(self, machine_id: str, reason: str | None) -> Machine:
        """Exclude a machine from vulnerability management, or include it again (no reason). Returns its record.

        Not documented by Microsoft: the call and its reasons are from the service's own model ($metadata of 2026-08). May
        be repeated like a read. Raises MdeError.
        """
        response = self.session.request(
            "POST",
            f"machines/{quote(machine_id, safe='')}/setExclusion",
            should_retry=is_retryable_read,
            permissions=EXCLUDE,
            json_body={"IsExcluded": False} if reason is None else {"IsExcluded": True, "ExclusionReason": reason},
        )
        machine = _checked(Machine.checked, response, "a machine")
        if machine.id != machine_id:
            self.session.drop_connections()
            raise unexpected_response(response, f"machine {machine_id}")
        return machine

    # -- machine actions -----------------------------------------------------------------------------------

    def get_offboard_actions(
        self, machine_ids: t.Sequence[str], *, budget: RetryBudget | None = None
    ) -> dict[str, ActionSnapshot | MdeError]:
        """Every Offboard action of these machines, by the id as given, in as few calls as the service allows.

        ``budget`` is one that several looks share. For an id that the service does not take in a filter, its error.
        Raises MdeError when a read fails otherwise.
        """

        def condition(values: t.Sequence[str], syntax: FilterSyntax) -> str:
            return all_of([property_in("machineId", values, use_in=syntax.use_in), "type eq 'Offboard'"])

        refused: list[RefusedRecord] = []

        def fetch(text: str) -> list[MachineAction]:
            return self._list_actions(text, report=refused.append, allowance=lambda: budget or self.session.budget())

        batch_result = self.filter_batcher.read(machine_ids, condition, fetch)
        found: dict[str, list[MachineAction]] = {machine_id: [] for machine_id in machine_ids}
        requested = set(map(comparable, machine_ids))  # a filter may ignore case, and find another device's actions
        if batch_result.records and not any(
            comparable(action.machine_id) in requested for action in batch_result.records
        ):
            raise UnexpectedResponseError(
                "GET machineactions: the list holds only actions of devices that were not asked for.",
                http_status=200,
                hint="It answers another request. Run the task again; check api_url and any proxy if it stays like this.",
            )
        for action in batch_result.records:
            of_machine = found.get(action.machine_id)
            if of_machine is not None and action.is_offboard:  # what the service sends beside them is dropped
                of_machine.append(action)
        snapshots = {id_: ActionSnapshot(tuple(found[id_]), batch_result.read_at) for id_ in machine_ids}
        return {**snapshots, **batch_result.rejected, **_affected(machine_ids, refused)}

    def actions_by_id(
        self, action_ids: t.Sequence[str], *, allowance: Allowance | None = None
    ) -> BatchResult[str, MachineAction]:
        """These actions as they are now. One that is missing is no news: see ``with_missing``."""
        batch_result = self.filter_batcher.read(
            action_ids, _has_id, lambda text: self._list_actions(text, allowance=allowance)
        )
        wanted = set(map(comparable, action_ids))
        batch_result.records = [action for action in batch_result.records if comparable(action.id) in wanted]
        return batch_result

    def with_missing(self, action_ids: t.Iterable[str], actions: t.Iterable[MachineAction]) -> list[MachineAction]:
        """The actions, and each that is not among them read by itself: lists lag behind."""
        found = {comparable(action.id): action for action in actions}
        for action_id in action_ids:
            if comparable(action_id) not in found and (action := self.get_action(action_id)):
                found[comparable(action_id)] = action
        return list(found.values())

    def list_offboard_actions_since(
        self, created: datetime, *, allowance: Allowance | None = None
    ) -> list[MachineAction]:
        """Every Offboard action of the tenant from a moment on."""
        condition = f"type eq 'Offboard' and creationDateTimeUtc ge {time_literal(created)}"
        return self._list_actions(condition, count=True, allowance=allowance)

    def _list_actions(self, condition: str, **reading: t.Any) -> list[MachineAction]:
        return [action for page in self.iter_action_pages(condition, **reading) for action in page]

    def iter_action_pages(
        self,
        condition: str,
        *,
        order: str | None = None,
        limit: int | None = None,
        count: bool = False,
        report: Report | None = None,
        allowance: Allowance | None = None,
    ) -> t.Iterator[list[MachineAction]]:
        """All actions that fit an OData condition, page by page; see ``Lists.pages``."""
        return self._lists.pages(
            "machineactions",
            condition,
            MachineAction.checked,
            order=order,
            limit=limit,
            count=count,
            report=report,
            allowance=allowance,
        )

    def get_action(self, action_id: str) -> MachineAction | None:
        """One action by its id, or None when the service itself says that there is none (yet)."""
        return self._get("machineactions", action_id, MachineAction.checked, "an action")

    def cancel_action(self, action_id: str, comment: str) -> None:
        """Ask for the end of an action. May be repeated like a read; what became of it has to be read.

        Raises MdeError.
        """
        self.session.request(
            "POST",
            f"machineactions/{quote(action_id, safe='')}/cancel",
            should_retry=is_retryable_read,
            permissions=CANCEL,
            json_body={"Comment": comment},
        )

    def offboard_machine(
        self,
        machine_id: str,
        comment: str,
        *,
        external_id: str | None = None,
        budget: RetryBudget | None = None,
        before_send: t.Callable[[], None] = lambda: None,
    ) -> MachineAction:
        """Ask for the offboard of one device, once: repeated only when it surely was not taken.

        ``external_id`` is the value of the parameter ExternalId, which is left out without one.
        ``budget`` and ``before_send`` are those of ApiSession.request. Raises DeadlineExceededError, TransportError or
        ApiError; after some of them the caller has to find out what became of it: see ``outcome_in_doubt``.
        """
        try:
            response = self.session.request(
                "POST",
                f"machines/{quote(machine_id, safe='')}/offboard",
                should_retry=_was_not_taken,
                permissions=OFFBOARD,
                json_body={"Comment": comment, **({"ExternalId": external_id} if external_id else {})},
                budget=budget,
                before_send=before_send,
            )
            action = _checked(MachineAction.checked, response, "an action")
        except UnexpectedResponseError:
            self.session.drop_connections()
            raise
        except MdeError:
            raise
        except Exception as error:  # whatever it is, the request may have been carried out
            raise TransportError(f"Unexpected {type(error).__name__}: {error}", may_have_arrived=True) from error
        if not action.is_offboard:
            self.session.drop_connections()
            raise unexpected_response(response, "an Offboard action")
        if action.machine_id != machine_id:
            self.session.drop_connections()
        return action


def _checked(parse: t.Callable[[object], Item], response: Response, what: str) -> Item:
    """The one record of an answer. Raises UnexpectedResponseError."""
    try:
        return parse(response.json())
    except RecordError as error:
        raise unexpected_response(response, f"{what} that can be used ({error})") from error


def _has_id(values: t.Sequence[str], syntax: FilterSyntax) -> str:
    return property_in("id", values, use_in=syntax.use_in)


def _was_not_taken(outcome: Response | TransportError) -> bool:
    """Whether an offboard surely had no effect: a 429 of a gateway can hide the service's response."""
    return is_safe_to_resend(outcome) and (isinstance(outcome, TransportError) or is_by_service(outcome))


def _affected(machine_ids: t.Sequence[str], refused: t.Sequence[RefusedRecord]) -> dict[str, MdeError]:
    """The machines whose actions are not all known: an action that cannot be used is on one of them, or may be."""
    affected: dict[str, MdeError] = {}
    for one in refused:
        on = one.value.get("machineId") if isinstance(one.value, dict) else None
        known = isinstance(on, str) and is_record_id(on)
        affected.update({id_: one.error for id_ in machine_ids if not known or equal_ignoring_case(id_, on)})
    return affected
