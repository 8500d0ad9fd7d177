# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After a lost or unexpected response there is exactly one action, and the task reports correctly whose it is."""

from __future__ import annotations

import json
import typing as t

import pytest
import requests

from ansible_collections.secops.mde.plugins.module_utils._auth.token import TokenCache
from ansible_collections.secops.mde.plugins.module_utils._foreign_json import parse_json
from ansible_collections.secops.mde.plugins.module_utils._http import response
from ansible_collections.secops.mde.plugins.module_utils._timestamps import format_time, parse_time
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.external_id_service import (
    SERVICES,
    ServiceEmulator,
    api_calls,
    posts,
)
from ansible_collections.secops.mde.tests.unit.support.in_process_transport import InProcessTransport
from ansible_collections.secops.mde.tests.unit.support.module_run import (
    EmulatorClock,
    RunModule,
    offboard_as_other_app,
    offboards,
)
from ansible_collections.secops.mde.tests.unit.support.simulated_run import SimulatedRun
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

COMMENT = "CHG-1042 retired"

# What happens to the POST. Accepted by the service:
ACCEPTED: dict[str, dict[str, t.Any]] = {
    "the connection breaks after the action was stored": {"kind": "lost"},
    "a gateway's 502 page hides the response": {"kind": "html_502", "handled": True},
    "a 500 after the action was stored": {"kind": "500", "handled": True},
    "a 503 after the action was stored": {"kind": "503", "handled": True},
    "the response is empty": {"kind": "empty_200", "handled": True},
    "the response is a list": {"kind": "body", "body": "[]", "handled": True},
    "the response is a page": {"kind": "body", "body": "<html><title>Hi</title></html>", "handled": True},
    "the response is an action without an id": {"kind": "body", "body": '{"type": "Offboard"}', "handled": True},
    "the response is another type of action": {
        "kind": "body",
        "body": '{"id": "1", "type": "Isolate", "machineId": "x"}',
        "handled": True,
    },
    "a gateway's 404 page hides the response": {"kind": "html_404", "handled": True},
    "a 400 page hides the response": {"kind": "body", "status": 400, "body": "<html>bad</html>", "handled": True},
    "a 403 page hides the response": {"kind": "body", "status": 403, "body": "<html>blocked</html>", "handled": True},
    "a 401 page hides the response": {"kind": "body", "status": 401, "body": "<html>who?</html>", "handled": True},
    "a 303 hides the response": {"kind": "body", "status": 303, "headers": {"Location": "/done"}, "handled": True},
    "a 304 hides the response": {"kind": "body", "status": 304, "handled": True},
    "a 307 hides the response": {"kind": "redirect", "handled": True},
    "an unknown status hides the response": {"kind": "body", "status": 799, "handled": True},
    "a 400 with half of its JSON hides the response": {
        "kind": "body",
        "status": 400,
        "body": '{"error": {"code": "BadRequest", "message": "no',
        "handled": True,
    },
    "the response is in a coding that was not requested": {
        "kind": "body",
        "headers": {"Content-Encoding": "br"},
        "body": "{}",
        "handled": True,
    },
}
# Not accepted:
LOST_BEFORE: dict[str, dict[str, t.Any]] = {
    "the connection breaks before the service saw it": {"kind": "lost_before"},
    "a gateway's 502 page without the service": {"kind": "html_502", "handled": False},
    "a 500 without an action": {"kind": "500", "handled": False},
}


@pytest.fixture(params=SERVICES, ids="ExternalId: {}".format)
def emulator(request: pytest.FixtureRequest) -> t.Iterator[Emulator]:
    """Each of the three services, without devices, with a stopped clock."""
    with ServiceEmulator(request.param) as running:
        yield running


@pytest.fixture(params=["online", "offline"])
def device(emulator: Emulator, request: pytest.FixtureRequest) -> Device:
    return emulator.add_device(Device(name="lab-w11-07.corp.example", fate=request.param))


@pytest.mark.parametrize("lag", [0, 3, 20], ids="lists lag {} s".format)
@pytest.mark.parametrize("fault", ACCEPTED.values(), ids=ACCEPTED)
def test_an_accepted_offboard_is_found_and_reported_as_submitted(
    emulator: Emulator, offboard: RunModule, device: Device, fault: dict[str, t.Any], lag: float
) -> None:
    emulator.knobs.list_lag = lag
    emulator.fault(method="POST", path="/offboard", **fault)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed, run.failed) == ("submitted", True, False)
    assert len(offboards(emulator, device.id)) == posts(emulator) == 1
    assert run.result["action"]["id"] == offboards(emulator, device.id)[0]["id"]


