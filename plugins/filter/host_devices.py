# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: host_devices
short_description: Build a list of devices from inventory hosts
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Takes names of inventory hosts and returns a list for O(secops.mde.mde_offboard#module:devices), with one device for each host, in the
    same order.
  - The variables C(mde_device_id), C(mde_device_name) and C(mde_aad_device_id) of a host identify its device. The inventory plugin
    P(secops.mde.mde_machines#inventory) sets them. If none of them is set, the host name is the device name.
  - If only the ID of a device is known, the host name is not added as the device name, because host names can be arbitrary.
  - The filter checks all hosts by the rules of M(secops.mde.mde_offboard) before it returns any device. An error names the first five
    invalid hosts with their variables, and the number of further ones.
  - A host such as C(localhost), V(127.0.0.1) or V(::1) is a device only if one of these variables is set for it.
options:
  _input:
    description:
      - The names of the hosts, for example C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  hostvars:
    description:
      - The Ansible variable C(hostvars).
    type: dict
    required: true
positional: hostvars
seealso:
  - plugin: secops.mde.mde_machines
    plugin_type: inventory
  - plugin: secops.mde.mde_offboard
    plugin_type: module
"""

EXAMPLES = r"""
- name: Offboard the hosts of the play in one task
  secops.mde.mde_offboard:
    devices: "{{ ansible_play_hosts_all | secops.mde.host_devices(hostvars) }}"
    comment: CHG-1044 retired
  delegate_to: localhost
  run_once: true
  register: fleet

- name: Show the outcomes
  ansible.builtin.debug:
    msg: "{{ fleet.devices | map(attribute='outcome') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - One device for each host, with the keys C(device_id), C(device_name) and C(aad_device_id) as far as they are known.
  type: list
  elements: dict
  sample:
    - device_name: pc-0101.corp.example
    - device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
"""

import ipaddress
import typing as t

from ansible import template
from ansible.errors import AnsibleError, AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var
from jinja2 import Undefined

from ansible_collections.secops.mde.plugins.module_utils._errors import OptionError
from ansible_collections.secops.mde.plugins.module_utils._options.identifiers import DeviceRequest

VARIABLES: t.Final = {
    "device_id": "mde_device_id",
    "device_name": "mde_device_name",
    "aad_device_id": "mde_aad_device_id",
}
_HAS_TRUST_TAGS: t.Final = hasattr(template, "trust_as_template")  # from ansible-core 2.19 on
_MOST_NAMED: t.Final = 5
_CONTROLLER: t.Final = frozenset(
    f"{name}{domain}" for name in ("localhost", "ip6-localhost") for domain in ("", ".localdomain")
)


def host_devices(hosts: t.Sequence[str], hostvars: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[dict[str, str]]:
    """A device for each host. Raises AnsibleFilterError that names the hosts whose device is wrong."""
    devices, wrong = [], []
    for host in hosts:
        try:
            devices.append(_device(str(host), hostvars[host]))
        except OptionError as error:
            wrong.append(str(error))
    if wrong:
        more = f" {len(wrong) - _MOST_NAMED} more hosts are wrong." if len(wrong) > _MOST_NAMED else ""
        raise AnsibleFilterError(f"secops.mde.host_devices: {' '.join(wrong[:_MOST_NAMED])}{more}")
    return devices


def _device(host: str, variables: t.Mapping[str, t.Any]) -> dict[str, str]:
    """The device of one host, by the rules of the module. Raises OptionError that names the host and the variable."""
    given = {key: value for key in VARIABLES if (value := _text(host, VARIABLES[key], variables)) is not None}
    for key, value in given.items():
        _check(f"host {host}, {VARIABLES[key]}", {key: value})
    if given:
        return given
    if _is_controller(host):
        raise OptionError(
            f"host {host} is the controller and not a device.",
            hint="Leave it out of the selection, or set mde_device_id or mde_device_name for it.",
        )
    _check(f"host {host}", {"device_name": host})
    return {"device_name": host}


def _text(host: str, name: str, variables: t.Mapping[str, t.Any]) -> str | None:
    """The text of a variable; None where it is not set, null or blank."""
    try:
        value = variables.get(name)
    except AnsibleError as error:
        raise OptionError(f"host {host}: {name} cannot be read ({error}).") from error
    if value is None or (isinstance(value, str) and not value.strip()):
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


def _is_controller(host: str) -> bool:
    """Whether a name always means the machine that uses it."""
    if host.lower().rstrip(".") in _CONTROLLER:
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"host_devices": host_devices}
