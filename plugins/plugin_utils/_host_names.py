# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Host names for devices: each device its own, the same in every run, and none that means something else to Ansible."""

from __future__ import annotations

import ipaddress
import re
import socket
import typing as t
from collections import Counter
from dataclasses import dataclass

from ..module_utils._api.models import Machine
from ..module_utils._errors import OptionError

# Everything else has a meaning in patterns and limits, in templates, or on the command line of ssh. DNS allows 253 characters.
_USABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_RESERVED_NAMES: t.Final = frozenset({"localhost", "127.0.0.1", "all", "ungrouped"})
# Names by which resolvers reach the controller itself (RFC 6761, and what is common in /etc/hosts).
_LOCAL = re.compile(r"(?:.*\.)?(?:ip6-)?(?:localhost|loopback)[46]?(?:\.localdomain[46]?)?\.?", re.IGNORECASE)
_RECORD_ID = re.compile(r"[A-Za-z0-9-]+")
_MAX_LENGTH: t.Final = 255
# The names that groups get which an inventory file constructs.
_GROUP_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)

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
    disambiguated: tuple[str, ...] = ()
    """Names given to machines that share the wanted one with others: the wanted one with the id."""
    replaced: tuple[str, ...] = ()
    """Names given to machines whose wanted one is missing, or not fit for an inventory: the id."""

    def warning(self) -> str | None:
        """What to tell the user, if there is something."""
        parts = [
            f"{len(names)} {what}, such as {names[0]}"
            for names, what in (
                (self.disambiguated, "share their name with another device and are called by name and id"),
                (self.replaced, "have no name that an inventory can use and are called by id"),
            )
            if names
        ]
        return f"Of the devices, {'; '.join(parts)}." if parts else None


def assign_host_names(machines: t.Sequence[Machine], hostname: str, groups: t.Iterable[str] = ()) -> HostNames:
    """Name each machine by one of ``HOSTNAMES``. A device can choose its own name: it never gets that of another.

    Nor that of one of the ``groups``: Ansible would take the group for the host, and add all of it where the host goes.
    Raises ValueError for an id of anything but letters, digits and hyphens.
    """
    taken = _RESERVED_NAMES | {group.lower() for group in groups}
    own = {machine.id: _name_by_id(machine.id, taken) for machine in machines}
    ids = {name.lower() for name in (*own, *own.values())}
    wanted = [HOSTNAMES[hostname](machine) or "" for machine in machines]
    count = Counter(name.lower() for name in wanted)
    names, disambiguated, replaced = [], [], []
    for machine, name in zip(machines, wanted, strict=True):
        is_other = name.lower() in ids and name.lower() != machine.id.lower()
        if not _is_usable(name) or name.lower() in taken or is_other:
            names.append(own[machine.id])
            replaced.append(names[-1])
        elif count[name.lower()] > 1:
            names.append(f"{name}_{machine.id}")
            disambiguated.append(names[-1])
        else:
            names.append(name)
    final = Counter(name.lower() for name in names)
    for number, (machine, name) in enumerate(zip(machines, names, strict=True)):
        if final[name.lower()] > 1 or name.lower() in taken:  # somebody is called as if by name and id
            names[number] = own[machine.id]
    return HostNames(tuple(names), tuple(disambiguated), tuple(replaced))


def _name_by_id(machine_id: str, taken: t.Collection[str]) -> str:
    """The id, or one with a prefix where Ansible or ssh would take the id alone for something else."""
    if not _RECORD_ID.fullmatch(machine_id):
        raise ValueError(f"the id {machine_id[:80]!r} of a record is not of letters, digits and hyphens")
    name = machine_id
    while not _is_usable(name) or name.lower() in taken:
        name = f"device_{name}"
        if len(name) > _MAX_LENGTH:
            raise ValueError(f"the id {machine_id[:80]!r} of a record is too long for the name of a host")
    return name


def is_local_name(name: str) -> bool:
    """Whether every machine calls itself by this name."""
    return _LOCAL.fullmatch(name) is not None


def is_own_address(text: str) -> bool:
    """Whether a text is an address of the machine that uses it, in any form that resolvers take (``127.1``)."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(text))
        except OSError:
            return False
    plain = getattr(address, "ipv4_mapped", None) or address
    return plain.is_loopback or plain.is_unspecified


def _is_usable(name: str) -> bool:
    if not _USABLE.fullmatch(name) or is_local_name(name):
        return False
    try:
        socket.inet_aton(name)  # as resolvers do, it takes "0", "127.1" and "0x7f000001" for addresses
    except OSError:
        return True
    return host_address(name) is not None


def host_address(value: object) -> str | None:
    """The address where it is one that can be the device's; None for any other text.

    Other text would be an option of ssh. Loopback and unspecified addresses are the controller's own.
    """
    try:
        address = ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if address is None or "%" in str(address):  # a zone is any text, and means an interface of the device
        return None
    plain = getattr(address, "ipv4_mapped", None) or address
    unfit = plain.is_loopback or plain.is_unspecified or plain.is_multicast or plain.is_link_local or plain.is_reserved
    return None if unfit else str(address)


def is_host(value: object) -> bool:
    """Whether a text is an address or a name that nothing can take for anything else."""
    return isinstance(value, str) and (host_address(value) is not None or _is_usable(value))


def identifying(text: str | None, clean: t.Callable[[str], str]) -> str | None:
    """A name or id as the option that ``clean`` checks takes it, for playbooks that pass it on; None where it does not."""
    try:
        return None if text is None else clean(text)
    except OptionError:
        return None


def group_name(name: str) -> str:
    """The name of a constructed group, made of a value of the service: such that no pattern takes it for anything else."""
    found = re.sub(r"\W", "_", name)
    found = f"_{found}" if found[:1].isdigit() else found
    return f"{found}_" if found.lower() in _RESERVED_NAMES else found


def could_be_group_name(host: str) -> bool:
    """Whether a group that is constructed could have this name."""
    return _GROUP_NAME.fullmatch(host) is not None
