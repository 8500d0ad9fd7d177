# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Filters of mde_machine_action_info. Each record that the service returns is checked against them again."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._api.client import MdeClient
from .._api.models import MachineAction, case_variants, comparables, meant, newest_first, normalize_status
from .._api.odata import FilterSyntax, action_id_in, all_of, is_guid, property_in
from .._errors import ApiError
from .._options.argument_spec import Spec, require_positive
from .._options.identifiers import clean_action_id, clean_device_id
from .._options.values import Moment, canonical_spelling, clean_list, clean_raw_filter, clean_time, unknown_words
from .record_filter import Omissions, RecordFilter, matches_any
from .search_time import Now

# The service's own model ($metadata of 2026-08). Other values are sent as they are, with a warning.
TYPES: t.Final = (
    "Unknown",
    "RequestSample",
    "Block",
    "RunAntiVirusScan",
    "Offboard",
    "RegenerateId",
    "CollectInvestigationPackage",
    "Isolate",
    "Unisolate",
    "StopAndQuarantineFile",
    "RestrictCodeExecution",
    "UnrestrictCodeExecution",
    "LiveResponse",
    "Troubleshoot",
    "LogsCollection",
    "TokenRefresh",
    "EndpointConfigManagementCheckin",
    "EnableActiveDirectoryUser",
    "DisableActiveDirectoryUser",
    "ResetPasswordActiveDirectoryUser",
    "ImmuneActiveDirectoryCustomPlaybook",
)
STATUSES: t.Final = ("Pending", "InProgress", "Succeeded", "Failed", "TimeOut", "Cancelled")
_NEWEST_FIRST: t.Final = "creationDateTimeUtc desc"

ACTION_FILTER_OPTIONS: t.Final[Spec] = {
    "action_id": {"type": "list", "elements": "str"},
    "device_id": {"type": "list", "elements": "str"},
    "type": {"type": "list", "elements": "str"},
    "status": {"type": "list", "elements": "str"},
    "created_after": {"type": "str"},
    "created_before": {"type": "str"},
    "filter": {"type": "str"},
    "limit": {"type": "int"},
}

_Predicate = t.Callable[[MachineAction], bool]


@dataclass(frozen=True)
class ActionFilter(RecordFilter[MachineAction]):
    """Filters of machine actions. Finds the newest action first."""

    action_ids: tuple[str, ...] | None = None
    device_ids: tuple[str, ...] | None = None
    types: tuple[str, ...] | None = None
    statuses: tuple[str, ...] | None = None
    created_after: Moment | None = None
    created_before: Moment | None = None
    raw: str | None = None
    limit: int | None = None

    @classmethod
    def from_options(cls, params: t.Mapping[str, t.Any]) -> ActionFilter:
        """Validate and normalize the options of ``ACTION_FILTER_OPTIONS``. Raises OptionError."""
        require_positive(params, "limit")
        return cls(
            action_ids=clean_list("action_id", params["action_id"], clean_action_id),
            device_ids=clean_list("device_id", params["device_id"], clean_device_id),
            types=clean_list("type", params["type"], canonical_spelling(TYPES)),
            statuses=clean_list("status", params["status"], _canonical_status),
            created_after=clean_time("created_after", params["created_after"]),
            created_before=clean_time("created_before", params["created_before"]),
            raw=clean_raw_filter(params["filter"]),
            limit=params["limit"],
        )

    def unknown_values(self) -> t.Iterator[str]:
        yield from unknown_words("type", self.types, TYPES)
        yield from unknown_words("status", self.statuses, STATUSES)

    def read(self, client: MdeClient, now: Now, omissions: Omissions) -> list[MachineAction]:
        wanted = self.action_ids or self.device_ids
        matches_request, matches_rest = self._predicates(now)
        report = None if wanted else omissions.unusable

        def select(pages: t.Iterable[list[MachineAction]], limit: int | None = None) -> list[MachineAction]:
            found: list[MachineAction] = []
            for page in pages:
                found += filter(matches_rest, omissions.matching(page, matches_request))
                if limit and len(found) >= limit:
                    break
            return found

        def fetch(condition: str) -> list[MachineAction]:
            if self.limit and not wanted:
                try:
                    pages = client.iter_action_pages(condition, order=_NEWEST_FIRST, limit=self.limit, report=report)
                    return select(pages, self.limit)
                except ApiError as error:
                    if not error.query_refused:
                        raise  # $orderby is not documented for this list: without it, read all actions and sort them here
            return select(client.iter_action_pages(condition, count=not wanted, report=report))

        read = client.read_by_action_id if self.action_ids else client.filter_batcher.read
        result = read(
            case_variants(wanted or ("",)),
            lambda some, syntax: all_of(self._conditions(some if wanted else (), syntax, now)),
            fetch,
        )
        if self.action_ids and not self.raw:
            # with_missing reads these IDs individually.
            result.rejected = {id_: error for id_, error in result.rejected.items() if is_guid(id_)}
            complete = client.with_missing(self.action_ids, result.records_or_raise())
            found = [action for action in complete if matches_request(action) and matches_rest(action)]
        else:
            found = result.records_or_raise()
        actions = newest_first(found)
        if self.device_ids:
            actions = meant(self.device_ids, actions, lambda action: action.machine_id)
        return actions[: self.limit]

    def _predicates(self, now: Now) -> tuple[_Predicate, _Predicate]:
        """Whether a record matches the filters of the request, and whether it matches the others.

        The device is not sent if actions are requested by ID, and times are sent rounded.
        """
        ids, machines, types = map(comparables, (self.action_ids, self.device_ids, self.types))
        statuses = comparables([normalize_status(status) for status in self.statuses or ()])

        def matches_request(action: MachineAction) -> bool:
            return (
                (matches_any(ids, action.id) if ids else matches_any(machines, action.machine_id))
                and matches_any(types, action.type)
                and matches_any(statuses, action.normalized_status)
            )

        def matches_rest(action: MachineAction) -> bool:
            in_time = now.is_within(action.created, self.created_after, self.created_before)
            return in_time and matches_any(machines, action.machine_id)

        return matches_request, matches_rest

    def _conditions(self, wanted: t.Sequence[str], syntax: FilterSyntax, now: Now) -> t.Iterator[str]:
        if wanted and self.action_ids:
            yield action_id_in(wanted, syntax)
        elif wanted:
            yield property_in("machineId", wanted, use_in=syntax.use_in)
        if self.types:
            yield property_in("type", self.types, use_in=syntax.use_in)
        if self.statuses:
            yield property_in("status", self.statuses, use_in=syntax.use_in)
        yield from now.conditions("creationDateTimeUtc", self.created_after, self.created_before)
        if self.raw:
            yield self.raw


def _canonical_status(text: str) -> str:
    """The spelling of the service, also for "canceled"."""
    statuses = {normalize_status(status): status for status in STATUSES}
    return statuses.get(normalize_status(text.strip()), text.strip())
