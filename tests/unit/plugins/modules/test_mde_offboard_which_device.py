# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finding the device: never a wrong device, never a false absence."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import ModuleRun, RunModule, api_calls, posts

GUID = "11112222-bbbb-3333-cccc-4444dddd5555"


@pytest.mark.parametrize("sensitive", [False, True], ids=["case-insensitive", "case-sensitive"])
@pytest.mark.parametrize("typed", ["lab-w11-07.corp.example", "LAB-W11-07.corp.example", "lab-w11-07.corp.example."])
def test_a_name_is_found_however_it_is_typed(
    emulator: Emulator, offboard: RunModule, typed: str, sensitive: bool
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example"))
    emulator.add_device(Device(name="lab-w11-070.corp.example"))
    emulator.knobs.filter_case_sensitive = sensitive
    run = offboard(device_name=typed)
    assert (run.outcome, run.device["device_id"]) == ("submitted", device.id)
    assert len(api_calls(emulator)) == 3


@pytest.mark.parametrize("name", ["lab-w11-07", "lab-w11-07.corp.example"])
def test_a_record_whose_name_ends_with_the_root_of_dns_is_not_a_missing_device(
    emulator: Emulator, offboard: RunModule, name: str
) -> None:
    device = emulator.add_device(Device(name=f"{name}."))
    run = offboard(device_name=name.upper(), missing_ok=True)
    assert (run.outcome, run.device["device_id"]) == ("submitted", device.id)


@pytest.mark.parametrize("literal", ["string", "guid", "both"])
def test_an_entra_id_is_found_with_each_literal_that_a_service_accepts(
    emulator: Emulator, offboard: RunModule, literal: str
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", aad_device_id=GUID))
    emulator.knobs.guid_literal = literal
    run = offboard(aad_device_id=GUID.upper())
    assert (run.outcome, run.device["device_id"]) == ("submitted", device.id)


@pytest.mark.parametrize("literal", ["string", "guid", "both"])
def test_an_entra_id_is_missing_only_after_two_reads(emulator: Emulator, offboard: RunModule, literal: str) -> None:
    emulator.knobs.guid_literal = literal
    run = offboard(aad_device_id=GUID)
    assert (run.failed, run.outcome) == (True, "not_found")
    good = [call for call in emulator.calls("api", "GET") if call.status == 200]
    assert len(good) == 2


def test_identifiers_of_one_device_are_found_with_one_read(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", aad_device_id=GUID))
    run = offboard(device_id=device.id, device_name="lab-w11-07", aad_device_id=GUID)
    assert run.outcome == "submitted"
    assert api_calls(emulator) == ["GET machines", "GET machineactions", "POST offboard"]


@pytest.mark.parametrize("name", ["o'brien-pc", "r&d+1#2", "gerät-7", "100%25", "a,b;c", "x') or true or ('"])
def test_special_characters_in_a_name_are_data(emulator: Emulator, offboard: RunModule, name: str) -> None:
    other = emulator.add_device(Device(name="other.corp.example"))
    name = name.replace(" ", "_")
    device = emulator.add_device(Device(name=name))
    run = offboard(device_name=name)
    assert (run.outcome, run.device["device_id"]) == ("submitted", device.id)
    assert emulator.actions(other.id) == []


def test_a_name_that_looks_like_a_query_finds_nothing(emulator: Emulator, offboard: RunModule) -> None:
    emulator.add_device(Device(name="lab-w11-07.corp.example"))
    run = offboard(device_name="x'/**/or/**/'1'/**/eq/**/'1")
    assert run.outcome == "not_found"
    assert posts(emulator) == 0


def test_a_typo_is_not_found_and_similar_devices_are_candidates(emulator: Emulator, offboard: RunModule) -> None:
    emulator.add_device(Device(id="a1", name="srv1.corp.example"))
    emulator.add_device(Device(id="a10", name="srv10.corp.example"))
    run = offboard(device_name="srv1")
    assert (run.failed, run.outcome, run.error_code) == (True, "not_found", "not_found")
    assert {near["device_id"] for near in run.device["candidates"]} == {"a1", "a10"}
    assert "match_short_names" in run.result["msg"]
    assert posts(emulator) == 0


def test_a_short_name_is_matched_when_allowed_with_a_warning(emulator: Emulator, offboard: RunModule) -> None:
    emulator.add_device(Device(id="a1", name="srv1.corp.example"))
    emulator.add_device(Device(id="a10", name="srv10.corp.example"))
    run = offboard(device_name="SRV1", match_short_names=True)
    assert (run.outcome, run.device["device_id"]) == ("submitted", "a1")
    assert any("srv1.corp.example" in warning for warning in run.warnings)


def test_two_devices_with_one_name_are_ambiguous_and_both_are_candidates(
    emulator: Emulator, offboard: RunModule
) -> None:
    for number in (1, 2):
        emulator.add_device(Device(id=f"a{number}", name="kiosk.corp.example", aad_device_id=GUID[:-1] + str(number)))
    run = offboard(device_name="kiosk.corp.example")
    assert (run.failed, run.outcome) == (True, "ambiguous")
    assert {near["device_id"] for near in run.device["candidates"]} == {"a1", "a2"}
    for near in run.device["candidates"]:
        assert set(near) == {
            "device_id",
            "device_name",
            "aad_device_id",
            "last_seen",
            "health_status",
            "onboarding_status",
        }
        assert near["last_seen"]
    assert run.device["device_id"] is None
    assert posts(emulator) == 0


@pytest.mark.parametrize(
    "requested",
    [{"device_id": "ffffffff"}, {"device_name": "gone.corp.example"}, {"aad_device_id": GUID}],
    ids=["id", "name", "Entra id"],
)
@pytest.mark.parametrize("empty_is_404", [False, True])
def test_a_missing_device_fails_without_missing_ok(
    emulator: Emulator, offboard: RunModule, requested: dict[str, t.Any], empty_is_404: bool
) -> None:
    emulator.knobs.empty_list_404 = empty_is_404
    strict, lenient = offboard(**requested), offboard(**requested, missing_ok=True)
    assert (strict.failed, strict.outcome, strict.error_code) == (True, "not_found", "not_found")
    assert "missing_ok" in strict.result["msg"]
    assert (lenient.failed, lenient.changed, lenient.outcome) == (False, False, "not_found")
    assert len(api_calls(emulator)) >= 4  # two different reads each
    assert posts(emulator) == 0


def test_a_device_that_one_read_misses_is_found_by_the_other(emulator: Emulator, offboard: RunModule) -> None:
    by_id = emulator.add_device(Device(name="lab-1.corp.example", listed=False))
    run = offboard(device_id=by_id.id, missing_ok=True)
    assert run.outcome == "submitted"


def test_a_listed_device_need_not_be_readable_individually(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name="lab-1.corp.example", readable=False))
    assert offboard(device_id=device.id).outcome == "submitted"


def test_missing_ok_does_not_accept_a_mismatch(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name="lab-1.corp.example"))
    run = offboard(device_id=device.id, device_name="lab-2.corp.example", missing_ok=True)
    assert (run.failed, run.outcome, run.error_code) == (True, "mismatch", "mismatch")
    assert posts(emulator) == 0


def test_a_merged_record_is_a_mismatch_and_force_offboards_it(emulator: Emulator, offboard: RunModule) -> None:
    survivor = emulator.add_device(Device(name="lab-1.corp.example"))
    merged = emulator.add_device(Device(name="lab-1.corp.example", merged_into=survivor.id))
    refused = offboard(device_id=merged.id)
    assert (refused.failed, refused.outcome, refused.error_code) == (True, "mismatch", "merged_record")
    assert survivor.id in refused.result["msg"]
    assert offboard(device_name="lab-1.corp.example").device["device_id"] == survivor.id
    assert offboard(device_id=merged.id, force=True).device["device_id"] == merged.id


# -- reads that fail ---------------------------------------------------------------------------------------------

STRANGE = {
    "a list": "[]",
    "null": "null",
    "a number": "7",
    "empty": "",
    "a page": "<html><title>Sign in</title></html>",
    "truncated": '{"value": [',
    "no value": "{}",
    "value is null": '{"value": null}',
    "value is an object": '{"value": {}}',
    "a record is null": '{"value": [null]}',
    "a record without an id": '{"value": [{"computerDnsName": "lab-1.corp.example"}]}',
    "a record with a null id": '{"value": [{"id": null}]}',
    "a record with a number as id": '{"value": [{"id": 7}]}',
}
FAILING: dict[str, dict[str, t.Any]] = {
    "throttled forever": {"kind": "429", "retry_after": 60},
    "throttled without Retry-After": {"kind": "429"},
    "throttled beyond any calendar": {"kind": "429", "retry_after": "99999999999999"},
    "503": {"kind": "503"},
    "500": {"kind": "500"},
    "502": {"kind": "502"},
    "a gateway's page": {"kind": "html_502"},
    "an HTML 404": {"kind": "html_404"},
    "forbidden": {"kind": "body", "status": 403, "body": '{"error": {"code": "Forbidden", "message": "no"}}'},
    "forbidden without a body": {"kind": "body", "status": 403},
    "an empty 404": {"kind": "body", "status": 404},
    "404 of the code NotFound": {
        "kind": "body",
        "status": 404,
        "body": '{"error": {"code": "NotFound", "message": ""}}',
    },
    "400": {"kind": "body", "status": 400, "body": '{"error": {"code": "BadRequest", "message": "no"}}'},
    "the OData format": {
        "kind": "body",
        "status": 400,
        "body": '{"error": {"code": "", "message": "no", "details": []}}',
    },
    "error is a text": {"kind": "body", "status": 500, "body": '{"error": "no"}'},
    "error is a list": {"kind": "body", "status": 400, "body": '{"error": []}'},
    "a dropped connection": {"kind": "lost"},
    "a redirect": {"kind": "redirect"},
    **{f"200 with {name}": {"kind": "body", "body": body} for name, body in STRANGE.items()},
}


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
@pytest.mark.parametrize("path", ["/machines", "/machineactions"])
@pytest.mark.parametrize("fault", FAILING.values(), ids=FAILING)
def test_a_failed_read_fails_the_task_and_nothing_is_sent(
    emulator: Emulator, offboard: RunModule, fault: dict[str, t.Any], path: str, check: bool
) -> None:
    device = emulator.add_device(Device(name="lab-1.corp.example"))
    emulator.fault(method="GET", path=path, times=None, **fault)
    run = offboard(device_id=device.id, missing_ok=True, check=check)
    assert (run.failed, run.changed, run.outcome) == (True, False, "error")
    assert run.error_code not in (None, "not_found", "internal_error")
    assert run.device["error"] == run.result["error"]
    assert "Traceback" not in run.output
    assert posts(emulator) == 0
    assert emulator.calls("elsewhere") == []


@pytest.mark.parametrize("body", [*STRANGE.values(), '{"id": 5}'], ids=[*STRANGE, "no text for an id"])
def test_an_invalid_response_to_the_second_read_is_never_an_absence(
    emulator: Emulator, offboard: RunModule, body: str
) -> None:
    emulator.fault(method="GET", path=f"/machines/{'a1' * 20}", kind="body", body=body, times=None)
    run = offboard(device_id="a1" * 20, missing_ok=True)
    assert (run.failed, run.outcome, run.error_code) == (True, "error", "unexpected_response")


@pytest.mark.parametrize("path", ["/machines", "/machineactions"])
@pytest.mark.parametrize("kind", ["lost", "lost_before", "500", "502", "503", "html_502", "429"])
def test_a_read_that_succeeds_after_retries_is_no_failure(
    emulator: Emulator, offboard: RunModule, kind: str, path: str
) -> None:
    device = emulator.add_device(Device(name="lab-1.corp.example"))
    emulator.fault(method="GET", path=path, kind=kind, times=3)
    run = offboard(device_id=device.id)
    assert run.outcome == "submitted"
    assert run.result["summary"]["api"] == {
        "calls": 6,
        "retries": 3,
        "throttled_seconds": run.result["summary"]["api"]["throttled_seconds"],
    }


@pytest.mark.parametrize("prefix", ["/defender", "/api/v2x", "/x/api"])
def test_a_wrong_url_is_never_an_absence(emulator: Emulator, offboard: RunModule, prefix: str) -> None:
    run: ModuleRun = offboard(device_id="a1", api_url=emulator.api_url + prefix, missing_ok=True)
    assert (run.failed, run.outcome, run.error_code) == (True, "error", "wrong_address")
    assert "api_url" in run.result["msg"]
    assert prefix.removesuffix("/api") in run.result["msg"]


@pytest.mark.parametrize("mode", ["loses_filter", "foreign"])
def test_a_next_link_is_never_followed(emulator: Emulator, offboard: RunModule, mode: str) -> None:
    wanted = emulator.add_device(Device(name="lab-1.corp.example"))
    for number in range(5):
        emulator.add_device(Device(name=f"other-{number}.corp.example"))
    emulator.knobs.next_link = mode
    emulator.knobs.page_cap = 1
    run = offboard(device_id=wanted.id)
    assert (run.outcome, run.device["device_id"]) == ("submitted", wanted.id)
    assert emulator.calls("elsewhere") == []
    assert all("$filter" in call.query for call in emulator.calls("api", "GET"))


def test_short_pages_are_read_to_their_end(emulator: Emulator, offboard: RunModule) -> None:
    for number in range(5):
        emulator.add_device(Device(id=f"a{number}", name="kiosk.corp.example"))
    emulator.knobs.page_cap = 2
    emulator.knobs.next_link = "loses_filter"
    run = offboard(device_name="kiosk.corp.example")
    assert run.outcome == "ambiguous"
    assert len(run.device["candidates"]) == 5


def test_pages_that_repeat_are_an_error(emulator: Emulator, offboard: RunModule) -> None:
    for number in range(5):
        emulator.add_device(Device(id=f"a{number}", name="kiosk.corp.example"))
    emulator.knobs.page_cap = 2
    emulator.knobs.next_link = "loses_filter"
    emulator.knobs.repeat_page = True
    run = offboard(device_name="kiosk.corp.example")
    assert (run.failed, run.outcome, run.error_code) == (True, "error", "unexpected_response")


# -- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sensitive", [False, True], ids=["case-insensitive", "case-sensitive"])
@pytest.mark.parametrize(
    ("recorded", "typed"),
    [
        ("bu\u0308ro-09.corp.example", "b\u00fcro-09.corp.example"),
        ("b\u00fcro-09.corp.example", "bu\u0308ro-09.corp.example"),
        ("bu\u0308ro-09.corp.example", "B\u00dcRO-09.corp.example"),
        ("\u30ab\u3099-1", "\u30ac-1"),
    ],
)
def test_a_name_is_found_in_whichever_encoding_its_accents_are_recorded(
    emulator: Emulator, offboard: RunModule, recorded: str, typed: str, sensitive: bool
) -> None:
    device = emulator.add_device(Device(name=recorded))
    emulator.knobs.filter_case_sensitive = sensitive
    run = offboard(device_name=typed)
    assert (run.outcome, run.device["device_id"]) == ("submitted", device.id)


@pytest.mark.parametrize(
    ("recorded", "typed"),
    [
        ("vo\u00df-mac", "voss-mac"),
        ("voss-mac", "vo\u00df-mac"),
        ("\u212a1", "k1"),
        ("\u212bpc", "\u00e5pc"),
        ("\u2126", "\u03c9"),
    ],
)
def test_a_name_with_other_letters_is_another_name(
    emulator: Emulator, offboard: RunModule, recorded: str, typed: str
) -> None:
    emulator.add_device(Device(name=recorded))
    assert offboard(device_name=typed).outcome == "not_found"
    assert posts(emulator) == 0


@pytest.mark.parametrize(
    "name",
    [
        "Sam Example iPad Air 17zoll (2ndgeneration)", "Sam\u2019s MacBook", "lab/7+8", "10.1.2.3", "fe80::1%eth0",
        "Sam\u00a0Example", "phone \U0001f469\u200d\U0001f4bb", "50% off #1 & more", "{{ lookup('pipe', 'id') }}", "ends in a dot.",
    ],
)  # fmt: skip
def test_a_name_as_the_service_writes_it_is_found_in_full(emulator: Emulator, offboard: RunModule, name: str) -> None:
    emulator.add_device(Device(name=f"{name}2"))
    device = emulator.add_device(Device(name=name))
    assert offboard(device_name=name, check=True).device["device_id"] == device.id
    assert offboard(device_id=device.id, device_name=name, match_short_names=True).outcome == "submitted"
    assert offboard(device_name=name.split(" ")[0] + " ", missing_ok=True, check=True).outcome in (
        "not_found",
        "in_progress",
    )


@pytest.mark.parametrize("short", ["match_short_names", "missing_ok"])
@pytest.mark.parametrize(("typed", "recorded"), [("10", "10.1.2.3"), ("192", "192.168.0.7"), ("fe80", "fe80::1.2")])
def test_an_ip_address_has_no_first_label(
    emulator: Emulator, offboard: RunModule, typed: str, recorded: str, short: str
) -> None:
    emulator.add_device(Device(name=recorded))
    run = offboard(device_name=typed, **{short: True})
    assert (run.outcome, run.failed) == ("not_found", short != "missing_ok")
    assert posts(emulator) == 0


def test_an_ip_address_is_the_safeguard_of_an_id_only_in_full(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name="10.1.2.3"))
    assert offboard(device_id=device.id, device_name="10").outcome == "mismatch"
    assert offboard(device_id=device.id, device_name="10.1.2.3").outcome == "submitted"


