# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which machine actions somebody asks for, checked once more in what the service sends."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._api.client import MdeClient
from .._api.models import MachineAction, case_variants, comparables, meant, newest_first, normalize_status
from .._api.odata import FilterSyntax, all_of, property_in, time_literal, time_literal_rounded_up
from .._api.paging import Report
from .._errors import ApiError
from .._options.argument_spec import Spec, require_positive
from .._options.identifiers import clean_action_id, clean_device_id
from .._options.values import Moment, canonical_spelling, clean_list, clean_raw_filter, clean_time, unknown_words
from .._results import reporting
from .._same import comparable
from .relative_time import Now, in_service_time

# The service's own model (its $metadata of 2026-08). Others are taken as they are, with a warning.
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


@dataclass(frozen=True)
class ActionFilter:
    """Everything that is given must hold; None is not given."""

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
        """Check and clean the options of ``ACTION_FILTER_OPTIONS``. Raises OptionError."""
        require_positive(params, "limit")
        return cls(
            action_ids=clean_list("action_id", params["action_id"], clean_action_id),
            device_ids=clean_list("device_id", params["device_id"], clean_device_id),
            types=clean_list("type", params["type"], canonical_spelling(TYPES)),
            statuses=clean_list("status", params["status"], _status),
            created_after=clean_time("created_after", params["created_after"]),
            created_before=clean_time("created_before", params["created_before"]),
            raw=clean_raw_filter(params["filter"]),
            limit=params["limit"],
        )

    def warnings(self) -> t.Iterator[str]:
        """What in the filter may be a mistake, for people."""
        yield from unknown_words("type", self.types, TYPES)
        yield from unknown_words("status", self.statuses, STATUSES)

    def find(self, client: MdeClient, warn: t.Callable[[str], None]) -> list[MachineAction]:
        """All actions that fit, the newest first; ``warn`` takes a line for people.

        Raises MdeError when a read fails: a list is whole or it is none. A record that cannot be used is a warning, but
        an error where actions or devices are asked for one by one: it could be one of them.
        """
        for line in self.warnings():
            warn(line)
        if () in (self.action_ids, self.device_ids, self.types, self.statuses):
            return []
        moments = (self.created_after, self.created_before)
        return in_service_time(client, lambda now: self._find(client, now, warn), moments, warn)

    def _find(self, client: MdeClient, now: Now, warn: t.Callable[[str], None]) -> list[MachineAction]:
        fits = self.predicate(now)
        confirmed = self.action_ids if self.action_ids and not self.raw else ()
        found = client.with_missing(confirmed, self._read(client, now, fits, warn))
        actions = newest_first(filter(fits, found))
        if self.device_ids:
            actions = meant(self.device_ids, actions, lambda action: action.machine_id)
        return actions[: self.limit]

    def _read(
        self,
        client: MdeClient,
        now: Now,
        matches: t.Callable[[MachineAction], bool],
        warn: t.Callable[[str], None],
    ) -> list[MachineAction]:

        def fetch(condition: str) -> list[MachineAction]:
            if self.limit and not wanted:
                try:
                    return self._newest(client, condition, matches, report)
                except ApiError as error:
                    if not error.query_refused:
                        raise  # else: $orderby is not documented for this list, so all of it is read and sorted here
            pages = client.iter_action_pages(condition, count=not wanted, report=report)
            return [action for page in pages for action in page if matches(action)]

        prop, wanted = ("id", self.action_ids) if self.action_ids else ("machineId", self.device_ids)
        report = None if wanted else reporting(warn)
        batch_result = client.filter_batcher.read(
            case_variants(wanted or ("",)),
            lambda some, syntax: all_of(self._conditions(prop, some if wanted else (), syntax, now)),
            fetch,
        )
        return batch_result.records_or_raise()

    def _newest(
        self, client: MdeClient, condition: str, matches: t.Callable[[MachineAction], bool], report: Report | None
    ) -> list[MachineAction]:
        found: list[MachineAction] = []
        for page in client.iter_action_pages(condition, order=_NEWEST_FIRST, limit=self.limit, report=report):
            found += filter(matches, page)
            if len(found) >= (self.limit or 0):
                break
        return found

    def _conditions(self, prop: str, wanted: t.Sequence[str], syntax: FilterSyntax, now: Now) -> t.Iterator[str]:
        if wanted:
            yield property_in(prop, wanted, use_in=syntax.use_in)
        if self.types:
            yield property_in("type", self.types, use_in=syntax.use_in)
        if self.statuses:
            yield property_in("status", self.statuses, use_in=syntax.use_in)
        if self.created_after:
            yield f"creationDateTimeUtc ge {time_literal(now.after(self.created_after))}"
        if self.created_before:
            yield f"creationDateTimeUtc lt {time_literal_rounded_up(now.before(self.created_before))}"
        if self.raw:
            yield self.raw

    def predicate(self, now: Now) -> t.Callable[[MachineAction], bool]:
        """A test of records for what was asked, as far as that can be told here: not by the raw filter."""
        ids, machines, types = (comparables(some) for some in (self.action_ids, self.device_ids, self.types))
        states = frozenset(map(normalize_status, self.statuses)) if self.statuses else None
        after, before = self.created_after, self.created_before

        def fits(action: MachineAction) -> bool:
            return (
                (ids is None or comparable(action.id) in ids)
                and (machines is None or comparable(action.machine_id) in machines)
                and (types is None or comparable(action.type) in types)
                and (states is None or action.normalized_status in states)
                and (not (after or before) or now.is_within(action.created, after, before))
            )

        return fits


def _status(text: str) -> str:
    """In the spelling of the wire, also for one l and for one word."""
    states = {normalize_status(status): status for status in STATUSES}
    return states.get(normalize_status(text.strip()), text.strip())
