# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One tag on many devices: only devices that differ change, other tags are kept, and a failure does not stop others."""

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
NAME = "lab-w11-07.corp.example"
MODES = pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
STATES = pytest.mark.parametrize("state", ["present", "absent"])


@pytest.fixture(autouse=True)
def _permission(emulator: Emulator) -> None:
    emulator.grant("Machine.ReadWrite.All")


@pytest.fixture
def fleet(emulator: Emulator) -> Emulator:
    """A has no tags, B has another tag, C has our tag and another tag, D has only our tag."""
    tags = {A: [], B: ["loaned"], C: ["loaned", "retired"], D: ["retired"]}
    emulator.add_devices(Device(id=id_, name=f"pc-{id_[0]}", tags=list(stored)) for id_, stored in tags.items())
    return emulator


def stored(emulator: Emulator, *ids: str) -> list[list[str]]:
    """Return the tags in the records of the service."""
    return [emulator.machine(id_)["machineTags"] for id_ in ids or (A, B, C, D)]


def returned(run: ModuleRun) -> list[list[str]]:
    """Return the tags in the result."""
    return [device["tags"] for device in run.result["devices"]]


def codes(run: ModuleRun) -> list[str | None]:
    return [device["error"] and device["error"]["code"] for device in run.result["devices"]]


# The state, the resulting tags of A to D, and the devices that change.
TABLE: list[tuple[str, list[list[str]], list[bool]]] = [
    ("present", [["retired"], ["loaned", "retired"], ["loaned", "retired"], ["retired"]], [True, True, False, False]),
    ("absent", [[], ["loaned"], ["loaned"], []], [False, False, True, True]),
]


@pytest.mark.parametrize(("state", "tags", "changed"), TABLE, ids=[row[0] for row in TABLE])
def test_check_mode_predicts_what_the_run_does_and_the_second_run_does_nothing(
    fleet: Emulator, tag: RunModule, state: str, tags: list[list[str]], changed: list[bool]
) -> None:
    before = stored(fleet)
    predicted = tag(device_id=[A, B, C, D], state=state, check=True)
    assert (posts(fleet), stored(fleet)) == (0, before)
    real = tag(device_id=[A, B, C, D], state=state)
    assert stored(fleet) == tags
    for run in (predicted, real):
        assert (run.failed, run.changed, returned(run)) == (False, True, tags)
        assert [device["changed"] for device in run.result["devices"]] == changed
        assert [device["device_id"] for device in run.result["devices"]] == [A, B, C, D]
        assert run.result["summary"].items() >= {"total": 4, "changed": 2, "failed": 0}.items()
    assert predicted.result["msg"] == "2 of 4 devices would change"
    assert real.result["msg"] == "2 of 4 devices changed"
    (post,) = fleet.calls("api", "POST")
    wanted = [id_ for id_, differs in zip((A, B, C, D), changed, strict=True) if differs]
    assert post.body == {"Value": "retired", "Action": "Add" if state == "present" else "Remove", "MachineIds": wanted}
    for check in (False, True):
        again = tag(device_id=[A, B, C, D], state=state, check=check)
        assert (again.failed, again.changed, returned(again)) == (False, False, tags)
    assert posts(fleet) == 1


def test_present_is_the_default(fleet: Emulator, tag: RunModule) -> None:
    assert returned(tag(device_id=A)) == [["retired"]]


def test_one_device_takes_two_calls_and_one_sign_in(fleet: Emulator, tag: RunModule) -> None:
    run = tag(device_id=A)
    assert api_calls(fleet) == ["GET machines", "POST tag"]
    assert sign_ins(fleet) == 1
    assert run.result["devices"] == [
        {"device_id": A, "device_name": "pc-a", "changed": True, "failed": False, "tags": ["retired"], "error": None}
    ]


@MODES
@pytest.mark.parametrize("given", [A.upper(), f"https://security.microsoft.com/machines/v2/{A}/overview", f" {A} "])
@pytest.mark.parametrize("with_case", [False, True])
def test_ids_are_accepted_as_users_have_them(
    fleet: Emulator, tag: RunModule, given: str, with_case: bool, check: bool
) -> None:
    fleet.knobs.filter_case_sensitive = with_case
    run = tag(device_id=given, check=check)
    assert run.changed
    assert run.device["device_id"] == A
    assert stored(fleet, A) == ([[]] if check else [["retired"]])


