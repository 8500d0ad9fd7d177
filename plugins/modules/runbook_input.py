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
  - The role P(secops.mde.mde#role) runs this action first. It reads the role's variables, checks all of them, and lists the
    devices that are meant. It sends no request.
  - It reads the variables as they apply to the current host and task. V(null) and empty text mean that a variable is unset. A
    variable that uses an undefined variable is an error, and never counts as unset.
  - Use it to check the variables at the start of a play, before steps of other systems run.
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
      - The inventory hosts that are the devices.
    type: list
    elements: str
    default: []
attributes:
  check_mode:
    description: Can run in check mode and return a prediction of what would change.
    support: full
    details:
      - It changes nothing in any mode.
  diff_mode:
    description: Returns what changed, or would change, when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row on the same state, the second run changes nothing.
    support: full
  platform:
    description: Where the module runs, and what it acts on.
    support: full
    platforms: all
    details:
      - It is an action plugin. It runs on the controller and needs no connection to the host.
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
  description: On failure, everything that is wrong, in words.
  returned: failure
  type: str
options:
  description: The values by the names of the variables without C(mde_), with defaults for those that are unset.
  returned: always
  type: dict
  sample:
    comment: CHG-1044 retired
    wait: true
errors:
  description: Everything that is wrong with the variables, each as a sentence.
  returned: always
  type: list
  elements: str
converted:
  description: The variables that arrived as another type and are used as text, each as a sentence. They are shown as warnings.
  returned: always
  type: list
  elements: str
devices:
  description: The devices, in the form that O(secops.mde.mde_offboard#module:devices) takes.
  returned: always
  type: list
  elements: dict
  sample:
    - device_name: pc-0101.corp.example
hosts:
  description: The inventory hosts of the devices, in their order. Empty where the devices are those of a list.
  returned: always
  type: list
  elements: str
unreached:
  description: A row for each device, with the keys of RV(secops.mde.mde_evidence#module:devices), for a run that does not come to it.
  returned: always
  type: list
  elements: dict
source:
  description: Where the devices come from, V(list), V(hosts) or V(host).
  returned: always
  type: str
run_once:
  description: Whether this task, or what includes it, runs once for all hosts.
  returned: always
  type: bool
"""
