# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Properties that are true for all devices, histories, faults and concurrent runs."""

from __future__ import annotations

import random
import typing as t
from dataclasses import dataclass, field
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._offboarding.results import DeviceResult
from ansible_collections.secops.mde.plugins.module_utils._timestamps import parse_time
from ansible_collections.secops.mde.tests.emulator import Device, Emulator, HistoryAction
from ansible_collections.secops.mde.tests.unit.support.external_id_service import refused
from ansible_collections.secops.mde.tests.unit.support.module_run import offboards
from ansible_collections.secops.mde.tests.unit.support.simulated_run import SimulatedRun
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

HOUR, DAY = 3600.0, 86400.0
COMMENT = "CHG-1042 retired"
FOREIGN = "0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22"
SETTINGS = settings(
    max_examples=settings().max_examples * 3 // 5,  # each example is a complete run
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture],
)


@dataclass(frozen=True)
class Scenario:
    """A tenant, the requested devices, and the events during the run."""

    devices: tuple[dict[str, t.Any], ...]
    requested: tuple[tuple[int, str], ...]
    """The number of a device (it may not exist), and the identifier in the request."""
    knobs: dict[str, t.Any] = field(default_factory=dict)
    faults: tuple[dict[str, t.Any], ...] = ()
    others: tuple[tuple[int, float, bool], ...] = ()
    """Offboard requests of another program: device number, seconds after the start, and whether it has the same
    application and comment, so that only its external ID differs."""
    concurrency: int = 1
    seed: int = 0


HISTORY = st.builds(
    HistoryAction,
    status=st.sampled_from(["Succeeded", "Failed", "TimeOut", "Cancelled", "Pending", "InProgress"]),
    age=st.sampled_from([0.5 * HOUR, 20 * HOUR, 2 * DAY, 3.5 * DAY, 30 * DAY]),
    type=st.sampled_from(["Offboard", "Offboard", "Isolate"]),
    comment=st.sampled_from(["CHG-0001 decommission", COMMENT]),
    external_id=st.sampled_from([None, FOREIGN, FOREIGN[:20]]),
)
DEVICES = st.lists(
    st.fixed_dictionaries(
        {
            "fate": st.sampled_from(["offline", "offline", "online", "never_answers", "fails", "unsupported_os"]),
            "onboarding_status": st.sampled_from(["Onboarded", "Onboarded", "CanBeOnboarded", "Unsupported", None]),
            "last_seen": st.sampled_from([HOUR, 20 * HOUR, 3 * DAY, 40 * DAY]),
            "history": st.lists(HISTORY, max_size=3),
            "same_name": st.booleans(),
        }
    ),
    min_size=1,
    max_size=8,
).map(tuple)
REQUESTED = st.lists(
    st.tuples(st.integers(0, 9), st.sampled_from(["device_id", "device_id", "device_name"])), min_size=1, max_size=12
).map(tuple)
WHEN: dict[str, st.SearchStrategy[t.Any]] = {
    "method": st.sampled_from(["POST", "POST", "GET"]),
    "after": st.integers(0, 6),
    "times": st.integers(1, 5),
}
RETRY_AFTER = {"retry_after": st.sampled_from([1, 30, 200])}
UNCLEAR = ["lost", "lost_before", "500", "503", "html_502", "html_404", "empty_200", "hang"]
FAULTS = st.lists(
    st.one_of(
        st.fixed_dictionaries(
            {**WHEN, "kind": st.sampled_from(UNCLEAR)}, optional={"handled": st.booleans(), **RETRY_AFTER}
        ),
        # The only response that means that nothing was done, because the quota is checked before the service.
        st.fixed_dictionaries({**WHEN, "kind": st.just("429")}, optional=RETRY_AFTER),
    ),
    max_size=4,
).map(tuple)
KNOBS = st.fixed_dictionaries(
    {},
    optional={
        "duplicate_mode": st.sampled_from(["grace", "existing", "refuse", "create"]),
        "offboard_status": st.sampled_from([200, 201]),
        "list_lag": st.sampled_from([0.0, 4.0, 20.0]),
        "in_refused": st.booleans(),
        "max_filter_nodes": st.sampled_from([7, 20]),
        "filter_case_sensitive": st.booleans(),
        "date_header": st.sampled_from(["virtual", "absent"]),
        "quota_per_minute": st.sampled_from([5, 20]),
        "external_id": st.sampled_from(["echo", "drop", "refuse"]),
        "external_id_form": st.sampled_from(["sent", "swapped", "padded"]),
        "external_id_length": st.sampled_from([None, 36, 45]),
    },
)
SCENARIOS = st.builds(
    Scenario,
    devices=DEVICES,
    requested=REQUESTED,
    knobs=KNOBS,
    faults=FAULTS,
    others=st.lists(
        st.tuples(st.integers(0, 7), st.sampled_from([0.05, 0.5, 3.0, 20.0, 100.0]), st.booleans()), max_size=3
    ).map(tuple),
    concurrency=st.integers(1, 4),
    seed=st.integers(0, 3),
)


