# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks, run by their full names from any directory, against the emulator."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.functional.support.ansible_command import (
    ANSIBLE_PLAYBOOK,
    COLLECTION,
    AnsibleCommand,
)
from ansible_collections.secops.mde.tests.functional.support.sample_runs import AWX, COMMENT, fleet
from ansible_collections.secops.mde.tests.unit.support.module_run import posts, sign_ins

DAY = 86400.0


# -- offboard ------------------------------------------------------------------------------------------------


def test_each_host_has_the_outcome_of_its_own_device(emulator: Emulator, runbook: AnsibleCommand) -> None:
    devices = fleet(emulator, 7)
    emulator.update_device(devices[3].id, fate="unsupported_os", os_platform="macOS")
    runbook.inventory({f"host-{n}": {"mde_device_id": device.id} for n, device in enumerate(devices)})

    predicted = runbook.run("offboard", "--check", mde_hosts="all", **COMMENT)
    assert predicted.code == 0, predicted.output
    assert posts(emulator) == 0
    assert all(counts["changed"] == 1 for counts in predicted.recap.values())
    assert "Prediction: 7 of 7 devices: 7 submitted." in predicted.one_line
    (prediction,) = runbook.evidence()
    assert (prediction["prediction"], prediction["complete"], len(prediction["devices"])) == (True, True, 7)

    emulator.log.clear()
    completed = runbook.run("offboard", "--limit", "host-*", **AWX, **COMMENT)
    assert completed.code == 2
    assert {host for host, counts in completed.recap.items() if counts["failed"]} == {"host-3"}
    assert {host for host, counts in completed.recap.items() if counts["changed"] == 1} == set(completed.recap) - {
        "host-3"
    }
    assert "OsPlatformNotSupported" in completed.one_line
    assert '"7 of 7 devices: 1 refused, 6 submitted.' in completed.one_line
    assert [call.method for call in emulator.calls("api")].count("GET") == 2
    evidence = runbook.evidence()[-1]
    assert [device["host"] for device in evidence["devices"]] == [f"host-{n}" for n in range(7)]
    assert [device["outcome"] for device in evidence["devices"]].count("submitted") == 6
    assert (evidence["run"]["operator"], evidence["run"]["job_id"]) == ("operator", "4711")
    assert list((runbook.folder / "mde-evidence").glob("mde-offboard-2*-job4711.html"))
    assert "This path is lost with the job's container. Set mde_evidence_dir" in completed.one_line
    assert list(completed.summaries) == ["mde_offboard_4711"]
    summary = completed.summaries["mde_offboard_4711"]
    assert set(summary["action_ids"]) == {action["id"] for action in emulator.actions()}
    assert (summary["total"], summary["changed"], summary["failed"], summary["prediction"]) == (7, 6, 1, False)
    assert (evidence["device_count"], evidence["prediction"], evidence["comment"]) == (7, False, "CHG-1044 retired")

    actions = len(emulator.actions())
    again = runbook.run("offboard", "--limit", "all:!host-3", **COMMENT)
    assert again.code == 0, again.output
    assert all(counts["changed"] == 0 for counts in again.recap.values())
    assert len(again.recap) == 6
    assert len(emulator.actions()) == actions
    assert [call.path for call in emulator.calls("api", "POST")].count(f"/api/machines/{devices[3].id}/offboard") == 1


def test_hosts_are_identified_by_name_id_or_entra_id(emulator: Emulator, runbook: AnsibleCommand) -> None:
    guid = "11112222-bbbb-3333-cccc-4444dddd5555"
    emulator.add_device(Device(name="pc-1.corp.example"))
    emulator.add_device(Device(name="pc-2.corp.example"))
    emulator.add_device(Device(name="pc-3.corp.example", aad_device_id=guid))
    runbook.inventory(
        {"pc-1.corp.example": {}, "b": {"mde_device_name": "PC-2.corp.example"}, "c": {"mde_aad_device_id": guid}}
    )
    completed = runbook.run("offboard", mde_hosts="all", **COMMENT)
    assert completed.code == 0, completed.output
    names = {device["host"]: device["device_name"] for device in runbook.evidence()[0]["devices"]}
    assert names == {"pc-1.corp.example": "pc-1.corp.example", "b": "pc-2.corp.example", "c": "pc-3.corp.example"}


def test_an_inventory_with_duplicate_names_acts_by_id(emulator: Emulator, runbook: AnsibleCommand) -> None:
    duplicates = [emulator.add_device(Device(name="duplicate.corp.example", tags=["retire"])) for _number in range(2)]
    emulator.add_device(Device(name="other.corp.example"))
    path = runbook.folder / "retire.mde_machines.yml"
    path.write_text("plugin: secops.mde.mde_machines\ntag: retire\n", "utf-8")
    completed = runbook.run("offboard", "-i", str(path), mde_hosts="all", **COMMENT)
    assert completed.code == 0, completed.output
    assert sorted(action["machineId"] for action in emulator.actions()) == sorted(
        duplicate.id for duplicate in duplicates
    )


@pytest.mark.parametrize(
    ("playbook", "value"),
    [
        ("offboard", "mde_comment=CHG-1 retired"),
        ("offboard", "mde_hosts=all pc-2"),
        ("verify", "mde_action_ids=1a 2b"),
    ],
)
def test_a_value_of_an_extra_variable_that_ansible_cut_at_a_blank_is_refused(
    playbook: str, value: str, emulator: Emulator, runbook: AnsibleCommand
) -> None:
    runbook.inventory({device.name or "": {} for device in fleet(emulator, 2)})
    ran = runbook.run(playbook, "-e", value, **({"mde_hosts": "all", **COMMENT} if playbook == "offboard" else {}))
    assert ran.code == 2
    assert f'-e has "{value.split()[1]}" without a name' in ran.one_line
    assert emulator.calls("api") == []


def test_settings_of_the_hosts_do_not_reach_the_controller(emulator: Emulator, runbook: AnsibleCommand) -> None:
    (device,) = fleet(emulator, 1)
    windows = {"ansible_connection": "winrm", "ansible_shell_type": "powershell", "ansible_become": "true"}
    runbook.inventory({device.name or "": {**windows, "ansible_python_interpreter": "/nowhere/python"}})
    assert runbook.run("offboard", mde_hosts="all", **COMMENT).code == 0


