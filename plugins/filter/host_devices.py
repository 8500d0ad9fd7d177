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
      - The names of the hosts, for example C(ansible_play_hosts), the hosts of the play that have not failed. In a play with C(serial), use
        C(ansible_play_batch), those of the current batch.
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
    devices: "{{ ansible_play_hosts | secops.mde.host_devices(hostvars) }}"
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

import typing as t

from ansible.errors import AnsibleFilterError

from ansible_collections.secops.mde.plugins.module_utils._errors import OptionError
from ansible_collections.secops.mde.plugins.plugin_utils._host_devices import devices_of_hosts


def host_devices(hosts: t.Sequence[str], hostvars: t.Mapping[str, t.Mapping[str, t.Any]]) -> list[dict[str, str]]:
    """Return one device for each host. Raises AnsibleFilterError that names the first invalid hosts."""
    try:
        return devices_of_hosts(hosts, hostvars)
    except OptionError as error:
        raise AnsibleFilterError(f"secops.mde.host_devices: {error}") from error


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"host_devices": host_devices}
