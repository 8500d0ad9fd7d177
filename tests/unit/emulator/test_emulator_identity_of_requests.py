# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ExternalId, availableMachineActions and setExclusion, which only the service's own $metadata documents."""

from __future__ import annotations

import json

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.emulator.client import PC1, Client

EXTERNAL = "11112222-bbbb-3333-cccc-4444dddd5555 CHG-1"


def offboard(client: Client, **more: object) -> dict[str, object]:
    found: dict[str, object] = client.post(f"/machines/{PC1}/offboard", {"Comment": "CHG-1", **more}).json()
    return found


@pytest.mark.parametrize(
    ("knobs", "shown"),
    [
        ({}, EXTERNAL),
        ({"external_id": "drop"}, None),
        ({"external_id_form": "swapped"}, EXTERNAL.swapcase()),
        ({"external_id_form": "padded"}, f"  {EXTERNAL} "),
        ({"external_id_length": 36}, EXTERNAL[:36]),
    ],
)
def test_an_external_id_is_returned_as_set_by_the_knobs(
    service: Emulator, knobs: dict[str, object], shown: str | None
) -> None:
    service.knobs.update(knobs)
    client = Client(service)
    action = offboard(client, ExternalId=EXTERNAL)
    assert action["externalId"] == shown
    assert client.call("GET", f"/machineactions/{action['id']}").json()["externalId"] == shown


def test_a_service_that_refuses_the_parameter_does_not_carry_out_the_request(service: Emulator) -> None:
    service.knobs.external_id = "refuse"
    client = Client(service)
    response = client.post(f"/machines/{PC1}/offboard", {"Comment": "CHG-1", "ExternalId": EXTERNAL})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "InvalidRequestBody")
    assert service.actions() == []
    assert client.offboard().status_code == 201


@pytest.mark.parametrize("key", ["ExternalId", "Title"])
def test_a_parameter_that_is_not_text_is_refused(service: Emulator, key: str) -> None:
    response = Client(service).post(f"/machines/{PC1}/offboard", {"Comment": "CHG-1", key: 7})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "InvalidRequestBody")


def test_a_title_is_kept(service: Emulator) -> None:
    assert offboard(Client(service), Title="Retired laptops")["title"] == "Retired laptops"


@pytest.mark.parametrize(
    ("fate", "available", "reason"),
    [
        ("online", True, None),
        ("unsupported_os", False, "OsPlatformNotSupported"),
        ("old_client", False, "ClientVersionNotSupported"),
    ],
)
def test_the_available_actions_of_a_device_can_be_read(fate: str, available: bool, reason: str | None) -> None:
    with Emulator([Device(id=PC1, fate=fate)]) as service:
        response = Client(service).call("GET", f"/machines/{PC1}/availableMachineActions").json()["value"]
    assert {"action": "OffBoard", "isAvailable": available, "notSupportedReason": reason} in response


@pytest.mark.parametrize(("knob", "status"), [("forbidden", 403), ("missing", 404)])
def test_an_undocumented_route_can_be_missing(service: Emulator, knob: str, status: int) -> None:
    client = Client(service, roles="*")
    service.knobs.update({"available_actions": knob, "exclusion": knob})
    assert client.call("GET", f"/machines/{PC1}/availableMachineActions").status_code == status
    assert client.post(f"/machines/{PC1}/setExclusion", {"IsExcluded": True}).status_code == status


def test_an_exclusion_is_visible_immediately_and_can_be_undone(service: Emulator) -> None:
    client = Client(service, roles="*")
    client.post(f"/machines/{PC1}/setExclusion", {"IsExcluded": True, "ExclusionReason": "InactiveDevice"})
    record = service.machine(PC1)
    assert (record["isExcluded"], record["exclusionReason"]) == (True, "InactiveDevice")
    client.post(f"/machines/{PC1}/setExclusion", {"IsExcluded": False})
    record = service.machine(PC1)
    assert (record["isExcluded"], record["exclusionReason"]) == (False, None)


def test_an_exclusion_can_be_visible_after_hours(service: Emulator) -> None:
    service.knobs.exclusion_delay = 36_000
    client = Client(service, roles="*")
    response = client.post(f"/machines/{PC1}/setExclusion", {"IsExcluded": True, "ExclusionReason": "Other"}).json()
    assert response["isExcluded"] is True
    assert service.machine(PC1)["isExcluded"] is False
    service.advance(36_001)
    assert service.machine(PC1)["exclusionReason"] == "Other"


@pytest.mark.parametrize("body", [{"IsExcluded": "yes"}, {}, {"IsExcluded": True, "ExclusionReason": "Retired"}])
def test_an_invalid_exclusion_is_refused(service: Emulator, body: dict[str, object]) -> None:
    response = Client(service, roles="*").post(f"/machines/{PC1}/setExclusion", body)
    assert response.status_code == 400
    assert json.loads(response.text)["error"]["code"] in ("InvalidRequestBody", "InvalidInput")


def test_an_exclusion_needs_the_permission_to_write_and_a_device(service: Emulator) -> None:
    assert Client(service).post(f"/machines/{PC1}/setExclusion", {"IsExcluded": True}).status_code == 403
    unknown = Client(service, roles="*").post(f"/machines/{'0' * 40}/setExclusion", {"IsExcluded": True})
    assert unknown.json()["error"]["code"] == "ResourceNotFound"
