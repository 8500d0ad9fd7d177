# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the runbook for one task of one host: the devices, or an error."""

from __future__ import annotations

import typing as t

import pytest
import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.playbook.play import Play
from ansible.playbook.play_context import PlayContext
from ansible.playbook.task import Task
from ansible.plugins.loader import connection_loader
from ansible.template import Templar

from ansible_collections.secops.mde.plugins.action.runbook_input import ARGUMENTS, ActionModule
from ansible_collections.secops.mde.plugins.modules import runbook_input as documented
from ansible_collections.secops.mde.tests.unit.plugins.modules.test_every_module import comparable_spec

ID = "a1" * 20
COMMENT: dict[str, t.Any] = {"mde_comment": "CHG-1044 retired"}


def read(
    host: str = "localhost",
    hosts: t.Sequence[str] | None = None,
    *,
    run_once: bool = False,
    strategy: str = "linear",
    arguments: dict[str, t.Any] | None = None,
    **variables: t.Any,
) -> dict[str, t.Any]:
    """Run the action for a host of a play, in this process."""
    loader = DataLoader()
    task = Task()
    task.args, task.run_once = arguments or {}, run_once
    task._parent = Play.load({"hosts": "all", "strategy": strategy, "tasks": [{"meta": "noop"}]}).compile()[0]
    names = list(hosts or [host])
    known = {
        "inventory_hostname": host,
        "ansible_play_hosts_all": names,
        "hostvars": {name: variables.get("hostvars", {}).get(name, {}) for name in names},
        **{name: value for name, value in variables.items() if name != "hostvars"},
    }
    connection = connection_loader.get("local", PlayContext())
    action = ActionModule(task, connection, PlayContext(), loader, Templar(loader, variables=known), None)
    found: dict[str, t.Any] = action.run(task_vars=known)
    return found


def test_every_argument_is_documented_as_it_is() -> None:
    documentation = yaml.safe_load(documented.DOCUMENTATION)
    assert comparable_spec(documentation["options"]) == comparable_spec(ARGUMENTS)


@pytest.mark.parametrize("wrong", [False, True], ids=["success", "failure"])
def test_the_keys_are_those_documented(wrong: bool) -> None:
    found = read(mde_devices="pc-1.corp.example", **({} if wrong else COMMENT))
    assert bool(found.get("failed")) is wrong
    returned = yaml.safe_load(documented.RETURN)
    expected = {key for key, value in returned.items() if value["returned"] == "always" or wrong}
    assert set(found) - {"changed", "failed", "msg"} == expected - {"msg"}


def test_the_host_alone_is_the_device_and_no_other_host_of_the_play() -> None:
    found = read("pc-1.corp.example", ["pc-1.corp.example", "pc-2.corp.example"], **COMMENT)
    assert (found["source"], found["devices"]) == ("host", [{"device_name": "pc-1.corp.example"}])
    assert found["hosts"] == ["pc-1.corp.example"]
    (row,) = found["unreached"]
    assert (row["host"], row["outcome"], row["failed"]) == ("pc-1.corp.example", "error", True)


@pytest.mark.parametrize("unset", [None, "", "  "])
def test_a_blank_identifier_next_to_a_list_is_unset(unset: str | None) -> None:
    found = read(mde_devices="pc-1.corp.example", mde_device_name=unset, mde_device_id=unset, **COMMENT)
    assert (found.get("msg"), found["devices"]) == (None, [{"device_name": "pc-1.corp.example"}])


@pytest.mark.parametrize("unset", [None, "", "  "])
def test_a_blank_identifier_does_not_make_the_controller_a_device(unset: str | None) -> None:
    assert "No devices specified" in read(mde_device_name=unset, **COMMENT)["msg"]
    allowed = read(mde_device_name=unset, mde_allow_empty=True, **COMMENT)
    assert (allowed.get("msg"), allowed["devices"]) == (None, [])


def test_the_variables_of_the_host_identify_the_device() -> None:
    found = read("desk-7", mde_device_id=ID, mde_device_name="pc-1.corp.example", **COMMENT)
    assert found["devices"] == [{"device_id": ID, "device_name": "pc-1.corp.example"}]


def test_a_list_is_read_once_for_all_hosts() -> None:
    found = read("pc-9", ["pc-9", "pc-8"], run_once=True, mde_devices="pc-1.corp.example\npc-2.corp.example", **COMMENT)
    assert (found["source"], found["run_once"], found["hosts"]) == ("list", True, [])
    assert [device["device_name"] for device in found["devices"]] == ["pc-1.corp.example", "pc-2.corp.example"]


