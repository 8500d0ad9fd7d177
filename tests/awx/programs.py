# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Ansible that jobs run with, and the environment of its processes.

AWX's parts need a newer Python than the oldest supported Ansible has. The variable AWX_TEST_PROGRAMS therefore names the
folder of the Ansible under test; without it, it is the one of the Python that runs the tests.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ansible_collections.secops.mde.tests import emulator

COLLECTIONS = Path(str(emulator.__file__)).parents[5]
COLLECTION = COLLECTIONS / "ansible_collections" / "secops" / "mde"
PROGRAMS = Path(os.environ.get("AWX_TEST_PROGRAMS") or Path(sys.executable).parent)

# Of the caller, what would change what Ansible or a sign-in do.
FOREIGN = ("ANSIBLE_", "AZURE_", "IDENTITY_", "IMDS_", "MDE_", "MSI_", "PYTHON", "VIRTUAL_ENV")


def program(name: str) -> str:
    """The path of one of Ansible's programs."""
    return str(PROGRAMS / name)


def base_environment(home: Path, collections: Path | None = None) -> dict[str, str]:
    """Return the variables of this process without foreign ones, with an own home and the collection under test.

    ``collections`` is a folder with more collections.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN) and not name.lower().endswith("_proxy") and name != "REQUESTS_CA_BUNDLE"
    }
    return {
        **kept,
        "HOME": str(home),
        "PATH": f"{PROGRAMS}{os.pathsep}{kept['PATH']}",
        "ANSIBLE_COLLECTIONS_PATH": os.pathsep.join(str(path) for path in (collections, COLLECTIONS) if path),
        "ANSIBLE_NOCOLOR": "true",
    }
