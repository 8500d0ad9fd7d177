# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Cancelling one action: the read afterwards decides, not the response. The device can be faster."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import (
    RunModule,
    api_calls,
    offboard_as_other_app,
    posts,
)

HOUR = 3600.0
NAME = "lab-w11-07.corp.example"
COMMENT = "CHG-1042 withdrawn"
# Against a service that accepts quoted IDs of actions, and against one that rejects them.
BY_ACTION_ID = pytest.mark.usefixtures("action_id_literal")
MODES = pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])


@pytest.fixture
def machine(emulator: Emulator) -> str:
    """The ID of an offline device."""
    return emulator.add_device(Device(name=NAME, fate="offline")).id


@pytest.fixture
def pending(emulator: Emulator, machine: str) -> str:
    """The ID of a pending offboard action."""
    return str(emulator.add_action(machine, status="Pending", age=HOUR)["id"])


def test_a_pending_action_is_cancelled(emulator: Emulator, cancel: RunModule, pending: str) -> None:
    run = cancel(action_id=f" {pending.upper()} ")
    assert (run.failed, run.changed, run.result["cancelled"]) == (False, True, True)
    assert run.result["msg"] == f"Offboard {pending} of {NAME}: cancelled"
    assert run.result["action"].items() >= emulator.action(pending).items()
    assert run.result["action"]["status"] == "Cancelled"
    assert run.result["action"]["cancellationComment"] == COMMENT
    assert api_calls(emulator) == ["GET machineactions/id", "POST cancel", "GET machineactions/id"]
    (post,) = emulator.calls("api", "POST")
    assert (post.path, post.body) == (f"/api/machineactions/{pending}/cancel", {"Comment": COMMENT})
    assert run.result["summary"] == {"total": 1, "changed": 1, "failed": 0, "api": run.result["summary"]["api"]}


def test_the_comment_is_sent_without_surrounding_spaces(emulator: Emulator, cancel: RunModule, pending: str) -> None:
    comment = 'CHG-1042: Müller\'s "old" laptop; =1+1 & <b>'
    assert cancel(action_id=pending, comment=f" {comment}\n").changed
    assert emulator.action(pending)["cancellationComment"] == comment


@MODES
def test_the_second_run_changes_nothing_and_sends_nothing(
    emulator: Emulator, cancel: RunModule, pending: str, check: bool
) -> None:
    cancel(action_id=pending)
    again = cancel(action_id=pending, comment="another comment", check=check)
    assert (again.failed, again.changed, again.result["cancelled"]) == (False, False, True)
    assert again.result["action"]["cancellationComment"] == COMMENT
    assert "was already cancelled" in again.result["msg"]
    assert posts(emulator) == 1


def test_an_action_in_progress_can_be_cancelled(emulator: Emulator, cancel: RunModule) -> None:
    device = emulator.add_device(Device(fate="never_answers"))
    action = emulator.add_action(device.id, status="InProgress", age=HOUR)
    assert cancel(action_id=action["id"]).changed
    assert emulator.action(action["id"])["status"] == "Cancelled"


def test_only_the_requested_action_is_cancelled(
    emulator: Emulator, cancel: RunModule, machine: str, pending: str
) -> None:
    others = [emulator.add_action(machine, kind, "Pending", HOUR)["id"] for kind in ("Isolate", "Offboard")]
    cancel(action_id=pending)
    assert [emulator.action(other)["status"] for other in others] == ["Pending", "Pending"]


@MODES
@pytest.mark.parametrize("status", ["Succeeded", "Failed", "TimeOut"])
def test_a_finished_action_is_too_late_and_nothing_is_sent(
    emulator: Emulator, cancel: RunModule, machine: str, status: str, check: bool
) -> None:
    action = emulator.add_action(machine, status=status, age=100 * HOUR)
    run = cancel(action_id=action["id"], check=check)
    assert (run.failed, run.changed, run.result["cancelled"]) == (True, False, False)
    assert run.error_code == "too_late"
    assert status in run.result["msg"]
    assert run.result["action"].items() >= action.items()
    assert posts(emulator) == 0


