# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Exclusion from vulnerability management: only differences are sent, and a refused device does not affect others."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import (
    ModuleRun,
    RunModule,
    api_calls,
    posts,
    sign_ins,
)

A, B, C, D = (digit * 40 for digit in "abcd")
UNKNOWN = "e" * 40
REASONS = ("InactiveDevice", "DuplicateDevice", "DeviceDoesNotExist", "DeviceOutOfScope", "Other")
MODES = pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
STATES = pytest.mark.parametrize("state", ["excluded", "included"])

INCLUDED = {"excluded": False, "reason": None}
# What the service does with the second try of a request.
LAST_TRIES: dict[str, dict[str, t.Any]] = {
    "refused": {"kind": "body", "status": 400, "body": '{"error": {"code": "InvalidInput", "message": "no"}}'},
    "throttled": {"kind": "429", "retry_after": 86400},
    "forbidden": {"kind": "body", "status": 403, "body": '{"error": {"code": "Forbidden", "message": "no"}}'},
}


def excluded(reason: str = "InactiveDevice") -> dict[str, t.Any]:
    return {"excluded": True, "reason": reason}


@pytest.fixture(autouse=True)
def _permission(emulator: Emulator) -> None:
    emulator.grant("Machine.ReadWrite.All")


@pytest.fixture
def fleet(emulator: Emulator) -> Emulator:
    """A and B are included, C is excluded as inactive, D as a duplicate."""
    emulator.add_devices(Device(id=id_, name=f"pc-{id_[0]}") for id_ in (A, B, C, D))
    for id_, reason in ((C, "InactiveDevice"), (D, "DuplicateDevice")):
        emulator.update_machine(id_, isExcluded=True, exclusionReason=reason)
    return emulator


def stored(emulator: Emulator, *ids: str) -> list[dict[str, t.Any]]:
    """Return the exclusion in the records of the service."""
    records = [emulator.machine(id_) for id_ in ids or (A, B, C, D)]
    return [{"excluded": record["isExcluded"], "reason": record["exclusionReason"]} for record in records]


def returned(run: ModuleRun) -> list[dict[str, t.Any]]:
    """Return the exclusion in the result."""
    return [{"excluded": device["excluded"], "reason": device["reason"]} for device in run.result["devices"]]


def codes(run: ModuleRun) -> list[str | None]:
    return [device["error"] and device["error"]["code"] for device in run.result["devices"]]


def posted(emulator: Emulator) -> list[tuple[str, t.Any]]:
    """Return device and body of each request."""
    return [(call.path.split("/")[-2], call.body) for call in emulator.calls("api", "POST")]


# The options, the resulting exclusion of A to D, the devices that change, and the body of their requests.
TABLE: list[tuple[dict[str, str], list[dict[str, t.Any]], list[bool], dict[str, t.Any]]] = [
    (
        {},
        [excluded()] * 4,
        [True, True, False, True],
        {"IsExcluded": True, "ExclusionReason": "InactiveDevice"},
    ),
    (
        {"state": "excluded", "reason": "DuplicateDevice"},
        [excluded("DuplicateDevice")] * 4,
        [True, True, True, False],
        {"IsExcluded": True, "ExclusionReason": "DuplicateDevice"},
    ),
    ({"state": "included"}, [INCLUDED] * 4, [False, False, True, True], {"IsExcluded": False}),
    (
        {"state": "included", "reason": "DuplicateDevice"},
        [INCLUDED] * 4,
        [False, False, True, True],
        {"IsExcluded": False},
    ),
]


@pytest.mark.parametrize(("options", "after", "changed", "body"), TABLE, ids=[str(row[0]) for row in TABLE])
def test_check_mode_predicts_what_the_run_does_and_the_second_run_does_nothing(
    fleet: Emulator,
    exclude: RunModule,
    options: dict[str, t.Any],
    after: list[dict[str, t.Any]],
    changed: list[bool],
    body: dict[str, t.Any],
) -> None:
    before = stored(fleet)
    predicted = exclude(device_id=[A, B, C, D], check=True, **options)
    assert (posts(fleet), stored(fleet)) == (0, before)
    real = exclude(device_id=[A, B, C, D], **options)
    assert stored(fleet) == after
    count = sum(changed)
    for run in (predicted, real):
        assert (run.failed, run.changed, returned(run)) == (False, True, after)
        assert [device["changed"] for device in run.result["devices"]] == changed
        assert [device["device_id"] for device in run.result["devices"]] == [A, B, C, D]
        assert run.result["summary"].items() >= {"total": 4, "changed": count, "failed": 0}.items()
    assert predicted.result["msg"] == f"{count} of 4 devices would change"
    assert real.result["msg"] == f"{count} of 4 devices changed"
    sent = [(id_, body) for id_, differs in zip((A, B, C, D), changed, strict=True) if differs]
    assert posted(fleet) == sent
    for check in (False, True):
        again = exclude(device_id=[A, B, C, D], check=check, **options)
        assert (again.failed, again.changed, returned(again)) == (False, False, after)
    assert len(posted(fleet)) == count


