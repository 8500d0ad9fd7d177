# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The playbooks as a team runs them: by their full names, from any folder, against the emulator."""

from __future__ import annotations

import csv
import json
import os
import re
import signal
import subprocess
import sys
import time
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests import emulator as emulator_package
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.harness import posts

COLLECTIONS = Path(str(emulator_package.__file__)).parents[5]
COLLECTION = COLLECTIONS / "ansible_collections" / "secops" / "mde"
COMMENT = {"mde_comment": "CHG-1044 retired"}
AWX = {"awx_job_id": 4711, "awx_user_name": "operator"}  # what a job, and each slice of one, is given
DAY = 86400.0


@dataclass(frozen=True)
class Ran:
    """How ansible-playbook ended."""

    code: int
    output: str

    @property
    def said(self) -> str:
        """The output in one line."""
        return " ".join(self.output.replace('\\"', '"').split())

    @property
    def summaries(self) -> dict[str, dict[str, t.Any]]:
        """What was handed to the next node of a workflow."""
        return dict(json.loads(self.output.partition("\tRUN: ")[2]))

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """The counts by host."""
        lines = self.output.partition("PLAY RECAP")[2].splitlines()
        found = (re.match(r"(\S+) +: (ok=.*)", line) for line in lines)
        return {
            line[1]: {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line[2])} for line in found if line
        }


