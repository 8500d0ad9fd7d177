# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of the emulator match the model of the service's own $metadata: names, types, nulls, enumerations.

The model is that of the namespace microsoft.windowsDefenderATP.api, as generated from the live service in August 2026.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.emulator.client import Client

AAD = "11112222-bbbb-3333-cccc-4444dddd5555"
WINDOWS, MAC = "a1" * 20, "b2" * 20


@dataclass(frozen=True)
class Field:
    """A property: the type of its value, and whether it can be null."""

    kind: str
    nullable: bool = False
    values: tuple[str, ...] = ()


def text(*values: str) -> Field:
    return Field("string", values=values)


def maybe(field: Field) -> Field:
    return Field(field.kind, True, field.values)


GUID, INT, TIME, LIST, OBJECT, BOOL = (Field(kind) for kind in ("guid", "int", "time", "list", "object", "bool"))
ACTION_TYPES = [
    "Unknown",
    "RequestSample",
    "Block",
    "RunAntiVirusScan",
    "Offboard",
    "RegenerateId",
    "CollectInvestigationPackage",
    "Isolate",
    "Unisolate",
    "StopAndQuarantineFile",
    "RestrictCodeExecution",
    "UnrestrictCodeExecution",
    "LiveResponse",
    "Troubleshoot",
    "LogsCollection",
    "TokenRefresh",
    "EndpointConfigManagementCheckin",
    "EnableActiveDirectoryUser",
    "DisableActiveDirectoryUser",
    "ResetPasswordActiveDirectoryUser",
    "ImmuneActiveDirectoryCustomPlaybook",
]
REQUEST_SOURCES = [
    "Unspecified",
    "PublicApi",
    "Portal",
    "MCAS",
    "TVM",
    "CustomDetection",
    "BulkAction",
    "ISG",
    "NDR",
    "EndpointConfigManagement",
    "IncidentTasks",
    "MDI",
    "ActiveScan",
]
ACTION = {
    "id": GUID,
    "type": text(*ACTION_TYPES),
    "title": maybe(text()),
    "requestor": maybe(text()),
    "requestorComment": maybe(text()),
    "status": text("Pending", "Cancelled", "TimeOut", "Failed", "InProgress", "Succeeded"),
    "machineId": maybe(text()),
    "computerDnsName": maybe(text()),
    "relatedFileInfo": maybe(OBJECT),
    "creationDateTimeUtc": TIME,
    "lastUpdateDateTimeUtc": TIME,
    "cancellationRequestor": maybe(text()),
    "cancellationComment": maybe(text()),
    "cancellationDateTimeUtc": maybe(TIME),
    "errorHResult": INT,
    "scope": maybe(text()),
    "commands": maybe(LIST),
    "troubleshootInfo": maybe(OBJECT),
    "externalId": maybe(text()),
    "requestSource": text(*REQUEST_SOURCES),
}
MACHINE = {
    "id": text(),
    "mergedIntoMachineId": maybe(text()),
    "isPotentialDuplication": BOOL,
    "isExcluded": BOOL,
    "exclusionReason": maybe(
        text("Other", "InactiveDevice", "DuplicateDevice", "DeviceDoesNotExist", "DeviceOutOfScope")
    ),
    "computerDnsName": maybe(text()),
    "firstSeen": maybe(TIME),
    "lastSeen": maybe(TIME),
    "osPlatform": maybe(text()),
    "osProcessor": maybe(text()),
    "version": maybe(text()),
    "lastIpAddress": maybe(text()),
    "lastExternalIpAddress": maybe(text()),
    "agentVersion": maybe(text()),
    "osBuild": maybe(INT),
    "healthStatus": text(
        "Active", "Inactive", "ImpairedCommunication", "NoSensorData", "NoSensorDataImpairedCommunication", "Unknown"
    ),
    "deviceValue": text("Normal", "Low", "High"),
    "rbacGroupId": INT,
    "rbacGroupName": maybe(text()),
    "ipAddresses": maybe(LIST),
    "riskScore": maybe(text("None", "Informational", "Low", "Medium", "High")),
    "exposureLevel": text("None", "Low", "Medium", "High"),
    "isAadJoined": maybe(BOOL),
    "aadDeviceId": maybe(GUID),
    "machineTags": maybe(LIST),
    "vmMetadata": maybe(OBJECT),
    "onboardingStatus": text("InsufficientInfo", "Onboarded", "CanBeOnboarded", "Unsupported"),
    "osArchitecture": maybe(text()),
    "managedBy": text(),
    "managedByStatus": text(),
}
# It is documented on Microsoft's page of the machine resource, but not in the model.
DOCUMENTED_ONLY = {"osVersion"}
GUID_FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def fault_of(name: str, value: Any, field: Field) -> str | None:
    """Return the errors of a value."""
    if value is None:
        return None if field.nullable else f"{name} is null"
    checks = {
        "string": lambda: isinstance(value, str),
        "guid": lambda: isinstance(value, str) and GUID_FORM.fullmatch(value) is not None,
        "int": lambda: isinstance(value, int) and not isinstance(value, bool) and -(2**31) <= value < 2**31,
        "time": lambda: isinstance(value, str) and value.endswith("Z") and bool(datetime.fromisoformat(value[:19])),
        "list": lambda: isinstance(value, list),
        "object": lambda: isinstance(value, dict),
        "bool": lambda: isinstance(value, bool),
    }
    if not checks[field.kind]():
        return f"{name} is {value!r} and not of the type {field.kind}"
    return f"{name} is {value!r}" if field.values and value not in field.values else None


