# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of the documentation, divided into blocks that can be run."""

from __future__ import annotations

import ast
import re
import textwrap
import typing as t
from dataclasses import dataclass
from pathlib import Path

import yaml

from ansible_collections.secops.mde.tests.functional.support.ansible_command import COLLECTION

PREFIX = "secops.mde."


@dataclass(frozen=True)
class Block:
    """A block of the documentation with its exact text. ``title`` is unique in its source."""

    source: str
    title: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.source}: {self.title}"


def of_plugins() -> list[Block]:
    """Return the examples of all plugins except inventories: each task of the collection with the tasks after it."""
    return [block for path in sorted(COLLECTION.glob("plugins/*/*.py")) for block in _of_plugin(path)]


def _of_plugin(path: Path) -> t.Iterator[Block]:
    if (
        path.parent.name in ("action", "doc_fragments", "inventory", "module_utils", "plugin_utils")
        or path.stem == "__init__"
    ):
        return
    text = _examples(path)
    tasks, root = yaml.safe_load(text), yaml.compose(text)
    if not isinstance(root, yaml.SequenceNode):
        yield Block(path.stem, "examples", text)
        return
    lines = text.splitlines(keepends=True)
    starts = [
        (task["name"], node.start_mark.line)
        for task, node in zip(tasks, root.value, strict=True)
        if any(key.startswith(PREFIX) for key in task)
    ]
    assert starts
    assert starts[0][1] == root.start_mark.line, f"{path.stem}: an example begins with a task of the collection"
    ends = [line for _title, line in starts[1:]] + [len(lines)]
    for (title, start), end in zip(starts, ends, strict=True):
        yield Block(path.stem, title, "".join(lines[start:end]))


def _examples(path: Path) -> str:
    """Return the value of EXAMPLES without importing the plugin or Ansible."""
    for statement in ast.parse(path.read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == ["EXAMPLES"]:
            return str(ast.literal_eval(statement.value))
    raise AssertionError(f"{path} has no EXAMPLES")


def of_readme() -> list[Block]:
    """Return the fenced blocks of the README. The title is the name of the play or task, or else the first line."""
    text = (COLLECTION / "README.md").read_text("utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block("README", title_of(body), body) for _language, body in found]


def of_guide(name: str) -> list[Block]:
    """Return the code blocks of a guide in order, with titles as in the README."""
    text = (COLLECTION / "docs" / "docsite" / "rst" / f"{name}.rst").read_text("utf-8")
    found = re.findall(r"^\.\. code-block:: \w+\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    bodies = [textwrap.dedent(body).strip("\n") + "\n" for body in found]
    return [Block(name, title_of(body), body) for body in bodies]


def title_of(body: str) -> str:
    """Return the name of a play or task, or the first line of another block."""
    return body.splitlines()[0].removeprefix("- name: ")
