# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A stage for examples: an emulator whose time passes, and Ansible's own commands pointed at it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import typing as t
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.functional.examples.blocks import COLLECTION

# Of the examples' own application: what the README exports, and what the examples name.
CLIENT_ID = "7e9d3c54-1b2a-4c3d-8e4f-001122334455"
CLIENT_SECRET = "the value of the secret"
RETIRED = "decommissioned.invalid"  # an inventory host that cannot be reached, as a retired device
FOREIGN = ("ANSIBLE_", "MDE_", "AZURE_", "IDENTITY_", "MSI_", "PYTHONPATH")


@dataclass(frozen=True)
class Task:
    """How one task ended."""

    status: str
    task: str
    check: bool
    result: dict[str, t.Any]

    @property
    def is_ours(self) -> bool:
        return "summary" in self.result or "unreached" in self.result


@dataclass(frozen=True)
class CommandResult:
    """How a command ended."""

    code: int
    output: str
    tasks: list[Task]

    @property
    def ours(self) -> Task:
        """The one task of the collection."""
        (only,) = (task for task in self.tasks if task.is_ours)
        return only


@dataclass
class AnsibleCommand:
    """Runs commands as a user would, who has installed the collection and set the variables of the emulator."""

    emulator: Emulator
    folder: Path
    variables: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        kept = {name: value for name, value in kept.items() if not name.lower().endswith("_proxy")}
        programs = f"{Path(sys.executable).parent}{os.pathsep}{kept['PATH']}"
        ansible = {
            "ANSIBLE_COLLECTIONS_PATH": str(COLLECTION.parents[2]),
            "ANSIBLE_HOME": str(self.folder / "ansible"),
            "ANSIBLE_NOCOLOR": "1",
            "ANSIBLE_LOCALHOST_WARNING": "false",
            "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_CALLBACK_PLUGINS": str(COLLECTION / "tests" / "examples" / "callbacks"),
            "ANSIBLE_CALLBACKS_ENABLED": "recorder",
            "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
            "RECORDER_FILE": str(self.folder / "record"),
        }
        self.variables = {**kept, "PATH": programs, **ansible, **self.emulator.environment(), **self.variables}

    def run(self, *command: str, **variables: str) -> CommandResult:
        """Run a command; nothing is asserted of its end."""
        record = Path(self.variables["RECORDER_FILE"])
        record.unlink(missing_ok=True)
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=120,
        )
        lines = record.read_text("utf-8").splitlines() if record.exists() else []
        return CommandResult(ended.returncode, ended.stdout, [Task(**json.loads(line)) for line in lines])

    def shell(self, text: str, **variables: str) -> CommandResult:
        """Run lines of a shell, to the first that fails."""
        return self.run("bash", "-euc", text, **variables)

    def play(self, text: str, *options: str, hosts: str = RETIRED) -> CommandResult:
        """Run a playbook, or tasks as a play of their own."""
        return self._play(text if "\n  hosts:" in text else _play_of(text), *options, hosts=hosts)

    def predict_and_play(
        self, text: str, *, hosts: str = RETIRED, defaults: t.Mapping[str, t.Any] = MappingProxyType({})
    ) -> CommandResult:
        """Run tasks as a play in check mode, and then, in the same playbook, for real.

        ``defaults`` are module_defaults of both.
        """
        plays = [_play_of(text, check_mode=check, module_defaults=dict(defaults)) for check in (True, False)]
        return self._play("".join(plays), hosts=hosts)

    def _play(self, playbook: str, *options: str, hosts: str) -> CommandResult:
        (self.folder / "playbook.yml").write_text(f"---\n{playbook}", "utf-8")
        return self.run("ansible-playbook", "playbook.yml", f"--inventory={hosts},", *options)


def _play_of(tasks: str, **keywords: t.Any) -> str:
    """A play of these tasks for every host of the inventory."""
    lines = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in keywords.items())
    return f"- hosts: all\n  gather_facts: false\n{lines}  tasks:\n{textwrap.indent(tasks, '    ')}"


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    """A Defender for Endpoint with the devices and the application that the examples name. Time passes."""
    devices = [
        Device(
            id="1e5bc9d7e413ddd7902c2932e418702b84d0cc07", name="lab-w11-07.corp.example", poll_seconds=0, ack_seconds=0
        ),
        Device(name="lab-w11-08.corp.example"),
        Device(name="pc-0101.corp.example", fate="offline"),
        Device(name="pc-0102.corp.example", fate="offline"),
        Device(name="pc-0103.corp.example", fate="offline", aad_device_id="11112222-bbbb-3333-cccc-4444dddd5555"),
    ]
    with Emulator(devices, real_time=True, app_id=CLIENT_ID, app_secret=CLIENT_SECRET) as running:
        yield running


@pytest.fixture
def stage(emulator: Emulator, tmp_path: Path) -> AnsibleCommand:
    return AnsibleCommand(emulator, tmp_path)