@pytest.mark.parametrize(
    ("typed", "recorded", "accepted"),
    [
        ("pc1", "pc1.corp.example", False),
        ("PC1", "pc1.corp.example", False),
        ("pc1.corp.example", "pc1", False),
        ("b\u00fcro", "bu\u0308ro.corp.example", False),
        ("10", "10.corp.example", False),
        ("srv1.a", "srv1.b", True),
        ("pc1", "pc10.corp.example", True),
        ("pc1.corp.example", "pc10", True),
    ],
)
def test_missing_ok_does_not_accept_a_short_name_of_an_existing_device(
    emulator: Emulator, offboard: RunModule, typed: str, recorded: str, accepted: bool
) -> None:
    emulator.add_device(Device(name=recorded))
    run = offboard(device_name=typed, missing_ok=True)
    assert (run.outcome, run.failed) == ("not_found", not accepted)
    assert posts(emulator) == 0
    if not accepted:
        assert recorded in run.result["msg"]
        assert [candidate["device_name"] for candidate in run.device["candidates"]] == [recorded]


def test_a_name_that_is_recorded_with_the_dot_of_the_dns_root_is_the_same_name(
    emulator: Emulator, offboard: RunModule
) -> None:
    device = emulator.add_device(Device(name="pc1.corp.example."))
    assert offboard(device_name="pc1.corp.example", missing_ok=True).device["device_id"] == device.id


