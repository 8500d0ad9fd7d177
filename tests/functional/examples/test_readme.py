# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every block of the README and of the guide to the modules has the described effect. New blocks need a test here."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import time
import typing as t

import pytest
import yaml

from ansible_collections.secops.mde.tests.emulator import Device
from ansible_collections.secops.mde.tests.functional.examples import blocks
from ansible_collections.secops.mde.tests.functional.examples.example_command import (
    CLIENT_ID,
    CLIENT_SECRET,
    ExampleCommand,
)
from ansible_collections.secops.mde.tests.functional.support.ansible_command import COLLECTION

BLOCKS = {block.title: block for block in [*blocks.of_readme(), *blocks.of_guide("guide_modules")]}
NOT_RUN = {
    "make demo": "these are the gates that run this, and the demo, which is a gate of its own",
    "ansible-galaxy collection install secops.mde": "make release runs it with the built collection, in an empty environment",
}
TESTS: dict[str, t.Callable[[str, ExampleCommand], None]] = {}


def block(title: str) -> t.Callable[[t.Callable[[str, ExampleCommand], None]], t.Callable[[str, ExampleCommand], None]]:
    """Decorate a test of the block with this title. The test gets the unchanged text."""

    def register(test: t.Callable[[str, ExampleCommand], None]) -> t.Callable[[str, ExampleCommand], None]:
        TESTS[title] = test
        return test

    return register


@block("collections:")
def requirements(text: str, stage: ExampleCommand) -> None:
    (wanted,) = yaml.safe_load(text)["collections"]
    galaxy = yaml.safe_load((COLLECTION / "galaxy.yml").read_text("utf-8"))
    assert wanted["name"] == f"{galaxy['namespace']}.{galaxy['name']}"
    numbers = [[int(part) for part in version.split(".")] for version in (galaxy["version"], wanted["version"][2:])]
    assert wanted["version"][:2] == ">="
    assert numbers[0] >= numbers[1]


@block("ansible-galaxy collection build")
def build_and_install(text: str, stage: ExampleCommand) -> None:
    stage.folder = stage.folder / "checkout"
    ignored = shutil.ignore_patterns(".git", ".cache", "__pycache__", "output", ".*_cache")
    shutil.copytree(COLLECTION, stage.folder, ignore=ignored)
    installed = stage.folder.parent / "installed"
    run = stage.shell(text, ANSIBLE_COLLECTIONS_PATH=str(installed))
    assert run.code == 0, run.output
    assert (installed / "ansible_collections/secops/mde/plugins/modules/mde_offboard.py").exists()


@block("export MDE_TENANT_ID=corp.example")
def export_the_credential(text: str, stage: ExampleCommand) -> None:
    run = stage.shell(text + BLOCKS[AD_HOC].text, MDE_TENANT_ID="", MDE_CLIENT_ID="", MDE_CLIENT_SECRET="")
    assert run.code == 0, run.output
    assert CLIENT_SECRET in text
    assert CLIENT_SECRET not in run.output
    (context,) = (task.result["context"] for task in run.tasks)
    assert context["client_id"] == CLIENT_ID
    assert context["tenant_id"] == stage.emulator.tenant_id


@block("Retire a device")
def first_playbook(text: str, stage: ExampleCommand) -> None:
    predicted = stage.run_playbook(text, "--check")
    assert predicted.code == 0, predicted.output
    assert predicted.ours.result["changed"]
    assert stage.emulator.calls("api", "POST") == []
    real = stage.run_playbook(text)
    assert real.code == 0, real.output
    (action,) = stage.emulator.actions()
    assert action["computerDnsName"] == "lab-w11-07.corp.example"
    assert real.ours.result["changed"]
    assert action["id"] in real.tasks[-1].result["msg"]


