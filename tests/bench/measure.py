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
"""Of ru_maxrss, in bytes."""


class CommandFailed(Exception):
    """A measured command ended with a status other than zero."""


@dataclass(frozen=True)
class Cost:
    """What one run of a command took."""

    started: float
    """By the monotonic clock, which all processes of a machine share."""
    wall: float
    cpu: float
    """Seconds of processor time, of the command and of everything it started and waited for."""
    memory: int
    """Bytes that the largest single process held at its peak."""

    @property
    def ended(self) -> float:
        return self.started + self.wall


def measure(command: Sequence[str], cwd: Path, variables: Mapping[str, str], log: t.IO[str]) -> Cost:
    """Run a command to its end, with what it says in ``log``. Raises CommandFailed.

    The system adds up the children that were waited for, down to the grandchildren: for ansible-playbook these are its
    workers and the modules.
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
        raise CommandFailed(f"{Path(command[0]).name} ended with status {process.returncode}")
    return Cost(started, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _UNIT)