@pytest.mark.parametrize(
    "typed", ["\u200bpc1.corp.example", "pc1\u00ad.corp.example", "pc1.corp.example\ufeff"], ids=ascii
)
def test_missing_ok_does_not_accept_a_name_with_invisible_characters(
    emulator: Emulator, offboard: RunModule, typed: str
) -> None:
    device = emulator.add_device(Device(name="pc1.corp.example"))
    run = offboard(device_name=typed, missing_ok=True)
    assert (run.outcome, run.failed) == ("not_found", True)
    assert "invisible characters" in run.result["msg"]
    # With an ID, the name is that of a record of the service.
    assert not offboard(device_id="ff" * 20, device_name="gone\u200b", missing_ok=True).failed
    recorded = emulator.add_device(Device(name=typed))
    assert offboard(device_name=typed).device["device_id"] == recorded.id != device.id


@pytest.mark.parametrize(
    ("requested", "recorded", "hint"),
    [
        ({"device_id": GUID}, {"name": "pc1", "aad_device_id": GUID}, "set it as aad_device_id"),
        ({"device_id": "pc1"}, {"name": "PC1"}, "device_id is the name of a device"),
        ({"device_id": "pc1"}, {"name": "pc1.corp.example."}, "device_id is the name of a device"),
        ({"device_name": "a1" * 20}, {"name": "pc1", "id": "a1" * 20}, "device_name looks like an ID"),
        ({"device_name": GUID}, {"name": "pc1", "aad_device_id": GUID}, "device_name looks like an ID"),
        ({"device_name": "Sam Example"}, {"name": "Sam Example "}, "differs only in blanks"),
        ({"device_name": "pc1.corp.example"}, {"name": "pc1.corp.example\u200b"}, "differs only in blanks"),
    ],
)
def test_missing_ok_does_not_accept_an_identifier_of_another_kind_or_other_blanks(
    emulator: Emulator, offboard: RunModule, requested: dict[str, t.Any], recorded: dict[str, t.Any], hint: str
) -> None:
    """The device exists, so that a success would be a false "nothing to do"."""
    emulator.add_device(Device(**recorded))
    run = offboard(**requested, missing_ok=True)
    assert (run.outcome, run.failed) == ("not_found", True)
    assert hint in run.result["msg"]
    assert posts(emulator) == 0


