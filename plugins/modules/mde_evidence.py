#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_evidence
short_description: Keep the evidence of offboards from Microsoft Defender for Endpoint
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Writes what M(secops.mde.mde_offboard) or M(secops.mde.mde_offboard_info) returned into three files, a JSON file that is
    complete, a CSV file for the ticket, and an HTML page to look at.
  - The files grow with each batch that is added, and each is replaced in one step, so that an aborted run leaves the evidence of
    what it did.
  - It sends nothing anywhere, and the page loads nothing from anywhere. Values from the service are escaped in the page, and in
    the CSV file no cell starts a formula.
options:
  path:
    description:
      - Where to write on the controller, without the end of the names; C(.json), C(.csv) and C(.html) are added. A relative path
        is relative to where Ansible was started.
      - Evidence there that is not complete is added to. One that is complete is never touched, and this one gets a number.
      - A folder that is missing is made, for its owner alone (mode 0700), and so are the files (mode 0600), because they name
        devices, people and reasons. A folder that is there keeps its mode. To let auditors read the files, change their mode
        with M(ansible.builtin.file) after the last batch.
      - A symbolic link, a FIFO or anything else that is not a regular file is refused in place of the files.
      - The folder is locked while its files are written, so that several tasks of one machine can add to the same evidence. A
        task waits up to 60 seconds for the lock. Where the file system has no locks, as some network file systems, the
        module warns.
    type: path
    required: true
  result:
    description:
      - What the module returned for this batch, as it was registered.
    type: dict
    required: true
  kind:
    description:
      - Whether O(result) is of M(secops.mde.mde_offboard) or of M(secops.mde.mde_offboard_info).
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
      - How many devices the whole run is for. By default as many as the evidence then holds.
    type: int
  complete:
    description:
      - Whether this is the last batch.
    type: bool
    default: true
  comment:
    description:
      - Why the run was made. By default what O(result) says of it, as RV(secops.mde.mde_offboard_info#module:comment) does.
    type: str
  run:
    description:
      - Who ran it, as far as that is known.
    type: dict
    suboptions:
      operator:
        description: The person or the account.
        type: str
      job_id:
        description: The number of the job.
        type: str
      job_url:
        description: The address of the job.
        type: str
      playbook:
        description: The name of the playbook.
        type: str
  tag:
    description:
      - The tag that was set afterwards.
    type: str
  tagged:
    description:
      - What M(secops.mde.mde_machine_tag) returned for this batch, as it was registered.
    type: dict
attributes:
  check_mode:
    description: Can run in check mode and return a prediction of what would change.
    support: full
    details:
      - It writes in check mode as well, and marks the evidence as a prediction.
  diff_mode:
    description: Returns what changed, or would change, when in diff mode.
    support: none
  idempotent:
    description: When run twice in a row on the same state, the second run changes nothing.
    support: none
    details:
      - Each run adds a batch. It never reports a change, as evidence is a record of the work and not a part of it.
  platform:
    description: Where the module runs, and what it acts on.
    support: full
    platforms: all
    details:
      - It always writes on the controller, as the user who runs Ansible, and connects to nothing. C(delegate_to), C(become) and
        the connection settings of the host have no effect.
  async:
    description: Supports being used with the C(async) keyword.
    support: none
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

- name: Keep the evidence
  secops.mde.mde_evidence:
    path: mde-evidence/CHG-1044
    result: "{{ fleet }}"
    comment: CHG-1044 retired
"""

RETURN = r"""
msg:
  description: What the evidence says, in one sentence, or on failure what went wrong and what to do.
  returned: always
  type: str
paths:
  description: The files, by the kinds C(json), C(csv) and C(html).
  returned: success
  type: dict
  sample:
    json: /srv/decommission/mde-evidence/CHG-1044.json
    csv: /srv/decommission/mde-evidence/CHG-1044.csv
    html: /srv/decommission/mde-evidence/CHG-1044.html
devices:
  description:
    - The devices of this batch in short, with the keys C(host), C(device_id), C(device_name), C(outcome), C(changed), C(failed),
      C(action_id), C(status), C(tagged) and C(message).
    - On failure as well, as the evidence can then lack them.
  returned: always
  type: list
  elements: dict
summary:
  description: How many devices the evidence has in C(total), and how many this batch has C(added).
  returned: success
  type: dict
"""
