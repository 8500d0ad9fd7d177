# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading actions: all that match, newest first, or an error. An ID is missing only after an individual read."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import (
    ModuleRun,
    RunModule,
    api_calls,
    offboard_as_other_app,
    sign_ins,
)
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

A, B = "a" * 40, "b" * 40
HOUR, DAY = 3600.0, 86400.0
BY_ACTION_ID = pytest.mark.usefixtures("action_id_literal")


def guid(digit: str) -> str:
    return f"{digit}0000000-0000-4000-8000-00000000000a"


# The IDs begin with 1 (the newest) to 6.
ACTIONS: list[tuple[str, str, str, float]] = [
    (A, "Offboard", "TimeOut", 2 * HOUR),
    (B, "RunAntiVirusScan", "Cancelled", 5 * HOUR),
    (B, "Offboard", "Pending", DAY),
    (A, "Unisolate", "InProgress", 2 * DAY),
    (A, "Isolate", "Failed", 10 * DAY),
    (A, "Offboard", "Succeeded", 20 * DAY),
]


@pytest.fixture
def fleet(emulator: Emulator) -> Emulator:
    emulator.add_device(Device(id=A, name="lab-w11-07.corp.example", fate="never_answers"))
    emulator.add_device(Device(id=B, name="lab-w11-08.corp.example", fate="offline"))
    # Not in order of age.
    for number in (3, 1, 5, 0, 2, 4):
        machine, kind, status, age = ACTIONS[number]
        emulator.add_action(machine, kind, status, age, id=guid(str(number + 1)), requestor=f"operator{number + 1}")
    return emulator


def digits(run: ModuleRun) -> str:
    """Return the first digits of the IDs, in the order of the result."""
    return "".join(action["id"][0] for action in run.result["machine_actions"])


TABLE: list[tuple[dict[str, t.Any], str]] = [
    ({}, "123456"),
    ({"action_id": guid("3")}, "3"),
    ({"action_id": [guid("6"), guid("2").upper(), guid("9")]}, "26"),
    ({"action_id": guid("9")}, ""),
    ({"action_id": []}, ""),
    ({"device_id": A}, "1456"),
    ({"device_id": [A.upper(), B]}, "123456"),
    ({"device_id": f"https://security.microsoft.com/machines/{B}/timeline"}, "23"),
    ({"device_id": "c" * 40}, ""),
    ({"device_id": []}, ""),
    ({"type": "Offboard"}, "136"),
    ({"type": ["offboard", "ISOLATE"]}, "1356"),
    ({"type": "NoSuchType"}, ""),
    ({"type": []}, ""),
    ({"status": "Pending"}, "3"),
    ({"status": ["canceled", "timeout", "inprogress"]}, "124"),
    ({"status": "CANCELLED,SUCCEEDED, failed"}, "256"),
    ({"status": "NoSuchStatus"}, ""),
    ({"status": []}, ""),
    ({"created_after": 3}, "1234"),
    ({"created_after": "0.5 days"}, "12"),
    ({"created_before": 3}, "56"),
    ({"created_before": 0}, "123456"),
    ({"created_before": "9999-12-31T23:59:59Z"}, "123456"),
    ({"created_before": "2001-01-01"}, ""),
    ({"created_after": 15, "created_before": 1.5}, "45"),
    ({"filter": "requestor eq 'operator2' or requestor eq 'operator5'"}, "25"),
    ({"limit": 1}, "1"),
    ({"limit": 4}, "1234"),
    ({"limit": 99}, "123456"),
    ({"device_id": A, "limit": 2}, "14"),
    ({"action_id": [guid("5"), guid("2")], "limit": 1}, "2"),
    ({"type": "Offboard", "limit": 2}, "13"),
    ({"device_id": A, "type": "Offboard", "status": ["TimeOut", "Failed"]}, "1"),
    ({"action_id": guid("3"), "device_id": A}, ""),
    ({"action_id": [guid("3"), guid("6")], "created_after": 7}, "3"),
    ({"action_id": [guid("3"), guid("6")], "filter": "requestor ne 'operator3'"}, "6"),
    ({"device_id": B, "filter": "id ne '' or requestor ne ''"}, "23"),
    ({"filter": "requestor eq 'operator5' or requestor eq 'operator6'", "limit": 1}, "5"),
]


