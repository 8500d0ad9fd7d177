# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs jobs in lanes, two at a time: a line for each job, the log of a failed one, a summary."""

from __future__ import annotations

import os
import re
import subprocess
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from .workspace import CACHE, ROOT, Environment, Shell, alone, stage

Job = t.Callable[[Shell], None]
AT_A_TIME: t.Final = 2

# What a log says at its end: how many tests passed, and which were left out and why.
CLOSING = re.compile(r"====.* (passed|skipped)|SKIPPED ")


@dataclass(frozen=True)
class Lane:
    """Jobs that run one after the other in one environment and one copy of the collection."""

    name: str
    environment: Environment
    jobs: t.Mapping[str, Job]


@dataclass
class Report:
    """What has been seen so far. Lines of different lanes never mix."""

    passed: int = 0
    failed: list[str] = field(default_factory=list)
    closing_lines: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    lock: Lock = field(default_factory=Lock)

    def run(self, name: str, job: t.Callable[[t.IO[str]], None]) -> bool:
        """Run one job into its log and say how it went."""
        path = CACHE / "logs" / f"{name.replace(' ', '-')}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with path.open("w+", encoding="utf-8") as log:
            try:
                job(log)
            except (subprocess.CalledProcessError, OSError) as error:
                print(error, file=log)
                ok = False
            else:
                ok = True
            log.seek(0)
            text = log.read()
        with self.lock:
            print(f"{'ok    ' if ok else 'FAILED'} {time.monotonic() - started:6.1f} s  {name}", flush=True)
            if not ok:
                print(f"\n{text}\n", flush=True)
            self.closing_lines += [line for line in text.splitlines() if CLOSING.match(line)]
        return ok

    def build(self, environment: Environment) -> bool:
        """Make an environment, unless it is there, and say how that went."""
        return self.run(f"environment {environment.path.name}", environment.build)

    def run_lane(self, lane: Lane, ready: bool, cores: int) -> None:
        """Run a lane's jobs; without its environment they all count as failed."""
        copy = lane.name.replace(" ", "-")
        with alone(copy):
            tree = stage(copy)

            def inside(job: Job) -> t.Callable[[t.IO[str]], None]:
                return lambda log: job(Shell(lane.environment, tree, log, cores))

            for name, job in lane.jobs.items():
                if ready and self.run(name, inside(job)):
                    self.passed += 1
                else:
                    self.failed.append(name)

    def close(self) -> int:
        """The summary, and the exit status."""
        print(f"\n{time.monotonic() - self.started:.0f} s in all. Logs: {(CACHE / 'logs').relative_to(ROOT)}")
        for name in self.failed:
            print(f"failed: {name}")
        print(*self.closing_lines, f"{self.passed} passed, {len(self.failed)} failed", sep="\n", flush=True)
        return 1 if self.failed else 0


def run(lanes: t.Sequence[Lane]) -> int:
    """Build what the lanes need, and run them in their order, two at a time."""
    report = Report()
    cores = max(1, (os.cpu_count() or 1) // min(AT_A_TIME, len(lanes) or 1))
    with ThreadPoolExecutor(max_workers=AT_A_TIME) as pool:
        environments = list(dict.fromkeys(lane.environment for lane in lanes))
        ready = dict(zip(environments, pool.map(report.build, environments), strict=True))
        list(pool.map(lambda lane: report.run_lane(lane, ready[lane.environment], cores), lanes))
    return report.close()
