#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_machine_tag
short_description: Add or remove a tag on devices in Microsoft Defender for Endpoint
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Adds or removes one tag on devices, and keeps their other tags. With a tag and a device group, you can keep retired devices out of
    dashboards.
  - Changes only devices that differ, with one call for up to 500 devices, and confirms the change with the records that the service returns.
options:
  device_id:
    description:
      - Device IDs in Defender for Endpoint, or URLs of device pages in the portal. An empty list is a success.
      - Take the IDs from RV(secops.mde.mde_offboard#module:devices[].device_id), or find them with M(secops.mde.mde_machine_info).
    type: list
    elements: str
    required: true
  tag:
    description:
      - The tag, one line of at most 200 characters. Compared case-sensitively.
    type: str
    required: true
  state:
    description:
      - Whether the devices should have the tag.
    type: str
    choices:
      - present
      - absent
    default: present
extends_documentation_fragment:
  - secops.mde.connection
  - secops.mde.rate_limit
  - secops.mde.attributes
  - secops.mde.attributes.writes
notes:
  - The application needs the permission C(Machine.ReadWrite.All), with admin consent.
  - Microsoft documents tagging for devices that were seen in the last 30 days. Tag devices right after offboarding, not weeks later.
  - A device that fails does not stop the others. The task then fails at the end, with all devices in RV(devices).
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) and its libraries are available.
seealso:
  - module: secops.mde.mde_machine_info
  - name: Add or remove a tag for multiple machines API
    description: Microsoft's documentation of the call.
    link: https://learn.microsoft.com/en-us/defender-endpoint/api/add-or-remove-multiple-machine-tags
"""

EXAMPLES = r"""
- name: Tag a device as retired
  secops.mde.mde_machine_tag:
    device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    tag: retired
  delegate_to: localhost

- name: Find devices that are tagged as loaned
  secops.mde.mde_machine_info:
    tag: loaned
  delegate_to: localhost
  register: loaned

- name: Remove the tag from all of them
  secops.mde.mde_machine_tag:
    device_id: "{{ loaned.machines | map(attribute='id') }}"
    tag: loaned
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: Number of devices that changed. On failure, what went wrong and how to fix it. One line.
  returned: always
  type: str
  sample: 1 of 1 devices changed
devices:
  description: The result of each device, in the order requested. Empty if an option is invalid or a read failed.
  returned: always
  type: list
  elements: dict
  contains:
    device_id:
      description: Device ID.
      returned: always
      type: str
    device_name:
      description: Device name as reported by the service.
      returned: always
      type: str
    changed:
      description: Whether this run changed the tags of the device, or would change them.
      returned: always
      type: bool
    failed:
      description: Whether RV(devices[].error) is not V(null).
      returned: always
      type: bool
    tags:
      description: The tags of the device after this run. V(null) if they are not known, for example after a lost response.
      returned: always
      type: list
      elements: str
    error:
      description: The error of this device, see RV(error).
      returned: always
      type: dict
summary:
  description: Number of devices, and number of API calls.
  returned: always
  type: dict
  contains:
    total:
      description: Number of devices.
      returned: always
      type: int
    changed:
      description: Number of devices that changed.
      returned: always
      type: int
    failed:
      description: Number of devices that failed.
      returned: always
      type: int
    api:
      description: The keys C(calls), C(retries) and C(throttled_seconds). Sign-in is not included.
      returned: always
      type: dict
context:
  description:
    - Tenant, application, API and time of the run, with the keys C(tenant_id), C(client_id), C(api_url), C(collection_version),
      C(started_at) and C(finished_at).
  returned: always
  type: dict
error:
  description: What went wrong. V(null) on success.
  returned: always
  type: dict
  contains:
    code:
      description: Error code for conditionals, for example V(not_found), V(permission_missing) or V(devices_failed).
      returned: always
      type: str
    message:
      description: What happened.
      returned: always
      type: str
    http_status:
      description: HTTP status of the response that caused the error. V(null) if there was none.
      returned: always
      type: int
    correlation_id:
      description: Correlation ID for Microsoft support.
      returned: always
      type: str
    hint:
      description: How to fix it.
      returned: always
      type: str
"""

from ansible_collections.secops.mde.plugins.module_utils._clock import Clock
from ansible_collections.secops.mde.plugins.module_utils._device_changes import DeviceChanges
from ansible_collections.secops.mde.plugins.module_utils._errors import MdeError
from ansible_collections.secops.mde.plugins.module_utils._module import MdeModule
from ansible_collections.secops.mde.plugins.module_utils._options.argument_spec import RATE_LIMIT_OPTIONS
from ansible_collections.secops.mde.plugins.module_utils._tagging import TAG_OPTIONS, Tagger


def main(clock: Clock | None = None) -> None:
    """Run the module; ``clock`` is for tests."""
    module = MdeModule(options={**TAG_OPTIONS, **RATE_LIMIT_OPTIONS}, clock=clock)
    try:
        tagger = Tagger(module.params)
        result = tagger.run(module.connect(), module.warn, check_mode=module.check_mode)
    except MdeError as error:
        result = DeviceChanges(failure=error)
    module.exit(result)


if __name__ == "__main__":
    main()
