# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The time of a search, from which "30 days ago" counts: the service's, as the clock of this machine may be wrong."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

from .._api.client import MdeClient
from .._api.odata import time_literal, time_literal_rounded_up
from .._options.values import Moment

# Maximum difference between the clock of this machine and the service's time. With a larger one, a list is read again.
SLACK: t.Final = timedelta(minutes=5)


class Now:
    """The service's time for one search. Before the first response it is a guess by the clock of this machine."""

    def __init__(self, client: MdeClient) -> None:
        self._session = client.session
        self._local_start = self._local()
        self._known = self._session.service_time()
        self._guessed = False

    def conditions(self, prop: str, after: Moment | None, before: Moment | None) -> t.Iterator[str]:
        """The conditions for a time span in a request.

        Requests have whole seconds, rounded so that no record is missed, and for the same reason a guess is off by
        ``SLACK``. Records are then checked exactly, with ``is_within``.
        """
        if after:
            yield f"{prop} ge {time_literal(self._for_request(after, -SLACK))}"
        if before:
            yield f"{prop} lt {time_literal_rounded_up(self._for_request(before, SLACK))}"

    def is_within(self, when: datetime | None, after: Moment | None, before: Moment | None) -> bool:
        """Whether the time of a record is in a time span. An unknown time (None) is in none."""
        if after is None and before is None:
            return True
        now = self._service_time()
        return when is not None and (
            (after is None or when >= after.resolve(now)) and (before is None or when < before.resolve(now))
        )

    def guess_was_wrong(self) -> bool:
        """Whether a request since the last call used a guess that differs from the service's time by too much."""
        guessed, self._guessed = self._guessed, False
        return guessed and abs(self._service_time() - self._local_start) > SLACK

    def _for_request(self, moment: Moment, slack: timedelta) -> datetime:
        if moment.at is not None or self._known is not None:
            return moment.resolve(self._known or self._local_start)
        self._guessed = True
        return moment.resolve(self._local_start + slack)

    def _service_time(self) -> datetime:
        if self._known is None:
            self._known = self._local_start + (self._session.now() - self._local())
        return self._known

    def _local(self) -> datetime:
        return datetime.fromtimestamp(self._session.clock.time(), timezone.utc)
