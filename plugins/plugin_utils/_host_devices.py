# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Devices of inventory hosts, from their variables or names."""

from __future__ import annotations

import typing as t

from ansible import template
from ansible.errors import AnsibleError
from ansible.utils.unsafe_proxy import wrap_var
from jinja2 import Undefined

from ..module_utils._errors import OptionError
from ..module_utils._options.identifiers import DeviceRequest, has_form_of_id
from ._host_names import is_local_name, is_own_address

DEVICE_VARIABLES: t.Final = {
    "device_id": "mde_device_id",
    "device_name": "mde_device_name",
    "aad_device_id": "mde_aad_device_id",
}
_HAS_TRUST_TAGS: t.Final = hasattr(template, "trust_as_template")  # from ansible-core 2.19 on
_MOST_NAMED: t.Final = 5


def devices_of_hosts(hosts: t.Iterable[str], hostvars: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[dict[str, str]]:
    """Return one device for each host, in the same order. Raises OptionError that names the first invalid hosts."""
    devices, wrong = [], []
    for host in hosts:
        try:
            devices.append(device_of_host(str(host), hostvars[host]))
        except OptionError as error:
            wrong.append(str(error))
    if wrong:
        more = f" {len(wrong) - _MOST_NAMED} more hosts have errors." if len(wrong) > _MOST_NAMED else ""
        raise OptionError(f"{' '.join(wrong[:_MOST_NAMED])}{more}")
    return devices


def device_of_host(host: str, variables: t.Mapping[str, t.Any]) -> dict[str, str]:
    """Return the device of one host, checked by the rules of mde_offboard. Raises OptionError."""
    given = {
        key: value for key in DEVICE_VARIABLES if (value := _text(host, DEVICE_VARIABLES[key], variables)) is not None
    }
    for key, value in given.items():
        _check(f"host {host}, {DEVICE_VARIABLES[key]}", {key: value})
    if given:
        return given
    if is_controller(host):
        raise OptionError(
            f"host {host} is the controller, not a device.",
            hint="Exclude it from the hosts, or set mde_device_id or mde_device_name for it.",
        )
    if has_form_of_id(host):
        raise OptionError(
            f"the name of host {host} is an ID, not a device name.",
            hint="Set mde_device_id or mde_aad_device_id for it.",
        )
    _check(f"host {host}", {"device_name": host})
    return {"device_name": host}


def is_unset(value: object) -> bool:
    """Whether a value counts as unset: null, or empty text, which AWX sends for an empty survey answer."""
    return value is None or (isinstance(value, str) and not value.strip())


def _text(host: str, name: str, variables: t.Mapping[str, t.Any]) -> str | None:
    """Return the text of a variable, or None if it is unset. Raises OptionError."""
    try:
        value = variables.get(name)
    except AnsibleError as error:
        raise OptionError(f"host {host}: {name} cannot be read ({error}).") from error
    if is_unset(value):
        return None
    if isinstance(value, Undefined) or _is_template(value):
        raise OptionError(f"host {host}: {name} uses an undefined variable.", hint=f"Define it, or remove {name}.")
    if not isinstance(value, str):
        raise OptionError(
            f"{name} of host {host} must be a string. Put the value in quotes.",
            hint="A number, boolean or date can have lost characters that were typed.",
        )
    return str(value)


def _is_template(value: object) -> bool:
    """Whether hostvars returned an unresolved template, as ansible-core before 2.19 does if a variable is undefined.

    Text from a record of the service is marked as unsafe there. Such a device name can contain braces.
    """
    return isinstance(value, str) and "{{" in value and not _HAS_TRUST_TAGS and wrap_var(value) is not value


def _check(where: str, identifier: dict[str, str]) -> None:
    try:
        DeviceRequest.from_options(**identifier, comment="checked elsewhere")
    except OptionError as error:
        raise OptionError(f"{where}: {error.message}", hint=error.hint) from error


def is_controller(host: str) -> bool:
    """Whether a name or an address always refers to the local machine."""
    return is_local_name(host) or is_own_address(host.strip("[]"))