# Reads by action ID run against a service that accepts quoted IDs of actions, and against one that rejects them.
ROWS = [
    (options, expected, literal)
    for options, expected in TABLE
    for literal in (("both", "guid") if "action_id" in options else ("both",))
]


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
@pytest.mark.parametrize(
    ("options", "expected", "literal"), ROWS, ids=[f"{json.dumps(row[0])} {row[2]}" for row in ROWS]
)
def test_actions_that_match_every_filter_are_found_with_the_newest_first(
    fleet: Emulator, action_info: RunModule, options: dict[str, t.Any], expected: str, literal: str, check: bool
) -> None:
    fleet.knobs.action_id_literal = literal
    run = action_info(check=check, diff=True, **options)
    assert digits(run) == expected
    assert (run.failed, run.changed, run.result["diff"]) == (False, False, [])
    assert run.result["summary"]["total"] == len(expected)
    assert set(api_calls(fleet)) <= {"GET machineactions", "GET machineactions/id"}
    nothing = [] in options.values()
    assert (sign_ins(fleet), len(api_calls(fleet)) > 0) == (int(not nothing), not nothing)


@BY_ACTION_ID
def test_filters_work_on_a_service_that_compares_case_sensitively(fleet: Emulator, action_info: RunModule) -> None:
    fleet.knobs.filter_case_sensitive = True
    assert digits(action_info(action_id=guid("3").upper())) == "3"
    assert digits(action_info(device_id=B.upper(), type="OFFBOARD", status="PENDING")) == "3"


def test_records_are_returned_as_the_service_sent_them(fleet: Emulator, action_info: RunModule) -> None:
    run = action_info()
    assert run.result["machine_actions"] == fleet.actions()
    assert run.result["msg"] == "6 machine actions"
    assert action_info(limit=1).result["msg"] == "1 machine action"


REFUSED: list[dict[str, t.Any]] = [
    *({option: empty} for option in ("action_id", "device_id", "type", "status") for empty in ("", [" "], [A, ""], None)),
    *({option: empty} for option in ("created_after", "created_before", "filter") for empty in ("", " ", None)),
    *({option: wrong} for option in ("created_after", "created_before")
      for wrong in ("true", "soon", "2026-13-01", "-3", "' or true")),
    {"action_id": "a b"},
    {"action_id": "x' or true or 'x"},
    {"action_id": f"{guid('1')}/cancel"},
    {"device_id": "a' or true or 'b"},
    {"filter": "requestor eq 'x"},
    {"filter": "true) or (true"},
    {"limit": 0},
    {"limit": -1},
    {"calls_per_minute": -1},
    {"calls_per_hour": 0},
]  # fmt: skip


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
@pytest.mark.parametrize("options", REFUSED, ids=json.dumps)
def test_invalid_options_are_refused_before_any_request(
    fleet: Emulator, action_info: RunModule, options: dict[str, t.Any], check: bool
) -> None:
    run = action_info(check=check, **options)
    assert (run.failed, run.error_code, run.result["machine_actions"]) == (True, "invalid_option", [])
    assert next(iter(options)) in run.result["msg"].split(". ")[0]
    assert fleet.calls(None) == []


NASTY = [
    "'",
    "x' or true or 'x",
    "x') or id ne ('",
    "(",
    ")",
    "%27",
    "100%",
    "a&$top=1",
    "#a",
    "a+b",
    "a b",
    "ä",
    "日本",
    '"',
    "or",
]


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize("option", ["type", "status"])
def test_text_matches_literally(fleet: Emulator, action_info: RunModule, option: str, text: str) -> None:
    options: dict[str, t.Any] = {option: [text]}
    assert digits(action_info(**options)) == ""
    if option == "type":
        fleet.add_action(A, text, id=guid("7"))
        assert digits(action_info(type=[text])) == "7"


@BY_ACTION_ID
@pytest.mark.parametrize("text", ["id ne '' or true eq true", "x') or id ne ('", "id ne ''&$top=1", "id ne '' #"])
def test_a_raw_filter_only_narrows(fleet: Emulator, action_info: RunModule, text: str) -> None:
    run = action_info(action_id=guid("3"), filter=text)
    assert digits(run) in ("3", "")
    assert run.failed == (digits(run) == "")


# -- the order ---------------------------------------------------------------------------------------------------

REFUSES_ORDER: dict[str, t.Any] = {
    "query": "$orderby",
    "kind": "body",
    "status": 400,
    "times": None,
    "body": json.dumps({"error": {"code": "", "message": "The query option '$orderby' is not allowed."}}),
}