# -- races -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("delay", [0, 1, 14])
@pytest.mark.parametrize("final", [200, 400])
def test_a_device_that_is_faster_is_too_late(
    emulator: Emulator, cancel: RunModule, pending: str, delay: float, final: int
) -> None:
    emulator.knobs.update({"cancel_race": "succeeded", "cancel_delay": delay, "cancel_final": final})
    run = cancel(action_id=pending)
    assert (run.failed, run.changed, run.result["cancelled"]) == (True, False, False)
    assert run.error_code == "too_late"
    assert run.result["action"]["status"] == "Succeeded"
    assert posts(emulator) == 1


@pytest.mark.parametrize("final", [200, 400])
@pytest.mark.parametrize(
    ("status", "code"),
    [("Succeeded", "too_late"), ("Failed", "too_late"), ("TimeOut", "too_late"), ("Cancelled", None)],
)
def test_an_action_that_ends_between_the_read_and_the_request_is_unchanged(
    emulator: Emulator, cancel: RunModule, pending: str, final: int, status: str, code: str | None
) -> None:
    """Another program cancelled it without a comment."""
    before = json.dumps(emulator.action(pending))
    emulator.knobs.cancel_final = final
    emulator.move_action(pending, status)
    emulator.fault(method="GET", path=pending, kind="body", body=before)
    run = cancel(action_id=pending)
    assert (run.error_code, run.result["action"]["status"]) == (code, status)
    # Without a comment and without a refusal, the cancellation can be ours.
    assert run.changed == (status == "Cancelled" and final == 200)
    assert posts(emulator) == 1


@pytest.mark.parametrize("final", [200, 400])
def test_an_action_that_another_user_cancels_in_the_meantime_is_unchanged(
    emulator: Emulator, cancel: RunModule, pending: str, final: int
) -> None:
    before = json.dumps(emulator.action(pending))
    emulator.knobs.cancel_final = final
    emulator.cancel_action(pending, "CHG-2042 of another team")
    emulator.fault(method="GET", path=pending, kind="body", body=before)
    run = cancel(action_id=pending)
    assert (run.failed, run.changed, run.result["cancelled"]) == (False, False, True)
    assert run.result["action"]["cancellationComment"] == "CHG-2042 of another team"


def test_an_action_that_the_device_carried_out_anyway_reads_as_cancelled(
    emulator: Emulator, cancel: RunModule, pending: str
) -> None:
    emulator.knobs.cancel_race = "completes"
    assert cancel(action_id=pending).result["cancelled"]


@pytest.mark.parametrize(("delay", "reads"), [(0.5, 2), (3, 3), (7, 4), (14.9, 5)])
def test_a_slow_cancellation_is_waited_for(
    emulator: Emulator, cancel: RunModule, pending: str, delay: float, reads: int
) -> None:
    emulator.knobs.cancel_delay = delay
    began = emulator.clock.monotonic()
    run = cancel(action_id=pending)
    assert (run.failed, run.changed) == (False, True)
    assert api_calls(emulator).count("GET machineactions/id") == 1 + reads
    assert emulator.clock.monotonic() - began <= 15


def test_a_cancellation_that_takes_longer_is_a_failure_and_the_next_run_succeeds(
    emulator: Emulator, cancel: RunModule, pending: str
) -> None:
    emulator.knobs.cancel_delay = 40
    run = cancel(action_id=pending)
    assert (run.failed, run.changed, run.result["cancelled"], run.error_code) == (
        True,
        False,
        False,
        "cancel_pending",
    )
    assert run.result["action"]["status"] == "Pending"
    emulator.advance(60)
    again = cancel(action_id=pending)
    assert (again.failed, again.changed, again.result["cancelled"]) == (False, False, True)


# -- lost responses ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("final", [200, 400])
@pytest.mark.parametrize("kind", ["lost", "lost_before", "500", "502", "503", "html_502", "429", "empty_200"])
@pytest.mark.parametrize("handled", [None, True], ids=["as it is", "carried out"])
def test_the_action_is_read_after_a_lost_response(
    emulator: Emulator, cancel: RunModule, pending: str, kind: str, handled: bool | None, final: int
) -> None:
    emulator.knobs.cancel_final = final
    emulator.fault(method="POST", path="/cancel", kind=kind, handled=handled)
    run = cancel(action_id=pending)
    if kind == "empty_200" and not handled:  # a response that falsely reports success
        assert (run.failed, run.changed, run.error_code) == (True, False, "cancel_pending")
    else:
        assert (run.failed, run.changed, run.result["cancelled"]) == (False, True, True)
        assert emulator.action(pending)["cancellationComment"] == COMMENT