@pytest.mark.parametrize("reason", REASONS)
def test_the_service_accepts_every_reason(fleet: Emulator, exclude: RunModule, reason: str) -> None:
    assert returned(exclude(device_id=A, reason=reason)) == [excluded(reason)] == stored(fleet, A)


def test_one_device_takes_two_calls_and_one_sign_in(fleet: Emulator, exclude: RunModule) -> None:
    run = exclude(device_id=A)
    assert api_calls(fleet) == ["GET machines", "POST exclusion"]
    assert sign_ins(fleet) == 1
    assert run.result["devices"] == [
        {"device_id": A, "device_name": "pc-a", "changed": True, "failed": False, **excluded(), "error": None}
    ]


@MODES
@pytest.mark.parametrize("given", [A.upper(), f"https://security.microsoft.com/machines/v2/{A}/overview", f" {A} "])
def test_ids_are_accepted_as_users_have_them(fleet: Emulator, exclude: RunModule, given: str, check: bool) -> None:
    run = exclude(device_id=[given, A], check=check)
    assert run.changed
    assert run.device["device_id"] == A
    assert stored(fleet, A) == [INCLUDED if check else excluded()]


@MODES
def test_an_empty_list_is_success_without_a_request(fleet: Emulator, exclude: RunModule, check: bool) -> None:
    run = exclude(device_id=[], check=check)
    assert (run.failed, run.changed, run.result["devices"]) == (False, False, [])
    assert fleet.calls(None) == []


@MODES
@pytest.mark.parametrize(
    ("options", "code"),
    [
        ({"device_id": [A, " "]}, "invalid_option"),
        ({"device_id": "a' or true or 'b"}, "invalid_option"),
        ({"device_id": "../a"}, "invalid_option"),
        ({"calls_per_hour": 1}, "invalid_option"),
        ({"state": "present"}, None),
        ({"state": ""}, None),
        ({"reason": "Retired"}, None),
        ({"reason": ""}, None),
        ({"reason": "inactivedevice"}, None),
    ],
    ids=str,
)
def test_invalid_options_are_refused_before_any_request(
    fleet: Emulator, exclude: RunModule, options: dict[str, t.Any], code: str | None, check: bool
) -> None:
    run = exclude(**{"device_id": A, **options}, check=check)
    assert run.failed
    assert code in (None, run.result.get("error", {}).get("code"))  # Ansible's own parser returns only a message
    assert next(iter(options)) in run.result["msg"]
    assert fleet.calls(None) == []


@STATES
@pytest.mark.parametrize("record", [{"isExcluded": None}, {"isExcluded": "yes", "exclusionReason": "InactiveDevice"}])
def test_a_record_without_the_exclusion_is_never_counted_as_done(
    fleet: Emulator, exclude: RunModule, record: dict[str, t.Any], state: str
) -> None:
    body = json.dumps({"value": [{**fleet.machine(A), **record}]})
    fleet.fault(method="GET", kind="body", body=body)
    run = exclude(device_id=A, state=state, diff=True)
    assert (run.failed, run.changed, posts(fleet)) == (False, True, 1)
    assert run.result["diff"][0]["before"] == {"device": "pc-a", "excluded": None, "reason": None}


def test_a_reason_that_the_service_writes_in_another_case_is_the_same(fleet: Emulator, exclude: RunModule) -> None:
    fleet.update_machine(C, exclusionReason="inactiveDevice")
    run = exclude(device_id=C)
    assert (run.changed, returned(run), posts(fleet)) == (False, [excluded("inactiveDevice")], 0)


# -- many devices ------------------------------------------------------------------------------------------------


