#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_machine_info
short_description: Find devices in Microsoft Defender for Endpoint
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Finds devices by ID, name, Entra device ID, tag, health, onboarding or last report, and returns their records.
  - It returns all matching devices, or it fails. If the service sends a record that does not match the filters, the record is omitted, with a
    warning.
extends_documentation_fragment:
  - secops.mde.machine_filter
  - secops.mde.connection
  - secops.mde.rate_limit
  - secops.mde.attributes
  - secops.mde.attributes.reads
notes:
  - The application needs the permission C(Machine.Read.All), with admin consent.
  - One read returns up to 10,000 devices. If you request devices by ID, one read has about ninety IDs.
  - The service lists devices that were seen within the retention period of the tenant, up to 180 days.
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) and its libraries are available.
seealso:
  - module: secops.mde.mde_offboard
  - plugin: secops.mde.mde_machines
    plugin_type: inventory
  - name: List machines API
    description: Microsoft's documentation of the call.
    link: https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines
"""

EXAMPLES = r"""
- name: Find a device by its name
  secops.mde.mde_machine_info:
    device_name: lab-w11-07.corp.example
  delegate_to: localhost
  register: found

- name: Show its ID
  ansible.builtin.debug:
    msg: "{{ found.machines | map(attribute='id') }}"

- name: Find onboarded devices that have not reported for 30 days
  secops.mde.mde_machine_info:
    last_seen_before: 30
    onboarding_status: Onboarded
  delegate_to: localhost
  register: stale

- name: Show their names
  ansible.builtin.debug:
    msg: "{{ stale.machines | map(attribute='computerDnsName') }}"

- name: Find tagged Windows 10 devices with an OData filter
  secops.mde.mde_machine_info:
    tag: retire
    filter: osPlatform eq 'Windows10' and riskScore ne 'High'
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: Number of devices found. On failure, what went wrong and how to fix it. One line.
  returned: always
  type: str
  sample: 2 machines
machines:
  description:
    - The records of the devices, as JSON from the service. Empty if none matches.
    - If the ID of a record contains anything but letters, digits and hyphens, the record is omitted, with a warning that quotes the ID. If you
      request devices by ID, name or Entra device ID, such a record is an error.
    - The module replaces values that Ansible cannot return unchanged, such as unpaired surrogates, numbers that JSON cannot represent, keys that
      ansible-core interprets, and very deep nesting.
  returned: always
  type: list
  elements: dict
  sample:
    - id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
      computerDnsName: lab-w11-07.corp.example
      aadDeviceId: 11112222-bbbb-3333-cccc-4444dddd5555
      lastSeen: "2026-02-03T04:05:06.1234567Z"
      osPlatform: Windows11
      healthStatus: Active
      onboardingStatus: Onboarded
      machineTags: []
summary:
  description: Number of devices, and number of API calls.
  returned: always
  type: dict
  contains:
    total:
      description: Number of devices.
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
      description: Error code for conditionals, for example V(throttled) or V(permission_missing).
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
from ansible_collections.secops.mde.plugins.module_utils._errors import MdeError
from ansible_collections.secops.mde.plugins.module_utils._module import MdeModule
from ansible_collections.secops.mde.plugins.module_utils._options.argument_spec import RATE_LIMIT_OPTIONS
from ansible_collections.secops.mde.plugins.module_utils._queries.machine_filter import (
    MACHINE_FILTER_OPTIONS,
    MachineFilter,
)
from ansible_collections.secops.mde.plugins.module_utils._results import ListResult


def main(clock: Clock | None = None) -> None:
    """Run the module; ``clock`` is for tests."""
    module = MdeModule(options=RATE_LIMIT_OPTIONS, filters=MACHINE_FILTER_OPTIONS, clock=clock)
    try:
        machine_filter = MachineFilter.from_options(module.params)
        machines = machine_filter.find(module.connect(), module.warn)
    except MdeError as error:
        module.exit(ListResult("machines", failure=error))
    module.exit(ListResult("machines", tuple(machine.record for machine in machines)))


if __name__ == "__main__":
    main()
