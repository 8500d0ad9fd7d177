# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What "30 days ago" means in a selection: it counts from the service's time, as the clock of this machine may be wrong."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

from .._api.client import MdeClient
from .._options.values import Moment

Found = t.TypeVar("Found")
# A read that went by this machine's clock is made again where that clock differs by more from the service's.
SLACK: t.Final = timedelta(minutes=5)


class Now:
    """The moment of a selection in service time. Before the first answer it is a guess by this machine's clock."""

    def __init__(self, client: MdeClient) -> None:
        self._session = client.session
        self._here = self._local()
        self._known = self._session.service_time()
        self._guessed = False

    def before(self, moment: Moment) -> datetime:
        """What to ask for as the end of a span; a guess is loose, so that nothing is left out."""
        return self._to_ask(moment, SLACK)

    def after(self, moment: Moment) -> datetime:
        """What to ask for as the start of a span; a guess is loose, so that nothing is left out."""
        return self._to_ask(moment, -SLACK)

    def is_within(self, when: datetime | None, after: Moment | None, before: Moment | None) -> bool:
        """Whether a time of a record is in a span; one that is not known is in none."""
        return (after is None or (when is not None and when >= self._exactly(after))) and (
            before is None or (when is not None and when < self._exactly(before))
        )

    def _exactly(self, moment: Moment) -> datetime:
        return moment.resolve(self._known or self._learn())

    def was_misjudged(self) -> bool:
        """Whether something was asked for by a guess that was too far from the service's time."""
        guessed, self._guessed = self._guessed, False
        return guessed and abs((self._known or self._learn()) - self._here) > SLACK

    def _to_ask(self, moment: Moment, slack: timedelta) -> datetime:
        if moment.at is not None or self._known is not None:
            return moment.resolve(self._known or self._here)
        self._guessed = True
        return moment.resolve(self._here + slack)

    def _learn(self) -> datetime:
        self._known = self._here + (self._session.now() - self._local())
        return self._known

    def _local(self) -> datetime:
        return datetime.fromtimestamp(self._session.clock.time(), timezone.utc)


def in_service_time(
    client: MdeClient, read: t.Callable[[Now], Found], moments: t.Iterable[Moment | None], warn: t.Callable[[str], None]
) -> Found:
    """What ``read`` finds; it is called once more where the first call asked for the wrong span.

    ``warn`` takes a line for people where the service has sent no time, so that this machine's clock has decided.
    """
    now = Now(client)
    found = read(now)
    if now.was_misjudged():
        found = read(now)
    if client.session.service_time() is None and any(moment and moment.at is None for moment in moments):
        warn("The service sent no time: the days before now are counted by the clock of this machine.")
    return found
