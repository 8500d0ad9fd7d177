#!/usr/bin/python
# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: mde_offboard
short_description: Offboard devices from Microsoft Defender for Endpoint
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Takes a device, or a whole list of them, out of Microsoft Defender for Endpoint (MDE) through the service's public API.
  - It looks before it acts. A device must be exactly one, an offboard that is under way or done is not repeated, and a
    lookup that fails is never taken for an absence.
  - Nothing runs on the device itself, which may be switched off. The service keeps the action for some three days, and
    carries it out when the device comes online.
  - Only the sensor stops. The device's record becomes inactive after seven days and stays in the inventory for up to 180
    days. There is no way back in the console; a device is onboarded again on the device.
options:
  device_id:
    description:
      - Id of the device in MDE, in general 40 digits, or the whole address of its page in the portal.
      - Of O(device_id), O(device_name) and O(aad_device_id) at least one is needed, unless O(devices) is given. All that are
        given must name the same device, which makes a second one a safeguard.
      - A blank identifier counts as not given.
    type: str
  device_name:
    description:
      - Name of the device, compared whole and without case. There are no wildcards. It is any text of at most 255 characters
        without control characters and line breaks, as some of the service's own names are.
      - A name that several devices have is refused, and the devices are listed in RV(devices[].candidates).
      - Beside an id the name is a safeguard only, and a short name then also fits the full one.
    type: str
  aad_device_id:
    description:
      - The Microsoft Entra device id, a GUID. It is not the object id of the device in Entra.
    type: str
  devices:
    description:
      - A list of devices, instead of one. Each is looked up and decided on its own, and one that fails stops no other. The task
        fails at the end when one of them did, and RV(devices) has them all, in the order of this list.
      - This is the fast way, as there is one sign-in and the reads are shared, so that a device costs little more than its one
        call.
      - A device that is named twice is offboarded once; its second entry shows the same action as V(in_progress).
      - An entry that cannot be meant refuses the whole list before anything is sent. An empty list is success.
      - P(secops.mde.parse_devices#filter) makes such a list of text, or of a list of names.
    type: list
    elements: dict
    suboptions:
      device_id:
        description: As O(device_id).
        type: str
      device_name:
        description: As O(device_name).
        type: str
      aad_device_id:
        description: As O(aad_device_id).
        type: str
      comment:
        description: As O(comment), for this device alone.
        type: str
  comment:
    description:
      - Why the device is offboarded, for example the ticket's number. It is kept with the action.
      - With O(devices) it is for all that have none of their own.
    type: str
    required: true
  concurrency:
    description:
      - How many offboards of O(devices) may be on their way at once, each over a connection of its own.
      - It makes the first hundred devices faster. Beyond these O(calls_per_minute) sets the pace.
    type: int
    default: 10
  match_short_names:
    description:
      - Let an O(device_name) without a dot also fit a device whose first label it is, so that V(pc1) fits
        C(pc1.corp.example), but never C(pc10). A warning then names the device. An IP address has no labels.
    type: bool
    default: false
  missing_ok:
    description:
      - Accept that the device is not found, as in the second run for an old ticket. It is still looked for twice.
      - A short name is not accepted where a device has the full name, and a full name not where a device has the short one.
    type: bool
    default: false
  force:
    description:
      - Offboard also where the record or an earlier action says that there is nothing to do, and where a record was merged
        into another.
      - An action younger than four days that is still under way is never doubled.
    type: bool
    default: false
extends_documentation_fragment:
  - secops.mde.connection
  - secops.mde.pacing
  - secops.mde.waiting
  - secops.mde.attributes
  - secops.mde.attributes.writes
notes:
  - The application needs the permissions C(Machine.Offboard) and C(Machine.Read.All), with admin consent.
  - The calls for one device are a read of machines, a read of machine actions, and at most one offboard. A device that is not
    found costs a second read. With O(devices) some eighty devices share the two reads.
  - The decision to offboard is never older than two minutes when it is sent. In a run that has to wait for the quota the
    devices are read after the wait.
  - The action that answers an offboard is this run's own unless it was there before, or its device, comment or time says
    otherwise. One that is found in a list must have the same device and comment, and a time after the first try. Two runs with
    the same application, device and comment within the same seconds cannot be told apart.
  - When the run is killed, the module sends no more offboards; what is left has the code V(run_ended). On a host that is reached
    over SSH the module notices only that the connection has ended. A task with C(async) goes on.
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) is used and its libraries are found.
seealso:
  - name: Offboard machine API
    description: The service's own page on the call.
    link: https://learn.microsoft.com/en-us/defender-endpoint/api/offboard-machine-api