@pytest.mark.parametrize("limit", [None, 1, 4])
def test_the_newest_are_first_whatever_the_service_s_order(
    fleet: Emulator, action_info: RunModule, limit: int | None
) -> None:
    """A service that ignores $orderby and uses another order."""
    fleet.fault(path="/machineactions", **REFUSES_ORDER)
    fleet.fault(
        path="/machineactions",
        kind="body",
        times=None,
        body=json.dumps({"value": fleet.actions()[3:] + fleet.actions()[:3]}),
    )
    options: dict[str, t.Any] = {"limit": limit} if limit else {}
    run = action_info(**options)
    assert digits(run) == "123456"[:limit]
    assert len(fleet.calls("api")) == (2 if limit else 1)


def test_a_limit_reads_no_more_than_it_needs(fleet: Emulator, action_info: RunModule) -> None:
    assert digits(action_info(limit=2)) == "12"
    (call,) = fleet.calls("api")
    assert (call.query["$top"], call.query["$orderby"]) == ("2", "creationDateTimeUtc desc")


def test_a_limit_holds_across_small_pages(fleet: Emulator, action_info: RunModule) -> None:
    fleet.knobs.page_cap = 2
    assert digits(action_info(limit=5)) == "12345"
    assert digits(action_info()) == "123456"


def test_invalid_times_come_last_and_match_no_time(fleet: Emulator, action_info: RunModule) -> None:
    changed = [
        {**action, "creationDateTimeUtc": None if action["id"] == guid("2") else "soon"}
        for action in fleet.actions()[:2]
    ]
    body = json.dumps({"value": [*changed, *fleet.actions()[2:]]})
    fleet.fault(path="/machineactions", kind="body", body=body, times=2)
    assert digits(action_info()) == "345612"
    assert digits(action_info(created_before=0)) == "3456"


@BY_ACTION_ID
def test_times_are_exact_below_the_second(fleet: Emulator, action_info: RunModule) -> None:
    created = fleet.action(guid("3"))["creationDateTimeUtc"]
    assert digits(action_info(action_id=guid("3"), created_after=created)) == "3"
    assert digits(action_info(action_id=guid("3"), created_before=created)) == ""


# -- delayed lists -----------------------------------------------------------------------------------------------


@BY_ACTION_ID
@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_an_id_that_is_missing_from_the_list_is_read_individually(
    fleet: Emulator, action_info: RunModule, check: bool
) -> None:
    fleet.knobs.list_lag = 30
    fresh = offboard_as_other_app(fleet, fleet.add_device(Device(fate="offline")).id)["id"]
    assert [
        action["id"] for action in action_info(action_id=[guid("3"), fresh], check=check).result["machine_actions"]
    ] == [
        fresh,
        guid("3"),
    ]
    assert api_calls(fleet, rejected=False) == ["GET machineactions", "GET machineactions/id"]
    assert action_info(action_id=fresh, type="Isolate").result["machine_actions"] == []
    assert digits(action_info(limit=1)) == "1"


@BY_ACTION_ID
def test_an_unknown_id_is_absent_only_if_the_service_itself_says_so(fleet: Emulator, action_info: RunModule) -> None:
    fleet.fault(path=f"/machineactions/{guid('9')}", kind="html_404")
    run = action_info(action_id=guid("9"))
    assert (run.failed, run.error_code, run.result["machine_actions"]) == (True, "wrong_address", [])


@BY_ACTION_ID
@pytest.mark.parametrize("knobs", [{}, {"in_refused": True}, {"max_query_length": 1500}], ids=str)
def test_many_ids_are_sent_in_batches(emulator: Emulator, action_info: RunModule, knobs: dict[str, t.Any]) -> None:
    emulator.add_device(Device(id=A))
    ids = [emulator.add_action(A, age=number * HOUR)["id"] for number in range(150)]
    emulator.knobs.update(knobs)
    run = action_info(action_id=ids, calls_per_minute=10_000)
    assert [action["id"] for action in run.result["machine_actions"]] == ids
    assert set(api_calls(emulator)) == {"GET machineactions"}
    assert len(emulator.calls("api")) < 30


@pytest.mark.parametrize("count", [1, 2, 150])
def test_a_service_that_compares_ids_as_guids_costs_two_calls_more_at_most(
    emulator: Emulator, action_info: RunModule, count: int
) -> None:
    emulator.add_device(Device(id=A))
    ids = [emulator.add_action(A, age=number * HOUR)["id"] for number in range(count)]
    emulator.knobs.action_id_literal = "guid"
    run = action_info(action_id=ids)
    assert [action["id"] for action in run.result["machine_actions"]] == ids
    assert len([call for call in emulator.calls("api") if call.status == 400]) == min(count, 2)


