# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Everything that the guides name exists, and every snippet is valid for its program."""

from __future__ import annotations

import importlib
import itertools
import json
import re
import shlex
import subprocess
import textwrap
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from ansible.parsing.splitter import parse_kv

from ansible_collections.secops.mde.plugins.module_utils._auth.credential_selection import (
    ENVIRONMENT_VARIABLES,
)
from ansible_collections.secops.mde.plugins.module_utils._auth.msal_adapter import _HINTS
from ansible_collections.secops.mde.plugins.module_utils._options.argument_spec import ENVIRONMENT
from ansible_collections.secops.mde.tests import emulator
from ansible_collections.secops.mde.tests.emulator.faults import Fault
from ansible_collections.secops.mde.tests.emulator.knobs import Knobs
from ansible_collections.secops.mde.tests.emulator.scenario import load_scenario

COLLECTION = Path(str(emulator.__file__)).parents[2]
FOLDER = COLLECTION / "docs" / "docsite"
GUIDES = {path.stem: path.read_text("utf-8") for path in sorted((FOLDER / "rst").glob("*.rst"))}
README = (COLLECTION / "README.md").read_text("utf-8")
REPOSITORY = "https://github.com/secops-example/secops.mde/blob/main/"
RAW = "https://raw.githubusercontent.com/secops-example/secops.mde/main/"
HOSTS = {"proxy.corp.example", "dc-01.corp.example"}  # not devices
TYPING_ERRORS = {"pc-9999.corp.example", "kiosk-01.corp.example"}  # the text says that these names are not found
LABEL = "ansible_collections.secops.mde.docsite."
PREFIX = "secops.mde."

SPEC = yaml.safe_load((COLLECTION / "roles" / "mde" / "meta" / "argument_specs.yml").read_text("utf-8"))[
    "argument_specs"
]
HOST_VARIABLES = {"mde_device_id", "mde_device_name", "mde_aad_device_id"}
ROLE_RESULTS = {"mde_result"}
PLAYBOOK_VARIABLES = {name for entry_point in SPEC.values() for name in entry_point["options"]} - HOST_VARIABLES
PLAYBOOKS = {"offboard", "offboard_list", "verify"} | {path.stem for path in (COLLECTION / "playbooks").glob("*.yml")}
VERIFIED = {"done", "came_back", "pending", "failed", "timed_out", "cancelled", "no_action"}
MODULES = {path.stem for path in (COLLECTION / "plugins" / "modules").glob("[a-z]*.py")}
PLUGINS = {path.stem for kind in ("filter", "inventory") for path in (COLLECTION / "plugins" / kind).glob("[a-z]*.py")}
NAMES = MODULES | PLUGINS | PLAYBOOKS
VARIABLE_NAMES = {name for names in [*ENVIRONMENT.values(), *ENVIRONMENT_VARIABLES.values()] for name in names} | {
    "MDE_EMULATOR_CONTROL"
}
PROGRAMS = {
    "ansible",
    "ansible-builder",
    "ansible-galaxy",
    "ansible-inventory",
    "ansible-playbook",
    "cp",
    "curl",
    "make",
    "python3",
    *(".", "cd", "export", "set", "test", "trap"),
}


@dataclass(frozen=True)
class Block:
    """A snippet with the number of its first line."""

    guide: str
    line: int
    language: str
    text: str


def blocks(language: str) -> list[t.Any]:
    """Return the snippets of one language as parameters of a test."""
    return [
        pytest.param(block, id=f"{block.guide}-{block.line}")
        for guide, text in GUIDES.items()
        for block in blocks_of(guide, text)
        if block.language == language
    ]


def blocks_of(guide: str, text: str) -> t.Iterator[Block]:
    for found in re.finditer(r"^\.\. code-block:: (\w+)\n\n((?:   .*\n|\n)+)", text, re.MULTILINE):
        line = text.count("\n", 0, found.start(2)) + 1
        yield Block(guide, line, found.group(1), textwrap.dedent(found.group(2)).strip("\n") + "\n")


# --- What plugins take and return ---


def documentation(kind: str, name: str, part: str) -> dict[str, t.Any]:
    plugin = importlib.import_module(f"ansible_collections.secops.mde.plugins.{kind}.{name}")
    return t.cast("dict[str, t.Any]", yaml.safe_load(getattr(plugin, part)))


def options(kind: str, name: str) -> dict[str, dict[str, t.Any]]:
    """Return all options of a plugin, including those of its fragments and the aliases."""
    documented = documentation(kind, name, "DOCUMENTATION")
    found = dict(documented.get("options", {}))
    for fragment in documented.get("extends_documentation_fragment", ()):
        found.update(fragment_options(fragment))
    aliases = {alias: {**option, "required": False} for option in found.values() for alias in option.get("aliases", ())}
    return {**found, **aliases}


