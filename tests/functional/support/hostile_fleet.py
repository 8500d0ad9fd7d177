# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A tenant with random hostile values in every field: templates, commands, control characters, and wrong types."""

from __future__ import annotations

import json
import random
import typing as t
from dataclasses import dataclass, field

from ansible_collections.secops.mde.tests.emulator import Device, Emulator

CANARY: t.Final = "ran-"
# {} is the name of a file that exists only if the text was executed.
_COMMANDS: t.Final = (
    "{{{{ lookup('pipe', 'touch {}') }}}}",
    "{{% if lookup('pipe', 'touch {}') %}}{{% endif %}}",
    "lookup('pipe', 'touch {}')",
    "query('ansible.builtin.pipe', 'touch {}') | first",
    "#jinja2: variable_start_string:'[%', variable_end_string:'%]'\n[% lookup('pipe', 'touch {}') %]",
    "-oProxyCommand=touch {}",
    "--vault-password-file=touch {}",
    "$(touch {})",
    "`touch {}`; touch {} #",
    "=cmd|' /C touch {}'!A0",
    "<script src=//x.example/{}></script><img src=x onerror=alert(1)>",
    "!unsafe {{{{ lookup('pipe', 'touch {}') }}}}",
)
_TEXTS: t.Final = (
    "\x1b]0;owned\x07\x1b[2J",
    "\x9b31mred",
    "\u202eevil\u202c\u2066x\u2069",
    "half \ud83d",
    "\ude00 half",
    "a\x00b",
    '\r\n{"failed": false, "changed": true}',
    "line\u2028break\u2029\x85",
    "\r\x08\x7foverwritten",
    "$ANSIBLE_VAULT;1.1;AES256\n6162",
    "!vault |",
    "../../../etc/passwd",
    "localhost",
    "all",
    "hostvars",
    "ansible_password",
    "{{",
    "{%",
    "{#",
    "%}}}",
    "&<>\"'",
    ";=1+1",
    "@/etc/hostname",
    "null",
    "0x7f000001",
    "1e999",
    "omit",
    "__omit_place_holder__a",
    "\U0001f468\u200d\U0001f469",
    "e\u0301 \u00e9 \u00df \u0130",
    "\ufeff\u200b",
    "\uffff\ufdd0\U000e0041",
    "x" * 3000,
    " ",
    "",
)
_SPECIAL_KEYS: t.Final = (
    "__ansible_type", "__ansible_unsafe", "__ansible_vault", "_ansible_no_log", "_ansible_verbose_override",
    "_ansible_delegated_vars", "ansible_host", "ansible_connection", "ansible_facts", "ansible_python_interpreter",
    "failed", "changed", "invocation", "warnings", "exception", "diff", "results", "skipped", "items", "keys", "__class__",
    "mde_device_id", "mde_machine", "groups", "a.b", "", " ", "\ud83d", "\x1b[2J", "\u202e", "{{ 7 * 7 }}", "@odata.id",
)  # fmt: skip
_ALPHABET: t.Final = (
    "ab{}%#'\"\\<>&;=-+@$/.,: \t\n\r\x00\x1b\x7f\x9b\u200b\u202e\u2028\ud83d\ude00\ufeff\U0001f4bb\u00e9"
)