@BY_ACTION_ID
@pytest.mark.parametrize("others", [["0-0"], ["0-0", "0-1", "A1"]])
@pytest.mark.parametrize("some", ["", "3", "1234"])
def test_an_id_that_is_no_guid_does_not_exist_and_does_not_affect_others(
    fleet: Emulator, action_info: RunModule, some: str, others: list[str]
) -> None:
    run = action_info(action_id=[*others, *map(guid, some)])
    assert (run.failed, digits(run)) == (False, some)


def test_an_id_that_is_no_guid_is_an_error_where_only_the_list_can_find_it(
    fleet: Emulator, action_info: RunModule
) -> None:
    fleet.knobs.action_id_literal = "guid"
    run = action_info(action_id=[guid("3"), "0-0"], filter="requestor ne 'x'")
    assert (run.failed, run.error_code, run.result["machine_actions"]) == (True, "request_refused", [])


@BY_ACTION_ID
def test_one_id_that_the_service_refuses_fails_the_module(fleet: Emulator, action_info: RunModule) -> None:
    refusal = json.dumps({"error": {"code": "", "message": "not this one"}})
    fleet.fault(path="/machineactions", query=guid("3"), kind="body", status=400, body=refusal, times=None)
    run = action_info(action_id=[guid(digit) for digit in "1234"])
    assert (run.failed, run.error_code, run.result["machine_actions"]) == (True, "request_refused", [])


# -- pages and errors --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", ["normal", "loses_filter", "foreign"])
def test_all_pages_are_read_and_no_link_is_followed(fleet: Emulator, action_info: RunModule, link: str) -> None:
    fleet.knobs.update({"next_link": link, "page_cap": 2})
    assert digits(action_info(device_id=A)) == "1456"
    assert {call.query["$filter"] for call in fleet.calls("api")} == {f"machineId eq '{A}'"}
    assert {call.service for call in fleet.calls(None)} == {"api", "entra"}


@BY_ACTION_ID
def test_actions_of_a_page_that_lost_its_filter_are_omitted_with_a_warning(
    fleet: Emulator, action_info: RunModule
) -> None:
    requested: list[tuple[dict[str, t.Any], str, int]] = [
        ({"action_id": guid("3")}, "3", 5),
        ({"device_id": B}, "23", 4),
        ({"type": "Isolate"}, "5", 5),
        ({"status": "TimeOut"}, "1", 5),
        ({"created_after": 0.5}, "12", 0),
        ({"created_before": 3}, "56", 0),
        ({"type": "Offboard", "limit": 2}, "13", 3),
    ]
    for options, expected, omitted in requested:
        fleet.fault(path="/machineactions", kind="body", body=json.dumps({"value": fleet.actions()}))
        run = action_info(**options)
        assert digits(run) == expected, options
        assert [f"{omitted} records that do not match" in warning for warning in run.warnings] == [True] * bool(omitted)


def test_filters_that_are_not_sent_omit_actions_without_a_warning(fleet: Emulator, action_info: RunModule) -> None:
    """The device is only checked in the records if actions are requested by ID."""
    run = action_info(action_id=[guid("3"), guid("1")], device_id=A)
    assert (digits(run), run.warnings) == ("1", [])


@pytest.mark.parametrize("kind", ["429", "503", "lost"])
def test_a_page_is_requested_again_after_an_error(fleet: Emulator, action_info: RunModule, kind: str) -> None:
    fleet.knobs.page_cap = 4
    fleet.fault(path="/machineactions", kind=kind, after=1, times=2)
    assert digits(action_info()) == "123456"


@pytest.mark.parametrize("options", [{}, {"limit": 5}, {"action_id": guid("3")}], ids=str)
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "503"}, "service_error"),
        ({"kind": "429", "retry_after": 4000}, "throttled"),
        ({"kind": "html_404"}, "wrong_address"),
        ({"kind": "body", "body": '{"value": [{"id": "1"}]}'}, "unexpected_response"),
    ],
    ids=str,
)
def test_a_page_that_fails_fails_the_module_and_no_action_is_returned(
    fleet: Emulator, action_info: RunModule, options: dict[str, t.Any], fault: dict[str, t.Any], code: str
) -> None:
    fleet.knobs.page_cap = 4
    fleet.fault(path="/machineactions", after=0 if "action_id" in options else 1, times=None, **fault)
    run = action_info(**options)
    assert (run.failed, run.error_code, run.result["machine_actions"]) == (True, code, [])


