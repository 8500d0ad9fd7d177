# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding devices: all that match and no others, or an error, but never an incomplete list."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import RunModule, api_calls, sign_ins
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

A, B, C, D = (digit * 40 for digit in "abcd")
ENTRA = "11112222-bbbb-3333-cccc-4444dddd5555"
FLEET: list[dict[str, t.Any]] = [
    {"id": A, "name": "lab-w11-07.corp.example", "aad_device_id": ENTRA, "tags": ["retire"], "last_seen": "40d"},
    {"id": B, "name": "lab-w11-08.corp.example", "tags": ["retire", "loaned"], "last_seen": "2h"},
    {"id": C, "name": "srv-01", "os_platform": "WindowsServer2022", "onboarding_status": "CanBeOnboarded",
     "health_status": "NoSensorData", "last_seen": "10d"},
    {"id": D, "name": None, "os_platform": "macOS", "onboarding_status": "Unsupported", "extra": {"lastSeen": None}},
]  # fmt: skip
RECENT = "2025-01-01T00:00:00"


@pytest.fixture
def fleet(emulator: Emulator) -> Emulator:
    emulator.add_devices(Device(**device) for device in FLEET)
    return emulator


def letters(machines: list[dict[str, t.Any]]) -> str:
    return "".join(sorted(machine["id"][0] for machine in machines))


# The options, and the first letters of the IDs that match.
TABLE: list[tuple[dict[str, t.Any], str]] = [
    ({}, "abcd"),
    ({"device_id": A}, "a"),
    ({"device_id": [A, C.upper()]}, "ac"),
    ({"device_id": f"{A},{B}"}, "ab"),
    ({"device_id": f"https://security.microsoft.com/machines/v2/{B}/overview?tid=x"}, "b"),
    ({"device_id": "e" * 40}, ""),
    ({"device_id": []}, ""),
    ({"device_name": "lab-w11-07.corp.example"}, "a"),
    ({"device_name": ["LAB-W11-07.Corp.example.", "SRV-01"]}, "ac"),
    ({"device_name": "lab-w11-07"}, ""),
    ({"device_name": []}, ""),
    ({"aad_device_id": ENTRA.upper()}, "a"),
    ({"aad_device_id": [f"{{{ENTRA}}}", ENTRA[:-1] + "6"]}, "a"),
    ({"aad_device_id": []}, ""),
    ({"tag": "retire"}, "ab"),
    ({"tag": " loaned "}, "b"),
    ({"tag": "retir"}, ""),
    ({"health_status": "Inactive"}, "a"),
    ({"health_status": ["INACTIVE", "nosensordata"]}, "ac"),
    ({"health_status": []}, ""),
    ({"onboarding_status": "onboarded"}, "ab"),
    ({"onboarding_status": ["CanBeOnboarded", "Unsupported"]}, "cd"),
    ({"onboarding_status": []}, ""),
    ({"last_seen_before": 30}, "a"),
    ({"last_seen_before": "5 days"}, "ac"),
    ({"last_seen_before": 0}, "abc"),
    ({"last_seen_before": "9999-12-31T23:59:59Z"}, "abc"),
    ({"last_seen_before": "1601-01-01"}, ""),
    ({"last_seen_after": 5}, "b"),
    ({"last_seen_after": 30, "last_seen_before": 5}, "c"),
    ({"last_seen_after": 5, "last_seen_before": 30}, ""),
    ({"filter": "osPlatform eq 'WindowsServer2022' or osPlatform eq 'macOS'"}, "cd"),
    ({"limit": 2}, "ab"),
    ({"limit": 9}, "abcd"),
    ({"tag": "retire", "limit": 1}, "a"),
    ({"device_id": [A, C], "onboarding_status": "Onboarded"}, "a"),
    ({"device_id": A, "device_name": "lab-w11-08.corp.example"}, ""),
    ({"device_id": [A, B], "device_name": ["LAB-W11-08.corp.example"], "aad_device_id": ENTRA}, ""),
    ({"device_name": ["srv-01", "lab-w11-07.corp.example"], "aad_device_id": ENTRA}, "a"),
    ({"device_id": [A, B, C], "tag": "retire", "last_seen_after": 30, "filter": "osPlatform eq 'Windows11'"}, "b"),
    ({"device_id": A, "filter": "id ne '' or osPlatform ne ''"}, "a"),
    ({"tag": "loaned", "health_status": [], "filter": "id ne ''"}, ""),
]


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
@pytest.mark.parametrize(("options", "expected"), TABLE, ids=[json.dumps(row[0]) for row in TABLE])
def test_devices_that_match_every_filter_are_found(
    fleet: Emulator, machine_info: RunModule, options: dict[str, t.Any], expected: str, check: bool
) -> None:
    run = machine_info(check=check, diff=True, **options)
    assert letters(run.result["machines"]) == expected
    assert (run.failed, run.changed, run.result["diff"]) == (False, False, [])
    assert run.result["summary"]["total"] == len(expected)
    assert set(api_calls(fleet)) <= {"GET machines"}
    nothing = [] in options.values()
    assert (sign_ins(fleet), len(api_calls(fleet)) > 0) == (int(not nothing), not nothing)


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_filters_work_on_a_service_that_compares_case_sensitively(
    fleet: Emulator, machine_info: RunModule, check: bool
) -> None:
    fleet.knobs.filter_case_sensitive = True
    requested: list[dict[str, t.Any]] = [
        {"device_id": A.upper()},
        {"device_name": "LAB-W11-07.CORP.EXAMPLE"},
        {"aad_device_id": ENTRA.upper()},
        {"health_status": "inACTIVE"},
        {"device_id": A, "onboarding_status": "ONBOARDED"},
    ]
    assert [letters(machine_info(check=check, **options).result["machines"]) for options in requested] == ["a"] * len(
        requested
    )