def test_all_hosts_are_checked_before_an_error_is_reported() -> None:
    arguments: dict[str, t.Any] = {"source": "hosts", "hosts": ["pc-1", "pc-2"]}
    found = read("pc-1", ["pc-1", "pc-2"], arguments=arguments, **COMMENT)
    assert [device["device_name"] for device in found["devices"]] == ["pc-1", "pc-2"]
    wrong: dict[str, t.Any] = {"hostvars": {"pc-2": {"mde_aad_device_id": "N/A"}}}
    assert (
        "host pc-2, mde_aad_device_id" in read("pc-1", ["pc-1", "pc-2"], arguments=arguments, **wrong, **COMMENT)["msg"]
    )


def test_a_run_without_devices_has_to_be_allowed() -> None:
    assert "No devices specified" in read(**COMMENT)["msg"]
    found = read(mde_allow_empty=True, **COMMENT)
    assert (found.get("failed", False), found["devices"], found["unreached"]) == (False, [], [])
    once = read("pc-1", run_once=True, mde_allow_empty=True, **COMMENT)
    assert (once["source"], once["devices"]) == ("list", [])


def test_mde_max_devices_is_checked_before_anything_else_runs() -> None:
    found = read(mde_devices="pc-1\npc-2\npc-3", mde_max_devices=2, **COMMENT)
    assert found["msg"] == "3 devices exceed mde_max_devices (2). To allow them, set -e mde_max_devices=3."


SLICE: dict[str, t.Any] = {"awx_job_template_name": "Retire", "awx_workflow_job_name": "Retire"}
HOSTS: dict[str, t.Any] = {"source": "hosts", "hosts": ["pc-1", "pc-2"]}


def test_a_slice_needs_a_maximum_of_its_own_because_it_cannot_count_the_others() -> None:
    found = read("pc-1", ["pc-1", "pc-2"], arguments=HOSTS, **SLICE, **COMMENT)
    assert "This job is a slice of the job template Retire." in found["msg"]
    assert "Set mde_max_devices in the job template" in found["msg"]
    found = read("pc-1", ["pc-1", "pc-2"], arguments=HOSTS, mde_max_devices="2", **SLICE, **COMMENT)
    assert found["errors"] == []
    found = read("pc-1", ["pc-1", "pc-2"], arguments=HOSTS, mde_max_devices=1, **SLICE, **COMMENT)
    assert "2 devices exceed mde_max_devices (1). In a sliced job, it applies to each slice." in found["msg"]
    assert read("pc-1", ["pc-1", "pc-2"], **SLICE, **COMMENT)["errors"] == []  # a step for each host


@pytest.mark.parametrize("prefix", ["awx", "tower"])
def test_a_slice_does_not_take_a_list_that_every_slice_would_offboard(prefix: str) -> None:
    names: dict[str, t.Any] = {f"{prefix}_{name}": "Retire" for name in ("job_template_name", "workflow_job_name")}
    found = read(mde_devices="pc-1", mde_max_devices=5, **names, **COMMENT)
    assert "each slice would offboard the complete list" in found["msg"]
    # A list of the hosts of the slice.
    own: dict[str, t.Any] = {"run_once": True, "mde_devices": "pc-1", "mde_max_devices": 5}
    assert read("pc-9", ["pc-9", "pc-8"], **own, **names, **COMMENT)["errors"] == []
    workflow: dict[str, t.Any] = {**names, f"{prefix}_workflow_job_name": "Decommission"}
    assert read(mde_devices="pc-1", **workflow, **COMMENT)["errors"] == []


VERIFY: dict[str, t.Any] = {"entry_point": "verify"}
SUMMARY: dict[str, t.Any] = {"prediction": False, "action_ids": ["a-1"], "device_ids": []}


def test_a_verification_takes_the_artifacts_of_the_jobs_before() -> None:
    found = read(
        arguments=VERIFY,
        mde_offboard_4711=SUMMARY,
        mde_offboard_list_4712={**SUMMARY, "action_ids": ["a-2", "a-1"], "device_ids": [ID]},
        mde_role_4713={"one": {**SUMMARY, "action_ids": ["a-3"]}, "two": {"prediction": False, "outcomes": {}}},
        mde_offboard_4714={**SUMMARY, "prediction": True, "action_ids": ["a-4"]},
        mde_verify_4715={"action_ids": ["a-5"]},
    )
    assert found["errors"] == []
    assert (found["action_ids"], found["device_ids"]) == (["a-1", "a-2", "a-3"], [ID])
    assert found["artifacts"] == ["mde_offboard_4711", "mde_offboard_4714", "mde_offboard_list_4712", "mde_role_4713"]
    chosen = read(arguments=VERIFY, mde_offboard_4711=SUMMARY, mde_action_ids="a-9")
    assert (chosen["action_ids"], chosen["artifacts"]) == (["a-9"], [])
    file = read(arguments=VERIFY, mde_offboard_4711=SUMMARY, mde_evidence="run.json")
    assert (file["action_ids"], file["artifacts"]) == ([], [])


