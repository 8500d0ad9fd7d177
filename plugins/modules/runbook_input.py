#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: runbook_input
short_description: Check the variables of the role secops.mde.mde and list its devices
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Reads the variables of the role P(secops.mde.mde#role), checks all of them, and returns what the role would offboard or verify. It
    sends no request, so it does not check that the devices exist.
  - Use it to check the variables at the start of a play, before the steps for other systems run. Define the variables for the play, so that
    both this task and the role use them. If the devices are a list, set C(run_once) for this task, or use a play for localhost, as for the
    role.
  - It reads the variables as they apply to the current host and task. V(null) and empty text mean that a variable is unset. The task fails
    if the value of a variable uses an undefined variable, or if the name of a variable looks misspelled, such as C(mde_comments).
  - In a slice of an AWX job template, the task fails for a list in a play for localhost, and if C(mde_max_devices) is not set, because a
    slice does not know the other slices.
  - The role itself uses this module as its first task.
options:
  entry_point:
    description:
      - The entry point of the role whose variables are read.
    type: str
    choices:
      - offboard
      - verify
    default: offboard
  source:
    description:
      - With V(any), the devices are those of C(mde_devices) or C(mde_devices_file), or else the current host alone.
      - With V(list), one of the two variables is required.
      - With V(hosts), the devices are O(hosts).
    type: str
    choices:
      - any
      - list
      - hosts
    default: any
  hosts:
    description:
      - The inventory hosts whose devices to list. Used with O(source=hosts) only.
    type: list
    elements: str
    default: []
extends_documentation_fragment:
  - secops.mde.attributes.controller
attributes:
  check_mode:
    description: Can run in check mode and return a prediction of what would change.
    support: full
    details:
      - It changes nothing in any mode.
  idempotent:
    description: When run twice in a row on the same state, the second run changes nothing.
    support: full
seealso:
  - module: secops.mde.mde_offboard
"""

EXAMPLES = r"""
- name: Check the variables before the first step of a decommission
  secops.mde.runbook_input:
  register: checked
  vars:
    mde_comment: CHG-1044 retired
    mde_wait: "yes"
"""

RETURN = r"""
msg:
  description: All errors, as sentences.
  returned: failure
  type: str
options:
  description: The values of the variables, with defaults for those that are unset. The keys are the names without C(mde_).
  returned: always
  type: dict
  sample:
    comment: CHG-1044 retired
    wait: true
errors:
  description: The errors of the variables, each as a sentence.
  returned: always
  type: list
  elements: str
converted:
  description: The variables that are used as text although they have another type, each as a sentence. They are shown as warnings.
  returned: always
  type: list
  elements: str
devices:
  description: The devices, in the form that O(secops.mde.mde_offboard#module:devices) takes. Empty with O(entry_point=verify).
  returned: always
  type: list
  elements: dict
  sample:
    - device_name: pc-0101.corp.example
hosts:
  description: The inventory hosts of the devices, in the order of RV(devices). Empty if the devices are from a list.
  returned: always
  type: list
  elements: str
action_ids:
  description: The action IDs to verify, with O(entry_point=verify). If neither C(mde_evidence) nor C(mde_action_ids) is set, they are from
    the artifacts of earlier jobs.
  returned: always
  type: list
  elements: str
device_ids:
  description: The IDs of devices in these artifacts that failed without an action. Used with O(entry_point=verify) only.
  returned: always
  type: list
  elements: str
artifacts:
  description: The names of the artifacts, for example C(mde_offboard_4711), which a workflow passes on as variables.
  returned: always
  type: list
  elements: str
unreached:
  description: For each device, the result that the role returns if it ends before it reaches the device, with the keys of
    RV(secops.mde.mde_evidence#module:devices).
  returned: always
  type: list
  elements: dict
source:
  description: Where the devices come from, V(list), V(hosts) or V(host), which is the current host. It can be V(any) on failure, and
    with O(entry_point=verify).
  returned: always
  type: str
prediction:
  description: Whether this task runs in check mode, also if a block or an include around it sets that.
  returned: always
  type: bool
run_once:
  description: Whether C(run_once) is set for this task, or for a block or an include around it.
  returned: always
  type: bool
"""