def test_records_are_returned_as_the_service_sent_them_in_its_order(fleet: Emulator, machine_info: RunModule) -> None:
    assert machine_info().result["machines"] == [fleet.machine(id_) for id_ in (A, B, C, D)]


@pytest.mark.parametrize(("count", "msg"), [(0, "0 machines"), (1, "1 machine"), (2, "2 machines")])
def test_the_message_counts(fleet: Emulator, machine_info: RunModule, count: int, msg: str) -> None:
    assert machine_info(device_id=[A, B][:count]).result["msg"] == msg


REFUSED: list[dict[str, t.Any]] = [
    *({option: empty} for option in ("device_id", "device_name", "aad_device_id", "health_status", "onboarding_status")
      for empty in ("", [" "], [A, ""], None)),
    *({option: empty} for option in ("tag", "last_seen_before", "last_seen_after", "filter") for empty in ("", " ", None)),
    *({option: wrong} for option in ("last_seen_before", "last_seen_after")
      for wrong in ("true", True, "soon", "2026-13-01", "-3", "' or true")),
    {"device_id": "a b"},
    {"device_id": "a' or true or 'b"},
    {"device_name": "a\nb"},
    {"aad_device_id": A},
    {"aad_device_id": f"{ENTRA} or true"},
    {"filter": "osPlatform eq 'x"},
    {"filter": "true) or (true"},
    {"limit": 0},
    {"limit": -1},
    {"calls_per_minute": 0},
    {"calls_per_hour": 1},
    {"timeout": 0},
]  # fmt: skip


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
@pytest.mark.parametrize("options", REFUSED, ids=json.dumps)
def test_invalid_options_are_refused_before_any_request(
    fleet: Emulator, machine_info: RunModule, options: dict[str, t.Any], check: bool
) -> None:
    run = machine_info(check=check, **options)
    assert (run.failed, run.error_code, run.result["machines"]) == (True, "invalid_option", [])
    assert next(iter(options)) in run.result["msg"].split(". ")[0]
    assert fleet.calls(None) == []


# -- untrusted text ----------------------------------------------------------------------------------------------

NASTY = [
    "'", "''", "x'", "x' or true or 'x", "x') or true or ('", "x' or computerDnsName ne '", "') or id ne ('", "(", ")", "%27",
    "%27%20or%20true", "100%", "a&$filter=true", "a&$top=1", "#a", "a+b", "a b", "ä", "日本", "a\"b", "a\\'b", "a,b", "a;b", "/*",
    "$", "{{ x }}", "or", "null", "a or b", "A' OR '1'='1",
]  # fmt: skip


@pytest.mark.parametrize("text", NASTY)
@pytest.mark.parametrize(
    ("option", "field"),
    [
        ("tag", "machineTags"),
        ("device_name", "computerDnsName"),
        ("health_status", "healthStatus"),
        ("onboarding_status", "onboardingStatus"),
    ],
)
def test_text_matches_literally(fleet: Emulator, machine_info: RunModule, option: str, field: str, text: str) -> None:
    marked = fleet.add_device(Device(name="marked", extra={field: [text] if option == "tag" else text}))
    options: dict[str, t.Any] = {option: text if option == "tag" else [text]}
    run = machine_info(**options)
    assert [machine["id"] for machine in run.result["machines"]] == [marked.id]


