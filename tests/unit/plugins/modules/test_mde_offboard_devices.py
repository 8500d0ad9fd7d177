# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A list in one task: an outcome for each device, shared reads, and no device is offboarded twice or lost."""

from __future__ import annotations

import threading
import typing as t

import pytest

from ansible_collections.secops.mde.plugins.modules import mde_offboard
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import (
    EmulatorClock,
    RunModule,
    api_calls,
    offboard_as_other_app,
    offboards,
    posts,
    sign_ins,
)
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

DAY = 86400.0
GUID = "11112222-bbbb-3333-cccc-4444dddd5555"


def fleet(emulator: Emulator, count: int, **more: t.Any) -> list[Device]:
    """Add offline devices, whose actions stay pending."""
    devices = [Device(name=f"pc-{number:04d}.corp.example", **{"fate": "offline", **more}) for number in range(count)]
    emulator.add_devices(devices)
    return devices


def by_id(devices: t.Iterable[Device]) -> list[dict[str, str]]:
    return [{"device_id": device.id} for device in devices]


def outcomes(run: t.Any) -> list[str]:
    return [device["outcome"] for device in run.result["devices"]]


def each_has_one_action(emulator: Emulator, devices: t.Iterable[Device]) -> bool:
    return all(len(offboards(emulator, device.id)) == 1 for device in devices)


# -- the list ------------------------------------------------------------------------------------------------------


def test_a_list_takes_one_sign_in_two_reads_and_a_post_for_each_device(emulator: Emulator, offboard: RunModule) -> None:
    one, two = fleet(emulator, 2)
    three = emulator.add_device(Device(name="pc-x.corp.example", aad_device_id=GUID, fate="offline"))
    run = offboard(devices=[{"aad_device_id": GUID}, {"device_name": one.name}, {"device_id": two.id}])
    assert outcomes(run) == ["submitted"] * 3
    assert [device["device_id"] for device in run.result["devices"]] == [three.id, one.id, two.id]
    assert api_calls(emulator) == ["GET machines", "GET machineactions", *["POST offboard"] * 3]
    assert sign_ins(emulator) == 1
    assert run.changed
    assert run.result["action"] is None
    assert run.result["msg"] == "3 submitted"


def test_one_refused_and_one_unknown_device_do_not_stop_four_others(emulator: Emulator, offboard: RunModule) -> None:
    good = fleet(emulator, 4)
    mac = emulator.add_device(Device(name="mac.corp.example", os_platform="macOS"))
    run = offboard(
        devices=[
            *by_id(good[:2]),
            {"device_name": "missing.corp.example"},
            {"device_id": mac.id},
            *by_id(good[2:]),
        ]
    )
    assert (run.failed, run.changed, run.error_code) == (True, True, "devices_failed")
    assert outcomes(run) == ["submitted", "submitted", "not_found", "refused", "submitted", "submitted"]
    assert len({tuple(device) for device in run.result["devices"]}) == 1  # the same keys
    assert [device["failed"] for device in run.result["devices"]] == [False, False, True, True, False, False]
    summary = run.result["summary"]
    assert (summary["total"], summary["changed"], summary["failed"]) == (6, 4, 2)
    assert each_has_one_action(emulator, good)
    message = run.result["msg"]
    assert message.startswith(
        "2 of 6 devices failed: missing.corp.example (not_found), mac.corp.example (os_not_supported)."
    )
    assert "First error: device_name missing.corp.example was not found." in message


def test_one_failed_device_gives_the_task_its_own_error(emulator: Emulator, offboard: RunModule) -> None:
    (good,) = fleet(emulator, 1)
    run = offboard(devices=[{"device_id": good.id}, {"device_name": "missing.corp.example"}])
    assert (run.failed, run.changed, run.error_code) == (True, True, "not_found")


def test_an_unknown_device_is_accepted_with_missing_ok(emulator: Emulator, offboard: RunModule) -> None:
    (good,) = fleet(emulator, 1)
    run = offboard(devices=[{"device_name": "missing.corp.example"}, {"device_id": good.id}], missing_ok=True)
    assert not run.failed
    assert outcomes(run) == ["not_found", "submitted"]