@pytest.mark.parametrize("failure", [MemoryError, ValueError, AttributeError, RecursionError])
def test_any_exception_while_reading_the_response_leads_to_reconciliation(
    emulator: Emulator, offboard: RunModule, device: Device, monkeypatch: pytest.MonkeyPatch, failure: type[Exception]
) -> None:
    """Make the read of the response to the POST fail once, for a local reason."""
    decode = parse_json
    failed: list[bytes] = []

    def failing(body: bytes) -> t.Any:
        if b"$metadata#MachineActions/$entity" in body and not failed:
            failed.append(body)
            raise failure("no more")
        return decode(body)

    monkeypatch.setattr(response, "parse_json", failing)
    run = offboard(device_id=device.id)
    monkeypatch.undo()
    assert failed
    assert (run.outcome, run.changed, run.failed) == ("submitted", True, False)
    assert len(offboards(emulator, device.id)) == 1


@pytest.mark.parametrize("fault", LOST_BEFORE.values(), ids=LOST_BEFORE)
def test_an_offboard_that_never_arrived_is_sent_again_after_reconciliation(
    emulator: Emulator, offboard: RunModule, device: Device, fault: dict[str, t.Any]
) -> None:
    emulator.fault(method="POST", path="/offboard", **fault)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed) == ("submitted", True)
    assert len(offboards(emulator, device.id)) == 1
    reads = ["GET machineactions"] * 5
    assert api_calls(emulator)[2:] == ["POST offboard", *reads, "POST offboard"]


@pytest.mark.parametrize("skew", [600, -600], ids=["ten minutes fast", "ten minutes slow"])
@pytest.mark.parametrize("date", ["virtual", "absent"])
def test_a_wrong_clock_here_changes_nothing(
    emulator: Emulator, offboard: RunModule, clock: EmulatorClock, device: Device, skew: float, date: str
) -> None:
    clock.skew = skew
    emulator.knobs.date_header = date
    emulator.knobs.list_lag = 3
    emulator.fault(method="POST", path="/offboard", kind="lost")
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed) == ("submitted", True)
    assert len(offboards(emulator, device.id)) == 1


@pytest.mark.parametrize("mode", ["refuse", "existing", "grace"])
def test_a_lag_beyond_the_grace_never_makes_a_second_action(emulator: Emulator, offboard: RunModule, mode: str) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    emulator.knobs.list_lag = 3600
    emulator.knobs.duplicate_mode = mode
    emulator.fault(method="POST", path="/offboard", kind="lost")
    run = offboard(device_id=device.id)
    assert len(offboards(emulator, device.id)) == 1
    if mode == "refuse":  # it reports that an action is active, but not whose
        assert (run.failed, run.outcome, run.error_code) == (True, "error", "outcome_unknown")
        assert "again" in run.result["msg"]
    else:  # it returns our action
        assert (run.outcome, run.changed) == ("submitted", True)


def test_an_offboard_is_sent_three_times_at_most(emulator: Emulator, offboard: RunModule, device: Device) -> None:
    emulator.fault(method="POST", path="/offboard", kind="lost_before", times=None)
    run = offboard(device_id=device.id)
    assert (run.failed, run.changed, run.outcome) == (True, False, "error")
    assert run.error_code == "outcome_unknown"
    assert posts(emulator) == 3


def test_nothing_is_sent_again_while_the_reads_fail(emulator: Emulator, offboard: RunModule, device: Device) -> None:
    emulator.fault(method="POST", path="/offboard", kind="lost")
    emulator.fault(method="GET", path="/machineactions", kind="503", times=None, after=1)
    run = offboard(device_id=device.id)
    assert run.error_code == "outcome_unknown"
    assert posts(emulator) == 1


