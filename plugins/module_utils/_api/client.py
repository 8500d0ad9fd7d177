# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""MdeClient: machines, machine actions, offboard, cancel, tag.

Decides which responses are valid, and which calls may be repeated.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from urllib.parse import quote

from .._auth.permissions import CANCEL, EXCLUDE, OFFBOARD, READ, TAG
from .._errors import ApiError, MdeError, TransportError, UnexpectedResponseError
from .._http.response import Response
from .._http.retry import RetryBudget, is_retryable_read
from .._presentable import presentable
from .._same import comparable, equal_ignoring_case
from .error_responses import is_by_service
from .filter_batches import BatchResult, FilterBatcher
from .models import Machine, MachineAction, RecordError, is_record_id
from .odata import FilterSyntax, action_id_in, all_of, is_guid, property_in, time_literal
from .paging import Allowance, Item, Lists, RefusedRecord, Report, get, unexpected_response
from .session import ApiSession


@dataclass(frozen=True)
class ActionSnapshot:
    """All Offboard actions of one machine at one time."""

    actions: tuple[MachineAction, ...]
    read_at: float
    """Seconds of the monotonic clock."""


class MdeClient:
    """API calls for one tenant. Thread-safe. All calls raise MdeError."""

    def __init__(self, session: ApiSession) -> None:
        self.session = session
        self.filter_batcher = FilterBatcher(session.clock)
        lists = Lists(session)
        self.iter_machine_pages = partial(lists.pages, "machines", parse=Machine.checked)
        """All machines that match an OData filter, page by page, in the service's order. See ``Lists.pages``."""
        self.iter_action_pages = partial(lists.pages, "machineactions", parse=MachineAction.checked)
        """The same for machine actions."""
        self.own_actions: set[str] = set()
        """IDs of the actions that this run created, each on the device that it was meant for."""

    def _get(self, path: str, id_: str, parse: t.Callable[[object], Item], what: str) -> Item | None:
        response = get(self.session, f"{path}/{quote(id_, safe='')}")
        if response is None:
            return None
        found = _checked(parse, response, what)
        if equal_ignoring_case(found.id, id_):
            return found
        if isinstance(found, Machine) and equal_ignoring_case((found.name or "").split(".")[0], id_):
            return None  # the route of a machine also accepts a name instead of an ID
        self.session.close_connections()
        if isinstance(found, Machine):
            raise unexpected_response(response, f"machine {id_}")  # the record of another one is no absence
        self.session.ignore_records([found.id])
        return None

    def _post_repeatable(self, path: str, permissions: t.Sequence[str], json_body: t.Any) -> Response:
        """A POST that may be repeated like a read, because a second one changes nothing.

        An error after a try that may have been carried out has ``earlier_try_in_doubt``.
        """
        in_doubt = False

        def should_retry(outcome: Response | TransportError) -> bool:
            nonlocal in_doubt
            retryable = is_retryable_read(outcome)
            in_doubt = in_doubt or (retryable and not _was_not_accepted(outcome))
            return retryable

        try:
            return self.session.request(
                "POST", path, should_retry=should_retry, permissions=permissions, json_body=json_body
            )
        except MdeError as error:
            error.earlier_try_in_doubt = in_doubt
            raise

    # -- machines ------------------------------------------------------------------------------------------

    def get_machine(self, machine_id: str) -> Machine | None:
        """The machine with this ID, or None if the service reports that it does not exist."""
        return self._get("machines", machine_id, Machine.checked, "a machine")

    def list_machines(self, condition: str, *, report: Report | None = None) -> list[Machine]:
        """All machines that match an OData filter, in the service's order."""
        return [machine for page in self.iter_machine_pages(condition, report=report) for machine in page]

    def machines_by_id(self, machine_ids: t.Sequence[str]) -> list[Machine]:
        """The machines with these IDs that the list has. One that is missing may exist."""

        def condition(values: t.Sequence[str], syntax: FilterSyntax) -> str:
            return property_in("id", values, use_in=syntax.use_in)

        machines = self.filter_batcher.read(machine_ids, condition, self.list_machines).records
        return self._requested(machine_ids, machines, lambda machine: machine.id)

    def available_actions(self, machine_id: str, budget: RetryBudget) -> list[dict[str, t.Any]]:
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
        """``Add`` or ``Remove`` a tag on up to 500 machines. Returns the records from the response.

        Repeated like a read, because a second call changes nothing.
        """
        response = self._post_repeatable(
            "machines/AddOrRemoveTagForMultipleMachines",
            TAG,
            {"Value": tag, "Action": action, "MachineIds": list(machine_ids)},
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
        response = self._post_repeatable(
            f"machines/{quote(machine_id, safe='')}/setExclusion",
            EXCLUDE,
            {"IsExcluded": False} if reason is None else {"IsExcluded": True, "ExclusionReason": reason},
        )
        machine = _checked(Machine.checked, response, "a machine")
        if machine.id != machine_id:
            self.session.close_connections()
            raise unexpected_response(response, f"machine {machine_id}")
        return machine

    # -- machine actions -----------------------------------------------------------------------------------

    def get_offboard_actions(
        self, machine_ids: t.Sequence[str], *, budget: RetryBudget | None = None
    ) -> dict[str, ActionSnapshot | MdeError]:
        """All Offboard actions of these machines by machine ID, in as few calls as the service allows.

        ``budget`` is one that several reads share. A machine ID that the service rejects in a filter has its error.
        """

        def condition(values: t.Sequence[str], syntax: FilterSyntax) -> str:
            return all_of([property_in("machineId", values, use_in=syntax.use_in), "type eq 'Offboard'"])

        refused: list[RefusedRecord] = []

        def fetch(text: str) -> list[MachineAction]:
            return self._list_actions(text, report=refused.append, allowance=lambda: budget or self.session.budget())

        batch_result = self.filter_batcher.read(machine_ids, condition, fetch)
        found: dict[str, list[MachineAction]] = {machine_id: [] for machine_id in machine_ids}
        # A filter may ignore case and find actions of another device.
        actions = self._requested(machine_ids, batch_result.records, lambda action: action.machine_id)
        if batch_result.records and not actions:
            raise UnexpectedResponseError(
                "GET machineactions: the list contains only actions of devices that were not requested.",
                http_status=200,
                hint="This is the response to another request. Run the task again. If the error persists, check api_url "
                "and any proxy.",
            )
        for action in actions:
            of_machine = found.get(action.machine_id)
            if of_machine is not None and action.is_offboard:  # other actions are ignored
                of_machine.append(action)
        snapshots = {id_: ActionSnapshot(tuple(found[id_]), batch_result.read_at) for id_ in machine_ids}
        return {**snapshots, **batch_result.rejected, **_affected(machine_ids, refused)}

    def actions_by_id(
        self, action_ids: t.Sequence[str], *, allowance: Allowance | None = None
    ) -> BatchResult[str, MachineAction]:
        """The actions with these IDs that the list has. One that is missing may exist: see ``with_missing``."""
        batch_result = self.read_by_action_id(
            action_ids, action_id_in, lambda text: self._list_actions(text, allowance=allowance)
        )
        batch_result.records = self._requested(action_ids, batch_result.records, lambda action: action.id)
        return batch_result

    def _requested(
        self, requested: t.Iterable[str], records: t.Sequence[Item], id_of: t.Callable[[Item], str]
    ) -> list[Item]:
        """The records with one of these IDs in any case. The others become a warning."""
        ids = set(map(comparable, requested))
        found = [record for record in records if comparable(id_of(record)) in ids]
        self.session.ignore_records(record.id for record in records if comparable(id_of(record)) not in ids)
        return found

    def read_by_action_id(
        self,
        action_ids: t.Sequence[str],
        condition: t.Callable[[t.Sequence[str], FilterSyntax], str],
        fetch: t.Callable[[str], list[MachineAction]],
    ) -> BatchResult[str, MachineAction]:
        """``FilterBatcher.read`` for IDs of actions.

        A service that compares the IDs as GUIDs rejects a filter with any other ID. Such IDs are therefore read apart from
        GUIDs, and are in ``rejected`` then.
        """
        batch_result = self.filter_batcher.read(list(filter(is_guid, action_ids)), condition, fetch)
        others = [action_id for action_id in action_ids if not is_guid(action_id)]
        try:
            batch_of_others = self.filter_batcher.read(others, condition, fetch)
        except ApiError as error:
            if not error.query_refused:
                raise
            batch_of_others = BatchResult(rejected=dict.fromkeys(others, error))
        batch_result.records += batch_of_others.records
        batch_result.rejected.update(batch_of_others.rejected)
        return batch_result

    def with_missing(self, action_ids: t.Iterable[str], actions: t.Iterable[MachineAction]) -> list[MachineAction]:
        """The actions, and those that are missing, read individually: new actions appear in lists after some seconds."""
        found = {comparable(action.id): action for action in actions}
        for action_id in action_ids:
            if comparable(action_id) not in found and (action := self.get_action(action_id)):
                found[comparable(action_id)] = action
        return list(found.values())

    def list_offboard_actions_since(self, created: datetime, allowance: Allowance) -> list[MachineAction]:
        """All Offboard actions of the tenant that were created at this time or later."""
        condition = f"type eq 'Offboard' and creationDateTimeUtc ge {time_literal(created)}"
        return self._list_actions(condition, count=True, allowance=allowance)

    def _list_actions(self, condition: str, **reading: t.Any) -> list[MachineAction]:
        return [action for page in self.iter_action_pages(condition, **reading) for action in page]

    def get_action(self, action_id: str) -> MachineAction | None:
        """The action with this ID, or None if the service reports that it does not exist (yet)."""
        return self._get("machineactions", action_id, MachineAction.checked, "an action")

    def cancel_action(self, action_id: str, comment: str) -> None:
        """Request cancellation of an action. Read the action to see the result. Repeated like a read."""
        self._post_repeatable(f"machineactions/{quote(action_id, safe='')}/cancel", CANCEL, {"Comment": comment})

    def offboard_machine(
        self,
        machine_id: str,
        comment: str,
        *,
        external_id: str | None = None,
        budget: RetryBudget | None = None,
        before_send: t.Callable[[], None] = lambda: None,
    ) -> MachineAction:
        """Send the offboard request of one device. It is repeated only if the service has certainly not accepted it.

        ``external_id`` is the value of the parameter ExternalId. Without it, the parameter is not sent.
        ``budget`` and ``before_send`` are those of ApiSession.request. Raises DeadlineExceededError, TransportError or
        ApiError. If ``outcome_in_doubt`` of the error is true, the request may have been carried out.
        """
        try:
            response = self.session.request(
                "POST",
                f"machines/{quote(machine_id, safe='')}/offboard",
                should_retry=_was_not_accepted,
                permissions=OFFBOARD,
                json_body={"Comment": comment, **({"ExternalId": external_id} if external_id else {})},
                budget=budget,
                before_send=before_send,
            )
            action = _checked(MachineAction.checked, response, "an action")
            if not action.is_offboard:
                raise unexpected_response(response, "an Offboard action")
        except UnexpectedResponseError:
            self.session.close_connections()
            raise
        except MdeError:
            raise
        except Exception as error:  # whatever it is, the request may have been carried out
            raise TransportError(f"Unexpected {type(error).__name__}: {error}", may_have_arrived=True) from error
        if action.machine_id != machine_id:
            self.session.close_connections()
        return action


def _checked(parse: t.Callable[[object], Item], response: Response, what: str) -> Item:
    """The record in a response. Raises UnexpectedResponseError."""
    try:
        return parse(response.json())
    except RecordError as error:
        raise unexpected_response(response, f"{what} that is usable ({error})") from error


def _was_not_accepted(outcome: Response | TransportError) -> bool:
    """Whether the service has certainly not accepted a request, so that even an offboard request may be repeated.

    A 429 of a gateway can hide the service's response.
    """
    if isinstance(outcome, TransportError):
        return not outcome.may_have_arrived and outcome.retryable
    return outcome.status == 429 and is_by_service(outcome)


def _affected(machine_ids: t.Sequence[str], refused: t.Sequence[RefusedRecord]) -> dict[str, MdeError]:
    """The machines whose actions are not all known, because an unusable action is, or may be, on one of them."""
    affected: dict[str, MdeError] = {}
    for one in refused:
        on = one.value.get("machineId") if isinstance(one.value, dict) else None
        known = isinstance(on, str) and is_record_id(on)
        affected.update({id_: one.error for id_ in machine_ids if not known or equal_ignoring_case(id_, on)})
    return affected