def test_five_hundred_devices_of_which_three_differ_take_three_requests(emulator: Emulator, exclude: RunModule) -> None:
    ids = [f"{number:040x}" for number in range(500)]
    differ = [ids[0], ids[250], ids[499]]
    emulator.add_devices(Device(id=id_, name=None) for id_ in ids)
    for id_ in set(ids) - set(differ):
        emulator.update_machine(id_, isExcluded=True, exclusionReason="InactiveDevice")
    predicted = exclude(device_id=ids, check=True)
    assert posts(emulator) == 0
    run = exclude(device_id=ids)
    for result in (predicted.result, run.result):
        assert result["summary"].items() >= {"total": 500, "changed": 3, "failed": 0}.items()
        assert [device["device_id"] for device in result["devices"] if device["changed"]] == differ
    assert [id_ for id_, _body in posted(emulator)] == differ


@MODES
def test_an_unknown_id_fails_alone(fleet: Emulator, exclude: RunModule, check: bool) -> None:
    run = exclude(device_id=[A, UNKNOWN, B], check=check)
    assert (run.failed, run.changed, run.error_code) == (True, True, "not_found")
    assert codes(run) == [None, "not_found", None]
    assert returned(run)[1] == {"excluded": None, "reason": None}
    assert run.result["summary"].items() >= {"total": 3, "changed": 2, "failed": 1}.items()


REFUSALS: dict[str, dict[str, t.Any]] = {
    "a bad request": {
        "kind": "body",
        "status": 400,
        "body": '{"error": {"code": "InvalidInput", "message": "not this device"}}',
    },
    "a device that is gone": {
        "kind": "body",
        "status": 404,
        "body": '{"error": {"code": "ResourceNotFound", "message": "no such machine"}}',
    },
    "a device outside the groups of the user": {
        "kind": "body",
        "status": 403,
        "body": '{"error": {"code": "Forbidden", "message": "not in your device groups"}}',
    },
}


@pytest.mark.parametrize("name", REFUSALS)
@pytest.mark.parametrize("refused", [A, B])
def test_a_device_that_is_refused_fails_alone(fleet: Emulator, exclude: RunModule, name: str, refused: str) -> None:
    fleet.fault(method="POST", path=refused, times=None, **REFUSALS[name])
    run = exclude(device_id=[A, B, D])
    assert (run.failed, run.changed) == (True, True)
    assert [device["device_id"] for device in run.result["devices"] if device["failed"]] == [refused]
    assert stored(fleet, A, B, D) == [INCLUDED if id_ == refused else excluded() for id_ in (A, B, D)]
    assert posts(fleet) == 3


@pytest.mark.parametrize("name", ["a bad request", "a device that is gone"])
def test_refusals_of_devices_never_stop_the_rest(emulator: Emulator, exclude: RunModule, name: str) -> None:
    ids = [f"{number:040x}" for number in range(12)]
    emulator.add_devices(Device(id=id_, name=None) for id_ in ids)
    emulator.fault(method="POST", times=10, **REFUSALS[name])
    run = exclude(device_id=ids)
    assert run.result["summary"].items() >= {"changed": 2, "failed": 10}.items()


@pytest.mark.parametrize(
    ("fault", "code", "calls"),
    [
        ({"kind": "html_404"}, "exclusion_unavailable", 3),
        (REFUSALS["a device outside the groups of the user"], "permission_missing", 3),
        ({"kind": "body", "status": 400, "body": "<html>blocked</html>"}, "request_refused", 3),
        ({"kind": "body", "status": 200, "body": "<html>welcome</html>"}, None, 3),
        ({"kind": "redirect"}, "redirected", 3),
    ],
    ids=["a URL that does not exist", "no permission", "a gateway refuses", "a gateway accepts", "a redirect"],
)
def test_a_refusal_that_is_not_about_one_device_takes_few_calls(
    emulator: Emulator, exclude: RunModule, fault: dict[str, t.Any], code: str | None, calls: int
) -> None:
    ids = [f"{number:040x}" for number in range(50)]
    emulator.add_devices(Device(id=id_, name=None) for id_ in ids)
    emulator.fault(method="POST", times=None, **fault)
    run = exclude(device_id=ids)
    assert (run.failed, run.changed, run.result["summary"]["failed"]) == (True, False, 50)
    assert code in (None, *codes(run))
    assert len(set(codes(run))) == 1
    assert posts(emulator) == calls
    assert (
        "earlier" in run.result["devices"][-1]["error"]["message"]
        or "before" in (run.result["devices"][-1]["error"]["message"])
    )


# -- lost responses, and what a response shows -------------------------------------------------------------------