@MODES
def test_a_device_that_is_listed_twice_is_one(fleet: Emulator, tag: RunModule, check: bool) -> None:
    run = tag(device_id=[A, B, A.upper(), B, A], check=check)
    assert [device["device_id"] for device in run.result["devices"]] == [A, B]
    assert run.result["summary"].items() >= {"total": 2, "changed": 2}.items()
    assert [call.body["MachineIds"] for call in fleet.calls("api", "POST")] == ([] if check else [[A, B]])


@MODES
def test_an_empty_list_is_success_without_a_request(fleet: Emulator, tag: RunModule, check: bool) -> None:
    run = tag(device_id=[], check=check)
    assert (run.failed, run.changed, run.result["devices"]) == (False, False, [])
    assert run.result["msg"] == f"0 of 0 devices {'would change' if check else 'changed'}"
    assert fleet.calls(None) == []


@STATES
def test_tags_are_compared_case_sensitively(fleet: Emulator, tag: RunModule, state: str) -> None:
    run = tag(device_id=[A, D], tag="Retired", state=state)
    assert stored(fleet, A, D) == ([["Retired"], ["retired", "Retired"]] if state == "present" else [[], ["retired"]])
    assert run.changed == (state == "present")


@pytest.mark.parametrize(
    "text", ["it's", "a, b", 'a"b', "x' or true", "ä 日本", "100% & #1 + 1", "=1+1", "<b>", "x" * 200]
)
def test_any_line_of_text_is_a_tag(fleet: Emulator, tag: RunModule, text: str) -> None:
    assert tag(device_id=A, tag=f" {text} ").changed
    assert stored(fleet, A, B) == [[text], ["loaned"]]
    assert tag(device_id=A, tag=text, state="absent").changed
    assert stored(fleet, A) == [[]]


@MODES
@pytest.mark.parametrize(
    ("options", "option"),
    [
        ({"tag": ""}, "tag"),
        ({"tag": "  "}, "tag"),
        ({"tag": "x" * 201}, "tag"),
        ({"tag": "a\nb"}, "tag"),
        ({"tag": "a\tb"}, "tag"),
        ({"tag": "a\u202eb"}, "tag"),
        ({"device_id": ""}, "device_id"),
        ({"device_id": [A, " "]}, "device_id"),
        ({"device_id": "a b"}, "device_id"),
        ({"device_id": "a' or true or 'b"}, "device_id"),
        ({"device_id": "ä"}, "device_id"),
        ({"calls_per_minute": 0}, "calls_per_minute"),
        ({"calls_per_hour": 1}, "calls_per_hour"),
    ],
    ids=str,
)
def test_invalid_options_are_refused_before_any_request(
    fleet: Emulator, tag: RunModule, options: dict[str, t.Any], option: str, check: bool
) -> None:
    run = tag(**{"device_id": A, **options}, check=check)
    assert (run.failed, run.changed, run.error_code, run.result["devices"]) == (True, False, "invalid_option", [])
    assert option in run.result["msg"].split(". ")[0]
    assert fleet.calls(None) == []


def test_an_unknown_state_is_refused(fleet: Emulator, tag: RunModule) -> None:
    assert tag(device_id=A, state="gone").failed
    assert fleet.calls(None) == []


# -- many devices ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "calls"), [(500, 1), (501, 2), (1200, 3)])
def test_five_hundred_devices_share_a_call(emulator: Emulator, tag: RunModule, count: int, calls: int) -> None:
    ids = [f"{number:040x}" for number in range(count)]
    emulator.add_devices(Device(id=id_, name=None) for id_ in ids)
    predicted = tag(device_id=ids, check=True)
    assert posts(emulator) == 0
    emulator.log.clear()
    run = tag(device_id=ids)
    assert run.result["summary"].items() >= {"total": count, "changed": count, "failed": 0}.items()
    assert predicted.result["summary"]["changed"] == count
    assert [device["device_id"] for device in run.result["devices"]] == ids
    assert posts(emulator) == calls
    assert len(emulator.calls("api", "GET")) < 5 + count // 50


