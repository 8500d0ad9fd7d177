# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""`make matrix`: sanity, unit and integration tests, and AWX's jobs, on several lines of ansible-core.

What cannot run is said, never skipped in silence.
"""

from __future__ import annotations

import argparse
import sys
import typing as t

from . import lanes
from .check import awx_jobs, integration, sanity, units
from .workspace import CORES, Environment, find_python

# Line of ansible-core -> the Python 3 that it is tested with: together the oldest and the newest, and the usual pairs.
USUAL = {"2.16": 10, "2.19": 11, "2.21": 13}
FULL = USUAL | {"2.17": 12, "2.18": 12, "2.20": 12}


def jobs_for(rows: t.Mapping[str, int]) -> t.Iterator[lanes.Job]:
    """Each kind of tests on each line, the longest kind first."""
    environments = [environment for line, wanted in rows.items() if (environment := find(line, wanted))]
    yield from (job(environment, units) for environment in environments)
    # What is left in pairs: while one line's units still run, nothing else installs into its environment.
    yield from (job(environment, work) for environment in environments for work in (awx_jobs, integration, sanity))


def find(line: str, wanted: int) -> Environment | None:
    """A line with the Python asked for, or with another one that it supports."""
    _release, oldest, newest = CORES[line]
    for minor in (wanted, *range(newest, oldest - 1, -1)):
        python = find_python(minor)
        if python:
            return Environment(line, minor, python)
    print(f"not run: ansible-core {line}, no Python 3.{oldest} to 3.{newest} was found", flush=True)
    return None


def job(environment: Environment, work: lanes.Work) -> lanes.Job:
    return lanes.Job(f"core {environment.core} python {environment.version} {work.__name__}", environment, work)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--full", action="store_true", help="every line of ansible-core, not only the oldest, the middle and the newest"
    )
    return lanes.run(list(jobs_for(FULL if parser.parse_args().full else USUAL)))


if __name__ == "__main__":
    sys.exit(main())
