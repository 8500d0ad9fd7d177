#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_offboard_info
short_description: Get the outcome of offboard actions in Microsoft Defender for Endpoint
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Reads the offboard actions and the records of devices, days after a run, and returns an outcome for each device.
  - Takes the evidence of an earlier run, action IDs, or device IDs. With evidence, the result includes devices that the earlier run did
    not find, and devices that the service refused to offboard.
  - The module only reads. The task fails if something cannot be read. To fail for an outcome such as V(came_back), use C(failed_when).
options:
  evidence:
    description:
      - Path of the JSON file of an earlier run, as M(secops.mde.mde_evidence) wrote it. Evidence of another tenant is an error. If the
        evidence is a prediction, or the earlier run was not completed, a warning says so.
    type: path
  action_id:
    description:
      - IDs of offboard actions, from RV(secops.mde.mde_offboard#module:action).
    type: list
    elements: str
  device_id:
    description:
      - Device IDs in Defender for Endpoint, or URLs of device pages in the portal.
    type: list
    elements: str
extends_documentation_fragment:
  - secops.mde.connection
  - secops.mde.rate_limit
  - secops.mde.attributes
  - secops.mde.attributes.reads
notes:
  - The application needs the permission C(Machine.Read.All), with admin consent.
  - All offboard actions of a device count, not only the one that you or the evidence name. An action that has not ended determines the
    outcome. Otherwise, an action that succeeded does, unless the device has come back. Otherwise, the newest action does.
  - If the named action is on another device or of another type, the other offboard actions of the device determine the outcome. If there
    are none, the device fails with the code V(wrong_device) or V(wrong_action).
  - A device has come back if it is onboarded and its last full report is more than 24 hours after the end of the offboard action,
    whatever its health state. A device whose record has expired has not come back.
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) and its libraries are available.
seealso:
  - module: secops.mde.mde_offboard
  - module: secops.mde.mde_machine_action_info
"""

EXAMPLES = r"""
- name: Get the outcome of an offboard action
  secops.mde.mde_offboard_info:
    action_id: 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22
  delegate_to: localhost
  register: verification

- name: Show the outcome
  ansible.builtin.debug:
    msg: "{{ verification.msg }}"

- name: Fail if a device has come back
  secops.mde.mde_offboard_info:
    device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
  delegate_to: localhost
  register: verification
  failed_when: verification.failed or verification.devices[0].outcome == 'came_back'
"""

RETURN = r"""
msg:
  description: The outcome of one device, or the number of devices with each outcome. On failure, what went wrong and how to fix it.
    One line.
  returned: always
  type: str
  sample: 41 done, 3 pending, 1 timed_out
comment:
  description: The comment of the run that wrote O(evidence). V(null) without evidence, and on failure.
  returned: always
  type: str
  sample: CHG-1044 retired
evidence_is_prediction:
  description: Whether O(evidence) is from check mode, which offboards nothing that can be verified.
  returned: always
  type: bool
  sample: false
devices:
  description: The result of each device, in the order requested.
  returned: always
  type: list
  elements: dict
  contains:
    requested:
      description: The device as requested in the earlier run, or in this task.
      returned: always
      type: dict
    host:
      description: The inventory host of the device in the earlier run, if there was one.
      returned: always
      type: str
    device_id:
      description: Device ID. V(null) if it is not known.
      returned: always
      type: str
    device_name:
      description: Device name.
      returned: always
      type: str
    outcome:
      description:
        - V(done) - an offboard action succeeded, and the device has not come back. V(came_back) - an offboard action succeeded, and the
          device has come back.
        - V(pending) - an offboard action has not ended, and has the status C(Pending) or C(InProgress). V(failed), V(timed_out) and
          V(cancelled) - the newest offboard action ended with this status.
        - V(no_action) - the service has no offboard action of the device. V(error) - the outcome cannot be read, or the named action
          is not an offboard action of the device.
      returned: always
      type: str
      sample: done
    changed:
      description: Always false.
      returned: always
      type: bool
    failed:
      description: Whether RV(devices[].error) is not V(null).
      returned: always
      type: bool
    action:
      description: The action that determines the outcome, as JSON from the service.
      returned: always
      type: dict
    machine:
      description: The current record of the device, as JSON from the service. V(null) if it has expired.
      returned: always
      type: dict
    candidates:
      description: Always empty. It exists for compatibility with M(secops.mde.mde_offboard).
      returned: always
      type: list
      elements: dict
    error:
      description: The error of this device, see RV(error).
      returned: always
      type: dict
summary:
  description: Number of devices with each outcome, and number of API calls.
  returned: always
  type: dict
  contains:
    total:
      description: Number of devices. There is also one key for each outcome.
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
      description: Error code for conditionals, for example V(throttled), V(permission_missing), V(wrong_device) or V(wrong_action).
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
from ansible_collections.secops.mde.plugins.module_utils._verification.targets import VERIFY_OPTIONS, parse_targets
from ansible_collections.secops.mde.plugins.module_utils._verification.verification import VerificationResult, Verifier


def main(clock: Clock | None = None) -> None:
    """Run the module; ``clock`` is for tests."""
    module = MdeModule(
        options={**VERIFY_OPTIONS, **RATE_LIMIT_OPTIONS}, clock=clock, required_one_of=[list(VERIFY_OPTIONS)]
    )
    try:
        request = parse_targets(module.params)
        result = Verifier(module.connect(), module.warn).run(request)
    except MdeError as error:
        result = VerificationResult(failure=error)
    module.exit(result)


if __name__ == "__main__":
    main()
