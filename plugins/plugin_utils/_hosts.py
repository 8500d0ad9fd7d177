# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Host names for devices: each device its own, the same in every run, and none that means something else to Ansible."""

from __future__ import annotations

import re
import typing as t
from collections import Counter
from dataclasses import dataclass

from ..module_utils._api.models import Machine

# Everything else has a meaning in patterns and limits, or in templates.
_USABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")
_TAKEN: t.Final = frozenset({"localhost", "127.0.0.1", "all", "ungrouped"})
# The names that groups get which an inventory file constructs.
_LIKE_A_GROUP = re.compile(r"[A-Za-z_]\w*", re.ASCII)

HOSTNAMES: t.Final[t.Mapping[str, t.Callable[[Machine], str | None]]] = {
    "name": lambda machine: machine.name,
    "short_name": lambda machine: (machine.name or "").split(".")[0],
    "device_id": lambda machine: machine.id,
    "aad_device_id": lambda machine: machine.aad_device_id,
}
"""What a host can be called by."""


@dataclass(frozen=True)
class HostNames:
    """A name for each machine, in their order, and how many are not the one that was wanted."""

    names: tuple[str, ...]
    shared: tuple[str, ...] = ()
    """Names given to machines that share the wanted one with others: the wanted one with the id."""
    unusable: tuple[str, ...] = ()
    """Names given to machines whose wanted one is missing, or not fit for an inventory: the id."""

    def warning(self) -> str | None:
        """What to tell the user, if there is something."""
        told = [
            f"{len(names)} {what}, such as {names[0]}"
            for names, what in (
                (self.shared, "share their name with another device and are called by name and id"),
                (self.unusable, "have no name that an inventory can use and are called by id"),
            )
            if names
        ]
        return f"Of the devices, {'; '.join(told)}." if told else None


def name_hosts(machines: t.Sequence[Machine], hostname: str, groups: t.Iterable[str] = ()) -> HostNames:
    """Name each machine by one of ``HOSTNAMES``. A device can choose its own name: it never gets that of another.

    Nor that of one of the ``groups``: Ansible would take the group for the host, and add all of it where the host goes.
    """
    ids = {machine.id.lower() for machine in machines}
    taken = _TAKEN | {group.lower() for group in groups}
    wanted = [HOSTNAMES[hostname](machine) or "" for machine in machines]
    count = Counter(name.lower() for name in wanted)
    names, shared, unusable = [], [], []
    for machine, name in zip(machines, wanted, strict=True):
        is_other = name.lower() in ids and name.lower() != machine.id.lower()
        if not _USABLE.fullmatch(name) or name.lower() in taken or is_other:
            names.append(machine.id)
            unusable.append(machine.id)
        elif count[name.lower()] > 1:
            names.append(f"{name}_{machine.id}")
            shared.append(names[-1])
        else:
            names.append(name)
    final = Counter(name.lower() for name in names)
    for number, (machine, name) in enumerate(zip(machines, names, strict=True)):
        if final[name.lower()] > 1 or name.lower() in taken:  # somebody is called as if by name and id
            names[number] = machine.id
    return HostNames(tuple(names), tuple(shared), tuple(unusable))


def is_like_a_group(host: str) -> bool:
    """Whether a group that is constructed could have this name."""
    return _LIKE_A_GROUP.fullmatch(host) is not None