@pytest.mark.matrix_only
def test_settings_of_all_hosts_and_of_localhost_do_not_reach_the_controller(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    hosts: dict[str, dict[str, str]] = {device.name or "": {} for device in fleet(emulator, 3)}
    windows = {"ansible_connection": "winrm", "ansible_shell_type": "powershell", "ansible_become": "true"}
    hosts["localhost"] = {"ansible_connection": "ssh", "ansible_python_interpreter": "/nowhere/python"}
    (runbook.folder / "hosts.yml").write_text(json.dumps({"all": {"vars": windows, "hosts": hosts}}), "utf-8")
    runbook.variables["ANSIBLE_STRATEGY"] = "free"
    completed = runbook.run("offboard", mde_hosts="all:!localhost", **COMMENT)
    assert completed.code == 0, completed.output
    assert (posts(emulator), len(runbook.evidence())) == (3, 1)
    listed = runbook.run("offboard_list", mde_devices="pc-0000.corp.example", **COMMENT)
    assert listed.code == 0, listed.output
    verified = runbook.run("verify", mde_action_ids=[action["id"] for action in emulator.actions()])
    assert verified.code == 0, verified.output


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"mde_hosts": None, **COMMENT}, "Select the hosts with --limit or -e mde_hosts=PATTERN"),
        ({}, "mde_comment is missing"),
        (
            {"mde_max_devices": 2, **COMMENT},
            "3 devices exceed mde_max_devices (2). To allow them, set -e mde_max_devices=3.",
        ),
        (
            {"mde_batch_size": 0, "mde_force": "perhaps", **COMMENT},
            "mde_batch_size is 0. It must be a whole number from 1 to",
        ),
        ({"mde_tag": "two\nlines", **COMMENT}, "mde_tag must be one line"),
        ({"mde_hosts": 20261044, **COMMENT}, "mde_hosts arrived as the number 20261044"),
    ],
)
def test_invalid_variables_are_errors_before_the_first_request(
    emulator: Emulator, runbook: AnsibleCommand, variables: dict[str, t.Any], expected: str
) -> None:
    runbook.inventory({device.name or "": {} for device in fleet(emulator, 3)})
    given = {"mde_hosts": "all", **variables}
    completed = runbook.run("offboard", **{name: value for name, value in given.items() if value is not None})
    assert completed.code != 0
    assert expected in completed.one_line
    assert emulator.calls() == []
    assert not (runbook.folder / "mde-evidence").exists()


@pytest.mark.parametrize("size", [1, 100])
def test_one_invalid_host_of_many_stops_the_run_before_the_first_request(
    emulator: Emulator, runbook: AnsibleCommand, size: int
) -> None:
    hosts: dict[str, dict[str, str]] = {f"pc-{n:03d}.corp.example": {} for n in range(1, 251)}
    hosts["pc-200.corp.example"] = {"mde_aad_device_id": "N/A"}
    hosts["localhost"] = {}
    runbook.inventory(hosts)
    completed = runbook.run("offboard", mde_hosts="all", mde_batch_size=size, mde_max_devices=300, **COMMENT)
    assert completed.code == 2
    assert (
        "host pc-200.corp.example, mde_aad_device_id: aad_device_id: 'N/A' is not an Entra device ID"
        in completed.one_line
    )
    assert "host localhost is the controller, not a device" in completed.one_line
    assert "Nothing was done" not in completed.one_line
    assert emulator.calls() == []


def test_a_pattern_that_matches_no_host_fails_the_run(emulator: Emulator, runbook: AnsibleCommand) -> None:
    runbook.inventory({device.name or "": {} for device in fleet(emulator, 1)})
    completed = runbook.run("offboard", mde_hosts="retierd", **COMMENT)
    assert completed.code != 0
    assert 'mde_hosts is "retierd", which matches no host of the inventory.' in completed.one_line
    assert emulator.calls() == []


@pytest.mark.parametrize(
    ("playbook", "options", "expected"),
    [
        ("offboard", ["-i", "nowhere.yml"], "for all 0 hosts of the inventory"),
        ("offboard", ["-i", "nowhere.yml", "-e", "mde_hosts=all"], "No host of the inventory is selected"),
        ("offboard", ["-i", "nowhere.yml", "--limit", "pc-1"], "No host of the inventory is selected"),
        (
            "offboard",
            ["-i", "pc-1,pc-2", "--limit", "pc-1", "-e", "mde_hosts=pc-2"],
            "which matches no host of the inventory.",
        ),
        ("offboard_list", ["-i", "pc-1,", "--limit", "pc-1", "-e", "mde_devices=pc-1"], "--limit excludes localhost"),
        ("verify", ["-i", "pc-1,", "--limit", "pc-1", "-e", "mde_action_ids=a"], "--limit excludes localhost"),
        (
            "offboard",
            ["-i", "pc-1,", "--tags", "nothing", "-e", "mde_hosts=all"],
            "its tags skip the tasks of this playbook",
        ),
        ("offboard_list", ["--tags", "nothing", "-e", "mde_devices=pc-1"], "its tags skip the tasks of this playbook"),
        ("verify", ["--skip-tags", "all", "-e", "mde_action_ids=a"], "its tags skip the tasks of this playbook"),
        ("verify", ["--skip-tags", "all,always", "-e", "mde_action_ids=a"], "--skip-tags always skips the check"),
        (
            "offboard",
            ["-i", "pc-1,", "--skip-tags", "always", "-e", "mde_hosts=all"],
            "--skip-tags always skips the check",
        ),
    ],
)
def test_a_run_that_considers_no_device_fails(
    emulator: Emulator, runbook: AnsibleCommand, playbook: str, options: list[str], expected: str
) -> None:
    completed = runbook.run(playbook, *options, "-e", "mde_comment=CHG-1044")
    assert completed.code != 0, completed.output
    assert expected in completed.one_line
    assert emulator.calls() == []


@pytest.mark.parametrize(
    ("playbook", "options"),
    [
        ("offboard", ["-i", "nowhere.yml", "-e", "mde_hosts=all"]),
        ("offboard_list", ["-i", "pc-1,", "--limit", "pc-1"]),
        ("offboard_list", ["-e", "mde_devices=''"]),
        ("verify", ["-e", "mde_action_ids=''"]),
        ("verify", ["--tags", "nothing", "-e", "mde_action_ids=a"]),
    ],
)
def test_a_run_that_considers_no_device_succeeds_if_that_is_allowed(
    emulator: Emulator, runbook: AnsibleCommand, playbook: str, options: list[str]
) -> None:
    completed = runbook.run(playbook, *options, "-e", "mde_comment=CHG-1044 mde_allow_empty=yes")
    assert completed.code == 0, completed.output
    assert emulator.calls() == []


