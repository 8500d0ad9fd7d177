# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: host_devices
short_description: Make a list of devices of inventory hosts
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Takes the names of inventory hosts and gives the list that O(secops.mde.mde_offboard#module:devices) takes, one device for
    each host, in their order.
  - A host's device is what its variables C(mde_device_id), C(mde_device_name) and C(mde_aad_device_id) say, as those of the
    inventory plugin P(secops.mde.mde_machines#inventory) do. For a host with none of them the host's name is the device's.
  - A device that is known by its id alone is not given its host's name as well, as that can be of a person's choosing.
  - All hosts are checked by the rules of M(secops.mde.mde_offboard) before any device is returned. An error names the first five
    hosts that are wrong with their variables, and how many more there are.
  - A host such as C(localhost), V(127.0.0.1) or V(::1) is a device only where one of these variables is set.
options:
  _input:
    description:
      - The hosts' names, such as C(ansible_play_hosts_all).
    type: list
    elements: str
    required: true
  hostvars:
    description:
      - Ansible's variable C(hostvars).
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

- name: Show what became of them
  ansible.builtin.debug:
    msg: "{{ fleet.devices | map(attribute='outcome') }}"
  run_once: true
"""

RETURN = r"""
_value:
  description:
    - A device for each host, with those of the keys C(device_id), C(device_name) and C(aad_device_id) that are known.
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
    """A device for each host. Raises AnsibleFilterError that names the hosts whose device is wrong."""
    try:
        return devices_of_hosts(hosts, hostvars)
    except OptionError as error:
        raise AnsibleFilterError(f"secops.mde.host_devices: {error}") from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"host_devices": host_devices}
