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

from . import lanes, site
from .workspace import CACHE, Environment, Shell, tools

NOTHING_TO_RUN = 5  # pytest's exit status
PART_ASKED_FOR = "PYTEST_ADDOPTS" in os.environ  # of the tests: what that covers says nothing
TARGET_SIDE = ("tests/unit/plugins/modules", "tests/unit/plugins/module_utils")


def ruff(run: Shell) -> None:
    """Style and likely mistakes."""
    run("ruff", "check")
    run("ruff", "format", "--check", "--diff")


def mypy(run: Shell) -> None:
    """Types, in strict mode: of plugins and tests."""
    run(
        "mypy",
        f"--cache-dir={CACHE / 'mypy'}",
        *("-p", "ansible_collections.secops.mde.plugins"),
        *("-p", "ansible_collections.secops.mde.tests"),
        MYPYPATH=str(run.collections_path),
    )


def lint(run: Shell) -> None:
    """Playbooks and metadata, with the profile that certification requires."""
    run("ansible-lint")


def docs(run: Shell) -> None:
    """Documentation of plugins and the site's files, links and references included, and the site itself."""
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
    """Fragments and the release record."""
    run("antsibull-changelog", "lint")
    run("antsibull-changelog", "lint-changelog-yaml", "--strict", "changelogs/changelog.yaml")


def importer(run: Shell) -> None:
    """The import of the built collection into Galaxy and Automation Hub."""
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
        GALAXY_IMPORTER_RUN_ANSIBLE_LINT="false",  # the gate beside this one is stricter
    )


def unit(run: Shell) -> None:
    """Unit tests, and the share of the plugins that their own tests must cover."""
    # As in ansible-test, what runs on targets and what runs on the controller never meet in one process: there, Ansible's
    # own libraries behave differently.
    others = [f"--ignore={path}" for path in TARGET_SIDE]
    on_targets = measured(run, "targets", *TARGET_SIDE)
    on_controller = measured(run, "controller", "tests/unit/plugins", *others)
    pytest(run, "tests/unit", "--ignore=tests/unit/plugins")
    if not PART_ASKED_FOR:
        options = ("--fail-under=95", "--skip-covered", f"--out={run.collections_path / 'coverage.json'}")
        run("python", "-m", "slipcover", *options, "--merge", on_targets, on_controller)


def measured(run: Shell, name: str, *arguments: str) -> Path:
    """Run tests and return the file with the lines and branches of plugins/ that they cover."""
    notes = run.collections_path / f"coverage-{name}.json"
    pytest(run, *arguments, under=() if PART_ASKED_FOR else ("slipcover", "--json", f"--out={notes}", "-m"))
    return notes


def functional(run: Shell) -> None:
    """Playbooks, the role, inventories and kills, as separate processes."""
    pytest(run, "tests/functional", "--ignore=tests/functional/examples")


def examples(run: Shell) -> None:
    """The examples of the documentation, executed against the emulator."""
    pytest(run, "tests/functional/examples")


def browser(run: Shell) -> None:
    """The evidence page in a real browser. Without one, the summary has one line with the reason."""
    from ..browser import programs

    if why := programs.missing():
        print(f"SKIPPED tests/browser: {why}", file=run.log)
        return
    pytest(run, "tests/browser", alone=True)


def awx(run: Shell) -> None:
    """The files of extensions/awx with AWX's own parts: credential injection, and jobs in ansible-runner, the quick ones."""
    pytest(run, "tests/awx", "-m", "not matrix_only")


def awx_jobs(run: Shell) -> None:
    """All of them with the Ansible of this environment, for which AWX's parts are too new, and slices at the real quota."""
    tester = tools()
    tester.build(run.log)
    programs = str(run.environment.path / "bin")
    pytest(dataclasses.replace(run, environment=tester), "tests/awx", "-rP", ansible=programs)


def simulation(run: Shell) -> None:
    """100,000 devices at the real quotas. In one process without coverage, which would take longer than the simulation."""
    pytest(run, "tests/simulation", "--durations=1", alone=True)


def hunt(run: Shell) -> None:
    """The property tests with thousands of new examples. The gates always use the same examples."""
    pytest(run, "tests/unit", "-m", "hypothesis", "--hypothesis-profile=hunt")


def pytest(run: Shell, *arguments: str, alone: bool = False, under: t.Iterable[str] = (), ansible: str = "") -> None:
    """Run tests. With ``alone``, they run in one process. ``ansible`` is the directory of another Ansible to test."""
    workers = 0 if alone or run.cores == 1 else run.cores
    command = ("python", "-m", *under, "pytest", f"--numprocesses={workers}", *arguments)
    try:
        run(*command, PYTHONPATH=str(run.collections_path), AWX_TEST_PROGRAMS=ansible)
    except subprocess.CalledProcessError as error:
        # A part that was asked for may have nothing in one of several runs.
        if error.returncode != NOTHING_TO_RUN or not PART_ASKED_FOR:
            raise


def sanity(run: Shell) -> None:
    """The checks of Ansible, without an exception."""
    ansible_test(run, "sanity")


def units(run: Shell) -> None:
    """The unit tests with ansible-test."""
    ansible_test(run, "units", f"--num-workers={run.cores}")


def integration(run: Shell) -> None:
    """Playbooks against the emulator."""
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
# The longest first, so that two at a time end together.
GATES: t.Final = {
    gate.__name__: gate
    for gate in (
        integration,  # while the environment of the others is made
        *(ruff, mypy, changelog),  # at once
        *(functional, unit, awx, examples, sanity, simulation, browser, lint, importer, docs),
    )
}
EVERY: t.Final = {**GATES, hunt.__name__: hunt}  # which passes or not by chance


def job(gate: lanes.Work) -> lanes.Job:
    return lanes.Job(gate.__name__, Environment() if gate in ON_CORE else tools(), gate)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("gates", nargs="*", metavar="gate", help=f"one of {', '.join(EVERY)}")
    wanted = parser.parse_args().gates or GATES
    if unknown := set(wanted) - set(EVERY):
        parser.error(f"no such gate: {', '.join(sorted(unknown))}")
    return lanes.run([job(gate) for name, gate in EVERY.items() if name in wanted])


if __name__ == "__main__":
    sys.exit(main())