def test_each_device_can_have_a_comment_of_its_own(emulator: Emulator, offboard: RunModule) -> None:
    one, two = fleet(emulator, 2)
    offboard(devices=[{"device_id": one.id, "comment": "CHG-7 stolen"}, {"device_id": two.id, "comment": " "}])
    assert offboards(emulator, one.id)[0]["requestorComment"] == "CHG-7 stolen"
    assert offboards(emulator, two.id)[0]["requestorComment"] == "CHG-1042 retired"


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize("between", [0, 120], ids=["in one batch", "across batches"])
def test_a_device_that_is_listed_twice_is_offboarded_once(
    emulator: Emulator, offboard: RunModule, between: int, check: bool
) -> None:
    first, *others = fleet(emulator, 1 + between)
    run = offboard(
        devices=[{"device_id": first.id}, *by_id(others), {"device_name": str(first.name).upper()}], check=check
    )
    one, two = run.result["devices"][0], run.result["devices"][-1]
    assert (one["outcome"], one["changed"]) == ("submitted", True)
    assert (two["outcome"], two["changed"], two["failed"]) == ("in_progress", False, False)
    assert one["action"] == two["action"]
    assert two["requested"]["device_name"] == str(first.name).upper()
    assert posts(emulator) == (0 if check else 1 + between)


def test_an_empty_list_is_a_success_without_any_call(emulator: Emulator, offboard: RunModule) -> None:
    run = offboard(devices=[])
    assert (run.failed, run.changed, run.result["devices"]) == (False, False, [])
    assert not emulator.calls()


@pytest.mark.parametrize("single", [{"device_id": "00aa"}, {"device_name": "pc1"}, {"aad_device_id": GUID}])
def test_a_list_together_with_a_single_device_is_refused(
    emulator: Emulator, offboard: RunModule, single: dict[str, t.Any]
) -> None:
    run = offboard(devices=[{"device_id": "00bb"}], **single)
    assert (run.failed, run.error_code) == (True, "invalid_option")
    assert next(iter(single)) in run.result["msg"]
    assert not emulator.calls()


def test_an_empty_single_device_together_with_a_list_counts_as_not_set(emulator: Emulator, offboard: RunModule) -> None:
    (device,) = fleet(emulator, 1)
    assert outcomes(offboard(devices=by_id([device]), device_id=" ", device_name="")) == ["submitted"]


def test_all_invalid_entries_are_named_by_index_and_nothing_is_sent(emulator: Emulator, offboard: RunModule) -> None:
    (good,) = fleet(emulator, 1)
    run = offboard(devices=[{"device_id": good.id}, {"device_id": "not an id"}, {"device_name": " "}])
    assert (run.failed, run.changed, run.error_code) == (True, False, "invalid_option")
    assert "devices[1]: device_id: 'not an id'" in run.result["msg"]
    assert "devices[2]: No device specified." in run.result["msg"]
    assert not emulator.calls()


def test_of_many_invalid_entries_only_the_first_are_named(emulator: Emulator, offboard: RunModule) -> None:
    run = offboard(devices=[{"device_id": f"no id {number}"} for number in range(30)])
    assert "devices[4]" in run.result["msg"]
    assert "devices[5]" not in run.result["msg"]
    assert "And 25 more." in run.result["msg"]


@pytest.mark.parametrize(
    "limits",
    [{"calls_per_hour": 1}, {"calls_per_hour": 0}, {"calls_per_minute": 0}, {"calls_per_minute": 10**30}],
    ids=str,
)
def test_a_rate_limit_that_allows_no_offboard_is_refused(
    emulator: Emulator, offboard: RunModule, limits: dict[str, t.Any]
) -> None:
    run = offboard(devices=[{"device_id": "00aa"}], **limits)
    assert run.error_code == "invalid_option"
    assert not emulator.calls()


def test_there_are_never_more_threads_than_devices(emulator: Emulator, offboard: RunModule) -> None:
    devices = fleet(emulator, 3)
    before = threading.active_count()
    most = []
    start = threading.Thread.start

    def counted(thread: threading.Thread) -> None:
        start(thread)
        most.append(threading.active_count() - before)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(threading.Thread, "start", counted)
        assert outcomes(offboard(devices=by_id(devices), concurrency=1_000)) == ["submitted"] * 3
    assert max(most, default=0) <= 3


