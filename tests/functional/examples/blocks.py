# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The examples of the documentation as the user reads them, cut into pieces that can be run."""

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
    """A piece of documentation, to the letter. ``title`` distinguishes it from the others of its source."""

    source: str
    title: str
    text: str

    @property
    def name(self) -> str:
        return f"{self.source}: {self.title}"


def of_plugins() -> list[Block]:
    """The examples of all plugins but inventories: each task of the collection with the tasks up to the next."""
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
    """The value of EXAMPLES, read without importing the plugin or Ansible."""
    for statement in ast.parse(path.read_text("utf-8")).body:
        if isinstance(statement, ast.Assign) and [ast.unparse(target) for target in statement.targets] == ["EXAMPLES"]:
            return str(ast.literal_eval(statement.value))
    raise AssertionError(f"{path} has no EXAMPLES")


def of_readme() -> list[Block]:
    """The fenced blocks of the README; a play or a task is titled by its name, another block by its first line."""
    text = (COLLECTION / "README.md").read_text("utf-8")
    found = re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block("README", title_of(body), body) for _language, body in found]


def of_guide(name: str) -> list[Block]:
    """The code blocks of a guide, in their order, titled as those of the README."""
    text = (COLLECTION / "docs" / "docsite" / "rst" / f"{name}.rst").read_text("utf-8")
    found = re.findall(r"^\.\. code-block:: \w+\n\n((?:   .*\n|\n)+)", text, re.MULTILINE)
    bodies = [textwrap.dedent(body).strip("\n") + "\n" for body in found]
    return [Block(name, title_of(body), body) for body in bodies]


def title_of(body: str) -> str:
    """The name of a play or task; of another block, the first line."""
    return body.splitlines()[0].removeprefix("- name: ")
