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
  - Finds devices by id, name, Entra device id, tag, health, onboarding or last report, and returns their records.
  - It returns all of them or fails. A page that cannot be read is an error, never a shorter list, and a record that does not
    fit the filters is left out, whatever the service sends.
extends_documentation_fragment:
  - secops.mde.machine_filter
  - secops.mde.connection
  - secops.mde.pacing
  - secops.mde.attributes
  - secops.mde.attributes.reads
notes:
  - The application needs the permission C(Machine.Read.All), with admin consent.
  - A read brings up to 10,000 devices. Some ninety ids share one.
  - The service lists devices that were seen within the tenant's retention, up to 180 days.
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) is used and its libraries are found.
seealso:
  - module: secops.mde.mde_offboard
  - plugin: secops.mde.mde_machines
    plugin_type: inventory
  - name: List machines API
    description: The service's own page on the call.
    link: https://learn.microsoft.com/en-us/defender-endpoint/api/get-machines
"""

EXAMPLES = r"""
- name: Find a device by its name
  secops.mde.mde_machine_info:
    device_name: lab-w11-07.corp.example
  delegate_to: localhost
  register: found

- name: Show its id
  ansible.builtin.debug:
    msg: "{{ found.machines | map(attribute='id') }}"

- name: Find what is onboarded and has not reported for 30 days
  secops.mde.mde_machine_info:
    last_seen_before: 30
    onboarding_status: Onboarded
  delegate_to: localhost
  register: stale

- name: Name them
  ansible.builtin.debug:
    msg: "{{ stale.machines | map(attribute='computerDnsName') }}"

- name: Find old workstations that somebody has marked, in the words of the service
  secops.mde.mde_machine_info:
    tag: retire
    filter: osPlatform eq 'Windows10' and riskScore ne 'High'
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: How many devices were found, or on failure what went wrong and what to do, in one line.
  returned: always
  type: str
  sample: 2 machines
machines:
  description:
    - The devices' records, the service's JSON as it came. Empty when none fits.
    - A record whose ID is not made of letters, digits and hyphens is left out with a warning that quotes the ID. It is an
      error where devices are asked for by ID, name or Entra device ID.
    - Half characters, numbers that JSON cannot carry, keys that ansible-core interprets, and very deep nesting are replaced.
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
  description: What it came to, and what it cost.
  returned: always
  type: dict
  contains:
    total:
      description: Number of devices.
      returned: always
      type: int
    api:
      description: The keys C(calls), C(retries) and C(throttled_seconds), without the sign-in.
      returned: always
      type: dict
context:
  description:
    - Who asked whom and when, with the keys C(tenant_id), C(client_id), C(api_url), C(collection_version), C(started_at) and
      C(finished_at).
  returned: always
  type: dict
error:
  description: On failure what went wrong, else V(null).
  returned: always
  type: dict
  contains:
    code:
      description: For playbooks to branch on, such as V(throttled) or V(permission_missing).
      returned: always
      type: str
    message:
      description: What happened.
      returned: always
      type: str
    http_status:
      description: Status of the answer behind it, V(null) where there was none.
      returned: always
      type: int
    correlation_id:
      description: To quote to Microsoft's support.
      returned: always
      type: str
    hint:
      description: What to do about it.
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
