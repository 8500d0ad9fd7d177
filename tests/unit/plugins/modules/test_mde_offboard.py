# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One device: from the parameters of the module to its JSON result, against the emulator."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._api.models import ACTION_FIELDS
from ansible_collections.secops.mde.plugins.module_utils._offboarding.results import OUTCOMES
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import (
    ModuleRun,
    RunModule,
    api_calls,
    offboards,
    posts,
    sign_ins,
)

HOUR, DAY = 3600.0, 86400.0
NAME = "lab-w11-07.corp.example"


def test_one_device_by_id_takes_three_calls_and_one_sign_in(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME))
    run = offboard(device_id=device.id)
    assert run.changed
    assert run.outcome == "submitted"
    assert run.result["action"].items() >= emulator.actions(device.id)[0].items()
    assert api_calls(emulator) == ["GET machines", "GET machineactions", "POST offboard"]
    assert sign_ins(emulator) == 1
    assert run.result["summary"]["api"]["calls"] == 3


def test_the_second_run_changes_nothing_and_sends_no_post(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME))
    first, second = offboard(device_id=device.id), offboard(device_id=device.id)
    assert (first.changed, second.changed) == (True, False)
    assert second.outcome == "in_progress"
    assert second.result["action"]["id"] == first.result["action"]["id"]
    assert posts(emulator) == 1
    assert len(offboards(emulator, device.id)) == 1


def test_a_third_run_after_the_end_is_already_offboarded(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME))
    offboard(device_id=device.id)
    for wait in (HOUR, 2 * DAY, 9 * DAY, 100 * DAY):
        emulator.clock.advance(wait)
        run = offboard(device_id=device.id)
        assert (run.outcome, run.changed) == ("already_offboarded", False)
        assert run.result["action"]["status"] == "Succeeded"
    assert posts(emulator) == 1


def test_status_200_is_a_success_too(emulator: Emulator, offboard: RunModule) -> None:
    emulator.knobs.offboard_status = 200
    device = emulator.add_device(Device(name=NAME))
    assert offboard(device_id=device.id).outcome == "submitted"


def test_the_post_goes_to_the_id_that_the_service_returned(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(id="00aabbccdd", name=NAME))
    run = offboard(device_id="00AABBCCDD")
    (post,) = emulator.calls("api", "POST")
    assert post.path == f"/api/machines/{device.id}/offboard"
    assert post.body == {"Comment": "CHG-1042 retired", "ExternalId": run.device["external_id"]}


def test_the_comment_is_sent_without_surrounding_spaces(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME))
    comment = 'CHG-1042: Müller\'s "old" laptop; =1+1 & <b>'
    run = offboard(device_id=device.id, comment=f"  {comment}\n")
    assert run.result["action"]["requestorComment"] == comment
    assert run.outcome == "submitted"


# -- the decision table in real runs and in check mode -----------------------------------------------------------

OFF: dict[str, t.Any] = {"onboarding_status": "CanBeOnboarded", "last_seen": 20 * DAY}
INACTIVE: dict[str, t.Any] = {"health_status": "Inactive"}

# name, the device, its earlier actions (status, age in seconds), outcome, outcome with force
TABLE: list[tuple[str, dict[str, t.Any], list[tuple[str, float]], str, str]] = [
    ("online", {}, [], "submitted", "submitted"),
    ("offline for weeks", {"last_seen": 21 * DAY}, [], "submitted", "submitted"),
    ("pending", {"fate": "offline"}, [("Pending", HOUR)], "in_progress", "in_progress"),
    ("pending, and a newer failure", {"fate": "offline"}, [("Pending", DAY), ("Failed", HOUR)], "in_progress", "in_progress"),
    ("in progress", {"fate": "never_answers"}, [("InProgress", HOUR)], "in_progress", "in_progress"),
    ("not onboarded after a success", OFF, [("Succeeded", 20 * DAY)], "already_offboarded", "submitted"),
    ("never onboarded", {"onboarding_status": "CanBeOnboarded"}, [], "not_onboarded", "submitted"),
    ("not onboarded after a failure", {"onboarding_status": "CanBeOnboarded"}, [("Failed", DAY)], "not_onboarded", "submitted"),
    ("failed", {}, [("Failed", DAY)], "submitted", "submitted"),
    ("timed out", {"last_seen": 21 * DAY}, [("TimeOut", 9 * DAY)], "submitted", "submitted"),
    ("cancelled", {}, [("Cancelled", DAY)], "submitted", "submitted"),
    ("offboarded in January, back in February, powered off in June", {"last_seen": 20 * DAY, **INACTIVE}, [("Succeeded", 170 * DAY)], "submitted", "submitted"),
    ("offboarded and not seen since", {"last_seen": 170 * DAY, **INACTIVE}, [("Succeeded", 170 * DAY)], "already_offboarded", "submitted"),
]  # fmt: skip


