# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""A lock on a folder of evidence: tasks that add to one document at the same time add one after the other."""

from __future__ import annotations

import contextlib
import fcntl
import os
import typing as t
from pathlib import Path

from ...module_utils._clock import Clock
from ...module_utils._errors import OptionError

TIMEOUT: t.Final = 60.0
_INTERVAL: t.Final = 0.1


@contextlib.contextmanager
def locked(folder: Path, clock: Clock) -> t.Iterator[str | None]:
    """Hold the lock of a folder; gives a warning where the folder cannot be locked, as on some network file systems.

    The lock is on the folder, so that no file is left behind, and choosing the name of a file is covered as well. The system
    releases it with the process, however that ends. Raises OptionError where another process keeps it for ``TIMEOUT``
    seconds.
    """
    warning = None
    with contextlib.ExitStack() as stack:
        try:
            # Not inherited by child processes; a FIFO in the place of the folder does not block.
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            _acquire(descriptor, folder, clock)
        except OSError as error:
            warning = (
                f"path: {folder} cannot be locked ({error.strerror}). Devices can be missing from evidence that two tasks "
                "write at the same time."
            )
        yield warning


def _acquire(descriptor: int, folder: Path, clock: Clock) -> None:
    deadline = clock.monotonic() + TIMEOUT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() >= deadline:
                raise OptionError(
                    f"path: another process has locked {folder} for {TIMEOUT:.0f} seconds, so the evidence was not written.",
                    hint="See which task is still writing there, or give each run a folder of its own.",
                ) from None
            clock.sleep(_INTERVAL)
        else:
            return