"""

EXAMPLES = r"""
- name: Offboard one device by its id
  secops.mde.mde_offboard:
    device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    comment: CHG-1042 retired
  delegate_to: localhost

- name: Offboard by name, and insist that the id is that of the same device
  secops.mde.mde_offboard:
    device_name: lab-w11-07.corp.example
    device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    comment: CHG-1042 retired
  delegate_to: localhost

- name: Accept that a record has aged out, for a ticket that is run again
  secops.mde.mde_offboard:
    device_name: gone-since-spring.corp.example
    comment: CHG-0815 retired
    missing_ok: true
  delegate_to: localhost

- name: Offboard a device that is online, and wait until it is done
  secops.mde.mde_offboard:
    device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    comment: CHG-1042 retired
    wait: true
    wait_timeout: 300
  delegate_to: localhost
  register: offboard

- name: Keep what an auditor asks for
  ansible.builtin.debug:
    msg: "{{ offboard.action.id }} {{ offboard.action.status }} at {{ offboard.action.lastUpdateDateTimeUtc }}"

- name: Offboard a list in one task
  secops.mde.mde_offboard:
    devices:
      - device_name: pc-0101.corp.example
      - device_name: pc-0102.corp.example
        comment: CHG-1045 stolen
      - device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    comment: CHG-1044 retired
  delegate_to: localhost
  register: fleet

- name: Name those that a person has to look at
  ansible.builtin.debug:
    msg: "{{ fleet.devices | selectattr('failed') | map(attribute='error.message') }}"

- name: Sign in with a certificate, to the service in the United Kingdom
  secops.mde.mde_offboard:
    tenant_id: corp.example
    client_id: 7e9d3c54-1b2a-4c3d-8e4f-001122334455
    certificate_path: /etc/secops/mde.pem
    region: uk
    device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    comment: CHG-1042 retired
  delegate_to: localhost
"""

RETURN = r"""
msg:
  description: What happened, or on failure what went wrong and what to do, in one line.
  returned: always
  type: str
  sample: "lab-w11-07.corp.example: offboard submitted (action 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22, Pending)"
action:
  description:
    - The MachineAction of the device, the service's JSON as it came. V(null) where there is none, and with O(devices).
    - In check mode the action that a real run would create, with a null C(id).
  returned: always
  type: dict
  sample:
    id: 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22
    type: Offboard
    status: Pending
    machineId: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    computerDnsName: lab-w11-07.corp.example
    requestor: 7e9d3c54-1b2a-4c3d-8e4f-001122334455
    requestorComment: CHG-1042 retired
    creationDateTimeUtc: "2026-02-03T04:05:06.1234567Z"
    lastUpdateDateTimeUtc: "2026-02-03T04:05:06.1234571Z"
devices:
  description: The same for each device, in the order asked. Empty when the options were refused.
  returned: always
  type: list
  elements: dict
  contains:
    requested:
      description: The device as it was asked for, with the keys C(device_id), C(device_name), C(aad_device_id) and C(comment).
      returned: always
      type: dict
    device_id:
      description: Id of the device as the service gave it, V(null) where no single device was found.
      returned: always
      type: str
    device_name:
      description: Name of the device as the service gave it.
      returned: always
      type: str
    outcome:
      description:
        - What this run did. Waiting does not change it; the state of the work is in RV(devices[].action).
        - V(submitted), an offboard was sent. V(in_progress), one was under way already.
          V(already_offboarded), one succeeded and the device was not seen since.
          V(not_onboarded), the device is not onboarded and never was offboarded with success.
        - V(not_found), V(ambiguous) and V(mismatch), there is not exactly one such device.
          V(refused), the service said no. V(error), there was no clear answer.
      returned: always
      type: str
      sample: submitted
    changed:
      description: Whether this run submitted an offboard, or would.
      returned: always
      type: bool
    failed:
      description: Whether RV(devices[].error) is not V(null).
      returned: always
      type: bool
    action:
      description: As RV(action), for this device.
      returned: always
      type: dict
    machine:
      description: The device's record, the service's JSON as it came before the offboard.
      returned: always
      type: dict
    candidates:
      description: The devices that fit, or nearly, where there is not exactly one.
      returned: always
      type: list
      elements: dict
      contains:
        device_id:
          description: Id of the device.
          returned: always
          type: str
        device_name:
          description: Name of the device.
          returned: always
          type: str
        aad_device_id:
          description: Its Microsoft Entra device id.
          returned: always
          type: str
        last_seen:
          description: Its last full report, which comes about once in 24 hours.
          returned: always
          type: str
        health_status:
          description: Its health, such as V(Active) or V(Inactive).
          returned: always
          type: str
        onboarding_status:
          description: Whether it is onboarded; there is no value for offboarded.
          returned: always
          type: str
    error:
      description: As RV(error), for this device.
      returned: always
      type: dict
