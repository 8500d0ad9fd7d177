# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Points in time as people give them: a time, a date, or a number of days before now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .._errors import OptionError
from .._timestamps import parse_time
from .values import clean_text

_DAYS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:d|days?)?", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
# Earlier than any time that the service can write.
_MOST_DAYS = 700_000


@dataclass(frozen=True)
class Moment:
    """A point in time, or a time before now, whenever that is."""

    at: datetime | None = None
    before_now: timedelta = timedelta(0)

    def resolve(self, now: datetime) -> datetime:
        """The point in time."""
        if self.at is not None:
            return self.at
        try:
            return now - self.before_now
        except OverflowError:  # before the beginning of time
            return datetime.min.replace(tzinfo=timezone.utc)


def clean_time(option: str, given: object) -> Moment | None:
    """A point in time: an ISO time or date (UTC where it names no zone), or a number of days before now.

    Raises OptionError for anything else, and for a blank text.
    """
    text = clean_text(option, given)
    if text is None:
        return None
    days = _DAYS.fullmatch(text)
    try:
        if days and not isinstance(given, bool):
            count = float(days.group(1))
            if count <= _MOST_DAYS:
                return Moment(before_now=timedelta(days=count))
        elif _DATE.fullmatch(text):
            return Moment(datetime.fromisoformat(text).replace(tzinfo=timezone.utc))
    except (ValueError, OverflowError):
        pass  # no such day, or before the beginning of time
    found = parse_time(text.replace(" ", "T", 1))
    if found is None:
        raise OptionError(
            f"{option}: {text[:60]!r} is not a time.",
            hint="Give a number of days back from now, a date such as 2026-01-31, or a time such as 2026-01-31T08:00:00Z.",
        )
    return Moment(found)
