# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The gates of `make test`. Arguments are the names of gates to run; the default is all."""

from __future__ import annotations

import argparse
import dataclasses
import os
import subprocess
import sys
import typing as t
from pathlib import Path

from . import jobs, site
from .workspace import CACHE, Environment, Shell, tools

NOTHING_TO_RUN = 5  # pytest's exit status
PARTIAL_RUN = "PYTEST_ADDOPTS" in os.environ  # of the tests, whose coverage is not checked
WITHOUT_LONG_TESTS = ("-m", "not matrix_only")
TARGET_SIDE = ("tests/unit/plugins/modules", "tests/unit/plugins/module_utils")


def ruff(run: Shell) -> None:
    """Check the style, and look for common mistakes."""
    run("ruff", "check")
    run("ruff", "format", "--check", "--diff")


def mypy(run: Shell) -> None:
    """Check the types of plugins and tests in strict mode."""
    run(
        "mypy",
        f"--cache-dir={CACHE / 'mypy'}",
        *("-p", "ansible_collections.secops.mde.plugins"),
        *("-p", "ansible_collections.secops.mde.tests"),
        MYPYPATH=str(run.collections_path),
    )


def lint(run: Shell) -> None:
    """Check playbooks and metadata with the profile that certification requires."""
    run("ansible-lint")


def docs(run: Shell) -> None:
    """Check the documentation of plugins and the guides with their links and references, and build the site."""
    run(
        "antsibull-docs",
        "lint-collection-docs",
        "--plugin-docs",
        "--validate-collection-refs=all",
        "--skip-rstcheck",
        ".",
    )
    site.build(run)


def changelog(run: Shell) -> None:
    """Check the changelog and its fragments."""
    run("antsibull-changelog", "lint")
    run("antsibull-changelog", "lint-changelog-yaml", "--strict", "changelogs/changelog.yaml")


def importer(run: Shell) -> None:
    """Build the collection, and check it with the importer of Galaxy and Automation Hub."""
    build = run.collections_path / "build"
    run("ansible-galaxy", "collection", "build", "--force", f"--output-path={build}")
    run(
        "python",
        "-m",
        "galaxy_importer.main",
        *build.glob("*.tar.gz"),
        cwd=build,
        GALAXY_IMPORTER_CHECK_REQUIRED_TAGS="true",
        GALAXY_IMPORTER_REQUIRE_V1_OR_GREATER="true",
        GALAXY_IMPORTER_RUN_ANSIBLE_LINT="false",  # the gate lint is stricter
    )


def unit(run: Shell) -> None:
    """Run the unit tests, and check which part of the plugins their own tests cover."""
    # As in ansible-test, tests of target code and of controller code run in different processes, because Ansible's
    # own libraries behave differently there.
    others = [f"--ignore={path}" for path in TARGET_SIDE]
    on_targets = with_coverage(run, "targets", *TARGET_SIDE)
    on_controller = with_coverage(run, "controller", "tests/unit/plugins", *others)
    pytest(run, "tests/unit", "--ignore=tests/unit/plugins")
    if not PARTIAL_RUN:
        options = ("--fail-under=95", "--skip-covered", f"--out={run.collections_path / 'coverage.json'}")
        run("python", "-m", "slipcover", *options, "--merge", on_targets, on_controller)


def with_coverage(run: Shell, name: str, *arguments: str) -> Path:
    """Run tests and return the file with the lines and branches of plugins/ that they cover."""
    coverage = run.collections_path / f"coverage-{name}.json"
    pytest(run, *arguments, wrapper=() if PARTIAL_RUN else ("slipcover", "--json", f"--out={coverage}", "-m"))
    return coverage


def functional(run: Shell) -> None:
    """Test playbooks, the role, inventories and killed runs in separate processes."""
    pytest(run, "tests/functional", "--ignore=tests/functional/examples", *WITHOUT_LONG_TESTS)


def examples(run: Shell) -> None:
    """Run the examples of the documentation against the emulator."""
    pytest(run, "tests/functional/examples")


def browser(run: Shell) -> None:
    """Test the evidence page in a browser. Without a browser, the summary has a line with the reason."""
    from ..browser import programs

    if reason := programs.missing():
        print(f"SKIPPED tests/browser: {reason}", file=run.log)
        return
    pytest(run, "tests/browser", one_process=True)


def awx(run: Shell) -> None:
    """Test the files of extensions/awx with AWX's credential injection and with jobs in ansible-runner."""
    pytest(run, "tests/awx", *WITHOUT_LONG_TESTS)


def awx_jobs(run: Shell) -> None:
    """Run all AWX tests with the Ansible of this environment, whose Python can be too old for AWX's own code."""
    tester = tools()
    tester.build(run.log)
    programs = str(run.environment.path / "bin")
    pytest(dataclasses.replace(run, environment=tester), "tests/awx", "-rP", ansible=programs)


def simulation(run: Shell) -> None:
    """Simulate 10,000 devices with the real quotas, in one process and without coverage, which takes too long."""
    pytest(run, "tests/simulation", "--durations=1", one_process=True)


def hunt(run: Shell) -> None:
    """Run the property tests with thousands of new examples. The gates always use the same examples."""
    pytest(run, "tests/unit", "-m", "hypothesis", "--hypothesis-profile=hunt")


def pytest(
    run: Shell, *arguments: str, one_process: bool = False, wrapper: t.Iterable[str] = (), ansible: str = ""
) -> None:
    """Run tests. With ``one_process``, they run in one process. ``ansible`` is the directory of another Ansible to test."""
    workers = 0 if one_process or run.cores == 1 else run.cores
    command = ("python", "-m", *wrapper, "pytest", f"--numprocesses={workers}", *arguments)
    try:
        run(*command, PYTHONPATH=str(run.collections_path), AWX_TEST_PROGRAMS=ansible)
    except subprocess.CalledProcessError as error:
        # A selection of tests can be empty in one of several runs.
        if error.returncode != NOTHING_TO_RUN or not PARTIAL_RUN:
            raise


def sanity(run: Shell) -> None:
    """Run the sanity tests of Ansible, without exceptions."""
    ansible_test(run, "sanity")


def units(run: Shell) -> None:
    """Run the unit tests with ansible-test."""
    ansible_test(run, "units", f"--num-workers={run.cores}")


def integration(run: Shell) -> None:
    """Run the integration tests against the emulator."""
    ansible_test(run, "integration")


def ansible_test(run: Shell, command: str, *arguments: str) -> None:
    run(
        "ansible-test",
        command,
        "--local",
        "--requirements",
        f"--python={run.environment.version}",
        "--color=no",
        *arguments,
    )


ON_CORE: t.Final = (integration, sanity)
# The longest first, so that two parallel sequences end at about the same time.
GATES: t.Final = {
    gate.__name__: gate
    for gate in (
        integration,  # while the environment of the other gates is built
        *(ruff, mypy, changelog),  # short
        *(functional, unit, awx, examples, sanity, simulation, browser, lint, importer, docs),
    )
}
ALL: t.Final = {**GATES, hunt.__name__: hunt}  # the result of hunt depends on random examples


def job(gate: jobs.Work) -> jobs.Job:
    return jobs.Job(gate.__name__, Environment() if gate in ON_CORE else tools(), gate)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gates", nargs="*", metavar="gate", help=f"one of {', '.join(ALL)}")
    selected = parser.parse_args().gates or GATES
    if unknown := set(selected) - set(ALL):
        parser.error(f"unknown gate: {', '.join(sorted(unknown))}")
    return jobs.run([job(gate) for name, gate in ALL.items() if name in selected])


if __name__ == "__main__":
    sys.exit(main())
