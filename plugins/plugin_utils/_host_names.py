# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Host names for devices: unique, stable, and safe in Ansible patterns and for ssh."""

from __future__ import annotations

import ipaddress
import re
import socket
import typing as t
from collections import Counter
from dataclasses import dataclass

from ..module_utils._api.models import Machine
from ..module_utils._errors import OptionError
from ..module_utils._options.identifiers import is_dns_name

# Other characters have a meaning in patterns and limits, in templates, or on the command line of ssh. DNS allows 253 characters.
_USABLE = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,252}")
_RESERVED_NAMES: t.Final = frozenset({"localhost", "127.0.0.1", "all", "ungrouped"})
# Names that resolve to the controller itself (RFC 6761, and common entries of /etc/hosts).
_LOCAL = re.compile(r"(?:.*\.)?(?:ip6-)?(?:localhost|loopback)[46]?(?:\.localdomain[46]?)?\.?", re.IGNORECASE)
_RECORD_ID = re.compile(r"[A-Za-z0-9-]+")
_MAX_LENGTH: t.Final = 255
# The form of the names of constructed groups.
_GROUP_NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)

HOSTNAMES: t.Final[t.Mapping[str, t.Callable[[Machine], str | None]]] = {
    "name": lambda machine: machine.name,
    "short_name": lambda machine: (
        (machine.name or "").split(".")[0] if is_dns_name(machine.name or "") else machine.name
    ),
    "device_id": lambda machine: machine.id,
    "aad_device_id": lambda machine: machine.aad_device_id,
}
"""The values that can be used as host name."""


@dataclass(frozen=True)
class HostNames:
    """A host name for each machine, in their order, and the names that differ from the requested value."""

    names: tuple[str, ...]
    disambiguated: tuple[str, ...] = ()
    """Host names of machines that share their name with others: name_id."""
    replaced: tuple[str, ...] = ()
    """Host names of machines whose name is missing or not valid in an inventory: the ID."""

    def warning(self) -> str | None:
        """A warning about these host names, or None."""
        shared, invalid = len(self.disambiguated), len(self.replaced)
        parts = []
        if shared:
            share = "1 device shares its name" if shared == 1 else f"{shared} devices share their name"
            get = "gets" if shared == 1 else "get"
            form = f"a host name of the form name_id, for example {self.disambiguated[0]}"
            parts.append(f"{share} with another device and {get} {form}")
        if invalid:
            have = "1 device has" if invalid == 1 else f"{invalid} devices have"
            are = "is named by its ID" if invalid == 1 else "are named by their ID"
            parts.append(f"{have} no name that is valid in an inventory and {are}, for example {self.replaced[0]}")
        return f"{'; '.join(parts)}." if parts else None


def assign_host_names(machines: t.Sequence[Machine], hostname: str, groups: t.Iterable[str] = ()) -> HostNames:
    """Assign a host name to each machine, by one of ``HOSTNAMES``.

    Devices choose their names. No machine gets the host name of another one, or the name of one of the ``groups``: Ansible
    would use the hosts of the group instead. Raises ValueError for an ID that has other characters than letters, digits and
    hyphens.
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
        if final[name.lower()] > 1 or name.lower() in taken:  # another device has this form as its own name
            names[number] = own[machine.id]
    return HostNames(tuple(names), tuple(disambiguated), tuple(replaced))


def _name_by_id(machine_id: str, taken: t.Collection[str]) -> str:
    """The ID, with a prefix if Ansible or ssh would interpret the ID alone in another way."""
    if not _RECORD_ID.fullmatch(machine_id):
        raise ValueError(
            f"the ID {machine_id[:80]!r} of a record has other characters than letters, digits and hyphens"
        )
    name = machine_id
    while not _is_usable(name) or name.lower() in taken:
        name = f"device_{name}"
        if len(name) > _MAX_LENGTH:
            raise ValueError(f"the ID {machine_id[:80]!r} of a record is too long for a host name")
    return name


def is_local_name(name: str) -> bool:
    """Whether every machine has this name for itself."""
    return _LOCAL.fullmatch(name) is not None


def is_own_address(text: str) -> bool:
    """Whether a text is an IP address of the local machine, in any form that resolvers accept (``127.1``)."""
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
        socket.inet_aton(name)  # like resolvers, it accepts "0", "127.1" and "0x7f000001" as addresses
    except OSError:
        return True
    return host_address(name) is not None


def host_address(value: object) -> str | None:
    """The IP address, if it can be that of a device; None for any other text.

    Other text could be an option of ssh. Loopback and unspecified addresses are those of the controller.
    """
    try:
        address = ipaddress.ip_address(value) if isinstance(value, str) else None
    except ValueError:
        return None
    if address is None or "%" in str(address):  # a zone is any text, and names an interface of the device
        return None
    plain = getattr(address, "ipv4_mapped", None) or address
    unusable = (
        plain.is_loopback or plain.is_unspecified or plain.is_multicast or plain.is_link_local or plain.is_reserved
    )
    return None if unusable else str(address)


def is_host(value: object) -> bool:
    """Whether a text is a safe IP address or host name."""
    return isinstance(value, str) and (host_address(value) is not None or _is_usable(value))


def identifying(text: str | None, clean: t.Callable[[str], str]) -> str | None:
    """A name or ID as the option that ``clean`` validates accepts it, for playbooks that pass it on, else None."""
    try:
        return None if text is None else clean(text)
    except OptionError:
        return None


def group_name(name: str) -> str:
    """A safe group name for a value of the service: letters, digits and underscores, and not a reserved name."""
    found = re.sub(r"\W", "_", name)
    found = f"_{found}" if found[:1].isdigit() else found
    return f"{found}_" if found.lower() in _RESERVED_NAMES else found


def could_be_group_name(host: str) -> bool:
    """Whether a constructed group could have this name."""
    return _GROUP_NAME.fullmatch(host) is not None
