# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The imports at the start of a module. Each task is a new process, which compiles all imported files."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[4]
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))
OURS = "ansible_collections.secops.mde.plugins"
SERVICE_MODULES = [
    name for name in MODULES if name not in ("mde_evidence", "runbook_input")
]  # these are action plugins
# Only some credentials need msal, and only a certificate needs cryptography.
CREDENTIALS = {
    f"{OURS}.module_utils._auth.{name}" for name in ("azure_cli", "msal_credentials", "msal_adapter", "certificate")
}
LATE = {"msal", "jwt", "cryptography", *CREDENTIALS}
# Code of other modules.
OTHERS = {f"{OURS}.plugin_utils"}


def imported(statement: str) -> set[str]:
    """Return the names of all modules that a new interpreter imports with a statement."""
    code = f"{statement}\nimport sys\nprint('\\n'.join(sys.modules))"
    path = os.pathsep.join(filter(None, (str(ROOT.parents[2]), os.environ.get("PYTHONPATH", ""))))
    variables = {**os.environ, "PYTHONPATH": path}
    run = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    return set(run.stdout.split())


@pytest.mark.parametrize("module", SERVICE_MODULES)
def test_a_module_starts_without_libraries_that_only_some_runs_need(module: str) -> None:
    found = imported(f"import {OURS}.modules.{module}")
    assert f"{OURS}.module_utils._http.transport" in found
    assert not found & (LATE | OTHERS)
