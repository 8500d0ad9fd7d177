# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: parse_devices
short_description: Make a list of devices of whatever text people paste
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Takes a text, such as the answer of a survey or the content of a file, and gives the list that
    O(secops.mde.mde_offboard#module:devices) takes.
  - It never guesses. What it cannot understand, or could understand in two ways, is an error that quotes the line, and then
    there is no list at all. It asks nobody whether the devices exist; that is the work of the module.
options:
  _input:
    description:
      - A text, a list of texts or of records, or an object that holds such a list as C(devices), C(machines),
        C(machine_actions) or C(value). V(null) and a blank text give an empty list.
      - In B(plain text), a word is the name of a device, its device id of 40 hexadecimal digits, its Entra device id (a GUID), or
        the address of its page in the portal. Each line names one device. Blank lines, what follows a C(#), bullets, quotes, and
        a comma or semicolon at the end are ignored.
      - Several devices on a line are accepted only where it is the only line. They are separated by commas or semicolons; by
        spaces or tabs only where every one has a digit, as a sentence would read like a list of names. They must be of one
        kind, because an id beside a name may be one device or two.
      - A name consists of letters, digits, hyphens, underscores, dots and apostrophes, with at least one letter. Long
        hexadecimal numbers of another length than 40, numbers, dates, and addresses of the network or of mail are errors.
      - A B(table) has a header line and is separated by commas, semicolons, tabs or vertical bars. The CSV export of the device
        inventory is one, also when a spreadsheet has saved it, and an export of advanced hunting. Every row must have as many
        cells as the header. Lines that begin with C(#) are ignored.
      - Columns are known by their headers, such as C(Device ID), C(Device name), C(computerDnsName), C(hostname),
        C(Device AAD id), C(Entra device ID) and C(comment), in any order, compared without case, spaces and signs, and in
        several languages. In other languages the column of ids is known by its content. Two columns that could be the same, as
        C(hostname) and C(FQDN), are an error.
      - The device id of a row names the device, and its name is given along as a safeguard. The Entra id is used where a row has
        no device id; under the very header C(aad_device_id) always.
      - B(JSON and YAML) hold the same as data does. In a record of the service C(id) or C(machineId) and C(computerDnsName)
        count. A result of M(secops.mde.mde_offboard) gives the device that was found, or else was asked for, without the
        comment of then. Keys with the names of the module's options are taken as the options are, and other keys are ignored.
    type: raw
    required: true
seealso:
  - plugin: secops.mde.mde_offboard
    plugin_type: module
"""

EXAMPLES = r"""
- name: Offboard what somebody typed into a survey
  secops.mde.mde_offboard:
    devices: "{{ survey_devices | secops.mde.parse_devices }}"
    comment: CHG-1044 retired
  delegate_to: localhost
  vars:
    survey_devices: |
      pc-0101.corp.example
      11112222-bbbb-3333-cccc-4444dddd5555  # the kiosk
      https://security.microsoft.com/machines/v2/1e5bc9d7e413ddd7902c2932e418702b84d0cc07/overview

- name: Offboard the rows that are left in an export of the device inventory
  secops.mde.mde_offboard:
    devices: "{{ lookup('ansible.builtin.file', '/srv/tickets/CHG-1044.csv') | secops.mde.parse_devices }}"
    comment: CHG-1044 retired
  delegate_to: localhost

- name: Try those again that failed in an earlier run
  secops.mde.mde_offboard:
    devices: "{{ earlier.devices | selectattr('failed') | secops.mde.parse_devices }}"
    comment: CHG-1044 retired, second try
  delegate_to: localhost
  vars:
    earlier: "{{ lookup('ansible.builtin.file', '/srv/tickets/CHG-1044.json') | from_json }}"
"""

RETURN = r"""
_value:
  description:
    - The devices in their order. Each has those of the keys C(device_id), C(device_name), C(aad_device_id) and C(comment) that are
      filled.
    - A device that is there again with all the same values, whatever their case, is left out.
  type: list
  elements: dict
  sample:
    - device_name: pc-0101.corp.example
    - device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
      device_name: lab-w11-07.corp.example
"""

import typing as t

from ansible.errors import AnsibleFilterError
from jinja2 import Undefined

from ansible_collections.secops.mde.plugins.module_utils._errors import MdeError
from ansible_collections.secops.mde.plugins.plugin_utils._device_parser.parser import parse_devices


def _parse_devices(value: object, columns: object = None) -> list[dict[str, str]]:
    for given in (value, columns):
        if isinstance(given, Undefined):
            str(given)  # raises Ansible's own error, which names the variable
    try:
        return parse_devices(value, columns)
    except MdeError as error:
        raise AnsibleFilterError(f"secops.mde.parse_devices: {error}") from error


class FilterModule:
    """Filters of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"parse_devices": _parse_devices}
