# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The ExternalId of an offboard request: the sent value, the behavior of the service, and the ownership of actions."""

from __future__ import annotations

import json
import random
import typing as t
import uuid

import pytest

from ansible_collections.secops.mde.plugins.modules import mde_offboard
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support import module_run
from ansible_collections.secops.mde.tests.unit.support.external_id_service import (
    SERVICES,
    ServiceEmulator,
    each_service,
    posts,
)
from ansible_collections.secops.mde.tests.unit.support.module_run import (
    RunModule,
    api_calls,
    offboard_as_other_app,
    offboards,
)
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

COMMENT = "CHG-1042 retired"
TEXT = "CHG-1042 job 7"
FOREIGN = "0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22"


@pytest.fixture
def emulator(request: pytest.FixtureRequest) -> t.Iterator[Emulator]:
    with ServiceEmulator(getattr(request, "param", "echo")) as running:
        yield running


@pytest.fixture
def device(emulator: Emulator) -> Device:
    return emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))


def sent(emulator: Emulator) -> list[str | None]:
    """Return the ExternalId of each POST, or None."""
    return [call.body.get("ExternalId") for call in emulator.calls("api", "POST")]


def error_body(code: t.Any) -> str:
    return json.dumps({"error": {"code": code, "message": "The request is not valid"}})


# -- the value ----------------------------------------------------------------------------------------------------


def test_each_request_has_a_random_uuid_that_the_result_returns(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    run = offboard(device_id=device.id)
    (value,) = sent(emulator)
    assert uuid.UUID(str(value)).version == 4
    assert run.device["external_id"] == value == run.result["action"]["externalId"]


def test_the_text_of_the_option_follows_the_uuid(emulator: Emulator, offboard: RunModule, device: Device) -> None:
    offboard(device_id=device.id, external_id=f"  {TEXT} ")
    (value,) = sent(emulator)
    identity, _blank, text = str(value).partition(" ")
    assert (uuid.UUID(identity).version, text) == (4, TEXT)


@pytest.mark.parametrize("text", ["x" * 27, "7", "\u00c4nderung 1042 \u2013 Stra\u00dfe"])
def test_a_text_that_leaves_the_value_at_64_characters_is_sent(
    emulator: Emulator, offboard: RunModule, device: Device, text: str
) -> None:
    run = offboard(device_id=device.id, external_id=text)
    assert run.outcome == "submitted"
    assert len(run.device["external_id"]) == 37 + len(text) <= 64


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    "text",
    ["", "  ", "x" * 28, "CHG-1\nCHG-2", "CHG\t1", "CHG\x07", "CHG\u2028-1", "CHG\u0085-1", "job ********"],
    ids=ascii,
)
def test_a_text_that_cannot_be_sent_is_refused_before_any_request(
    emulator: Emulator, offboard: RunModule, text: str, check: bool
) -> None:
    run = offboard(device_id="00aa", external_id=text, check=check)
    assert (run.failed, run.error_code) == (True, "invalid_option")
    assert "external_id" in run.result["msg"]
    assert run.result["error"]["hint"]
    assert emulator.calls(None) == []


def test_a_text_that_would_not_be_sent_is_refused(emulator: Emulator, offboard: RunModule) -> None:
    run = offboard(device_id="00aa", external_id=TEXT, send_external_id=False)
    assert run.error_code == "invalid_option"
    assert "send_external_id" in run.result["msg"]
    assert emulator.calls(None) == []


def test_each_device_of_a_list_and_each_run_has_a_value_of_its_own(emulator: Emulator, offboard: RunModule) -> None:
    devices = [emulator.add_device(Device(name=f"pc-{number}.corp.example")) for number in range(5)]
    run = offboard(devices=[{"device_id": device.id} for device in devices], external_id=TEXT)
    again = offboard(devices=[{"device_id": device.id} for device in devices], external_id=TEXT, force=True)
    values = [one["external_id"] for one in run.result["devices"]]
    assert set(values) == set(sent(emulator))
    assert len(set(values)) == 5
    assert all(value.endswith(f" {TEXT}") for value in values)
    assert [one["external_id"] for one in again.result["devices"]] == [None] * 5  # in progress: nothing was sent


