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
        C(machine_actions), C(value), C(results) or C(Results), or as C(json) the response of M(ansible.builtin.uri). V(null) and
        a blank text give an empty list.
      - The text may be the content of a file in UTF-8, or in UTF-16 with a byte order mark, as P(ansible.builtin.file#lookup)
        returns it. Other encodings are an error.
      - In B(plain text), a word is the name of a device, its device ID of 40 hexadecimal digits, its Entra device ID (a GUID), or
        the URL of its page in the portal. Each line names one device. Blank lines, text after a C(#), bullets, and
        a comma or semicolon at the end are ignored.
      - Several devices on a line are accepted only where it is the only line. They are separated by commas or semicolons; by
        spaces or tabs only where every one has a digit, as a sentence would read like a list of names. They must be of one
        kind, because an ID beside a name may be one device or two.
      - A bare name consists of letters, digits, hyphens, underscores, dots and apostrophes, with at least one letter. Long
        hexadecimal numbers of another length than 40, numbers, dates, IP addresses and email addresses are errors. A name in
        quotes can have blanks and any other signs than commas, semicolons and tabs.
      - A first line without digits and dots, above lines that all have them, may be the header of a column that is not known, and
        is an error. A comma at its end makes it a device.
      - A B(table) has a header line and is separated by commas, semicolons, tabs or vertical bars. Lines that begin with C(#)
        are ignored. A row can leave out cells at its end, but none up to the last column that identifies a device. A
        row with more cells than the header is an error.
      - Headers decide which column identifies the device, each header as a whole, compared without case, spaces and signs. Known are
        those such as C(Device ID), C(Device name), C(Computer), C(Name), C(computerDnsName), C(DNSHostName), C(Device AAD id),
        C(Entra device ID) and C(comment), in several languages. Other columns are ignored, whatever they hold. A table without
        a known header is an error that lists its headers; O(columns) names them. So is a table with a column of replaced devices, such
        as C(Old device) or C(Replaces), because the other columns may name the devices in use.
      - Exports of the Defender portal, advanced hunting, Active Directory, Microsoft Entra ID and Intune are understood. The
        C(deviceId) of an export of Entra ID is the Entra device ID. A C(Device ID) of GUIDs beside a column of Entra device IDs
        is ignored, as it is the ID of Intune, and so is a column C(ID) in which nothing is a device ID.
      - The device ID of a row names the device, and its name is given along as a safeguard. The Entra device ID is used where a row
        has no device ID; under the very header C(aad_device_id) always. Several names in a row must be the same, or
        a short name and the full name that begins with it, of which the full one is used.
      - A name in a table or a record can be any text of at most 255 characters without control characters and line breaks. Where no
        ID is beside it, words for a missing value such as C(N/A), totals, and C(localhost) are errors.
      - The line of dashes below the header of a Markdown table is ignored. A line that holds the header of another table is an error.
      - B(JSON, JSON Lines and YAML) hold the same as data does, and a record is read by its keys as a table is by its headers. In a record of the
        service C(id) or C(machineId) and C(computerDnsName) count. A result of M(secops.mde.mde_offboard) gives the device that
        was found, or else was requested, without the comment of that run. Keys with the names of the module's options are taken
        as the options are. A page of a list is an error where C(@odata.nextLink) says that there are more.
    type: raw
    required: true
  columns:
    description:
      - The headers of the table, or the keys of the records, that count. A mapping of C(device_id), C(device_name),
        C(aad_device_id) and C(comment) to headers, with at least one of the first three.
      - It can be text, as a survey gives it, such as C(device_name=Hostname, comment=Ticket), or JSON or YAML in braces.
      - Then only these columns are used. A header that is missing, or there twice, is an error.
    type: raw
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

- name: Offboard the rows of a list with headers of its own
  secops.mde.mde_offboard:
    devices: "{{ lookup('ansible.builtin.file', '/srv/tickets/CHG-1045.csv') | secops.mde.parse_devices(columns=headers) }}"
    comment: CHG-1045 retired
  delegate_to: localhost
  vars:
    headers:
      device_name: Asset
      comment: Ticket

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
    - A device that is there again with all the same values is left out. Names and Entra device IDs are compared without case.
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
        # Ansible adds the messages of the causes, and each holds the same once more.
        raise AnsibleFilterError(f"secops.mde.parse_devices: {error}") from None


class FilterModule:
    """Filters of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"parse_devices": _parse_devices}
