# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""OData filters: values always quoted, so that text from a ticket can never become part of a query.

Syntax: OData 4, "URL Conventions". The service takes ``eq``, ``in``, ``and``, ``or`` and ``startswith``;
dates stand without quotes.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

# What may not stand in a query as it is. quote alone would look at each character of every filter.
_UNSAFE: t.Final = re.compile(r"[^\w.~/$'(),-]+", re.ASCII)


@dataclass(frozen=True)
class FilterSyntax:
    """How a filter is written where services differ in what they take."""

    use_in: bool = True
    """``in (...)`` for several values; else ``eq`` joined by ``or``."""
    unquoted_guids: bool = False
    """GUIDs without quotes, as OData has them."""


def url_encode(text: str) -> str:
    """Text as it stands in a URL's query. A space is ``%20``: some gateways read ``+`` as a plus.

    Quotes, commas and parentheses are allowed there, and stay: a third more fits into a filter.
    """
    return _UNSAFE.sub(lambda found: quote(found[0], safe=""), text)


def string_literal(value: str) -> str:
    """A string literal; a quote inside is doubled, as OData wants it. URL encoding comes later, once."""
    return "'" + value.replace("'", "''") + "'"


def property_in(prop: str, values: t.Sequence[str], *, use_in: bool = True, unquoted: bool = False) -> str:
    """``prop`` has one of the values: ``eq`` for one; for several ``in (...)``, or an ``or`` without ``use_in``.

    ``unquoted`` leaves out the quotes, as OData writes GUIDs; only for values that were checked to be one.
    """
    literals = list(values) if unquoted else [string_literal(value) for value in values]
    if use_in and len(literals) > 1:
        return f"{prop} in ({','.join(literals)})"
    return any_of([f"{prop} eq {literal}" for literal in literals])


def starts_with_any(prop: str, values: t.Sequence[str]) -> str:
    """``prop`` begins with one of the values."""
    return any_of([f"startswith({prop},{string_literal(value)})" for value in values])


def any_of(conditions: t.Sequence[str]) -> str:
    """The conditions joined by ``or``."""
    return " or ".join(conditions)


def all_of(conditions: t.Iterable[str]) -> str:
    """The conditions joined by ``and``; one that holds an ``or`` is put in parentheses."""
    return " and ".join(f"({part})" if " or " in part else part for part in conditions)


def time_literal(when: datetime) -> str:
    """A time literal in UTC, to the whole second below. The year always has four digits, as strftime does not see to."""
    return f"{when.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def time_literal_rounded_up(when: datetime) -> str:
    """A time literal with which ``lt`` loses nothing that is before the moment."""
    try:
        return time_literal(when + timedelta(seconds=1))
    except OverflowError:  # the end of time
        return time_literal(when)