def test_a_page_that_repeats_the_last_is_an_error(fleet: Emulator, action_info: RunModule) -> None:
    fleet.knobs.update({"page_cap": 2, "repeat_page": True})
    assert action_info().error_code == "unexpected_response"


@pytest.mark.parametrize("option", ["calls_per_minute", "calls_per_hour"])
def test_the_rate_limit_is_kept(fleet: Emulator, action_info: RunModule, option: str) -> None:
    fleet.knobs.page_cap = 2
    began = fleet.clock.monotonic()
    options: dict[str, t.Any] = {option: 2}
    assert digits(action_info(**options)) == "123456"
    assert fleet.clock.monotonic() - began >= (60 if option == "calls_per_minute" else 3600)


# -- permissions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_a_missing_permission_is_named_because_offboarding_does_not_include_reading(
    fleet: Emulator, action_info: RunModule, check: bool
) -> None:
    other = fleet.add_app("other", roles=["Machine.Offboard"], secret="made-up")
    run = action_info(client_id=other.client_id, client_secret=other.secret, check=check)
    assert (run.failed, run.error_code, run.result["error"]["http_status"]) == (True, "permission_missing", 403)
    assert run.result["error"]["hint"].startswith("Machine.Read.All is required")


def test_a_wrong_secret_fails(fleet: Emulator, action_info: RunModule) -> None:
    run = action_info(client_id=fleet.client_id, client_secret="made-up and wrong")
    assert (run.failed, run.error_code, run.result["machine_actions"]) == (True, "sign_in_failed", [])
    assert "made-up and wrong" not in run.output


@pytest.mark.parametrize(
    ("options", "option", "known"),
    [
        ({"type": "Ofboard"}, "type", "Offboard"),
        ({"type": ["Offboard", "Scan"]}, "type", "RunAntiVirusScan"),
        ({"status": "Done"}, "status", "Succeeded"),
        ({"status": "Running"}, "status", "InProgress"),
    ],
)
def test_a_value_that_the_service_does_not_have_is_sent_with_a_warning(
    fleet: Emulator, action_info: RunModule, options: dict[str, t.Any], option: str, known: str
) -> None:
    run = action_info(**options)
    assert not run.failed
    (warning,) = run.warnings
    assert f"{option}: " in warning
    assert known in warning


def test_a_type_that_the_service_adds_later_is_accepted(fleet: Emulator, action_info: RunModule) -> None:
    new = {"id": guid("7"), "type": "Hibernate", "machineId": A}
    fleet.fault(method="GET", path="/machineactions", kind="body", body=json.dumps({"value": [new]}))
    run = action_info(type="hibernate")
    assert digits(run) == "7"
    assert "'hibernate'" in run.warnings[0]


def test_values_that_the_service_has_cause_no_warning(fleet: Emulator, action_info: RunModule) -> None:
    assert action_info(type=["offboard", "RequestSample", "LogsCollection"], status="canceled").warnings == []


@pytest.mark.parametrize("options", [{}, {"type": "Offboard"}, {"created_after": 5}], ids=str)
def test_a_list_of_unknown_length_is_counted(
    fleet: Emulator, action_info: RunModule, options: dict[str, t.Any]
) -> None:
    action_info(**options)
    assert fleet.calls("api", "GET", "/machineactions")[-1].query.get("$count") == "true"


@pytest.mark.parametrize("skew", [0, 200, -200, 40 * DAY, -40 * DAY], ids="{} s".format)
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"created_after": 5}, "1234"),
        ({"created_before": 5}, "56"),
        ({"created_after": 15, "created_before": 1.5, "limit": 1}, "4"),
        ({"action_id": [guid("1"), guid("6")], "created_after": 1}, "1"),
    ],
)
def test_days_before_now_are_counted_from_the_time_of_the_service(
    fleet: Emulator,
    clock: VirtualTime,
    action_info: RunModule,
    options: dict[str, t.Any],
    expected: str,
    skew: float,
) -> None:
    clock.skew = skew
    assert digits(action_info(**options)) == expected


def test_an_action_of_a_machine_whose_id_differs_in_case_only_is_not_found(
    emulator: Emulator, action_info: RunModule
) -> None:
    both = [{"id": guid(str(n)), "type": "Offboard", "machineId": id_} for n, id_ in enumerate((A, A.upper()), 1)]
    emulator.fault(method="GET", path="/machineactions", kind="body", times=None, body=json.dumps({"value": both}))
    assert digits(action_info(device_id=A.upper())) == "2"
    assert digits(action_info(device_id=A)) == "1"
