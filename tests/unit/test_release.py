# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files of a release: one version, a complete changelog, and workflows that run existing targets."""

from __future__ import annotations

import importlib
import re
import shutil
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.secops.mde.tests import emulator
from ansible_collections.secops.mde.tests.tools.release import VERSION, ReleaseError, version_of
from ansible_collections.secops.mde.tests.tools.workspace import CORES

ROOT = Path(str(emulator.__file__)).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
KINDS = {"modules": "modules", "filter": "plugins", "inventory": "plugins"}


def load(path: Path) -> t.Any:
    return yaml.safe_load(path.read_text("utf-8"))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A copy of the files with the version."""
    for file in VERSION:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / file, tmp_path / file)
    return tmp_path


def test_all_files_name_the_same_version() -> None:
    assert (
        len({re.findall(pattern, (ROOT / file).read_text("utf-8"), re.M)[0] for file, pattern in VERSION.items()}) == 1
    )


@pytest.mark.parametrize("file", VERSION)
def test_a_file_with_another_version_stops_the_release(root: Path, file: str) -> None:
    version = version_of(root)
    path = root / file
    path.write_text(path.read_text("utf-8").replace(version, "1.0.10"), "utf-8")
    with pytest.raises(ReleaseError, match=rf"The versions differ: .*1\.0\.10 in {file}"):
        version_of(root)


def test_of_the_changelog_the_newest_release_counts(root: Path) -> None:
    path = root / "changelogs" / "changelog.yaml"
    path.write_text("releases:\n  1.9.0:\n    a: b\n  1.10.0:\n    a: b\n", "utf-8")
    with pytest.raises(ReleaseError, match=r"1\.10\.0 in changelogs/changelog\.yaml"):
        version_of(root)


def test_a_tag_has_to_be_the_version(root: Path) -> None:
    assert version_of(root, version_of(root)) == version_of(root)
    with pytest.raises(ReleaseError, match=r"9\.9\.9 in the tag"):
        version_of(root, "9.9.9")


def test_fragments_that_are_not_in_the_changelog_stop_the_release(root: Path) -> None:
    (root / "changelogs" / "fragments").mkdir()
    (root / "changelogs" / "fragments" / "20-new-option.yml").write_text("---\n", "utf-8")
    with pytest.raises(ReleaseError, match=r"20-new-option\.yml"):
        version_of(root)


@pytest.mark.parametrize("kind", KINDS)
def test_the_changelog_has_every_plugin_with_its_description(kind: str) -> None:
    listed: dict[str, str] = {}
    for release in load(ROOT / "changelogs" / "changelog.yaml")["releases"].values():
        entries = release.get("modules", []) if kind == "modules" else release.get("plugins", {}).get(kind, [])
        listed |= {entry["name"]: entry["description"].rstrip(".") for entry in entries}
    described = {
        path.stem: documentation(kind, path.stem)["short_description"]
        for path in (ROOT / "plugins" / kind).glob("[a-z]*.py")
    }
    assert described
    assert listed == described


def documentation(kind: str, name: str) -> dict[str, t.Any]:
    plugin = importlib.import_module(f"ansible_collections.secops.mde.plugins.{kind}.{name}")
    return t.cast("dict[str, t.Any]", yaml.safe_load(plugin.DOCUMENTATION))


def test_the_changelog_has_the_role_and_every_playbook() -> None:
    objects = load(ROOT / "changelogs" / "changelog.yaml")["releases"]["1.0.0"]["objects"]
    assert {entry["name"] for entry in objects["playbook"]} == {
        path.stem for path in (ROOT / "playbooks").glob("*.yml")
    }
    assert {entry["name"] for entry in objects["role"]} == {path.name for path in (ROOT / "roles").iterdir()}


# --- The files for the platform that hosts the repository ---


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_workflows_run_targets_of_the_makefile(path: Path) -> None:
    commands = [step["run"] for job in load(path)["jobs"].values() for step in job["steps"] if "run" in step]
    targets = {target for command in commands for target in re.findall(r"\bmake ([\w-]+)", command)}
    makefile = (ROOT / "Makefile").read_text("utf-8")
    assert targets
    assert {target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)} == set()


def test_the_workflow_of_the_matrix_installs_every_supported_python() -> None:
    jobs = load(ROOT / ".github" / "workflows" / "ci.yml")["jobs"]
    (versions,) = (
        step["with"]["python-version"] for step in jobs["matrix"]["steps"] if "python-version" in step.get("with", {})
    )
    wanted = {minor for _release, oldest, newest in CORES.values() for minor in range(oldest, newest + 1)}
    assert sorted(versions.split()) == sorted(f"3.{minor}" for minor in wanted)


@pytest.mark.parametrize("name", ["bug_report", "feature_request"])
def test_issue_forms_have_what_the_platform_requires(name: str) -> None:
    form = load(ROOT / ".github" / "ISSUE_TEMPLATE" / f"{name}.yml")
    assert {"name", "description", "body"} <= set(form)
    fields = [field for field in form["body"] if field["type"] != "markdown"]
    assert len({field["id"] for field in fields}) == len(fields) > 0
    assert all(field["attributes"]["label"] for field in fields)


@pytest.mark.parametrize("name", ["SECURITY.md", "CODE_OF_CONDUCT.md", "CONTRIBUTING.md", "README.md"])
def test_links_to_files_of_the_repository_resolve(name: str) -> None:
    targets = re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", (ROOT / name).read_text("utf-8"))
    assert [target for target in targets if not (ROOT / target).exists()] == []


def test_other_files_of_the_platform_link_to_the_repository_of_the_collection() -> None:
    repository = load(ROOT / "galaxy.yml")["repository"]
    text = "".join(path.read_text("utf-8") for path in [*ROOT.glob("*.md"), *(ROOT / ".github").rglob("*.yml")])
    linked = set(re.findall(r"https://github\.com/[\w.-]+/[\w.-]+", text))
    assert linked == {repository}