@pytest.mark.parametrize("limits", [{"calls_per_hour": 2}, {"calls_per_minute": 1}], ids=str)
def test_the_lowest_rate_limit_works(emulator: Emulator, offboard: RunModule, limits: dict[str, t.Any]) -> None:
    devices = fleet(emulator, 3)
    assert outcomes(offboard(devices=by_id(devices), **limits)) == ["submitted"] * 3
    assert each_has_one_action(emulator, devices)


@pytest.mark.parametrize("concurrency", [0, -1])
def test_a_concurrency_below_one_is_refused(emulator: Emulator, offboard: RunModule, concurrency: int) -> None:
    run = offboard(devices=[{"device_id": "00aa"}], concurrency=concurrency)
    assert run.error_code == "invalid_option"
    assert not emulator.calls()


def test_check_mode_predicts_the_complete_list(emulator: Emulator, offboard: RunModule) -> None:
    good = fleet(emulator, 3)
    offboard_as_other_app(emulator, good[1].id)
    requested = [*by_id(good), {"device_name": "missing.corp.example"}]
    predicted = offboard(devices=requested, check=True)
    assert posts(emulator) == 0
    done = offboard(devices=requested)
    assert outcomes(predicted) == outcomes(done) == ["submitted", "in_progress", "submitted", "not_found"]
    assert predicted.changed
    assert predicted.result["devices"][0]["action"]["id"] is None
    assert predicted.result["summary"] == {**done.result["summary"], "api": predicted.result["summary"]["api"]}


def test_a_second_run_changes_nothing_and_posts_nothing(emulator: Emulator, offboard: RunModule) -> None:
    devices = fleet(emulator, 60)
    first = offboard(devices=by_id(devices))
    second = offboard(devices=by_id(devices))
    assert (first.changed, second.changed) == (True, False)
    assert set(outcomes(second)) == {"in_progress"}
    assert posts(emulator) == 60


# -- calls and filters ---------------------------------------------------------------------------------------------


def test_a_thousand_devices_cost_little_more_than_their_posts(emulator: Emulator, offboard: RunModule) -> None:
    devices = fleet(emulator, 1000)
    emulator.knobs.quota_per_minute, emulator.knobs.quota_per_hour = 100, 1500
    run = offboard(devices=by_id(devices))
    assert set(outcomes(run)) == {"submitted"}
    calls = emulator.calls("api")
    assert len(calls) <= 1060
    assert max(call.url_length for call in calls) <= 4000
    assert not [call for call in calls if call.status == 429]
    assert each_has_one_action(emulator, devices)


@pytest.mark.parametrize(
    "knobs",
    [
        {"max_filter_nodes": 100},
        {"max_filter_nodes": 10},
        {"max_query_length": 2000, "long_query": "414"},
        {"max_query_length": 2000, "long_query": "html_404"},
        {"max_query_length": 300},
        {"in_refused": True},
        {"in_refused": True, "max_filter_nodes": 100},
        {"in_refused": True, "max_query_length": 2000},
    ],
    ids=str,
)
@pytest.mark.parametrize("key", ["device_id", "device_name"])
def test_a_service_that_accepts_short_filters_only_gets_those(
    emulator: Emulator, offboard: RunModule, knobs: dict[str, t.Any], key: str
) -> None:
    devices = fleet(emulator, 130)
    emulator.knobs.update(knobs)
    requested = [{"device_id": d.id} if key == "device_id" else {"device_name": str(d.name).upper()} for d in devices]
    run = offboard(devices=requested)
    assert outcomes(run) == ["submitted"] * 130
    assert each_has_one_action(emulator, devices)
    # Refused requests are not repeated.
    assert sum(call.status in (400, 404, 414) for call in emulator.calls("api")) <= 12
    assert max(call.url_length for call in emulator.calls("api")) <= 4000


def test_unknown_names_share_their_second_read(emulator: Emulator, offboard: RunModule) -> None:
    fleet(emulator, 1)
    run = offboard(devices=[{"device_name": f"gone-{number}.corp.example"} for number in range(20)], missing_ok=True)
    assert outcomes(run) == ["not_found"] * 20
    assert len(api_calls(emulator)) <= 3


# -- rate limit ----------------------------------------------------------------------------------------------------


def test_a_hundred_calls_a_minute_are_used_and_never_exceeded(emulator: Emulator, offboard: RunModule) -> None:
    devices = fleet(emulator, 130)
    emulator.knobs.quota_per_minute = 100
    run = offboard(devices=[{"device_name": device.name} for device in devices])
    assert set(outcomes(run)) == {"submitted"}
    calls = emulator.calls("api")
    assert not [call for call in calls if call.status == 429]
    assert calls[-1].at - calls[0].at <= 61.5


