# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of the filters for evidence, played with evidence full of traps, and read back from the files they write."""

from __future__ import annotations

import json
import textwrap
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.secops.mde.plugins.module_utils import _evidence_csv, _evidence_page
from ansible_collections.secops.mde.tests.examples.blocks import COLLECTION
from ansible_collections.secops.mde.tests.examples.conftest import Stage
from ansible_collections.secops.mde.tests.unit.samples import hostile

WRITTEN: dict[str, tuple[str, t.Callable[[object], str]]] = {
    "evidence_page": ("run.html", _evidence_page.render),
    "evidence_csv": ("run.csv", _evidence_csv.render),
}


# Newer cores refuse half a character in JSON, before the filter sees it.
TRAPS = json.loads(json.dumps(hostile()).replace("\\ud800", ""))


def play(name: str) -> str:
    tasks = yaml.safe_load((COLLECTION / "plugins" / "filter" / f"{name}.yml").read_text("utf-8"))["EXAMPLES"]
    return f"- name: Example\n  hosts: localhost\n  gather_facts: false\n  tasks:\n{textwrap.indent(tasks, '    ')}"


def folder_with(stage: Stage, evidence: object) -> Path:
    folder = stage.folder / "mde-evidence"
    folder.mkdir()
    (folder / "run.json").write_text(json.dumps(evidence), "utf-8")
    return folder


@pytest.mark.parametrize("name", WRITTEN)
def test_the_example_writes_the_file_to_the_letter(name: str, stage: Stage) -> None:
    file, render = WRITTEN[name]
    folder = folder_with(stage, TRAPS)
    played = stage.play(play(name))
    assert played.code == 0, played.output
    assert "WARNING" not in played.output
    assert (folder / file).read_bytes().decode() == render(TRAPS)
    assert (folder / file).stat().st_mode & 0o777 == 0o600


def test_what_is_no_evidence_is_told_in_a_sentence(stage: Stage) -> None:
    folder_with(stage, {"format": "somebody.else/1"})
    played = stage.play(play("evidence_page"))
    assert played.code != 0
    assert "This is no evidence of a run" in played.output
