#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_machine_action_info
short_description: Read machine actions of Microsoft Defender for Endpoint
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Reads machine actions, for example offboard actions, by ID, device, type, status or time. Returns the newest action first.
  - A machine action is the service's record of a request to a device, for example to offboard it. To follow up on offboarding days later,
    M(secops.mde.mde_offboard_info) also checks whether the device has come back.
  - It returns all matching actions, or it fails. If the service sends an action that does not match the filters, the action is omitted, with a
    warning.
options:
  action_id:
    description:
      - Action IDs, from RV(secops.mde.mde_offboard#module:action).
      - An action must match all filters that are set. It matches a filter with several values if it matches one of them. Without filters, all
        actions are returned.
      - An empty or null value is an error, and an empty list matches nothing. A template that renders as empty therefore never
        selects all actions.
    type: list
    elements: str
  device_id:
    description:
      - Device IDs in Defender for Endpoint, or URLs of device pages in the portal.
    type: list
    elements: str
  type:
    description:
      - Action types, for example V(Offboard), V(Isolate) or V(RunAntiVirusScan). A type that the collection does not know causes a
        warning.
    type: list
    elements: str
  status:
    description:
      - Statuses, for example V(Pending), V(InProgress), V(Succeeded), V(Failed), V(TimeOut) or V(Cancelled). Any other value causes a
        warning.
    type: list
    elements: str
  created_after:
    description:
      - Only actions that were created at this time or later. Specify a number of days before now, a date, or an ISO 8601 time. A time without
        a time zone is in UTC. Days are counted by the clock of the service.
    type: str
  created_before:
    description:
      - Only actions that were created before this. Takes the same values as O(created_after).
    type: str
  filter:
    description:
      - An OData filter expression, combined with the other filters by "and". For example V(requestor eq 'operator').
      - Do not insert untrusted text, as it becomes part of the query. The other options quote their values.
    type: str
  limit:
    description:
      - Maximum number of actions to return. The newest actions are returned.
    type: int
extends_documentation_fragment:
  - secops.mde.connection
  - secops.mde.rate_limit
  - secops.mde.attributes
  - secops.mde.attributes.reads
notes:
  - The application needs the permission C(Machine.Read.All), with admin consent. C(Machine.Offboard) does not allow it to read actions.
  - New actions appear in lists after a few seconds. If an action that you request by its ID is missing from the list, the module reads it
    individually.
  - How long the service keeps actions is not documented.
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) and its libraries are available.
seealso:
  - module: secops.mde.mde_offboard
  - module: secops.mde.mde_machine_action_cancel
  - name: List machine actions API
    description: Microsoft's documentation of the call.
    link: https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection
"""

EXAMPLES = r"""
- name: Follow up on an offboard action days later
  secops.mde.mde_machine_action_info:
    action_id: 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22
  delegate_to: localhost
  register: read

- name: Show its status
  ansible.builtin.debug:
    msg: "{{ read.machine_actions | map(attribute='status') }}"

- name: Find the offboard actions of the last week that did not succeed
  secops.mde.mde_machine_action_info:
    type: Offboard
    status:
      - Failed
      - TimeOut
    created_after: 7
  delegate_to: localhost

- name: Read the last action on a device
  secops.mde.mde_machine_action_info:
    device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    limit: 1
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: Number of actions found. On failure, what went wrong and how to fix it. One line.
  returned: always
  type: str
  sample: 1 machine action
machine_actions:
  description:
    - The actions, as JSON from the service, the newest first. Empty if none matches.
    - If an ID in a record contains anything but letters, digits and hyphens, the record is omitted, with a warning that quotes its ID. If you
      request actions by ID or device, such a record is an error.
  returned: always
  type: list
  elements: dict
  sample:
    - id: 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22
      type: Offboard
      status: Succeeded
      machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
      computerDnsName: lab-w11-07.corp.example
      requestor: 7e9d3c54-1b2a-4c3d-8e4f-001122334455
      requestorComment: CHG-1042 retired
      creationDateTimeUtc: "2026-02-03T04:05:06.1234567Z"
      lastUpdateDateTimeUtc: "2026-02-03T04:05:17.8234567Z"
summary:
  description: Number of actions, and number of API calls.
  returned: always
  type: dict
  contains:
    total:
      description: Number of actions.
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
from ansible_collections.secops.mde.plugins.module_utils._queries.action_filter import (
    ACTION_FILTER_OPTIONS,
    ActionFilter,
)
from ansible_collections.secops.mde.plugins.module_utils._results import ListResult


def main(clock: Clock | None = None) -> None:
    """Run the module; ``clock`` is for tests."""
    module = MdeModule(options=RATE_LIMIT_OPTIONS, filters=ACTION_FILTER_OPTIONS, clock=clock)
    try:
        action_filter = ActionFilter.from_options(module.params)
        actions = action_filter.find(module.connect(), module.warn)
    except MdeError as error:
        module.exit(ListResult("machine_actions", failure=error))
    module.exit(ListResult("machine_actions", tuple(action.record for action in actions)))


if __name__ == "__main__":
    main()