def fragment_options(fragment: str) -> dict[str, dict[str, t.Any]]:
    words = fragment.split(".")
    package = "ansible_collections.secops.mde" if fragment.startswith(PREFIX) else "ansible"
    part = words[3].upper() if len(words) > 3 else "DOCUMENTATION"
    module = importlib.import_module(f"{package}.plugins.doc_fragments.{words[2]}")
    return t.cast(
        "dict[str, dict[str, t.Any]]",
        yaml.safe_load(getattr(module.ModuleDocFragment, part)).get("options", {}),
    )


def check_options(given: t.Mapping[str, t.Any], known: t.Mapping[str, t.Mapping[str, t.Any]]) -> None:
    """Check that every name exists, that choices are valid, and that required options are set."""
    assert set(given) <= set(known)
    for name, value in given.items():
        if "choices" in known[name] and "{{" not in str(value):
            assert value in known[name]["choices"], name
        for item in value if "suboptions" in known[name] and isinstance(value, list) else ():
            check_options(item, known[name]["suboptions"])
    assert {name for name, option in known.items() if option.get("required")} <= set(given)


def check_returned(text: str, register: str, module: str) -> None:
    """Check that the keys of a registered result that a snippet uses are documented."""
    returned = documentation("modules", module, "RETURN")
    for path in re.findall(rf"\b{register}\.([\w.]+)", text):
        keys: dict[str, t.Any] = {**returned, "changed": {}, "failed": {}}
        for key in re.findall(r"\w+", path):
            assert key in keys, f"{register}.{path}"
            keys = keys[key].get("contains", {})
            if not keys:
                break
    nested = {key for value in returned.values() for key in value.get("contains", {})}
    lists = [value["sample"] for value in returned.values() if isinstance(value.get("sample"), list)]
    records = {key for item in itertools.chain(*lists) for key in item}
    for attribute in re.findall(r"(?:attribute=|attr\()'(\w+)", text):
        assert attribute in nested | records, attribute


# --- All guides together ---


def test_site_and_readme_have_every_guide() -> None:
    sections = yaml.safe_load((FOLDER / "extra-docs.yml").read_text("utf-8"))["sections"]
    assert sorted(guide for section in sections for guide in section["toctree"]) == sorted(GUIDES)
    for guide in GUIDES:
        assert f"({REPOSITORY}docs/docsite/rst/{guide}.rst)" in README


def test_links_of_the_readme_work_on_github_and_on_galaxy() -> None:
    """Galaxy shows only the README, so links are absolute. Links into the repository must name existing files."""
    links = re.findall(r"\]\(([^)]+)\)", README)
    assert all(link.startswith("https://") for link in links)
    for prefix in (REPOSITORY, RAW):
        inside = [link.removeprefix(prefix) for link in links if link.startswith(prefix)]
        assert inside
        assert [path for path in inside if not (COLLECTION / path).exists()] == []


def test_the_readme_has_the_sections_that_certification_expects() -> None:
    assert re.findall(r"^## (.+)$", README, re.MULTILINE) == [
        "Description",
        "Requirements",
        "Installation",
        "Use Cases",
        "Testing",
        "Contributing",
        "Support",
        "Release Notes and Roadmap",
        "Related Information",
        "License",
    ]


@pytest.mark.parametrize(
    "path", ["CONTRIBUTING.md", "roles/mde/README.md", "extensions/awx/README.md", "tests/bench/README.md"]
)
def test_links_between_files_of_the_repository_resolve(path: str) -> None:
    links = re.findall(r"\]\(([^)#]+)", (COLLECTION / path).read_text("utf-8"))
    assert links
    folder = (COLLECTION / path).parent
    assert [link for link in links if not link.startswith("https://") and not (folder / link).exists()] == []


def test_images_of_the_guides_exist_and_have_a_text() -> None:
    for text in GUIDES.values():
        images = re.findall(r"^\.\. image:: (\S+)\n   :alt: .{40,}$", text, re.MULTILINE)
        assert len(images) == text.count(".. image::")
        assert all((FOLDER / "rst" / image).is_file() for image in images)


