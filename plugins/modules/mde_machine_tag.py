#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_machine_tag
short_description: Set or remove a tag on devices in Microsoft Defender for Endpoint
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Sets one tag on devices, or removes it, and leaves their other tags alone. With a tag and a device group, retired devices can
    be kept out of dashboards.
  - It reads first and touches only what differs, with one call for up to 500 devices. Afterwards the records must show the tag.
options:
  device_id:
    description:
      - Ids of devices in MDE, or addresses of their pages in the portal. An empty list is success.
    type: list
    elements: str
    required: true
  tag:
    description:
      - The tag, one line of at most 200 characters. It is compared with case.
    type: str
    required: true
  state:
    description:
      - Whether the devices are to have the tag.
    type: str
    choices:
      - present
      - absent
    default: present
extends_documentation_fragment:
  - secops.mde.connection
  - secops.mde.pacing
  - secops.mde.attributes
  - secops.mde.attributes.writes
notes:
  - The application needs the permission C(Machine.ReadWrite.All), with admin consent.
  - The service documents tagging for devices that were seen in the last 30 days. Tag right after the offboard, not in a clean-up
    weeks later.
  - One device that is unknown or refused stops no other. The task then fails at the end, with all of them in RV(devices).
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) is used and its libraries are found.
seealso:
  - module: secops.mde.mde_machine_info
  - name: Add or remove a tag for multiple machines API
    description: The service's own page on the call.
    link: https://learn.microsoft.com/en-us/defender-endpoint/api/add-or-remove-multiple-machine-tags
"""

EXAMPLES = r"""
- name: Mark a device as retired
  secops.mde.mde_machine_tag:
    device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    tag: retired
  delegate_to: localhost

- name: Find what is marked as loaned
  secops.mde.mde_machine_info:
    tag: loaned
  delegate_to: localhost
  register: loaned

- name: Take the mark off all of them
  secops.mde.mde_machine_tag:
    device_id: "{{ loaned.machines | map(attribute='id') }}"
    tag: loaned
    state: absent
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: How many devices changed, or on failure what went wrong and what to do, in one line.
  returned: always
  type: str
  sample: 1 of 1 devices changed
devices:
  description: Each device, in the order asked. Empty when the options were refused, or the reads failed.
  returned: always
  type: list
  elements: dict
  contains:
    device_id:
      description: Id of the device.
      returned: always
      type: str
    device_name:
      description: Name of the device as the service gave it.
      returned: always
      type: str
    changed:
      description: Whether this run changed its tags, or would.
      returned: always
      type: bool
    failed:
      description: Whether RV(devices[].error) is not V(null).
      returned: always
      type: bool
    tags:
      description: Its tags afterwards.
      returned: always
      type: list
      elements: str
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
      description: Number of devices.
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
      description: For playbooks to branch on, such as V(not_found), V(permission_missing) or V(devices_failed).
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
from ansible_collections.secops.mde.plugins.module_utils._tagging import TAG_OPTIONS, Tagger, TagRequest, TagResults


def main(clock: Clock | None = None) -> None:
    """Run the module; ``clock`` is for tests."""
    module = MdeModule(options={**TAG_OPTIONS, **RATE_LIMIT_OPTIONS}, clock=clock)
    try:
        request = TagRequest.from_options(module.params)
        tagger = Tagger(module.connect(), request, warn=module.warn)
        devices = tagger.run(check_mode=module.check_mode)
    except MdeError as error:
        module.exit(TagResults(failure=error))
    module.exit(TagResults(tuple(devices), predicted=module.check_mode))


if __name__ == "__main__":
    main()