def test_the_source_of_randomness_is_that_of_main(
    emulator: Emulator, against_emulator: t.Callable[..., RunModule], clock: VirtualTime, device: Device
) -> None:
    run = against_emulator(lambda: mde_offboard.main(clock, clock.worker_pool, rng=random.Random(7)), comment=COMMENT)(
        device_id=device.id
    )
    expected = uuid.UUID(int=random.Random(7).getrandbits(128), version=4)
    assert run.device["external_id"] == str(expected)


@each_service
def test_the_value_stays_the_same_in_every_resend(emulator: Emulator, offboard: RunModule, device: Device) -> None:
    emulator.fault(method="POST", path="/offboard", kind="lost_before", times=2)
    run = offboard(device_id=device.id, external_id=TEXT)
    assert (run.outcome, posts(emulator)) == ("submitted", 3)
    first, *others = sent(emulator)
    assert first is not None
    assert others == ([None] * 3 if emulator.knobs.external_id == "refuse" else [first] * 2)


def test_without_the_option_nothing_is_sent(emulator: Emulator, offboard: RunModule, device: Device) -> None:
    run = offboard(device_id=device.id, send_external_id=False)
    assert sent(emulator) == [None]
    assert (run.outcome, run.device["external_id"]) == ("submitted", None)


@each_service
def test_check_mode_returns_none(emulator: Emulator, offboard: RunModule, device: Device) -> None:
    run = offboard(device_id=device.id, external_id=TEXT, check=True)
    assert (run.outcome, run.device["external_id"], run.result["action"]["externalId"]) == ("submitted", None, None)


# -- a service that refuses it -------------------------------------------------------------------------------------

PLAIN = ["GET machines", "GET machineactions", "POST offboard"]


@pytest.mark.parametrize(
    ("emulator", "calls"),
    [("echo", PLAIN), ("drop", PLAIN), ("refuse", [*PLAIN, "POST offboard"])],
    indirect=["emulator"],
    ids=SERVICES,
)
def test_only_a_refusing_service_costs_one_more_call(
    emulator: Emulator, offboard: RunModule, device: Device, calls: list[str]
) -> None:
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed, run.failed) == ("submitted", True, False)
    assert api_calls(emulator) == calls
    assert run.device["external_id"] == (None if emulator.knobs.external_id == "refuse" else sent(emulator)[0])


@pytest.mark.parametrize("emulator", ["refuse"], indirect=True)
@pytest.mark.parametrize("concurrency", [1, 10])
def test_a_refusal_is_learned_once_for_a_list(emulator: Emulator, offboard: RunModule, concurrency: int) -> None:
    devices = [emulator.add_device(Device(name=f"pc-{number}.corp.example")) for number in range(60)]
    emulator.knobs.virtual_latency = 0.2
    run = offboard(devices=[{"device_id": device.id} for device in devices], concurrency=concurrency)
    assert {one["outcome"] for one in run.result["devices"]} == {"submitted"}
    assert len([value for value in sent(emulator) if value is not None]) == 1
    assert module_run.posts(emulator) == 61


@pytest.mark.parametrize("emulator", ["refuse"], indirect=True)
def test_a_refusal_is_remembered_only_when_the_same_request_is_accepted_without_it(
    emulator: Emulator, offboard: RunModule
) -> None:
    mac = emulator.add_device(Device(name="mac.corp.example", os_platform="macOS"))
    pcs = [emulator.add_device(Device(name=f"pc-{number}.corp.example")) for number in range(3)]
    run = offboard(devices=[{"device_id": device.id} for device in (mac, *pcs)])
    assert [one["outcome"] for one in run.result["devices"]] == ["refused", *["submitted"] * 3]
    assert run.error_code == "os_not_supported"
    assert [value is not None for value in sent(emulator)] == [True, False, True, False, False, False]


