#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_machine_action_cancel
short_description: Cancel one pending machine action of Microsoft Defender for Endpoint
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Cancels one machine action by its ID, if the action has not ended. This is the only way to stop an offboard action.
  - The action can end before it is cancelled. The module therefore reads the action again for up to 15 seconds and reports what it finds.
options:
  action_id:
    description:
      - ID of the action, from RV(secops.mde.mde_offboard#module:action) or M(secops.mde.mde_machine_action_info). It is not the device ID.
    type: str
    required: true
  comment:
    description:
      - Why the action is cancelled, for example the ticket number. The service stores it with the action.
    type: str
    required: true
extends_documentation_fragment:
  - secops.mde.connection
  - secops.mde.rate_limit
  - secops.mde.attributes
  - secops.mde.attributes.writes
notes:
  - The application needs C(Machine.Read.All) and one of the permissions for machine actions, for example C(Machine.Offboard), with
    admin consent.
  - If the action is already cancelled, the task succeeds without a change. If it ended with another status, the task fails with the code
    V(too_late), so that the device is not assumed to be still onboarded.
  - In rare cases, an action has the status C(Cancelled) although the device carried it out at the same moment. If in doubt, check the next
    report of the device.
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) and its libraries are available.
seealso:
  - module: secops.mde.mde_machine_action_info
  - name: Cancel machine action API
    description: Microsoft's documentation of the call.
    link: https://learn.microsoft.com/en-us/defender-endpoint/api/cancel-machine-action
"""

EXAMPLES = r"""
- name: Cancel a pending offboard action
  secops.mde.mde_machine_action_cancel:
    action_id: 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22
    comment: CHG-1042 withdrawn, the device stays
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What happened. On failure, what went wrong and how to fix it. One line.
  returned: always
  type: str
cancelled:
  description: Whether the action is cancelled, or would be cancelled in check mode.
  returned: always
  type: bool
  sample: true
action:
  description:
    - The action as last read, as JSON from the service. V(null) if it could not be read.
    - In check mode, the action as a real run would leave it.
  returned: always
  type: dict
  sample:
    id: 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22
    type: Offboard
    status: Cancelled
    machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    cancellationComment: CHG-1042 withdrawn, the device stays
summary:
  description: Number of actions, and number of API calls.
  returned: always
  type: dict
  contains:
    total:
      description: Always 1.
      returned: always
      type: int
    changed:
      description: Number of actions that changed.
      returned: always
      type: int
    failed:
      description: Number of actions that failed.
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
      description: Error code for conditionals, for example V(too_late), V(not_found), V(cancel_pending) or V(permission_missing).
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
        result = CancelResult(failure=error)
    module.exit(result)


if __name__ == "__main__":
    main()
