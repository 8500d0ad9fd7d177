# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The structure: rooms import only downwards, Ansible stays at the top, and the version is one."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

from ansible_collections.secops.mde.plugins.module_utils._version import COLLECTION_VERSION

ROOT = Path(__file__).parents[2]
ROOMS = {path.stem: path for path in sorted((ROOT / "plugins" / "module_utils").glob("*.py"))}
MODULES = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))


def imports(path: Path) -> set[str]:
    """Names of the modules that a file imports anywhere; rooms of ours without a dot."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom):
            found.add(node.module or "")
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found


def test_no_room_is_above_and_below_another_at_once() -> None:
    graph = {name: imports(path) & set(ROOMS) for name, path in ROOMS.items()}
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError


@pytest.mark.parametrize("room", sorted(set(ROOMS) - {"_module", "_options"}))
def test_below_the_module_nothing_knows_ansible(room: str) -> None:
    assert not {name for name in imports(ROOMS[room]) if name.split(".")[0] == "ansible"}


def test_the_options_know_only_the_exception_of_a_fallback() -> None:
    text = ROOMS["_options"].read_text("utf-8")
    assert text.count("from ansible.") == 1
    assert "from ansible.module_utils.common.parameters import AnsibleFallbackNotFound" in text


def test_msal_is_imported_late_and_in_one_place() -> None:
    for room, path in ROOMS.items():
        top = {name for node in ast.parse(path.read_text("utf-8")).body for name in _imported(node)}
        assert not top & {"msal", "cryptography"}, room


def _imported(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        return {(node.module or "").split(".")[0]}
    return {name.name.split(".")[0] for name in node.names} if isinstance(node, ast.Import) else set()


def test_the_version_is_that_of_the_collection() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))["version"] == COLLECTION_VERSION


def test_every_module_that_calls_the_service_is_in_the_action_group() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text("utf-8"))
    assert runtime["action_groups"]["mde"] == [name for name in MODULES if name != "mde_evidence"]