@pytest.mark.parametrize(
    "code", ["", "BadRequest", "ODataError", "InvalidInput", "InvalidRequestBody", "MissingRequiredParameter"]
)
def test_every_code_for_a_body_may_mean_the_parameter(
    emulator: Emulator, offboard: RunModule, device: Device, code: str
) -> None:
    emulator.fault(method="POST", path="/offboard", kind="body", status=400, body=error_body(code))
    run = offboard(device_id=device.id)
    assert (run.outcome, run.device["external_id"]) == ("submitted", None)
    assert [value is not None for value in sent(emulator)] == [True, False]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, error_body("OsPlatformNotSupported")),
        (400, error_body("ClientVersionNotSupported")),
        (403, error_body("Forbidden")),
        (404, error_body("ResourceNotFound")),
        (409, error_body("InvalidRequestBody")),
        (422, error_body("InvalidInput")),
    ],
)
def test_no_other_refusal_means_the_parameter(
    emulator: Emulator, offboard: RunModule, device: Device, status: int, body: str
) -> None:
    emulator.fault(method="POST", path="/offboard", kind="body", status=status, body=body, times=None)
    run = offboard(device_id=device.id)
    assert run.outcome == "refused"
    assert len(sent(emulator)) == 1
    assert run.device["external_id"] == sent(emulator)[0]


@pytest.mark.parametrize(
    "body", ["", "<html>Bad Request</html>", '{"error": {"code": 400}}', '{"error": {"code": "Inval', '{"error": "no"}']
)
def test_a_400_that_the_service_did_not_write_leaves_the_outcome_in_doubt(
    emulator: Emulator, offboard: RunModule, device: Device, body: str
) -> None:
    emulator.fault(method="POST", path="/offboard", kind="body", status=400, body=body, handled=True)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed) == ("submitted", True)
    assert api_calls(emulator) == [*PLAIN, "GET machineactions"]


def test_a_service_that_accepted_it_once_gets_no_request_without_it(emulator: Emulator, offboard: RunModule) -> None:
    devices = [emulator.add_device(Device(name=f"pc-{number}.corp.example")) for number in range(2)]
    emulator.fault(method="POST", path=devices[1].id, kind="body", status=400, body=error_body("BadRequest"))
    run = offboard(devices=[{"device_id": device.id} for device in devices])
    assert [one["outcome"] for one in run.result["devices"]] == ["submitted", "refused"]
    assert module_run.posts(emulator) == 2


def test_a_request_that_is_refused_without_it_too_reports_that_refusal(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    emulator.fault(method="POST", path="/offboard", kind="body", status=400, body=error_body("BadRequest"), times=2)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.error_code, run.device["external_id"]) == ("refused", "request_refused", None)
    assert module_run.posts(emulator) == 2


