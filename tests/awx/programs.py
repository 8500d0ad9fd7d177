# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Ansible that runs jobs, and the environment of its processes.

AWX's code needs a newer Python than the oldest supported Ansible. Therefore the variable AWX_TEST_PROGRAMS has the folder
of the Ansible under test. Without it, the Ansible of the running Python is used.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ansible_collections.secops.mde.tests import emulator

COLLECTIONS = Path(str(emulator.__file__)).parents[5]
COLLECTION = COLLECTIONS / "ansible_collections" / "secops" / "mde"
PROGRAMS = Path(os.environ.get("AWX_TEST_PROGRAMS") or Path(sys.executable).parent)

# Variables of the caller that change the behavior of Ansible or of a sign-in.
FOREIGN = ("ANSIBLE_", "AZURE_", "IDENTITY_", "IMDS_", "MDE_", "MSI_", "PYTHON", "VIRTUAL_ENV")


def program(name: str) -> str:
    """Return the path of one of Ansible's programs."""
    return str(PROGRAMS / name)


def base_environment(home: Path, collections: Path | None = None) -> dict[str, str]:
    """Return the variables of this process without these variables, with a separate home and the collection under test.

    ``collections`` is a folder with additional collections.
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
