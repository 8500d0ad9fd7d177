# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""How far a run may go: the size of its next batch, and whether anything else would get through."""

from __future__ import annotations

import typing as t

from .._api.client import MdeClient
from .._errors import MdeError

# The service's ids: "in general 40 digits". Only the size of a batch rests on it.
_ID_LENGTH: t.Final = 40
# Seconds in which a batch should be sent by our own pace: half of what a decision is good for.
_LOOKAHEAD: t.Final = 60.0


class RunControl:
    """What those who plan and those who send have to know of each other."""

    def __init__(self, client: MdeClient) -> None:
        self.stopped_by: MdeError | None = None
        """Why nothing more would get through: no token, no connection, no quota, no permission."""
        self._client = client

    def next_batch_size(self, reads: int, posts: bool = True) -> int:
        """How many devices to read next: as many as a filter holds, and as can be sent while the reading is fresh.

        Returns when the first of them can be, so that nothing is read ahead of a long wait for the quota. ``reads`` is
        what the reading will cost; ``posts`` is false where nothing will be sent.
        """
        most = self._client.filter_batcher.capacity(_ID_LENGTH)
        if not posts:
            return most
        capacity = self._client.session.rate_limiter.wait_for_capacity(reads + 1, _LOOKAHEAD)
        return max(1, min(most, capacity - reads))

    def stop_if_fatal(self, error: MdeError) -> None:
        """See whether an error would hit everything else as well, and then let nothing more be tried."""
        if self.stopped_by is None and error.fatal_for_run:
            self.stopped_by = error.for_skipped_devices()