@pytest.mark.parametrize("force", [False, True], ids=["normal", "force"])
@pytest.mark.parametrize(
    ("device", "history", "normal", "forced"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_check_mode_predicts_each_rule_and_sends_no_post(
    emulator: Emulator,
    offboard: RunModule,
    device: dict[str, t.Any],
    history: list[tuple[str, float]],
    normal: str,
    forced: str,
    force: bool,
) -> None:
    found = emulator.add_device(Device(name=NAME, **device))
    for status, age in history:
        emulator.add_action(found.id, status=status, age=age, ended_age=age)
    predicted = offboard(device_id=found.id, force=force, check=True)
    assert posts(emulator) == 0
    real = offboard(device_id=found.id, force=force)
    assert predicted.outcome == real.outcome == (forced if force else normal)
    assert predicted.changed == real.changed == (real.outcome == "submitted")
    assert posts(emulator) == int(real.changed)
    if real.changed:
        assert real.result["action"]["requestorComment"] == "CHG-1042 retired"
        again = offboard(device_id=found.id, force=force)
        assert (again.outcome, again.changed) == ("in_progress", False)
    else:
        assert predicted.result["action"] == real.result["action"]


@pytest.mark.parametrize("check", [False, True])
def test_a_stuck_action_is_left_alone_with_a_warning_and_force_submits_another(
    emulator: Emulator, offboard: RunModule, check: bool
) -> None:
    device = emulator.add_device(Device(name=NAME, fate="offline"))
    emulator.knobs.action_timeout = 400 * DAY
    emulator.knobs.duplicate_mode = "create"
    stuck = emulator.add_action(device.id, status="Pending", age=HOUR)
    emulator.clock.advance(30 * DAY)
    run = offboard(device_id=device.id, check=check)
    assert (run.outcome, run.changed) == ("in_progress", False)
    (warning,) = run.warnings
    assert stuck["id"] in warning
    assert "mde_machine_action_cancel" in warning
    assert offboard(device_id=device.id, force=True, check=check).changed


def test_check_mode_predicts_the_action(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME))
    action = offboard(device_id=device.id, check=True).result["action"]
    assert tuple(action) == ACTION_FIELDS
    assert {key: value for key, value in action.items() if value not in (None, [])} == {
        "type": "Offboard",
        "requestor": emulator.client_id,
        "requestorComment": "CHG-1042 retired",
        "status": "Pending",
        "machineId": device.id,
        "computerDnsName": NAME,
    }


def test_check_mode_with_a_wrong_secret_fails(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME))
    run = offboard(device_id=device.id, client_id=emulator.client_id, client_secret="wrong", check=True)
    assert (run.failed, run.error_code) == (True, "sign_in_failed")


@pytest.mark.parametrize("roles", [["Machine.Read.All"], ["Machine.Read.All", "Machine.Isolate"]])
def test_check_mode_fails_where_the_token_lacks_the_permission(
    emulator: Emulator, offboard: RunModule, roles: list[str]
) -> None:
    device = emulator.add_device(Device(name=NAME))
    reader = emulator.add_app("reader", roles=roles, secret="made-up")
    run = offboard(device_id=device.id, client_id=reader.client_id, client_secret=reader.secret, check=True)
    assert (run.failed, run.changed, run.outcome) == (True, False, "refused")
    assert run.error_code == "permission_missing"
    assert "Machine.Offboard" in run.result["msg"]
    assert all(role in run.result["msg"] for role in roles)