class ScenarioRun:
    """A scenario in an emulator and its run."""

    def __init__(self, emulator: Emulator, scenario: Scenario) -> None:
        self.emulator, self.scenario = emulator, scenario
        emulator.reset()
        emulator.knobs.update(scenario.knobs)
        self.devices: list[Device] = []
        for number, described in enumerate(scenario.devices):
            values = {key: value for key, value in described.items() if key != "same_name"}
            name = "duplicate.corp.example" if described["same_name"] else f"PC-{number}.corp.example"
            self.devices.append(emulator.add_device(Device(name=name, **values)))
        self.before = {action["id"] for action in emulator.actions()}
        self.other = emulator.add_app("other", roles=["Machine.Offboard"])
        self.time = VirtualTime(emulator, random.Random(scenario.seed))
        self.simulated_run = SimulatedRun(emulator, self.time, concurrency=scenario.concurrency, seed=scenario.seed)
        self.requested = [self._requested(number, by) for number, by in scenario.requested]

    def _requested(self, number: int, by: str) -> dict[str, str]:
        device = self.devices[number] if number < len(self.devices) else Device(name=f"gone-{number}.corp.example")
        return {by: device.id if by == "device_id" else str(device.name)}

    def run(self, *, with_faults: bool = True, **order: t.Any) -> list[DeviceResult]:
        """Run. With ``with_faults`` the faults are active, and other runs also offboard devices."""
        advance_clock = self.emulator.clock.advance
        start = self.emulator.clock.monotonic()
        due = (
            sorted((start + after, number, same) for number, after, same in self.scenario.others) if with_faults else []
        )

        def advance(seconds: float) -> float:
            until = self.emulator.clock.monotonic() + seconds
            while due and due[0][0] <= until:
                at, number, same = due.pop(0)
                advance_clock(max(0.0, at - self.emulator.clock.monotonic()))
                self._other_run_offboards(number, same)
            return advance_clock(max(0.0, until - self.emulator.clock.monotonic()))

        for fault in self.scenario.faults if with_faults else ():
            self.emulator.fault(**fault)
        with mock.patch.object(self.emulator.clock, "advance", advance):
            return self.simulated_run.run(self.requested, **order)

    def _other_run_offboards(self, number: int, same: bool) -> None:
        """Add an action of another application, or of another run that only the external ID distinguishes."""
        device = self.devices[number] if number < len(self.devices) else None
        active = device and any(a["status"] in ("Pending", "InProgress") for a in offboards(self.emulator, device.id))
        if device is not None and not active:
            same = same and self.emulator.knobs.external_id == "echo"
            self.emulator.add_action(
                device.id,
                status="Pending",
                age=0,
                comment=COMMENT if same else "CHG-7 other application",
                requestor=self.emulator.client_id if same else self.other.client_id,
                external_id=FOREIGN if same else None,
            )

    def own_actions(self, device_id: str) -> list[dict[str, t.Any]]:
        """Return the actions of a device that this run created."""
        ours = self.emulator.client_id
        made = [action for action in offboards(self.emulator, device_id) if action["requestor"] == ours]
        return [action for action in made if action["id"] not in self.before and action["externalId"] != FOREIGN]


@pytest.fixture(scope="module")
def service() -> t.Iterator[Emulator]:
    with Emulator() as running:
        yield running


def max_active_actions(actions: t.Iterable[dict[str, t.Any]]) -> int:
    """Return the maximum number of these actions that were in progress at the same time."""
    spans = [
        (
            parse_time(action["creationDateTimeUtc"]),
            None if action["status"] in ("Pending", "InProgress") else parse_time(action["lastUpdateDateTimeUtc"]),
        )
        for action in actions
    ]
    return max(
        (
            sum(
                began is not None and start is not None and began <= start and (ended is None or ended > start)
                for began, ended in spans
            )
            for start, _end in spans
        ),
        default=0,
    )


