# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The matrix has every supported version, and prints the rows that cannot run."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from ansible_collections.secops.mde.plugins.doc_fragments.connection import ModuleDocFragment
from ansible_collections.secops.mde.tests.tools import check, matrix
from ansible_collections.secops.mde.tests.tools.workspace import CORES, ROOT, Environment

PYTHON = Path("python")


def test_every_version_is_tested_and_the_oldest_a_middle_and_the_newest_completely() -> None:
    tests_of = {row.line: row.tests for row in matrix.USUAL}
    assert list(tests_of) == list(CORES)
    assert all(check.sanity in tests for tests in tests_of.values())
    complete = [line for line, tests in tests_of.items() if tests == matrix.EVERYTHING]
    assert len(complete) == 3
    assert {min(tests_of), max(tests_of)} < set(complete)


def test_the_full_matrix_has_every_python_of_every_version() -> None:
    pairs = {(row.line, row.minor) for row in matrix.FULL if not row.lowest}
    assert pairs == {
        (line, minor) for line, (_release, oldest, newest) in CORES.items() for minor in range(oldest, newest + 1)
    }
    assert len({(row.line, row.minor, row.lowest) for row in matrix.FULL}) == len(matrix.FULL)
    assert {row.line for row in matrix.FULL if row.tests == matrix.EVERYTHING} == set(CORES)
    assert all(check.sanity in row.tests for row in matrix.FULL)


def test_the_oldest_row_is_that_of_the_lowest_versions() -> None:
    for rows in (matrix.USUAL, matrix.FULL):
        (row,) = (row for row in rows if row.lowest)
        assert (row.line, row.minor) == (min(CORES), min(oldest for _release, oldest, _newest in CORES.values()))
        assert row.tests == matrix.EVERYTHING


def test_a_missing_python_is_named_and_another_one_is_used(capsys: pytest.CaptureFixture[str]) -> None:
    usable = matrix.pythons(matrix.USUAL, lambda minor: PYTHON if minor == 12 else None)
    assert {(row.line, row.minor) for row in usable} == {(line, 12) for line in CORES}
    printed = capsys.readouterr().out
    assert "not run: core 2.16 python 3.10 lowest libraries: Python 3.10 was not found\n" in printed
    assert "not run: core 2.21 python 3.14: Python 3.14 was not found\n" in printed
    assert "core 2.18" not in printed


def test_a_version_without_an_installed_python_is_not_tested(capsys: pytest.CaptureFixture[str]) -> None:
    usable = matrix.pythons(matrix.FULL, lambda minor: PYTHON if minor == 10 else None)
    assert {row.line for row in usable} == {"2.16", "2.17"}
    assert capsys.readouterr().out.count("not run: core 2.21 ") == 3
    assert len({row.name for row in usable}) == len(usable)


def test_the_row_of_make_test_has_only_the_tests_that_make_test_omits() -> None:
    own, other = (matrix.Row(Environment().core, minor) for minor in (sys.version_info.minor, 99))
    lowest = replace(own, lowest=True)
    rows = matrix.without_repetition(dict.fromkeys((own, other, lowest), PYTHON))
    assert [row.tests for row in rows] == [matrix.REST, matrix.EVERYTHING, matrix.EVERYTHING]
    assert {job.environment.purpose for job in matrix.jobs_for({replace(own, tests=matrix.REST): PYTHON})} == {"tools"}


def test_the_page_first_steps_has_the_same_versions() -> None:
    page = (ROOT / "docs" / "docsite" / "rst" / "guide_first_steps.rst").read_text("utf-8")
    rows = re.findall(r"^   \* - (2\.\d+)\n     - 3\.(\d+) to 3\.(\d+)\n     - (.+)$", page, re.MULTILINE)
    words = {matrix.EVERYTHING: "all", matrix.QUICK: "sanity, offboarding"}
    tests = {
        row.line: words[row.tests] + ", also with the lowest versions of the libraries" * row.lowest
        for row in matrix.USUAL
    }
    assert [tuple(row) for row in rows] == [
        (line, str(oldest), str(newest), tests[line]) for line, (_release, oldest, newest) in CORES.items()
    ]


def test_lowest_versions_are_those_that_the_documentation_names() -> None:
    pins = Environment(lowest=True).pins
    assert [pin.partition("==")[0] for pin in pins] == ["msal", "requests"]
    requirements = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["requirements"]
    for pin in pins:
        assert any(line.startswith(pin.replace("==", " >= ")) for line in requirements)
    assert [pin.replace("==", ">=") for pin in pins] == (ROOT / "requirements.txt").read_text("utf-8").split()
    assert Environment().pins == []
    assert Environment(lowest=True).path != Environment().path


@pytest.mark.parametrize(
    ("installed", "pin", "same"),
    [("2.28.0", "2.28", True), ("1.35.0", "1.35.0", True), ("2.28.2", "2.28", False), ("2.34.0", "2.28", False)],
)
def test_another_version_than_the_lowest_is_noticed(installed: str, pin: str, same: bool, tmp_path: Path) -> None:
    folder = tmp_path / f"madeup-{installed}.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: madeup\nVersion: {installed}\n", "utf-8")
    command = [sys.executable, "-c", matrix.CHECK_PINS, f"madeup=={pin}"]
    ended = subprocess.run(command, env={"PYTHONPATH": str(tmp_path)}, check=False, capture_output=True, timeout=30)
    assert (ended.returncode == 0) is same