def faults_of(record: dict[str, Any], model: dict[str, Field]) -> list[str]:
    """Return the errors of a record."""
    names = {name for name in record if not name.startswith("@")} - DOCUMENTED_ONLY
    found = [
        f"{name} is {what}"
        for what, side in (("unknown", names - set(model)), ("missing", set(model) - names))
        for name in side
    ]
    return found + [fault for name in names & set(model) if (fault := fault_of(name, record[name], model[name]))]


@pytest.fixture
def fleet() -> Any:
    with Emulator("fleet") as running:
        running.add_devices(
            [
                Device(
                    id=WINDOWS,
                    name="model.corp.example",
                    aad_device_id=AAD,
                    history=["Succeeded", "Cancelled", "Failed", "TimeOut"],
                ),
                Device(id=MAC, name="model-mac.corp.example", os_platform="macOS"),
            ]
        )
        yield running


READS = {
    "list of machines": ("/machines", MACHINE),
    "machines by tag": ("/machines/findbytag?tag=retire", MACHINE),
    "one machine": (f"/machines/{WINDOWS}", MACHINE),
    "list of actions": ("/machineactions", ACTION),
    "the same by the name of the type": ("/machineaction", ACTION),
    "actions of a machine": (f"/machines/{WINDOWS}/machineactions", ACTION),
}


@pytest.mark.parametrize("route", READS)
def test_the_response_to_a_read_matches_the_model_of_the_service(fleet: Emulator, route: str) -> None:
    path, model = READS[route]
    client = Client(fleet, roles="*")
    client.post(f"/machines/{WINDOWS}/tags", {"Value": "retire", "Action": "Add"})
    client.post(f"/machines/{WINDOWS}/offboard", {"Comment": "CHG-1", "ExternalId": "CHG-1"})
    response = client.call("GET", path).json()
    records = response.get("value", [response])
    assert records
    assert [fault for record in records for fault in faults_of(record, model)] == []


WRITES: dict[str, tuple[str, dict[str, Any], dict[str, Field]]] = {
    "offboard": ("offboard", {"Comment": "CHG-1"}, ACTION),
    "isolate": ("isolate", {"Comment": "CHG-1", "IsolationType": "Full"}, ACTION),
    "unisolate": ("unisolate", {"Comment": "CHG-1"}, ACTION),
    "tags": ("tags", {"Value": "retire", "Action": "Add"}, MACHINE),
    "setDeviceValue": ("setDeviceValue", {"DeviceValue": "Low"}, MACHINE),
    "setExclusion": ("setExclusion", {"IsExcluded": True, "ExclusionReason": "InactiveDevice"}, MACHINE),
}


@pytest.mark.parametrize("route", WRITES)
def test_the_response_to_a_write_matches_the_model_of_the_service(fleet: Emulator, route: str) -> None:
    path, body, model = WRITES[route]
    response = Client(fleet, roles="*").post(f"/machines/{WINDOWS}/{path}", body)
    assert response.status_code in (200, 201)
    assert faults_of(response.json(), model) == []


def test_a_cancelled_action_matches_the_model_of_the_service(fleet: Emulator) -> None:
    client = Client(fleet, roles="*")
    action = client.offboard(WINDOWS).json()
    response = client.post(f"/machineactions/{action['id']}/cancel", {"Comment": "CHG-1"}).json()
    assert response["status"] == "Cancelled"
    assert faults_of(response, ACTION) == []


def test_the_check_notices_a_wrong_record(fleet: Emulator) -> None:
    record = Client(fleet).call("GET", f"/machines/{WINDOWS}").json()
    assert faults_of({**record, "healthStatus": "Sleeping"}, MACHINE) == ["healthStatus is 'Sleeping'"]
    assert faults_of({**record, "isExcluded": None}, MACHINE) == ["isExcluded is null"]
    assert faults_of({**record, "aadDeviceId": "x"}, MACHINE) == ["aadDeviceId is 'x' and not of the type guid"]
    del record["id"]
    assert faults_of({**record, "more": 1}, MACHINE) == ["more is unknown", "id is missing"]


@pytest.mark.parametrize(
    ("literal", "accepted"), [("string", (True, False)), ("guid", (False, True)), ("both", (True, True))]
)
def test_the_id_of_an_action_is_a_guid_whose_literal_in_a_filter_is_set_by_a_knob(
    fleet: Emulator, literal: str, accepted: tuple[bool, bool]
) -> None:
    client = Client(fleet, roles="*")
    action_id = client.offboard(WINDOWS).json()["id"]
    fleet.knobs.action_id_literal = literal
    for written, wanted in zip((f"'{action_id}'", action_id), accepted, strict=True):
        for condition in (f"id eq {written}", f"id in ({written})"):
            response = client.get("/machineactions", filter=condition)
            assert (response.status_code == 200) is wanted
            if wanted:
                assert [action["id"] for action in response.json()["value"]] == [action_id]
            else:
                assert response.json()["error"]["code"] == ""


def test_the_id_of_a_machine_stays_a_string_whatever_the_id_of_an_action_is(fleet: Emulator) -> None:
    fleet.knobs.action_id_literal = "guid"
    assert Client(fleet).names(f"id eq '{WINDOWS}'") == ["model.corp.example"]
    assert Client(fleet).get("/machineactions", filter=f"machineId eq '{WINDOWS}'").status_code == 200
