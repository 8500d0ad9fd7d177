# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The outcome of offboard actions, days later."""

from __future__ import annotations

import json
import os
import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import RunModule, api_calls, posts

DAYS = 86400.0
# Against a service that accepts quoted IDs of actions, and against one that rejects them.
pytestmark = pytest.mark.usefixtures("action_id_literal")


def outcomes(result: dict[str, t.Any]) -> list[str]:
    return [device["outcome"] for device in result["devices"]]


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_devices_and_actions_are_assessed_in_the_order_requested_with_three_reads(
    emulator: Emulator, offboard_info: RunModule, check: bool
) -> None:
    first, second = (emulator.add_device(Device(name=f"pc-{n}.corp.example", fate="offline")) for n in range(2))
    action = emulator.add_action(first.id, status="TimeOut", age="5d")
    run = offboard_info(check=check, action_id=[action["id"].upper()], device_id=[second.id])
    assert not run.failed
    assert not run.changed
    assert outcomes(run.result) == ["timed_out", "no_action"]
    assert [device["device_id"] for device in run.result["devices"]] == [first.id, second.id]
    assert run.result["devices"][0]["action"]["id"] == action["id"]
    assert run.result["summary"]["timed_out"] == 1
    assert api_calls(emulator, rejected=False) == ["GET machineactions", "GET machineactions", "GET machines"]
    assert posts(emulator) == 0


def test_a_device_that_reports_again_after_its_offboard_has_come_back(
    emulator: Emulator, offboard: RunModule, offboard_info: RunModule
) -> None:
    device = emulator.add_device(Device(name="pc.corp.example", reonboard_after=5 * DAYS))
    action = offboard(device_id=device.id).result["action"]
    assert outcomes(offboard_info(action_id=[action["id"]]).result) == ["pending"]
    emulator.advance(2 * DAYS)
    assert outcomes(offboard_info(action_id=[action["id"]]).result) == ["done"]
    emulator.advance(6 * DAYS)
    run = offboard_info(action_id=[action["id"]])
    assert outcomes(run.result) == ["came_back"]
    assert run.result["msg"] == "pc.corp.example: offboarded, but has come back"


def test_a_record_is_absent_only_after_a_second_different_read(emulator: Emulator, offboard_info: RunModule) -> None:
    device = emulator.add_device(Device(name="pc.corp.example", listed=False))
    emulator.add_action(device.id, age="3d")
    assert outcomes(offboard_info(device_id=[device.id]).result) == ["came_back"]
    assert api_calls(emulator)[-1] == "GET machines/id"


def test_a_record_that_cannot_be_read_does_not_affect_other_devices(
    emulator: Emulator, offboard_info: RunModule
) -> None:
    closed, other = (emulator.add_device(Device(name=f"pc-{n}.corp.example", listed=n > 0)) for n in range(2))
    for device in (closed, other):
        emulator.add_action(device.id, age="3d")
    refusal = '{"error": {"code": "Forbidden", "message": "not for you"}}'
    emulator.fault(method="GET", path=closed.id, kind="body", status=403, body=refusal, times=None)
    run = offboard_info(device_id=[closed.id, other.id])
    assert outcomes(run.result) == ["error", "came_back"]
    assert (run.failed, run.error_code) == (True, "permission_missing")
    assert "not for you" in run.result["msg"]


def test_an_action_that_is_missing_from_the_list_is_read_individually(
    emulator: Emulator, offboard: RunModule, offboard_info: RunModule
) -> None:
    device = emulator.add_device(Device(name="pc.corp.example", fate="offline"))
    emulator.knobs.list_lag = 60
    action = offboard(device_id=device.id).result["action"]
    assert outcomes(offboard_info(action_id=[action["id"]]).result) == ["pending"]


def test_unknown_ids_have_no_action(emulator: Emulator, offboard_info: RunModule) -> None:
    run = offboard_info(action_id=["0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22"], device_id=["e" * 40])
    assert outcomes(run.result) == ["no_action", "no_action"]
    assert not run.failed


def test_an_action_that_is_not_an_offboard_proves_nothing(emulator: Emulator, offboard_info: RunModule) -> None:
    device = emulator.add_device(Device(name="pc.corp.example"))
    action = emulator.add_action(device.id, "Isolate")
    run = offboard_info(action_id=[action["id"]])
    assert (run.failed, outcomes(run.result), run.error_code) == (True, ["error"], "wrong_action")
    assert f"action {action['id']} is of type Isolate, not Offboard" in run.result["msg"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, "Cannot read evidence"),
        ("not json", "is not valid JSON"),
        ("[]", "is not an evidence file"),
        ('{"devices": [1]}', "is not an evidence file"),
    ],
)
def test_a_file_that_is_not_evidence_is_refused(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path, content: str | None, text: str
) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_text(content, "utf-8")
    run = offboard_info(evidence=str(path))
    assert text in run.result["msg"]
    assert run.error_code == "invalid_option"
    assert emulator.calls() == []