def test_the_permission_is_not_required_where_nothing_would_be_sent(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME, fate="offline"))
    emulator.add_action(device.id, status="Pending", age=HOUR)
    reader = emulator.add_app("reader", roles=["Machine.Read.All"], secret="made-up")
    run = offboard(device_id=device.id, client_id=reader.client_id, client_secret=reader.secret, check=True)
    assert (run.failed, run.outcome) == (False, "in_progress")


def test_an_unreadable_token_is_a_warning_in_check_mode(emulator: Emulator, offboard: RunModule) -> None:
    """A token is opaque by specification. The service decides."""
    device = emulator.add_device(Device(name=NAME))
    opaque = "opaque-made-up-token"
    for path, body in (
        ("/machines", {"value": [{"id": device.id, "computerDnsName": NAME}]}),
        ("/machineactions", {"value": []}),
    ):
        emulator.fault(method="GET", path=path, kind="body", body=_json(body))
    run = offboard(device_id=device.id, access_token=opaque, check=True)
    assert (run.outcome, run.changed) == ("submitted", True)
    assert any("cannot be decoded" in warning for warning in run.warnings)


def _json(value: t.Any) -> str:
    import json

    return json.dumps(value)


# -- the format of the result ------------------------------------------------------------------------------------

TOP = {"changed", "msg", "action", "devices", "summary", "context", "error", "invocation"}
DEVICE = {
    "requested", "device_id", "device_name", "outcome", "changed", "failed", "action", "external_id", "machine",
    "candidates", "error",
}  # fmt: skip
ERROR = {"code", "message", "http_status", "correlation_id", "hint"}
CONTEXT = {"tenant_id", "client_id", "api_url", "collection_version", "started_at", "finished_at"}


def assert_complete_keys(run: ModuleRun, devices: int = 1) -> None:
    extra = {"failed", "warnings", "diff", "exception", "deprecations"}
    assert set(run.result) - extra == TOP
    assert set(run.result["summary"]) == {*OUTCOMES, "total", "changed", "failed", "api"}
    assert set(run.result["summary"]["api"]) == {"calls", "retries", "throttled_seconds"}
    assert set(run.result["context"]) == CONTEXT
    assert len(run.result["devices"]) == devices
    for device in run.result["devices"]:
        assert set(device) == DEVICE
        assert set(device["requested"]) == {"device_id", "device_name", "aad_device_id", "comment"}
        assert device["failed"] == (device["error"] is not None)
        assert device["error"] is None or set(device["error"]) == ERROR
    assert run.failed == (run.result["error"] is not None)
    if run.failed:
        assert set(run.result["error"]) == ERROR
        assert run.result["msg"]


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
@pytest.mark.parametrize(
    ("options", "devices"),
    [
        ({"device_name": NAME}, 1),
        ({"device_name": "pending.corp.example"}, 1),
        ({"device_name": "duplicate.corp.example"}, 1),
        ({"device_name": "gone.corp.example"}, 1),
        ({"device_name": "gone.corp.example", "missing_ok": True}, 1),
        ({"device_name": NAME, "device_id": "ff"}, 1),
        ({"device_name": "mac.corp.example"}, 1),
        ({"device_name": NAME, "client_secret": "wrong", "client_id": "7e9d3c54-1b2a-4c3d-8e4f-001122334455"}, 1),
        ({"device_name": NAME, "api_url": "https://localhost:1"}, 1),
        ({"device_name": NAME, "comment": " "}, 0),
        ({"device_id": "no/id"}, 0),
        ({}, 0),
        ({"device_name": NAME, "timeout": 0}, 0),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_the_keys_are_the_same_in_every_outcome(
    emulator: Emulator, offboard: RunModule, options: dict[str, t.Any], devices: int, check: bool
) -> None:
    emulator.add_device(Device(name=NAME))
    emulator.add_action(
        emulator.add_device(Device(name="pending.corp.example", fate="offline")).id, status="Pending", age=HOUR
    )
    emulator.add_device(Device(name="duplicate.corp.example"))
    emulator.add_device(Device(name="duplicate.corp.example"))
    emulator.add_device(Device(name="mac.corp.example", os_platform="macOS"))
    assert_complete_keys(offboard(check=check, **options), devices)


def test_the_context_has_tenant_application_api_and_times(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME))
    context = offboard(device_id=device.id).result["context"]
    assert context["tenant_id"] == emulator.tenant_id
    assert context["client_id"] == emulator.client_id
    assert context["api_url"] == emulator.api_url
    assert context["started_at"] <= context["finished_at"]
    assert context["started_at"].endswith("Z")


def test_a_ready_token_identifies_tenant_and_application(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME))
    run = offboard(
        connect=False,
        device_id=device.id,
        access_token=emulator.token(),
        api_url=emulator.api_url,
        ca_path=emulator.ca_path,
    )
    assert run.outcome == "submitted"
    assert run.result["context"]["client_id"] == emulator.client_id
    assert run.result["context"]["tenant_id"] == emulator.tenant_id
    assert emulator.calls("entra") == []