@pytest.mark.parametrize(
    "text",
    [
        "id ne '' or true eq true",
        "x') or id ne ('",
        "id eq 'x' or (id ne '')",
        "id ne ''&$top=1",
        "id ne '' #",
        "id ne '+'",
    ],
)
def test_a_raw_filter_only_narrows(fleet: Emulator, machine_info: RunModule, text: str) -> None:
    run = machine_info(device_id=A, filter=text)
    assert letters(run.result["machines"]) in ("a", "")
    assert run.failed == (run.result["machines"] == [])


def test_the_message_of_the_service_is_shown_for_a_raw_filter_that_it_refuses(
    fleet: Emulator, machine_info: RunModule
) -> None:
    run = machine_info(filter="noSuchProperty eq 1")
    assert (run.failed, run.error_code, run.result["machines"]) == (True, "request_refused", [])
    assert "noSuchProperty" in run.result["msg"]


# -- many values -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "knobs", [{}, {"in_refused": True}, {"max_query_length": 1500}, {"max_filter_nodes": 40}], ids=str
)
def test_long_lists_are_sent_in_batches(emulator: Emulator, machine_info: RunModule, knobs: dict[str, t.Any]) -> None:
    emulator.add_devices(Device(name=f"pc{number:03}.corp.example", tags=["x"]) for number in range(200))
    emulator.knobs.update(knobs)
    wanted = [f"PC{number:03}.corp.example" for number in range(0, 200, 2)]
    run = machine_info(device_name=wanted, tag="x", calls_per_minute=10_000)
    assert sorted(run.names, key=str) == [name.lower() for name in wanted]
    calls = emulator.calls("api")
    assert max(call.url_length for call in calls) < 4100
    accepted = [call.query["$filter"] for call in calls if call.status == 200]
    assert len(accepted) > 1
    assert all(("computerDnsName in (" in text) == (knobs != {"in_refused": True}) for text in accepted)


@pytest.mark.parametrize("literal", ["string", "guid", "both"])
def test_entra_ids_are_found_in_the_syntax_that_the_service_accepts(
    fleet: Emulator, machine_info: RunModule, literal: str
) -> None:
    fleet.knobs.guid_literal = literal
    assert letters(machine_info(aad_device_id=ENTRA).result["machines"]) == "a"


def test_a_limit_over_batches_is_one_limit(emulator: Emulator, machine_info: RunModule) -> None:
    emulator.add_devices(Device(name=f"pc{number:03}.corp.example") for number in range(200))
    run = machine_info(device_name=[f"pc{number:03}.corp.example" for number in range(200)], limit=3)
    assert run.names == ["pc000.corp.example", "pc001.corp.example", "pc002.corp.example"]
    assert len(emulator.calls("api")) == 1


def test_one_value_that_the_service_refuses_fails_the_module(emulator: Emulator, machine_info: RunModule) -> None:
    emulator.add_devices(Device(name=f"pc{number}") for number in range(4))
    refusal = json.dumps({"error": {"code": "", "message": "not this one"}})
    emulator.fault(path="/machines", query="'pc2'", kind="body", status=400, body=refusal, times=None)
    run = machine_info(device_name=[f"pc{number}" for number in range(4)])
    assert (run.failed, run.error_code, run.result["machines"]) == (True, "request_refused", [])
    assert "not this one" in run.result["msg"]


# -- pages -------------------------------------------------------------------------------------------------------


def test_a_tenant_of_25000_is_read_in_three_pages_and_the_first_one_again(
    emulator: Emulator, machine_info: RunModule
) -> None:
    for page in (range(10_000), range(9_900, 19_900), range(19_800, 25_000), range(10_000)):
        records = [{"id": f"{number:040x}"} for number in page]
        emulator.fault(path="/machines", kind="body", body=json.dumps({"@odata.count": 25_000, "value": records}))
    run = machine_info()
    assert run.result["summary"]["total"] == len({machine["id"] for machine in run.result["machines"]}) == 25_000
    assert [(call.query["$top"], call.query.get("$skip")) for call in emulator.calls("api")] == [
        ("10000", None),
        ("10000", "9900"),
        ("10000", "19800"),
        ("10000", None),
    ]