@pytest.mark.parametrize("counts_refused", [False, True])
def test_a_quota_that_other_apps_also_use_is_exceeded_by_at_most_one_call_per_thread(
    emulator: Emulator, offboard: RunModule, counts_refused: bool
) -> None:
    devices = fleet(emulator, 150)
    emulator.knobs.quota_per_minute = 100
    emulator.knobs.quota_others_per_minute = 40
    emulator.knobs.quota_counts_refused = counts_refused
    run = offboard(devices=by_id(devices), concurrency=8)
    assert set(outcomes(run)) == {"submitted"}
    refused = sorted(call.at for call in emulator.calls("api") if call.status == 429)
    assert refused
    assert max(sum(start <= at < start + 60 for at in refused) for start in refused) <= 8
    assert each_has_one_action(emulator, devices)


def test_a_device_that_another_application_offboards_during_an_hours_wait_is_not_offboarded_again(
    emulator: Emulator, clock: EmulatorClock, offboard: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = fleet(emulator, 120)
    left: list[Device] = []
    ordinary = clock.sleep

    def sleep(seconds: float) -> None:
        if seconds > 1000 and not left:
            left.extend(device for device in devices if not offboards(emulator, device.id))
            for device in left[::2]:
                emulator.add_action(device.id, status="Pending", age=1, comment="another ticket")
        ordinary(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)
    run = offboard(devices=by_id(devices), calls_per_hour=70)
    assert not run.failed
    assert each_has_one_action(emulator, devices)
    assert len(left) > 40
    assert outcomes(run).count("in_progress") == len(left[::2])
    assert posts(emulator) == 120 - len(left[::2])


def test_after_waiting_for_an_hour_that_others_have_used_up_everything_is_read_again(
    emulator: Emulator, clock: EmulatorClock, offboard: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = fleet(emulator, 40)
    emulator.knobs.quota_per_hour = 1500
    emulator.use_quota_as_other_app(1480)
    ordinary = clock.sleep

    def sleep(seconds: float) -> None:
        if seconds > 1000 and not offboards(emulator, devices[-1].id):
            emulator.add_action(devices[-1].id, status="Pending", age=1, comment="another ticket")
        ordinary(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)
    run = offboard(devices=by_id(devices))
    assert not run.failed
    assert outcomes(run) == [*["submitted"] * 39, "in_progress"]
    assert each_has_one_action(emulator, devices)
    assert run.result["summary"]["api"]["throttled_seconds"] == pytest.approx(3600, abs=5)


def test_a_token_that_expires_during_the_run_is_renewed(emulator: Emulator, offboard: RunModule) -> None:
    devices = fleet(emulator, 250)
    emulator.knobs.token_lifetime = 90
    run = offboard(devices=by_id(devices))
    assert set(outcomes(run)) == {"submitted"}
    assert sign_ins(emulator) > 1
    assert not [call for call in emulator.calls("api") if call.status == 401]


def test_the_action_of_another_run_while_the_rate_limit_held_ours_back_is_not_ours(
    emulator: Emulator, clock: EmulatorClock, offboard: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    (device,) = fleet(emulator, 1)
    emulator.knobs.duplicate_mode = "existing"
    ordinary = clock.sleep

    def sleep(seconds: float) -> None:
        if seconds > 50:
            ordinary(20)
            emulator.add_action(device.id, status="Pending", age=0, comment="CHG-1042 retired")
            seconds -= 20
        ordinary(seconds)

    monkeypatch.setattr(clock, "sleep", sleep)
    run = offboard(devices=by_id([device]), calls_per_minute=2)
    assert posts(emulator) == 1
    assert outcomes(run) == ["in_progress"]


# -- failures ------------------------------------------------------------------------------------------------------


def test_lost_responses_of_several_devices_are_reconciled_together(emulator: Emulator, offboard: RunModule) -> None:
    devices = fleet(emulator, 30)
    emulator.fault(method="POST", kind="lost", times=7)
    emulator.knobs.list_lag = 5
    run = offboard(devices=by_id(devices))
    assert outcomes(run) == ["submitted"] * 30
    assert posts(emulator) == 30
    assert len(emulator.calls("api", "GET")) <= 2 + 5
    shown = {device["action"]["id"] for device in run.result["devices"]}
    assert shown == {action["id"] for action in emulator.actions()}


def test_posts_that_were_not_accepted_are_sent_again_after_reconciliation(
    emulator: Emulator, clock: EmulatorClock, offboard: RunModule
) -> None:
    devices = fleet(emulator, 30)
    emulator.fault(method="POST", kind="503", times=9)
    began = clock.monotonic()
    run = offboard(devices=by_id(devices))
    assert outcomes(run) == ["submitted"] * 30
    assert each_has_one_action(emulator, devices)
    assert clock.monotonic() - began == pytest.approx(30, abs=1)  # once for all nine


def test_an_unknown_outcome_concerns_that_device_only(emulator: Emulator, offboard: RunModule) -> None:
    devices = fleet(emulator, 5)
    emulator.fault(method="POST", path=devices[2].id, kind="503", times=None)
    run = offboard(devices=by_id(devices))
    assert outcomes(run) == ["submitted", "submitted", "error", "submitted", "submitted"]
    assert run.error_code == "outcome_unknown"


@pytest.mark.parametrize("path", ["/machines", "/machineactions"])
def test_an_invalid_read_fails_its_batch_and_no_other(emulator: Emulator, offboard: RunModule, path: str) -> None:
    devices = fleet(emulator, 130)
    emulator.fault(method="GET", path=path, kind="body", body="[]", times=1)
    run = offboard(devices=by_id(devices))
    lost = outcomes(run).count("error")
    assert 0 < lost < 130
    assert outcomes(run) == [*["error"] * lost, *["submitted"] * (130 - lost)]
    assert not any(offboards(emulator, device.id) for device in devices[:lost])
    assert each_has_one_action(emulator, devices[lost:])


def test_an_outage_is_not_waited_for_again_by_every_batch(
    emulator: Emulator, clock: EmulatorClock, offboard: RunModule
) -> None:
    devices = fleet(emulator, 130)
    emulator.fault(method="GET", path="/machineactions", kind="503", times=None)
    began = clock.monotonic()
    run = offboard(devices=by_id(devices))
    assert outcomes(run) == ["error"] * 130
    assert {device["error"]["code"] for device in run.result["devices"]} == {"service_error"}
    assert posts(emulator) == 0
    assert clock.monotonic() - began < 3900 + 60


def test_stale_submissions_are_not_read_again_after_the_run_was_stopped(
    emulator: Emulator, clock: EmulatorClock, offboard: RunModule
) -> None:
    devices = fleet(emulator, 60)
    emulator.fault(method="POST", kind="429", retry_after=1000, times=None)
    emulator.fault(method="GET", path="/machineactions", kind="429", retry_after=1000, times=None, after=1)
    began = clock.monotonic()
    run = offboard(devices=by_id(devices))
    assert outcomes(run) == ["error"] * 60
    assert {device["error"]["code"] for device in run.result["devices"]} == {"throttled"}
    assert clock.monotonic() - began < 1000 + 3900  # a first POST, and the retry timeout of one read


def test_a_sign_in_that_fails_lists_every_device_with_its_error(emulator: Emulator, offboard: RunModule) -> None:
    devices = fleet(emulator, 60)
    run = offboard(devices=by_id(devices), client_id=emulator.client_id, client_secret="wrong")
    assert outcomes(run) == ["error"] * 60
    assert {device["error"]["code"] for device in run.result["devices"]} == {"sign_in_failed"}
    assert sign_ins(emulator) == 1
    assert run.result["summary"]["failed"] == 60


def test_a_missing_permission_stops_the_run(emulator: Emulator, offboard: RunModule) -> None:
    devices = fleet(emulator, 60)
    token = emulator.token(roles=["Machine.Read.All"])
    run = offboard(devices=by_id(devices), access_token=token, concurrency=4)
    assert outcomes(run) == [*["refused"] * 50, *["error"] * 10]  # the devices of the second batch were not read
    assert {device["error"]["code"] for device in run.result["devices"]} == {"permission_missing"}
    assert run.result["devices"][-1]["error"]["message"].startswith("Skipped")
    assert posts(emulator) <= 4


def test_a_refusal_for_one_device_does_not_stop_the_run(emulator: Emulator, offboard: RunModule) -> None:
    devices = fleet(emulator, 12)
    refusal = '{"error": {"code": "Forbidden", "message": "not your device group"}}'
    emulator.fault(method="POST", path=devices[0].id, kind="body", status=403, body=refusal, times=None)
    run = offboard(devices=by_id(devices))
    assert outcomes(run) == ["refused", *["submitted"] * 11]


@pytest.mark.parametrize("check", [False, True])
@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [(403, "Forbidden", "permission_missing"), (400, "InvalidInput", "request_refused")],
)
def test_an_id_that_cannot_be_read_individually_stops_no_other_device(
    emulator: Emulator, offboard: RunModule, status: int, code: str, expected: str, check: bool
) -> None:
    """A device outside the groups of a user's token: it is not in lists, and reading it is forbidden."""
    devices = fleet(emulator, 60)
    refusal = f'{{"error": {{"code": "{code}", "message": "not for you"}}}}'
    emulator.fault(method="GET", path="/machines/00beef", kind="body", status=status, body=refusal, times=None)
    run = offboard(devices=[{"device_id": "00beef"}, *by_id(devices)], missing_ok=True, check=check)
    assert outcomes(run) == ["error", *["submitted"] * 60]
    assert run.error_code == expected
    assert "not for you" in run.result["msg"]
    if status == 403:
        assert "another reason" in run.result["msg"]


# -- waiting -------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("action_id_literal")
def test_waiting_for_many_actions_takes_few_reads_per_poll(emulator: Emulator, offboard: RunModule) -> None:
    devices = fleet(emulator, 300, fate=None, poll_seconds=100, ack_seconds=100)
    run = offboard(devices=by_id(devices), wait=True, calls_per_minute=1000)
    assert not run.failed
    assert {device["action"]["status"] for device in run.result["devices"]} == {"Succeeded"}
    assert set(outcomes(run)) == {"submitted"}
    rounds = [
        call for call in emulator.calls("api", "GET", "/machineactions") if "machineId" not in call.query["$filter"]
    ]
    assert len(rounds) <= 25


def test_a_failed_action_and_a_pending_one_have_different_codes(emulator: Emulator, offboard: RunModule) -> None:
    online, offline, failing = (
        emulator.add_device(Device(name=f"{fate}.corp.example", fate=fate)) for fate in ("online", "offline", "fails")
    )
    run = offboard(devices=by_id([online, offline, failing]), wait=True, wait_timeout=60)
    assert [device["error"] and device["error"]["code"] for device in run.result["devices"]] == [
        None,
        "wait_timeout",
        "action_failed",
    ]
    assert outcomes(run) == ["submitted"] * 3
    assert run.error_code == "devices_failed"


@pytest.mark.usefixtures("action_id_literal")
def test_waiting_keeps_its_deadline_although_the_rate_limit_leaves_no_call(
    emulator: Emulator, clock: EmulatorClock, offboard: RunModule
) -> None:
    devices = fleet(emulator, 20)
    began = clock.monotonic()
    run = offboard(devices=by_id(devices), wait=True, wait_timeout=120, calls_per_hour=23)
    assert clock.monotonic() - began <= 125
    assert {device["error"]["code"] for device in run.result["devices"]} == {"wait_read_failed"}
    assert "The rate limit does not allow this call" in run.result["devices"][0]["error"]["message"]
    assert set(outcomes(run)) == {"submitted"}


def test_sleeps_that_last_a_little_too_long_cost_no_poll(
    emulator: Emulator, clock: EmulatorClock, offboard: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = fleet(emulator, 2)
    ordinary = clock.sleep
    monkeypatch.setattr(clock, "sleep", lambda seconds: ordinary(seconds + 0.01))
    run = offboard(devices=by_id(devices), wait=True, wait_timeout=25)
    assert {device["error"]["code"] for device in run.result["devices"]} == {"wait_timeout"}
    assert len(emulator.calls("api", "GET", "/machineactions")) == 4


# -- a list of something else -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("devices", "named"),
    [
        (["pc1"], "devices[0]: 'pc1'"),
        ([{"device_name": "pc1"}, "pc2", "pc3"], "devices[1]: 'pc2'"),
        ("pc1,pc2", "devices: 'pc1'"),
        ("pc1", "devices: 'pc1'"),
        ([20261044], "devices[0]: '20261044'"),
        ([None], "devices[0]: 'None'"),
        ([["pc1"]], "devices[0]: "),
        ({"device_name": "pc1"}, "devices: a dict"),
        ([True], "devices[0]: 'True'"),
        ("[{'device_name': 'pc1'", "devices: "),
    ],
    ids=str,
)
def test_a_list_of_anything_but_dicts_is_refused_with_a_hint_at_the_filter(
    emulator: Emulator, offboard: RunModule, devices: t.Any, named: str
) -> None:
    run = offboard(devices=devices)
    assert run.error_code == "invalid_option"
    assert named in run.result["msg"]
    assert "secops.mde.parse_devices" in run.result["msg"]
    assert {"action", "devices", "summary", "context", "error"} <= set(run.result)
    assert emulator.calls(None) == []


@pytest.mark.parametrize("value", [["pc1", "pc2"], ["pc1"], [], {"device_name": "pc1"}, "['pc1', 'pc2']"], ids=str)
@pytest.mark.parametrize("single", [True, False])
def test_a_list_as_device_name_is_refused_with_a_hint_at_the_filter(
    emulator: Emulator, offboard: RunModule, value: t.Any, single: bool
) -> None:
    emulator.add_device(Device(name="pc1"))
    options = {"device_name": value} if single else {"devices": [{"device_name": "pc1"}, {"device_name": value}]}
    run = offboard(missing_ok=True, **options)
    assert run.error_code == "invalid_option"
    assert ("devices[1]: " in run.result["msg"]) is not single
    assert "device_name: " in run.result["msg"]
    assert "secops.mde.parse_devices" in run.result["msg"]
    assert emulator.calls(None) == []


@pytest.mark.parametrize("name", ["[kiosk] 7", "[1]", "{braces}", "[]x", "[a, b]"])
def test_a_name_in_brackets_is_a_name(emulator: Emulator, offboard: RunModule, name: str) -> None:
    emulator.add_device(Device(name=name))
    assert offboard(device_name=name).outcome == "submitted"


@pytest.mark.parametrize("devices", ["device_name=pc1", ["device_name=pc1"], ['{"device_name": "pc1"}']], ids=str)
def test_text_that_ansible_reads_as_a_dict_is_one(emulator: Emulator, offboard: RunModule, devices: t.Any) -> None:
    emulator.add_device(Device(name="pc1"))
    assert offboard(devices=devices).outcome == "submitted"


# -- a run that has ended -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("concurrency", [1, 10])
def test_nothing_is_sent_after_the_run_has_ended_and_what_was_done_is_reported(
    emulator: Emulator, against_emulator: t.Callable[..., RunModule], clock: VirtualTime, concurrency: int
) -> None:
    devices = fleet(emulator, 40)
    offboard = against_emulator(
        lambda: mde_offboard.main(clock, clock.worker_pool, lambda: posts(emulator) < 10), comment="CHG-1042 retired"
    )
    run = offboard(devices=by_id(devices), concurrency=concurrency)
    assert posts(emulator) == 10
    assert (run.result["summary"]["submitted"], run.result["summary"]["error"]) == (10, 30)
    assert {one["error"]["code"] for one in run.result["devices"] if one["failed"]} == {"run_ended"}
    assert "Run the task again" in run.result["msg"]


def test_a_run_that_ends_during_a_request_in_doubt_reconciles_and_sends_nothing_again(
    emulator: Emulator, against_emulator: t.Callable[..., RunModule], clock: VirtualTime
) -> None:
    device = emulator.add_device(Device(name="pc.corp.example", fate="offline"))
    emulator.fault(method="POST", path="/offboard", kind="lost_before", times=None)
    offboard = against_emulator(
        lambda: mde_offboard.main(clock, clock.worker_pool, lambda: posts(emulator) < 1), comment="CHG-1042 retired"
    )
    run = offboard(device_id=device.id)
    assert posts(emulator) == 1
    assert run.error_code == "outcome_unknown"


def test_a_run_that_has_ended_reads_nothing_more(
    emulator: Emulator, against_emulator: t.Callable[..., RunModule], clock: VirtualTime
) -> None:
    device = emulator.add_device(Device(name="pc.corp.example", fate="offline"))
    offboard = against_emulator(
        lambda: mde_offboard.main(clock, clock.worker_pool, lambda: False), comment="CHG-1042 retired"
    )
    assert offboard(device_id=device.id).error_code == "run_ended"
    assert emulator.calls("api") == []