@pytest.mark.parametrize("kind", ["503", "429"])
@pytest.mark.parametrize("doubt", ["lost", "already active"])
def test_an_outage_is_waited_for_once_and_not_again_by_every_read(
    emulator: Emulator, offboard: RunModule, clock: EmulatorClock, doubt: str, kind: str
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    if doubt == "lost":
        emulator.fault(method="POST", path="/offboard", kind="lost")
    else:
        emulator.knobs.duplicate_mode = "refuse"
        emulator.knobs.list_lag = 5
        offboard_as_other_app(emulator, device.id)
    emulator.fault(method="GET", path="/machineactions", kind=kind, times=None, after=1)
    began = clock.monotonic()
    run = offboard(devices=[{"device_id": device.id}])
    assert run.outcome == ("error" if doubt == "lost" else "in_progress")
    assert posts(emulator) == 1
    assert clock.monotonic() - began < 3900 + 60


def test_a_read_that_fails_once_does_not_end_the_search(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    emulator.fault(method="POST", path="/offboard", kind="lost")
    emulator.fault(method="GET", path="/machineactions", kind="body", body="[]", times=2, after=1)
    assert offboard(device_id=device.id).outcome == "submitted"
    assert posts(emulator) == 1


def test_a_sign_in_that_fails_before_the_post_leaves_no_doubt(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    """A response of the sign-in host is lost. Nothing was sent to the service, and nothing is reconciled."""
    emulator.fault(method="POST", path="/offboard", kind="body", status=401)
    emulator.fault(service="entra", method="POST", kind="lost", after=1, times=None)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.error_code) == ("error", "no_answer")
    assert "Sign-in" in run.result["msg"]
    assert api_calls(emulator) == ["GET machines", "GET machineactions", "POST offboard"]


class OtherRun:
    """Another application or run that offboards the device while our request is in transit."""

    def __init__(self, emulator: Emulator, device: Device, **action: t.Any) -> None:
        self.emulator, self.device, self.action = emulator, device, action
        self.made: dict[str, t.Any] | None = None

    def __call__(self, seconds: float) -> None:
        """Replace the sleep of the client between the lost POST and the first read."""
        if self.made is None:
            self.made = self.emulator.add_action(self.device.id, status="Pending", **self.action)
        self.emulator.clock.advance(seconds)


@pytest.mark.parametrize(
    "action",
    [{"comment": "CHG-7 other ticket"}, {"comment": COMMENT, "age": 60}],
    ids=["with another comment", "with our comment, but created before our request"],
)
def test_the_action_of_another_application_is_never_reported_as_submitted(
    emulator: Emulator,
    offboard: RunModule,
    clock: EmulatorClock,
    monkeypatch: pytest.MonkeyPatch,
    action: dict[str, t.Any],
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    other = OtherRun(emulator, device, **action)
    monkeypatch.setattr(clock, "sleep", other)
    emulator.fault(method="POST", path="/offboard", kind="lost_before")
    run = offboard(device_id=device.id, comment=COMMENT)
    assert other.made is not None
    assert (run.outcome, run.changed, run.failed) == ("in_progress", False, False)
    assert run.result["action"]["id"] == other.made["id"]
    assert posts(emulator) == 1


def test_a_success_that_returns_an_older_action_is_not_ours(emulator: Emulator, offboard: RunModule) -> None:
    """Two concurrent runs: the action of the other run is not listed yet, and our POST returns it."""
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    emulator.knobs.list_lag = 30
    emulator.knobs.duplicate_mode = "existing"
    theirs = offboard_as_other_app(emulator, device.id)
    emulator.clock.advance(10)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed) == ("in_progress", False)
    assert run.result["action"]["id"] == theirs["id"]
    assert len(offboards(emulator, device.id)) == 1


@pytest.mark.parametrize("lag", [1, 20, 3600])
def test_already_active_is_no_failure(emulator: Emulator, offboard: RunModule, lag: float) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    emulator.knobs.duplicate_mode = "refuse"
    emulator.knobs.list_lag = lag
    theirs = offboard_as_other_app(emulator, device.id)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed, run.failed) == ("in_progress", False, False)
    assert run.result["action"] is None if lag == 3600 else run.result["action"]["id"] == theirs["id"]
    assert len(offboards(emulator, device.id)) == posts(emulator) == 1


def test_an_active_action_that_is_never_listed_is_a_failed_wait(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    emulator.knobs.duplicate_mode = "refuse"
    emulator.knobs.list_lag = 3600
    offboard_as_other_app(emulator, device.id)
    run = offboard(device_id=device.id, wait=True)
    assert (run.outcome, run.changed, run.failed) == ("in_progress", False, True)
    assert run.error_code == "wait_read_failed"
    assert run.result["msg"].startswith("lab-w11-07.corp.example: the service reports")


def test_a_stuck_action_for_which_the_service_refuses_force_is_returned(
    emulator: Emulator, offboard: RunModule, clock: EmulatorClock
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    emulator.knobs.action_timeout = 400 * 86400
    emulator.knobs.duplicate_mode = "refuse"
    stuck = emulator.add_action(device.id, status="Pending", age=3600)
    emulator.clock.advance(30 * 86400)
    run = offboard(device_id=device.id, force=True)
    assert (run.outcome, run.changed, run.failed) == ("in_progress", False, False)
    assert run.result["action"] is not None
    assert run.result["action"]["id"] == stuck["id"]
    assert clock.sleeps == []
    (warning,) = run.warnings
    assert stuck["id"] in warning
    assert "mde_machine_action_cancel" in warning
    assert "force" not in warning  # the service has just refused that


def test_a_refusal_is_not_ours_although_another_run_used_the_same_comment(
    emulator: Emulator, offboard: RunModule
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    emulator.knobs.duplicate_mode = "refuse"
    emulator.knobs.list_lag = 3
    theirs = offboard_as_other_app(emulator, device.id, COMMENT)
    run = offboard(device_id=device.id, comment=COMMENT)
    assert (run.outcome, run.changed) == ("in_progress", False)
    assert run.result["action"]["id"] == theirs["id"]


def test_an_action_that_existed_before_is_not_ours_without_service_time_either(
    emulator: Emulator, offboard: RunModule
) -> None:
    """A cancelled action has our comment, and the service sends no Date. Only its ID shows that it is not ours."""
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    emulator.knobs.date_header = "absent"
    theirs = emulator.add_action(device.id, status="Cancelled", age=3600, comment=COMMENT)
    emulator.fault(method="POST", path="/offboard", kind="lost_before")
    run = offboard(device_id=device.id, comment=COMMENT)
    assert (run.outcome, run.changed) == ("submitted", True)
    assert run.result["action"]["id"] != theirs["id"]
    assert posts(emulator) == 2


def test_an_action_on_another_device_is_an_alarm(emulator: Emulator, offboard: RunModule, device: Device) -> None:
    emulator.fault(
        method="POST",
        path="/offboard",
        kind="body",
        status=201,
        body='{"id": "a-1", "type": "Offboard", "machineId": "ffff", "status": "Pending"}',
    )
    run = offboard(device_id=device.id)
    assert (run.failed, run.changed, run.outcome) == (True, False, "error")
    assert run.error_code == "wrong_device"
    assert run.result["action"]["machineId"] == "ffff"
    assert posts(emulator) == 1


@pytest.mark.parametrize("retry_after", [7, "0", "abc", None])
def test_a_throttled_offboard_was_not_accepted_and_is_sent_again(
    emulator: Emulator, offboard: RunModule, clock: EmulatorClock, device: Device, retry_after: t.Any
) -> None:
    emulator.fault(method="POST", path="/offboard", kind="429", retry_after=retry_after)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed) == ("submitted", True)
    assert api_calls(emulator) == ["GET machines", "GET machineactions", "POST offboard", "POST offboard"]
    assert run.result["summary"]["api"]["retries"] == 1
    if retry_after == 7:
        assert clock.sleeps == [7]
        assert run.result["summary"]["api"]["throttled_seconds"] == 7


def test_an_offboard_throttled_for_longer_than_allowed_fails_and_says_when_to_retry(
    emulator: Emulator, offboard: RunModule, clock: EmulatorClock, device: Device
) -> None:
    emulator.fault(method="POST", path="/offboard", kind="429", retry_after=3000, times=None)
    run = offboard(device_id=device.id)
    assert (run.failed, run.outcome, run.error_code) == (True, "error", "throttled")
    assert clock.sleeps == []
    back = parse_time(run.result["msg"].split("Retry after ")[1].split(",")[0])
    assert back is not None
    assert back.timestamp() == pytest.approx(emulator.clock.now() + 3000, abs=2)


def test_a_decision_that_waited_for_the_quota_is_made_again(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    emulator.fault(method="POST", path="/offboard", kind="429", retry_after=200)
    run = offboard(device_id=device.id)
    assert run.outcome == "submitted"
    assert api_calls(emulator)[-3:] == ["POST offboard", "GET machineactions", "POST offboard"]


def test_another_run_that_was_faster_during_that_wait_is_recognized(
    emulator: Emulator, offboard: RunModule, clock: EmulatorClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    other = OtherRun(emulator, device, comment=COMMENT)
    monkeypatch.setattr(clock, "sleep", other)
    emulator.fault(method="POST", path="/offboard", kind="429", retry_after=200)
    run = offboard(device_id=device.id, comment=COMMENT)
    assert (run.outcome, run.changed) == ("in_progress", False)
    assert posts(emulator) == 1


def test_an_action_that_is_stuck_after_that_wait_is_a_warning(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    emulator.fault(method="POST", path="/offboard", kind="429", retry_after=200)
    stuck = {"id": "stuck-1", "type": "Offboard", "machineId": device.id, "status": "OnHold"}
    emulator.fault(
        method="GET", path="/machineactions", kind="body", body=json.dumps({"value": [stuck]}), after=1, times=None
    )
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed, posts(emulator)) == ("in_progress", False, 1)
    (warning,) = run.warnings
    assert "stuck-1" in warning
    assert "mde_machine_action_cancel" in warning


@pytest.mark.parametrize(
    ("fate", "code"),
    [("unsupported_os", "os_not_supported"), ("old_client", "client_version_not_supported")],
)
def test_a_refusal_by_the_service_has_its_code(emulator: Emulator, offboard: RunModule, fate: str, code: str) -> None:
    device = emulator.add_device(Device(name="mac-02.corp.example", os_platform="macOS", fate=fate))
    run = offboard(device_id=device.id)
    assert (run.failed, run.changed, run.outcome, run.error_code) == (True, False, "refused", code)
    assert run.device["error"]["correlation_id"]
    assert any("macOS" in warning for warning in run.warnings)
    assert offboards(emulator, device.id) == []


def test_a_record_that_was_deleted_before_the_post_is_refused(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    emulator.fault(
        method="POST",
        path="/offboard",
        kind="body",
        status=404,
        body='{"error": {"code": "ResourceNotFound", "message": "Machine was not found"}}',
    )
    run = offboard(device_id=device.id)
    assert (run.outcome, run.error_code) == ("refused", "unknown_to_service")


def test_a_403_despite_the_permission_does_not_request_it(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    forbidden = '{"error": {"code": "Forbidden", "message": "no"}}'
    emulator.fault(method="POST", path="/offboard", kind="body", status=403, body=forbidden)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.error_code) == ("refused", "permission_missing")
    assert "another reason" in run.result["msg"]


def test_a_read_that_is_not_permitted_names_the_permission(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    writer = emulator.add_app("writer", roles=["Machine.Offboard"], secret="made-up")
    run = offboard(device_id=device.id, client_id=writer.client_id, client_secret=writer.secret)
    assert (run.outcome, run.error_code) == ("error", "permission_missing")
    assert "Machine.Read.All is required. The token has Machine.Offboard" in run.result["msg"]


def test_a_missing_permission_is_named_with_those_that_are_granted(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    reader = emulator.add_app("reader", roles=["Machine.Read.All"], secret="made-up")
    run = offboard(device_id=device.id, client_id=reader.client_id, client_secret=reader.secret)
    assert (run.outcome, run.error_code) == ("refused", "permission_missing")
    assert "Machine.Offboard is required" in run.result["msg"]
    assert "The token has Machine.Read.All" in run.result["msg"]
    assert offboards(emulator, device.id) == []


# -- whose action the response has --------------------------------------------------------------------------------

RETURNED = "0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22"


def respond_with(emulator: Emulator, device: Device, **fields: t.Any) -> None:
    """Return an action with these fields for the next offboard request. Fields that are None are omitted."""
    now = emulator.clock.now()
    action = {
        "id": RETURNED,
        "type": "Offboard",
        "status": "Pending",
        "machineId": device.id,
        "requestorComment": COMMENT,
        "creationDateTimeUtc": format_time(now),
        **fields,
    }
    body = json.dumps({key: value for key, value in action.items() if value is not None})
    emulator.fault(method="POST", path="/offboard", kind="body", status=201, body=body)


@pytest.mark.parametrize(
    "fields",
    [
        {"requestorComment": None},
        {"requestorComment": ""},
        {"requestorComment": "CHG-10"},
        {"requestorComment": "CHG-1042 ret..."},
        {"requestorComment": "CHG-1042 ret\u2026"},
        {"requestorComment": f" {COMMENT} "},
        {"creationDateTimeUtc": None},
        {"creationDateTimeUtc": "0001-01-01T00:00:00Z"},
        {"creationDateTimeUtc": "soon"},
        {"requestorComment": None, "creationDateTimeUtc": None, "status": None},
    ],
    ids=str,
)
def test_a_response_that_leaves_something_out_is_ours(
    emulator: Emulator, offboard: RunModule, device: Device, fields: dict[str, t.Any]
) -> None:
    respond_with(emulator, device, **fields)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed, run.failed) == ("submitted", True, False)
    assert run.result["action"]["id"] == RETURNED
    assert posts(emulator) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"requestorComment": "CHG-0815 lost"},
        {"requestorComment": f"{COMMENT} and more"},
        {"requestorComment": "retired"},
        {"creationDateTimeUtc": "2020-01-01T00:00:00Z"},
        {"creationDateTimeUtc": "2020-01-01T00:00:00Z", "requestorComment": None},
    ],
    ids=str,
)
def test_a_response_that_contradicts_is_not_ours(
    emulator: Emulator, offboard: RunModule, device: Device, fields: dict[str, t.Any]
) -> None:
    respond_with(emulator, device, **fields)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed, run.failed) == ("in_progress", False, False)


def test_a_response_with_an_action_that_existed_before_is_not_ours(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    earlier = emulator.add_action(device.id, status="Failed", age="2d")
    respond_with(emulator, device, id=earlier["id"].upper(), requestorComment=None, creationDateTimeUtc=None)
    assert offboard(device_id=device.id).outcome == "in_progress"


@pytest.mark.parametrize("carried_out", [True, False], ids=["carried out", "not carried out"])
@pytest.mark.parametrize(
    "error", [MemoryError(), ValueError("odd"), RecursionError(), KeyError("x"), AttributeError()], ids=repr
)
def test_any_exception_after_the_post_leads_to_reconciliation(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch, error: Exception, carried_out: bool
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    original_send = InProcessTransport.send
    remaining = [error]

    def send(
        self: InProcessTransport, request: requests.PreparedRequest, *args: t.Any, **options: t.Any
    ) -> requests.Response:
        external_id_refused = emulator.knobs.external_id == "refuse" and b"ExternalId" in (request.body or b"")
        if request.method != "POST" or external_id_refused or not remaining:
            return original_send(self, request, *args, **options)
        if carried_out:
            original_send(self, request, *args, **options)
        raise remaining.pop()

    monkeypatch.setattr(InProcessTransport, "send", send)
    (result,) = SimulatedRun(emulator, VirtualTime(emulator)).run([{"device_id": device.id}])
    assert (result.outcome, result.error) == ("submitted", None)
    assert len(offboards(emulator, device.id)) == 1


def test_an_exception_after_each_post_is_an_unknown_outcome(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    original_send = InProcessTransport.send

    def send(
        self: InProcessTransport, request: requests.PreparedRequest, *args: t.Any, **options: t.Any
    ) -> requests.Response:
        if request.method == "POST":
            raise MemoryError
        return original_send(self, request, *args, **options)

    monkeypatch.setattr(InProcessTransport, "send", send)
    (result,) = SimulatedRun(emulator, VirtualTime(emulator)).run([{"device_id": device.id}])
    assert (result.outcome, result.error and result.error.code) == ("error", "outcome_unknown")
    assert "MemoryError" in str(result.error)


def test_a_machine_that_was_suspended_between_read_and_post_reads_again(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    time = VirtualTime(emulator)
    token, calls = TokenCache.token, []

    def slow(self: TokenCache, time_limit: float) -> str:
        calls.append(time_limit)
        if len(calls) == 3:  # the token of the POST
            time.elapse(176)
            offboard_as_other_app(emulator, device.id)
        return token(self, time_limit)

    monkeypatch.setattr(TokenCache, "token", slow)
    (result,) = SimulatedRun(emulator, time).run([{"device_id": device.id}])
    assert result.outcome == "in_progress"
    assert posts(emulator) == 0  # the POST of the other application is not in the log, which was cleared


@pytest.mark.usefixtures("action_id_literal")
@pytest.mark.parametrize("fields", [{"machineId": "ff" * 20}, {"type": "Isolate"}, {"id": RETURNED}], ids=str)
def test_waiting_ignores_other_actions(emulator: Emulator, offboard: RunModule, fields: dict[str, str]) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    action = emulator.add_action(device.id, status="Pending", age="1h")
    listed = json.dumps({"value": [{**action, "status": "Succeeded", **fields}]})
    emulator.fault(method="GET", path="/machineactions", kind="body", times=None, after=1, body=listed)
    run = offboard(device_id=device.id, wait=True, wait_timeout=60)
    assert (run.outcome, run.error_code) == ("in_progress", "wait_timeout")
    assert run.result["action"] == action
