# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each guide is followed from top to bottom: files are saved, and playbooks and commands are run as written.

The emulator runs as a program with its devices. Two programs are replaced, because they need a package index or a release:
``ansible-galaxy collection install`` copies the collection, and ``python3 -m pip install`` does nothing. `make release`
runs the real programs.
"""

from __future__ import annotations

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
import requests

from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.functional.examples import blocks
from ansible_collections.secops.mde.tests.functional.examples.blocks import Block
from ansible_collections.secops.mde.tests.functional.examples.example_command import (
    CLIENT_ID,
    CLIENT_SECRET,
    ExampleCommand,
)
from ansible_collections.secops.mde.tests.functional.support.ansible_command import COLLECTION

GUIDES = (
    "guide_first_steps",
    "guide_credentials",
    "guide_migration",
    "guide_decommission",
    "guide_retirement",
    "guide_macos_linux",
    "guide_rehearse",
    "guide_errors",
)
ELSEWHERE = {
    "guide_modules": "test_readme.py",
    "guide_awx": "tests/awx/test_guide.py",
    "guide_limits": "it has no code",
    "guide_service_facts": "it has no code",
}
# Blocks that are not run, by their first line, with the reason.
NOT_RUN = {
    "make emulator": "it runs until it is stopped; the test starts the same program",
    "cd ~/.ansible/collections/ansible_collections/secops/mde": "the pipeline of the same guide runs this in the background",
    ". ./mde-emulator.env": "the test has the variables of this file from the beginning",
    "Disable computer accounts": "it needs a domain controller",
}
# The exit codes of blocks with a failing line, by the first line. The text of the guide explains them.
CODES = {
    ("guide_rehearse", "ansible-playbook secops.mde.offboard_list -e @rehearsal.yml --check"): [2, 2, 2],
    # Some devices time out, or report again.
    ("guide_rehearse", 'curl -s -X POST "$MDE_EMULATOR_CONTROL/clock" -d \'{"advance": 345600}\''): [0, 0, 2],
    ("guide_rehearse", 'curl -s -X DELETE "$MDE_EMULATOR_CONTROL/log"'): [0, 2, 0],
}
# The devices for which the guide submits actions.
PC = "pc-0101.corp.example"
OFFBOARDED: dict[str, set[str]] = {
    "guide_first_steps": {PC},
    "guide_credentials": {"lab-w11-07.corp.example"},
    "guide_migration": {PC, "pc-0102.corp.example"},
    "guide_decommission": {PC, "pc-0102.corp.example", "pc-0103.corp.example", "pc-0104.corp.example"},
    "guide_retirement": {PC, "pc-0102.corp.example"},
    "guide_macos_linux": set(),
    "guide_rehearse": set(),
    "guide_errors": set(),
}
FILE_NAME = re.compile(r"# (\S+\.yml)\n")
EARLIER_RUN = re.compile(r"[^\s=]+/RUN\.json")
INVENTORY = """
[retired]
pc-0103.corp.example
pc-0104.corp.example
"""
PROGRAMS = {
    "ansible-galaxy": """
case "$*" in
  "collection install secops.mde") folder=.ansible/collections ;;
  "collection install secops.mde -p collections") folder=collections ;;
  *) exit 64 ;;
esac
mkdir -p "$folder/ansible_collections/secops/mde"
cd "{collection}"
cp -R requirements.txt galaxy.yml meta plugins roles playbooks tests "$OLDPWD/$folder/ansible_collections/secops/mde" || exit 1
""",
    "python3": """
if [ "$1 $2 $3 $4" = "-m pip install -r" ]; then
  shift 3
  while [ "$#" -gt 0 ]; do test "$1" = -r; test -s "$2"; shift 2; done
else
  exec "{python}" "$@"