def test_a_slow_cancel_is_waited_for_although_its_repetition_is_refused(
    emulator: Emulator, cancel: RunModule, pending: str
) -> None:
    emulator.knobs.cancel_delay = 7
    emulator.fault(method="POST", path="/cancel", kind="503", handled=True)
    refusal = '{"error": {"code": "BadRequest", "message": "it is being cancelled"}}'
    emulator.fault(method="POST", path="/cancel", kind="body", status=400, body=refusal)
    run = cancel(action_id=pending)
    assert (run.failed, run.changed, run.result["cancelled"]) == (False, True, True)


@pytest.mark.parametrize("kind", ["html_404", "html_502", "503"])
def test_a_page_instead_of_a_response_is_the_error_if_the_action_is_unchanged(
    emulator: Emulator, cancel: RunModule, pending: str, kind: str
) -> None:
    emulator.fault(method="POST", path="/cancel", kind=kind, times=None)
    run = cancel(action_id=pending)
    assert (run.failed, run.changed, run.result["cancelled"]) == (True, False, False)
    assert run.error_code == ("wrong_address" if kind == "html_404" else "service_error")
    assert run.result["action"]["status"] == "Pending"


@pytest.mark.parametrize("kind", ["html_404", "html_502", "503"])
def test_a_page_instead_of_a_response_does_not_hide_a_success(
    emulator: Emulator, cancel: RunModule, pending: str, kind: str
) -> None:
    emulator.fault(method="POST", path="/cancel", kind=kind, times=None, handled=True)
    run = cancel(action_id=pending)
    assert (run.failed, run.changed, run.result["cancelled"]) == (False, True, True)


def test_the_result_is_unknown_if_it_cannot_be_read_within_retry_timeout(
    emulator: Emulator, cancel: RunModule, pending: str
) -> None:
    emulator.fault(method="GET", path="/machineactions", kind="503", after=1, times=None)
    began = emulator.clock.monotonic()
    run = cancel(action_id=pending, retry_timeout=50)
    assert (run.failed, run.changed, run.error_code) == (True, False, "outcome_unknown")
    assert emulator.clock.monotonic() - began < 60


def test_a_read_that_fails_is_followed_by_another(emulator: Emulator, cancel: RunModule, pending: str) -> None:
    emulator.fault(method="GET", path="/machineactions", kind="html_404", after=1, times=2)
    assert cancel(action_id=pending).changed


# -- which action ------------------------------------------------------------------------------------------------


@BY_ACTION_ID
@MODES
def test_an_unknown_id_is_not_found_after_two_different_reads(
    emulator: Emulator, cancel: RunModule, check: bool
) -> None:
    run = cancel(action_id="0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22", check=check)
    assert (run.failed, run.changed, run.result["cancelled"], run.result["action"]) == (True, False, False, None)
    assert run.error_code == "not_found"
    assert api_calls(emulator, rejected=False) == ["GET machineactions/id", "GET machineactions"]


@BY_ACTION_ID
def test_an_id_that_is_no_guid_is_not_found(emulator: Emulator, cancel: RunModule, pending: str) -> None:
    run = cancel(action_id="0-0")
    assert (run.error_code, run.result["action"], posts(emulator)) == ("not_found", None, 0)


@BY_ACTION_ID
@MODES
def test_a_new_action_that_one_read_does_not_find_is_found_by_the_other(
    emulator: Emulator, cancel: RunModule, machine: str, check: bool
) -> None:
    fresh = offboard_as_other_app(emulator, machine)["id"]
    emulator.knobs.read_lag = 5
    run = cancel(action_id=fresh, check=check)
    assert (run.failed, run.changed, run.result["cancelled"]) == (False, True, True)
    assert posts(emulator) == int(not check)


@BY_ACTION_ID
@pytest.mark.parametrize("lost_filter", [False, True])
def test_a_list_without_its_filter_finds_no_other_action(
    emulator: Emulator, cancel: RunModule, pending: str, lost_filter: bool
) -> None:
    if lost_filter:
        emulator.fault(
            method="GET", query="$filter", kind="body", body=json.dumps({"value": [emulator.action(pending)]})
        )
    assert cancel(action_id="0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22").error_code == "not_found"
    assert posts(emulator) == 0


