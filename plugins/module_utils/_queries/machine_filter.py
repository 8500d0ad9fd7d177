# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Filters of mde_machine_info and of the inventory. Each record that the service returns is checked against them again."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._api.client import MdeClient
from .._api.models import Machine, case_variants, comparables, meant
from .._api.odata import FilterSyntax, all_of, property_in, string_literal
from .._options.argument_spec import Spec, require_positive
from .._options.identifiers import clean_aad_device_id, clean_device_id, clean_device_name
from .._options.values import (
    Moment,
    canonical_spelling,
    clean_list,
    clean_raw_filter,
    clean_text,
    clean_time,
    unknown_words,
)
from .record_filter import Omissions, RecordFilter, matches_any
from .search_time import Now

# Microsoft Learn, "Machine resource type", in the spelling of responses.
HEALTH_STATUSES: t.Final = (
    "Active",
    "Inactive",
    "ImpairedCommunication",
    "NoSensorData",
    "NoSensorDataImpairedCommunication",
    "Unknown",
)
ONBOARDING_STATUSES: t.Final = ("Onboarded", "CanBeOnboarded", "Unsupported", "InsufficientInfo")

MACHINE_FILTER_OPTIONS: t.Final[Spec] = {
    "device_id": {"type": "list", "elements": "str"},
    "device_name": {"type": "list", "elements": "str"},
    "aad_device_id": {"type": "list", "elements": "str"},
    "tag": {"type": "str"},
    "health_status": {"type": "list", "elements": "str"},
    "onboarding_status": {"type": "list", "elements": "str"},
    "last_seen_before": {"type": "str"},
    "last_seen_after": {"type": "str"},
    "filter": {"type": "str"},
    "limit": {"type": "int"},
}


@dataclass(frozen=True)
class MachineFilter(RecordFilter[Machine]):
    """Filters of machines. Finds machines in the order of the service."""

    device_ids: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None
    aad_device_ids: tuple[str, ...] | None = None
    tag: str | None = None
    health: tuple[str, ...] | None = None
    onboarding: tuple[str, ...] | None = None
    seen_before: Moment | None = None
    seen_after: Moment | None = None
    raw: str | None = None
    limit: int | None = None

    @classmethod
    def from_options(cls, params: t.Mapping[str, t.Any]) -> MachineFilter:
        """Validate and normalize the options of ``MACHINE_FILTER_OPTIONS``. Raises OptionError."""
        require_positive(params, "limit")
        return cls(
            device_ids=clean_list("device_id", params["device_id"], clean_device_id),
            names=clean_list("device_name", params["device_name"], clean_device_name),
            aad_device_ids=clean_list("aad_device_id", params["aad_device_id"], clean_aad_device_id),
            tag=clean_text("tag", params["tag"]),
            health=clean_list("health_status", params["health_status"], canonical_spelling(HEALTH_STATUSES)),
            onboarding=clean_list(
                "onboarding_status", params["onboarding_status"], canonical_spelling(ONBOARDING_STATUSES)
            ),
            seen_before=clean_time("last_seen_before", params["last_seen_before"]),
            seen_after=clean_time("last_seen_after", params["last_seen_after"]),
            raw=clean_raw_filter(params["filter"]),
            limit=params["limit"],
        )

    def unknown_values(self) -> t.Iterator[str]:
        yield from unknown_words("health_status", self.health, HEALTH_STATUSES)
        yield from unknown_words("onboarding_status", self.onboarding, ONBOARDING_STATUSES)

    def read(self, client: MdeClient, now: Now, omissions: Omissions) -> list[Machine]:
        identifiers = {"id": self.device_ids, "aadDeviceId": self.aad_device_ids, "computerDnsName": self.names}
        requested = {prop: (values, comparables(values)) for prop, values in identifiers.items() if values}
        # One property is sent, in batches of its values. The others are only checked in the records.
        sent = next(iter(requested), None)
        wanted = case_variants(requested[sent][0]) if sent else []
        tags, health, onboarding = map(comparables, (self.tag and [self.tag], self.health, self.onboarding))
        report = None if wanted else omissions.unusable
        found: dict[str, Machine] = {}
        # Of two IDs that differ only in case, the second one can be the one that is meant.
        limit = None if self.device_ids else self.limit

        def has(machine: Machine, prop: str) -> bool:
            return matches_any(requested[prop][1], machine.record.get(prop))

        def matches_request(machine: Machine) -> bool:
            return (
                (sent is None or has(machine, sent))
                and matches_any(tags, *machine.tags)
                and matches_any(health, machine.health)
                and matches_any(onboarding, machine.onboarding)
            )

        def fetch(condition: str) -> list[Machine]:
            left = limit - len(found) if limit else None
            pages = client.iter_machine_pages(condition, limit=left, count=not (wanted or left), report=report)
            for page in pages if left != 0 else ():
                for machine in omissions.matching(page, matches_request):
                    in_time = now.is_within(machine.last_seen, self.seen_after, self.seen_before)
                    if in_time and all(has(machine, prop) for prop in requested):
                        found.setdefault(machine.id, machine)
                if limit and len(found) >= limit:
                    break
            return []

        client.filter_batcher.read(
            wanted or [""], lambda some, syntax: all_of(self._conditions(sent, some, syntax, now)), fetch
        ).records_or_raise()
        machines = list(found.values())
        return (meant(self.device_ids, machines) if self.device_ids else machines)[: self.limit]

    def _conditions(self, prop: str | None, wanted: t.Sequence[str], syntax: FilterSyntax, now: Now) -> t.Iterator[str]:
        if prop:
            bare = prop == "aadDeviceId" and syntax.unquoted_guids
            yield property_in(prop, wanted, use_in=syntax.use_in, unquoted=bare)
        if self.tag:
            yield f"machineTags/any(tag: tag eq {string_literal(self.tag)})"
        if self.health:
            yield property_in("healthStatus", self.health, use_in=syntax.use_in)
        if self.onboarding:
            yield property_in("onboardingStatus", self.onboarding, use_in=syntax.use_in)
        yield from now.conditions("lastSeen", self.seen_after, self.seen_before)
        if self.raw:
            yield self.raw
