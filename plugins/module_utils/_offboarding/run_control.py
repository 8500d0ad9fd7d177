# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Size of the next batch, and whether an error stops the run."""

from __future__ import annotations

import typing as t

from .._api.client import MdeClient
from .._errors import MdeError

# Device IDs have "in general 40 digits" (Microsoft Learn). Only the batch size depends on it.
_ID_LENGTH: t.Final = 40
# Seconds in which the rate limit should allow a batch to be sent: half of DECISION_TTL.
_LOOKAHEAD: t.Final = 60.0


class RunControl:
    """State that the planner and the dispatcher share."""

    def __init__(self, client: MdeClient) -> None:
        self.stopped_by: MdeError | None = None
        """The error that affects every request: no token, no connection, no quota, no permission."""
        self._client = client

    def next_batch_size(self, reads: int, posts: bool = True) -> int:
        """How many devices to read next: as many as fit into a filter, and as can be sent while the data is fresh.

        Returns when the first of them can be sent, so that nothing is read before a long wait for the quota. ``reads`` is
        the number of calls for reading; ``posts`` is false if nothing will be sent.
        """
        most = self._client.filter_batcher.capacity(_ID_LENGTH)
        if not posts:
            return most
        capacity = self._client.session.rate_limiter.wait_for_capacity(reads + 1, _LOOKAHEAD)
        return max(1, min(most, capacity - reads))

    def stop_if_fatal(self, error: MdeError) -> None:
        """Stop the run if the error affects every request."""
        if self.stopped_by is None and error.fatal_for_run:
            self.stopped_by = error.for_skipped_devices()
