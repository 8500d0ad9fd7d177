# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Points in time in options: a time, a date, or a number of days before now."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .._errors import OptionError
from .._timestamps import parse_time
from .values import clean_text

_DAYS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:d|days?)?", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
# Before any time in the service.
_MOST_DAYS = 700_000


@dataclass(frozen=True)
class Moment:
    """A point in time, absolute or relative to now."""

    at: datetime | None = None
    before_now: timedelta = timedelta(0)

    def resolve(self, now: datetime) -> datetime:
        """The point in time."""
        if self.at is not None:
            return self.at
        try:
            return now - self.before_now
        except OverflowError:  # earlier than datetime can represent
            return datetime.min.replace(tzinfo=timezone.utc)


def clean_time(option: str, value: object) -> Moment | None:
    """A point in time: an ISO time or date (UTC if it names no zone), or a number of days before now.

    Raises OptionError for anything else, and for empty text.
    """
    text = clean_text(option, value)
    if text is None:
        return None
    days = _DAYS.fullmatch(text)
    try:
        if days and not isinstance(value, bool):
            count = float(days.group(1))
            if count <= _MOST_DAYS:
                return Moment(before_now=timedelta(days=count))
        elif _DATE.fullmatch(text):
            return Moment(datetime.fromisoformat(text).replace(tzinfo=timezone.utc))
    except (ValueError, OverflowError):
        pass  # no such day, or out of range
    found = parse_time(text.replace(" ", "T", 1))
    if found is None:
        raise OptionError(
            f"{option}: {text[:60]!r} is not a valid time.",
            hint="Use a number of days (30), a date (2026-01-31) or an ISO 8601 time (2026-01-31T08:00:00Z).",
        )
    return Moment(found)