def test_a_playbook_that_is_imported_with_a_tag_runs_with_that_tag(emulator: Emulator, runbook: AnsibleCommand) -> None:
    (device,) = fleet(emulator, 1)
    site = [{"name": "Retire", "ansible.builtin.import_playbook": "secops.mde.offboard_list", "tags": ["retire"]}]
    (runbook.folder / "site.yml").write_text(json.dumps(site), "utf-8")
    options = ["--tags", "retire", "-e", json.dumps({"mde_devices": [device.name], **COMMENT})]
    completed = runbook.execute(*ANSIBLE_PLAYBOOK, "site.yml", *options)
    assert completed.code == 0, completed.output
    assert posts(emulator) == 1


def test_mde_hosts_in_the_inventory_stops_the_run(emulator: Emulator, runbook: AnsibleCommand) -> None:
    names = [device.name or "" for device in fleet(emulator, 3)]
    runbook.inventory({name: {"mde_hosts": names[0]} for name in names})
    completed = runbook.run("offboard", **COMMENT)
    assert completed.code == 2, completed.output
    assert f"mde_hosts is {names[0]}, but this run has other hosts as well" in completed.one_line
    assert emulator.calls() == []
    chosen = runbook.run("offboard", "--check", mde_hosts=[names[0], names[2]], **COMMENT)
    assert chosen.code == 0, chosen.output
    assert set(chosen.recap) == {names[0], names[2]}


