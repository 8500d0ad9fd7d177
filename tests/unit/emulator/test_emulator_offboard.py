# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The offboard request: accepted and refused requests, and effects that must never occur."""

from __future__ import annotations

import re
import typing as t
from collections.abc import Callable

import pytest
import requests

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.emulator.client import Client

PC1 = "a1" * 20
FIELDS = [
    "id",
    "type",
    "title",
    "requestor",
    "requestorComment",
    "status",
    "machineId",
    "computerDnsName",
    "creationDateTimeUtc",
    "lastUpdateDateTimeUtc",
    "cancellationRequestor",
    "cancellationComment",
    "cancellationDateTimeUtc",
    "errorHResult",
    "scope",
    "externalId",
    "requestSource",
    "relatedFileInfo",
    "commands",
    "troubleshootInfo",
]


def code(response: requests.Response) -> t.Any:
    return response.json()["error"]["code"]


def test_an_offboard_request_returns_the_complete_action(client: Client, service: Emulator) -> None:
    response = client.offboard(comment="CHG-7")
    action = response.json()
    assert response.status_code == 201
    assert action.pop("@odata.context").endswith("#MachineActions/$entity")
    assert list(action) == FIELDS
    assert (action["type"], action["status"], action["errorHResult"]) == ("Offboard", "Pending", 0)
    assert (action["requestorComment"], action["requestor"]) == ("CHG-7", service.client_id)
    assert (action["machineId"], action["computerDnsName"]) == (PC1, "pc1.corp.example")
    assert (action["commands"], action["requestSource"], action["scope"]) == ([], "PublicApi", None)
    assert action["lastUpdateDateTimeUtc"] != action["creationDateTimeUtc"]


def test_the_status_can_be_200(client: Client, service: Emulator) -> None:
    service.knobs.offboard_status = 200
    assert client.offboard().status_code == 200


def test_ids_in_paths_are_case_insensitive(client: Client) -> None:
    assert client.offboard(PC1.upper()).json()["machineId"] == PC1


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "InvalidRequestBody"),
        (b"{", "InvalidRequestBody"),
        (b"[]", "InvalidRequestBody"),
        (b'"x"', "InvalidRequestBody"),
        (b"\xff", "InvalidRequestBody"),
        (b'{"Comment": 5}', "InvalidRequestBody"),
        (b"{}", "MissingRequiredParameter"),
        (b'{"comment": "wrong case"}', "MissingRequiredParameter"),
        (b'{"Comment": null}', "MissingRequiredParameter"),
        (b'{"Comment": "  "}', "MissingRequiredParameter"),
    ],
)
def test_a_bad_body_is_refused_and_nothing_is_stored(
    client: Client, service: Emulator, body: t.Any, expected: t.Any
) -> None:
    headers = {"Content-Type": "application/json"}
    response = client.call("POST", f"/machines/{PC1}/offboard", data=body, headers=headers)
    assert (response.status_code, code(response)) == (400, expected)
    assert service.actions() == []


def test_a_body_requires_its_content_type(client: Client) -> None:
    response = client.call("POST", f"/machines/{PC1}/offboard", data='{"Comment": "x"}')
    assert (response.status_code, code(response)) == (400, "InvalidRequestBody")


def test_the_requestor_never_comes_from_the_body(client: Client, service: Emulator) -> None:
    client.post(f"/machines/{PC1}/offboard", {"Comment": "x", "requestor": "mallory", "Requestor": "mallory"})
    assert service.actions()[0]["requestor"] == service.client_id


def test_an_unknown_device_is_not_found(client: Client, service: Emulator) -> None:
    response = client.offboard("ff" * 20)
    assert (response.status_code, code(response)) == (404, "ResourceNotFound")
    assert service.actions() == []


def test_an_offboard_request_for_an_unknown_device_can_be_accepted_and_is_never_picked_up(
    client: Client, service: Emulator
) -> None:
    service.knobs.unknown_device_offboard = 201
    assert client.offboard("ff" * 20).json()["status"] == "Pending"
    service.clock.advance(73 * 3600)
    assert service.actions()[0]["status"] == "TimeOut"


@pytest.mark.parametrize(
    ("device", "expected"),
    [
        (Device(id=PC1, os_platform="macOS"), "OsPlatformNotSupported"),
        (Device(id=PC1, os_platform="Ubuntu"), "OsPlatformNotSupported"),
        (Device(id=PC1, fate="unsupported_os"), "OsPlatformNotSupported"),
        (Device(id=PC1, fate="old_client"), "ClientVersionNotSupported"),
    ],
)
def test_a_device_that_cannot_be_offboarded_is_refused(
    client_of: Callable[..., Client], device: Device, expected: t.Any
) -> None:
    with Emulator([device]) as service:
        response = client_of(service).offboard()
        assert (response.status_code, code(response)) == (400, expected)
        assert service.actions() == []


def test_a_mac_with_the_fate_online_is_offboarded(client_of: Callable[..., Client]) -> None:
    with Emulator([Device(id=PC1, os_platform="macOS", fate="online")]) as service:
        assert client_of(service).offboard().status_code == 201


@pytest.mark.parametrize("status", [201, 400])
def test_a_device_that_is_not_onboarded_follows_the_knob(client_of: Callable[..., Client], status: int) -> None:
    with Emulator([Device(id=PC1, not_onboarded=True)]) as service:
        service.knobs.not_onboarded_offboard = status
        assert client_of(service).offboard().status_code == status
        assert len(service.actions()) == (1 if status == 201 else 0)
        service.clock.advance(3600)
        assert [item["status"] for item in service.actions()] == (["Pending"] if status == 201 else [])


def test_a_second_offboard_request_returns_the_first_action_within_the_grace_period_and_is_refused_after_it(
    client: Client, service: Emulator
) -> None:
    service.update_device(PC1, fate="offline")
    first = client.offboard().json()
    service.clock.advance(30)
    assert client.offboard(comment="other").json() == first
    service.clock.advance(31)
    response = client.offboard()
    assert (response.status_code, code(response)) == (400, "ActiveRequestAlreadyExists")
    assert len(service.actions()) == 1


@pytest.mark.parametrize(("mode", "status", "count"), [("existing", 201, 1), ("refuse", 400, 1), ("create", 201, 2)])
def test_duplicates_follow_their_mode(client: Client, service: Emulator, mode: str, status: int, count: int) -> None:
    service.update_device(PC1, fate="offline")
    service.knobs.duplicate_mode = mode
    client.offboard()
    service.clock.advance(3000)
    assert client.offboard().status_code == status
    assert len(service.actions()) == count


def test_a_finished_action_is_no_duplicate(client: Client, service: Emulator) -> None:
    service.add_action(PC1, status="Failed", age=60)
    assert client.offboard().status_code == 201
    assert len(service.actions()) == 2


def test_the_onboarding_status_does_not_change_with_the_post(client: Client, service: Emulator) -> None:
    client.offboard()
    assert client.get(f"/machines/{PC1}").json()["onboardingStatus"] == "Onboarded"


def test_times_have_up_to_seven_digits_without_trailing_zeros(client_of: Callable[..., Client]) -> None:
    with Emulator("fleet") as service:
        values = (
            client_of(service).get("/machines").json()["value"]
            + client_of(service).get("/machineactions").json()["value"]
        )
    times = [value for item in values for name, value in item.items() if name.endswith(("Seen", "TimeUtc")) and value]
    assert times
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{0,6}[1-9])?Z", item) for item in times)
    assert {len(item.partition(".")[2]) for item in times} >= {7, 8}
