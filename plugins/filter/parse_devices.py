# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: parse_devices
short_description: Parse a list of devices from text
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Takes text, for example a survey answer or the content of a file, and returns a list for
    O(secops.mde.mde_offboard#module:devices).
  - It never guesses. Input that is unclear or ambiguous is an error that quotes the line. The filter then returns no list at all.
  - It does not check that the devices exist. The module does.
options:
  _input:
    description:
      - Text, a list of strings or records, or a mapping with such a list under C(devices), C(machines), C(machine_actions),
        C(value), C(results) or C(Results), or with a response of M(ansible.builtin.uri) under C(json). V(null) and empty text
        return an empty list.
      - The text can be the content of a file in UTF-8, or in UTF-16 with a byte order mark, as P(ansible.builtin.file#lookup)
        returns it. Other encodings are an error.
      - In B(plain text), a word is a device name, a device ID of 40 hexadecimal digits, an Entra device ID (a GUID), or the URL of a
        device page in the portal. Write one device per line. The filter ignores empty lines, text after a C(#), bullets, and a comma
        or semicolon at the end of a line.
      - Several devices on one line are accepted only if there is no other line. Separate them with commas or semicolons. Separate
        them with spaces or tabs only if each of them contains a digit, because a sentence looks like a list of names. All of them
        must be of one kind, because an ID next to a name can mean one device or two.
      - A name without quotes consists of letters, digits, hyphens, underscores, dots and apostrophes, with at least one letter.
        Long hexadecimal numbers without exactly 40 digits are errors, and so are numbers, dates, IP addresses and email addresses.
        A name in quotes can contain spaces and any other characters except commas, semicolons and tabs.
      - A first line without digits and dots, above lines that all contain them, can be the header of an unknown column. It is an error. If
        it is a device, add a comma at its end.
      - A B(table) has a header line. Its separators are commas, semicolons, tabs or vertical bars. Lines that start with C(#) are
        ignored. A row can omit cells at its end, but not cells up to the last column that identifies a device. A row with more cells
        than the header is an error.
      - Headers decide which column identifies the device. Each header is compared in full, ignoring case, spaces and punctuation. Known
        headers include C(Device ID), C(Device name), C(Computer), C(Name), C(computerDnsName), C(DNSHostName), C(Device AAD id),
        C(Entra device ID) and C(comment), in several languages. Other columns are ignored. A table without a known header is an
        error that lists its headers. Use O(columns) to name them.
      - A table with a column of replaced devices, such as C(Old device) or C(Replaces), is an error, because the other columns can name
        the devices in use. A row is an error if a column with an unknown header identifies another device by its ID, or by a name in
        the same domain or of the same form, such as C(PC-0101) next to C(PC-0102). Under a header such as C(EOL device), the name can
        have any form. Columns of new devices, of properties and of other machines, such as C(Replaced by), C(Serial number) and
        C(Logon server), are ignored. Use O(columns) to name the column of the devices to offboard.
      - A list can have more devices than those to offboard. A row is an error if a column says that its device stays, for example
        V(no) under C(Retire), V(x) under C(Keep), V(do not offboard) in a note, or V(In use) where the column says V(Retired) for
        other devices. Remove such rows, or use O(columns) to ignore all other columns. A heading among the devices, such as
        C(To keep), a comment such as C(# keep), and a second list, such as C(exclude) next to C(devices), are errors, too.
      - The filter understands exports of the Defender portal, advanced hunting, Active Directory, Microsoft Entra ID and Intune. The
        C(deviceId) of an Entra ID export is the Entra device ID. A column C(Device ID) of GUIDs next to a column of Entra device IDs is
        ignored, because it contains Intune IDs. A column C(ID) is ignored if it contains no device ID.
      - The device ID of a row identifies the device, and its name is added as a safeguard. The Entra device ID is used if a row has no
        device ID. Under the header C(aad_device_id) it is always used. Several names in a row must be equal, or a short name and the full
        name that starts with it. The full name is then used.
      - A name in a table or a record can be any text of at most 255 characters without control characters and line breaks.
        Without an ID next to it, a word for a missing value such as C(N/A), a total, or C(localhost) is an error.
      - The line of dashes below the header of a Markdown table is ignored. A line with the header of another table is an error.
      - B(JSON, JSON Lines and YAML) are treated like the data they contain, and the keys of a record like the headers of a table. In a record of the
        service, C(id) or C(machineId) and C(computerDnsName) count. A result of M(secops.mde.mde_offboard) stands for the device that was
        found, or else the device that was requested, without the comment of that run. Keys with the names of the module's options
        are used like these options. A page of a list is an error if C(@odata.nextLink) shows that there are more.
    type: raw
    required: true
  columns:
    description:
      - The headers of the table, or the keys of the records, to use. A mapping of C(device_id), C(device_name), C(aad_device_id) and
        C(comment) to headers, with at least one of the first three.
      - It can be text, for example from a survey, such as C(device_name=Hostname, comment=Ticket), or JSON or YAML in braces.
      - If it is set, only these columns are used. A header that is missing or occurs twice is an error.
    type: raw
seealso:
  - plugin: secops.mde.mde_offboard
    plugin_type: module
"""

EXAMPLES = r"""
- name: Offboard devices from a survey
  secops.mde.mde_offboard:
    devices: "{{ survey_devices | secops.mde.parse_devices }}"
    comment: CHG-1044 retired
  delegate_to: localhost
  vars:
    survey_devices: |
      pc-0101.corp.example
      11112222-bbbb-3333-cccc-4444dddd5555  # the kiosk
      https://security.microsoft.com/machines/v2/1e5bc9d7e413ddd7902c2932e418702b84d0cc07/overview

- name: Offboard the devices in an export of the device inventory
  secops.mde.mde_offboard:
    devices: "{{ lookup('ansible.builtin.file', '/srv/tickets/CHG-1044.csv') | secops.mde.parse_devices }}"
    comment: CHG-1044 retired
  delegate_to: localhost

- name: Offboard the devices in a table with custom headers
  secops.mde.mde_offboard:
    devices: "{{ lookup('ansible.builtin.file', '/srv/tickets/CHG-1045.csv') | secops.mde.parse_devices(columns=headers) }}"
    comment: CHG-1045 retired
  delegate_to: localhost
  vars:
    headers:
      device_name: Asset
      comment: Ticket

- name: Try the failed devices of an earlier run again
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
    - The devices in the order of the input. Each has the keys C(device_id), C(device_name), C(aad_device_id) and C(comment) as far as they
      have a value.
    - A repeated device with the same values is omitted. Names and Entra device IDs are compared case-insensitively.
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
        # Ansible adds the messages of the causes, which would repeat this message.
        raise AnsibleFilterError(f"secops.mde.parse_devices: {error}") from None


class FilterModule:
    """Filters of the collection."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"parse_devices": _parse_devices}