def test_a_failed_sign_in_is_one_line_and_fails_every_host_and_is_in_the_evidence(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    runbook.inventory({device.name or "": {} for device in fleet(emulator, 5)})
    runbook.variables["MDE_CLIENT_SECRET"] = "made-up-and-wrong"
    completed = runbook.run("offboard", mde_hosts="all", mde_batch_size=2, **AWX, **COMMENT)
    assert completed.code == 2
    assert [counts["failed"] for counts in completed.recap.values()] == [1] * 5
    assert completed.times("AADSTS7000215") == 1
    assert completed.times("No outcome, because the run ended early.") == 4
    assert sign_ins(emulator) == 1
    (evidence,) = runbook.evidence()
    assert {device["error"]["code"] for device in evidence["devices"]} == {"sign_in_failed"}
    assert (len(evidence["devices"]), evidence["device_count"], evidence["complete"]) == (2, 5, False)
    summary = completed.summaries["mde_offboard_4711"]
    assert (summary["total"], summary["changed"], summary["failed"], summary["action_ids"]) == (5, 0, 5, [])
    assert "made-up-and-wrong" not in completed.output


@pytest.mark.parametrize("playbook", ["offboard", "offboard_list"])
def test_a_sign_in_that_fails_later_ends_the_run_after_the_results_are_written(
    emulator: Emulator, runbook: AnsibleCommand, playbook: str
) -> None:
    names = [device.name or "" for device in fleet(emulator, 5)]
    given: dict[str, t.Any] = {"mde_devices": names}
    if playbook == "offboard":
        runbook.inventory({name: {} for name in names})
        given = {"mde_hosts": "all"}
    refusal = {"error": "invalid_client", "error_description": "AADSTS7000215: Invalid client secret provided."}
    emulator.fault(
        service="entra", method="POST", kind="body", status=401, body=json.dumps(refusal), after=1, times=None
    )
    completed = runbook.run(playbook, mde_batch_size=2, **given, **AWX, **COMMENT)
    assert completed.code == 2
    assert completed.times("AADSTS7000215") == 1
    assert (posts(emulator), sign_ins(emulator)) == (2, 2)
    evidence = runbook.evidence(playbook)[0]
    assert [device["outcome"] for device in evidence["devices"]] == ["submitted"] * 2 + ["error"] * 2
    summary = completed.summaries[f"mde_{playbook}_4711"]
    assert set(summary["action_ids"]) == {action["id"] for action in emulator.actions()}
    assert (summary["total"], summary["changed"], summary["failed"]) == (5, 2, 3)
    if playbook == "offboard":
        assert [counts["changed"] for counts in completed.recap.values()] == [1, 1, 0, 0, 0]
        assert [counts["failed"] for counts in completed.recap.values()] == [0, 0, 1, 1, 1]
    else:
        assert "3 of 5 devices failed." in completed.one_line


def test_a_module_that_rejects_its_options_shows_the_reason_and_ends_the_run(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    runbook.variables["MDE_API_URL"] = "ftp://api.example"
    completed = runbook.run("offboard_list", mde_devices=["pc-1", "pc-2"], mde_batch_size=1, **COMMENT)
    assert completed.code == 2
    assert completed.times("ftp://api.example") == 1
    assert "2 of 2 devices failed." in completed.one_line
    assert emulator.calls() == []


def test_a_module_that_is_killed_ends_the_run_without_a_result_of_its_batch(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    names = [device.name or "" for device in fleet(emulator, 3)]
    runbook.inventory({name: {} for name in names})
    (runbook.folder / "requests.py").write_text("import os\nos._exit(9)\n", "utf-8")
    runbook.variables["PYTHONPATH"] = f"{runbook.folder}{os.pathsep}{runbook.variables['PYTHONPATH']}"
    completed = runbook.run("offboard", mde_hosts="all", mde_batch_size=2, **COMMENT)
    assert completed.code == 2
    assert (
        completed.times("The batch starting at device 1 has no result, and some of its devices can be offboarded.") == 1
    )
    assert [counts["failed"] for counts in completed.recap.values()] == [1, 1, 1]
    assert runbook.evidence()[0]["complete"] is False


@pytest.mark.matrix_only
def test_a_failed_tag_is_a_warning_and_does_not_fail_the_run(emulator: Emulator, runbook: AnsibleCommand) -> None:
    devices = fleet(emulator, 2)
    runbook.inventory({device.name or "": {} for device in devices})
    app = emulator.add_app("tagger", roles=["Machine.Offboard", "Machine.Read.All"], secret="made-up-of-tagger")
    runbook.variables.update({"MDE_CLIENT_ID": app.client_id, "MDE_CLIENT_SECRET": "made-up-of-tagger"})
    completed = runbook.run("offboard", mde_hosts="all", mde_tag="retired", **COMMENT)
    assert completed.code == 0, completed.output
    warning = " ".join(completed.output.partition("[WARNING]: Not tagged: ")[2].split())
    assert warning.startswith("pc-0000.corp.example, pc-0001.corp.example. ")
    assert "Machine.ReadWrite.All" in warning.partition("TASK")[0]
    assert "Machine.ReadWrite.All" in str([device["tag"] for device in runbook.evidence()[0]["devices"]])

    app = emulator.add_app("writer", roles=["Machine.Offboard", "Machine.ReadWrite.All"], secret="made-up-of-writer")
    runbook.variables.update({"MDE_CLIENT_ID": app.client_id, "MDE_CLIENT_SECRET": "made-up-of-writer"})
    emulator.fault(kind="html_404", method="GET", path="/machines", after=1, times=None)
    assert "Not tagged: pc-0000" in runbook.run("offboard", mde_hosts="all", mde_tag="retired", **COMMENT).one_line
    emulator.clear_faults()
    assert "Not tagged" not in runbook.run("offboard", mde_hosts="all", mde_tag="retired", **COMMENT).one_line


def test_a_device_that_is_not_onboarded_is_named_among_those_to_exclude_later(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    emulator.add_device(Device(name="never.corp.example", onboarding_status="CanBeOnboarded"))
    emulator.grant("Machine.ReadWrite.All")
    completed = runbook.run("offboard_list", mde_devices=["never.corp.example"], mde_exclude="Other", **COMMENT)
    assert completed.code == 0, completed.output
    assert "1 not_onboarded. To be excluded after verify: never.corp.example." in completed.one_line


@pytest.mark.matrix_only
def test_only_devices_that_are_offboarded_are_excluded_and_the_others_are_named(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    quick: dict[str, t.Any] = {"poll_seconds": 0.1, "ack_seconds": 0.1}
    off = emulator.add_device(Device(name="off.corp.example", fate="offline", last_seen="5d"))
    emulator.add_action(off.id, status="Succeeded", age="3d")
    emulator.add_device(Device(name="now.corp.example", **quick))
    emulator.add_device(Device(name="later.corp.example", fate="offline"))
    names = ["off.corp.example", "now.corp.example", "later.corp.example"]
    given: dict[str, t.Any] = {"mde_devices": names, "mde_exclude": "inactivedevice", **COMMENT}
    emulator.grant("Machine.ReadWrite.All")

    predicted = runbook.run("offboard_list", "--check", **given)
    assert predicted.code == 0, predicted.output
    assert "To be excluded after verify: now.corp.example, later.corp.example." in predicted.one_line
    assert posts(emulator) == 0
    completed = runbook.run("offboard_list", mde_wait=True, mde_wait_timeout=2, **given)
    assert completed.code == 2  # the action of later.corp.example was not finished in time
    assert "To be excluded after verify: later.corp.example." in completed.one_line
    assert "Not excluded" not in completed.one_line
    excluded = [call.path.split("/")[-2] for call in emulator.calls("api", "POST", "setExclusion")]
    shown = {machine["computerDnsName"]: machine["exclusionReason"] for machine in map(emulator.machine, excluded)}
    assert shown == {"off.corp.example": "InactiveDevice", "now.corp.example": "InactiveDevice"}


def test_a_failed_exclusion_is_a_warning_with_the_reason(emulator: Emulator, runbook: AnsibleCommand) -> None:
    device = emulator.add_device(Device(name="off.corp.example", fate="offline", last_seen="5d"))
    emulator.add_action(device.id, status="Succeeded", age="3d")
    emulator.grant("Machine.ReadWrite.All")
    emulator.knobs.update({"exclusion": "missing"})
    completed = runbook.run("offboard_list", mde_devices=[device.name], mde_exclude="Other", **COMMENT)
    assert completed.code == 0, completed.output
    warning = " ".join(completed.output.partition("[WARNING]: Not excluded: ")[2].split())
    assert warning.startswith("off.corp.example. ")
    assert "Microsoft does not document this call" in warning


def test_evidence_that_can_no_longer_be_written_ends_the_run_with_the_results_and_action_ids(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    names = [device.name or "" for device in fleet(emulator, 5)]
    runbook.inventory({name: {} for name in names})

    def replace_page_with_directory(_call: object) -> str:
        (page,) = (runbook.folder / "mde-evidence").glob("*.html")
        page.unlink()
        page.mkdir()
        return "{}"

    # The fault occurs when the second batch reads its devices. The module repeats the read.
    emulator.fault(kind="body", status=503, body=replace_page_with_directory, method="GET", path="/machines", after=1)
    completed = runbook.run("offboard", mde_hosts="all", mde_batch_size=2, **AWX, **COMMENT)
    assert completed.code == 2
    assert len(emulator.actions()) == 4
    assert completed.times("Keep the action IDs of this batch") == 1
    assert [counts["changed"] for counts in completed.recap.values()] == [1, 1, 0, 0, 0]
    assert [counts["failed"] for counts in completed.recap.values()] == [0, 0, 1, 1, 1]
    summary = completed.summaries["mde_offboard_4711"]
    assert set(summary["action_ids"]) == {action["id"] for action in emulator.actions()}
    assert (summary["total"], summary["changed"], summary["failed"]) == (5, 4, 3)


def test_an_aborted_run_leaves_evidence_and_the_next_run_finishes_the_rest(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    devices = fleet(emulator, 10)
    runbook.inventory({device.name or "": {} for device in devices})
    command = runbook.command("offboard", mde_hosts="all", mde_batch_size=2, **COMMENT)
    # The fourth batch hangs at its first read until it is killed.
    emulator.fault(kind="hang", method="GET", path="/machines", after=3, times=None)
    first = subprocess.Popen(
        command, cwd=runbook.folder, env=runbook.variables, stdout=subprocess.DEVNULL, start_new_session=True
    )
    try:
        give_up = time.monotonic() + 120
        while len([call for call in emulator.calls("api", "GET") if call.path == "/api/machines"]) < 4:
            assert first.poll() is None
            assert time.monotonic() < give_up
            time.sleep(0.05)
    finally:
        os.killpg(first.pid, signal.SIGKILL)
        first.wait()
    (left,) = runbook.evidence()
    assert (len(left["devices"]), left["complete"], left["device_count"]) == (6, False, 10)
    assert len(emulator.actions()) == 6

    emulator.clear_faults()
    completed = runbook.run("offboard", mde_hosts="all", mde_batch_size=5, **COMMENT)
    assert completed.code == 0, completed.output
    outcomes = [device["outcome"] for device in runbook.evidence()[-1]["devices"]]
    assert outcomes == ["in_progress"] * 6 + ["submitted"] * 4
    assert len(emulator.actions()) == 10


def installed() -> set[Path]:
    """Return the files in those directories of the collection to which a relative path could refer."""
    found = {path for folder in ("playbooks", "plugins") for path in (COLLECTION / folder).rglob("*")}
    return {path for path in found | set(COLLECTION.iterdir()) if "cache" not in str(path.relative_to(COLLECTION))}


# -- a list --------------------------------------------------------------------------------------------------


def test_relative_paths_start_in_the_directory_of_the_command(emulator: Emulator, runbook: AnsibleCommand) -> None:
    devices = fleet(emulator, 3)
    rows = [["Device ID", "Device name"], *([device.id, device.name or ""] for device in devices)]
    with (runbook.folder / "export.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)
    before = installed()
    completed = runbook.run("offboard_list", mde_devices_file="export.csv", mde_evidence_dir="proof/here", **COMMENT)
    assert completed.code == 0, completed.output
    assert completed.recap["localhost"]["changed"] == 1
    (evidence,) = runbook.evidence("offboard_list", "proof/here")
    assert [device["device_id"] for device in evidence["devices"]] == [device.id for device in devices]
    assert installed() == before


def test_text_of_a_survey_is_a_list_and_each_batch_reports_progress(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    names = "\n".join(device.name or "" for device in fleet(emulator, 5))
    # AWX sends empty fields of a survey as empty text.
    completed = runbook.run(
        "offboard_list", mde_devices=names, mde_batch_size="2", mde_evidence_dir="", awx_job_id=7, **COMMENT
    )
    assert completed.code == 0, completed.output
    assert len(runbook.evidence("offboard_list")) == 1
    assert "This path is lost with the job's container" in completed.one_line
    assert "2 of 5 devices: 2 submitted." in completed.one_line
    assert "5 of 5 devices: 1 submitted." in completed.one_line


def test_a_device_that_fails_fails_the_run_and_does_not_stop_the_others(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    fleet(emulator, 2)
    names = ["pc-0000.corp.example", "typo.corp.example", "pc-0001.corp.example"]
    completed = runbook.run("offboard_list", mde_devices=names, **COMMENT)
    assert completed.code == 2
    assert "1 of 3 devices failed. device_name typo.corp.example was not found" in completed.one_line
    assert len(emulator.actions()) == 2
    accepted = runbook.run("offboard_list", mde_devices=names, mde_missing_ok="yes", **COMMENT)
    assert accepted.code == 0, accepted.output


@pytest.mark.matrix_only
def test_the_external_id_is_sent_and_kept_in_the_evidence(emulator: Emulator, runbook: AnsibleCommand) -> None:
    names = [device.name for device in fleet(emulator, 2)]
    completed = runbook.run("offboard_list", mde_devices=names, mde_external_id="CHG-1044", mde_batch_size=1, **COMMENT)
    assert completed.code == 0, completed.output
    sent = [action["externalId"] for action in emulator.actions()]
    assert len(set(sent)) == 2
    assert all(value.endswith(" CHG-1044") for value in sent)
    assert sorted(device["external_id"] for device in runbook.evidence("offboard_list")[0]["devices"]) == sorted(sent)
    without = runbook.run("offboard_list", mde_devices=names, mde_send_external_id=False, mde_force=True, **COMMENT)
    assert without.code == 0, without.output


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (COMMENT, "No devices specified. Set either mde_devices"),
        (
            {"mde_devices": ["pc-1"], "mde_devices_file": "x.txt", **COMMENT},
            "Both mde_devices and mde_devices_file are set",
        ),
        ({"mde_devices": [], **COMMENT}, "The list has no devices"),
        ({"mde_devices": "please retire the kiosk", **COMMENT}, "please retire the kiosk"),
        ({"mde_devices_file": "nowhere.csv", **COMMENT}, "nowhere.csv"),
        ({"mde_devices": ["pc-1"], "mde_evidence_dir": "/dev/null", **COMMENT}, "Cannot write evidence to /dev/null"),
    ],
)
def test_an_invalid_list_is_an_error_before_the_first_request(
    emulator: Emulator, runbook: AnsibleCommand, variables: dict[str, t.Any], expected: str
) -> None:
    completed = runbook.run("offboard_list", **variables)
    assert completed.code == 2
    assert expected in completed.one_line
    assert emulator.calls() == []


@pytest.mark.parametrize("playbook", ["offboard", "offboard_list"])
def test_several_devices_of_which_none_is_found_always_fail_the_run(
    emulator: Emulator, runbook: AnsibleCommand, playbook: str
) -> None:
    names = ["gone-1.corp.example", "gone-2.corp.example", "gone-3.corp.example"]
    given: dict[str, t.Any] = {"mde_devices": names}
    if playbook == "offboard":
        runbook.inventory({name: {} for name in names})
        given = {"mde_hosts": "all"}
    completed = runbook.run(playbook, mde_missing_ok=True, mde_batch_size=2, **given, **COMMENT)
    assert completed.code == 2
    assert completed.times("None of the 3 devices was found") == 1
    if playbook == "offboard":
        assert [counts["failed"] for counts in completed.recap.values()] == [1, 1, 1]
        one = runbook.run(playbook, "--limit", names[0], mde_missing_ok=True, **COMMENT)
        assert one.code == 0, one.output


# -- what AWX and ansible-core do to values --------------------------------------------------------------------

OF_OFFBOARD = (
    *("mde_allow_empty", "mde_batch_size", "mde_columns", "mde_comment", "mde_devices", "mde_devices_file"),
    *("mde_evidence_dir", "mde_exclude", "mde_external_id", "mde_force", "mde_match_short_names", "mde_max_devices"),
    *("mde_missing_ok", "mde_send_external_id", "mde_tag", "mde_wait", "mde_wait_timeout"),
)
OF_VERIFY = ("mde_action_ids", "mde_allow_empty", "mde_comment", "mde_evidence", "mde_evidence_dir", "mde_fail_on")
EMPTY_VALUES = ("null", "''", "!unsafe ''")


@pytest.mark.matrix_only
def test_every_variable_in_every_type_is_unset_or_used_or_an_error(runbook: AnsibleCommand) -> None:
    """Run the files that check the variables for all cases in one process, with a task that shows each result."""
    plays = ["- hosts: localhost", "  gather_facts: false", "  tasks:"]
    kinds = {
        **dict(zip(EMPTY_VALUES, EMPTY_VALUES, strict=True)),
        "number": "20261044",
        "boolean": "false",
        "date": "2026-10-01",
    }
    for entry_point, names in {"offboard": OF_OFFBOARD, "verify": OF_VERIFY}.items():
        for kind, value in kinds.items():
            plays += [
                "    - block:",
                f"        - ansible.builtin.include_tasks: {COLLECTION}/roles/mde/tasks/check.yml",
                "      rescue:",
                "        - ansible.builtin.debug: {msg: refused}",
                "      always:",
                "        - ansible.builtin.copy:",
                f"            dest: {json.dumps(f'{runbook.folder}/{entry_point} {kind}.json')}",
                '            content: "{{ __mde_input | to_json }}"',
                "      vars:",
                f"        __mde_entry_point: {entry_point}",
                *(f"        {name}: {value}" for name in names),
            ]
    (runbook.folder / "types.yml").write_text("\n".join(plays), "utf-8")
    completed = runbook.execute(*ANSIBLE_PLAYBOOK, "types.yml")
    assert completed.code == 0, completed.output
    found = {path.stem: json.loads(path.read_text("utf-8")) for path in runbook.folder.glob("* *.json")}
    assert len(found) == 12
    for empty in EMPTY_VALUES:
        assert [error.split()[0] for error in found[f"offboard {empty}"]["errors"]] == ["mde_comment"]
        (nothing,) = found[f"verify {empty}"]["errors"]
        assert nothing.startswith("Nothing to verify. Set either mde_evidence")
        assert found[f"offboard {empty}"]["options"] == found["offboard null"]["options"]
        assert found[f"verify {empty}"]["options"] == found["verify null"]["options"]
    for kind in ("number", "boolean", "date"):
        for entry_point, names in {"offboard": OF_OFFBOARD, "verify": OF_VERIFY}.items():
            checked = found[f"{entry_point} {kind}"]
            texts = {name for name in names if name in ("mde_comment", "mde_tag")}
            switches = {name for name in names if isinstance(found[f"{entry_point} null"]["options"][name[4:]], bool)}
            used = texts | ((switches - {"mde_devices"}) if kind == "boolean" else set())
            assert {error.split()[0].strip(":") for error in checked["errors"]} == set(names) - used
            assert {warning.split()[0] for warning in checked["converted"]} == texts
    assert "[WARNING]" not in completed.output  # if a value is rejected, no value is used


@pytest.mark.matrix_only
def test_a_survey_whose_other_answers_are_empty_runs_with_the_defaults(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    (device,) = fleet(emulator, 1)
    runbook.inventory({device.name or "": {}})
    for playbook, own in {"offboard": [], "offboard_list": [f"mde_devices: !unsafe '{device.name}'"]}.items():
        unset = set(OF_OFFBOARD) - {"mde_comment"} - ({"mde_devices"} if own else set())
        answers = [f"{name}: {EMPTY_VALUES[n % 3]}" for n, name in enumerate(sorted(unset))]
        answers += [*own, "mde_hosts: !unsafe ''", "mde_comment: !unsafe '20261044'"]
        (runbook.folder / "survey.yml").write_text("\n".join(answers), "utf-8")
        limit = ["--limit", device.name or ""] if playbook == "offboard" else []
        completed = runbook.run(playbook, "--check", "-e", "@survey.yml", *limit)
        assert completed.code == 0, completed.output
        assert runbook.evidence(playbook)[0]["comment"] == "20261044"
        # Before ansible-core 2.19 the tagged text is not evaluated.
        assert "mde_comment arrived as the number 20261044" in completed.one_line or "[WARNING]" not in completed.output
    action = emulator.add_action(device.id, status="TimeOut", age="3d")
    (runbook.folder / "survey.yml").write_text(
        f"mde_fail_on: !unsafe ''\nmde_evidence: ''\nmde_comment:\nmde_action_ids: !unsafe '{action['id']}'\n", "utf-8"
    )
    verified = runbook.run("verify", "-e", "@survey.yml")
    assert verified.code == 2
    assert "1 of 1 devices fail this run because of mde_fail_on: 1 timed_out." in verified.one_line


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("mde_hosts", "", "Select the hosts with --limit or -e mde_hosts=PATTERN"),
        ("mde_hosts", "!unsafe ''", "Select the hosts with --limit or -e mde_hosts=PATTERN"),
        ("mde_hosts", "false", "mde_hosts arrived as the boolean false"),
        ("mde_hosts", "2026-10-01", "mde_hosts arrived as the date 2026-10-01"),
        ("mde_allow_empty", "20261044", "mde_allow_empty is 20261044. It must be true or false."),
        ("mde_allow_empty", "2026-10-01", "mde_allow_empty is 2026-10-01. It must be true or false."),
    ],
)
def test_the_variables_that_select_hosts_are_unset_or_an_error_in_every_type(
    emulator: Emulator, runbook: AnsibleCommand, name: str, value: str, expected: str
) -> None:
    runbook.inventory({device.name or "": {} for device in fleet(emulator, 2)})
    others = "" if name == "mde_hosts" else "mde_hosts: all\n"
    (runbook.folder / "survey.yml").write_text(f"{others}mde_comment: CHG-1044\n{name}: {value}\n", "utf-8")
    ran = runbook.run("offboard", "-e", "@survey.yml")
    assert ran.code != 0
    assert expected in ran.one_line, ran.one_line
    assert emulator.calls() == []


def test_columns_reach_the_filter(emulator: Emulator, runbook: AnsibleCommand) -> None:
    completed = runbook.run(
        "offboard_list", mde_devices="Computer\npc-1.corp.example", mde_columns={"device_name": "Nowhere"}, **COMMENT
    )
    assert completed.code == 2
    assert "the header 'Nowhere', which columns names, is missing in 'Computer'" in completed.one_line
    assert emulator.calls() == []


def test_mde_columns_decides_which_column_is_the_device(emulator: Emulator, runbook: AnsibleCommand) -> None:
    emulator.add_devices([Device(name="old.corp.example", fate="offline"), Device(name="new.corp.example")])
    table = "Aktiv,Ersatz\nold.corp.example,new.corp.example"
    completed = runbook.run("offboard_list", mde_devices=table, mde_columns="device_name=Aktiv", **COMMENT)
    assert completed.code == 0, completed.one_line
    assert [action["computerDnsName"] for action in emulator.actions()] == ["old.corp.example"]


def test_names_and_comments_are_safe_and_complete_in_the_evidence(emulator: Emulator, runbook: AnsibleCommand) -> None:
    names = ["<script>alert(1)</script>", '"quoted", and more', "line\nbreak", "{{ 7 * 6 }}", "gerät-7"]
    devices = [emulator.add_device(Device(name=name, fate="offline")) for name in names]
    ids = [device.id for device in devices]
    completed = runbook.run("offboard_list", mde_devices=ids, mde_comment="=1+1 retired")
    assert completed.code == 0, completed.output
    (evidence,) = runbook.evidence("offboard_list")
    assert [device["device_name"] for device in evidence["devices"]] == names
    page = next((runbook.folder / "mde-evidence").glob("*.html")).read_text("utf-8")
    assert "<script>alert" not in page
    with next((runbook.folder / "mde-evidence").glob("*.csv")).open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(names)
    assert not [cell for row in table for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


@pytest.mark.matrix_only
def test_the_setting_jinja2_native_changes_nothing(emulator: Emulator, runbook: AnsibleCommand) -> None:
    """Before ansible-core 2.19, templates with it return tuples, and numbers for text that looks like one."""
    emulator.grant("Machine.ReadWrite.All")
    runbook.variables["ANSIBLE_JINJA2_NATIVE"] = "true"
    devices = fleet(emulator, 3)
    emulator.update_device(devices[2].id, fate="unsupported_os", os_platform="macOS")
    runbook.inventory({device.name or "": {} for device in devices})
    completed = runbook.run("offboard", mde_hosts="all", mde_comment="1.10", mde_tag="1.20", mde_external_id="1.30")
    assert completed.code == 2
    assert {host for host, counts in completed.recap.items() if counts["failed"]} == {devices[2].name}
    assert {action["requestorComment"] for action in emulator.actions()} == {"1.10"}
    assert all(emulator.machine(device.id)["machineTags"] == ["1.20"] for device in devices[:2])
    assert {call.body["ExternalId"].partition(" ")[2] for call in emulator.calls("api", "POST", "/offboard")} == {
        "1.30"
    }
    (evidence,) = runbook.evidence()
    assert (evidence["comment"], evidence["devices"][0]["tag"]["tag"]) == ("1.10", "1.20")
    assert len(completed.summaries["mde_offboard"]["action_ids"]) == 2
    verified = runbook.run("verify", mde_action_ids=completed.summaries["mde_offboard"]["action_ids"])
    assert (verified.code, "2 pending" in verified.one_line) == (0, True), verified.output


# -- days later ----------------------------------------------------------------------------------------------


def test_verify_reports_each_outcome_and_fails_for_devices_that_need_attention(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    fates = ["done", "came_back", "pending", "failed", "timed_out", "cancelled", "no_action"]
    # An online device reports daily and carries out its action.
    fields: dict[str, dict[str, t.Any]] = {
        "done": {"fate": "offline", "last_seen": "5d"},
        "pending": {"fate": "offline"},
    }
    devices = {
        fate: emulator.add_device(Device(name=f"{fate.replace('_', '-')}.corp.example", **fields.get(fate, {})))
        for fate in fates
    }
    ended = {"failed": "Failed", "timed_out": "TimeOut", "cancelled": "Cancelled", "pending": "Pending"}
    for fate in fates[:-1]:
        emulator.add_action(
            devices[fate].id, status=ended.get(fate, "Succeeded"), age="3d" if fate != "pending" else 60
        )
    requested = [{"device_id": devices[fate].id, "device_name": devices[fate].name, "action": None} for fate in fates]
    earlier = {"format": "secops.mde/evidence-1", "kind": "offboard", "devices": requested}
    (runbook.folder / "earlier.json").write_text(json.dumps(earlier), "utf-8")

    completed = runbook.run("verify", mde_evidence="earlier.json")
    assert completed.code == 2
    (evidence,) = runbook.evidence("verify")
    assert [device["outcome"] for device in evidence["devices"]] == fates
    for fate in fates:
        assert (
            f"{fate.replace('_', '-')}.corp.example"
            in completed.one_line.partition("fail this run because of mde_fail_on")[2]
        ) == (fate in ("failed", "timed_out", "cancelled", "came_back"))
    assert (
        "4 of 7 devices fail this run because of mde_fail_on: 1 came_back, 1 cancelled, 1 failed, 1 timed_out."
        in completed.one_line
    )
    assert "1 done, 1 came_back, 1 pending, 1 failed, 1 timed_out, 1 cancelled, 1 no_action" in completed.one_line
    assert posts(emulator) == 0
    lenient = runbook.run("verify", mde_evidence="earlier.json", mde_fail_on=[])
    assert lenient.code == 0, lenient.output
    strict = runbook.run("verify", mde_evidence="earlier.json", mde_fail_on="no_action, pending")
    assert "no-action.corp.example" in strict.one_line.partition("fail this run because of mde_fail_on")[2]


def test_verify_fails_for_evidence_of_check_mode(emulator: Emulator, runbook: AnsibleCommand) -> None:
    names = [device.name for device in fleet(emulator, 2)]
    assert runbook.run("offboard_list", "--check", mde_devices=names, **COMMENT).code == 0
    path = next((runbook.folder / "mde-evidence").glob("*.json"))
    completed = runbook.run("verify", mde_evidence=str(path))
    reason = "Nothing was verified, because the evidence is a prediction of check mode."
    assert (completed.code, completed.times(reason)) == (2, 1), completed.output
    assert completed.summaries["mde_verify"]["failed"] == 2
    # A device that needed no offboard has no action, and that is no failure.
    document = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({**document, "prediction": False}), "utf-8")
    assert "2 no_action" in (completed := runbook.run("verify", mde_evidence=str(path))).one_line
    assert completed.code == 0


@pytest.mark.matrix_only
def test_verify_fails_if_no_action_with_the_given_ids_exists(runbook: AnsibleCommand) -> None:
    unknown = "11112222-bbbb-3333-cccc-4444dddd5555 11112222-bbbb-3333-cccc-4444dddd5556"
    completed = runbook.run("verify", mde_action_ids=unknown)
    reason = "Nothing was verified, because no action with these IDs exists."
    assert (completed.code, completed.times(reason)) == (2, 1), completed.output
    assert runbook.run("verify", mde_action_ids=unknown, mde_fail_on=[]).code == 0


@pytest.mark.parametrize("playbook", ["offboard_list", pytest.param("verify", marks=pytest.mark.matrix_only)])
def test_a_run_that_starts_at_a_later_task_fails(runbook: AnsibleCommand, playbook: str) -> None:
    completed = runbook.run(playbook, "--start-at-task", "Mark the devices as considered", **COMMENT)
    assert (completed.code, "The run has no device" in completed.one_line) == (2, True)


def test_verify_takes_the_evidence_of_a_run_or_action_ids(emulator: Emulator, runbook: AnsibleCommand) -> None:
    names = [device.name for device in fleet(emulator, 2)]
    assert runbook.run("offboard_list", mde_devices=[*names, "typo.corp.example"], **COMMENT).code == 2
    path = next((runbook.folder / "mde-evidence").glob("*.json"))
    path.write_text(path.read_text("utf-8").replace("CHG-1044 retired", "CHG-1044 {{ retired }}"), "utf-8")
    completed = runbook.run("verify", mde_evidence=str(path.relative_to(runbook.folder)))
    assert completed.code == 0, completed.output
    assert "2 pending, 1 no_action" in completed.one_line
    assert [evidence["comment"] for evidence in runbook.evidence("verify")] == ["CHG-1044 {{ retired }}"]
    ids = ", ".join(action["id"] for action in emulator.actions())
    assert "2 pending" in runbook.run("verify", mde_action_ids=ids).one_line

    # The service accepts the ID of one device in no filter. The other device is verified, and the run fails.
    unread = json.loads(path.read_text("utf-8"))["devices"][0]["device_id"]
    refusal = json.dumps({"error": {"code": "BadRequest", "message": "Invalid filter"}})
    emulator.fault(kind="body", status=400, body=refusal, path="/machineactions", query=unread, times=None)
    partly = runbook.run("verify", mde_evidence=str(path))
    assert partly.code == 2
    assert [device["outcome"] for device in runbook.evidence("verify")[-1]["devices"]] == [
        "error",
        "pending",
        "no_action",
    ]
    assert "pc-0000.corp.example" in partly.one_line.partition("fail this run because of mde_fail_on")[2]


@pytest.mark.matrix_only
def test_verify_takes_the_artifacts_of_earlier_jobs_and_publishes_a_list_to_retry(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    devices = fleet(emulator, 3)
    emulator.update_device(devices[2].id, fate="unsupported_os", os_platform="macOS")
    runbook.variables["AWX_HOST"] = "https://awx.corp.example/"
    sliced = {"awx_job_template_name": "Retire", "awx_workflow_job_name": "Retire", "mde_max_devices": 2}
    artifacts = {}
    for job, part in {4711: devices[:1], 4712: devices[1:]}.items():
        runbook.inventory({device.name or "": {} for device in part})
        completed = runbook.run(
            "offboard", mde_hosts="all", awx_job_id=job, awx_schedule_name="Nightly", **sliced, **COMMENT
        )
        artifacts.update(completed.summaries)
    assert list(artifacts) == ["mde_offboard_4711", "mde_offboard_4712"]
    assert artifacts["mde_offboard_4712"]["device_ids"] == [devices[2].id]
    run = runbook.evidence()[0]["run"]
    assert (run["operator"], run["job_url"]) == (
        "schedule Nightly",
        "https://awx.corp.example/#/jobs/playbook/4711",
    )
    first, _second = sorted(emulator.actions(), key=lambda action: action["computerDnsName"])
    emulator.move_action(first["id"], "TimeOut")

    verified = runbook.run("verify", **AWX, **artifacts)
    assert verified.code == 2
    assert "1 pending, 1 timed_out, 1 no_action" in verified.one_line
    left = verified.summaries["mde_verify_4711"]
    assert left["devices"] == dict(
        zip([device.id for device in devices], ["timed_out", "pending", "no_action"], strict=True)
    )
    assert left["retry"] == [devices[0].id, devices[2].id]
    assert (left["total"], left["failed"], left["outcomes"]["timed_out"]) == (3, 1, 1)
    again = runbook.run("offboard_list", "--check", mde_devices=left["retry"][:1], **COMMENT)
    assert again.code == 0, again.output
    assert "1 of 1 devices: 1 submitted." in again.one_line


def test_a_slice_without_a_selected_host_mentions_the_other_slices(emulator: Emulator, runbook: AnsibleCommand) -> None:
    runbook.inventory({device.name or "": {} for device in fleet(emulator, 1)})
    sliced = {"awx_job_template_name": "Retire", "awx_workflow_job_name": "Retire", "mde_max_devices": 2, **COMMENT}
    completed = runbook.run("offboard", mde_hosts="kiosk*", **sliced)
    assert completed.code != 0
    assert "matches no host of this slice. If the hosts are in other slices, set mde_allow_empty." in completed.one_line
    assert runbook.run("offboard", mde_hosts="kiosk*", mde_allow_empty=True, **sliced).code == 0
    assert emulator.calls() == []


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({}, "Nothing to verify"),
        ({"mde_evidence": "nowhere.json"}, "nowhere.json (No such file or directory)"),
        ({"mde_action_ids": "a", "mde_fail_on": ["lost"]}, "mde_fail_on has lost. The outcomes are done"),
        ({"mde_action_ids": "not/an/id"}, "is not the ID of a machine action"),
    ],
)
def test_invalid_variables_of_verify_are_errors_before_the_first_request(
    emulator: Emulator, runbook: AnsibleCommand, variables: dict[str, t.Any], expected: str
) -> None:
    completed = runbook.run("verify", **variables)
    assert completed.code == 2
    assert expected in completed.one_line
    assert emulator.calls() == []