@pytest.mark.parametrize("check", [False, True])
def test_diff_mode_shows_before_and_after_of_what_changes(emulator: Emulator, offboard: RunModule, check: bool) -> None:
    device = emulator.add_device(Device(name=NAME))
    (diff,) = offboard(device_id=device.id, diff=True, check=check).result["diff"]
    assert diff["before"] == {"device": NAME, "offboard_action": None}
    assert diff["after"] == {
        "device": NAME,
        "offboard_action": {"status": "Pending", "requestorComment": "CHG-1042 retired"},
    }


def test_diff_mode_is_empty_where_nothing_changes(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME, not_onboarded=True))
    assert offboard(device_id=device.id, diff=True).result["diff"] == []


# -- waiting -----------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("action_id_literal")
def test_waiting_ends_with_the_action(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME, poll_seconds=15, ack_seconds=20))
    run = offboard(device_id=device.id, wait=True)
    assert (run.outcome, run.changed, run.failed) == ("submitted", True, False)
    assert run.result["action"]["status"] == "Succeeded"


@pytest.mark.usefixtures("action_id_literal")
def test_waiting_covers_an_action_that_was_in_progress(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME, poll_seconds=15, ack_seconds=20))
    offboard(device_id=device.id)
    run = offboard(device_id=device.id, wait=True)
    assert (run.outcome, run.changed, run.failed) == ("in_progress", False, False)
    assert run.result["action"]["status"] == "Succeeded"
    assert posts(emulator) == 1


def test_waiting_never_takes_longer_than_allowed(
    emulator: Emulator, offboard: RunModule, action_id_literal: str
) -> None:
    device = emulator.add_device(Device(name=NAME, fate="offline"))
    began = emulator.clock.monotonic()
    run = offboard(device_id=device.id, wait=True, wait_timeout=25, wait_sleep=10)
    assert emulator.clock.monotonic() - began == 25
    assert (run.failed, run.changed, run.outcome, run.error_code) == (True, True, "submitted", "wait_timeout")
    assert run.result["action"]["status"] == "Pending"
    assert len(emulator.calls("api", "GET", "/machineactions")) == (4 if action_id_literal == "both" else 5)


@pytest.mark.parametrize(
    ("status", "code"),
    [("Failed", "action_failed"), ("TimeOut", "action_timed_out"), ("Cancelled", "action_cancelled")],
)
def test_an_end_without_success_fails_the_task(emulator: Emulator, offboard: RunModule, status: str, code: str) -> None:
    device = emulator.add_device(Device(name=NAME, fate="offline"))
    action = emulator.add_action(device.id, status="Pending", age=HOUR)
    emulator.fault(
        method="GET",
        path="/machineactions",
        after=1,
        kind="body",
        body=_json({"value": [{**action, "status": status, "errorHResult": -2145844840}]}),
    )
    run = offboard(device_id=device.id, wait=True)
    assert (run.failed, run.outcome, run.error_code) == (True, "in_progress", code)
    assert run.result["action"]["status"] == status
    assert "0x80190198" in run.result["msg"]


def test_a_device_that_reports_a_failure_fails_the_task(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME, fate="fails"))
    run = offboard(device_id=device.id, wait=True)
    assert (run.failed, run.changed, run.outcome, run.error_code) == (True, True, "submitted", "action_failed")


def test_polls_that_fail_in_between_do_not_matter(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME, poll_seconds=60, ack_seconds=60))
    emulator.fault(method="GET", path="/machineactions", kind="body", body="[]", after=1, times=2)
    emulator.fault(method="GET", path="/machineactions", kind="503", after=4, times=2)
    run = offboard(device_id=device.id, wait=True)
    assert run.result["action"]["status"] == "Succeeded"


