# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs the examples of the documentation like a user with an installed collection and an exported credential."""

from __future__ import annotations

import json
import textwrap
import typing as t
from pathlib import Path
from types import MappingProxyType

from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.functional.support.ansible_command import (
    RECORDER,
    AnsibleCommand,
    CommandResult,
)

# The application of the examples: the README exports it, and the examples name it.
CLIENT_ID = "7e9d3c54-1b2a-4c3d-8e4f-001122334455"
CLIENT_SECRET = "the value of the secret"
RETIRED = "decommissioned.invalid"  # an inventory host that cannot be reached, like a retired device


class ExampleCommand(AnsibleCommand):
    def __init__(self, emulator: Emulator, folder: Path) -> None:
        super().__init__(emulator, folder, **RECORDER)
        del self.variables["PYTHONPATH"]  # Ansible finds an installed collection without it

    def shell(self, text: str, **variables: str) -> CommandResult:
        """Run lines in a shell up to the first that fails."""
        return self.execute("bash", "-euc", text, environment=variables)

    def run_playbook(self, text: str, *options: str, hosts: str = RETIRED) -> CommandResult:
        """Run a playbook, or tasks as a play."""
        return self._run(text if "\n  hosts:" in text else _play_of(text), *options, hosts=hosts)

    def predict_and_run(
        self, text: str, *, hosts: str = RETIRED, defaults: t.Mapping[str, t.Any] = MappingProxyType({})
    ) -> CommandResult:
        """Run tasks as a play in check mode, and then as a real run in the same playbook.

        ``defaults`` are the module_defaults of both plays.
        """
        plays = [_play_of(text, check_mode=check, module_defaults=dict(defaults)) for check in (True, False)]
        return self._run("".join(plays), hosts=hosts)

    def _run(self, playbook: str, *options: str, hosts: str) -> CommandResult:
        (self.folder / "playbook.yml").write_text(f"---\n{playbook}", "utf-8")
        return self.execute("ansible-playbook", "playbook.yml", f"--inventory={hosts},", *options)


def _play_of(tasks: str, **keywords: t.Any) -> str:
    """Return a play of these tasks for all hosts of the inventory."""
    lines = "".join(f"  {name}: {json.dumps(value)}\n" for name, value in keywords.items())
    return f"- hosts: all\n  gather_facts: false\n{lines}  tasks:\n{textwrap.indent(tasks, '    ')}"