summary:
  description: How many devices had which outcome, and what it cost.
  returned: always
  type: dict
  contains:
    total:
      description: Number of devices. Beside it there is one key for each outcome.
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
  description: Who asked whom and when, with times by the clock of the machine that ran the module.
  returned: always
  type: dict
  contains:
    tenant_id:
      description: The tenant, as the token says.
      returned: always
      type: str
    client_id:
      description: The application, as the token says.
      returned: always
      type: str
    api_url:
      description: Base address of the API.
      returned: always
      type: str
    collection_version:
      description: Version of this collection.
      returned: always
      type: str
    started_at:
      description: Start in UTC.
      returned: always
      type: str
    finished_at:
      description: End in UTC.
      returned: always
      type: str
error:
  description:
    - On failure what went wrong, else V(null).
    - Where one device failed, its error; where several did, the code V(devices_failed).
  returned: always
  type: dict
  contains:
    code:
      description: For playbooks to branch on, such as V(not_found), V(throttled), V(permission_missing), V(run_ended) or
        V(outcome_unknown).
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

import typing as t

from ansible_collections.secops.mde.plugins.module_utils._clock import Clock
from ansible_collections.secops.mde.plugins.module_utils._errors import MdeError
from ansible_collections.secops.mde.plugins.module_utils._module import MdeModule
from ansible_collections.secops.mde.plugins.module_utils._offboarding.caller import AnsibleRun, Caller
from ansible_collections.secops.mde.plugins.module_utils._offboarding.parameters import OffboardParameters
from ansible_collections.secops.mde.plugins.module_utils._offboarding.results import OffboardResult
from ansible_collections.secops.mde.plugins.module_utils._offboarding.run import OffboardRun
from ansible_collections.secops.mde.plugins.module_utils._offboarding.workers import ThreadPool, WorkerPool
from ansible_collections.secops.mde.plugins.module_utils._options.argument_spec import (
    RATE_LIMIT_OPTIONS,
    WAIT_OPTIONS,
    Spec,
)

IDENTIFIERS: Spec = {
    "device_id": {"type": "str"},
    "device_name": {"type": "str"},
    "aad_device_id": {"type": "str"},
}
OPTIONS: Spec = {
    **IDENTIFIERS,
    "devices": {"type": "list", "elements": "dict", "options": {**IDENTIFIERS, "comment": {"type": "str"}}},
    "comment": {"type": "str", "required": True},
    "concurrency": {"type": "int", "default": 10},
    "match_short_names": {"type": "bool", "default": False},
    "missing_ok": {"type": "bool", "default": False},
    "force": {"type": "bool", "default": False},
    **RATE_LIMIT_OPTIONS,
    **WAIT_OPTIONS,
}


DEVICES_HINT = (
    "Give a list of dicts with device_id, device_name or aad_device_id. The filter secops.mde.parse_devices makes one of text, "
    "and of a list of names, such as that of a group's hosts."
)


def main(
    clock: Clock | None = None, workers: t.Callable[[int], WorkerPool] = ThreadPool, caller: Caller | None = None
) -> None:
    """Run the module; ``clock``, ``workers`` and ``caller`` are for tests."""
    caller = caller or AnsibleRun()
    module = MdeModule(options=OPTIONS, records={"devices": DEVICES_HINT}, clock=clock)
    try:
        if module.refused is not None:
            raise module.refused
        parameters = OffboardParameters.from_options(module.params, check_mode=module.check_mode)
        client = module.connect(max_connections=parameters.concurrency, for_list=not parameters.is_single)
        run = OffboardRun(parameters, client, workers(parameters.concurrency), warn=module.warn, caller=caller)
        devices = run.run()
    except MdeError as error:
        module.exit(OffboardResult(failure=error))
    module.exit(OffboardResult(tuple(devices), is_single=parameters.is_single, predicted=module.check_mode))


if __name__ == "__main__":
    main()