@STATES
@pytest.mark.parametrize("kind", ["lost", "lost_before", "500", "503", "html_502", "429"])
@pytest.mark.parametrize("handled", [None, True], ids=["as it is", "carried out"])
def test_the_request_is_repeated_after_a_lost_response(
    fleet: Emulator, exclude: RunModule, kind: str, handled: bool | None, state: str
) -> None:
    fleet.fault(method="POST", kind=kind, handled=handled, times=2)
    run = exclude(device_id=[A, B, C], state=state)
    assert (run.failed, run.changed, returned(run)) == (False, True, stored(fleet, A, B, C))
    assert posts(fleet) == (4 if state == "excluded" else 3)


@pytest.mark.parametrize("kind", ["503", "html_502", "lost"])
def test_a_service_that_is_down_is_called_for_one_device_only(
    emulator: Emulator, exclude: RunModule, kind: str
) -> None:
    ids = [f"{number:040x}" for number in range(20)]
    emulator.add_devices(Device(id=id_, name=None) for id_ in ids)
    emulator.fault(method="POST", kind=kind, times=None)
    began = emulator.clock.monotonic()
    run = exclude(device_id=ids, retry_timeout=60)
    assert run.result["summary"].items() >= {"changed": 0, "failed": 20}.items()
    assert emulator.clock.monotonic() - began < 90
    assert {id_ for id_, _body in posted(emulator)} == {ids[0]}


@pytest.mark.parametrize("handled", [False, True])
def test_the_state_of_a_device_is_null_if_it_is_not_known_whether_it_changed(
    fleet: Emulator, exclude: RunModule, handled: bool
) -> None:
    fleet.fault(method="POST", kind="lost", handled=handled, times=None)
    run = exclude(device_id=[A, B], retry_timeout=60)
    assert returned(run) == [{"excluded": None, "reason": None}, INCLUDED]  # B was skipped
    assert (run.failed, run.changed) == (True, False)
    assert "may or may not be changed" in run.result["devices"][0]["error"]["hint"]


@pytest.mark.parametrize("last", LAST_TRIES.values(), ids=LAST_TRIES)
def test_a_refusal_says_nothing_about_an_earlier_try_whose_response_was_lost(
    fleet: Emulator, exclude: RunModule, last: dict[str, t.Any]
) -> None:
    fleet.fault(method="POST", kind="503", handled=True)
    fleet.fault(method="POST", **last)
    run = exclude(device_id=[A])
    assert (run.failed, run.changed) == (True, False)
    assert stored(fleet, A) == [excluded()]
    assert returned(run) == [{"excluded": None, "reason": None}]
    assert "may or may not be changed" in run.result["devices"][0]["error"]["hint"]


def test_a_change_that_is_visible_after_hours_is_a_success_and_may_be_sent_again(
    fleet: Emulator, exclude: RunModule
) -> None:
    fleet.knobs.exclusion_delay = 36_000
    first = exclude(device_id=A)
    assert (first.failed, first.changed, returned(first)) == (False, True, [excluded()])
    assert api_calls(fleet) == ["GET machines", "POST exclusion"]
    assert stored(fleet, A) == [INCLUDED]
    again = exclude(device_id=A)
    assert (again.failed, again.changed, posts(fleet)) == (False, True, 2)
    fleet.clock.advance(36_001)
    last = exclude(device_id=A)
    assert (last.failed, last.changed, returned(last), posts(fleet)) == (False, False, [excluded()], 2)


@pytest.mark.parametrize(
    ("given", "state", "shown"),
    [
        (A, "excluded", {}),
        (A, "excluded", {"isExcluded": True, "exclusionReason": "Other"}),
        (C, "included", {}),
    ],
)
def test_a_response_that_shows_something_else_is_no_success(
    fleet: Emulator, exclude: RunModule, given: str, state: str, shown: dict[str, t.Any]
) -> None:
    fleet.fault(method="POST", kind="body", body=json.dumps({**fleet.machine(given), **shown}))
    run = exclude(device_id=given, state=state)
    assert (run.failed, run.changed, run.error_code) == (True, False, "exclusion_not_confirmed")
    assert returned(run) == stored(fleet, given)


def test_a_record_in_the_response_without_exclusion_is_a_success(fleet: Emulator, exclude: RunModule) -> None:
    fleet.fault(method="POST", kind="body", body=json.dumps({"id": A}), handled=True)
    run = exclude(device_id=A)
    assert (run.failed, run.changed, returned(run)) == (False, True, [excluded()])


@pytest.mark.parametrize(
    "body", ["", "{}", "[]", "5", "null", "<html>welcome</html>", json.dumps({"id": B}), json.dumps({"value": []})]
)
def test_a_response_without_the_record_of_the_device_is_no_success(
    fleet: Emulator, exclude: RunModule, body: str
) -> None:
    fleet.fault(method="POST", path=A, kind="body", body=body)
    run = exclude(device_id=[A, B])
    assert (run.failed, run.changed) == (True, True)
    assert [device["failed"] for device in run.result["devices"]] == [True, False]
    assert run.result["error"]["http_status"] == 200