def test_the_request_the_comment_and_the_host_are_taken_from_evidence(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path
) -> None:
    device = emulator.add_device(Device(name="pc.corp.example"))
    requested = {"device_id": None, "device_name": "gone.corp.example", "aad_device_id": None, "comment": "CHG-1042"}
    earlier = [
        {"requested": {"device_id": device.id}, "host": "kiosk", "device_id": device.id, "action": None},
        {"requested": requested, "host": "gone", "device_id": None, "device_name": None, "action": None},
    ]
    path = tmp_path / "run.json"
    path.write_text(json.dumps({"comment": "CHG-1042 retired", "devices": earlier}), "utf-8")
    run = offboard_info(evidence=str(path))
    assert run.result["comment"] == "CHG-1042 retired"
    assert [device["host"] for device in run.result["devices"]] == ["kiosk", "gone"]
    assert run.result["devices"][1]["requested"] == requested
    assert run.result["devices"][1]["device_name"] == "gone.corp.example"


def test_edited_evidence_is_read_as_far_as_possible(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path
) -> None:
    device = emulator.add_device(Device(name="pc.corp.example"))
    path = tmp_path / "run.json"
    edited = {"device_id": device.id, "device_name": 7, "action": "see the ticket", "requested": ["pc"]}
    path.write_text(json.dumps({"devices": [edited]}), "utf-8")
    run = offboard_info(evidence=str(path))
    assert [device["outcome"] for device in run.result["devices"]] == ["no_action"]


def test_evidence_of_another_tenant_is_refused(emulator: Emulator, offboard_info: RunModule, tmp_path: Path) -> None:
    device = emulator.add_device(Device(name="pc.corp.example"))
    path = tmp_path / "run.json"
    for tenant, refused in (("11112222-bbbb-3333-cccc-4444dddd5555", True), (emulator.tenant_id.upper(), False)):
        devices = [{"device_id": device.id, "action": None}]
        path.write_text(json.dumps({"context": {"tenant_id": tenant}, "devices": devices}), "utf-8")
        run = offboard_info(evidence=str(path))
        assert run.failed == refused
        assert (f"The evidence is from tenant {tenant}, but" in run.result["msg"]) == refused


def test_incomplete_evidence_is_accepted_with_a_warning(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path
) -> None:
    device = emulator.add_device(Device(name="pc.corp.example"))
    path = tmp_path / "run.json"
    complete = {
        "prediction": False,
        "complete": True,
        "device_count": 1,
        "devices": [{"device_id": device.id, "action": None}],
    }
    for changes, text in (
        ({}, None),
        ({"prediction": True}, "a check mode prediction"),
        ({"complete": False, "device_count": 5}, "1 of 5"),
        ({"complete": False, "device_count": None}, "1 of 1"),
    ):
        path.write_text(json.dumps(complete | changes), "utf-8")
        run = offboard_info(evidence=str(path))
        assert outcomes(run.result) == ["no_action"]
        assert len(run.warnings) == (text is not None)
        assert text is None or text in run.warnings[0]


def test_nothing_to_verify_is_refused(emulator: Emulator, offboard_info: RunModule) -> None:
    assert "one of the following is required" in offboard_info().result["msg"]
    assert emulator.calls() == []


@pytest.mark.parametrize("options", [{"device_id": None}, {"action_id": None}, {"evidence": None}, {"evidence": ""}])
def test_a_template_without_a_result_is_refused(
    emulator: Emulator, offboard_info: RunModule, options: dict[str, t.Any]
) -> None:
    """It must not pass as an empty list."""
    run = offboard_info(**options)
    assert (run.failed, run.error_code) == (True, "invalid_option")
    assert "action_id, device_id and evidence are all empty" in run.result["msg"]
    assert emulator.calls() == []


def test_a_read_that_fails_is_no_outcome(emulator: Emulator, offboard_info: RunModule) -> None:
    device = emulator.add_device(Device(name="pc.corp.example"))
    emulator.fault(kind="html_404", method="GET", path="/machineactions", times=None)
    run = offboard_info(device_id=[device.id])
    assert run.failed
    assert run.result["devices"] == []
    app = emulator.add_app("other", roles=["Machine.Offboard"], secret="made-up-of-other")
    emulator.clear_faults()
    refused = offboard_info(
        device_id=[device.id], client_id=app.client_id, client_secret="made-up-of-other", tenant_id=emulator.tenant_id
    )
    assert "Machine.Read.All is required. The token has Machine.Offboard" in refused.result["msg"]


