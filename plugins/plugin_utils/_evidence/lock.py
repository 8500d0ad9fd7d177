# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""A lock on a directory of evidence, so that concurrent tasks add to a document one after the other."""

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
def locked(directory: Path, clock: Clock) -> t.Iterator[str | None]:
    """Hold the lock of a directory. Yields a warning if it cannot be locked, as on some network file systems.

    The lock is on the directory, so that no lock file remains, and so that it covers the choice of a file name. The system
    releases it when the process ends. Raises OptionError if another process holds it for ``TIMEOUT`` seconds.
    """
    warning = None
    with contextlib.ExitStack() as stack:
        try:
            # Not inherited by child processes. A FIFO in place of the directory does not block.
            descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NONBLOCK | os.O_CLOEXEC)
            stack.callback(os.close, descriptor)
            _acquire(descriptor, directory, clock)
        except OSError as error:
            warning = (
                f"path: {directory} cannot be locked ({error.strerror}). Devices can be missing from evidence that two tasks "
                "write at the same time."
            )
        yield warning


def _acquire(descriptor: int, directory: Path, clock: Clock) -> None:
    deadline = clock.monotonic() + TIMEOUT
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if clock.monotonic() >= deadline:
                raise OptionError(
                    f"path: another process has locked {directory} for {TIMEOUT:.0f} seconds, so the evidence was not written.",
                    hint="Check which task is still writing there, or use a different directory for each run.",
                ) from None
            clock.sleep(_INTERVAL)
        else:
            return
