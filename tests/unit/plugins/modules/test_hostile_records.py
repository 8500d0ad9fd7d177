# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile records in every module: no result is lost, and no value has an effect."""

from __future__ import annotations

import json
import typing as t
import unicodedata
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._timestamps import format_time
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import ModuleRun, RunModule, api_calls, posts

A, B, C = (letter * 40 for letter in "abc")
MACHINE = {"id": A, "computerDnsName": "pc-a", "onboardingStatus": "Onboarded", "lastSeen": "2025-06-01T00:00:00Z"}
ACTION = {
    "id": "11112222-bbbb-3333-cccc-4444dddd5555",
    "type": "Offboard",
    "status": "Pending",
    "machineId": A,
    "computerDnsName": "pc-a",
    "requestorComment": "CHG-1042 retired",
}
DIRECTIONS = "\u061c\u200b\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff"
KEYS_OF_ANSIBLE = ("warnings", "deprecations", "exception")
# Values as JSON text, which Python's own encoder does not write.
VALUES = [
    r'"\ud83d"',
    r'"half an emoji \ude00 and \u001b]0;owned\u0007\u202e"',
    "NaN",
    "-Infinity",
    "1e999",
    "9" * 6000,
    '{"__ansible_type": "x"}',
    '{"__ansible_unsafe": 1}',
    '{"__ansible_vault": {}}',
    '{"_ansible_verbose_override": true}',
    '{"a": 1, "a": 2}',
    '{"a": ' * 200 + "1" + "}" * 200,
    '"-oProxyCommand=touch /x"',
    r'"{{ lookup(\"pipe\", \"touch /x\") }}"',
    r'"\u0000\r\n{\"failed\": false}"',
    "[" * 100 + "]" * 100,
]
ARBITRARY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.sampled_from(["__ansible_type", "_ansible_x"]), inner)
    ),
    max_leaves=10,
)
FIELDS = st.dictionaries(
    st.sampled_from(
        ["osPlatform", "machineTags", "lastIpAddress", "healthStatus", "lastSeen", "riskScore", "title", "commands",
         "status", "requestor", "__ansible_type", "__ansible_unsafe", "_ansible_no_log", "\\ud83d"]
    ),
    st.sampled_from(VALUES) | ARBITRARY.map(json.dumps),
    max_size=6,
)  # fmt: skip
# Each example runs all modules.
SETTINGS = settings(
    max_examples=300 if settings().max_examples > 1000 else 12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def json_of(record: t.Mapping[str, t.Any], fields: t.Mapping[str, str]) -> str:
    own = {json.dumps(key): json.dumps(value) for key, value in record.items()}
    return (
        "{"
        + ", ".join(f"{key}: {text}" for key, text in {**own, **{f'"{k}"': v for k, v in fields.items()}}.items())
        + "}"
    )


def serve(emulator: Emulator, fields: t.Mapping[str, str]) -> None:
    """Add these fields to every response of the service."""
    emulator.forget()
    emulator.add_devices([Device(id=A, name="pc-a")] if not emulator.devices else [])
    machine = json_of(MACHINE, {key: text for key, text in fields.items() if key != "status"})
    action = json_of(ACTION, fields)
    for method, path, body in (
        ("POST", "/offboard", action),
        ("POST", "/cancel", action),
        ("POST", "/AddOrRemoveTag", f'{{"value": [{machine}]}}'),
        ("POST", "/setExclusion", machine),
        ("GET", "/machines/", machine),
        ("GET", "/machineactions/", action),
        ("GET", "/machineactions", f'{{"value": [{action}]}}'),
        ("GET", "/machines", f'{{"value": [{machine}]}}'),
    ):
        emulator.fault(method=method, path=path, kind="body", body=body, times=None)


def assert_safe_result(run: ModuleRun) -> None:
    """Check that the strictest of Ansible's parsers can read the result, and that its text is printable."""
    text = run.output.encode("utf-8")
    result = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert "Traceback" not in run.output
    json.dumps(result, ensure_ascii=False).encode("utf-8")  # no surrogates
    for part in parts({key: value for key, value in result.items() if key not in KEYS_OF_ANSIBLE}):
        if isinstance(part, dict):
            assert not [key for key in part if key.startswith(("__ansible", "_ansible"))]
    for displayed_text in [
        result["msg"],
        *run.warnings,
        *((result["error"] or {}).get(key) or "" for key in ("message", "hint")),
    ]:
        assert [char for char in displayed_text if acts(char)] == []


def acts(char: str) -> bool:
    """Whether a terminal or a reader would interpret the character."""
    return unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in DIRECTIONS


def parts(value: t.Any) -> t.Iterator[t.Any]:
    yield value
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from parts(item)


@given(fields=FIELDS)
@SETTINGS
def test_no_module_loses_a_result_to_a_record(
    emulator: Emulator,
    offboard: RunModule,
    offboard_info: RunModule,
    machine_info: RunModule,
    action_info: RunModule,
    tag: RunModule,
    exclude: RunModule,
    cancel: RunModule,
    fields: dict[str, str],
) -> None:
    emulator.grant("Machine.ReadWrite.All")
    serve(emulator, fields)
    for run in (
        machine_info(),
        machine_info(device_id=A),
        action_info(),
        offboard(devices=[{"device_id": A}], check=True, diff=True),
        offboard(device_id=A, force=True),
        offboard_info(device_id=[A]),
        tag(device_id=[A], tag="x", diff=True),
        exclude(device_id=[A], diff=True),
        cancel(action_id=ACTION["id"]),
    ):
        assert_safe_result(run)


def test_a_hostile_response_to_the_post_is_not_lost(emulator: Emulator, offboard: RunModule) -> None:
    emulator.add_device(Device(id=A, name="pc-a"))
    body = json_of({key: value for key, value in ACTION.items() if key != "requestorComment"}, {
        "title": r'"\ud83d"', "__ansible_type": '"x"', "commands": "[" * 300 + "]" * 300, "errorHResult": "NaN",
        "requestorComment": '"CHG-1042 retired"', "creationDateTimeUtc": json.dumps(format_time(emulator.clock.now())), "scope": '"a", "scope": "b"',
    })  # fmt: skip
    emulator.fault(method="POST", path="/offboard", kind="body", status=201, body=body)
    run = offboard(device_id=A)
    assert_safe_result(run)
    assert (run.failed, run.outcome, run.changed) == (False, "submitted", True)
    assert run.result["action"]["id"] == ACTION["id"]
    assert run.result["action"]["scope"] is None


def test_a_response_with_two_ids_is_in_doubt(emulator: Emulator, offboard: RunModule) -> None:
    """It does not show whose action it is, so the list of actions is read, as after a lost response."""
    emulator.add_device(Device(id=A, name="pc-a", fate="offline"))
    body = json_of(ACTION, {}).replace('"id"', '"id": "x", "id"')
    emulator.fault(method="POST", path="/offboard", kind="body", status=201, body=body, handled=True)
    run = offboard(device_id=A)
    assert (run.failed, run.outcome, posts(emulator)) == (False, "submitted", 1)
    assert run.result["action"]["id"] == emulator.actions(A)[0]["id"]


@pytest.mark.parametrize("bad", ["..", ".", "-oProxyCommand=touch /x;", "{{ 7 * 7 }}", "a/../b", "all hosts", "é"])
def test_a_record_with_another_id_is_reported_and_the_other_devices_are_processed(
    emulator: Emulator, machine_info: RunModule, bad: str
) -> None:
    emulator.add_devices([Device(id=A, name="pc-a"), Device(id=bad, name="pc-x"), Device(id=C, name="pc-c")])
    run = machine_info()
    assert (run.failed, run.names) == (False, ["pc-a", "pc-c"])
    (warning,) = run.warnings
    assert "record 2 of the list" in warning
    assert "its id is" in warning


def test_the_first_of_many_unusable_records_are_described_and_the_others_are_counted(
    emulator: Emulator, machine_info: RunModule
) -> None:
    records = [{"id": f"../{number}"} for number in range(5000)]
    emulator.fault(method="GET", path="/machines", kind="body", body=json.dumps({"value": [MACHINE, *records]}))
    run = machine_info()
    assert (run.failed, run.names, len(run.warnings)) == (False, ["pc-a"], 21)
    assert "record 2 of the list" in run.warnings[0]
    assert "4980 more records that are not usable" in run.warnings[-1]


def test_a_record_with_another_id_fails_a_run_for_single_devices(emulator: Emulator, machine_info: RunModule) -> None:
    emulator.add_devices([Device(id=A, name="pc-a"), Device(id="..", name="pc-x")])
    run = machine_info(device_name=["pc-a", "pc-x"])
    assert (run.failed, run.error_code, run.result["machines"]) == (True, "unexpected_response", [])
    assert "record 2 of the list" in run.result["msg"]


def test_an_action_with_another_id_is_reported(emulator: Emulator, action_info: RunModule) -> None:
    good, bad = json.dumps(ACTION), json.dumps({**ACTION, "id": "../x"})
    emulator.fault(path="/machineactions", kind="body", body=f'{{"value": [{bad}, {good}]}}')
    run = action_info()
    assert (run.failed, len(run.result["machine_actions"])) == (False, 1)
    assert "record 1 of the list" in run.warnings[0]


@pytest.mark.parametrize("bad", ["..", "-oProxyCommand=x", "a b"])
def test_the_device_that_a_refused_record_could_be_is_not_offboarded_and_the_others_are(
    emulator: Emulator, offboard: RunModule, bad: str
) -> None:
    emulator.add_devices(
        [Device(id=A, name="pc-a"), Device(id=bad, name="pc-x.corp.example"), Device(id=C, name="pc-c")]
    )
    run = offboard(devices=[{"device_name": name} for name in ("pc-a", "pc-x.corp.example", "pc-c")])
    assert [device["outcome"] for device in run.result["devices"]] == ["submitted", "error", "submitted"]
    error = run.result["devices"][1]["error"]
    assert error["code"] == "unexpected_response"
    assert "its id is" in error["message"]
    paths = [unquote(call.path) for call in emulator.calls("api", "POST")]
    assert sorted(paths) == [f"/api/machines/{id_}/offboard" for id_ in (A, C)]


def test_a_refused_record_without_a_name_could_be_any_of_them(emulator: Emulator, offboard: RunModule) -> None:
    emulator.add_devices([Device(id=A, name="pc-a"), Device(id=B, name="pc-b")])
    records = [emulator.machine(A), {"id": ".."}]
    emulator.fault(path="/machines", kind="body", body=json.dumps({"value": records}))
    run = offboard(devices=[{"device_id": A}, {"device_id": B}])
    assert [device["outcome"] for device in run.result["devices"]] == ["error", "error"]
    assert posts(emulator) == 0


def test_a_refused_action_stops_the_device_that_it_is_on(emulator: Emulator, offboard: RunModule) -> None:
    """It could be the action in progress."""
    emulator.add_devices([Device(id=A, name="pc-a"), Device(id=B, name="pc-b")])
    actions = [{**ACTION, "id": "..", "machineId": A}]
    emulator.fault(method="GET", path="/machineactions", kind="body", body=json.dumps({"value": actions}))
    run = offboard(devices=[{"device_id": A}, {"device_id": B}])
    assert [device["outcome"] for device in run.result["devices"]] == ["error", "submitted"]
    assert api_calls(emulator).count("POST offboard") == 1


ESCAPES = "x\x1b]0;owned\x07\u202ey\x9b31m"


def test_names_and_messages_of_the_service_are_escaped_on_the_terminal(emulator: Emulator, offboard: RunModule) -> None:
    emulator.add_device(Device(id=A, name=ESCAPES, os_platform=ESCAPES))
    emulator.add_device(Device(id=B, name=ESCAPES))
    refusal = json.dumps({"error": {"code": ESCAPES, "message": ESCAPES, "target": ESCAPES}})
    emulator.fault(method="POST", path="/offboard", kind="body", status=400, body=refusal, times=None)
    run = offboard(devices=[{"device_id": A}, {"device_id": B}])
    assert run.failed
    assert "⟨U+202E⟩" in run.result["msg"]
    assert_safe_result(run)
    emulator.fault(path="/machines", kind="redirect", headers={"location": f"https://x/{ESCAPES!r}"})
    assert_safe_result(offboard(device_id=A))
