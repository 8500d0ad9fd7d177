# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Lists, text, points in time and raw OData filters in options: validated and normalized."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from .._errors import OptionError
from .._same import comparable
from .._timestamps import parse_time

# The service's own model ($metadata of 2026-08). Here, because the code of mde_machine_exclusion needs requests, which the
# controller may not have.
EXCLUSION_REASONS: t.Final = ("InactiveDevice", "DuplicateDevice", "DeviceDoesNotExist", "DeviceOutOfScope", "Other")

# String literals of a filter. A doubled quote inside is a quote.
_LITERAL = re.compile(r"'(?:[^']|'')*'")

_DAYS = re.compile(r"(\d+(?:\.\d+)?)\s*(?:d|days?)?", re.IGNORECASE)
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
# Before any time in the service.
_MOST_DAYS = 700_000

Value = t.TypeVar("Value")


def clean_list(
    option: str, given: t.Sequence[str | None] | None, clean: t.Callable[[str], Value | None]
) -> tuple[Value, ...] | None:
    """The normalized values of a list option without duplicates; None if the option was not set.

    An empty list stays empty and matches nothing. Raises OptionError for an empty value: a template without a result leaves
    one, and it must not match everything.
    """
    if given is None:
        return None
    found: dict[Value, None] = {}
    for value in given:
        cleaned = clean(value) if value is not None and value.strip() else None
        if cleaned is None:
            raise OptionError(
                f"{option} contains an empty value.",
                hint="Omit the option to disable this filter. An empty list matches nothing.",
            )
        found[cleaned] = None
    return tuple(found)


def clean_text(option: str, given: object) -> str | None:
    """The text of an option; None if it was not set. Raises OptionError for empty text, as ``clean_list`` does."""
    text = None if given is None else str(given).strip()
    if text == "":
        raise OptionError(f"{option} is empty.", hint="Omit the option to disable this filter.")
    return text


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
        if days:
            count = float(days.group(1))
            if count <= _MOST_DAYS:
                return Moment(before_now=timedelta(days=count))
        elif _DATE.fullmatch(text):
            return Moment(datetime.fromisoformat(text).replace(tzinfo=timezone.utc))
    except ValueError:
        pass  # no such day
    found = parse_time(text.replace(" ", "T", 1))
    if found is None:
        raise OptionError(
            f"{option}: {text[:60]!r} is not a valid time.",
            hint="Use a number of days (30), a date (2026-01-31) or an ISO 8601 time (2026-01-31T08:00:00Z).",
        )
    return Moment(found)


def canonical_spelling(known: t.Iterable[str]) -> t.Callable[[str], str]:
    """A function that changes known words to the spelling of the service and leaves others as they are."""
    spellings = {comparable(word): word for word in known}
    return lambda text: spellings.get(comparable(text.strip()), text.strip())


def unknown_words(option: str, given: t.Iterable[str] | None, known: t.Sequence[str]) -> t.Iterator[str]:
    """A warning for values that are not in the model of the service: they may be misspelled and match nothing."""
    unknown = [word for word in given or () if word not in known]
    if unknown:
        yield (
            f"{option}: the service is not known to use {', '.join(repr(word[:60]) for word in unknown)}, which may match "
            f"nothing. Known values are {', '.join(known)}."
        )


def clean_raw_filter(given: str | None) -> str | None:
    """A raw OData filter expression, enclosed in our own parentheses, which it must not close.

    Raises OptionError for unbalanced quotes or parentheses, and for empty text.
    """
    text = clean_text("filter", given)
    if text is None:
        return None
    rest = _LITERAL.sub("", text)
    depth = 0
    for character in rest:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            break
    if depth or "'" in rest:
        raise OptionError(
            f"Unbalanced quotes or parentheses in filter: {text[:80]!r}.",
            hint="Enclose strings in single quotes; double a quote inside a string.",
        )
    return f"({text})"
