# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The environment of a process that runs Ansible or a module with the collection under test."""

from __future__ import annotations

import os
from pathlib import Path

from ansible_collections.secops.mde.tests import emulator as emulator_package
from ansible_collections.secops.mde.tests.emulator import Emulator

COLLECTIONS = Path(str(emulator_package.__file__)).parents[5]
COLLECTION = COLLECTIONS / "ansible_collections" / "secops" / "mde"

# ansible-test sets ANSIBLE_HOST_PATTERN_MISMATCH and others, which change what a playbook run does.
FOREIGN = ("ANSIBLE_", "AZURE_", "IDENTITY_", "MDE_", "MSI_")


def process_environment(emulator: Emulator, home: Path, **settings: str) -> dict[str, str]:
    """Return the variables of this process without those that configure Ansible or a sign-in.

    The emulator's variables, an empty home, the path to the collection and ``settings`` are added.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    return {
        **kept,
        **emulator.environment(),
        "PYTHONPATH": os.pathsep.join(filter(None, (str(COLLECTIONS), os.environ.get("PYTHONPATH", "")))),
        "HOME": str(home),
        "ANSIBLE_COLLECTIONS_PATH": str(COLLECTIONS),
        "ANSIBLE_NOCOLOR": "true",
        **settings,
    }
