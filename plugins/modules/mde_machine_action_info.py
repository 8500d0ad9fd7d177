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
  - Reads machine actions, such as offboards, by id, device, type, status or time, and returns them with the newest first.
  - An action is the proof of an offboard. Days later this module tells what became of it.
  - It returns all of them or fails. A page that cannot be read is an error, never a shorter list.
options:
  action_id:
    description:
      - Ids of actions, as RV(secops.mde.mde_offboard#module:action) has them.
      - An action must fit every filter that is given, and one of the values of each. Without any filter all are returned.
      - A blank or null value is refused, and an empty list finds nothing, so that a template that came out empty never means all.
    type: list
    elements: str
  device_id:
    description:
      - Ids of devices in MDE, or addresses of their pages in the portal.
    type: list
    elements: str
  type:
    description:
      - Types of actions, such as V(Offboard), V(Isolate) or V(RunAntiVirusScan). A type that the service is not known to have
        gets a warning.
    type: list
    elements: str
  status:
    description:
      - States, of V(Pending), V(InProgress), V(Succeeded), V(Failed), V(TimeOut) and V(Cancelled). Another one gets a warning.
    type: list
    elements: str
  created_after:
    description:
      - Only actions that were not created before this, which is a number of days before now, a date, or an ISO time. A time
        without a zone is in UTC. Days are counted by the service's clock.
    type: str
  created_before:
    description:
      - Only actions that were created before this, in the same forms as O(created_after).
    type: str
  filter:
    description:
      - A condition in the service's own words (OData), that must hold beside the others, such as V(requestor eq 'operator').
      - Text from elsewhere does not belong here, as it becomes part of the query. The other options quote theirs.
    type: str
  limit:
    description:
      - Return so many actions at most, the newest.
    type: int
extends_documentation_fragment:
  - secops.mde.connection
  - secops.mde.pacing
  - secops.mde.attributes
  - secops.mde.attributes.reads
notes:
  - The application needs the permission C(Machine.Read.All), with admin consent. C(Machine.Offboard) alone does not let it
    read actions.
  - Lists lag behind by some seconds. An action that is asked for by its id and missing from the list is read once more by itself.
  - How long the service keeps actions is not documented.
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) is used and its libraries are found.
seealso:
  - module: secops.mde.mde_offboard
  - module: secops.mde.mde_machine_action_cancel
  - name: List machine actions API
    description: The service's own page on the call.
    link: https://learn.microsoft.com/en-us/defender-endpoint/api/get-machineactions-collection
"""

EXAMPLES = r"""
- name: See days later what became of an offboard
  secops.mde.mde_machine_action_info:
    action_id: 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22
  delegate_to: localhost
  register: read

- name: Show it
  ansible.builtin.debug:
    msg: "{{ read.machine_actions | map(attribute='status') }}"

- name: Find the offboards of the last week that did not get through
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
  description: How many actions were found, or on failure what went wrong and what to do, in one line.
  returned: always
  type: str
  sample: 1 machine action
machine_actions:
  description:
    - The actions, the service's JSON as it came, the newest first. Empty when none fits.
    - A record whose IDs are not made of letters, digits and hyphens is left out with a warning that quotes the ID. It is an
      error where actions are asked for by ID or device.
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
  description: What it came to, and what it cost.
  returned: always
  type: dict
  contains:
    total:
      description: Number of actions.
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
