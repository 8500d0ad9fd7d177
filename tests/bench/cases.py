# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The forms of a run, and the cases with numbers of devices and latencies."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

LATENCIES = (0.0, 0.2)
OFF = 1_000_000
"""A rate limit that no run reaches."""


class By(enum.Enum):
    """How a device is called in a run."""

    NAME = "device_name"
    ID = "device_id"


@dataclass(frozen=True)
class Form:
    """One way to do the work."""

    name: str
    title: str
    by: By = By.NAME
    playbook: str = ""
    """The file in this folder, without its suffix, where it is not the form's own name."""
    inventory: bool = False
    """Whether the devices are inventory hosts."""
    check: bool = False
    variables: Mapping[str, int] = field(default_factory=dict, compare=False)

    @property
    def file(self) -> str:
        return f"{self.playbook or self.name}.yml"


NOOP = Form("noop", "`ansible-playbook`, an empty play")
PING = Form("ping", "`ansible-playbook`, `ansible.builtin.ping`")
URI = Form("uri", "`ansible.builtin.uri`, a play of ten tasks", inventory=True)
SINGLE = Form("single", "`mde_offboard`, one device by its id", By.ID)
LOOP = Form("loop", "`mde_offboard` in a loop")
LIST = Form("list", "`mde_offboard` with a list")
UNPACED = Form(
    "unpaced",
    "`mde_offboard` with a list, own pace off",
    playbook="list",
    variables={"bench_calls_per_minute": OFF, "bench_calls_per_hour": OFF},
)
CHECK = Form("check", "`mde_offboard` with a list of ids, check mode", By.ID, playbook="list", check=True)


@dataclass(frozen=True)
class Case:
    """A form with so many devices at such a latency."""

    form: Form
    devices: int
    latency: float
    runs: int = 3

    @property
    def name(self) -> str:
        return f"{self.form.name}-{self.devices}-{self.latency * 1000:.0f}ms"


DIVIDED = Case(LIST, 50, 0.2)
"""The case whose time is divided into parts; the plays that do nothing alternate with it."""

Group = list[Case]
"""Cases that are compared: their runs take turns, so that whatever else the machine does meets all of them."""


def plan(quick: bool) -> list[Group]:
    """Everything, in the order of the runs; ``quick`` leaves out what takes minutes."""
    groups: list[Group] = []
    for count, forms in ((1, (URI, SINGLE, LOOP, LIST)), (10, (URI, LOOP, LIST)), (50, (URI, LOOP, LIST))):
        groups += [
            [Case(syntax, count, latency, runs=1 if count > 10 else 3) for syntax in forms] for latency in LATENCIES
        ]
    groups[-1] += [Case(syntax, 0, DIVIDED.latency) for syntax in (NOOP, PING)]
    if not quick:
        forms = (URI, LOOP, LIST, UNPACED)
        groups += [[Case(syntax, 200, latency, runs=1) for syntax in forms] for latency in LATENCIES]
        groups += [[Case(CHECK, count, 0.0, runs=1)] for count in (1_000, 10_000)]
    return groups


def select(groups: Iterable[Group], patterns: Iterable[str]) -> list[Group]:
    """The cases whose form is named, or whose own name fits one of the patterns."""
    wanted = tuple(patterns)

    def is_wanted(case: Case) -> bool:
        return case.form.name in wanted or any(fnmatchcase(case.name, pattern) for pattern in wanted)

    chosen = ([case for case in group if is_wanted(case)] for group in groups)
    return [group for group in chosen if group]
