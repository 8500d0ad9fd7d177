# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which machines somebody asks for: one selection for the module that lists them and for the inventory.

What the service sends is checked once more against what was asked: pages have been seen that had lost their filter.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._api.client import MdeClient
from .._api.models import Machine, case_variants, comparables, meant
from .._api.odata import FilterSyntax, all_of, property_in, string_literal, time_literal, time_literal_rounded_up
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
from .._results import reporting
from .._same import comparable
from .relative_time import Now, in_service_time

# Microsoft Learn, "Machine resource type"; the spelling is that of the wire.
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
class MachineFilter:
    """Everything that is given must hold; None is not given."""

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
        """Check and clean the options of ``MACHINE_FILTER_OPTIONS``. Raises OptionError."""
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

    def warnings(self) -> t.Iterator[str]:
        """What in the filter may be a mistake, for people."""
        yield from unknown_words("health_status", self.health, HEALTH_STATUSES)
        yield from unknown_words("onboarding_status", self.onboarding, ONBOARDING_STATUSES)

    def find(self, client: MdeClient, warn: t.Callable[[str], None]) -> list[Machine]:
        """All machines that fit, each once; ``warn`` takes a line for people.

        Raises MdeError when a read fails: a list is whole or it is none. A record that cannot be used is a warning, but
        an error where machines are asked for one by one: it could be one of them.
        """
        for line in self.warnings():
            warn(line)
        if () in (self.device_ids, self.names, self.aad_device_ids, self.health, self.onboarding):
            return []
        moments = (self.seen_before, self.seen_after)
        return in_service_time(client, lambda now: self._read(client, now, warn), moments, warn)

    def _read(self, client: MdeClient, now: Now, warn: t.Callable[[str], None]) -> list[Machine]:
        found: dict[str, Machine] = {}
        fits = self.predicate(now)

        def fetch(condition: str) -> list[Machine]:
            left = self.limit - len(found) if self.limit else None
            pages = client.iter_machine_pages(condition, limit=left, count=not (wanted or left), report=report)
            for page in pages if left != 0 else ():
                for machine in filter(fits, page):
                    found.setdefault(machine.id, machine)
                if self.limit and len(found) >= self.limit:
                    break
            return []

        prop, wanted = self._batched_property()
        report = None if wanted else reporting(warn)
        batch_result = client.filter_batcher.read(
            wanted or [""], lambda some, syntax: all_of(self._conditions(prop, some, syntax, now)), fetch
        )
        batch_result.records_or_raise()
        machines = list(found.values())
        return (meant(self.device_ids, machines) if self.device_ids else machines)[: self.limit]

    def _batched_property(self) -> tuple[str | None, list[str]]:
        """The one property that is asked for value by value, in batches; the others are checked in what comes back."""
        for prop, wanted in (
            ("id", self.device_ids),
            ("aadDeviceId", self.aad_device_ids),
            ("computerDnsName", self.names),
        ):
            if wanted:
                return prop, case_variants(wanted)
        return None, []

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
        if self.seen_before:
            # Whole seconds are sent, rounded so that nothing is lost; the exact test comes after.
            yield f"lastSeen lt {time_literal_rounded_up(now.before(self.seen_before))}"
        if self.seen_after:
            yield f"lastSeen ge {time_literal(now.after(self.seen_after))}"
        if self.raw:
            yield self.raw

    def predicate(self, now: Now) -> t.Callable[[Machine], bool]:
        """A test of records for what was asked, as far as that can be told here: not by the raw filter."""
        ids, names, entra_ids = (comparables(some) for some in (self.device_ids, self.names, self.aad_device_ids))
        tags = comparables(self.tag and [self.tag])
        health, onboarding = comparables(self.health), comparables(self.onboarding)
        before, after = self.seen_before, self.seen_after

        def fits(machine: Machine) -> bool:
            return (
                _matches_any(ids, machine.id)
                and _matches_any(names, machine.name)
                and _matches_any(entra_ids, machine.aad_device_id)
                and _matches_any(tags, *machine.tags)
                and _matches_any(health, machine.health)
                and _matches_any(onboarding, machine.onboarding)
                and (not (after or before) or now.is_within(machine.last_seen, after, before))
            )

        return fits


def _matches_any(wanted: frozenset[str] | None, *values: str | None) -> bool:
    return wanted is None or any(value is not None and comparable(value) in wanted for value in values)