@pytest.mark.parametrize("option", ["device_id", "device_name"])
@pytest.mark.parametrize("text", ["None", "null", "-", "undefined"])
def test_missing_ok_does_not_accept_a_placeholder_for_a_missing_value(
    emulator: Emulator, offboard: RunModule, option: str, text: str
) -> None:
    run = offboard(devices=[{option: text}], missing_ok=True)
    assert (run.outcome, run.failed) == ("not_found", True)
    assert f"{option} looks like a placeholder" in run.result["msg"]


def test_a_device_can_have_a_name_that_looks_like_a_placeholder(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name="None"))
    assert offboard(device_name="none").device["device_id"] == device.id


def test_missing_ok_accepts_an_unusual_id_that_is_no_name(emulator: Emulator, offboard: RunModule) -> None:
    emulator.add_device(Device(name="pc10.corp.example"))
    run = offboard(device_id="pc1", missing_ok=True)
    assert (run.outcome, run.failed) == ("not_found", False)


@pytest.mark.parametrize("nil", ["00000000-0000-0000-0000-000000000000", "{00000000-0000-0000-0000-000000000000}"])
def test_the_entra_id_of_zeros_of_all_unregistered_devices_is_no_identifier(
    emulator: Emulator, offboard: RunModule, nil: str
) -> None:
    """If one record of the service has it, that record is any device, not the requested one."""
    emulator.add_device(Device(name="other.corp.example", aad_device_id=nil.strip("{}")))
    for options in ({"aad_device_id": nil}, {"devices": [{"aad_device_id": nil}]}):
        run = offboard(**options)
        assert (run.failed, run.error_code) == (True, "invalid_option")
        assert "not all zeros" in run.result["msg"]
    assert emulator.calls() == []