@MODES
def test_a_read_that_returns_another_action_cancels_none(
    emulator: Emulator, cancel: RunModule, pending: str, check: bool
) -> None:
    requested = "0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22"
    emulator.fault(method="GET", path=requested, kind="body", body=json.dumps(emulator.action(pending)))
    run = cancel(action_id=requested, check=check)
    assert (run.error_code, run.changed, run.result["action"]) == ("not_found", False, None)
    assert posts(emulator) == 0


@MODES
@pytest.mark.parametrize("body", ["", "null", "[]", "{}", '{"id": 5}', "<html></html>"])
def test_a_read_that_returns_no_action_cancels_none(
    emulator: Emulator, cancel: RunModule, pending: str, body: str, check: bool
) -> None:
    emulator.fault(method="GET", path=f"/machineactions/{pending}", kind="body", body=body, times=None)
    run = cancel(action_id=pending, check=check)
    assert (run.failed, run.changed, run.error_code) == (True, False, "unexpected_response")
    assert posts(emulator) == 0


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"comment": ""}, "comment"),
        ({"comment": " \n"}, "comment"),
        ({"action_id": ""}, "action_id"),
        ({"action_id": "a b"}, "action_id"),
        ({"action_id": "x/../../machines"}, "action_id"),
        ({"action_id": "x' or true or 'x"}, "action_id"),
        ({"action_id": "ä"}, "action_id"),
        ({"action_id": "a%2fb"}, "action_id"),
        ({"action_id": "a#b"}, "action_id"),
        ({"calls_per_minute": 0}, "calls_per_minute"),
        ({"calls_per_hour": 1}, "calls_per_hour"),
        ({"retry_timeout": 0}, "retry_timeout"),
    ],
    ids=str,
)
def test_invalid_options_are_refused_before_any_request(
    emulator: Emulator, cancel: RunModule, pending: str, options: dict[str, t.Any], option: str, check: bool
) -> None:
    run = cancel(**{"action_id": pending, **options}, check=check)
    assert (run.failed, run.changed, run.error_code) == (True, False, "invalid_option")
    assert option in run.result["msg"].split(". ")[0]
    assert "offboarded" not in run.result["msg"]
    assert emulator.calls(None) == []


@pytest.mark.parametrize("option", ["calls_per_minute", "calls_per_hour"])
def test_the_rate_limit_is_kept(emulator: Emulator, cancel: RunModule, pending: str, option: str) -> None:
    began = emulator.clock.monotonic()
    options: dict[str, t.Any] = {option: 2}
    assert cancel(action_id=pending, **options).changed
    assert emulator.clock.monotonic() - began >= (60 if option == "calls_per_minute" else 3600)


# -- check mode, diff mode and permissions -----------------------------------------------------------------------


def test_check_mode_predicts_and_sends_nothing(emulator: Emulator, cancel: RunModule, pending: str) -> None:
    predicted = cancel(action_id=pending, check=True)
    assert posts(emulator) == 0
    assert emulator.action(pending)["status"] == "Pending"
    assert predicted.result["msg"] == f"Offboard {pending} of {NAME}: would be cancelled"
    real = cancel(action_id=pending)
    assert (
        (predicted.changed, predicted.result["cancelled"]) == (real.changed, real.result["cancelled"]) == (True, True)
    )
    assert set(predicted.result) == set(real.result)
    # A single record has an additional field with its context.
    assert {key: predicted.result["action"][key] for key in ("status", "cancellationComment", "id")} == {
        key: real.result["action"][key] for key in ("status", "cancellationComment", "id")
    }
    assert set(predicted.result["action"]) == set(real.result["action"])


@MODES
def test_diff_mode_shows_the_status(emulator: Emulator, cancel: RunModule, pending: str, check: bool) -> None:
    (diff,) = cancel(action_id=pending, check=check, diff=True).result["diff"]
    assert (diff["before"], diff["after"]) == ({"status": "Pending"}, {"status": "Cancelled"})
    emulator.move_action(pending, "Cancelled")
    assert cancel(action_id=pending, check=check, diff=True).result["diff"] == []