@block("Retire the devices of a ticket")
def list_of_devices(text: str, stage: ExampleCommand) -> None:
    predicted = stage.run_playbook(text, "--check")
    assert predicted.code == 0, predicted.output
    assert [device["outcome"] for device in predicted.ours.result["devices"]] == ["submitted"] * 3
    assert stage.emulator.calls("api", "POST") == []
    stage.emulator.update_machine("pc-0102.corp.example", computerDnsName="renamed.corp.example")
    real = stage.run_playbook(text)
    assert real.code == 0, real.output  # rescued
    outcomes = [device["outcome"] for device in real.ours.result["devices"]]
    assert outcomes == ["submitted", "not_found", "submitted"]
    (message,) = real.tasks[-1].result["msg"]
    assert "pc-0102.corp.example was not found" in message


@block("Retire devices from a survey")
def survey(text: str, stage: ExampleCommand) -> None:
    real = stage.run_playbook(text)
    assert real.code == 0, real.output
    assert [device["outcome"] for device in real.ours.result["devices"]] == ["submitted"] * 3
    names = {action["computerDnsName"] for action in stage.emulator.actions()}
    assert names == {"pc-0101.corp.example", "pc-0103.corp.example", "lab-w11-07.corp.example"}
    sentence = text.replace("pc-0101.corp.example", "all but pc-0101.corp.example")
    refused = stage.run_playbook(sentence)
    assert refused.code == 2
    assert "all but pc-0101.corp.example" in refused.output
    assert len(stage.emulator.actions()) == 3


AD_HOC = """ansible localhost -m secops.mde.mde_offboard -a "device_name=lab-w11-07.corp.example comment='CHG-1042 retired'" --check"""


@block(AD_HOC)
def ad_hoc(text: str, stage: ExampleCommand) -> None:
    run = stage.shell(text)
    assert run.code == 0, run.output
    assert run.ours.result["devices"][0]["requested"]["comment"] == "CHG-1042 retired"
    assert run.ours.result["changed"]
    assert stage.emulator.calls("api", "POST") == []
    run = stage.shell(text.replace("--check", ""))
    assert run.code == 0, run.output
    assert len(stage.emulator.actions()) == 1


@block("Tag devices that have not reported for 30 days")
def find_and_tag(text: str, stage: ExampleCommand) -> None:
    stage.emulator.grant("Machine.ReadWrite.All")
    stage.emulator.add_devices(
        Device(name=f"{age}.corp.example", last_seen=age, tags=["loaned"]) for age in ("40d", "20d")
    )
    for options, posts in ((["--check"], 0), ([], 1)):
        run = stage.run_playbook(text, *options)
        assert run.code == 0, run.output
        assert len(stage.emulator.calls("api", "POST")) == posts
    tags = {device.name: stage.emulator.machine(device.id)["machineTags"] for device in stage.emulator.devices}
    assert {name: held for name, held in tags.items() if held} == {
        "40d.corp.example": ["loaned", "retire"],
        "20d.corp.example": ["loaned"],
    }


@block("Offboard a device, and handle a missing device separately")
def handle_missing_device(text: str, stage: ExampleCommand) -> None:
    run = stage.run_playbook(text)
    assert run.code == 0, run.output
    assert [task.status for task in run.tasks] == ["ok", "ok"]
    assert run.ours.result["devices"][0]["outcome"] == "not_found"
    assert run.tasks[-1].result["msg"].startswith("No such device, please check the ticket: ")
    stage.emulator.add_devices(Device(name="kiosk-01.corp.example") for _number in range(2))
    ambiguous = stage.run_playbook(text)
    assert (ambiguous.code, [task.status for task in ambiguous.tasks]) == (2, ["failed"])


@block("Retire devices that are inventory hosts")
def inventory_hosts(text: str, stage: ExampleCommand) -> None:
    names = ["lab-w11-07.corp.example", "lab-w11-08.corp.example"]
    run = stage.run_playbook(text, hosts=",".join(names))
    assert run.code == 0, run.output
    assert sorted(action["computerDnsName"] for action in stage.emulator.actions()) == names
    assert {call.path.split("/")[1] for call in stage.emulator.calls("entra", "POST")} == {"corp.example"}