# -- ids that differ only in case ---------------------------------------------------------------------------------

LOWER, UPPER = "ab" * 20, "AB" * 20


@pytest.fixture
def lookalikes(emulator: Emulator) -> Emulator:
    """A service with two devices whose IDs differ only in case."""
    machines = [
        {"id": id_, "computerDnsName": name, "onboardingStatus": "Onboarded", "osPlatform": "Windows11"}
        for id_, name in ((LOWER, "pc-a"), (UPPER, "pc-b"))
    ]
    emulator.fault(method="GET", path="/machines", kind="body", times=None, body=json.dumps({"value": machines}))
    return emulator


def act(id_: str, machine_id: str, **fields: str) -> dict[str, str]:
    return {"id": id_, "type": "Offboard", "status": "Pending", "machineId": machine_id, **fields}


def test_two_devices_whose_ids_differ_only_in_case_are_offboarded_each(
    lookalikes: Emulator, offboard: RunModule
) -> None:
    lookalikes.fault(method="GET", path="/machineactions", kind="body", times=None, body='{"value": []}')
    for machine_id in (LOWER, UPPER):
        body = json.dumps(act(GUID.replace("1111", machine_id[:4]), machine_id))
        lookalikes.fault(method="POST", path="/offboard", kind="body", status=201, body=body)
    run = offboard(devices=[{"device_id": LOWER}, {"device_id": UPPER}], concurrency=1)
    assert [device["outcome"] for device in run.result["devices"]] == ["submitted", "submitted"]
    assert [device["device_name"] for device in run.result["devices"]] == ["pc-a", "pc-b"]
    sent = [call.path.split("/")[-2] for call in lookalikes.calls("api", "POST")]
    assert sent == [LOWER, UPPER]


