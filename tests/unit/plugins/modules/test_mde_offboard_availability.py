# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Check mode reads whether the service can offboard a device that does not run Windows."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import ModuleRun, RunModule, posts

MAC: dict[str, t.Any] = {"name": "mac-02.corp.example", "os_platform": "macOS"}


def read_count(emulator: Emulator) -> int:
    """Return the number of devices whose available actions were read."""
    return len(emulator.calls("api", "GET", "/availableMachineActions"))


def warnings(run: ModuleRun) -> list[str]:
    """Return the texts of the warnings, which newer versions of Ansible wrap in objects."""
    found = run.result.get("warnings", [])
    return [one if isinstance(one, str) else one["event"]["msg"] for one in found]


def respond_with(emulator: Emulator, body: t.Any, **fault: t.Any) -> None:
    text = body if isinstance(body, str) else json.dumps(body)
    emulator.fault(method="GET", path="/availableMachineActions", kind="body", body=text, times=None, **fault)


def offer(available: t.Any, reason: t.Any = None, action: t.Any = "OffBoard") -> dict[str, t.Any]:
    others = {"action": "Isolate", "isAvailable": True, "notSupportedReason": None}
    return {"value": [others, {"action": action, "isAvailable": available, "notSupportedReason": reason}]}


@pytest.mark.parametrize(
    ("fate", "code"), [("unsupported_os", "os_not_supported"), ("old_client", "client_version_not_supported")]
)
def test_check_mode_refuses_what_the_real_run_would_refuse(
    emulator: Emulator, offboard: RunModule, fate: str, code: str
) -> None:
    device = emulator.add_device(Device(**MAC, fate=fate))
    predicted = offboard(device_id=device.id, check=True)
    assert (predicted.outcome, predicted.changed, predicted.error_code) == ("refused", False, code)
    assert predicted.result["action"] is None
    assert predicted.result["error"]["hint"].startswith("A real run would be refused.")
    assert posts(emulator) == 0
    real = offboard(device_id=device.id)
    assert (real.outcome, real.changed, real.error_code) == ("refused", False, code)
    assert read_count(emulator) == 1


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("OsPlatformNotSupported", "os_not_supported"),
        ("The operating system is not supported", "os_not_supported"),
        ("OS version", "os_not_supported"),
        ("UnsupportedOs", "os_not_supported"),
        ("Client version not supported", "client_version_not_supported"),
        ("CLIENTVERSIONNOTSUPPORTED", "client_version_not_supported"),
    ],
)
def test_a_reason_of_platform_or_client_is_a_refusal(
    emulator: Emulator, offboard: RunModule, reason: str, code: str
) -> None:
    device = emulator.add_device(Device(**MAC))
    respond_with(emulator, offer(False, reason))
    run = offboard(device_id=device.id, check=True)
    assert (run.outcome, run.error_code) == ("refused", code)
    assert reason in run.result["msg"]


@pytest.mark.parametrize(
    "reason",
    ["ActionAlreadyInProgress", "Client is offline", "PendingClientResponse", "closed", "", None, 7, ["x"]],
    ids=str,
)
def test_any_other_reason_is_a_warning(emulator: Emulator, offboard: RunModule, reason: t.Any) -> None:
    device = emulator.add_device(Device(**MAC))
    respond_with(emulator, offer(False, reason))
    run = offboard(device_id=device.id, check=True)
    assert (run.outcome, run.changed, run.failed) == ("submitted", True, False)
    (warning,) = warnings(run)
    assert warning.startswith("mac-02.corp.example runs macOS, and the service does not offer offboarding")


def test_a_device_that_the_service_offers_to_offboard_gets_no_warning(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(**MAC, fate="online"))
    run = offboard(device_id=device.id, check=True)
    assert (run.outcome, warnings(run)) == ("submitted", [])


@pytest.mark.parametrize(
    "body",
    ["[]", "", "null", "<html></html>", '{"value": 7}', {"value": []}, {"value": ["OffBoard", None]},
     offer(None), offer("no"), offer(False, action="Isolate"), offer(False, action=None)],
    ids=str,
)  # fmt: skip
def test_a_response_without_information_is_a_warning(emulator: Emulator, offboard: RunModule, body: t.Any) -> None:
    device = emulator.add_device(Device(**MAC))
    respond_with(emulator, body)
    run = offboard(device_id=device.id, check=True)
    assert (run.outcome, run.failed) == ("submitted", False)
    assert warnings(run) == ["mac-02.corp.example runs macOS, which the service may refuse to offboard."]