@MODES
def test_an_unknown_id_fails_alone(fleet: Emulator, tag: RunModule, check: bool) -> None:
    run = tag(device_id=[A, "e" * 40, B], check=check)
    assert (run.failed, run.changed, run.error_code) == (True, True, "not_found")
    assert codes(run) == [None, "not_found", None]
    assert run.result["summary"].items() >= {"total": 3, "changed": 2, "failed": 1}.items()
    assert stored(fleet, A) == ([[]] if check else [["retired"]])
    assert api_calls(fleet)[:2] == ["GET machines", "GET machines/id"]


@MODES
def test_several_devices_that_fail_are_one_error(fleet: Emulator, tag: RunModule, check: bool) -> None:
    run = tag(device_id=["e" * 40, A, "f" * 40], check=check)
    assert (run.failed, run.changed, run.error_code) == (True, True, "devices_failed")
    assert "2 of 3 devices failed" in run.result["msg"]


@MODES
def test_a_computer_name_is_not_an_id_even_if_the_service_accepts_it(
    fleet: Emulator, tag: RunModule, check: bool
) -> None:
    fleet.knobs.machine_by_name = True
    run = tag(device_id="pc-a", check=check)
    assert (run.failed, run.changed, run.error_code) == (True, False, "not_found")
    assert (posts(fleet), stored(fleet, A)) == (0, [[]])


@MODES
def test_a_device_that_is_missing_from_lists_is_read_individually(
    emulator: Emulator, tag: RunModule, check: bool
) -> None:
    emulator.add_device(Device(id=A, listed=False))
    assert tag(device_id=A, check=check).changed
    assert stored(emulator, A) == ([[]] if check else [["retired"]])


def test_a_device_that_the_service_refuses_does_not_stop_others(emulator: Emulator, tag: RunModule) -> None:
    """The lists still have the record, but the service refuses a call that includes it."""
    ids = [f"{number:040x}" for number in range(40)]
    bad = {ids[7], ids[8], ids[31]}
    emulator.add_devices(Device(id=id_, readable=id_ not in bad) for id_ in ids)
    run = tag(device_id=ids)
    assert (run.failed, run.changed, run.error_code) == (True, True, "devices_failed")
    assert [device["device_id"] for device in run.result["devices"] if device["failed"]] == sorted(bad)
    assert {code for code in codes(run) if code} == {"unknown_to_service"}
    assert [device["changed"] for device in run.result["devices"]] == [id_ not in bad for id_ in ids]
    assert posts(emulator) < 30
    assert stored(emulator, ids[0], ids[39]) == [["retired"], ["retired"]]


@pytest.mark.parametrize(
    "last",
    [
        {"kind": "body", "status": 400, "body": '{"error": {"code": "InvalidInput", "message": "no"}}', "times": None},
        {"kind": "429", "retry_after": 86400},
        {"kind": "body", "status": 403, "body": '{"error": {"code": "Forbidden", "message": "no"}}'},
    ],
    ids=["refused", "throttled", "forbidden"],
)
def test_a_refusal_says_nothing_about_an_earlier_try_whose_response_was_lost(
    fleet: Emulator, tag: RunModule, last: dict[str, t.Any]
) -> None:
    fleet.fault(method="POST", kind="503", handled=True)
    fleet.fault(method="POST", **last)
    run = tag(device_id=[A])
    assert (run.failed, run.changed, stored(fleet, A)) == (True, False, [["retired"]])
    assert returned(run) == [None]
    assert "may or may not be changed" in run.result["devices"][0]["error"]["hint"]


@pytest.mark.parametrize("refused", [2, 5, 39])
def test_refusals_of_the_first_devices_do_not_stop_the_rest(emulator: Emulator, tag: RunModule, refused: int) -> None:
    ids = [f"{number:040x}" for number in range(40)]
    emulator.add_devices(Device(id=id_, readable=number >= refused) for number, id_ in enumerate(ids))
    run = tag(device_id=ids)
    assert [device["changed"] for device in run.result["devices"]] == [number >= refused for number in range(40)]


