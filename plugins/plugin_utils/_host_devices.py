# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Inventory hosts as devices."""

from __future__ import annotations

import re
import typing as t

from ansible import template
from ansible.errors import AnsibleError
from ansible.utils.unsafe_proxy import wrap_var
from jinja2 import Undefined

from ..module_utils._errors import OptionError
from ..module_utils._options.identifiers import DeviceRequest
from ._host_names import is_local_name, is_own_address

DEVICE_VARIABLES: t.Final = {
    "device_id": "mde_device_id",
    "device_name": "mde_device_name",
    "aad_device_id": "mde_aad_device_id",
}
_HAS_TRUST_TAGS: t.Final = hasattr(template, "trust_as_template")  # from ansible-core 2.19 on
_MOST_NAMED: t.Final = 5
# A device ID of Defender, or a GUID.
_ID: t.Final = re.compile(r"[0-9A-Fa-f]{40}|[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


def devices_of_hosts(hosts: t.Iterable[str], hostvars: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[dict[str, str]]:
    """A device for each host. Raises OptionError that names the hosts whose device is wrong."""
    devices, wrong = [], []
    for host in hosts:
        try:
            devices.append(device_of_host(str(host), hostvars[host]))
        except OptionError as error:
            wrong.append(str(error))
    if wrong:
        more = f" {len(wrong) - _MOST_NAMED} more hosts are wrong." if len(wrong) > _MOST_NAMED else ""
        raise OptionError(f"{' '.join(wrong[:_MOST_NAMED])}{more}")
    return devices


def device_of_host(host: str, variables: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The device of one host, by the rules of the module. Raises OptionError that names the host and the variable."""
    given = {
        key: value for key in DEVICE_VARIABLES if (value := _text(host, DEVICE_VARIABLES[key], variables)) is not None
    }
    for key, value in given.items():
        _check(f"host {host}, {DEVICE_VARIABLES[key]}", {key: value})
    if given:
        return given
    if is_controller(host):
        raise OptionError(
            f"host {host} is the controller and not a device.",
            hint="Leave it out of the selection, or set mde_device_id or mde_device_name for it.",
        )
    if _ID.fullmatch(host):
        raise OptionError(
            f"host {host} is called by an ID, which is no device name.",
            hint="Set mde_device_id or mde_aad_device_id for it.",
        )
    _check(f"host {host}", {"device_name": host})
    return {"device_name": host}


def is_unset(value: object) -> bool:
    """Whether a value stands for none: null, or blank text, which is what AWX sends for an empty answer."""
    return value is None or (isinstance(value, str) and not value.strip())


def _text(host: str, name: str, variables: t.Mapping[str, t.Any]) -> str | None:
    """The text of a variable; None where it is not set, null or blank."""
    try:
        value = variables.get(name)
    except AnsibleError as error:
        raise OptionError(f"host {host}: {name} cannot be read ({error}).") from error
    if is_unset(value):
        return None
    if isinstance(value, Undefined) or _is_template(value):
        raise OptionError(f"host {host}: {name} uses a variable that is undefined.", hint="Set it, or remove it.")
    if not isinstance(value, str):
        raise OptionError(
            f"host {host}: {name} is no text; put it in quotes.",
            hint="A number, boolean or date may have lost what was written.",
        )
    return str(value)


def _is_template(value: object) -> bool:
    """Whether a template was left as it stands: ansible-core before 2.19 does so in hostvars where a variable is undefined.

    Text that came from a record of the service is marked as unsafe there, and may have such a name.
    """
    return isinstance(value, str) and "{{" in value and not _HAS_TRUST_TAGS and wrap_var(value) is not value


def _check(where: str, identifier: dict[str, str]) -> None:
    try:
        DeviceRequest.from_options(**identifier, comment="checked elsewhere")
    except OptionError as error:
        raise OptionError(f"{where}: {error.message}", hint=error.hint) from error


def is_controller(host: str) -> bool:
    """Whether a name or an address always means the machine that uses it."""
    return is_local_name(host) or is_own_address(host.strip("[]"))
