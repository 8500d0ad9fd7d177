#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_machine_exclusion
short_description: Exclude devices from vulnerability management in Microsoft Defender for Endpoint
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Excludes devices from Microsoft Defender Vulnerability Management, or includes them again. Excluded devices no longer count in
    its exposure score, and leave its pages and reports. They stay in the device inventory.
  - Reads the records first and sends one request for each device that differs.
  - Exclude a device only after it is offboarded, because excluding a device hides its vulnerabilities.
options:
  device_id:
    description:
      - Device IDs in Defender for Endpoint, or URLs of device pages in the portal. An empty list is a success.
      - Take the IDs from RV(secops.mde.mde_offboard_info#module:devices[].device_id), or find them with M(secops.mde.mde_machine_info).
    type: list
    elements: str
    required: true
  state:
    description:
      - Whether the devices should be excluded from vulnerability management.
    type: str
    choices:
      - excluded
      - included
    default: excluded
  reason:
    description:
      - Why the devices are excluded. If a device is already excluded for another reason, the module changes the reason. Not used with
        O(state=included).
    type: str
    choices:
      - InactiveDevice
      - DuplicateDevice
      - DeviceDoesNotExist
      - DeviceOutOfScope
      - Other
    default: InactiveDevice
extends_documentation_fragment:
  - secops.mde.connection
  - secops.mde.rate_limit
  - secops.mde.attributes
  - secops.mde.attributes.writes
attributes:
  idempotent:
    support: partial
    details:
      - The service can take hours to show a change in the record of a device. Until then, a second run sends the same request again
        and reports a change.
notes:
  - Microsoft documents exclusion for the portal only. The call and its reasons are in the service's own data model (C($metadata), August
    2026), and may not be available to every application. If the service responds with HTTP 403 or 404, exclude the devices in the portal.
  - The application needs the permission C(Machine.ReadWrite.All), with admin consent. This is assumed, because Microsoft does not
    document the permission.
  - The module reports what the service responds, and does not read the records afterwards. Microsoft states up to 10 hours until an
    exclusion has full effect, and up to 8 hours until it is revoked.
  - A device that fails does not stop the others. The task then fails at the end, with all devices in RV(devices).
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) and its libraries are available.
seealso:
  - module: secops.mde.mde_machine_tag
  - module: secops.mde.mde_offboard_info
  - name: Exclude devices
    description: Microsoft's documentation of exclusion in the portal.
    link: https://learn.microsoft.com/en-us/defender-endpoint/exclude-devices
"""

EXAMPLES = r"""
- name: Get the outcome of the offboard actions of last week
  secops.mde.mde_offboard_info:
    device_id:
      - 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
      - 2e5bc9d7e413ddd7902c2932e418702b84d0cc08
  delegate_to: localhost
  register: verification

- name: Exclude the devices that are offboarded
  secops.mde.mde_machine_exclusion:
    device_id: "{{ verification.devices | selectattr('outcome', 'eq', 'done') | map(attribute='device_id') }}"
  delegate_to: localhost

- name: Include a device that is back in use
  secops.mde.mde_machine_exclusion:
    device_id: 2e5bc9d7e413ddd7902c2932e418702b84d0cc08
    state: included
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: Number of devices that changed. On failure, what went wrong and how to fix it. One line.
  returned: always
  type: str
  sample: 2 of 2 devices changed
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
      description: Whether this run changed the exclusion of the device, or would change it.
      returned: always
      type: bool
    failed:
      description: Whether RV(devices[].error) is not V(null).
      returned: always
      type: bool
    excluded:
      description: Whether the device is excluded after this run. V(null) if that is not known, for example after a lost response.
      returned: always
      type: bool
    reason:
      description: Why the device is excluded. V(null) if it is not excluded.
      returned: always
      type: str
      sample: InactiveDevice
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
      description: Error code for conditionals, for example V(not_found), V(permission_missing), V(exclusion_unavailable) or V(devices_failed).
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
from ansible_collections.secops.mde.plugins.module_utils._exclusion import EXCLUSION_OPTIONS, Excluder
from ansible_collections.secops.mde.plugins.module_utils._module import MdeModule
from ansible_collections.secops.mde.plugins.module_utils._options.argument_spec import RATE_LIMIT_OPTIONS


def main(clock: Clock | None = None) -> None:
    """Run the module; ``clock`` is for tests."""
    module = MdeModule(options={**EXCLUSION_OPTIONS, **RATE_LIMIT_OPTIONS}, clock=clock)
    try:
        excluder = Excluder(module.params)
        result = excluder.run(module.connect(), module.warn, check_mode=module.check_mode)
    except MdeError as error:
        result = DeviceChanges(failure=error)
    module.exit(result)


if __name__ == "__main__":
    main()