def test_a_device_that_the_route_does_not_know_does_not_end_the_checks_of_the_others(
    emulator: Emulator, offboard: RunModule
) -> None:
    first = emulator.add_device(Device(**MAC))
    second = emulator.add_device(Device(**{**MAC, "name": "mac-03.corp.example"}))
    gone = json.dumps({"error": {"code": "ResourceNotFound", "message": "no"}})
    emulator.fault(kind="body", status=404, body=gone, method="GET", path=f"{first.id}/availableMachineActions")
    run = offboard(devices=[{"device_id": first.id}, {"device_id": second.id}], check=True)
    assert not any("availableMachineActions" in line for line in warnings(run))
    assert sum("availableMachineActions" in call.path for call in emulator.calls("api")) == 2


@pytest.mark.parametrize(("knob", "status"), [("forbidden", 403), ("missing", 404)])
def test_a_forbidden_route_is_called_once_and_the_warning_is_actionable(
    emulator: Emulator, offboard: RunModule, knob: str, status: int
) -> None:
    emulator.knobs.available_actions = knob
    devices = [emulator.add_device(Device(name=f"mac-{number}", os_platform="macOS")) for number in range(3)]
    run = offboard(devices=[{"device_id": device.id} for device in devices], check=True)
    assert [one["outcome"] for one in run.result["devices"]] == ["submitted"] * 3
    assert read_count(emulator) == 1
    first, *others = warnings(run)
    assert f"HTTP {status}" in first
    assert "Microsoft does not document this route" in first
    assert "offboard one such device first" in first
    assert others == [f"mac-{number} runs macOS, which the service may refuse to offboard." for number in range(3)]


@pytest.mark.parametrize("kind", ["503", "lost", "429", "html_502"])
def test_an_outage_of_the_route_costs_a_minute_and_not_the_prediction(
    emulator: Emulator, offboard: RunModule, kind: str
) -> None:
    devices = [emulator.add_device(Device(name=f"mac-{number}", os_platform="macOS")) for number in range(9)]
    emulator.fault(method="GET", path="/availableMachineActions", kind=kind, times=None)
    began = emulator.clock.monotonic()
    run = offboard(devices=[{"device_id": device.id} for device in devices], check=True)
    assert {one["outcome"] for one in run.result["devices"]} == {"submitted"}
    assert len(warnings(run)) == 9
    assert emulator.clock.monotonic() - began <= 70


def test_the_available_actions_of_at_most_fifty_devices_are_read(emulator: Emulator, offboard: RunModule) -> None:
    devices = [emulator.add_device(Device(name=f"mac-{number}", os_platform="macOS")) for number in range(120)]
    run = offboard(devices=[{"device_id": device.id} for device in devices], check=True, calls_per_minute=1000)
    assert read_count(emulator) == 50
    assert [one["outcome"] for one in run.result["devices"]] == [*["refused"] * 50, *["submitted"] * 70]
    assert len(warnings(run)) == 70


@pytest.mark.parametrize("platform", ["Windows10", "windows11", "WindowsServer2022", None])
def test_no_request_is_made_about_windows_and_unknown_systems(
    emulator: Emulator, offboard: RunModule, platform: str | None
) -> None:
    device = emulator.add_device(Device(name="pc-1", os_platform=platform, fate="online"))
    run = offboard(device_id=device.id, check=True)
    assert (run.outcome, warnings(run), read_count(emulator)) == ("submitted", [], 0)


def test_no_request_is_made_about_a_device_that_needs_no_action(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(**MAC, not_onboarded=True))
    assert offboard(device_id=device.id, check=True).outcome == "not_onboarded"
    assert read_count(emulator) == 0


def test_a_token_without_the_permission_is_refused_without_a_request(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(**MAC))
    run = offboard(device_id=device.id, access_token=emulator.token(roles=["Machine.Read.All"]), check=True)
    assert (run.error_code, read_count(emulator)) == ("permission_missing", 0)


def test_a_real_run_does_not_read_the_available_actions(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(**MAC, fate="online"))
    run = offboard(device_id=device.id)
    assert (run.outcome, read_count(emulator)) == ("submitted", 0)
    assert warnings(run) == ["mac-02.corp.example runs macOS, which the service may refuse to offboard."]
