# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What filters of machines and of actions have in common: the search, and warnings about records that it omits."""

from __future__ import annotations

import abc
import typing as t
from dataclasses import dataclass

from .._api.client import MdeClient
from .._api.paging import Item, RefusedRecord
from .._options.values import Moment
from .._same import comparable
from .search_time import Now

# Unusable records that have a warning of their own. Thousands of warnings would hide all others.
_MOST_DESCRIBED: t.Final = 20

Warn = t.Callable[[str], None]
"""Takes one line of text for the user."""


class Omissions:
    """Warns about records that the service returns and that the result omits."""

    def __init__(self, warn: Warn) -> None:
        self._warn = warn
        self._not_matching: dict[str, None] = {}
        self._unusable: dict[str, None] = {}

    def unusable(self, refused: RefusedRecord) -> None:
        """Warn about a record that cannot be used. The first ones are described, the others are counted by ``report``."""
        text = str(refused.error)
        if text not in self._unusable and len(self._unusable) < _MOST_DESCRIBED:
            self._warn(f"Omitted from the result: {text}")
        self._unusable[text] = None

    def matching(self, records: t.Iterable[Item], matches: t.Callable[[Item], bool]) -> t.Iterator[Item]:
        """The records of a list that match the filters of its request. The others are remembered for ``report``."""
        for record in records:
            if matches(record):
                yield record
            else:
                self._not_matching[record.id] = None

    def report(self) -> None:
        """Warn about the records that do not match, and about more unusable ones than were described."""
        if len(self._unusable) > _MOST_DESCRIBED:
            self._warn(
                f"Omitted from the result: {len(self._unusable) - _MOST_DESCRIBED} more records that are not usable."
            )
        if self._not_matching:
            ids = list(self._not_matching)
            self._warn(
                f"Omitted from the result: {len(ids)} records that do not match the filters ({', '.join(ids[:3])}"
                f"{', ...' if len(ids) > 3 else ''}). The service, or a proxy, ignored the filters or returned the "
                "response to another request. Run the task again; if the warning stays, check api_url and any proxy."
            )


@dataclass(frozen=True)
class RecordFilter(abc.ABC, t.Generic[Item]):
    """Filters that must all match. None means that a filter is not set; an empty list matches nothing."""

    def find(self, client: MdeClient, warn: Warn) -> list[Item]:
        """All records that match, each once.

        Raises MdeError if a read fails: a list is complete, or there is none. A record that cannot be used is a warning,
        but an error if single devices or actions are requested, because it could be one of them.
        """
        for warning in self.unknown_values():
            warn(warning)
        filters = vars(self).values()
        if () in filters:
            return []
        omissions, now = Omissions(warn), Now(client)
        found = self.read(client, now, omissions)
        if now.guess_was_wrong():
            found = self.read(client, now, omissions)
        relative = any(isinstance(value, Moment) and value.at is None for value in filters)
        if relative and client.session.service_time() is None:
            warn("The service did not send its time. Days before now are counted by the clock of this machine.")
        omissions.report()
        return found

    @abc.abstractmethod
    def unknown_values(self) -> t.Iterator[str]:
        """Warnings about values that the service is not known to have."""

    @abc.abstractmethod
    def read(self, client: MdeClient, now: Now, omissions: Omissions) -> list[Item]:
        """The records that match, with relative times counted from ``now``. Raises MdeError."""


def matches_any(wanted: frozenset[str] | None, *values: object) -> bool:
    """Whether one of the values is one of the wanted texts (see ``comparables``); True if no filter is set."""
    return wanted is None or any(isinstance(value, str) and comparable(value) in wanted for value in values)