class Runbook:
    """Runs the collection's playbooks in a folder of its own."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self.emulator = emulator
        self.folder = folder
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MDE_", "AZURE_"))}
        path = os.pathsep.join(filter(None, (str(COLLECTIONS), os.environ.get("PYTHONPATH", ""))))
        self.variables = {
            **kept,
            **emulator.environment(),
            "PYTHONPATH": path,
            "HOME": str(folder),
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_NOCOLOR": "true",
            "ANSIBLE_SHOW_CUSTOM_STATS": "true",
        }

    def inventory(self, hosts: t.Mapping[str, t.Mapping[str, str]]) -> None:
        """Write the inventory that ``run`` uses from now on."""
        document = {"all": {"hosts": {name: dict(variables) for name, variables in hosts.items()}}}
        (self.folder / "hosts.yml").write_text(json.dumps(document), "utf-8")

    def command(self, playbook: str, *options: str, **variables: t.Any) -> list[str]:
        inventory = ["-i", "hosts.yml"] if (self.folder / "hosts.yml").exists() else []
        extra = ["-e", json.dumps(variables)] if variables else []
        return [sys.executable, "-m", "ansible.cli.playbook", f"secops.mde.{playbook}", *inventory, *extra, *options]

    def run(self, playbook: str, *options: str, **variables: t.Any) -> Ran:
        ended = subprocess.run(
            self.command(playbook, *options, **variables),
            cwd=self.folder,
            env=self.variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        return Ran(ended.returncode, ended.stdout)

    def evidence(self, playbook: str = "offboard", folder: str = "mde-evidence") -> list[dict[str, t.Any]]:
        """All evidence of a playbook, the oldest first; each also as CSV and page."""
        paths = sorted((self.folder / folder).glob(f"mde-{playbook}-2*.json"))
        assert all(path.with_suffix(suffix).exists() for path in paths for suffix in (".csv", ".html"))
        return [json.loads(path.read_text("utf-8")) for path in paths]


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    """A service at the time of the wall: these are processes of their own."""
    with Emulator(real_time=True) as running:
        yield running


@pytest.fixture
def runbook(emulator: Emulator, tmp_path: Path) -> Runbook:
    return Runbook(emulator, tmp_path)


def fleet(emulator: Emulator, count: int) -> list[Device]:
    return [emulator.add_device(Device(name=f"pc-{n:04d}.corp.example", fate="offline")) for n in range(count)]


# -- offboard ------------------------------------------------------------------------------------------------


def test_each_host_has_the_outcome_of_its_own_device(emulator: Emulator, runbook: Runbook) -> None:
    devices = fleet(emulator, 7)
    emulator.update_device(devices[3].id, fate="unsupported_os", os_platform="macOS")
    runbook.inventory({f"host-{n}": {"mde_device_id": device.id} for n, device in enumerate(devices)})

    foretold = runbook.run("offboard", "--check", mde_hosts="all", **COMMENT)
    assert foretold.code == 0, foretold.output
    assert posts(emulator) == 0
    assert all(counts["changed"] == 1 for counts in foretold.recap.values())
    assert "Prediction: 7 of 7 devices: 7 submitted." in foretold.said
    (prediction,) = runbook.evidence()
    assert (prediction["prediction"], prediction["complete"], len(prediction["devices"])) == (True, True, 7)

    emulator.log.clear()
    ran = runbook.run("offboard", "--limit", "host-*", **AWX, **COMMENT)
    assert ran.code == 2
    assert {host for host, counts in ran.recap.items() if counts["failed"]} == {"host-3"}
    assert {host for host, counts in ran.recap.items() if counts["changed"] == 1} == set(ran.recap) - {"host-3"}
    assert "OsPlatformNotSupported" in ran.said
    assert '"7 of 7 devices: 1 refused, 6 submitted.' in ran.said
    assert [call.method for call in emulator.calls("api")].count("GET") == 2
    evidence = runbook.evidence()[-1]
    assert [device["host"] for device in evidence["devices"]] == [f"host-{n}" for n in range(7)]
    assert [device["outcome"] for device in evidence["devices"]].count("submitted") == 6
    assert (evidence["run"]["operator"], evidence["run"]["job_id"]) == ("operator", "4711")
    assert list((runbook.folder / "mde-evidence").glob("mde-offboard-2*-job4711.html"))
    assert "It goes with the container of this job. Set mde_evidence_dir" in ran.said
    assert list(ran.summaries) == ["mde_offboard_4711"]
    summary = ran.summaries["mde_offboard_4711"]
    assert set(summary["action_ids"]) == {action["id"] for action in emulator.actions()}
    assert (summary["total"], summary["changed"], summary["failed"], summary["prediction"]) == (7, 6, 1, False)
    assert (evidence["asked"], evidence["prediction"], evidence["comment"]) == (7, False, "CHG-1044 retired")

    actions = len(emulator.actions())
    again = runbook.run("offboard", "--limit", "all:!host-3", **COMMENT)
    assert again.code == 0, again.output
    assert all(counts["changed"] == 0 for counts in again.recap.values())
    assert len(again.recap) == 6
    assert len(emulator.actions()) == actions
    assert [call.path for call in emulator.calls("api", "POST")].count(f"/api/machines/{devices[3].id}/offboard") == 1


def test_hosts_are_known_by_name_id_and_entra_id(emulator: Emulator, runbook: Runbook) -> None:
    guid = "11112222-bbbb-3333-cccc-4444dddd5555"
    emulator.add_device(Device(name="pc-1.corp.example"))
    emulator.add_device(Device(name="pc-2.corp.example"))
    emulator.add_device(Device(name="pc-3.corp.example", aad_device_id=guid))
    runbook.inventory(
        {"pc-1.corp.example": {}, "b": {"mde_device_name": "PC-2.corp.example"}, "c": {"mde_aad_device_id": guid}}
    )
    ran = runbook.run("offboard", mde_hosts="all", **COMMENT)
    assert ran.code == 0, ran.output
    names = {device["host"]: device["device_name"] for device in runbook.evidence()[0]["devices"]}
    assert names == {"pc-1.corp.example": "pc-1.corp.example", "b": "pc-2.corp.example", "c": "pc-3.corp.example"}


def test_an_inventory_with_twins_acts_by_id(emulator: Emulator, runbook: Runbook) -> None:
    twins = [emulator.add_device(Device(name="twin.corp.example", tags=["retire"])) for _twin in range(2)]
    emulator.add_device(Device(name="other.corp.example"))
    path = runbook.folder / "retire.mde_machines.yml"
    path.write_text("plugin: secops.mde.mde_machines\ntag: retire\n", "utf-8")
    ran = runbook.run("offboard", "-i", str(path), mde_hosts="all", **COMMENT)
    assert ran.code == 0, ran.output
    assert sorted(action["machineId"] for action in emulator.actions()) == sorted(twin.id for twin in twins)


def test_settings_of_the_hosts_do_not_reach_the_controller(emulator: Emulator, runbook: Runbook) -> None:
    (device,) = fleet(emulator, 1)
    windows = {"ansible_connection": "winrm", "ansible_shell_type": "powershell", "ansible_become": "true"}
    runbook.inventory({device.name or "": {**windows, "ansible_python_interpreter": "/nowhere/python"}})
    assert runbook.run("offboard", mde_hosts="all", **COMMENT).code == 0


def test_settings_for_all_hosts_and_for_all_playbooks_do_not_either(emulator: Emulator, runbook: Runbook) -> None:
    hosts: dict[str, dict[str, str]] = {device.name or "": {} for device in fleet(emulator, 3)}
    windows = {"ansible_connection": "winrm", "ansible_shell_type": "powershell", "ansible_become": "true"}
    (runbook.folder / "hosts.yml").write_text(json.dumps({"all": {"vars": windows, "hosts": hosts}}), "utf-8")
    runbook.variables["ANSIBLE_STRATEGY"] = "free"
    ran = runbook.run("offboard", mde_hosts="all", **COMMENT)
    assert ran.code == 0, ran.output
    assert (posts(emulator), len(runbook.evidence())) == (3, 1)


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"mde_hosts": None, **COMMENT}, "Which hosts? Give --limit, or -e mde_hosts=PATTERN"),
        ({}, "mde_comment is missing"),
        ({"mde_max_devices": 2, **COMMENT}, "These are 3 devices, and mde_max_devices allows 2"),
        ({"mde_batch_size": 0, **COMMENT}, "mde_batch_size is 0: give a whole number"),
        ({"mde_force": "perhaps", **COMMENT}, "mde_force is perhaps: give true or false"),
        ({"mde_tag": "two\nlines", **COMMENT}, "mde_tag: give one line"),
        ({"mde_tag": " ", **COMMENT}, "mde_tag: give one line"),
    ],
)
def test_wrong_variables_are_told_before_any_request(
    emulator: Emulator, runbook: Runbook, variables: dict[str, t.Any], told: str
) -> None:
    runbook.inventory({device.name or "": {} for device in fleet(emulator, 3)})
    given = {"mde_hosts": "all", **variables}
    ran = runbook.run("offboard", **{name: value for name, value in given.items() if value is not None})
    assert ran.code == 2
    assert told in ran.said
    assert emulator.calls() == []
    assert not (runbook.folder / "mde-evidence").exists()


def test_a_pattern_that_fits_no_host_is_no_success(emulator: Emulator, runbook: Runbook) -> None:
    runbook.inventory({device.name or "": {} for device in fleet(emulator, 1)})
    ran = runbook.run("offboard", mde_hosts="retierd", **COMMENT)
    assert ran.code != 0
    assert 'mde_hosts is "retierd", and no host of the inventory fits it.' in ran.said
    assert emulator.calls() == []


def test_a_selection_that_the_inventory_makes_comes_too_late_and_stops_the_run(
    emulator: Emulator, runbook: Runbook
) -> None:
    names = [device.name or "" for device in fleet(emulator, 3)]
    runbook.inventory({name: {"mde_hosts": names[0]} for name in names})
    ran = runbook.run("offboard", **COMMENT)
    assert ran.code == 2, ran.output
    assert f"mde_hosts is {names[0]}, but this run has other hosts as well" in ran.said
    assert emulator.calls() == []
    chosen = runbook.run("offboard", "--check", mde_hosts=[names[0], names[2]], **COMMENT)
    assert chosen.code == 0, chosen.output
    assert set(chosen.recap) == {names[0], names[2]}


def test_a_failed_sign_in_fails_every_host_and_is_in_the_evidence(emulator: Emulator, runbook: Runbook) -> None:
    runbook.inventory({device.name or "": {} for device in fleet(emulator, 3)})
    runbook.variables["MDE_CLIENT_SECRET"] = "made-up-and-wrong"
    ran = runbook.run("offboard", mde_hosts="all", **COMMENT)
    assert [counts["failed"] for counts in ran.recap.values()] == [1, 1, 1]
    assert "AADSTS7000215" in ran.said
    assert {device["error"]["code"] for device in runbook.evidence()[0]["devices"]} == {"sign_in_failed"}
    assert "made-up-and-wrong" not in ran.output


def test_the_tag_is_set_and_its_failure_is_no_failure_of_the_offboard(emulator: Emulator, runbook: Runbook) -> None:
    devices = fleet(emulator, 2)
    runbook.inventory({device.name or "": {} for device in devices})
    app = emulator.add_app("tagger", roles=["Machine.Offboard", "Machine.Read.All"], secret="made-up-of-tagger")
    runbook.variables.update({"MDE_CLIENT_ID": app.client_id, "MDE_CLIENT_SECRET": "made-up-of-tagger"})
    ran = runbook.run("offboard", mde_hosts="all", mde_tag="retired", **COMMENT)
    assert ran.code == 0, ran.output
    assert "Without the tag: pc-0000.corp.example, pc-0001.corp.example" in ran.said
    assert "Machine.ReadWrite.All" in str([device["tag"] for device in runbook.evidence()[0]["devices"]])

    app = emulator.add_app("writer", roles=["Machine.Offboard", "Machine.ReadWrite.All"], secret="made-up-of-writer")
    runbook.variables.update({"MDE_CLIENT_ID": app.client_id, "MDE_CLIENT_SECRET": "made-up-of-writer"})
    emulator.fault(kind="html_404", method="GET", path="/machines", after=1, times=None)
    assert "Without the tag: pc-0000" in runbook.run("offboard", mde_hosts="all", mde_tag="retired", **COMMENT).said
    emulator.clear_faults()
    assert "Without the tag" not in runbook.run("offboard", mde_hosts="all", mde_tag="retired", **COMMENT).said


def test_an_aborted_run_leaves_evidence_of_what_it_did_and_the_next_one_finishes_it(
    emulator: Emulator, runbook: Runbook
) -> None:
    devices = fleet(emulator, 10)
    runbook.inventory({device.name or "": {} for device in devices})
    command = runbook.command("offboard", mde_hosts="all", mde_batch_size=2, **COMMENT)
    # The fourth batch hangs at its first read, until the kill.
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
    assert (len(left["devices"]), left["complete"], left["asked"]) == (6, False, 10)
    assert len(emulator.actions()) == 6

    emulator.clear_faults()
    ran = runbook.run("offboard", mde_hosts="all", mde_batch_size=5, **COMMENT)
    assert ran.code == 0, ran.output
    outcomes = [device["outcome"] for device in runbook.evidence()[-1]["devices"]]
    assert outcomes == ["in_progress"] * 6 + ["submitted"] * 4
    assert len(emulator.actions()) == 10


def installed() -> set[Path]:
    """What is in the folders of the collection that a playbook could mistake for its own."""
    found = {path for folder in ("playbooks", "plugins") for path in (COLLECTION / folder).rglob("*")}
    return {path for path in found | set(COLLECTION.iterdir()) if "cache" not in str(path.relative_to(COLLECTION))}


# -- a list --------------------------------------------------------------------------------------------------


def test_a_file_is_found_where_the_command_was_started_and_the_evidence_lands_there(
    emulator: Emulator, runbook: Runbook
) -> None:
    devices = fleet(emulator, 3)
    rows = [["Device ID", "Device name"], *([device.id, device.name or ""] for device in devices)]
    with (runbook.folder / "export.csv").open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file).writerows(rows)
    before = installed()
    ran = runbook.run("offboard_list", mde_devices_file="export.csv", mde_evidence_dir="proof/here", **COMMENT)
    assert ran.code == 0, ran.output
    assert ran.recap["localhost"]["changed"] == 1
    (evidence,) = runbook.evidence("offboard_list", "proof/here")
    assert [device["device_id"] for device in evidence["devices"]] == [device.id for device in devices]
    assert installed() == before


def test_text_of_a_survey_is_a_list_and_batches_tell_how_far_they_are(emulator: Emulator, runbook: Runbook) -> None:
    names = "\n".join(device.name or "" for device in fleet(emulator, 5))
    # AWX sends what a survey leaves empty as an empty text.
    ran = runbook.run(
        "offboard_list", mde_devices=names, mde_batch_size="2", mde_evidence_dir="", awx_job_id=7, **COMMENT
    )
    assert ran.code == 0, ran.output
    assert len(runbook.evidence("offboard_list")) == 1
    assert "It goes with the container of this job" in ran.said
    assert "2 of 5 devices: 2 submitted." in ran.said
    assert "5 of 5 devices: 1 submitted." in ran.said


def test_one_that_fails_fails_the_run_and_stops_no_other(emulator: Emulator, runbook: Runbook) -> None:
    fleet(emulator, 2)
    names = ["pc-0000.corp.example", "typo.corp.example", "pc-0001.corp.example"]
    ran = runbook.run("offboard_list", mde_devices=names, **COMMENT)
    assert ran.code == 2
    assert "1 of 3 devices failed. device_name typo.corp.example was not found" in ran.said
    assert len(emulator.actions()) == 2
    accepted = runbook.run("offboard_list", mde_devices=names, mde_missing_ok="yes", **COMMENT)
    assert accepted.code == 0, accepted.output


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (COMMENT, "Which devices? Give either mde_devices"),
        ({"mde_devices": ["pc-1"], "mde_devices_file": "x.txt", **COMMENT}, "Which devices? Give either mde_devices"),
        ({"mde_devices": [], **COMMENT}, "There is no device in the list"),
        ({"mde_devices": "please retire the kiosk", **COMMENT}, "please retire the kiosk"),
        ({"mde_devices_file": "nowhere.csv", **COMMENT}, "nowhere.csv"),
        ({"mde_devices": ["pc-1"], "mde_evidence_dir": "/dev/null", **COMMENT}, "cannot be written to /dev/null"),
    ],
)
def test_a_wrong_list_is_told_before_any_request(
    emulator: Emulator, runbook: Runbook, variables: dict[str, t.Any], told: str
) -> None:
    ran = runbook.run("offboard_list", **variables)
    assert ran.code == 2
    assert told in ran.said
    assert emulator.calls() == []


def test_what_comes_from_outside_is_safe_and_complete_in_the_evidence(emulator: Emulator, runbook: Runbook) -> None:
    names = ["<script>alert(1)</script>", '"quoted", and more', "line\nbreak", "{{ 7 * 6 }}", "gerät-7"]
    devices = [emulator.add_device(Device(name=name, fate="offline")) for name in names]
    ids = [device.id for device in devices]
    ran = runbook.run("offboard_list", mde_devices=ids, mde_comment="=1+1 retired")
    assert ran.code == 0, ran.output
    (evidence,) = runbook.evidence("offboard_list")
    assert [device["device_name"] for device in evidence["devices"]] == names
    page = next((runbook.folder / "mde-evidence").glob("*.html")).read_text("utf-8")
    assert "<script>alert" not in page
    with next((runbook.folder / "mde-evidence").glob("*.csv")).open(encoding="utf-8-sig", newline="") as file:
        table = list(csv.DictReader(file))
    assert len(table) == len(names)
    assert not [cell for row in table for cell in row.values() if cell.startswith(("=", "+", "-", "@"))]


# -- days later ----------------------------------------------------------------------------------------------


def test_verify_tells_what_became_of_each_and_fails_for_those_that_need_a_person(
    emulator: Emulator, runbook: Runbook
) -> None:
    fates = ["done", "came_back", "pending", "failed", "timed_out", "cancelled", "no_action"]
    devices = {fate: emulator.add_device(Device(name=f"{fate.replace('_', '-')}.corp.example")) for fate in fates}
    ended = {"failed": "Failed", "timed_out": "TimeOut", "cancelled": "Cancelled", "pending": "Pending"}
    for fate in fates[:-1]:
        emulator.add_action(
            devices[fate].id, status=ended.get(fate, "Succeeded"), age="3d" if fate != "pending" else 60
        )
    emulator.update_machine(devices["done"].id, lastSeen="2020-01-01T00:00:00Z")
    asked = [{"device_id": devices[fate].id, "device_name": devices[fate].name, "action": None} for fate in fates]
    earlier = {"format": "secops.mde/evidence-1", "kind": "offboard", "devices": asked}
    (runbook.folder / "earlier.json").write_text(json.dumps(earlier), "utf-8")

    ran = runbook.run("verify", mde_evidence="earlier.json")
    assert ran.code == 2
    (evidence,) = runbook.evidence("verify")
    assert [device["outcome"] for device in evidence["devices"]] == fates
    for fate in fates:
        assert (f"{fate.replace('_', '-')}.corp.example" in ran.said.partition("Fail for those")[2]) == (
            fate in ("failed", "timed_out", "cancelled", "came_back")
        )
    assert "4 of 7 devices need a person." in ran.said
    assert posts(emulator) == 0
    lenient = runbook.run("verify", mde_evidence="earlier.json", mde_fail_on=[])
    assert lenient.code == 0, lenient.output
    strict = runbook.run("verify", mde_evidence="earlier.json", mde_fail_on="no_action, pending")
    assert "no-action.corp.example" in strict.said.partition("Fail for those")[2]


def test_verify_takes_the_evidence_of_a_run_and_ids_of_actions(emulator: Emulator, runbook: Runbook) -> None:
    names = [device.name for device in fleet(emulator, 2)]
    assert runbook.run("offboard_list", mde_devices=[*names, "typo.corp.example"], **COMMENT).code == 2
    path = next((runbook.folder / "mde-evidence").glob("*.json"))
    path.write_text(path.read_text("utf-8").replace("CHG-1044 retired", "CHG-1044 {{ retired }}"), "utf-8")
    ran = runbook.run("verify", mde_evidence=str(path.relative_to(runbook.folder)))
    assert ran.code == 0, ran.output
    assert "2 pending, 1 no_action" in ran.said
    assert [evidence["comment"] for evidence in runbook.evidence("verify")] == ["CHG-1044 {{ retired }}"]
    ids = ", ".join(action["id"] for action in emulator.actions())
    assert "2 pending" in runbook.run("verify", mde_action_ids=ids).said

    # The service takes the id of one in no filter: the other is verified all the same, and the run fails.
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
    assert "pc-0000.corp.example" in partly.said.partition("Fail for those")[2]


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({}, "What is to be verified?"),
        ({"mde_evidence": "nowhere.json"}, "nowhere.json cannot be read"),
        ({"mde_action_ids": "a", "mde_fail_on": ["lost"]}, "mde_fail_on has lost; the verdicts are done"),
        ({"mde_action_ids": "not/an/id"}, "is not the id of a machine action"),
    ],
)
def test_a_wrong_verify_is_told_before_any_request(
    emulator: Emulator, runbook: Runbook, variables: dict[str, t.Any], told: str
) -> None:
    ran = runbook.run("verify", **variables)
    assert ran.code == 2
    assert told in ran.said
    assert emulator.calls() == []