@SETTINGS
@given(scenario=SCENARIOS)
def test_no_run_is_ever_wrong(service: Emulator, scenario: Scenario) -> None:
    scenario_run = ScenarioRun(service, scenario)
    results = scenario_run.run()
    assert len(results) == len(scenario_run.requested)

    for device in scenario_run.devices:
        made = scenario_run.own_actions(device.id)
        mine = [result for result in results if result.device_id == device.id]
        unknown = any(result.error is not None and result.error.code == "outcome_unknown" for result in mine)
        # No device is offboarded twice.
        assert max_active_actions(made) <= 1
        # A device has changed if and only if this run created an action, which it reports once.
        assert sum(result.changed for result in mine) == (1 if made and not unknown else 0)
        # A device whose reads failed gets no POST.
        if service.calls("api", "POST", device.id):
            assert actions_were_read(service, device.id)
        # No action of another run is reported as ours.
        for result in mine:
            if result.changed:
                assert result.action is not None
                assert result.action["id"] in {action["id"] for action in made}

    for result in results:
        # "Done" and "nothing to do" are always correct.
        if result.outcome in ("submitted", "in_progress") and result.action is not None:
            assert result.action["machineId"] == result.device_id
            assert result.action["type"] == "Offboard"
        if result.outcome == "already_offboarded":
            assert result.action is not None
            assert result.action["status"] == "Succeeded"
        assert (result.error is None) == (
            result.outcome in ("submitted", "in_progress", "already_offboarded", "not_onboarded")
        )


def actions_were_read(service: Emulator, device_id: str) -> bool:
    """Return whether the device's actions were read successfully before its first POST."""
    for call in service.calls("api"):
        if call.method == "POST" and device_id in call.path:
            return False
        if call.path.endswith("machineactions") and call.status == 200 and device_id in call.query["$filter"]:
            return True
    return False


@SETTINGS
@given(scenario=SCENARIOS, force=st.booleans(), missing_ok=st.booleans())
def test_check_mode_predicts_the_real_run(service: Emulator, scenario: Scenario, force: bool, missing_ok: bool) -> None:
    scenario_run = ScenarioRun(service, scenario)
    scenario_run.simulated_run.latency, service.knobs.quota_per_minute = (
        0.0,
        None,
    )  # no time passes, so that the state is the same
    predicted = scenario_run.run(with_faults=False, check_mode=True, force=force, missing_ok=missing_ok)
    assert not service.calls("api", "POST")
    done = scenario_run.run(with_faults=False, force=force, missing_ok=missing_ok)
    refused = {result.device_id for result in done if result.outcome == "refused"}  # only the service knows these
    for before, after in zip(predicted, done, strict=True):
        if after.device_id is None or after.device_id not in refused:
            assert (before.outcome, before.changed) == (after.outcome, after.changed)
            assert (before.error is None) == (after.error is None)


@SETTINGS
@given(scenario=SCENARIOS)
def test_a_second_run_finds_what_the_first_has_done(service: Emulator, scenario: Scenario) -> None:
    scenario_run = ScenarioRun(service, scenario)
    scenario_run.run()
    scenario_run.emulator.clear_faults()
    scenario_run.emulator.clock.advance(60)  # lists lag behind
    made = {device.id: len(scenario_run.own_actions(device.id)) for device in scenario_run.devices}
    posted = accepted_posts(service)
    again = scenario_run.run(with_faults=False)
    for result in again:
        assert result.outcome != "error"
        if result.changed:  # only devices that the first run did not process, or on which the action failed
            device_id = str(result.device_id)
            assert not any(
                action["status"] in ("Pending", "InProgress", "Succeeded")
                for action in scenario_run.own_actions(device_id)[1:]
            )
    assert accepted_posts(service) - posted <= sum(result.outcome in ("submitted", "refused") for result in again)
    for device in scenario_run.devices:
        assert max_active_actions(scenario_run.own_actions(device.id)) <= 1
        assert len(scenario_run.own_actions(device.id)) <= made[device.id] + 1


def accepted_posts(service: Emulator) -> int:
    """Return the number of POSTs that the quota allowed, without those refused because of their ExternalId."""
    return sum(call.status != 429 for call in service.calls("api", "POST")) - refused(service)