def test_the_emulator_has_every_device_and_tag_of_the_readme_and_the_guides() -> None:
    fleet = load_scenario("fleet").devices
    named = (
        {device.name for device in fleet} | {device.id for device in fleet} | {device.aad_device_id for device in fleet}
    )
    texts = {"README": README, **{guide: text for guide, text in GUIDES.items() if guide != "guide_rehearse"}}
    texts["guide_rehearse"] = GUIDES["guide_rehearse"].split("Custom devices")[0]
    for guide, text in texts.items():
        names = set(re.findall(r"[\w'-]+(?:\.\w+)?\.corp\.example", text))
        ids = set(re.findall(r"\b[0-9a-f]{40}\b", text)) | set(re.findall(r"aad_device_id: ([0-9a-f-]{36})", text))
        assert names - HOSTS - TYPING_ERRORS <= named, guide
        assert ids <= named, guide
        assert set(re.findall(r"^ +tag: (\w+)$", text, re.MULTILINE)) <= {
            tag for device in fleet for tag in device.tags
        }


def test_labels_are_unique_and_every_reference_has_one() -> None:
    text = "\n".join(GUIDES.values())
    labels = re.findall(r"^\.\. _([^:]+):$", text, re.MULTILINE)
    assert len(labels) == len(set(labels))
    assert {LABEL + guide for guide in GUIDES} <= set(labels)
    references = re.findall(r":ref:`[^<`]+<([^>]+)>`", text)
    assert references
    assert len(references) == text.count(":ref:")
    assert set(references) <= set(labels)


@pytest.mark.parametrize("guide", GUIDES)
def test_every_name_exists(guide: str) -> None:
    text = GUIDES[guide]
    assert set(re.findall(r"\bsecops\.mde\.(\w+)", text)) <= NAMES | {"docsite", "mde"}
    artifacts = {f"mde_{playbook}_" for playbook in ("offboard", "offboard_list", "verify")}  # followed by a job ID
    variables = {re.sub(r"_[0-9]+$", "_", name) for name in re.findall(r"\bmde_\w+", text)}
    assert variables <= NAMES | PLAYBOOK_VARIABLES | HOST_VARIABLES | ROLE_RESULTS | artifacts
    assert set(re.findall(r"\b(?:MDE|AZURE)_[A-Z0-9_]+", text)) <= VARIABLE_NAMES


@pytest.mark.parametrize("guide", GUIDES)
def test_the_language_of_every_snippet_is_tested(guide: str) -> None:
    found = list(blocks_of(guide, GUIDES[guide]))
    assert len(found) == GUIDES[guide].count("code-block::")
    assert {block.language for block in found} <= {"yaml", "shell"}


def test_every_outcome_and_variable_has_its_row() -> None:
    rows = set(re.findall(r"^   \* - ``(\w+)``$", GUIDES["guide_decommission"], re.MULTILINE))
    outcome = documentation("modules", "mde_offboard", "RETURN")["devices"]["contains"]["outcome"]["description"]
    outcomes = set(re.findall(r"V\((\w+)\)", " ".join(outcome)))
    assert len(outcomes) == 9
    outcome_of_verify = documentation("modules", "mde_offboard_info", "RETURN")["devices"]["contains"]["outcome"][
        "description"
    ]
    assert set(re.findall(r"V\((\w+)\)", " ".join(outcome_of_verify))) == VERIFIED | {"error"}
    assert rows == outcomes | VERIFIED | PLAYBOOK_VARIABLES


def test_variables_of_playbooks_and_role_are_documented() -> None:
    files = [*(COLLECTION / "playbooks").rglob("*.yml"), *(COLLECTION / "roles" / "mde" / "tasks").glob("*.yml")]
    text = "".join(path.read_text("utf-8") for path in files)
    used = set(re.findall(r"(?<!secops\.mde\.)\bmde_\w+", text)) - {"mde_result"}
    assert used <= PLAYBOOK_VARIABLES | MODULES
    assert "mde_hosts" in used


def test_every_exception_belongs_to_the_collection() -> None:
    text = GUIDES["guide_credentials"].split("When sign-in fails")[1]
    numbers = {int(number) for number in re.findall(r"AADSTS(\d+)", text)}
    assert numbers
    assert numbers <= set(_HINTS)
    source = "".join(path.read_text("utf-8") for path in (COLLECTION / "plugins" / "module_utils").rglob("*.py"))
    codes = {
        code for row in re.findall(r"^   \* - (``.*)$", text, re.MULTILINE) for code in re.findall(r"``(\w+)``", row)
    }
    assert len(codes) > 4
    assert [code for code in sorted(codes) if f'"{code}"' not in source] == []


