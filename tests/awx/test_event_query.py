# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Indirect node counting: the queries count each device that a job managed once, and no other devices."""

from __future__ import annotations

import re
import typing as t

import jq
import pytest
import yaml

from ansible_collections.secops.mde.tests.awx.awx import Awx, Job
from ansible_collections.secops.mde.tests.awx.programs import COLLECTION
from ansible_collections.secops.mde.tests.emulator import Device, Emulator

QUERIES: dict[str, dict[str, str]] = yaml.safe_load(
    (COLLECTION / "extensions" / "audit" / "event_query.yml").read_text("utf-8")
)
MODULES = {f"secops.mde.{path.stem}" for path in (COLLECTION / "plugins" / "modules").glob("[a-z]*.py")}
NOT_COUNTED = {
    "secops.mde.mde_evidence": "writes files on the controller",
    "secops.mde.mde_machine_action_info": "only reads",
    "secops.mde.mde_machine_info": "only reads",
    "secops.mde.mde_offboard_info": "only reads",
    "secops.mde.runbook_input": "sends no request",
}
ID, OTHER = "1" * 40, "2" * 40
ACTION = {"id": "0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22", "machineId": ID, "computerDnsName": "pc-1"}


def counted(module: str, result: t.Any) -> list[tuple[str, str]]:
    """Return the name and the device ID of each object of the module's query. Checks the format of the objects."""
    found = []
    for node in jq.compile(QUERIES[module]["query"]).input(result).all():
        assert set(node) == {"name", "canonical_facts", "facts"}
        # AWX drops all nodes of a job if one name is null, and a node if one of its canonical facts is null.
        assert isinstance(node["name"], str)
        assert set(node["canonical_facts"]) == {"mde_device_id"}
        assert isinstance(node["canonical_facts"]["mde_device_id"], str)
        assert set(node["facts"]) == {"infra_type", "infra_bucket", "device_type"}
        assert all(re.fullmatch("[a-z_]+", value) for value in node["facts"].values())
        found.append((node["name"], node["canonical_facts"]["mde_device_id"]))
    return found


def nodes_of(job: Job) -> set[tuple[str, str]]:
    """Return what AWX counts for a job: each device once, by the resolved name of the module."""
    found: set[tuple[str, str]] = set()
    for event in job.events:
        data = event.get("event_data", {})
        if data.get("resolved_action") in QUERIES and "res" in data:
            found.update(counted(data["resolved_action"], data["res"]))
    return found


def device(outcome: str, **more: t.Any) -> dict[str, t.Any]:
    return {"device_id": ID, "device_name": "pc-1", "outcome": outcome, "failed": False, "action": ACTION, **more}


def test_every_module_is_counted_or_has_a_reason_not_to_be() -> None:
    assert QUERIES.keys() | NOT_COUNTED.keys() == MODULES
    assert not QUERIES.keys() & NOT_COUNTED.keys()


@pytest.mark.parametrize("outcome", ["submitted", "in_progress", "already_offboarded"])
@pytest.mark.parametrize("failed", [False, True])
def test_a_device_with_an_offboard_action_counts_even_if_waiting_for_it_failed(outcome: str, failed: bool) -> None:
    result = {"devices": [device(outcome, failed=failed)]}
    assert counted("secops.mde.mde_offboard", result) == [("pc-1", ID)]


@pytest.mark.parametrize(
    "entry",
    [
        device("submitted", action={**ACTION, "id": None}),
        device("in_progress", action=None),
        device("not_onboarded", action=None),
        device("not_found", action=None, device_id=None, device_name=None),
        device("refused", action=None),
        device("error", action={**ACTION, "machineId": OTHER}),
    ],
    ids=["predicted", "without an action", "not onboarded", "not found", "refused", "action of another device"],
)
def test_a_device_without_an_offboard_action_does_not_count(entry: dict[str, t.Any]) -> None:
    assert counted("secops.mde.mde_offboard", {"devices": [entry]}) == []


@pytest.mark.parametrize("module", ["secops.mde.mde_machine_tag", "secops.mde.mde_machine_exclusion"])
def test_of_a_list_the_devices_that_did_not_fail_count(module: str) -> None:
    unnamed = {"device_id": OTHER, "device_name": None, "failed": False}
    failed = {"device_id": "3" * 40, "device_name": "pc-3", "failed": True}
    assert counted(module, {"devices": [unnamed, failed]}) == [(OTHER, OTHER)]


def test_a_cancelled_action_counts_its_device() -> None:
    module = "secops.mde.mde_machine_action_cancel"
    assert counted(module, {"cancelled": True, "action": ACTION}) == [("pc-1", ID)]
    assert counted(module, {"cancelled": True, "action": {**ACTION, "computerDnsName": None}}) == [(ID, ID)]
    assert counted(module, {"cancelled": False, "action": ACTION}) == []


@pytest.mark.parametrize("module", QUERIES)
@pytest.mark.parametrize("result", [{}, {"msg": "invalid", "failed": True}, {"devices": None, "action": None}])
def test_a_result_without_devices_counts_nothing(module: str, result: dict[str, t.Any]) -> None:
    assert counted(module, result) == []


@pytest.mark.matrix_only
def test_a_job_counts_the_devices_that_it_managed(emulator: Emulator, awx: Awx, credential: dict[str, t.Any]) -> None:
    emulator.grant("Machine.ReadWrite.All")
    offline = emulator.add_device(Device(name="pc-0001.corp.example", fate="offline"))
    emulator.add_device(Device(name="mac-0001.corp.example", os_platform="macOS"))
    answers = {
        "mde_devices": "pc-0001.corp.example\nmac-0001.corp.example\npc-9999.corp.example\n",
        "mde_comment": "CHG-1044 retired",
    }
    predicted = awx.launch("Defender: offboard a list", credential, answers=answers, job_type="check")
    assert nodes_of(predicted) == set()
    job = awx.launch("Defender: offboard a list", credential, answers={**answers, "mde_tag": "retired"})
    modules = {event.get("event_data", {}).get("resolved_action") for event in job.events}
    assert {"secops.mde.mde_offboard", "secops.mde.mde_machine_tag"} <= modules
    assert nodes_of(job) == {(offline.name, offline.id)}
    (action,) = emulator.actions()
    cancel = awx.ad_hoc(
        "secops.mde.mde_machine_action_cancel", f"action_id={action['id']} comment='CHG-1044 withdrawn'", credential
    )
    assert cancel.successful, cancel.output
    assert nodes_of(cancel) == {(offline.name, offline.id)}