@pytest.mark.parametrize("link", ["normal", "loses_filter", "foreign"])
def test_all_pages_are_read_and_no_link_is_followed(fleet: Emulator, machine_info: RunModule, link: str) -> None:
    fleet.add_devices(Device(name=f"pc{number}", tags=["retire"]) for number in range(8))
    fleet.knobs.update({"next_link": link, "page_cap": 3})
    run = machine_info(tag="retire")
    assert len(run.result["machines"]) == 10
    assert all("retire" in machine["machineTags"] for machine in run.result["machines"])
    assert {call.query["$filter"] for call in fleet.calls("api")} == {"machineTags/any(tag: tag eq 'retire')"}
    assert len(fleet.calls("api")) == 6  # five pages, which overlap in one record of three, and the first page again
    assert {call.service for call in fleet.calls(None)} == {"api", "entra"}


def test_devices_of_a_page_that_lost_its_filter_are_omitted_with_a_warning(
    fleet: Emulator, machine_info: RunModule
) -> None:
    everything = json.dumps({"value": [fleet.machine(id_) for id_ in (A, B, C, D)]})
    requested: list[tuple[dict[str, t.Any], str, int]] = [
        ({"device_id": [A, B]}, "ab", 2),
        ({"device_name": "srv-01"}, "c", 3),
        ({"aad_device_id": ENTRA}, "a", 3),
        ({"tag": "loaned"}, "b", 3),
        ({"health_status": "NoSensorData"}, "c", 3),
        ({"onboarding_status": "Unsupported"}, "d", 3),
        ({"last_seen_before": 30}, "a", 0),
        ({"last_seen_after": 5}, "b", 0),
    ]
    for options, expected, omitted in requested:
        fleet.fault(path="/machines", kind="body", body=everything)
        run = machine_info(**options)
        assert letters(run.result["machines"]) == expected, options
        assert [f"{omitted} records that do not match" in warning for warning in run.warnings] == [True] * bool(omitted)


def test_filters_that_are_not_sent_omit_devices_without_a_warning(fleet: Emulator, machine_info: RunModule) -> None:
    """The name is only checked in the records if devices are requested by ID."""
    run = machine_info(device_id=[A, C], device_name="srv-01")
    assert (letters(run.result["machines"]), run.warnings) == ("c", [])


def test_a_limit_does_not_exchange_two_devices_whose_ids_differ_in_case_only(
    emulator: Emulator, machine_info: RunModule
) -> None:
    records = [{"id": id_, "computerDnsName": name} for id_, name in (("ab" * 20, "other"), ("AB" * 20, "ours"))]

    def page(call: t.Any) -> str:
        return json.dumps({"value": records[: int(call.first("$top"))]})

    emulator.fault(method="GET", path="/machines", kind="body", times=None, body=page)
    assert machine_info(device_id=["AB" * 20], limit=1).names == ["ours"]


def test_records_that_do_not_match_do_not_count_for_a_limit(emulator: Emulator, machine_info: RunModule) -> None:
    """A query has full seconds. Records that do not match exactly are omitted."""
    for name, fraction in zip("vwxyz", (".4", "", ".7", "", ""), strict=True):
        seen = f"{RECENT}{fraction}Z" if fraction else "2024-12-31T00:00:00Z"
        emulator.add_device(Device(name=name, last_seen=seen))
    run = machine_info(last_seen_before=f"{RECENT}Z", limit=2)
    assert run.names == ["w", "y"]
    assert [call.query["$top"] for call in emulator.calls("api")] == ["2", "2", "2"]


@pytest.mark.parametrize(
    ("time", "found"), [(".3999999Z", []), (".4000001Z", []), (".400001Z", ["x"]), (".4000010+00:00", ["x"])]
)
def test_times_are_exact_below_the_second(
    emulator: Emulator, machine_info: RunModule, time: str, found: list[str]
) -> None:
    emulator.add_device(Device(name="x", last_seen=f"{RECENT}.4Z"))
    assert machine_info(last_seen_before=f"{RECENT}{time}").names == found
    after = machine_info(last_seen_after=f"{RECENT}{time}").names
    assert after == ([] if found else ["x"])


@pytest.mark.parametrize("limit", [1, 3, 7])
def test_a_limit_holds_across_small_pages(emulator: Emulator, machine_info: RunModule, limit: int) -> None:
    emulator.add_devices(Device(name=f"pc{number}") for number in range(9))
    emulator.knobs.page_cap = 2
    run = machine_info(limit=limit)
    assert run.names == [f"pc{number}" for number in range(limit)]
    assert len(emulator.calls("api")) == max(1, limit - 1)  # pages overlap in one record of two


