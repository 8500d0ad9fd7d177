# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Whether the Ansible run that started this process still waits for its result.

When a run is killed, its modules continue. They would send offboards whose results no one sees.
"""

from __future__ import annotations

import os
import select
import typing as t
from pathlib import Path

from .._errors import MdeError

_STDOUT: t.Final = 1


class AbandonedError(MdeError):
    """The run that waits for the result has ended. Nothing was sent since."""

    code = "run_ended"
    fatal_for_run = True
    outcome_in_doubt = False

    def __init__(self) -> None:
        super().__init__(
            "The run that started this task has ended, so this offboard was not sent.",
            hint="Run the task again. It checks first and never offboards twice.",
        )


class Caller(t.Protocol):
    """The run that waits for the result. Tests pass a function."""

    def __call__(self) -> bool:
        """Whether the run still waits; fast enough to be called before each POST."""


class AnsibleRun:
    """Watches the processes between this one and the run's main process, and the reader of the output.

    Ansible's main process forks a worker for each task, and the worker starts the module through a shell. A worker
    outlives its main process and continues to read, so neither the parent nor the pipe shows that the run was killed.
    The process above the worker does. A job of ``async`` has such a pair too: its wrapper and the wrapper's fork.
    Processes above the pair do not count: the shell that started a run in the background may end before it.
    """

    def __init__(self, proc: Path = Path("/proc"), stdout: int = _STDOUT) -> None:
        self._proc = proc
        self._stdout = stdout
        self._length = _length_to_main(self._ancestors(), self._command)
        self._at_start = self._ancestors(self._length)

    def __call__(self) -> bool:
        return self._ancestors(self._length) == self._at_start and not _reader_is_gone(self._stdout)

    def _ancestors(self, most: int | None = None) -> list[int]:
        """The parent, its parent and so on; only the parent on a system without ``/proc``."""
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
            return int(stat.rpartition(")")[2].split()[1])  # the program name comes before, in parentheses
        except (OSError, ValueError, IndexError):
            return None

    def _command(self, process: int) -> bytes:
        try:
            return (self._proc / str(process) / "cmdline").read_bytes()
        except OSError:
            return b""


def _length_to_main(ancestors: t.Sequence[int], command: t.Callable[[int], bytes]) -> int:
    """Number of ancestors up to the main process: the first that is a fork of its parent, and that parent.

    Without such a pair only the parent counts.
    """
    commands = [command(process) for process in ancestors]
    for index in range(len(commands) - 1):
        if commands[index] == commands[index + 1] and _is_python(commands[index]):
            return index + 2
    return 1


def _is_python(command: bytes) -> bool:
    """Whether the command is Python or Ansible: ``sudo`` and shells fork themselves too."""
    program = command.partition(b"\0")[0].rpartition(b"/")[2]
    return program.startswith((b"python", b"ansible"))


def _reader_is_gone(descriptor: int) -> bool:
    """Whether the other end of a pipe, socket or terminal is closed."""
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
    """A run that always waits."""
    return True
