# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible commands as separate processes, with the collection under test and the variables of an emulator."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import typing as t
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ansible_collections.secops.mde.tests import emulator as emulator_package
from ansible_collections.secops.mde.tests.emulator import Emulator

COLLECTION = Path(str(emulator_package.__file__)).parents[2]
COLLECTIONS = COLLECTION.parents[2]
PROGRAMS = Path(sys.executable).parent
ANSIBLE_PLAYBOOK: t.Final = (sys.executable, "-m", "ansible.cli.playbook")
ANSIBLE_INVENTORY: t.Final = (sys.executable, "-m", "ansible.cli.inventory")

# ansible-test sets ANSIBLE_HOST_PATTERN_MISMATCH and others, which change the behavior of a playbook run.
FOREIGN: t.Final = ("ANSIBLE_", "AZURE_", "CURL_CA_", "IDENTITY_", "MDE_", "MSI_", "REQUESTS_CA_")
TIME_LIMIT = 300.0
"""Real seconds after which a command fails."""


def process_environment(emulator: Emulator, home: Path, **settings: str) -> dict[str, str]:
    """Return the variables of this process without those that configure Ansible, a sign-in, a proxy or CA certificates.

    The emulator's variables, an empty home, the path to the collection and ``settings`` are added.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN) and not name.lower().endswith("_proxy")
    }
    return {
        **kept,
        **emulator.environment(),
        "PATH": f"{PROGRAMS}{os.pathsep}{kept['PATH']}",
        "PYTHONPATH": os.pathsep.join(filter(None, (str(COLLECTIONS), kept.get("PYTHONPATH", "")))),
        "HOME": str(home),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_NOCOLOR": "true",
        "ANSIBLE_LOCALHOST_WARNING": "false",
        **settings,
    }


@dataclass(frozen=True)
class Task:
    """The result of one task."""

    status: str
    task: str
    check: bool
    result: dict[str, t.Any]

    @property
    def is_ours(self) -> bool:
        return "summary" in self.result or "unreached" in self.result


@dataclass(frozen=True)
class CommandResult:
    """The result of a command."""

    code: int
    output: str
    """Standard output, and also standard error unless ``errors`` has it."""
    errors: str = ""
    tasks: list[Task] = field(default_factory=list)
    """The results of all tasks, if the command has the settings RECORDER."""

    @property
    def one_line(self) -> str:
        """The output in one line."""
        return " ".join(self.output.replace('\\"', '"').split())

    def times(self, sentence: str) -> int:
        """Return the number of results with this sentence, without the error that ansible-core 2.19 and later adds."""
        return sum(sentence in line for line in self.output.splitlines() if not line.startswith("[ERROR]"))

    @property
    def summaries(self) -> dict[str, dict[str, t.Any]]:
        """The artifacts that ansible-playbook passes to the next node of a workflow."""
        return dict(json.loads(self.output.partition("\tRUN: ")[2]))

    @property
    def recap(self) -> dict[str, dict[str, int]]:
        """The statistics of ansible-playbook by host."""
        lines = self.output.partition("PLAY RECAP")[2].splitlines()
        found = (re.match(r"(\S+) +: (ok=.*)", line) for line in lines)
        return {
            line[1]: {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", line[2])} for line in found if line
        }

    @property
    def document(self) -> dict[str, t.Any]:
        """The JSON document that ``ansible-inventory --list`` printed."""
        assert self.code == 0, self.errors
        return t.cast("dict[str, t.Any]", json.loads(self.output, object_hook=_unmarked))

    @property
    def hosts(self) -> dict[str, dict[str, t.Any]]:
        """The variables of ``ansible-inventory --list`` by host."""
        document = self.document
        variables = document["_meta"]["hostvars"]
        names = {host for group in document.values() for host in group.get("hosts", ())}
        return {name: variables.get(name, {}) for name in names}

    @property
    def error(self) -> str:
        """The standard error of a failed command, in one line."""
        assert self.code != 0, self.output
        return " ".join(self.errors.split())

    @property
    def ours(self) -> Task:
        """The only task of the collection."""
        (only,) = (task for task in self.tasks if task.is_ours)
        return only


def _unmarked(value: dict[str, t.Any]) -> t.Any:
    """Return the text of a value that newer versions of Ansible mark as unsafe in their output."""
    return value["__ansible_unsafe"] if set(value) == {"__ansible_unsafe"} else value


# Settings for a command that records the results of its tasks.
RECORDER: t.Final = {
    "ANSIBLE_CALLBACK_PLUGINS": str(Path(__file__).parent / "callbacks"),
    "ANSIBLE_CALLBACKS_ENABLED": "recorder",
    "ANSIBLE_LOAD_CALLBACK_PLUGINS": "true",
}


class AnsibleCommand:
    """Runs commands in a separate directory. ``variables`` is their environment."""

    def __init__(self, emulator: Emulator, folder: Path, **settings: str) -> None:
        self.emulator = emulator
        self.folder = folder
        self.record = folder / "record"
        self.variables = process_environment(
            emulator,
            folder,
            ANSIBLE_INVENTORY_UNPARSED_WARNING="false",
            ANSIBLE_SHOW_CUSTOM_STATS="true",
            RECORDER_FILE=str(self.record),
        )
        self.variables |= settings

    def execute(
        self,
        *command: str,
        environment: t.Mapping[str, str] = MappingProxyType({}),
        without: t.Container[str] = (),
        separate: bool = False,
    ) -> CommandResult:
        """Run a command, and return its result even if it fails.

        ``environment`` has additional variables for this command. ``without`` has names of variables to remove. With
        ``separate``, the result has standard error separately from the output.
        """
        self.record.unlink(missing_ok=True)
        ended = subprocess.run(
            command,
            cwd=self.folder,
            env={name: value for name, value in {**self.variables, **environment}.items() if name not in without},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if separate else subprocess.STDOUT,
            check=False,
            timeout=TIME_LIMIT,
        )
        lines = self.record.read_text("utf-8").splitlines() if self.record.exists() else []
        tasks = [Task(**json.loads(line)) for line in lines]
        # Unlike text=True, this keeps "\r" for the tests that look for control characters.
        return CommandResult(ended.returncode, ended.stdout.decode(), (ended.stderr or b"").decode(), tasks)

    def inventory(self, hosts: t.Mapping[str, t.Mapping[str, str]]) -> None:
        """Write the inventory that ``run`` uses from now on."""
        document = {"all": {"hosts": {name: dict(variables) for name, variables in hosts.items()}}}
        (self.folder / "hosts.yml").write_text(json.dumps(document), "utf-8")

    def command(self, playbook: str, *options: str, **variables: t.Any) -> list[str]:
        """Return the command for a playbook of the collection, with extra variables."""
        inventory = ["-i", "hosts.yml"] if (self.folder / "hosts.yml").exists() else []
        extra = ["-e", json.dumps(variables)] if variables else []
        return [*ANSIBLE_PLAYBOOK, f"secops.mde.{playbook}", *inventory, *extra, *options]

    def run(self, playbook: str, *options: str, **variables: t.Any) -> CommandResult:
        """Run a playbook of the collection."""
        return self.execute(*self.command(playbook, *options, **variables))

    def evidence(self, playbook: str = "offboard", folder: str = "mde-evidence") -> list[dict[str, t.Any]]:
        """Return all evidence of a playbook, oldest first. Each must also exist as CSV and HTML."""
        paths = sorted((self.folder / folder).glob(f"mde-{playbook}-2*.json"))
        assert all(path.with_suffix(suffix).exists() for path in paths for suffix in (".csv", ".html"))
        return [json.loads(path.read_text("utf-8")) for path in paths]
