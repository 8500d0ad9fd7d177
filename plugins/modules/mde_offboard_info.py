#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_offboard_info
short_description: Tell what became of offboards from Microsoft Defender for Endpoint
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Days after an offboard it reads the actions and the records of the devices, and gives a verdict on each.
  - It takes the evidence of an earlier run, ids of actions, or ids of devices. A device that an earlier run has not found or was
    refused is in the result as well.
  - It only reads, and a verdict is no failure of the task; what a playbook fails for is its own affair. The task fails when
    something cannot be read.
options:
  evidence:
    description:
      - The JSON file of an earlier run, as M(secops.mde.mde_evidence) wrote it. That of another tenant is refused. A warning tells
        where it is a prediction, or of a run that did not come to its end. Its entries are checked as the other options are.
    type: path
  action_id:
    description:
      - Ids of offboards, as RV(secops.mde.mde_offboard#module:action) has them.
    type: list
    elements: str
  device_id:
    description:
      - Ids of devices in MDE, or addresses of their pages in the portal.
    type: list
    elements: str
extends_documentation_fragment:
  - secops.mde.connection
  - secops.mde.pacing
  - secops.mde.attributes
  - secops.mde.attributes.reads
notes:
  - The application needs the permission C(Machine.Read.All), with admin consent.
  - Only an offboard on the device itself counts. An action that evidence names for one device, and that is on another, proves
    nothing; the device then has its own offboards, or fails with the code V(wrong_device).
  - All offboards of a device count, not only the one that is named. One that is under way counts before all others, and a success
    whose device has not come back counts before what was tried later.
  - A device has come back when its record says onboarded and shows a full report more than 24 hours after the offboard ended,
    whatever its health state. A record that has aged out cannot have.
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) is used and its libraries are found.
seealso:
  - module: secops.mde.mde_offboard
  - module: secops.mde.mde_machine_action_info
"""

EXAMPLES = r"""
- name: See what became of an offboard
  secops.mde.mde_offboard_info:
    action_id: 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22
  delegate_to: localhost
  register: later

- name: Tell it
  ansible.builtin.debug:
    msg: "{{ later.msg }}"

- name: See whether a device has stayed away
  secops.mde.mde_offboard_info:
    device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
  delegate_to: localhost
  register: stayed
  failed_when: stayed.failed or stayed.devices[0].outcome == 'came_back'
"""

RETURN = r"""
msg:
  description: The verdict on one device, or how many have which; on failure what went wrong and what to do. One line.
  returned: always
  type: str
  sample: 41 done, 3 pending, 1 timed_out
comment:
  description: Why the run of O(evidence) was made, as it has written it down. V(null) without one, and on failure.
  returned: always
  type: str
  sample: CHG-1044 retired
devices:
  description: Each device, in the order asked.
  returned: always
  type: list
  elements: dict
  contains:
    requested:
      description: The device as the earlier run had been asked for it.
      returned: always
      type: dict
    host:
      description: The inventory host that it was in the earlier run, if there was one.
      returned: always
      type: str
    device_id:
      description: Id of the device, V(null) where none is known.
      returned: always
      type: str
    device_name:
      description: Name of the device.
      returned: always
      type: str
    outcome:
      description:
        - V(done), an offboard succeeded and the device was not seen since. V(came_back), it was.
        - V(pending), an offboard is under way. V(failed), V(timed_out) and V(cancelled), the last one ended so.
        - V(no_action), the service knows of none. V(error), it could not be read.
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
      description: The action that speaks for the verdict, the service's JSON as it came.
      returned: always
      type: dict
    machine:
      description: The device's record now, the service's JSON as it came. V(null) where it has aged out.
      returned: always
      type: dict
    candidates:
      description: Always empty; for the same shape as in M(secops.mde.mde_offboard).
      returned: always
      type: list
      elements: dict
    error:
      description: As RV(error), for this device.
      returned: always
      type: dict
summary:
  description: What it came to, and what it cost.
  returned: always
  type: dict
  contains:
    total:
      description: Number of devices. Beside it there is one key for each outcome.
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
from ansible_collections.secops.mde.plugins.module_utils._verification.targets import VERIFY_OPTIONS, parse_targets
from ansible_collections.secops.mde.plugins.module_utils._verification.verification import VerificationResult, Verifier


def main(clock: Clock | None = None) -> None:
    """Run the module; ``clock`` is for tests."""
    module = MdeModule(
        options={**VERIFY_OPTIONS, **RATE_LIMIT_OPTIONS}, clock=clock, required_one_of=[list(VERIFY_OPTIONS)]
    )
    try:
        request = parse_targets(module.params)
        devices = Verifier(module.connect(), module.warn).run(request)
    except MdeError as error:
        module.exit(VerificationResult(failure=error))
    module.exit(VerificationResult(tuple(devices), request.comment))


if __name__ == "__main__":
    main()
