# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The run with a list: one result for each request, one offboard request for each device, also after a bug."""

from __future__ import annotations

import random
import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._api.client import MdeClient
from ansible_collections.secops.mde.plugins.module_utils._api.models import Machine
from ansible_collections.secops.mde.plugins.module_utils._api.session import ApiSession
from ansible_collections.secops.mde.plugins.module_utils._auth.token import Token, TokenCache
from ansible_collections.secops.mde.plugins.module_utils._http.rate_limit import RateLimiter
from ansible_collections.secops.mde.plugins.module_utils._http.transport import HttpTransport, TransportOptions
from ansible_collections.secops.mde.plugins.module_utils._offboarding import planner
from ansible_collections.secops.mde.plugins.module_utils._offboarding.decision import Decision, decide
from ansible_collections.secops.mde.plugins.module_utils._offboarding.parameters import OffboardParameters
from ansible_collections.secops.mde.plugins.module_utils._offboarding.results import DeviceResult, OffboardResult
from ansible_collections.secops.mde.plugins.module_utils._offboarding.run import OffboardRun
from ansible_collections.secops.mde.plugins.module_utils._offboarding.wait import WaitOptions
from ansible_collections.secops.mde.plugins.module_utils._offboarding.workers import ThreadPool
from ansible_collections.secops.mde.plugins.module_utils._options.identifiers import DeviceRequest
from ansible_collections.secops.mde.plugins.module_utils._results import to_module_result
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import EmulatorClock, posts

Run = t.Callable[..., list[DeviceResult]]


@pytest.fixture
def run(emulator: Emulator, clock: EmulatorClock) -> Run:
    """Run with these devices."""
    token = emulator.token()
    session = ApiSession(
        HttpTransport(TransportOptions(user_agent="test", ca_path=emulator.ca_path), clock),
        TokenCache(lambda _patience: Token(token), clock, on_token=lambda _token: None),
        emulator.api_url,
        rate_limiter=RateLimiter(clock, per_minute=100, per_hour=1500),
        clock=clock,
        rng=random.Random(7),
        retry_timeout=300,
    )

    def carry_out(
        *requested: dict[str, str], check_mode: bool = False, wait: WaitOptions | None = None
    ) -> list[DeviceResult]:
        requests = tuple(DeviceRequest.from_options(**one, comment="CHG-1") for one in requested)
        parameters = OffboardParameters(requests=requests, is_single=False, check_mode=check_mode, wait=wait)
        return OffboardRun(parameters, MdeClient(session), ThreadPool(1), warn=lambda _line: None).run()

    return carry_out


@pytest.mark.parametrize("check_mode", [False, True])
def test_a_device_that_is_requested_twice_is_offboarded_once(emulator: Emulator, run: Run, check_mode: bool) -> None:
    device = emulator.add_device(Device(name="pc1.corp.example"))
    requested = ({"device_id": device.id}, {"device_name": "pc1.corp.example"})
    first, second = run(*requested, check_mode=check_mode)
    assert (first.outcome, second.outcome) == ("submitted", "in_progress")
    assert (first.changed, second.changed) == (True, False)
    assert first.action == second.action
    assert posts(emulator) == (0 if check_mode else 1)


def test_a_device_that_fails_does_not_stop_the_others(emulator: Emulator, run: Run) -> None:
    emulator.add_device(Device(name="pc1.corp.example"))
    emulator.add_device(Device(name="mac1.corp.example", os_platform="macOS"))
    requested = ("mac1.corp.example", "gone.corp.example", "pc1.corp.example")
    results = run(*({"device_name": name} for name in requested))
    assert [result.outcome for result in results] == ["refused", "not_found", "submitted"]
    report = to_module_result(OffboardResult(devices=tuple(results), is_single=False), {}, {})
    assert report["changed"]
    assert report["action"] is None
    assert report["error"]["code"] == "devices_failed"
    assert report["msg"].startswith("2 of 3 devices failed")
    assert (report["summary"]["total"], report["summary"]["changed"], report["summary"]["failed"]) == (3, 1, 2)


def test_a_bug_that_one_device_triggers_affects_no_other(
    emulator: Emulator, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("pc1", "pc2"):
        emulator.add_device(Device(name=name))

    def broken(machine: Machine, *args: t.Any, **kwargs: t.Any) -> Decision:
        if machine.name == "pc2":
            raise KeyError("a bug")
        return decide(machine, *args, **kwargs)

    monkeypatch.setattr(planner, "decide", broken)
    done, lost = run({"device_name": "pc1"}, {"device_name": "pc2"})
    assert done.outcome == "submitted"
    assert lost.outcome == "error"
    assert lost.error is not None
    assert lost.error.code == "internal_error"
    assert posts(emulator) == 1


@pytest.mark.parametrize("read", ["list_machines", "get_offboard_actions"])
@pytest.mark.parametrize("check_mode", [False, True])
def test_a_bug_before_the_decision_never_counts_as_success(
    emulator: Emulator, run: Run, monkeypatch: pytest.MonkeyPatch, read: str, check_mode: bool
) -> None:
    emulator.add_device(Device(name="pc1"))
    monkeypatch.setattr(MdeClient, read, _broken)
    (lost,) = run({"device_name": "pc1"}, check_mode=check_mode)
    assert (lost.outcome, lost.changed) == ("error", False)
    assert lost.error is not None
    assert lost.error.code == "internal_error"
    assert posts(emulator) == 0


def test_a_bug_while_waiting_loses_no_result(emulator: Emulator, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator.add_device(Device(name="pc1", fate="offline"))
    monkeypatch.setattr(MdeClient, "actions_by_id", _broken)
    (done,) = run({"device_name": "pc1"}, wait=WaitOptions(timeout=60, sleep=10))
    assert (done.outcome, done.changed) == ("submitted", True)
    assert done.action is not None
    assert done.error is not None
    assert done.error.code == "wait_read_failed"
    assert posts(emulator) == 1


def _broken(*_arguments: t.Any, **_options: t.Any) -> t.NoReturn:
    raise KeyError("a bug")
