#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_machine_action_cancel
short_description: Cancel one queued machine action of Microsoft Defender for Endpoint
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Cancels the one machine action that is named by its id, as long as it has not ended. It is the only way to take back an
    offboard whose device has not picked it up yet.
  - The work can win the race. The action is therefore read again afterwards, for up to 15 seconds, and what was found decides.
options:
  action_id:
    description:
      - Id of the action, as RV(secops.mde.mde_offboard#module:action) has it. It is not the id of the device.
    type: str
    required: true
  comment:
    description:
      - Why it is cancelled, for example the ticket's number. It is kept with the action.
    type: str
    required: true
extends_documentation_fragment:
  - secops.mde.connection
  - secops.mde.pacing
  - secops.mde.attributes
  - secops.mde.attributes.writes
notes:
  - The application needs C(Machine.Read.All) and any one permission for machine actions, such as C(Machine.Offboard), with admin
    consent.
  - An action that was cancelled before is success and unchanged. One that has ended otherwise fails with the code V(too_late), so
    that nobody takes the device for kept.
  - It has been seen that an action reads as cancelled although the device carried it out in the same moment. Look at the device's
    next report when it matters.
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) is used and its libraries are found.
seealso:
  - module: secops.mde.mde_machine_action_info
  - name: Cancel machine action API
    description: The service's own page on the call.
    link: https://learn.microsoft.com/en-us/defender-endpoint/api/cancel-machine-action
"""

EXAMPLES = r"""
- name: Take back an offboard that is still queued
  secops.mde.mde_machine_action_cancel:
    action_id: 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22
    comment: CHG-1042 withdrawn, the device stays
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What happened, or on failure what went wrong and what to do, in one line.
  returned: always
  type: str
cancelled:
  description: Whether the action is cancelled now, or would be.
  returned: always
  type: bool
  sample: true
action:
  description:
    - The action as it was read last, the service's JSON as it came. V(null) where it could not be read.
    - In check mode as it would become.
  returned: always
  type: dict
  sample:
    id: 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22
    type: Offboard
    status: Cancelled
    machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    cancellationComment: CHG-1042 withdrawn, the device stays
summary:
  description: What it came to, and what it cost.
  returned: always
  type: dict
  contains:
    total:
      description: Always 1.
      returned: always
      type: int
    changed:
      description: How many changed.
      returned: always
      type: int
    failed:
      description: How many failed.
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
      description: For playbooks to branch on, such as V(too_late), V(not_found), V(cancel_pending) or V(permission_missing).
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

from ansible_collections.secops.mde.plugins.module_utils._cancellation import (
    CANCEL_OPTIONS,
    ActionCanceller,
    CancelResult,
)
from ansible_collections.secops.mde.plugins.module_utils._clock import Clock
from ansible_collections.secops.mde.plugins.module_utils._errors import MdeError
from ansible_collections.secops.mde.plugins.module_utils._module import MdeModule
from ansible_collections.secops.mde.plugins.module_utils._options.argument_spec import RATE_LIMIT_OPTIONS
from ansible_collections.secops.mde.plugins.module_utils._options.identifiers import clean_action_id, clean_comment


def main(clock: Clock | None = None) -> None:
    """Run the module; ``clock`` is for tests."""
    module = MdeModule(options={**CANCEL_OPTIONS, **RATE_LIMIT_OPTIONS}, clock=clock)
    try:
        action_id, comment = clean_action_id(module.params["action_id"]), clean_comment(module.params["comment"])
        canceller = ActionCanceller(module.connect(), module.warn)
        result = canceller.run(action_id, comment, check_mode=module.check_mode)
    except MdeError as error:
        module.exit(CancelResult(failure=error))
    module.exit(result)


if __name__ == "__main__":
    main()
