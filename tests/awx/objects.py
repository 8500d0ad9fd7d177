# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The objects that setup.yml creates in AWX. Its tasks run with modules that check and record their options."""

from __future__ import annotations

import json
import shutil
import subprocess
import typing as t
from pathlib import Path

import yaml

from ansible_collections.secops.mde.tests.awx.programs import COLLECTION, base_environment, program

FILES = COLLECTION / "extensions" / "awx"
SPECS: dict[str, dict[str, t.Any]] = yaml.safe_load(Path(__file__).with_name("modules.yml").read_text("utf-8"))

# Ansible's own parser rejects options that are not in the spec.
_MODULE = """\
import json
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(argument_spec=json.loads({spec!r}), supports_check_mode=True)
with open({record!r}, "a", encoding="utf-8") as file:
    given = {{name: value for name, value in module.params.items() if value is not None}}
    file.write(json.dumps([{name!r}, given]) + "\\n")
module.exit_json(changed=True)
"""

Object = dict[str, t.Any]


class SetUp:
    """A copy of extensions/awx, and the objects that setup.yml creates from it, in order."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "awx"
        shutil.copytree(FILES, self.folder)
        home = folder / "home"
        home.mkdir(exist_ok=True)
        self._record = folder / "record"
        modules = folder / "collections" / "ansible_collections" / "awx" / "awx" / "plugins" / "modules"
        modules.mkdir(parents=True)
        for name, spec in SPECS.items():
            text = _MODULE.format(spec=json.dumps(spec), record=str(self._record), name=name)
            (modules / f"{name}.py").write_text(text, "utf-8")
        self._environment = base_environment(home, collections=folder / "collections")

    def run(self, *options: str) -> list[tuple[str, Object]]:
        """Run setup.yml as in the guide, and return module and options of each object. Raises CalledProcessError."""
        self._record.unlink(missing_ok=True)
        ended = subprocess.run(
            [program("ansible-playbook"), "setup.yml", *options],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=300,
        )
        print(ended.stdout)
        ended.check_returncode()
        created: list[tuple[str, Object]] = []
        for line in self._record.read_text("utf-8").splitlines():
            kind, given = json.loads(line)
            created.append((kind, given))
        return created
