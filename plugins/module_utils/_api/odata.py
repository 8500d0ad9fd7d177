# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""OData filters. Text is always quoted, so that text from a ticket never becomes part of a query.

Syntax: OData 4, "URL Conventions". The service accepts ``eq``, ``in``, ``and``, ``or`` and ``startswith``. Times are not quoted.
"""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote

# Characters that a query cannot contain as they are. Calling quote() for each filter would check every character.
_UNSAFE: t.Final = re.compile(r"[^\w.~/$'(),-]+", re.ASCII)
_GUID: t.Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class FilterSyntax:
    """How to write a filter, where services may differ in what they accept."""

    use_in: bool = True
    """``in (...)`` for several values; otherwise ``eq`` joined by ``or``."""
    unquoted_guids: bool = False
    """Entra device IDs without quotes, as OData writes GUIDs."""
    unquoted_action_ids: bool = False
    """The same for IDs of machine actions."""


def url_encode(text: str) -> str:
    """Encode text for a URL's query. A space becomes ``%20``, because some gateways read ``+`` as a plus.

    Quotes, commas and parentheses are allowed in a query and are not encoded, so that a filter has room for a third more values.
    """
    return _UNSAFE.sub(lambda found: quote(found[0], safe=""), text)


def string_literal(value: str) -> str:
    """A string literal, with each quote doubled as in OData. It is URL-encoded later."""
    return "'" + value.replace("'", "''") + "'"


def property_in(prop: str, values: t.Sequence[str], *, use_in: bool = True, unquoted: bool = False) -> str:
    """``prop`` is one of the values: ``eq`` for one value; for several ``in (...)``, or ``or`` without ``use_in``.

    ``unquoted`` omits the quotes. Use it only for values that are known to be GUIDs.
    """
    literals = list(values) if unquoted else [string_literal(value) for value in values]
    if use_in and len(literals) > 1:
        return f"{prop} in ({','.join(literals)})"
    return any_of([f"{prop} eq {literal}" for literal in literals])


def is_guid(text: str) -> bool:
    return _GUID.fullmatch(text) is not None


def action_id_in(action_ids: t.Sequence[str], syntax: FilterSyntax) -> str:
    """The ``id`` of a machine action is one of these IDs; they are quoted unless all of them are GUIDs.

    The ID is an ``Edm.Guid`` in the service's ``$metadata``, which OData compares with unquoted literals only. The samples
    of Microsoft Learn quote it.
    """
    unquoted = syntax.unquoted_action_ids and all(map(is_guid, action_ids))
    return property_in("id", action_ids, use_in=syntax.use_in, unquoted=unquoted)


def starts_with_any(prop: str, values: t.Sequence[str]) -> str:
    """``prop`` begins with one of the values."""
    return any_of([f"startswith({prop},{string_literal(value)})" for value in values])


def any_of(conditions: t.Sequence[str]) -> str:
    """The conditions joined by ``or``."""
    return " or ".join(conditions)


def all_of(conditions: t.Iterable[str]) -> str:
    """The conditions joined by ``and``; a condition with ``or`` is put in parentheses."""
    return " and ".join(f"({part})" if " or " in part else part for part in conditions)


def time_literal(when: datetime) -> str:
    """A time literal in UTC, rounded down to a second. The year always has four digits, unlike with strftime."""
    return f"{when.replace(tzinfo=None).isoformat(timespec='seconds')}Z"


def time_literal_rounded_up(when: datetime) -> str:
    """A time literal rounded up, so that ``lt`` loses no record from before ``when``."""
    try:
        return time_literal(when + timedelta(seconds=1))
    except OverflowError:  # the last second of the year 9999
        return time_literal(when)
