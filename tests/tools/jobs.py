# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs two jobs at a time. Prints a line for each, the log of a failed one, and a summary."""

from __future__ import annotations

import os
import re
import subprocess
import time
import typing as t
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock

from .workspace import CACHE, ROOT, Environment, Shell, exclusive, stage

Work = t.Callable[[Shell], None]
PARALLEL_JOBS: t.Final = 2

# The last lines of a log: the number of passed tests, and the skipped tests with the reasons.
CLOSING = re.compile(r"====.* (passed|skipped)|SKIPPED ")


@dataclass(frozen=True)
class Job:
    """Work to do in an environment and a separate copy of the collection."""

    name: str
    environment: Environment
    work: Work


@dataclass
class Report:
    """The results so far. Lines of different jobs never mix."""

    passed: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    closing_lines: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)
    lock: Lock = field(default_factory=Lock)

    def run(self, name: str, work: t.Callable[[t.IO[str]], None]) -> bool:
        """Run work with a log, and print the result."""
        path = CACHE / "logs" / f"{name.replace(' ', '-')}.log"
        path.parent.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        with path.open("w+", encoding="utf-8") as log:
            try:
                work(log)
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
        """Build an environment unless it exists, and print the result."""
        return self.run(f"environment {environment.path.name}", environment.build)

    def run_job(self, job: Job, ready: Future[bool], cores: int) -> None:
        """Run a job when its environment is ready. Without its environment, the job fails."""
        copy = job.name.replace(" ", "-")
        with exclusive(copy):
            tree = stage(copy)
            ok = ready.result() and self.run(job.name, lambda log: job.work(Shell(job.environment, tree, log, cores)))
        (self.passed if ok else self.failed).append(job.name)

    def close(self) -> int:
        """Print the summary, and return the exit status."""
        print(f"\n{time.monotonic() - self.started:.0f} s in total. Logs: {(CACHE / 'logs').relative_to(ROOT)}")
        for name in self.failed:
            print(f"failed: {name}")
        print(*self.closing_lines, f"{len(self.passed)} passed, {len(self.failed)} failed", sep="\n", flush=True)
        return 1 if self.failed else 0


def run(jobs: t.Sequence[Job]) -> int:
    """Build the environments, and run the jobs in their order, two at a time."""
    report = Report()
    cores = max(1, (os.cpu_count() or 1) // min(PARALLEL_JOBS, len(jobs) or 1))
    with ThreadPoolExecutor(max_workers=PARALLEL_JOBS) as pool:
        environments = dict.fromkeys(job.environment for job in jobs)
        ready = {environment: pool.submit(report.build, environment) for environment in environments}
        for done in [pool.submit(report.run_job, job, ready[job.environment], cores) for job in jobs]:
            done.result()
    return report.close()
