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
  - Offboards one device or a list of devices from Microsoft Defender for Endpoint through its public API.
  - Usually, set O(comment), and either O(device_id) or O(device_name), or O(devices) for a list. Set the credential as environment
    variables, see O(auth_source). All other options are optional.
  - Checks before it acts. Exactly one device must match. An offboard action that is in progress or done is not repeated. A failed
    lookup is an error, never "not found".
  - Each request creates a machine action, which is the service's record of the request. Nothing runs on the device, which can be powered
    off. The device carries out the action if it comes online within about three days.
  - Offboarding stops the sensor only. The record of the device becomes inactive after seven days and stays in the inventory for up
    to 180 days. Offboarding cannot be undone in the portal; onboard the device again on the device itself.
options:
  device_id:
    description:
      - Device ID in Defender for Endpoint, usually 40 hexadecimal digits, or the complete URL of the device page in the portal.
      - Set at least one of O(device_id), O(device_name) and O(aad_device_id), unless you set O(devices). All identifiers that you set
        must identify the same device. A second identifier is therefore a safeguard.
      - An empty identifier counts as not set.
    type: str
  device_name:
    description:
      - Name of the device as the service shows it, usually its full DNS name. Compared in full and case-insensitively, without wildcards.
        It can be any text of at most 255 characters without control characters and line breaks.
      - If several devices have this name, the task fails and lists them in RV(devices[].candidates).
      - Together with an ID, the name is only a safeguard. A short name then also matches the full name.
    type: str
  aad_device_id:
    description:
      - Microsoft Entra device ID, a GUID. It is not the object ID of the device in Entra ID.
    type: str
  devices:
    description:
      - List of devices to offboard in one task, instead of the three options for one device. A device that fails does not stop the others.
        The task then fails at the end. RV(devices) has a result for each device, in the order of this list.
      - This is the fast way to offboard many devices. The module signs in once and shares the reads, so that each device costs little more
        than one call.
      - A device that is listed twice is offboarded once. Its second result has the outcome V(in_progress) and the same action.
      - If one entry is invalid, the task fails before anything is sent. An empty list is a success.
      - The filter P(secops.mde.parse_devices#filter) makes such a list from text or from a list of names.
    type: list
    elements: dict
    suboptions:
      device_id:
        description: See O(device_id).
        type: str
      device_name:
        description: See O(device_name).
        type: str
      aad_device_id:
        description: See O(aad_device_id).
        type: str
      comment:
        description: See O(comment). For this device only. Optional.
        type: str
  comment:
    description:
      - Why the device is offboarded, for example the ticket number. The service stores it with the action.
      - With O(devices), it applies to all devices without a comment of their own. It is required even if each device has its own.
    type: str
    required: true
  concurrency:
    description:
      - Maximum number of concurrent offboard requests with O(devices).
      - A higher value speeds up the first hundred devices only. After that, O(calls_per_minute) is the limit.
    type: int
    default: 10
  match_short_names:
    description:
      - Allow a O(device_name) without a dot to match the first label of a full name. For example, V(pc1) then matches
        C(pc1.corp.example), but never C(pc10). A warning names the device that was matched.
    type: bool
    default: false
  missing_ok:
    description:
      - Accept that the device is not found, for example because its record has expired.
      - A missing short name is not accepted if a device has the full name. A missing full name is not accepted if a device has the short
        name. A missing name with invisible characters is not accepted without an ID, and neither is one that differs from the name of a
        device only in blanks.
      - A missing identifier of another kind is not accepted, such as a GUID or the name of a device in O(device_id), or an ID in
        O(device_name). A placeholder such as V(None) or V(N/A) is not accepted either.
    type: bool
    default: false
  force:
    description:
      - Offboard even if the record or an earlier action says that nothing needs to be done, or if the record was merged into another.
      - An action that has been in progress for less than four days is never duplicated.
      - A request whose response was lost is not sent again while the service shows a newer offboard action.
    type: bool
    default: false
  external_id:
    description:
      - Ticket or job number that is sent with each offboard request, so that you can find its action in the service. At most 27
        characters on one line.
      - The module sends it after a random UUID, see O(send_external_id).
    type: str
  send_external_id:
    description:
      - Send an C(ExternalId) with each offboard request. It is a random UUID, followed by O(external_id) if set, and returned in
        RV(devices[].external_id). The value is different for each device and each run.
      - If the service returns it as C(externalId) of the action, the module always recognizes its own action, even after a lost response.
        If not, see the notes.
      - If the service refuses the parameter, the module sends the request again without it, and sends no external IDs for the rest of
        the task. Set this option to V(false) to save that call.
      - The parameter is part of the service's own model, but Microsoft does not document its effect.
    type: bool
    default: true
extends_documentation_fragment:
  - secops.mde.connection
  - secops.mde.rate_limit
  - secops.mde.wait
  - secops.mde.attributes
  - secops.mde.attributes.writes
notes:
  - The application needs the permissions C(Machine.Offboard) and C(Machine.Read.All), with admin consent.
  - One device costs a read of machines, a read of machine actions, and usually one offboard request. A device that is not found costs
    a second read. With O(devices), about eighty devices share the two reads.
  - The decision to offboard is never older than two minutes when the request is sent. If the run has to wait for the quota, the module
    reads the devices after the wait.
  - If the service does not return external IDs, the module recognizes its own action by device, comment and time. Two runs with the same
    application, device and comment within the same seconds then cannot be distinguished.
  - In check mode, the module asks the service whether it can offboard devices that do not run Windows, for at most 50 devices. If the
    operating system or the Defender agent is not supported, the outcome is V(refused), as in a real run. Microsoft does not
    document this call (C(availableMachineActions)). If it is not available, a warning says so.
  - When the run is killed, the module sends no more offboard requests. The remaining devices have the error code V(run_ended). On a host
    that is reached over SSH, the module only notices that the connection has ended. A task with C(async) continues.
  - Delegate the task to localhost, where the interpreter of C(ansible-playbook) and its libraries are available.
seealso:
  - name: Offboard machine API
    description: Microsoft's documentation of the call.
    link: https://learn.microsoft.com/en-us/defender-endpoint/api/offboard-machine-api
"""

EXAMPLES = r"""
- name: Offboard one device by its ID
  secops.mde.mde_offboard:
    device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    comment: CHG-1042 retired
  delegate_to: localhost

- name: Offboard by name, with the device ID as a safeguard
  secops.mde.mde_offboard:
    device_name: lab-w11-07.corp.example
    device_id: 1e5bc9d7e413ddd7902c2932e418702b84d0cc07
    comment: CHG-1042 retired
  delegate_to: localhost

- name: Accept an expired record when an old ticket is run again
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

- name: Show the proof of offboarding
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

- name: Show devices that need attention
  ansible.builtin.debug:
    msg: "{{ fleet.devices | selectattr('failed') | map(attribute='error.message') }}"

- name: Sign in with a certificate, and use the API servers in the United Kingdom
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
  description: What happened. On failure, what went wrong and how to fix it. One line.
  returned: always
  type: str
  sample: "lab-w11-07.corp.example: offboard submitted (action 0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22, Pending)"
action:
  description:
    - The machine action of the device, as JSON from the service. V(null) if there is none, and with O(devices).
    - In check mode, the action that a real run would create, with a null C(id).
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
  description: The result of each device, in the order requested. Empty if an option is invalid.
  returned: always
  type: list
  elements: dict
  contains:
    requested:
      description: The device as requested, with the keys C(device_id), C(device_name), C(aad_device_id) and C(comment).
      returned: always
      type: dict
    device_id:
      description: Device ID as reported by the service. V(null) if no single device was found.
      returned: always
      type: str
    device_name:
      description: Device name as reported by the service.
      returned: always
      type: str
    outcome:
      description:
        - What this run did. Waiting does not change it; see RV(devices[].action) for the status of the action.
        - V(submitted) - an offboard request was sent. V(in_progress) - an offboard action was already in progress, with the status
          C(Pending) or C(InProgress). V(already_offboarded) - an offboard action succeeded, and the device has not come back.
          V(not_onboarded) - the device is not onboarded, and its last offboard action did not succeed, or there is none.
        - V(not_found), V(ambiguous) and V(mismatch) - not exactly one device matches.
          V(refused) - the service refused the request. V(error) - the outcome is unknown.
        - A device has come back if it is onboarded and has reported more than 24 hours after the end of the offboard action.
      returned: always
      type: str
      sample: submitted
    changed:
      description: Whether this run submitted an offboard action, or would submit one.
      returned: always
      type: bool
    failed:
      description: Whether RV(devices[].error) is not V(null).
      returned: always
      type: bool
    action:
      description: The machine action of this device, see RV(action).
      returned: always
      type: dict
    external_id:
      description: The C(ExternalId) of the last offboard request for this device. V(null) if there was no request, or it had none.
      returned: always
      type: str
    machine:
      description: The record of the device before offboarding, as JSON from the service.
      returned: always
      type: dict
    candidates:
      description: The devices that match, completely or in part, if there is not exactly one.
      returned: always
      type: list
      elements: dict
      contains:
        device_id:
          description: Device ID.
          returned: always
          type: str
        device_name:
          description: Device name.
          returned: always
          type: str
        aad_device_id:
          description: Microsoft Entra device ID.
          returned: always
          type: str
        last_seen:
          description: Time of the last full report. A device sends one about every 24 hours.
          returned: always
          type: str
        health_status:
          description: Health state, for example V(Active) or V(Inactive).
          returned: always
          type: str
        onboarding_status:
          description: Onboarding state. The service has no "offboarded" state.
          returned: always
          type: str
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
    changed:
      description: Number of devices that changed.
      returned: always
      type: int
    failed:
      description: Number of devices that failed.
      returned: always
      type: int
    api:
      description: The keys C(calls), C(retries) and C(throttled_seconds). Sign-in is not included.
      returned: always
      type: dict
context:
  description: Tenant, application, API and times of the run, by the clock of the machine that ran the module.
  returned: always
  type: dict
  contains:
    tenant_id:
      description: Tenant ID from the token.
      returned: always
      type: str
    client_id:
      description: Application ID from the token.
      returned: always
      type: str
    api_url:
      description: Base URL of the API.
      returned: always
      type: str
    collection_version:
      description: Version of this collection.
      returned: always
      type: str
    started_at:
      description: Start time in UTC.
      returned: always
      type: str
    finished_at:
      description: End time in UTC.
      returned: always
      type: str
error:
  description:
    - What went wrong. V(null) on success.
    - If one device failed, the error of that device. If several devices failed, the code is V(devices_failed).
  returned: always
  type: dict
  contains:
    code:
      description: Error code for conditionals, for example V(not_found), V(throttled), V(permission_missing), V(run_ended) or
        V(outcome_unknown).
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

import random
import typing as t

from ansible_collections.secops.mde.plugins.module_utils._clock import Clock
from ansible_collections.secops.mde.plugins.module_utils._errors import MdeError
from ansible_collections.secops.mde.plugins.module_utils._module import MdeModule
from ansible_collections.secops.mde.plugins.module_utils._offboarding.parameters import OffboardParameters
from ansible_collections.secops.mde.plugins.module_utils._offboarding.parent_run import AnsibleRun, Caller
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
    "external_id": {"type": "str"},
    "send_external_id": {"type": "bool", "default": True},
    **RATE_LIMIT_OPTIONS,
    **WAIT_OPTIONS,
}


DEVICES_HINT = (
    "Give a list of dicts with device_id, device_name or aad_device_id. The filter secops.mde.parse_devices makes one of text, "
    "and of a list of names, such as that of a group's hosts."
)


def main(
    clock: Clock | None = None,
    workers: t.Callable[[int], WorkerPool] = ThreadPool,
    caller: Caller | None = None,
    rng: random.Random | None = None,
) -> None:
    """Run the module; ``clock``, ``workers``, ``caller`` and ``rng`` are for tests."""
    caller = caller or AnsibleRun()
    module = MdeModule(options=OPTIONS, records={"devices": DEVICES_HINT}, clock=clock)
    try:
        if module.refused is not None:
            raise module.refused
        parameters = OffboardParameters.from_options(module.params, check_mode=module.check_mode)
        client = module.connect(max_connections=parameters.concurrency, for_list=not parameters.is_single)
        pool = workers(parameters.concurrency)
        run = OffboardRun(parameters, client, pool, warn=module.warn, caller=caller, rng=rng)
        devices = run.run()
    except MdeError as error:
        module.exit(OffboardResult(failure=error))
    module.exit(OffboardResult(tuple(devices), is_single=parameters.is_single, predicted=module.check_mode))


if __name__ == "__main__":
    main()