def test_a_verification_of_nothing_has_to_be_allowed() -> None:
    empty: dict[str, t.Any] = {"mde_offboard_4711": {**SUMMARY, "action_ids": []}}
    found = read(arguments=VERIFY, **empty)
    assert (
        "Nothing to verify. The artifacts mde_offboard_4711 have no action IDs. Set either mde_evidence" in found["msg"]
    )
    assert read(arguments=VERIFY, mde_allow_empty=True, **empty)["errors"] == []


def test_an_id_in_an_artifact_that_is_not_text_is_an_error() -> None:
    found = read(arguments=VERIFY, mde_offboard_4711={**SUMMARY, "action_ids": ["a-1", 5349]})
    assert "action_ids of mde_offboard_4711 has the number 5349 as entry 2" in found["msg"]


REFUSED: dict[str, tuple[dict[str, t.Any], str]] = {
    "no comment": ({"mde_devices": "pc-1"}, "mde_comment"),
    "a misspelled variable": ({"mde_devices": "pc-1", "mde_comments": "x", **COMMENT}, "mde_comments"),
    "a list and a file": (
        {"mde_devices": "pc-1", "mde_devices_file": "list.csv", **COMMENT},
        "Both mde_devices and mde_devices_file are set",
    ),
    "no list for a role that runs once": (
        {"host": "pc-1", "run_once": True, **COMMENT},
        "the role requires a list",
    ),
    "a list for each of several hosts": (
        {"host": "pc-1", "hosts": ["pc-1", "pc-2"], "mde_devices": "pc-3", **COMMENT},
        "2 host(s)",
    ),
    "a list for a host that is a device": (
        {"host": "pc-1", "mde_devices": "pc-3", **COMMENT},
        "the host pc-1 or the list",
    ),
    "a list in addition to the device of the controller": (
        {"mde_devices": "pc-3", "mde_device_name": "pc-1", **COMMENT},
        "the list or the device of mde_device_name",
    ),
    "a strategy without run_once": (
        {
            "host": "pc-1",
            "hosts": ["pc-1", "pc-2"],
            "run_once": True,
            "strategy": "free",
            "mde_devices": "pc-3",
            **COMMENT,
        },
        "ignores run_once",
    ),
    "a list that is not clear": ({"mde_devices": "Altes,Ersatz\npc-1,pc-2", **COMMENT}, "Altes"),
    "an external ID that is not sent": (
        {"mde_devices": "pc-1", "mde_external_id": "CHG-1", "mde_send_external_id": "no", **COMMENT},
        "mde_external_id is set, but mde_send_external_id is false",
    ),
    "an empty list": ({"mde_devices": [], **COMMENT}, "The list has no devices"),
    "evidence and action IDs": (
        {"arguments": {"entry_point": "verify"}, "mde_evidence": "run.json", "mde_action_ids": "a-1"},
        "Both mde_evidence and mde_action_ids are set",
    ),
    "a device by a number": ({"mde_devices": 7, **COMMENT}, "mde_devices"),
    "a variable that cannot be read": ({"host": "pc-1", "mde_device_name": 7, **COMMENT}, "mde_device_name"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_unclear_input_is_an_error(case: str) -> None:
    variables, expected = REFUSED[case]
    found = read(**variables)
    assert found["failed"]
    assert expected in found["msg"]


def test_a_comment_that_arrived_as_a_number_is_reported() -> None:
    found = read(mde_devices="pc-1.corp.example", mde_comment=20261044)
    assert found["options"]["comment"] == "20261044"
    assert "mde_comment" in found["converted"][0]


def test_a_verification_takes_no_devices() -> None:
    arguments: dict[str, t.Any] = {"entry_point": "verify"}
    found = read(arguments=arguments, mde_evidence="run.json")
    assert (found.get("failed", False), found["devices"], found["options"]["evidence"]) == (False, [], "run.json")