def test_an_action_of_the_other_one_proves_nothing(lookalikes: Emulator, offboard: RunModule) -> None:
    others = {"value": [act(GUID, UPPER, status="Succeeded", lastUpdateDateTimeUtc="2026-01-01T00:00:00Z")]}
    lookalikes.fault(method="GET", path="/machineactions", kind="body", times=None, body=json.dumps(others))
    run = offboard(device_id=LOWER, check=True)
    assert (run.outcome, run.device["device_id"]) == ("submitted", LOWER)


def test_a_name_that_belongs_to_the_other_one_is_a_mismatch(lookalikes: Emulator, offboard: RunModule) -> None:
    assert offboard(device_id=UPPER, device_name="pc-a").outcome == "mismatch"
    assert posts(lookalikes) == 0


def test_an_id_that_is_exactly_neither_of_them_is_ambiguous(lookalikes: Emulator, offboard: RunModule) -> None:
    assert offboard(device_id="aB" * 20).outcome == "ambiguous"
    assert posts(lookalikes) == 0


def test_a_selection_by_id_finds_the_requested_one(lookalikes: Emulator, machine_info: RunModule) -> None:
    assert machine_info(device_id=UPPER).names == ["pc-b"]
    assert machine_info(device_id=[UPPER, LOWER]).names == ["pc-a", "pc-b"]
    assert machine_info().names == ["pc-a", "pc-b"]


def test_a_tag_goes_to_the_requested_one(lookalikes: Emulator, tag: RunModule) -> None:
    run = tag(device_id=[UPPER], check=True)
    assert run.device["device_name"] == "pc-b"
    assert len(tag(device_id=[UPPER, LOWER], check=True).result["devices"]) == 2
    assert tag(device_id=["aB" * 20], check=True).error_code == "not_found"