@pytest.mark.parametrize("kind", ["429", "500", "503", "html_502", "lost"])
def test_a_page_is_requested_again_after_an_error(fleet: Emulator, machine_info: RunModule, kind: str) -> None:
    fleet.knobs.page_cap = 3
    fleet.fault(path="/machines", kind=kind, after=1, times=2)
    run = machine_info()
    assert letters(run.result["machines"]) == "abcd"
    assert run.result["summary"]["api"]["retries"] == 2


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"kind": "503"}, "service_error"),
        ({"kind": "html_502"}, "service_error"),
        ({"kind": "429", "retry_after": 4000}, "throttled"),
        ({"kind": "lost"}, "no_answer"),
        ({"kind": "html_404"}, "wrong_address"),
        ({"kind": "empty_200"}, "unexpected_response"),
        ({"kind": "body", "body": "<html><title>Sign in</title></html>"}, "unexpected_response"),
        ({"kind": "body", "body": "[]"}, "unexpected_response"),
        ({"kind": "body", "body": '{"value": null}'}, "unexpected_response"),
        ({"kind": "body", "body": '{"value": [{"computerDnsName": "x"}]}'}, "unexpected_response"),
        ({"kind": "body", "body": '{"value": [], "@odata.nextLink": "https://x"}'}, "unexpected_response"),
        ({"kind": "redirect"}, "redirected"),
    ],
    ids=str,
)
@pytest.mark.parametrize("page", [0, 1], ids=["first page", "second page"])
def test_a_page_that_fails_fails_the_module_and_no_machine_is_returned(
    fleet: Emulator, machine_info: RunModule, fault: dict[str, t.Any], code: str, page: int, check: bool
) -> None:
    fleet.knobs.page_cap = 3
    fleet.fault(path="/machines", after=page, times=None, **fault)
    run = machine_info(check=check)
    assert (run.failed, run.result["machines"], run.result["summary"]["total"]) == (True, [], 0)
    assert run.error_code == code


def test_a_page_that_repeats_the_last_is_an_error(fleet: Emulator, machine_info: RunModule) -> None:
    fleet.knobs.update({"page_cap": 3, "repeat_page": True})
    run = machine_info()
    assert (run.failed, run.error_code, run.result["machines"]) == (True, "unexpected_response", [])
    assert "repeats" in run.result["msg"]


def test_an_empty_list_can_be_a_404_of_the_service(fleet: Emulator, machine_info: RunModule) -> None:
    fleet.knobs.empty_list_404 = True
    run = machine_info(tag="unused")
    assert (run.failed, run.result["machines"]) == (False, [])


def test_a_machine_that_moves_to_the_next_page_is_returned_once(fleet: Emulator, machine_info: RunModule) -> None:
    fleet.fault(
        path="/machines",
        kind="body",
        body=json.dumps({"value": [fleet.machine(A), fleet.machine(D)], "@odata.nextLink": "https://x"}),
    )
    assert letters(machine_info().result["machines"]) == "abcd"


@pytest.mark.parametrize("option", ["calls_per_minute", "calls_per_hour"])
def test_the_rate_limit_is_kept(fleet: Emulator, machine_info: RunModule, option: str) -> None:
    fleet.knobs.page_cap = 1
    began = fleet.clock.monotonic()
    options: dict[str, t.Any] = {option: 2}
    assert letters(machine_info(**options).result["machines"]) == "abcd"
    assert fleet.clock.monotonic() - began >= (60 if option == "calls_per_minute" else 3600)


# -- permissions -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_a_wrong_secret_fails(fleet: Emulator, machine_info: RunModule, check: bool) -> None:
    run = machine_info(client_id=fleet.client_id, client_secret="made-up and wrong", check=check)
    assert (run.failed, run.error_code, run.result["machines"]) == (True, "sign_in_failed", [])
    assert "made-up and wrong" not in run.output


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
def test_a_missing_permission_is_named(fleet: Emulator, machine_info: RunModule, check: bool) -> None:
    other = fleet.add_app("other", roles=["Machine.Offboard"], secret="made-up")
    run = machine_info(client_id=other.client_id, client_secret=other.secret, check=check)
    assert (run.failed, run.error_code, run.result["error"]["http_status"]) == (True, "permission_missing", 403)
    assert "Machine.Read.All" in run.result["error"]["hint"]
    assert "The token has Machine.Offboard" in run.result["error"]["hint"]