class Draw:
    """Returns random values. The same seed returns the same values."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self._number = 0

    def text(self) -> str:
        kind = self.random.randrange(4)
        if kind == 0:
            self._number += 1
            name = f"{CANARY}{self._number}"
            return self.random.choice(_COMMANDS).replace("{}", name).replace("{{{{", "{{").replace("}}}}", "}}")
        if kind == 1:
            return "".join(self.random.choices(_ALPHABET, k=self.random.randrange(1, 30)))
        if kind == 2:
            return self.text() + self.random.choice(_TEXTS)
        return self.random.choice(_TEXTS)

    def value(self, depth: int = 4) -> t.Any:
        kind = self.random.randrange(10)
        if kind < 6 or depth == 0:
            return self.text()
        if kind == 6:
            numbers = (float("nan"), float("-inf"), 1e308, -0.0, 2**63, 10**50, -(10**4000), True, False, None, 0, 0.1)
            return self.random.choice(numbers)
        if kind == 7:
            return [self.value(depth - 1) for _number in range(self.random.randrange(4))]
        if kind == 8:
            return self.fields(self.random.randrange(4), depth)
        deep: t.Any = self.text()
        for _number in range(self.random.choice((5, 25, 150))):
            deep = [deep] if self.random.randrange(2) else {self.random.choice(_SPECIAL_KEYS): deep}
        return deep

    def fields(self, count: int, depth: int = 4) -> dict[str, t.Any]:
        return {key: self.value(depth - 1) for key in self.random.sample(_SPECIAL_KEYS, count)}


# The fields with which the service and the modules decide are separate: see _DECISIVE_MACHINE_FIELDS.
_MACHINE_FIELDS: t.Final = (
    "exclusionReason", "isExcluded", "isPotentialDuplication", "firstSeen", "osPlatform", "osVersion", "osProcessor", "version",
    "lastIpAddress", "lastExternalIpAddress", "agentVersion", "osBuild", "healthStatus", "deviceValue", "rbacGroupId",
    "rbacGroupName", "riskScore", "exposureLevel", "isAadJoined", "aadDeviceId", "osArchitecture", "managedBy", "managedByStatus",
    "ipAddresses", "vmMetadata",
)  # fmt: skip
_ACTION_FIELDS: t.Final = (
    "title", "requestor", "computerDnsName", "lastUpdateDateTimeUtc", "cancellationRequestor", "cancellationComment",
    "cancellationDateTimeUtc", "errorHResult", "scope", "requestSource", "relatedFileInfo", "commands", "troubleshootInfo",
)  # fmt: skip
_DECISIVE_MACHINE_FIELDS: t.Final = ("mergedIntoMachineId", "onboardingStatus", "lastSeen")
_DECISIVE_ACTION_FIELDS: t.Final = ("type", "status", "requestorComment", "creationDateTimeUtc", "externalId")
# No real record can have this ID, because it would change the path of a request.
REFUSED_ID: t.Final = f"../-oProxyCommand=touch {CANARY}id"


@dataclass
class HostileFleet:
    """Devices, and the fields of their records."""

    devices: list[Device] = field(default_factory=list)
    machines: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    actions: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    lists: dict[str, dict[str, t.Any]] = field(default_factory=dict)
    """Additional fields in lists of actions for contradictory devices. The response to a POST does not have them, because
    its outcome would be in doubt for minutes."""
    contradictory: set[str] = field(default_factory=set)
    """The IDs of devices with random values in the decisive fields. They can have any outcome."""
    refused: set[str] = field(default_factory=set)
    """The IDs of the devices whose offboard request the service refuses."""

    def serve(self, emulator: Emulator) -> None:
        emulator.add_devices(self.devices)
        emulator.rewrite_responses(self._rewrite)

    def _rewrite(self, body: bytes) -> bytes:
        document = json.loads(body)
        error = document.get("error")
        if isinstance(error, dict):
            error["message"] = f"{error['message']} \x1b]0;owned\x07\u202e{{{{ 7 * 7 }}}}\ud83d"
            error["target"] = {"__ansible_unsafe": float("nan")}
        for record in document["value"] if isinstance(document.get("value"), list) else [document]:
            if "machineId" in record:
                record.update(self.actions.get(record["machineId"], {}))
                record.update(self.lists.get(record["machineId"], {}) if record is not document else {})
            elif "id" in record:
                record.update(self.machines.get(record["id"], {}))
        return json.dumps(document).encode("ascii")


def draw_fleet(seed: int, count: int = 40) -> HostileFleet:
    """Return a fleet of ``count`` devices. Most have correct decisive fields. All other fields have random values."""
    draw = Draw(seed)
    fleet = HostileFleet()
    for number in range(count):
        device_id = f"{draw.random.getrandbits(152):038x}{number:02x}"
        name = draw.text()[:200] if number % 4 else draw.value()
        machine = {key: draw.value() for key in _MACHINE_FIELDS} | draw.fields(5)
        machine["computerDnsName"] = f"{number}{name}" if isinstance(name, str) else name
        action = {key: draw.value() for key in _ACTION_FIELDS} | draw.fields(5)
        if number % 10 == 1:  # never returns its new tag, so that a warning names it
            machine |= {"machineTags": draw.text(), "computerDnsName": f"{number}\x9b\u202e\x7f"}
        if number % 5 == 4:
            fleet.contradictory.add(device_id)
            machine |= {key: draw.value() for key in draw.random.sample(_DECISIVE_MACHINE_FIELDS, 2)}
            fleet.lists[device_id] = {key: draw.value() for key in draw.random.sample(_DECISIVE_ACTION_FIELDS, 2)}
        if number % 10 == 3:
            fleet.refused.add(device_id)
        fleet.machines[device_id], fleet.actions[device_id] = machine, action
        fate = "unsupported_os" if device_id in fleet.refused else "offline"
        fleet.devices.append(Device(id=device_id, name=f"pc-{number}", fate=fate))
    fleet.devices.append(Device(id=REFUSED_ID, name="refused.corp.example", fate="offline", history=["Succeeded"]))
    return fleet