# -- only an offboard action on the device itself counts ----------------------------------------------------------


def written(path: Path, devices: t.Sequence[object], **document: t.Any) -> str:
    path.write_text(json.dumps({"format": "secops.mde/evidence-1", "devices": devices, **document}), "utf-8")
    return str(path)


def evidence_entry(device: Device, action: dict[str, t.Any] | None) -> dict[str, t.Any]:
    return {"device_id": device.id, "device_name": device.name, "outcome": "error", "action": action}


@pytest.mark.parametrize("status", ["Succeeded", "Pending", "Failed"])
def test_an_action_on_another_device_proves_nothing(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path, status: str
) -> None:
    ours, other = (emulator.add_device(Device(name=f"pc-{n}.corp.example", fate="offline")) for n in "ab")
    action = emulator.add_action(other.id, status=status, age="2d")
    run = offboard_info(
        evidence=written(tmp_path / "run.json", [evidence_entry(ours, action), evidence_entry(other, action)])
    )
    assert outcomes(run.result)[0] == "error"
    assert outcomes(run.result)[1] != "error"
    assert (run.failed, run.error_code) == (True, "wrong_device")
    assert {ours.id, other.id, action["id"]} <= set(run.result["msg"].replace(",", " ").replace(".", " ").split())
    assert run.result["devices"][0]["action"] is None


def test_the_offboard_action_of_the_device_itself_counts_and_the_other_is_a_warning(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path
) -> None:
    ours, other = (emulator.add_device(Device(name=f"pc-{n}.corp.example", last_seen="5d")) for n in "ab")
    action = emulator.add_action(other.id, age="2d")
    own = emulator.add_action(ours.id, age="3d")
    run = offboard_info(evidence=written(tmp_path / "run.json", [evidence_entry(ours, action)]))
    assert outcomes(run.result) == ["done"]
    assert run.result["devices"][0]["action"]["id"] == own["id"]
    assert action["id"] in run.warnings[0]


def test_an_action_of_evidence_that_the_service_returns_with_another_type_proves_nothing(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path
) -> None:
    """This is also true if the list of the device has the same action with the type Offboard: a contradiction."""
    device = emulator.add_device(Device(name="pc.corp.example", last_seen="5d"))
    action = emulator.add_action(device.id, age="2d")
    body = json.dumps({"value": [{**action, "type": "Isolate"}]})
    emulator.fault(method="GET", path="/machineactions", kind="body", body=body)
    run = offboard_info(evidence=written(tmp_path / "run.json", [evidence_entry(device, action)]))
    assert (run.failed, outcomes(run.result), run.error_code) == (True, ["error"], "wrong_action")
    assert run.result["devices"][0]["action"] is None


def test_another_offboard_of_the_device_counts_if_the_named_action_is_not_one(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path
) -> None:
    device = emulator.add_device(Device(name="pc.corp.example", last_seen="5d"))
    offboard = emulator.add_action(device.id, age="3d")
    action = emulator.add_action(device.id, "Isolate", age="2d")
    run = offboard_info(evidence=written(tmp_path / "run.json", [evidence_entry(device, action)]))
    assert outcomes(run.result) == ["done"]
    assert run.result["devices"][0]["action"]["id"] == offboard["id"]
    assert f"action {action['id']} is of type Isolate" in run.warnings[0]


@pytest.mark.parametrize("alone", [False, True], ids=["in the list", "by an individual read"])
def test_a_response_with_another_action_is_ignored(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path, alone: bool
) -> None:
    device = emulator.add_device(Device(name="pc.corp.example", last_seen="5d"))
    other = emulator.add_device(Device(name="other.corp.example"))
    action = emulator.add_action(other.id, age="2d")
    requested = "1f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22"
    body = json.dumps(action if alone else {"value": [action]})
    emulator.fault(
        method="GET", path=f"/machineactions/{requested}" if alone else "/machineactions", kind="body", body=body
    )
    run = offboard_info(evidence=written(tmp_path / "run.json", [evidence_entry(device, {"id": requested})]))
    assert outcomes(run.result) == ["no_action"]


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"device_id": "../x"}, "device_id: '../x'"),
        ({"device_id": ".."}, "device_id: '..'"),
        ({"device_id": "********"}, "device_id: '********'"),
        ({"device_id": 7}, "device_id: '7'"),
        ({"device_id": "a' or true or '"}, "device_id: "),
        ({"action": {"id": "../../machines"}}, "action_id: '../../machines'"),
        ({"action": {"id": ["x"]}}, "action.id: "),
        ({"action": {"id": "0f7a2c11", "status": 5}}, "action.status: '5'"),
        ({"outcome": "offboarded"}, "outcome: 'offboarded'"),
        ({"outcome": 1}, "outcome: '1'"),
    ],
    ids=str,
)
def test_entries_of_evidence_are_validated_like_options(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path, wrong: dict[str, t.Any], text: str
) -> None:
    device = emulator.add_device(Device(name="pc.corp.example"))
    path = written(tmp_path / "run.json", [evidence_entry(device, None), evidence_entry(device, None) | wrong])
    run = offboard_info(evidence=path)
    assert run.error_code == "invalid_option"
    assert f"evidence: {path} " in run.result["msg"]
    assert f"devices[1]: {text}" in run.result["msg"]
    assert emulator.calls() == []