fi
""",
}


class Reader:
    """Follows a guide in a folder. Exported variables are kept until the end of the guide."""

    def __init__(self, guide: str, stage: ExampleCommand) -> None:
        self.guide = guide
        self.stage = stage
        self.playbooks = 0

    def submitted(self) -> list[dict[str, t.Any]]:
        """Return the offboard actions that the guide has submitted, by their comments."""
        url = f"{self.stage.variables['MDE_EMULATOR_CONTROL']}/actions"
        actions: list[dict[str, t.Any]] = requests.get(url, timeout=10).json()
        return [
            action
            for action in actions
            if str(action["requestorComment"]).startswith(("CHG-1042", "CHG-1044", "CHG-1045"))
        ]

    def follow(self, found: t.Sequence[Block]) -> None:
        """Save the blocks with a file name in a comment, and then run the other blocks in order."""
        for block in found:
            if name := FILE_NAME.match(block.text):
                (self.stage.folder / name.group(1)).write_text(block.text, "utf-8")
        for block in found:
            if "\n  hosts:" in block.text and not FILE_NAME.match(block.text):
                self._playbook(block)
            elif block.text.startswith("set -eu\n"):
                self._script(block)
            elif not re.match(r"#|\w+:|- ", block.text):
                self._commands(block)

    def _playbook(self, block: Block) -> None:
        self.playbooks += 1
        path = self.stage.folder / f"playbook-{self.playbooks}.yml"
        path.write_text(EARLIER_RUN.sub(self._earlier_run, block.text), "utf-8")
        run = self.stage.execute("ansible-playbook", path.name, "-i", "inventory.ini", "-e", "@vault.yml")
        assert run.code == 0, f"{block.name}\n{run.output}"

    def _commands(self, block: Block) -> None:
        """Run the lines one by one, and compare their exit codes. Exported variables are kept for later blocks."""
        lines = block.text.splitlines()
        for line, code in zip(lines, CODES.get((self.guide, lines[0]), [0] * len(lines)), strict=True):
            exported = self.stage.folder / "exported"
            exported.touch()
            command = EARLIER_RUN.sub(self._earlier_run, line)
            run = self.stage.shell(f". ./exported\n{command}\nexport -p | grep ' MDE_' > exported || true")
            assert run.code == code, f"{line}\n{run.output}"

    def _script(self, block: Block) -> None:
        """Run a complete script that stops at the first failure."""
        variables = {name: value for name, value in self.stage.variables.items() if not name.startswith("MDE_")}
        ended = subprocess.run(
            ["sh", "-c", block.text],
            cwd=self.stage.folder,
            env=variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=240,
        )
        assert ended.returncode == 0, ended.stdout + ended.stderr

    def _earlier_run(self, _found: re.Match[str]) -> str:
        """Return the evidence of the last real run, which the text asks for."""
        documents = {
            path: json.loads(path.read_text("utf-8")) for path in self.stage.folder.rglob("mde-offboard*.json")
        }
        real = [path for path, document in documents.items() if not document["prediction"]]
        return str(max(real, key=lambda path: path.stat().st_mtime).relative_to(self.stage.folder))


@dataclass(frozen=True)
class Service:
    """Run the emulator as a program that writes its variables to a file."""

    variables: dict[str, str]

    def environment(self) -> dict[str, str]:
        return self.variables


@pytest.fixture
def stage(tmp_path: Path) -> t.Iterator[ExampleCommand]:
    """A reader with programs, the emulator, an inventory, and the CSV export of two devices."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in PROGRAMS.items():
        script = text.replace("{collection}", str(COLLECTION)).replace("{python}", sys.executable)
        (programs / name).write_text(f"#!/bin/sh\nset -eu\n{script}", "utf-8")
        (programs / name).chmod(0o755)
    (tmp_path / "inventory.ini").write_text(INVENTORY, "utf-8")
    (tmp_path / "vault.yml").write_text(f"vault_mde_client_secret: {CLIENT_SECRET}\n", "utf-8")
    fleet = (COLLECTION / "tests" / "emulator" / "scenarios" / "fleet.csv").read_text("utf-8").splitlines()
    (tmp_path / "retire.csv").write_text("\n".join(fleet[:3]) + "\n", "utf-8")
    program = subprocess.Popen(
        [sys.executable, "-m", "ansible_collections.secops.mde.tests.emulator"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(COLLECTION.parents[2])},
        stdout=subprocess.DEVNULL,
    )
    try:
        yield connect(program, tmp_path)
    finally:
        program.send_signal(signal.SIGINT)
        assert program.wait(timeout=10) == 0


def connect(program: subprocess.Popen[bytes], folder: Path) -> ExampleCommand:
    """Wait for the emulator, and register the application of the documentation."""
    file = folder / "mde-emulator.env"
    deadline = time.monotonic() + 30
    while not file.exists():
        assert program.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    variables = dict(re.findall(r"^export (\w+)='(.*)'$", file.read_text("utf-8"), re.MULTILINE))
    app = {"name": "documentation", "client_id": CLIENT_ID, "secret": CLIENT_SECRET, "roles": "*"}
    requests.post(f"{variables['MDE_EMULATOR_CONTROL']}/apps", json=app, timeout=10).raise_for_status()
    variables |= {"MDE_CLIENT_ID": CLIENT_ID, "MDE_CLIENT_SECRET": CLIENT_SECRET}
    stage = ExampleCommand(t.cast(Emulator, Service(variables)), folder)
    stage.variables |= {"HOME": str(folder), "PATH": f"{folder / 'bin'}{os.pathsep}{stage.variables['PATH']}"}
    return stage


def test_every_guide_is_followed_or_tested_in_another_file() -> None:
    guides = {path.stem for path in (COLLECTION / "docs" / "docsite" / "rst").glob("*.rst")}
    assert guides == {*GUIDES, *ELSEWHERE}


def test_exceptions_are_blocks_of_the_guides() -> None:
    titles = {block.title for guide in GUIDES for block in blocks.of_guide(guide)}
    assert NOT_RUN.keys() <= titles
    assert {
        (block.source, block.text.splitlines()[0]) for guide in GUIDES for block in blocks.of_guide(guide)
    } >= CODES.keys()


@pytest.mark.parametrize("guide", GUIDES)
def test_the_guide_can_be_followed(guide: str, stage: ExampleCommand) -> None:
    reader = Reader(guide, stage)
    reader.follow([block for block in blocks.of_guide(guide) if block.title not in NOT_RUN])
    names = {action["computerDnsName"] for action in reader.submitted()}
    assert names == OFFBOARDED[guide]
