# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make matrix`: sanity, unit, functional, integration and AWX tests on all supported versions of ansible-core.

The oldest, a middle and the newest version run all tests. The others run the sanity tests and the playbooks of one module.
With the version and the Python of `make test`, only the tests that it omits run here. With `--full`, every version runs all
tests with one Python, and sanity tests and these playbooks with each other supported Python. If a Python is not found, its
name is printed.
"""

from __future__ import annotations

import argparse
import sys
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path

from . import jobs
from .check import ansible_test, awx_jobs, integration, pytest, sanity, units
from .workspace import CORES, Environment, Shell, find_python, tools


def smoke(run: Shell) -> None:
    """Run the integration tests of the most important module."""
    ansible_test(run, "integration", "mde_offboard")


def functional(run: Shell) -> None:
    """Run all functional tests, also those that take long, and the examples of the documentation."""
    pytest(run, "tests/functional")


def long_tests(run: Shell) -> None:
    """Run the tests that `make test` omits because they take long."""
    pytest(run, "tests/functional", "tests/awx", "-m", "matrix_only")


def simulation(run: Shell) -> None:
    """Simulate 100,000 devices with each service. This does not use Ansible."""
    pytest(run, "tests/simulation", "--complete", "--durations=3", one_process=True)


EVERYTHING: t.Final[tuple[jobs.Work, ...]] = (units, functional, awx_jobs, integration, sanity)
QUICK: t.Final[tuple[jobs.Work, ...]] = (smoke, sanity)
REST: t.Final[tuple[jobs.Work, ...]] = (long_tests,)


@dataclass(frozen=True)
class Row:
    """A version of ansible-core, the Python 3 that it is tested with, and the tests."""

    line: str
    minor: int
    tests: tuple[jobs.Work, ...] = EVERYTHING
    lowest: bool = False
    """Whether the libraries have the lowest versions of requirements.txt."""

    @property
    def name(self) -> str:
        return f"core {self.line} python 3.{self.minor}{' lowest libraries' if self.lowest else ''}"

    def environment(self, python: Path) -> Environment:
        environment = Environment(self.line, self.minor, python, lowest=self.lowest)
        # The libraries of the unit tests are installed together with the lowest versions, so that they are compatible.
        return replace(environment, requirements=("tests/unit/requirements.txt",)) if self.lowest else environment


USUAL: t.Final = (
    Row("2.16", 10, lowest=True),
    Row("2.17", 11, QUICK),
    Row("2.18", 12, QUICK),
    Row("2.19", 11),
    Row("2.20", 12, QUICK),
    Row("2.21", 14),
)
OTHERS: t.Final = [
    Row(line, minor, QUICK)
    for line, (_release, oldest, newest) in CORES.items()
    for minor in range(oldest, newest + 1)
    if (line, minor) not in {(row.line, row.minor) for row in USUAL}
]
FULL: t.Final = (*(replace(row, tests=EVERYTHING) for row in USUAL), Row("2.16", 10), *OTHERS)


def pythons(rows: t.Iterable[Row], find: t.Callable[[int], Path | None] = find_python) -> dict[Row, Path]:
    """Return the rows that can run, each with its Python. Print the rows that cannot run, with their replacement."""
    minors = {minor for _release, oldest, newest in CORES.values() for minor in range(oldest, newest + 1)}
    found = {minor: find(minor) for minor in sorted(minors)}
    usable: dict[tuple[str, int, bool], tuple[Row, Path]] = {}  # each pair once: the first row has the most tests
    for row in rows:
        _release, oldest, newest = CORES[row.line]
        minor = next((minor for minor in (row.minor, *range(newest, oldest - 1, -1)) if found[minor]), None)
        if minor != row.minor:
            print(f"not run: {row.name}: Python 3.{row.minor} was not found", flush=True)
        python = found[minor] if minor else None
        if minor and python:
            usable.setdefault((row.line, minor, row.lowest), (replace(row, minor=minor), python))
    return dict(usable.values())


def without_repetition(usable: t.Mapping[Row, Path]) -> dict[Row, Path]:
    """Return the same rows, of which the row of `make test` has only the tests that it omits."""
    own = (Environment().core, Environment().minor, False)
    return {
        replace(row, tests=REST) if (row.line, row.minor, row.lowest) == own else row: python
        for row, python in usable.items()
    }


def jobs_for(usable: t.Mapping[Row, Path]) -> t.Iterator[jobs.Job]:
    """Yield the simulation and a job for each kind of tests of each row, the longest first."""
    yield jobs.Job("simulation", tools(), simulation)
    yield from (job(row, python, units) for row, python in usable.items() if units in row.tests)
    # The others row by row, so that nothing is installed into an environment whose unit tests still run.
    yield from (job(row, python, test) for row, python in usable.items() for test in row.tests if test is not units)


def job(row: Row, python: Path, test: jobs.Work) -> jobs.Job:
    environment = tools() if test in REST else row.environment(python)
    if test is functional:
        environment = with_pytest(environment)
    return jobs.Job(f"{row.name} {test.__name__}", environment, with_pin_check(test) if row.lowest else test)


def with_pytest(environment: Environment) -> Environment:
    """Return an environment for the tests that ansible-test does not run."""
    files = ("tests/unit/requirements.txt", "tests/functional/requirements.txt")
    return replace(
        environment, requirements=tuple(dict.fromkeys((*environment.requirements, *files))), purpose="pytest"
    )


# 2.28 and 2.28.0 are the same version.
CHECK_PINS: t.Final = """
import importlib.metadata, sys
pins = [pin.partition("==")[::2] for pin in sys.argv[1:]]
found = {name: importlib.metadata.version(name) for name, _version in pins}
sys.exit(str(found) if any(found[name].removesuffix(".0") != pin.removesuffix(".0") for name, pin in pins) else 0)
"""


def with_pin_check(test: jobs.Work) -> jobs.Work:
    """Return the same tests with a check at their end that the lowest versions are still installed."""

    def work(run: Shell) -> None:
        test(run)
        run("python", "-c", CHECK_PINS, *run.environment.pins)

    return work


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="all tests with every version, and each Python")
    full = parser.parse_args().full
    rows = FULL if full else USUAL
    usable = pythons(rows) if full else without_repetition(pythons(rows))
    status = jobs.run(list(jobs_for(usable)))
    print("tested:", *(f"  {row.name}: {' '.join(test.__name__ for test in row.tests)}" for row in usable), sep="\n")
    pythons(rows)  # print again what did not run, after the long output
    return status


if __name__ == "__main__":
    sys.exit(main())