# --- YAML ---


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_blocks_of_the_documentation_are_valid(block: Block, tmp_path: Path) -> None:
    value = yaml.safe_load(block.text)
    if isinstance(value, list) and "id" not in value[0]:
        for play in value:
            check_play(play, block.text)
    elif "plugin" in value:
        check_options(value, options("inventory", value["plugin"].removeprefix(PREFIX)))
    elif "devices" in value:
        path = tmp_path / "scenario.yml"
        path.write_text(block.text, "utf-8")
        assert load_scenario(path).devices
    else:
        check_variables(value)


def check_play(play: t.Mapping[str, t.Any], text: str) -> None:
    imported = play.get("ansible.builtin.import_playbook")
    if imported:
        assert imported.removeprefix(PREFIX) in PLAYBOOKS
        assert {name for name in play.get("vars", {}) if name.startswith("mde_")} <= PLAYBOOK_VARIABLES
        return
    assert {"name", "hosts", "gather_facts", "tasks"} <= set(play)
    for group, defaults in play.get("module_defaults", {}).items():
        assert group == "group/secops.mde.mde"
        check_options(defaults, fragment_options("secops.mde.connection"))
    for task in play["tasks"]:
        assert task["name"]
        if "ansible.builtin.include_role" in task:
            assert task["ansible.builtin.include_role"]["name"] == "secops.mde.mde"
            check_variables(task.get("vars", {}))
        for module in [key.removeprefix(PREFIX) for key in task if key.startswith(PREFIX)]:
            check_options(task[PREFIX + module], options("modules", module))
            assert play["hosts"] == "localhost" or task["delegate_to"] == "localhost"
            if "register" in task:
                check_returned(text, task["register"], module)


def check_variables(value: t.Mapping[str, t.Any]) -> None:
    assert set(value) <= PLAYBOOK_VARIABLES
    assert set(value.get("mde_fail_on", ())) <= VERIFIED
    devices = value.get("mde_devices", "")
    if "{{" in devices:
        return
    filtered = importlib.import_module("ansible_collections.secops.mde.plugins.plugin_utils._device_parser.parser")
    assert len(filtered.parse_devices(devices)) == len(devices if isinstance(devices, list) else devices.split())


# --- Shell ---


@pytest.mark.parametrize("block", blocks("shell"))
def test_shell_blocks_of_the_documentation_are_valid(block: Block) -> None:
    subprocess.run(["sh", "-n"], input=block.text, text=True, check=True, timeout=30)
    for line in block.text.splitlines():
        # In other lines than assignments and loops, the first word is the program.
        if re.match(r"(\w+=|for |$)", line):
            continue
        words = shlex.split(line)
        assert words[0] in PROGRAMS, line
        if words[0] == "make":
            targets = (COLLECTION / "Makefile").read_text("utf-8")
            assert re.search(rf"^{words[1]}:", targets, re.MULTILINE)
        elif words[0].startswith("ansible"):
            check_command(words)
        elif words[0] == "curl":
            check_control(line)
        elif words[:2] == ["python3", "-m"] and words[2].startswith("tests."):
            assert (COLLECTION / words[2].replace(".", "/")).is_dir()


def check_command(words: list[str]) -> None:
    """Check that playbooks, modules, options and variables of a command exist."""
    for before, word in itertools.pairwise(words):
        if before == "ansible-playbook" and word.startswith(PREFIX):
            assert word.removeprefix(PREFIX) in PLAYBOOKS
        elif before == "-m":
            assert word.removeprefix(PREFIX) in MODULES
        elif before == "-a":
            module = words[words.index("-m") + 1].removeprefix(PREFIX)
            check_options(dict.fromkeys(parse_kv(word)), {**options("modules", module)})
        elif before == "-e" and not word.startswith("@"):
            assert set(parse_kv(word)) <= PLAYBOOK_VARIABLES


def check_control(line: str) -> None:
    """Check that the emulator accepts the options of the guide."""
    found = re.search(r"MDE_EMULATOR_CONTROL/(\w+)", line)
    assert found
    control = (COLLECTION / "tests" / "emulator" / "control.py").read_text("utf-8")
    verb = (re.findall(r"-X (\w+)", line) or ["GET"])[0].lower()
    assert f"def _{verb}_{found.group(1)}(" in control
    body = json.loads((re.findall(r"-d '(.*)'", line) or ["{}"])[0])
    if found.group(1) == "knobs":
        Knobs().update(body)
    elif found.group(1) == "faults" and body:
        Fault(**body)


def test_knobs_in_tables_exist() -> None:
    rows = re.findall(r"^   \* - ``(\{.*\})``$", GUIDES["guide_rehearse"], re.MULTILINE)
    assert len(rows) > 5
    for row in rows:
        Knobs().update(json.loads(row))
