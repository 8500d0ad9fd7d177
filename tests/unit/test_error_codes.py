# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The page of error codes has exactly the codes that can occur, each with its cause and a solution."""

from __future__ import annotations

import ast
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.plugins.module_utils._api import error_responses
from ansible_collections.secops.mde.plugins.module_utils._offboarding import availability, wait
from ansible_collections.secops.mde.tests import emulator

COLLECTION = Path(str(emulator.__file__)).parents[2]
UTILS = COLLECTION / "plugins" / "module_utils"
PAGE = (COLLECTION / "docs" / "docsite" / "rst" / "guide_errors.rst").read_text("utf-8")
# Codes of base classes. Errors that are raised always have another code.
BASES = {"error", "device_error"}
ROW = re.compile(r"^   \* - ``(\w+)``\n     - (.+(?:\n       .+)*)\n     - (.+(?:\n       .+)*)$", re.MULTILINE)


def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def calls_of(tree: ast.AST, name: str) -> t.Iterator[ast.Call]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
            yield node


def texts(expressions: t.Iterable[ast.expr]) -> set[str]:
    """Return the string literals of these expressions. Other expressions are an error."""
    return {str(ast.literal_eval(expression)) for expression in expressions}


def of_error_responses() -> set[str]:
    """Return the codes that ``_error_code`` returns."""
    (function,) = (
        node
        for node in tree_of(UTILS / "_api" / "error_responses.py").body
        if isinstance(node, ast.FunctionDef) and node.name == "_error_code"
    )
    returned = [node.value for node in ast.walk(function) if isinstance(node, ast.Return) and node.value]
    constants = {
        str(node.value)
        for value in returned
        for node in ([value.body, value.orelse] if isinstance(value, ast.IfExp) else [value])
        if isinstance(node, ast.Constant)
    }
    return constants | set(error_responses._CODES.values())


def of_transport() -> set[str]:
    """Return the second argument of the local function ``failure``."""
    return texts(call.args[1] for call in calls_of(tree_of(UTILS / "_http" / "transport.py"), "failure"))


def of_matching() -> set[str]:
    """Return the code of each call of ``_refused``, or its outcome if it has no code."""
    return {
        str(ast.literal_eval(next((word.value for word in call.keywords if word.arg == "code"), call.args[0])))
        for call in calls_of(tree_of(UTILS / "_offboarding" / "matching.py"), "_refused")
    }


# If ``code=`` is not a literal: the expression, and the codes that it can have.
COMPUTED: dict[tuple[str, str], t.Callable[[], set[str]]] = {
    ("error_responses.py", "code"): of_error_responses,
    ("transport.py", "code"): of_transport,
    ("matching.py", "code"): of_matching,
    ("matching.py", "outcome"): of_matching,
    ("wait.py", "code"): lambda: {code for code, _hint in wait._ENDS.values()},
    ("availability.py", "code"): lambda: {code for _pattern, code, _hint in availability._LASTING_REASONS},
}


def codes_in(path: Path) -> t.Iterator[str]:
    """Return the codes of errors in a file."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ClassDef):
            for statement in node.body:
                if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == "code":
                    yield from texts([statement.value])
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("Error", "_refused", ".restate")):
            for word in node.keywords:
                if word.arg == "code":
                    yield from codes_of(path, word.value)


def codes_of(path: Path, value: ast.expr) -> t.Iterator[str]:
    if isinstance(value, ast.IfExp):
        yield from codes_of(path, value.body)
        yield from codes_of(path, value.orelse)
    elif isinstance(value, ast.BoolOp):
        for part in value.values:
            yield from codes_of(path, part)
    elif isinstance(value, ast.Attribute) and value.attr == "code":
        return  # the code of another error, which is found where it is created
    elif path.name == "_errors.py" and isinstance(value, ast.Name):
        return  # an argument of restate, which is found where restate is called
    elif isinstance(value, ast.Constant):
        yield str(value.value)
    else:
        yield from COMPUTED[path.name, ast.unparse(value)]()


def raised() -> set[str]:
    return {code for path in sorted((COLLECTION / "plugins").rglob("*.py")) for code in codes_in(path)}


def test_the_page_has_every_code_once_and_no_other() -> None:
    documented = [code for code, _cause, _solution in ROW.findall(PAGE)]
    assert len(documented) == PAGE.count("\n   * - ``")
    assert sorted(documented) == sorted(raised() - BASES)


def test_codes_of_every_kind_are_found() -> None:
    """The search finds the codes of a class, a call, a condition and each table."""
    found = raised()
    assert {"invalid_option", "devices_failed", "exclusion_unavailable", "run_ended"} <= found
    for codes in COMPUTED.values():
        assert codes()
        assert codes() <= found


@pytest.mark.parametrize("text", ['MdeError("x", code=name)', 'raise DeviceError("x", code=f"{name}")'])
def test_a_code_that_cannot_be_read_from_the_source_is_noticed(text: str, tmp_path: Path) -> None:
    path = tmp_path / "new.py"
    path.write_text(text, "utf-8")
    with pytest.raises(KeyError):
        list(codes_in(path))


def test_a_new_code_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "new.py"
    path.write_text('class NewError(MdeError):\n    code = "new"\n\nMdeError("x", code="newer")\n', "utf-8")
    assert set(codes_in(path)) == {"new", "newer"}
    assert not {"new", "newer"} & raised()
