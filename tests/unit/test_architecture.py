# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The layers of the collection: allowed imports, and the files that can import Ansible and msal."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest
import yaml

from ansible_collections.secops.mde.plugins.module_utils._version import COLLECTION_VERSION

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
# From the lowest layer up. A file imports from the package of its own layer and from the layers above it in this list.
LAYERS = (
    ("_presentable", "_same"),
    ("_foreign_json", "_errors", "_clock", "_timestamps", "_version", "_evidence_format"),
    ("_http",),
    ("_clouds",),
    ("_auth",),
    ("_api",),
    ("_options", "_results"),
    ("_device_changes",),
    ("_offboarding", "_queries", "_cancellation", "_tagging", "_exclusion"),
    ("_verification",),
    ("_connection",),
    ("_module",),
)
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
FILES = sorted((PLUGINS / "module_utils").rglob("*.py"))
MODULES = sorted((PLUGINS / "modules").glob("*.py"))
EVIDENCE = sorted((PLUGINS / "plugin_utils" / "_evidence").glob("*.py"))
CONTROLLER = sorted((PLUGINS / "plugin_utils").rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Return the absolute names of all modules that a file imports, also inside functions."""
    package = ("ansible_collections", "secops", "mde", "plugins", *path.relative_to(PLUGINS).parent.parts)
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            found.add(".".join([*base, *filter(None, [node.module])]))
    return found


def layer(path: Path) -> str:
    return path.relative_to(PLUGINS / "module_utils").with_suffix("").parts[0]


def test_every_file_belongs_to_a_layer() -> None:
    assert {layer(path) for path in FILES} == set(LEVEL)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_imports_point_down(path: Path) -> None:
    prefix = "ansible_collections.secops.mde.plugins."
    for name in (name.removeprefix(prefix) for name in imported(path) if name.startswith(prefix)):
        kind, _dot, rest = name.partition(".")
        assert kind == "module_utils", f"{name} is controller-only code"
        other = rest.partition(".")[0]
        if other and other != layer(path):
            assert LEVEL[other] < LEVEL[layer(path)], f"{layer(path)} imports {other}"


@pytest.mark.parametrize("path", [*FILES, *MODULES], ids=lambda path: str(path.relative_to(PLUGINS)))
def test_code_that_runs_on_targets_imports_no_code_of_the_controller(path: Path) -> None:
    controller_only = ("ansible_collections.secops.mde.plugins.plugin_utils", "jinja2", "markupsafe", "yaml")
    assert not [name for name in imported(path) if name.startswith(controller_only)]


@pytest.mark.parametrize("path", EVIDENCE, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_evidence_knows_neither_ansible_nor_other_code_of_the_controller(path: Path) -> None:
    own = "ansible_collections.secops.mde.plugins."
    for name in imported(path):
        assert name.partition(".")[0] != "ansible"
        if name.startswith(own):
            assert name.removeprefix(own).startswith(("plugin_utils._evidence", "module_utils."))
    if path.name != "html_report.py":
        assert not {"jinja2", "markupsafe"} & imported(path)


def test_a_module_without_code_documents_an_action() -> None:
    without_code = {path.stem for path in MODULES if "\ndef main(" not in path.read_text("utf-8")}
    assert without_code == {path.stem for path in (PLUGINS / "action").glob("*.py")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_only_the_module_class_and_the_argument_spec_know_ansible(path: Path) -> None:
    if path.name not in ("_module.py", "argument_spec.py"):
        assert not {name for name in imported(path) if name.partition(".")[0] == "ansible"}


def test_the_options_know_only_the_exception_of_a_fallback() -> None:
    text = (PLUGINS / "module_utils" / "_options" / "argument_spec.py").read_text("utf-8")
    assert text.count("from ansible.") == 1
    assert "from ansible.module_utils.common.parameters import AnsibleFallbackNotFound" in text


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_msal_and_cryptography_are_imported_late_and_by_the_sign_in_only(path: Path) -> None:
    tree = ast.parse(path.read_text("utf-8"))
    libraries = {"msal", "cryptography"}
    assert not libraries & set().union(*map(top_level_packages, tree.body))
    if layer(path) != "_auth":
        assert not libraries & {name.partition(".")[0] for name in imported(path)}


def top_level_packages(statement: ast.stmt) -> set[str]:
    if isinstance(statement, ast.ImportFrom):
        return {(statement.module or "").partition(".")[0]}
    return {name.name.partition(".")[0] for name in statement.names} if isinstance(statement, ast.Import) else set()


def test_the_imports_of_a_package_have_no_cycle() -> None:
    files = (*FILES, *CONTROLLER)
    names = {".".join(("plugins", *path.relative_to(PLUGINS).with_suffix("").parts)): path for path in files}
    prefix = "ansible_collections.secops.mde."
    graph = {
        name: {found.removeprefix(prefix) for found in imported(path)} & set(names) for name, path in names.items()
    }
    assert list(TopologicalSorter(graph).static_order())  # raises CycleError


def test_the_version_is_that_of_the_collection() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))["version"] == COLLECTION_VERSION


def test_every_module_that_calls_the_service_is_in_the_action_group() -> None:
    runtime = yaml.safe_load((ROOT / "meta" / "runtime.yml").read_text("utf-8"))
    modules = sorted(path.stem for path in (PLUGINS / "modules").glob("*.py"))
    assert runtime["action_groups"]["mde"] == [
        name for name in modules if name not in ("mde_evidence", "runbook_input")
    ]
