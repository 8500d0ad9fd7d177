# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""ansible-builder accepts the definition, and finds the requirements of the collection. No image is built."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.secops.mde.tests.awx.objects import FILES
from ansible_collections.secops.mde.tests.awx.programs import COLLECTION

BUILDER = (sys.executable, "-m", "ansible_builder")


def run(*command: str, folder: Path) -> str:
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=120)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder of collections with the files of this collection that the builder reads."""
    home = tmp_path / "ansible_collections" / "secops" / "mde"
    (home / "meta").mkdir(parents=True)
    for name in ("galaxy.yml", "requirements.txt", "meta/execution-environment.yml"):
        shutil.copy(COLLECTION / name, home / name)
    return tmp_path


def test_the_builder_finds_the_dependencies_of_the_collection(installed: Path) -> None:
    found = yaml.safe_load(run(*BUILDER, "introspect", str(installed), folder=installed))
    wanted = (COLLECTION / "requirements.txt").read_text("utf-8").split()
    assert found == {"python": [f"{line}  # from collection secops.mde" for line in wanted], "system": []}


def test_the_definition_makes_a_build_context_with_the_requirements_of_the_project(tmp_path: Path) -> None:
    shutil.copytree(FILES, tmp_path / "awx")
    run(
        *BUILDER,
        "create",
        "--file",
        "execution-environment.yml",
        "--context",
        "context",
        "--output-filename",
        "Containerfile",
        folder=tmp_path / "awx",
    )
    context = tmp_path / "awx" / "context"
    text = (context / "Containerfile").read_text("utf-8")
    assert "python3.12" in text
    requirements = FILES / "project" / "collections" / "requirements.yml"
    galaxy = yaml.safe_load((context / "_build" / "requirements.yml").read_text("utf-8"))
    assert galaxy == yaml.safe_load(requirements.read_text("utf-8"))
    (wanted,) = galaxy["collections"]
    version = yaml.safe_load((COLLECTION / "galaxy.yml").read_text("utf-8"))["version"]
    assert wanted == {"name": "secops.mde", "version": f">={version}"}
