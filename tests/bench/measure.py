# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Measures a command: wall time, processor time and memory of its process tree."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import typing as t
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_UNIT = 1 if sys.platform == "darwin" else 1024
"""The unit of ru_maxrss in bytes."""


class CommandFailed(Exception):
    """A measured command exited with a status other than zero."""


@dataclass(frozen=True)
class Cost:
    """The time and memory of one run of a command."""

    started: float
    """Start by the monotonic clock, which all processes of a machine share."""
    wall: float
    cpu: float
    """Processor time in seconds of the command and of all processes that it waited for."""
    memory: int
    """Peak memory of the largest single process in bytes."""

    @property
    def ended(self) -> float:
        return self.started + self.wall


def measure(command: Sequence[str], cwd: Path, variables: Mapping[str, str], log: t.IO[str]) -> Cost:
    """Run a command and write its output to ``log``. Raises CommandFailed.

    The usage includes all descendants that were waited for. For ansible-playbook these are its workers and the modules.
    """
    print("+", *command, file=log, flush=True)
    started = time.monotonic()
    process = subprocess.Popen(
        command, cwd=cwd, env=variables, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
    )
    try:
        _pid, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.terminate()
        process.wait()
        raise
    wall = time.monotonic() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise CommandFailed(f"{Path(command[0]).name} exited with status {process.returncode}")
    return Cost(started, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _UNIT)