def test_evidence_with_many_invalid_entries_names_the_first(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path
) -> None:
    run = offboard_info(evidence=written(tmp_path / "run.json", [{"device_id": "?"}] * 20))
    assert run.result["msg"].count("is not a device ID") == 5
    assert "And 15 more." in run.result["msg"]


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('{"format": "secops.mde/evidence-9", "devices": []}', "its format is not secops.mde/evidence-1"),
        ('{"format": 1, "devices": []}', "its format is not secops.mde/evidence-1"),
        ('{"devices": [{"device_id": "aa", "device_id": "bb"}]}', "duplicate key 'device_id'"),
        ("[" * 200_000, "it is nested too deeply"),
    ],
    ids=["a later format", "no format", "a key twice", "deep nesting"],
)
def test_a_file_in_another_format_is_refused(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path, content: str, text: str
) -> None:
    path = tmp_path / "run.json"
    path.write_text(content, "utf-8")
    run = offboard_info(evidence=str(path))
    assert f"evidence: {path}" in run.result["msg"]
    assert text in run.result["msg"]
    assert emulator.calls() == []


def test_a_pipe_is_refused_without_waiting(emulator: Emulator, offboard_info: RunModule, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "run.json")
    assert "it is a FIFO" in offboard_info(evidence=str(tmp_path / "run.json")).result["msg"]


def test_an_unknown_status_is_a_warning(emulator: Emulator, offboard_info: RunModule, tmp_path: Path) -> None:
    device = emulator.add_device(Device(name="pc.corp.example", last_seen="5d"))
    action = emulator.add_action(device.id, age="2d")
    run = offboard_info(evidence=written(tmp_path / "run.json", [evidence_entry(device, {**action, "status": "Odd"})]))
    assert outcomes(run.result) == ["done"]
    assert "devices[0]" in run.warnings[0]
    assert "'Odd'" in run.warnings[0]


@pytest.mark.parametrize("sensitive", [False, True], ids=["case-insensitive", "case-sensitive"])
def test_a_device_is_found_by_its_id_case_insensitively(
    emulator: Emulator, offboard_info: RunModule, sensitive: bool
) -> None:
    device = emulator.add_device(Device(id="ab" * 20, name="pc.corp.example", last_seen="5d"))
    emulator.knobs.filter_case_sensitive = sensitive
    emulator.add_action(device.id, age="2d")
    assert outcomes(offboard_info(device_id=["AB" * 20]).result) == ["done"]


@pytest.mark.parametrize("requested", ["ab" * 20, "Ab" * 20], ids=["lowercase", "mixed case"])
def test_the_actions_of_a_device_whose_id_the_service_spells_in_capitals_are_found(
    emulator: Emulator, offboard_info: RunModule, requested: str
) -> None:
    device = emulator.add_device(Device(id="AB" * 20, name="pc.corp.example", last_seen="5d"))
    emulator.add_action(device.id, status="Failed", age="2d")
    assert outcomes(offboard_info(device_id=[requested]).result) == ["failed"]


def test_the_action_of_a_device_whose_id_differs_in_case_only_proves_nothing(
    emulator: Emulator, offboard_info: RunModule, tmp_path: Path
) -> None:
    ours, other = Device(id="ab" * 20, name="pc-a"), Device(id="AB" * 20, name="pc-b")
    action = {
        "id": "0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22",
        "type": "Offboard",
        "status": "Succeeded",
        "machineId": other.id,
    }
    machines = [
        {"id": one.id, "computerDnsName": one.name, "onboardingStatus": "CanBeOnboarded"} for one in (ours, other)
    ]
    for path, value in (("/machineactions", [action]), ("/machines", machines)):
        emulator.fault(method="GET", path=path, kind="body", times=None, body=json.dumps({"value": value}))
    run = offboard_info(
        evidence=written(tmp_path / "run.json", [evidence_entry(ours, action), evidence_entry(other, action)])
    )
    assert outcomes(run.result) == ["error", "done"]
