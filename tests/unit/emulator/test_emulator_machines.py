# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Single machines, searches, tags and device values."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterator

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.emulator.client import Client

PC1, PC2 = "a1" * 20, "b2" * 20
FIELDS = [
    "id",
    "mergedIntoMachineId",
    "isPotentialDuplication",
    "isExcluded",
    "exclusionReason",
    "computerDnsName",
    "firstSeen",
    "lastSeen",
    "osPlatform",
    "osVersion",
    "osProcessor",
    "version",
    "lastIpAddress",
    "lastExternalIpAddress",
    "agentVersion",
    "osBuild",
    "healthStatus",
    "deviceValue",
    "rbacGroupId",
    "rbacGroupName",
    "riskScore",
    "exposureLevel",
    "isAadJoined",
    "aadDeviceId",
    "machineTags",
    "onboardingStatus",
    "osArchitecture",
    "managedBy",
    "managedByStatus",
    "ipAddresses",
    "vmMetadata",
]


@pytest.fixture
def service() -> Iterator[Emulator]:
    devices = [
        Device(id=PC1, name="pc1.corp.example", tags=["old"], last_seen=600, extra={"lastIpAddress": "10.9.9.9"}),
        Device(id=PC2, name="pc2.corp.example", last_seen=4000, extra={"lastIpAddress": "10.9.9.9"}),
    ]
    with Emulator(devices) as running:
        yield running


@pytest.fixture
def writer(service: Emulator, client_of: Callable[..., Client]) -> Client:
    return client_of(service, roles=["Machine.ReadWrite.All"])


def test_a_machine_has_all_fields_in_the_order_of_the_real_service(client: Client) -> None:
    machine = client.get(f"/machines/{PC1.upper()}").json()
    assert machine.pop("@odata.context").endswith("#Machines/$entity")
    assert list(machine) == FIELDS
    assert isinstance(machine["rbacGroupId"], int)
    assert machine["onboardingStatus"] == "Onboarded"


def test_an_unknown_machine_is_not_found(client: Client) -> None:
    response = client.get("/machines/" + "ff" * 20)
    assert (response.status_code, response.json()["error"]["code"]) == (404, "ResourceNotFound")


def test_the_first_reads_of_a_machine_can_fail(client: Client, service: Emulator) -> None:
    service.knobs.machine_read_flaky = 2
    assert [client.get(f"/machines/{PC1}").status_code for _number in range(4)] == [404, 404, 200, 200]
    assert client.get(f"/machines/{PC2}").status_code == 404


def test_a_name_is_accepted_as_an_id_only_if_the_knob_allows_it(client: Client, service: Emulator) -> None:
    assert client.get("/machines/pc1.corp.example").status_code == 404
    service.knobs.machine_by_name = True
    assert client.get("/machines/PC1.corp.example").json()["id"] == PC1


def test_a_record_can_be_hidden_from_lists_or_from_reads(client: Client, service: Emulator) -> None:
    service.add_device(Device(id="c3" * 20, name="stale", readable=False))
    service.add_device(Device(id="d4" * 20, name="secret", listed=False))
    assert client.names("computerDnsName in ('stale','secret')") == ["stale"]
    assert client.get("/machines/" + "c3" * 20).status_code == 404
    assert client.get("/machines/" + "d4" * 20).status_code == 200


def test_two_devices_cannot_have_the_same_id(service: Emulator) -> None:
    with pytest.raises(ValueError, match="already"):
        service.add_device(Device(id=PC1.upper()))


def test_two_devices_can_have_the_same_name(client: Client, service: Emulator) -> None:
    twin = service.add_device(Device(name="pc1.corp.example", merged_into=PC1))
    found = client.get("/machines", filter="computerDnsName eq 'pc1.corp.example'").json()["value"]
    assert [(item["id"], item["mergedIntoMachineId"]) for item in found] == [(PC1, None), (twin.id, PC1)]
    with pytest.raises(KeyError):
        service.device("pc1.corp.example")


def test_a_search_by_ip_address_covers_a_quarter_of_an_hour_before_and_after(client: Client, service: Emulator) -> None:
    from ansible_collections.secops.mde.tests.emulator.times import iso, to_ticks

    def search(age: t.Any, address: str = "10.9.9.9") -> t.Any:
        timestamp = iso(to_ticks(service.clock.now() - age))
        return client.call("GET", f"/machines/findbyip(ip='{address}',timestamp={timestamp})")

    assert [item["id"] for item in search(0).json()["value"]] == [PC1]
    assert [item["id"] for item in search(4000).json()["value"]] == [PC2]
    assert search(86400).json()["value"] == []
    assert search(0, "10.0.0.1").json()["value"] == []
    assert search(31 * 86400).status_code == 400
    assert client.call("GET", "/machines/findbyip(ip='x')").status_code == 400
    assert client.call("GET", "/machines/findbyip(ip='x',timestamp=yesterday)").status_code == 400