def test_after_a_request_in_doubt_a_400_is_no_refusal_of_the_parameter(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    """The first response is lost. The second response does not show the outcome of the first request."""
    emulator.fault(method="POST", path="/offboard", kind="lost_before")
    emulator.knobs.external_id = "refuse"
    run = offboard(device_id=device.id)
    assert (run.failed, run.outcome, run.error_code) == (True, "error", "outcome_unknown")
    assert "Run the task again" in run.result["msg"]
    assert [value is not None for value in sent(emulator)] == [True, True]
    assert offboards(emulator, device.id) == []
    assert offboard(device_id=device.id).outcome == "submitted"


def test_a_lost_first_response_of_a_refusing_service_costs_the_other_devices_nothing(
    emulator: Emulator, offboard: RunModule
) -> None:
    devices = [emulator.add_device(Device(name=f"pc-{number}.corp.example")) for number in range(8)]
    emulator.fault(method="POST", path="/offboard", kind="lost_before")
    emulator.knobs.external_id = "refuse"
    run = offboard(devices=[{"device_id": device.id} for device in devices])
    assert [one["outcome"] for one in run.result["devices"]] == ["submitted"] * 8
    assert [len(offboards(emulator, device.id)) for device in devices] == [1] * 8


# -- whose action ---------------------------------------------------------------------------------------------------

KNOBS: tuple[dict[str, t.Any], ...] = (
    {},
    {"external_id_form": "swapped"},
    {"external_id_form": "padded"},
    {"external_id_length": 36},
    {"external_id_length": 41},
    {"external_id_length": 36, "external_id_form": "swapped"},
)


@pytest.mark.parametrize("knobs", KNOBS, ids=str)
@pytest.mark.parametrize("lag", [0, 2])
def test_a_lost_response_is_reconciled_by_the_first_read_that_returns_the_action(
    emulator: Emulator, offboard: RunModule, device: Device, knobs: dict[str, t.Any], lag: float
) -> None:
    """The comment and the time do not match. The external ID alone is the proof."""
    emulator.knobs.update({**knobs, "list_lag": lag, "date_header": 3600.0})
    emulator.fault(method="POST", path="/offboard", kind="lost")
    run = offboard(device_id=device.id, external_id=TEXT)
    assert (run.outcome, run.changed, run.warnings) == ("submitted", True, [])
    assert api_calls(emulator) == [*PLAIN, *["GET machineactions"] * (2 if lag else 1)]


@pytest.mark.parametrize("knobs", [*KNOBS, {"external_id_length": 20}, {"external_id_length": 8}], ids=str)
def test_a_direct_response_in_any_form_is_ours(
    emulator: Emulator, offboard: RunModule, device: Device, knobs: dict[str, t.Any]
) -> None:
    emulator.knobs.update(knobs)
    run = offboard(device_id=device.id, external_id=TEXT)
    assert (run.outcome, run.warnings) == ("submitted", [])


def test_a_value_that_is_truncated_within_the_uuid_is_not_ours_in_a_list(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    emulator.knobs.external_id_length = 20
    emulator.fault(method="POST", path="/offboard", kind="lost")
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed, len(run.warnings)) == ("in_progress", False, 1)
    assert len(offboards(emulator, device.id)) == module_run.posts(emulator) == 1


@pytest.mark.parametrize("value", [FOREIGN, f"{FOREIGN} {TEXT}", "job 7", TEXT], ids=str)
def test_an_action_with_another_external_id_is_not_ours_and_gets_a_warning(
    emulator: Emulator,
    offboard: RunModule,
    clock: VirtualTime,
    device: Device,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    theirs: list[dict[str, t.Any]] = []
    ordinary = clock.sleep

    def sleep(seconds: float) -> None:
        if not theirs:
            theirs.append(emulator.add_action(device.id, status="Pending", age=0, comment=COMMENT, external_id=value))
        ordinary(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)
    emulator.fault(method="POST", path="/offboard", kind="lost_before")
    run = offboard(device_id=device.id, comment=COMMENT, external_id=TEXT)
    assert (run.outcome, run.changed, run.failed) == ("in_progress", False, False)
    assert run.result["action"]["id"] == theirs[0]["id"]
    (warning,) = run.warnings
    assert theirs[0]["id"] in warning
    assert value in warning


@pytest.mark.parametrize("external_id", [None, FOREIGN, ""], ids=str)
def test_a_direct_response_with_the_action_of_another_run(
    emulator: Emulator, offboard: RunModule, device: Device, external_id: str | None
) -> None:
    """Its action is not in the list yet, and everything except the external ID matches."""

    def existing(_call: t.Any) -> str:
        made = emulator.add_action(
            device.id, status="Pending", age=0, comment=COMMENT, requestor=emulator.client_id, external_id=external_id
        )
        return json.dumps(made)

    emulator.fault(method="POST", path="/offboard", kind="body", status=201, body=existing)
    run = offboard(device_id=device.id)
    assert run.outcome == ("in_progress" if external_id else "submitted")  # null counts as absent
    assert len(run.warnings) == (1 if external_id else 0)


def test_a_run_that_sends_none_does_not_take_an_action_with_one_for_its_own(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    def existing(_call: t.Any) -> str:
        made = emulator.add_action(device.id, status="Pending", age=0, comment=COMMENT, external_id=FOREIGN)
        return json.dumps(made)

    emulator.fault(method="POST", path="/offboard", kind="body", status=201, body=existing)
    run = offboard(device_id=device.id, send_external_id=False)
    assert (run.outcome, len(run.warnings)) == ("in_progress", 1)


def test_an_action_with_our_external_id_is_ours_although_the_response_says_that_one_is_active(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    """A gateway sent the request twice and returned the second response."""
    active = error_body("ActiveRequestAlreadyExists")
    emulator.fault(method="POST", path="/offboard", kind="body", status=400, body=active, handled=True)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed) == ("submitted", True)
    assert run.result["action"]["externalId"] == run.device["external_id"]


def test_an_action_with_our_external_id_is_ours_although_it_is_final_already(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    def ended(call: t.Any) -> str:
        made = emulator.add_action(device.id, age=0, comment=COMMENT, external_id=call.json()["ExternalId"])
        return json.dumps(made)

    emulator.fault(method="POST", path="/offboard", kind="body", status=201, body=ended)
    run = offboard(device_id=device.id)
    assert (run.outcome, api_calls(emulator)) == ("submitted", PLAIN)


def test_our_external_id_on_another_device_is_an_alarm(emulator: Emulator, offboard: RunModule, device: Device) -> None:
    other = emulator.add_device(Device(name="pc-2.corp.example", fate="offline"))

    def wrong(call: t.Any) -> str:
        return json.dumps(emulator.add_action(other.id, status="Pending", age=0, external_id=call.json()["ExternalId"]))

    emulator.fault(method="POST", path="/offboard", kind="body", status=201, body=wrong)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.error_code) == ("error", "wrong_device")
    assert module_run.posts(emulator) == 1


# -- after an unclear try -------------------------------------------------------------------------------------------


@each_service
@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("status", ["Failed", "Cancelled", "TimeOut", "Succeeded", "Pending"])
@pytest.mark.parametrize("external_id", [None, FOREIGN])
def test_nothing_is_sent_again_while_a_newer_action_exists(
    emulator: Emulator,
    offboard: RunModule,
    clock: VirtualTime,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
    force: bool,
    status: str,
    external_id: str | None,
) -> None:
    made: list[t.Any] = []
    ordinary = clock.sleep

    def sleep(seconds: float) -> None:
        if not made:
            made.append(
                emulator.add_action(
                    device.id, status=status, age=0, ended_age=0, comment="CHG-7 other", external_id=external_id
                )
            )
        ordinary(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)
    emulator.fault(method="POST", path="/offboard", kind="lost_before")
    run = offboard(device_id=device.id, force=force)
    assert posts(emulator) == 1
    assert not run.changed
    if status == "Pending" or (status == "Succeeded" and not force):
        assert (run.outcome, run.failed) == ("in_progress" if status == "Pending" else "already_offboarded", False)
    else:
        assert (run.outcome, run.error_code) == ("error", "outcome_unknown")
        assert made[0]["id"] in run.result["msg"]


@each_service
def test_an_older_action_does_not_keep_a_request_from_being_sent_again(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    emulator.add_action(device.id, status="Failed", age=60, comment=COMMENT)
    emulator.fault(method="POST", path="/offboard", kind="lost_before")
    run = offboard(device_id=device.id)
    assert (run.outcome, posts(emulator)) == ("submitted", 2)


@each_service
@pytest.mark.parametrize("mode", ["existing", "grace", "refuse"])
def test_the_action_of_another_application_is_never_ours(
    emulator: Emulator, offboard: RunModule, device: Device, mode: str
) -> None:
    emulator.knobs.list_lag = 30
    emulator.knobs.duplicate_mode = mode
    theirs = offboard_as_other_app(emulator, device.id, "CHG-7 other")
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed) == ("in_progress", False)
    assert run.result["action"] is None or run.result["action"]["id"] == theirs["id"]