@pytest.mark.parametrize(
    ("fault", "code", "most"),
    [
        ({"kind": "body", "status": 400, "body": '{"error": {"code": "InvalidInput", "message": "no such tag"}}'},
         "request_refused", 30),
        ({"kind": "html_404"}, "wrong_address", 1),
        ({"kind": "body", "status": 400, "body": "<html>blocked</html>"}, "request_refused", 1),
    ],
    ids=["a tag that is refused", "a wrong address", "a gateway"],
)  # fmt: skip
def test_a_refusal_that_is_not_about_one_device_costs_few_calls(
    emulator: Emulator, tag: RunModule, fault: dict[str, t.Any], code: str, most: int
) -> None:
    ids = [f"{number:040x}" for number in range(500)]
    emulator.add_devices(Device(id=id_) for id_ in ids)
    emulator.fault(method="POST", times=None, **fault)
    run = tag(device_id=ids)
    assert set(codes(run)) == {code}
    assert (run.failed, run.changed) == (True, False)
    assert posts(emulator) <= most


# -- lost responses, and what a response shows -------------------------------------------------------------------


@STATES
@pytest.mark.parametrize("kind", ["lost", "lost_before", "500", "503", "html_502", "429"])
@pytest.mark.parametrize("handled", [None, True], ids=["as it is", "carried out"])
def test_the_request_is_repeated_after_a_lost_response(
    fleet: Emulator, tag: RunModule, kind: str, handled: bool | None, state: str
) -> None:
    fleet.fault(method="POST", kind=kind, handled=handled, times=2)
    run = tag(device_id=[A, B, C, D], state=state)
    assert (run.failed, run.changed, returned(run)) == (False, True, stored(fleet))
    assert posts(fleet) == 3


@pytest.mark.parametrize("kind", ["503", "html_502", "lost"])
def test_a_service_that_is_down_is_called_for_one_batch_only(emulator: Emulator, tag: RunModule, kind: str) -> None:
    """The first call uses up retry_timeout. The other calls would fail too."""
    ids = [f"{number:040x}" for number in range(1001)]
    emulator.add_devices(Device(id=id_) for id_ in ids)
    emulator.fault(method="POST", kind=kind, times=None)
    began = emulator.clock.monotonic()
    run = tag(device_id=ids, retry_timeout=60)
    assert run.result["summary"].items() >= {"changed": 0, "failed": 1001}.items()
    assert emulator.clock.monotonic() - began < 90
    assert {len(call.body["MachineIds"]) for call in emulator.calls("api", "POST")} == {500}
    first, *_others, last = run.result["devices"]
    assert (first["tags"], last["tags"]) == (None, [])  # only of the first batch it is not known


@STATES
def test_a_response_without_the_change_is_no_success(fleet: Emulator, tag: RunModule, state: str) -> None:
    records = {"value": [fleet.machine(id_) for id_ in (A, B, C, D)]}
    fleet.fault(method="POST", kind="body", body=json.dumps(records))
    run = tag(device_id=[A, B, C, D], state=state)
    assert (run.failed, run.changed, run.error_code) == (True, False, "devices_failed")
    assert [code for code in codes(run) if code] == ["tag_not_confirmed", "tag_not_confirmed"]
    assert returned(run) == stored(fleet)


@pytest.mark.parametrize("body", ["", "{}", '{"value": []}', '{"value": null}', "<html>welcome</html>"])
@pytest.mark.parametrize("handled", [False, True])
def test_the_records_are_read_if_the_response_has_none(
    fleet: Emulator, tag: RunModule, body: str, handled: bool
) -> None:
    fleet.fault(method="POST", kind="body", body=body, handled=handled)
    run = tag(device_id=[A, B])
    assert (run.failed, run.changed) == (not handled, handled)
    assert set(codes(run)) == ({None} if handled else {"tag_not_confirmed"})
    assert api_calls(fleet) == ["GET machines", "POST tag", "GET machines"]


def test_a_change_that_cannot_be_read_afterwards_is_not_confirmed(fleet: Emulator, tag: RunModule) -> None:
    fleet.fault(
        method="POST", kind="body", body=json.dumps({"value": [{**fleet.machine(A), "machineTags": ["retired"]}]})
    )
    fleet.fault(method="GET", kind="503", after=1, times=None)
    run = tag(device_id=[A, B], retry_timeout=20)
    assert (run.failed, run.changed, codes(run)) == (True, True, [None, "tag_not_confirmed"])
    assert "cannot be read" in run.result["msg"]
    assert returned(run) == [["retired"], None]