def test_a_search_by_tag_accepts_a_prefix_if_requested(client: Client, service: Emulator, writer: Client) -> None:
    def search(**params: t.Any) -> t.Any:
        return client.call("GET", "/machines/findbytag", params=params)

    assert [item["id"] for item in search(tag="old").json()["value"]] == [PC1]
    assert search(tag="ol").json()["value"] == []
    assert [item["id"] for item in search(tag="ol", useStartsWithFilter="true").json()["value"]] == [PC1]
    assert search().status_code == 400
    service.knobs.findbytag_needs_write = True
    assert search(tag="old").status_code == 403
    assert writer.call("GET", "/machines/findbytag?tag=old").status_code == 200


def test_a_tag_is_added_once_and_removed(service: Emulator, writer: Client) -> None:
    def tag(action: str, value: t.Any = "new") -> t.Any:
        return writer.post(f"/machines/{PC1}/tags", {"Value": value, "Action": action}).json()["machineTags"]

    assert tag("Add") == ["old", "new"]
    assert tag("Add") == ["old", "new"]
    assert writer.names("machineTags/any(t: t eq 'new')") == ["pc1.corp.example"]
    assert tag("Remove") == ["old"]
    assert tag("Remove") == ["old"]
    assert writer.names("machineTags/any(t: t eq 'new')") == []


def test_one_request_tags_many_machines(service: Emulator, writer: Client) -> None:
    body = {"Value": "new", "Action": "Add", "MachineIds": [PC1, PC2]}
    response = writer.post("/machines/AddOrRemoveTagForMultipleMachines", body)
    assert [item["machineTags"] for item in response.json()["value"]] == [["old", "new"], ["new"]]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"Value": "x", "Action": "add", "MachineIds": [PC1]}, 400, "InvalidInput"),
        ({"Action": "Add", "MachineIds": [PC1]}, 400, "MissingRequiredParameter"),
        ({"Value": "x", "Action": "Add"}, 400, "MissingRequiredParameter"),
        ({"Value": "x", "Action": "Add", "MachineIds": "x"}, 400, "InvalidRequestBody"),
        ({"Value": "x", "Action": "Add", "MachineIds": [PC1] * 501}, 400, "MaximumBatchSizeExceeded"),
        ({"Value": "x", "Action": "Add", "MachineIds": [PC1, "nothing"]}, 404, "ResourceNotFound"),
    ],
)
def test_a_bad_batch_of_tags_changes_nothing(
    service: Emulator, writer: Client, body: t.Any, status: int, code: str
) -> None:
    response = writer.post("/machines/AddOrRemoveTagForMultipleMachines", body)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    assert service.machine(PC1)["machineTags"] == ["old"]


def test_a_device_value_is_set(service: Emulator, writer: Client) -> None:
    def put(value: t.Any, machine_id: str = PC1) -> t.Any:
        return writer.post(f"/machines/{machine_id}/setDeviceValue", {"DeviceValue": value})

    assert put("High").json()["deviceValue"] == "High"
    assert writer.names("deviceValue eq 'High'") == ["pc1.corp.example"]
    assert put("Medium").json()["error"]["code"] == "InvalidInput"
    assert put("High", "nothing").status_code == 404


def test_a_patch_replaces_tags_and_value(service: Emulator, writer: Client) -> None:
    response = writer.call("PATCH", f"/machines/{PC1}", json={"machineTags": ["only"], "deviceValue": "Low"})
    assert (response.json()["machineTags"], response.json()["deviceValue"]) == (["only"], "Low")
    assert writer.call("PATCH", f"/machines/{PC1}", json={"machineTags": "x"}).status_code == 400
    assert writer.call("PATCH", "/machines/nothing", json={}).status_code == 404


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", f"/machines/{PC1}/tags"),
        ("POST", "/machines/AddOrRemoveTagForMultipleMachines"),
        ("POST", f"/machines/{PC1}/setDeviceValue"),
        ("PATCH", f"/machines/{PC1}"),
        ("POST", f"/machines/{PC1}/offboard"),
    ],
)
def test_a_read_role_does_not_allow_changes(
    service: Emulator, client_of: Callable[..., Client], method: str, path: str
) -> None:
    before = service.machine(PC1)
    body = {"Value": "x", "Action": "Add", "MachineIds": [PC1], "DeviceValue": "High", "Comment": "x"}
    response = client_of(service, roles=["Machine.Read.All"]).call(method, path, json=body)
    assert response.status_code == 403
    assert service.machine(PC1) == before
    assert service.actions() == []
