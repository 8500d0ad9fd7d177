# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The action mde_evidence in a playbook with unreachable hosts writes on the controller."""

from __future__ import annotations

import json
import stat
import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.functional.support.ansible_command import (
    ANSIBLE_PLAYBOOK,
    AnsibleCommand,
    CommandResult,
)

TEMPLATE = "{{ lookup('pipe', 'touch ran') }}"
# For all hosts, including localhost: any connection and any process fails or times out.
EVERYWHERE = {
    "ansible_connection": "winrm",
    "ansible_host": "192.0.2.1",
    "ansible_become": True,
    "ansible_become_method": "ansible.builtin.runas",
    "ansible_become_user": "nobody",
    "ansible_python_interpreter": "/nowhere/python",
    "ansible_winrm_connection_timeout": 5,
}


def result_of(*names: str) -> dict[str, t.Any]:
    """Return the result of mde_offboard for these devices."""
    devices = [
        {"device_id": f"id-of-{name}", "device_name": name, "outcome": "submitted", "changed": True, "failed": False,
         "action": {"id": f"action-of-{name}", "status": "Pending"}}
        for name in names
    ]  # fmt: skip
    return {"devices": devices, "context": {"finished_at": "2026-02-03T04:06:06Z"}}


def task(path: str, *names: str, register: str = "ignored", **more: t.Any) -> dict[str, t.Any]:
    options = {"path": f"evidence/{path}", "result": result_of(*names), **more.pop("options", {})}
    return {"secops.mde.mde_evidence": options, "register": register, **more}


TASKS = [
    task("once", "pc-1", "pc-2", register="once", run_once=True, options={"hosts": ["host-1", "host-2"]}),
    task("each", "{{ inventory_hostname }}", options={"complete": False}),
    task("loop", "{{ item }}", loop=["pc-1", "pc-2"], run_once=True, register="looped", options={"complete": False}),
    task("check", "pc-1", check_mode=True, run_once=True, register="check"),
    task("delegated", "pc-1", delegate_to="host-2", run_once=True, register="delegated"),
    task("local", "pc-1", delegate_to="localhost", run_once=True),
    task("hostile", "{{ hostile }}", run_once=True, register="malicious", options={"comment": "{{ hostile }}"}),
    {"ansible.builtin.set_fact": {"seen": "{{ malicious.devices[0].device_name }}"}, "run_once": True},
    task("full", "pc-1", run_once=True, register="full", ignore_errors=True),
    task("old", "pc-1", run_once=True, register="old", ignore_errors=True, options={"asked": 1}),
    task("defaults", "pc-1", run_once=True, module_defaults={"secops.mde.mde_evidence": {"kind": "verify"}}),
    {
        "ansible.builtin.set_stats": {
            "data": "{{ {'once': once, 'loop': looped, 'check': check, 'full': full, 'old': old, 'seen': seen,"
            " 'delegated': delegated, 'malicious': malicious} }}",
            "per_host": False,
        },
        "run_once": True,
    },
]


@pytest.fixture(scope="module")
def completed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, CommandResult]:
    """The directory and the result of one playbook for all tests, because an Ansible process takes seconds."""
    folder = tmp_path_factory.mktemp("evidence")
    hosts = {"all": {"hosts": {"host-1": {}, "host-2": {}, "localhost": {}}, "vars": EVERYWHERE}}
    (folder / "hosts.yml").write_text(json.dumps(hosts), "utf-8")
    play = {"hosts": "host-1,host-2", "gather_facts": False, "tasks": TASKS}
    tagged = json.dumps([{**play, "vars": {"hostile": "HOSTILE"}}]).replace('"HOSTILE"', f'!unsafe "{TEMPLATE}"')
    (folder / "play.yml").write_text(tagged, "utf-8")
    (folder / "evidence" / "full.csv").mkdir(parents=True)
    with Emulator() as emulator:
        command = AnsibleCommand(emulator, folder)
        ended = command.execute(*ANSIBLE_PLAYBOOK, "-i", "hosts.yml", "play.yml")
        assert not emulator.calls()
    return folder, ended