@MODES
@pytest.mark.parametrize(
    ("fault", "code"), [({"kind": "503"}, "service_error"), ({"kind": "html_404"}, "wrong_address")], ids=str
)
def test_records_that_cannot_be_read_fail_the_module_before_anything_is_sent(
    fleet: Emulator, tag: RunModule, fault: dict[str, t.Any], code: str, check: bool
) -> None:
    fleet.fault(method="GET", path="/machines", times=None, **fault)
    run = tag(device_id=[A, B], check=check)
    assert (run.failed, run.changed, run.error_code, run.result["devices"]) == (True, False, code, [])
    assert posts(fleet) == 0


@pytest.mark.parametrize("option", ["calls_per_minute", "calls_per_hour"])
def test_the_rate_limit_is_kept(fleet: Emulator, tag: RunModule, option: str) -> None:
    began = fleet.clock.monotonic()
    options: dict[str, t.Any] = {option: 2}
    assert tag(device_id=[A, "e" * 40], **options).changed
    assert fleet.clock.monotonic() - began >= (60 if option == "calls_per_minute" else 3600)


# -- diff mode and permissions -----------------------------------------------------------------------------------


@MODES
def test_diff_mode_shows_the_tags_of_devices_that_change(fleet: Emulator, tag: RunModule, check: bool) -> None:
    (diff,) = tag(device_id=[B, C, "e" * 40], diff=True, check=check).result["diff"]
    assert diff["before"] == {"device": "pc-b", "tags": ["loaned"]}
    assert diff["after"] == {"device": "pc-b", "tags": ["loaned", "retired"]}


@MODES
@STATES
def test_a_missing_permission_is_named(fleet: Emulator, tag: RunModule, state: str, check: bool) -> None:
    reader = fleet.add_app("reader", roles=["Machine.Read.All", "Machine.Offboard"], secret="made-up")
    run = tag(device_id=[A, D], state=state, client_id=reader.client_id, client_secret=reader.secret, check=check)
    assert (run.failed, run.changed, run.error_code) == (True, False, "permission_missing")
    assert "Machine.ReadWrite.All" in run.result["error"]["hint"]
    assert "Machine.Offboard" in run.result["msg"]
    assert sorted(map(str, codes(run))) == ["None", "permission_missing"]
    assert returned(run) == stored(fleet, A, D) == [[], ["retired"]]
    assert posts(fleet) == int(not check)


@MODES
def test_the_permission_is_not_needed_where_nothing_changes(fleet: Emulator, tag: RunModule, check: bool) -> None:
    reader = fleet.add_app("reader", roles=["Machine.Read.All"], secret="made-up")
    run = tag(device_id=[C, D], client_id=reader.client_id, client_secret=reader.secret, check=check)
    assert (run.failed, run.changed, posts(fleet)) == (False, False, 0)


def test_the_permission_to_write_is_enough(fleet: Emulator, tag: RunModule) -> None:
    writer = fleet.add_app("writer", roles=["Machine.ReadWrite.All"], secret="made-up")
    assert tag(device_id=A, client_id=writer.client_id, client_secret=writer.secret).changed


def test_an_unreadable_token_is_a_warning_in_check_mode(fleet: Emulator, tag: RunModule) -> None:
    fleet.fault(method="GET", kind="body", body=json.dumps({"value": [fleet.machine(A)]}))
    run = tag(device_id=A, access_token="opaque-made-up-token", check=True)
    assert (run.failed, run.changed) == (False, True)
    assert any("cannot be decoded" in warning for warning in run.warnings)


@MODES
def test_the_output_contains_no_secret(fleet: Emulator, tag: RunModule, check: bool) -> None:
    runs = [tag(device_id=[A, "e" * 40], check=check, diff=True)]
    runs.append(tag(device_id=A, client_id=fleet.client_id, client_secret="made-up and wrong", check=check))
    assert runs[-1].error_code == "sign_in_failed"
    tokens = {call.headers["authorization"].split()[1] for call in fleet.calls("api")}
    for secret in {fleet.client_secret, "made-up and wrong", *tokens}:
        assert all(secret not in run.output for run in runs)
