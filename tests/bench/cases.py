# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variants of the benchmark, and the cases: a variant with a number of devices and a latency."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

LATENCIES = (0.0, 0.2)
OFF = 1_000_000
"""A rate limit that no run reaches."""


class IdentifyBy(enum.Enum):
    """The identifier of a device in a run."""

    NAME = "device_name"
    ID = "device_id"


@dataclass(frozen=True)
class Variant:
    """One way to do the work."""

    name: str
    title: str
    by: IdentifyBy = IdentifyBy.NAME
    playbook: str = ""
    """The playbook in this folder, without its suffix, if its name differs from that of the variant."""
    inventory: bool = False
    """Whether the devices are inventory hosts."""
    check: bool = False
    variables: Mapping[str, int] = field(default_factory=dict, compare=False)

    @property
    def file(self) -> str:
        return f"{self.playbook or self.name}.yml"


NOOP = Variant("noop", "`ansible-playbook`, an empty play")
PING = Variant("ping", "`ansible-playbook`, `ansible.builtin.ping`")
URI = Variant("uri", "`ansible.builtin.uri`, a play of ten tasks", inventory=True)
SINGLE = Variant("single", "`mde_offboard`, one device by its ID", IdentifyBy.ID)
LOOP = Variant("loop", "`mde_offboard` in a loop")
LIST = Variant("list", "`mde_offboard` with a list")
UNLIMITED = Variant(
    "unlimited",
    "`mde_offboard` with a list, rate limit off",
    playbook="list",
    variables={"bench_calls_per_minute": OFF, "bench_calls_per_hour": OFF},
)
CHECK = Variant("check", "`mde_offboard` with a list of IDs, check mode", IdentifyBy.ID, playbook="list", check=True)


@dataclass(frozen=True)
class Case:
    """A variant with a number of devices and a latency."""

    variant: Variant
    devices: int
    latency: float
    runs: int = 3

    @property
    def name(self) -> str:
        return f"{self.variant.name}-{self.devices}-{self.latency * 1000:.0f}ms"


DIVIDED = Case(LIST, 50, 0.2)
"""The case whose time is divided into parts. It alternates with the plays that do nothing."""

Group = list[Case]
"""Cases that are compared. Their runs alternate, so that other load on the machine affects all of them."""


def plan(quick: bool) -> list[Group]:
    """Return all groups in the order of their runs. ``quick`` omits the cases that take minutes."""
    groups: list[Group] = []
    for count, variants in ((1, (URI, SINGLE, LOOP, LIST)), (10, (URI, LOOP, LIST)), (50, (URI, LOOP, LIST))):
        groups += [
            [Case(variant, count, latency, runs=1 if count > 10 else 3) for variant in variants]
            for latency in LATENCIES
        ]
    groups[-1] += [Case(variant, 0, DIVIDED.latency) for variant in (NOOP, PING)]
    if not quick:
        variants = (URI, LOOP, LIST, UNLIMITED)
        groups += [[Case(variant, 200, latency, runs=1) for variant in variants] for latency in LATENCIES]
        groups += [[Case(CHECK, count, 0.0, runs=1)] for count in (1_000, 10_000)]
    return groups


def select(groups: Iterable[Group], patterns: Iterable[str]) -> list[Group]:
    """Return the cases whose variant is named, or whose name matches one of the patterns."""
    selected = tuple(patterns)

    def is_selected(case: Case) -> bool:
        return case.variant.name in selected or any(fnmatchcase(case.name, pattern) for pattern in selected)

    chosen = ([case for case in group if is_selected(case)] for group in groups)
    return [group for group in chosen if group]
