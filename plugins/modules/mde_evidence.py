#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_evidence
short_description: Write evidence of offboarding to files
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Writes the result of M(secops.mde.mde_offboard) or M(secops.mde.mde_offboard_info) to three files. The JSON file is complete, the CSV
    file is for the ticket, and the HTML page is for reading.
  - A run with several batches calls the module after each of them, so that an aborted run leaves the evidence of what it did. Each file is
    replaced in one step.
  - The module sends nothing over the network, and the HTML page loads nothing. Values from the service are escaped in the page, and no cell
    of the CSV file starts a formula.
options:
  path:
    description:
      - Path of the files on the controller, without extension; C(.json), C(.csv) and C(.html) are added. A relative path is relative to the
        directory where you start Ansible.
      - If the evidence at this path is not complete, see O(complete), the batch is added to it. Complete evidence is never changed. New
        evidence for the same path then gets a number in its name.
      - Only the owner can read the files (mode 0600) and the directories that the module creates (mode 0700), because the evidence names
        devices and people. The mode of an existing directory does not change. To let auditors read the files, change their mode with
        M(ansible.builtin.file) after the last batch.
      - The task fails if one of the files exists and is not a regular file, for example a symbolic link.
      - Several tasks on one machine can add to the same evidence. The module locks the directory, and waits up to 60 seconds for the lock. If
        the file system does not support locks, a warning is shown.
    type: path
    required: true
  result:
    description:
      - The result of this batch, as registered by the task that offboards or verifies.
    type: dict
    required: true
  kind:
    description:
      - V(offboard) if O(result) is from M(secops.mde.mde_offboard), V(verify) if it is from M(secops.mde.mde_offboard_info).
    type: str
    choices:
      - offboard
      - verify
    default: offboard
  hosts:
    description:
      - The inventory hosts of the devices, in the order of RV(secops.mde.mde_offboard#module:devices).
    type: list
    elements: str
    default: []
  device_count:
    description:
      - Total number of devices of the run. The default is the number of devices in the evidence.
    type: int
  complete:
    description:
      - Whether this is the last batch.
    type: bool
    default: true
  comment:
    description:
      - Why the run was made. The default is the comment in O(result), for example RV(secops.mde.mde_offboard_info#module:comment).
    type: str
  run:
    description:
      - Who started the run, if known.
    type: dict
    suboptions:
      operator:
        description: The user or account.
        type: str
      job_id:
        description: The ID of the job.
        type: str
      job_url:
        description: The URL of the job.
        type: str
      playbook:
        description: The name of the playbook.
        type: str
  tag:
    description:
      - The tag that was added to the devices after offboarding.
    type: str
  tagged:
    description:
      - The result of M(secops.mde.mde_machine_tag) for this batch, as registered.
    type: dict
extends_documentation_fragment:
  - secops.mde.attributes.controller
attributes:
  check_mode:
    description: Can run in check mode and return a prediction of what would change.
    support: full
    details:
      - It writes the files in check mode as well, and marks the evidence as a prediction.
  idempotent:
    description: When run twice in a row on the same state, the second run changes nothing.
    support: none
    details:
      - Each run adds a batch. It never reports a change, because evidence is a record of the work and not part of it.
seealso:
  - module: secops.mde.mde_offboard
  - module: secops.mde.mde_offboard_info
"""

EXAMPLES = r"""
- name: Offboard a list
  secops.mde.mde_offboard:
    devices:
      - device_name: lab-w11-07.corp.example
      - device_name: pc-0102.corp.example
    comment: CHG-1044 retired
  delegate_to: localhost
  register: fleet

- name: Write the evidence
  secops.mde.mde_evidence:
    path: mde-evidence/CHG-1044
    result: "{{ fleet }}"
    comment: CHG-1044 retired
"""

RETURN = r"""
msg:
  description: What the evidence shows, in one sentence. On failure, what went wrong and how to fix it.
  returned: always
  type: str
paths:
  description: The paths of the files, with the keys C(json), C(csv) and C(html).
  returned: success
  type: dict
  sample:
    json: /srv/decommission/mde-evidence/CHG-1044.json
    csv: /srv/decommission/mde-evidence/CHG-1044.csv
    html: /srv/decommission/mde-evidence/CHG-1044.html
devices:
  description:
    - A summary of the devices of this batch, with the keys C(host), C(device_id), C(device_name), C(outcome), C(changed), C(failed),
      C(action_id), C(status), C(tagged) and C(message).
    - It is also returned on failure, when the evidence may lack these devices.
  returned: always
  type: list
  elements: dict
summary:
  description: Number of devices in the evidence (C(total)), and number of devices that this batch added (C(added)).
  returned: success
  type: dict
"""
