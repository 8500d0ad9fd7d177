# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each block of the guide "Run it in AWX" is run, or validated if it needs the internet, a container engine or AWX."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import textwrap
import typing as t
from pathlib import Path

import yaml

from ansible_collections.secops.mde.tests.awx.awx import DEMO_HOST, Awx
from ansible_collections.secops.mde.tests.awx.objects import FILES, Object, SetUp
from ansible_collections.secops.mde.tests.awx.programs import COLLECTION
from ansible_collections.secops.mde.tests.emulator import Device, Emulator

GUIDE = (COLLECTION / "docs" / "docsite" / "rst" / "guide_awx.rst").read_text("utf-8")
BLOCKS = [
    textwrap.dedent(found.group(1)).strip("\n") + "\n"
    for found in re.finditer(r"^\.\. code-block:: \w+\n\n((?:   .*\n|\n)+)", GUIDE, re.MULTILINE)
]
SETTINGS = yaml.safe_load((FILES / "settings.yml").read_text("utf-8"))


def block(beginning: str) -> str:
    """Return the only block with this beginning."""
    (found,) = (text for text in BLOCKS if text.startswith(beginning))
    return found


def test_every_block_is_listed_in_this_test() -> None:
    known = (
        "ansible-galaxy",
        "ansible-builder",
        "export",
        "ansible-playbook",
        "mde_action_ids",
        "# retry.yml",
        "ansible ",
    )
    assert [block(beginning) for beginning in known] == BLOCKS


def test_the_copied_folder_has_every_file_of_the_table(tmp_path: Path) -> None:
    install, *rest = block("ansible-galaxy").splitlines()
    words = shlex.split(install)
    assert words == ["ansible-galaxy", "collection", "install", "secops.mde", "-p", "collections"]
    installed = tmp_path / "collections" / "ansible_collections" / "secops" / "mde" / "extensions"
    shutil.copytree(COLLECTION / "extensions", installed)
    shell = ["sh", "-euc", "\n".join([*rest, "ls -d *"])]
    ended = subprocess.run(shell, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    table = {
        name.rstrip("/")
        for name in re.findall(r"^   \* - ``([\w./-]+)``$", GUIDE, re.MULTILINE)
        if not name.isidentifier()
    }
    named = {*table, "credential_type", "project"}
    assert set(ended.stdout.split()) - named == {"README.md", "requirements.yml"}
    assert named <= set(ended.stdout.split())


def test_the_image_is_built_from_the_definition_under_the_name_in_the_settings(tmp_path: Path) -> None:
    program, command, *options = shlex.split(block("ansible-builder"))
    assert (program, command) == ("ansible-builder", "build")
    values = dict(zip(options[::2], options[1::2], strict=True))
    assert values == {"--file": "execution-environment.yml", "--tag": SETTINGS["setup_image"]}
    known = subprocess.run(
        [sys.executable, "-m", "ansible_builder", "build", "--help"], capture_output=True, text=True, check=True
    )
    assert all(option in known.stdout for option in values)


def test_the_playbook_is_run_first_for_the_credential_type_and_then_for_everything(
    objects: list[tuple[str, Object]], tmp_path: Path
) -> None:
    *prepare, first = block("export").splitlines()
    assert re.findall(r"export (\w+)=", "\n".join(prepare)) == ["CONTROLLER_HOST", "CONTROLLER_OAUTH_TOKEN"]
    assert shlex.split(prepare[-1])[-1] == "requirements.yml"
    assert (FILES / "requirements.yml").exists()
    program, playbook, *options = shlex.split(first)
    assert shlex.split(block("ansible-playbook")) == [program, playbook] == ["ansible-playbook", "setup.yml"]
    created = SetUp(tmp_path).run(*options)
    assert created == objects[:1]
    # AWX evaluates the templates of the injectors. setup.yml passes them unchanged.
    for name in ("inputs", "injectors"):
        assert created[0][1][name] == yaml.safe_load((FILES / "credential_type" / f"{name}.yml").read_text("utf-8"))


def test_the_templates_of_the_table_are_those_that_the_playbook_creates(objects: list[tuple[str, Object]]) -> None:
    rows = re.findall(r"^   \* - \*(.+)\*$", GUIDE, re.MULTILINE)
    created = [given["name"] for kind, given in objects if kind.endswith("job_template")]
    assert sorted(rows) == sorted(created)
    named = set(re.findall(r"\*(Defender: [^*]+)\*", GUIDE))
    assert named <= {given["name"] for _kind, given in objects}


def test_the_kinds_of_the_table_are_those_of_the_credential_type() -> None:
    inputs = yaml.safe_load((FILES / "credential_type" / "inputs.yml").read_text("utf-8"))
    text = GUIDE.split("* - kind")[1].split("Create a second credential")[0]
    assert set(re.findall(r"\* - ``(\w+)``", text)) == set(inputs["fields"][0]["choices"])


def test_the_variables_are_what_the_text_says() -> None:
    assert len(yaml.safe_load(block("mde_action_ids"))["mde_action_ids"]) == 2


def test_settings_that_the_guide_names_exist() -> None:
    assert set(re.findall(r"``(setup_\w+)``", GUIDE)) <= set(SETTINGS)


def test_devices_that_need_a_retry_after_verification_are_offboarded_again(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any], tmp_path: Path
) -> None:
    devices = [emulator.add_device(Device(name=f"pc-{n}.corp.example")) for n in range(3)]
    awx.project = Path(shutil.copytree(awx.project, tmp_path / "project"))
    (awx.project / "retry.yml").write_text(block("# retry.yml"), "utf-8")
    template = "Defender: offboard a list"
    (given,) = (given for kind, given in awx.objects if (kind, given["name"]) == ("job_template", template))
    awx.objects = [
        ("job_template", {**given, "playbook": "retry.yml"}),
        *(pair for pair in awx.objects if pair[1] is not given),
    ]
    artifacts = {"mde_verify_4": {"retry": [devices[0].id]}, "mde_verify_5": {"retry": [devices[2].id]}}
    job = awx.launch(template, credential, answers={"mde_comment": "CHG-1044 again"}, artifacts=artifacts)
    assert job.successful, job.output
    assert {action["machineId"] for action in emulator.actions()} == {devices[0].id, devices[2].id}


def test_the_host_of_ad_hoc_commands_is_that_of_the_demo_inventory() -> None:
    written = yaml.safe_load("\n".join(re.findall(r"``(ansible_\w+: .*?)``", GUIDE)))
    assert written == DEMO_HOST.variables


def test_the_ad_hoc_command_runs(emulator: Emulator, awx: Awx, credential: dict[str, t.Any]) -> None:
    emulator.add_device(Device(name="pc-0101.corp.example"))
    words = shlex.split(block("ansible "))
    assert words[:2] == ["ansible", "localhost"]
    job = awx.ad_hoc(words[words.index("-m") + 1], words[words.index("-a") + 1], credential)
    assert job.successful, job.output
    assert "pc-0101.corp.example" in job.output
