# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Reading from the API: one record, or a list with all of its pages. What a read may be taken for is settled here.

``$top`` and ``$skip`` only: a ``nextLink`` has been seen to lose the filter. It only says that there is more.
"""

from __future__ import annotations

import typing as t

from .._errors import BadAnswerError
from .._http.retry import Budget, worth_asking_again
from .._http.transport import Response, excerpt
from .error_responses import api_error, is_missing_entity
from .session import Exchange

# The service's largest page. Microsoft Learn: "Maximum page size is 10,000".
PAGE_SIZE: t.Final = 10000
# Seconds after a deadline in which a first try may still leave: nobody sleeps to the exact moment.
_LATE: t.Final = 1.0


class _Entity(t.Protocol):
    @property
    def id(self) -> str:
        """What no two of them share."""


Item = t.TypeVar("Item", bound=_Entity)


def read(
    exchange: Exchange,
    path: str,
    params: t.Mapping[str, t.Any] | None = None,
    *,
    missing_ok: bool = False,
    until: float | None = None,
    budget: Budget | None = None,
) -> Response | None:
    """An answer with status 200; None where the service itself says that there is no such thing, if that is allowed.

    ``until`` (monotonic seconds) is when it is too late to ask again, or at all; ``budget`` is one that several reads
    share. Raises MdeError otherwise.
    """
    response = exchange.call(
        "GET",
        path,
        may_repeat=worth_asking_again,
        params=params,
        budget=budget or exchange.budget(until),
        not_after=None if until is None else until + _LATE,
    )
    if response.status == 200:
        return response
    if missing_ok and is_missing_entity(response):
        return None
    raise api_error(response)


def read_pages(
    exchange: Exchange,
    path: str,
    condition: str,
    parse: t.Callable[[object], Item | None],
    what: str,
    *,
    order: str | None = None,
    limit: int | None = None,
    until: float | None = None,
    budget: Budget | None = None,
) -> t.Iterator[list[Item]]:
    """The pages of a list one by one, each id once, for as long as the caller goes on; with a ``limit`` small ones.

    ``condition`` is an OData filter, or empty; ``parse`` gives None for what is no record, ``what`` calls a good one
    by its name. Raises MdeError for a page that cannot be had: a list is whole or it is none.
    """
    size = min(limit or PAGE_SIZE, PAGE_SIZE)
    seen: set[str] = set()
    asked = 0
    while True:
        query = {"$filter": condition or None, "$orderby": order, "$top": size, "$skip": asked or None}
        # An empty list is documented as 404.
        response = read(exchange, path, query, missing_ok=True, until=until, budget=budget)
        if response is None:
            return
        document = response.json()
        records = document.get("value") if isinstance(document, dict) else None
        if not isinstance(records, list):
            raise bad_answer(response, "a list")
        exchange.observe_records(records)
        page = []
        for item in map(parse, records):
            if item is None:
                raise bad_answer(response, what)
            if item.id.lower() not in seen:
                seen.add(item.id.lower())
                page.append(item)
        more = len(records) == size or bool(document.get("@odata.nextLink"))
        if more and not page:
            raise bad_answer(response, "another page (this one repeats the last)")
        yield page
        if not more:
            return
        asked += len(records)


def bad_answer(response: Response, wanted: str) -> BadAnswerError:
    """A success by its status that does not hold what it should."""
    return BadAnswerError(
        f"{response.method} {response.url.split('?')[0]} answered {response.status}, but not with {wanted}: "
        f"{excerpt(response)}",
        http_status=response.status,
        hint="Something between here and the service may have written this: check api_url and any proxy.",
    )
