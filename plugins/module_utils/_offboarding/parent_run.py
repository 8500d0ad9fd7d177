# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Whether the run that started this process still waits for its result.

When a run is killed, its modules are not: they would go on to send offboards that nobody sees.
"""

from __future__ import annotations

import os
import select
import typing as t
from pathlib import Path

from .._errors import MdeError

_STDOUT: t.Final = 1


class AbandonedError(MdeError):
    """The run that waits for the result has ended; nothing was sent since."""

    code = "run_ended"
    fatal_for_run = True
    outcome_in_doubt = False

    def __init__(self) -> None:
        super().__init__(
            "The run that started this task has ended, so this offboard was not sent.",
            hint="Run the task again: it looks first, and does not offboard twice.",
        )


class Caller(t.Protocol):
    """Who waits for the result. Tests pass a function."""

    def __call__(self) -> bool:
        """Whether somebody still waits; quick enough to be asked before each POST."""


class AnsibleRun:
    """The real one: the processes between this one and the run's main process, and the reader of the output.

    Ansible's main process forks a worker for each task, and the worker starts the module through a shell. A worker
    outlives its main process, and goes on reading, so neither the parent nor the pipe tells of a run that was killed.
    The process above the worker does. A job of ``async`` has such a pair too: its wrapper and the wrapper's fork.
    What is above the pair does not count: the shell that started a run in the background may end before it.
    """

    def __init__(self, proc: Path = Path("/proc"), stdout: int = _STDOUT) -> None:
        self._proc = proc
        self._stdout = stdout
        self._length = _length_to_main(self._ancestors(), self._command)
        self._at_start = self._ancestors(self._length)

    def __call__(self) -> bool:
        return self._ancestors(self._length) == self._at_start and not _reader_is_gone(self._stdout)

    def _ancestors(self, most: int | None = None) -> list[int]:
        """The parent, its parent and so on; the parent alone where the system has no ``/proc``."""
        found = [os.getppid()]
        while found[-1] > 1 and (most is None or len(found) < most):
            parent = self._parent(found[-1])
            if parent is None:
                break
            found.append(parent)
        return found

    def _parent(self, process: int) -> int | None:
        try:
            stat = (self._proc / str(process) / "stat").read_text("utf-8", "replace")
            return int(stat.rpartition(")")[2].split()[1])  # the name of the program comes before, in parentheses
        except (OSError, ValueError, IndexError):
            return None

    def _command(self, process: int) -> bytes:
        try:
            return (self._proc / str(process) / "cmdline").read_bytes()
        except OSError:
            return b""


def _length_to_main(ancestors: t.Sequence[int], command: t.Callable[[int], bytes]) -> int:
    """How many of the ancestors lead to the main process: the first that was copied by a fork, and its original.

    Without such a pair only the parent counts.
    """
    commands = [command(process) for process in ancestors]
    for place in range(len(commands) - 1):
        if commands[place] == commands[place + 1] and _is_python(commands[place]):
            return place + 2
    return 1


def _is_python(command: bytes) -> bool:
    """Whether a command line is one of Python or Ansible: ``sudo`` and shells make copies of themselves too."""
    program = command.partition(b"\0")[0].rpartition(b"/")[2]
    return program.startswith((b"python", b"ansible"))


def _reader_is_gone(descriptor: int) -> bool:
    """Whether what is written there would reach nobody: the other end of a pipe, socket or terminal is closed."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    try:
        events = poll.poll(0)
    except OSError:
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _descriptor, event in events)


def always(*_ignored: t.Any) -> bool:
    """A caller that never leaves."""
    return True