def test_a_poll_that_failed_in_between_is_not_the_error_of_the_wait(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME, fate="offline"))
    emulator.fault(method="GET", path="/machineactions", kind="body", body="[]", after=1, times=1)
    run = offboard(device_id=device.id, wait=True, wait_timeout=40)
    assert (run.failed, run.error_code) == (True, "wait_timeout")


def test_polls_that_fail_to_the_end_have_their_own_code(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME))
    emulator.fault(method="GET", path="/machineactions", kind="503", after=1, times=None)
    began = emulator.clock.monotonic()
    run = offboard(device_id=device.id, wait=True, wait_timeout=60)
    assert (run.failed, run.changed, run.outcome, run.error_code) == (True, True, "submitted", "wait_read_failed")
    assert emulator.clock.monotonic() - began <= 60 + 1e-6  # floating-point error of the sum of the pauses


@pytest.mark.parametrize("count", [1, 2])
def test_a_service_that_refuses_action_ids_in_filters_is_a_failed_read(
    emulator: Emulator, offboard: RunModule, count: int
) -> None:
    devices = [emulator.add_device(Device(name=f"pc{number}")) for number in range(count)]
    refusal = _json({"error": {"code": "", "message": "Could not find a property named 'id'", "details": []}})
    emulator.fault(method="GET", path="/machineactions", kind="body", status=400, body=refusal, after=1, times=None)
    run = offboard(devices=[{"device_id": device.id} for device in devices], wait=True, wait_timeout=60)
    assert [device["outcome"] for device in run.result["devices"]] == ["submitted"] * count
    assert {device["error"]["code"] for device in run.result["devices"]} == {"wait_read_failed"}
    assert "property named 'id'" in run.result["devices"][0]["error"]["message"]


@pytest.mark.parametrize("status", ["429", "503"])
@pytest.mark.parametrize(("pause", "read"), [(400, True), (5000, False)])
def test_a_pause_that_is_longer_than_retry_timeout_is_kept_while_waiting(
    emulator: Emulator, offboard: RunModule, pause: int, read: bool, status: str
) -> None:
    device = emulator.add_device(Device(name=NAME))
    emulator.fault(method="GET", path="/machineactions", kind=status, retry_after=pause, after=1)
    run = offboard(device_id=device.id, wait=True, wait_timeout=1000)
    throttled, *later = emulator.calls("api")[3:]
    assert bool(later) == read
    assert all(call.at - throttled.at >= pause for call in later)
    assert (run.outcome, run.error_code) == ("submitted", None if read else "wait_read_failed")


@pytest.mark.usefixtures("action_id_literal")
def test_an_action_that_is_not_listed_yet_is_waited_for(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME))
    emulator.knobs.list_lag = 25
    run = offboard(device_id=device.id, wait=True)
    assert run.result["action"]["status"] == "Succeeded"


def test_a_sign_in_that_fails_while_waiting_ends_the_wait(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME, fate="offline"))
    emulator.knobs.token_lifetime = 60
    emulator.fault(service="entra", kind="503", after=2, times=None)
    began = emulator.clock.monotonic()
    run = offboard(device_id=device.id, wait=True, wait_timeout=100)
    assert emulator.clock.monotonic() - began <= 100 + 1e-6
    assert (run.failed, run.changed, run.outcome, run.error_code) == (True, True, "submitted", "wait_read_failed")
    assert "Sign-in at" in run.result["error"]["message"]


def test_check_mode_does_not_wait(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME, fate="offline"))
    began = emulator.clock.monotonic()
    assert offboard(device_id=device.id, wait=True, check=True).outcome == "submitted"
    assert emulator.clock.monotonic() == began


def test_a_finished_action_is_not_waited_for(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name=NAME, onboarding_status="CanBeOnboarded", last_seen=20 * DAY))
    emulator.add_action(device.id, status="Succeeded", age=20 * DAY, ended_age=20 * DAY)
    assert offboard(device_id=device.id, wait=True).outcome == "already_offboarded"
    assert len(api_calls(emulator)) == 2