LIST = """ansible-playbook secops.mde.offboard_list -e mde_devices_file=devices.csv -e "mde_comment='CHG-1044 retired'" --check"""
HOSTS = """ansible-playbook secops.mde.offboard -i retire.mde_machines.yml -e mde_hosts=all -e "mde_comment='CHG-1044 retired'\""""
VERIFY = "ansible-playbook secops.mde.verify -e mde_evidence=mde-evidence/the-earlier-run.json"
INVENTORY = "plugin: secops.mde.mde_machines"


@block(LIST)
def runbook_of_a_list(text: str, stage: ExampleCommand) -> None:
    devices = stage.emulator.devices[:3]
    rows = "".join(f"{device.id},{device.name}\r\n" for device in devices)
    (stage.folder / "devices.csv").write_text(f"\ufeffDevice ID,Device name\r\n{rows}", "utf-8")
    run = stage.shell(text)
    assert run.code == 0, run.output
    assert "Prediction: all 3 devices would be offboarded." in run.output
    assert sorted(action["machineId"] for action in stage.emulator.actions()) == sorted(device.id for device in devices)
    assert len(list((stage.folder / "mde-evidence").glob("*.html"))) == 2


@block(HOSTS)
def runbook_of_hosts(text: str, stage: ExampleCommand) -> None:
    (stage.folder / "retire.mde_machines.yml").write_text(BLOCKS[INVENTORY].text, "utf-8")
    stage.emulator.update_machine("pc-0101.corp.example", machineTags=["retire"])
    run = stage.shell(text)
    assert run.code == 0, run.output
    assert [action["computerDnsName"] for action in stage.emulator.actions()] == ["pc-0101.corp.example"]


@block(VERIFY)
def verify_days_later(text: str, stage: ExampleCommand) -> None:
    names = ["pc-0101.corp.example", "pc-0102.corp.example"]
    rows = "".join(f"{name}\n" for name in names)
    (stage.folder / "devices.csv").write_text(f"Device name\n{rows}", "utf-8")
    assert stage.shell(BLOCKS[LIST].text.splitlines()[1]).code == 0
    evidence = next((stage.folder / "mde-evidence").glob("*.json"))
    evidence.rename(evidence.with_name("the-earlier-run.json"))
    run = stage.shell(text)
    assert run.code == 0, run.output
    assert "2 pending" in run.output


@block(INVENTORY)
def inventory(text: str, stage: ExampleCommand) -> None:
    stage.emulator.update_machine("pc-0101.corp.example", machineTags=["retire"])
    (stage.folder / "retire.mde_machines.yml").write_text(text, "utf-8")
    run = stage.shell("ansible-inventory -i retire.mde_machines.yml --graph")
    assert run.code == 0, run.output
    assert "@os_windows11:\n  |  |--pc-0101.corp.example" in run.output
    assert "pc-0102" not in run.output


@block(". ./mde-emulator.env")
def rehearse(text: str, stage: ExampleCommand) -> None:
    """The emulator runs as a separate program, as in `make emulator`."""
    own = {name: value for name, value in stage.variables.items() if not name.startswith("MDE_")}
    stage.variables = own
    program = subprocess.Popen(
        [sys.executable, "-m", "ansible_collections.secops.mde.tests.emulator"],
        cwd=stage.folder,
        env={**own, "PYTHONPATH": str(COLLECTION.parents[2])},
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while not (stage.folder / "mde-emulator.env").exists():
            assert program.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        run = stage.shell(text)
        assert run.code == 0, run.output
        assert run.ours.result["changed"]
    finally:
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=10) == 0


def test_every_block_has_a_test_or_a_reason() -> None:
    assert BLOCKS.keys() == TESTS.keys() | NOT_RUN.keys()
    assert not TESTS.keys() & NOT_RUN.keys()


@pytest.mark.parametrize("title", [title for title in BLOCKS if title not in NOT_RUN])
def test_the_block_does_what_the_text_says(title: str, stage: ExampleCommand) -> None:
    TESTS[title](BLOCKS[title].text, stage)