@MODES
@pytest.mark.parametrize(
    ("fault", "code"), [({"kind": "503"}, "service_error"), ({"kind": "html_404"}, "wrong_address")], ids=str
)
def test_records_that_cannot_be_read_fail_the_module_before_anything_is_sent(
    fleet: Emulator, exclude: RunModule, fault: dict[str, t.Any], code: str, check: bool
) -> None:
    fleet.fault(method="GET", path="/machines", times=None, **fault)
    run = exclude(device_id=[A, B], check=check)
    assert (run.failed, run.changed, run.error_code, run.result["devices"]) == (True, False, code, [])
    assert posts(fleet) == 0


def test_devices_that_are_refused_alone_do_not_make_a_403_the_error_of_all(fleet: Emulator, exclude: RunModule) -> None:
    gone, closed = (
        json.dumps({"error": {"code": code, "message": "no"}}) for code in ("ResourceNotFound", "Forbidden")
    )
    devices = [device.id for device in fleet.devices][:2]
    others = [fleet.add_device(Device(name=f"more-{number}.corp.example")).id for number in range(2)]
    for id_ in devices:
        fleet.fault(method="POST", path=id_, kind="body", status=404, body=gone)
    fleet.fault(method="POST", path=others[0], kind="body", status=403, body=closed)
    run = exclude(device_id=[*devices, *others])
    assert [device["failed"] for device in run.result["devices"]] == [True, True, True, False]


# -- what Microsoft does not document ----------------------------------------------------------------------------


@pytest.mark.parametrize(("knob", "code"), [("forbidden", "permission_missing"), ("missing", "exclusion_unavailable")])
def test_a_service_without_the_call_gets_a_message_that_names_the_portal(
    fleet: Emulator, exclude: RunModule, knob: str, code: str
) -> None:
    fleet.knobs.exclusion = knob
    run = exclude(device_id=A)
    assert (run.failed, run.changed, run.error_code) == (True, False, code)
    assert "does not document" in run.result["error"]["hint"]
    assert "portal" in run.result["msg"]
    assert "api_url" not in run.result["msg"]


@MODES
@STATES
def test_a_missing_permission_is_named(fleet: Emulator, exclude: RunModule, state: str, check: bool) -> None:
    reader = fleet.add_app("reader", roles=["Machine.Read.All", "Machine.Offboard"], secret="made-up")
    run = exclude(device_id=[A, C], state=state, client_id=reader.client_id, client_secret=reader.secret, check=check)
    assert (run.failed, run.changed, run.error_code) == (True, False, "permission_missing")
    assert "Machine.ReadWrite.All" in run.result["error"]["hint"]
    assert "Machine.Offboard" in run.result["msg"]
    assert "is assumed" in run.result["msg"]
    assert sorted(map(str, codes(run))) == ["None", "permission_missing"]
    assert returned(run) == stored(fleet, A, C)
    assert posts(fleet) == int(not check)


@MODES
def test_the_permission_is_not_needed_where_nothing_changes(fleet: Emulator, exclude: RunModule, check: bool) -> None:
    reader = fleet.add_app("reader", roles=["Machine.Read.All"], secret="made-up")
    run = exclude(device_id=C, client_id=reader.client_id, client_secret=reader.secret, check=check)
    assert (run.failed, run.changed, posts(fleet)) == (False, False, 0)


def test_an_unreadable_token_is_a_warning_in_check_mode(fleet: Emulator, exclude: RunModule) -> None:
    fleet.fault(method="GET", kind="body", body=json.dumps({"value": [fleet.machine(A)]}))
    run = exclude(device_id=A, access_token="opaque-made-up-token", check=True)
    assert (run.failed, run.changed) == (False, True)
    assert any("token cannot be" in warning for warning in run.warnings)


@MODES
def test_diff_mode_shows_the_exclusion_of_devices_that_change(fleet: Emulator, exclude: RunModule, check: bool) -> None:
    first, second = exclude(device_id=[B, C, D, UNKNOWN], diff=True, check=check).result["diff"]
    assert first["before"] == {"device": "pc-b", **INCLUDED}
    assert first["after"] == {"device": "pc-b", **excluded()}
    assert second["before"] == {"device": "pc-d", **excluded("DuplicateDevice")}
    assert second["after"] == {"device": "pc-d", **excluded()}
