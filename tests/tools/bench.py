# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""`make bench`: compares the module with a careful play without it, in the same run with the emulator."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path
from types import FrameType

from ..bench.cases import Case, Group, plan, select
from ..bench.measure import CommandFailed
from ..bench.results import Result, Results, Run, as_json
from ..bench.runner import Runner, UnexpectedResult
from ..bench.service import emulator
from ..bench.table import render, seconds
from .workspace import CACHE, COLLECTION, CORES, ROOT, Environment, exclusive, stage, write

SCRATCH = CACHE / "bench"


def main() -> int:
    groups = selected()
    signal.signal(signal.SIGTERM, stop)
    environment = Environment()
    SCRATCH.mkdir(parents=True, exist_ok=True)
    path = SCRATCH / "bench.log"
    with exclusive("bench"), path.open("w", encoding="utf-8") as log:
        try:
            print("Preparing an environment (the first time takes a minute) ...", flush=True)
            environment.build(log)
            results = run(groups, environment, log)
        except (subprocess.CalledProcessError, CommandFailed, UnexpectedResult, OSError, RuntimeError) as error:
            log.flush()
            print(path.read_text("utf-8")[-8000:], f"FAILED: {error}", sep="\n", file=sys.stderr)
            return 1
    print("", render(results, machine(environment)), f"Saved in {SCRATCH.relative_to(ROOT)}", sep="\n", end=".\n")
    return 0


def stop(number: int, frame: FrameType | None) -> t.NoReturn:
    """Exit normally, so that the emulator and the measured command are stopped too."""
    sys.exit(128 + number)


def selected() -> list[Group]:
    """Return the groups that the command line selects."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="at most 50 devices")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="variants, or patterns of cases: list 'uri-50-*'")
    options = parser.parse_args()
    groups = plan(options.quick)
    chosen = select(groups, options.only) if options.only else groups
    if not chosen:
        parser.error(f"unknown case; available: {', '.join(case.name for group in groups for case in group)}")
    return chosen


def run(groups: list[Group], environment: Environment, log: t.IO[str]) -> Results:
    """Run all groups, and save the results after each."""
    tree = stage("bench")
    print("Starting the emulator, and warming up ...", flush=True)
    with emulator(environment.program("python"), tree, SCRATCH, environment.variables(), log) as service:
        runner = Runner(
            playbook_program=environment.program("ansible-playbook"),
            playbooks=tree / "tests" / "bench",
            scratch=SCRATCH,
            variables=environment.variables() | collections_of(tree),
            service=service,
            log=log,
        )
        runner.warm_up()
        found: list[Result] = []
        for group in groups:
            found += runner.run_group(group, print_run)
            save(Results(found), machine(environment))
    return Results(found)


def collections_of(tree: Path) -> dict[str, str]:
    """Return the environment variable with which Ansible finds the staged collection."""
    return {"ANSIBLE_COLLECTIONS_PATH": str(tree.parents[len(COLLECTION.parts) - 1])}


def print_run(case: Case, found: Run) -> None:
    """Print a line for each run."""
    print(
        f"{time.strftime('%H:%M:%S')}  {case.name:<16} {seconds(found.wall):>9}  processor {seconds(found.cpu):>8}  "
        f"memory {found.memory / 1e6:4.0f} MB  calls {found.calls}",
        flush=True,
    )


def save(results: Results, machine_info: dict[str, t.Any]) -> None:
    write(SCRATCH / "bench.json", json.dumps(as_json(results, machine_info), indent=2) + "\n")
    write(SCRATCH / "bench.md", render(results, machine_info))


def machine(environment: Environment) -> dict[str, t.Any]:
    """Describe the machine, without its name."""
    return {
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "system": platform.system(),
        "architecture": platform.machine(),
        "python": platform.python_version(),
        "ansible_core": CORES[environment.core][0],
    }


if __name__ == "__main__":
    sys.exit(main())