@pytest.fixture
def results(completed: tuple[Path, CommandResult]) -> dict[str, t.Any]:
    assert completed[1].code == 0, completed[1].output
    return completed[1].summaries


def read(completed: tuple[Path, CommandResult], name: str) -> dict[str, t.Any]:
    return t.cast("dict[str, t.Any]", json.loads((completed[0] / "evidence" / f"{name}.json").read_text("utf-8")))


def test_hosts_that_cannot_be_reached_do_not_matter(completed: tuple[Path, CommandResult]) -> None:
    assert completed[1].code == 0, completed[1].output
    assert {counts["unreachable"] for counts in completed[1].recap.values()} == {0}


def test_with_run_once_the_files_are_written_once_where_ansible_was_started(
    completed: tuple[Path, CommandResult], results: dict[str, t.Any]
) -> None:
    assert {device["device_name"]: device["host"] for device in read(completed, "once")["devices"]} == {
        "pc-1": "host-1",
        "pc-2": "host-2",
    }
    assert results["once"]["paths"]["html"] == str(completed[0] / "evidence" / "once.html")
    assert not (completed[0] / "evidence" / "once-2.json").exists()
    assert stat.S_IMODE((completed[0] / "evidence" / "once.json").stat().st_mode) == 0o600


def test_concurrent_hosts_lose_no_device(completed: tuple[Path, CommandResult]) -> None:
    assert sorted(device["device_name"] for device in read(completed, "each")["devices"]) == ["host-1", "host-2"]


def test_a_loop_adds_each_item(completed: tuple[Path, CommandResult], results: dict[str, t.Any]) -> None:
    assert [device["device_name"] for device in read(completed, "loop")["devices"]] == ["pc-1", "pc-2"]
    assert [each["summary"] for each in results["loop"]["results"]] == [
        {"total": 1, "added": 1},
        {"total": 2, "added": 1},
    ]


def test_check_mode_writes_a_prediction(completed: tuple[Path, CommandResult], results: dict[str, t.Any]) -> None:
    assert read(completed, "check")["prediction"]
    assert results["check"]["msg"].startswith("Prediction: ")


def test_a_delegated_task_writes_on_the_controller(
    completed: tuple[Path, CommandResult], results: dict[str, t.Any]
) -> None:
    assert results["delegated"]["paths"]["json"] == str(completed[0] / "evidence" / "delegated.json")
    assert read(completed, "delegated")["devices"] == read(completed, "local")["devices"]


def test_values_are_never_templates_in_the_files_and_in_the_result(
    completed: tuple[Path, CommandResult], results: dict[str, t.Any]
) -> None:
    document = read(completed, "hostile")
    assert (document["comment"], document["devices"][0]["device_name"]) == (TEMPLATE, TEMPLATE)
    assert results["malicious"]["devices"][0]["device_name"] == results["seen"] == TEMPLATE
    assert not list(completed[0].glob("**/ran"))


@pytest.mark.parametrize(
    ("name", "part"), [("full", "full.csv is a directory"), ("old", "Unsupported parameters")], ids=["path", "option"]
)
def test_a_failure_fails_the_task_with_the_devices_and_the_ids(
    completed: tuple[Path, CommandResult], results: dict[str, t.Any], name: str, part: str
) -> None:
    assert results[name]["failed"]
    assert part in results[name]["msg"]
    assert "action-of-pc-1" in results[name]["msg"]
    assert [device["action_id"] for device in results[name]["devices"]] == ["action-of-pc-1"]
    assert not (completed[0] / "evidence" / f"{name}.json").exists()


def test_the_keys_are_the_same_in_check_mode_and_with_delegation(results: dict[str, t.Any]) -> None:
    assert set(results["once"]) == set(results["check"]) == set(results["delegated"])


def test_module_defaults_apply(completed: tuple[Path, CommandResult]) -> None:
    assert read(completed, "defaults")["kind"] == "verify"