def test_the_permission_to_write_includes_reading(fleet: Emulator, machine_info: RunModule) -> None:
    writer = fleet.add_app("writer", roles=["Machine.ReadWrite.All"], secret="made-up")
    assert len(machine_info(client_id=writer.client_id, client_secret=writer.secret).result["machines"]) == 4


@pytest.mark.parametrize(
    "name",
    ["Sam\u2019s iPad (2ndgeneration)", "lab/7+8", "10.1.2.3", "Kim\u00a0Phone", "a, b", "{{ x }}", "n" * 255],
    ids=ascii,
)
def test_a_name_as_the_service_writes_it_is_found(emulator: Emulator, machine_info: RunModule, name: str) -> None:
    emulator.add_devices([Device(id=A, name=name), Device(id=B, name=f"{name} 2"[-255:])])
    assert letters(machine_info(device_name=[name]).result["machines"]) == "a"


@pytest.mark.parametrize("options", [{}, {"tag": "retire"}, {"health_status": "Active"}], ids=str)
def test_a_list_of_unknown_length_is_counted(
    fleet: Emulator, machine_info: RunModule, options: dict[str, t.Any]
) -> None:
    machine_info(**options)
    assert fleet.calls("api", "GET")[0].query.get("$count") == "true"


# -- values that the service's model does not have ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "option", "known"),
    [
        ({"onboarding_status": "offboarded"}, "onboarding_status", "CanBeOnboarded"),
        ({"onboarding_status": ["Onboarded", "on boarded"]}, "onboarding_status", "InsufficientInfo"),
        ({"health_status": "sleeping"}, "health_status", "ImpairedCommunication"),
        ({"health_status": "Actve"}, "health_status", "Inactive"),
    ],
)
def test_a_value_that_the_service_does_not_have_is_sent_with_a_warning(
    fleet: Emulator, machine_info: RunModule, options: dict[str, t.Any], option: str, known: str
) -> None:
    run = machine_info(**options)
    assert not run.failed
    (warning,) = run.warnings
    assert f"{option}: " in warning
    assert known in warning
    assert len(api_calls(fleet)) == 1


def test_a_value_that_the_service_adds_later_is_accepted(fleet: Emulator, machine_info: RunModule) -> None:
    new = {"id": "e" * 40, "computerDnsName": "new", "healthStatus": "Hibernating"}
    fleet.fault(method="GET", path="/machines", kind="body", body=json.dumps({"value": [new, fleet.machine(A)]}))
    run = machine_info(health_status="hibernating")
    assert run.names == ["new"]
    assert "'hibernating'" in run.warnings[0]


def test_values_that_the_service_has_cause_no_warning(fleet: Emulator, machine_info: RunModule) -> None:
    assert machine_info(health_status=["ACTIVE", "unknown"], onboarding_status="canbeonboarded").warnings == []


# -- the service's time -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("skew", [0, 200, -200, 40 * 86400, -40 * 86400], ids="{} s".format)
@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"last_seen_before": 30}, "a"),
        ({"last_seen_before": 5}, "ac"),
        ({"last_seen_after": 5}, "b"),
        ({"last_seen_after": 30, "last_seen_before": 5}, "c"),
        ({"last_seen_before": 30, "limit": 1}, "a"),
        ({"last_seen_after": 0}, ""),
    ],
)
def test_days_before_now_are_counted_from_the_time_of_the_service(
    fleet: Emulator,
    clock: VirtualTime,
    machine_info: RunModule,
    options: dict[str, t.Any],
    expected: str,
    skew: float,
) -> None:
    clock.skew = skew
    run = machine_info(**options)
    assert letters(run.result["machines"]) == expected
    assert run.warnings == []
    assert len(api_calls(fleet)) == (2 if abs(skew) > 300 else 1)


def test_dates_need_no_clock(fleet: Emulator, clock: VirtualTime, machine_info: RunModule) -> None:
    clock.skew = 40 * 86400
    assert letters(machine_info(last_seen_after=RECENT).result["machines"]) == "abc"
    assert len(api_calls(fleet)) == 1


def test_a_service_without_a_clock_is_a_warning(fleet: Emulator, machine_info: RunModule) -> None:
    fleet.knobs.date_header = "absent"
    run = machine_info(last_seen_before=30)
    assert letters(run.result["machines"]) == "a"
    assert "clock of this machine" in run.warnings[0]