@MODES
def test_a_missing_permission_is_named(emulator: Emulator, cancel: RunModule, pending: str, check: bool) -> None:
    reader = emulator.add_app("reader", roles=["Machine.Read.All"], secret="made-up")
    run = cancel(action_id=pending, client_id=reader.client_id, client_secret=reader.secret, check=check)
    assert (run.failed, run.changed, run.result["cancelled"]) == (True, False, False)
    assert run.error_code == "permission_missing"
    assert "Machine.Offboard" in run.result["error"]["hint"]
    assert "The token has Machine.Read.All" in run.result["msg"]
    assert posts(emulator) == int(not check)
    assert emulator.action(pending)["status"] == "Pending"


@MODES
def test_a_refusal_ends_the_reads(emulator: Emulator, cancel: RunModule, pending: str, check: bool) -> None:
    reader = emulator.add_app("reader", roles=["Machine.Read.All"], secret="made-up")
    began = emulator.clock.monotonic()
    cancel(action_id=pending, client_id=reader.client_id, client_secret=reader.secret, check=check)
    assert emulator.clock.monotonic() == began


@MODES
@pytest.mark.parametrize("role", ["Machine.Isolate", "Machine.Scan", "Machine.LiveResponse"])
def test_any_permission_for_actions_is_enough(
    emulator: Emulator, cancel: RunModule, pending: str, role: str, check: bool
) -> None:
    other = emulator.add_app("other", roles=["Machine.Read.All", role], secret="made-up")
    assert cancel(action_id=pending, client_id=other.client_id, client_secret=other.secret, check=check).changed


@MODES
def test_the_permission_to_read_is_named_if_it_is_missing(
    emulator: Emulator, cancel: RunModule, pending: str, check: bool
) -> None:
    other = emulator.add_app("other", roles=["Machine.Offboard"], secret="made-up")
    run = cancel(action_id=pending, client_id=other.client_id, client_secret=other.secret, check=check)
    assert (run.error_code, posts(emulator)) == ("permission_missing", 0)
    assert run.result["error"]["hint"].startswith("Machine.Read.All is required")


def test_an_unreadable_token_is_a_warning_in_check_mode(emulator: Emulator, cancel: RunModule, pending: str) -> None:
    emulator.fault(method="GET", kind="body", body=json.dumps(emulator.action(pending)))
    run = cancel(action_id=pending, access_token="opaque-made-up-token", check=True)
    assert (run.failed, run.changed) == (False, True)
    assert any("cannot be decoded" in warning for warning in run.warnings)


@MODES
def test_the_output_contains_no_secret(emulator: Emulator, cancel: RunModule, pending: str, check: bool) -> None:
    runs = [cancel(action_id=action_id, check=check, diff=True) for action_id in (pending, "0-0")]
    runs.append(cancel(action_id=pending, client_id=emulator.client_id, client_secret="made-up and wrong", check=check))
    assert runs[-1].error_code == "sign_in_failed"
    tokens = {call.headers["authorization"].split()[1] for call in emulator.calls("api")}
    for secret in {emulator.client_secret, "made-up and wrong", *tokens}:
        assert all(secret not in run.output for run in runs)


def test_a_refusal_that_a_gateway_wrote_does_not_end_the_reads(
    emulator: Emulator, cancel: RunModule, pending: str
) -> None:
    """Its JSON has a number in place of the service's code, and the service cancels the action two seconds later."""
    emulator.knobs.cancel_delay = 2
    emulator.fault(
        method="POST",
        path="/cancel",
        kind="body",
        status=403,
        body='{"error": {"code": 403, "message": "blocked"}}',
        handled=True,
    )
    run = cancel(action_id=pending)
    assert (run.failed, run.changed, run.result["cancelled"]) == (False, True, True)


def test_a_read_that_returns_another_action_confirms_nothing(
    emulator: Emulator, cancel: RunModule, machine: str, pending: str
) -> None:
    other = emulator.add_action(machine, "Isolate", "Cancelled")
    emulator.fault(method="POST", path="/cancel", kind="body", body="{}")
    emulator.fault(
        method="GET", path=f"/machineactions/{pending}", kind="body", times=None, after=1, body=json.dumps(other)
    )
    run = cancel(action_id=pending)
    assert (run.failed, run.changed, run.result["cancelled"]) == (True, False, False)
    assert run.result["action"]["id"] == pending
