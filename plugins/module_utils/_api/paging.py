# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Reading from the API: one record, or a list with all of its pages. What a read may be taken for is settled here.

``$top`` and ``$skip`` only: a ``nextLink`` has been seen to lose the filter. It only says that there is more. The list may
change between two pages, so that ``$skip`` alone would step over records; see ``_Pass``.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from json import dumps

from .._auth.permissions import READ
from .._errors import ApiError, UnexpectedResponseError
from .._foreign_json import parse_json
from .._http.retry import RetryBudget, is_retryable_read
from .._http.transport import Response, summarize_body
from .._presentable import presentable
from .models import NoRecordError, RecordError
from .session import ApiSession

# The service's largest page. Microsoft Learn: "Maximum page size is 10,000".
PAGE_SIZE: t.Final = 10000
# Records that neighbouring pages share, but never more than half a page.
OVERLAP: t.Final = 100
# How often a list is read from its start before it counts as one that cannot be read.
PASSES: t.Final = 3
# A service that goes on and on is not read for ever.
MOST_PAGES: t.Final = 1000
MOST_RECORDS: t.Final = 1_000_000


class HasId(t.Protocol):
    @property
    def id(self) -> str:
        """What no two of them share."""


Item = t.TypeVar("Item", bound=HasId)


def get(
    session: ApiSession,
    path: str,
    params: t.Mapping[str, t.Any] | None = None,
    *,
    missing_ok: bool = False,
    budget: RetryBudget | None = None,
) -> Response | None:
    """An answer with status 200; None where the service itself says that there is no such thing, if that is allowed.

    Raises MdeError otherwise.
    """
    try:
        return session.request(
            "GET", path, should_retry=is_retryable_read, permissions=READ, params=params, budget=budget
        )
    except ApiError as error:
        if missing_ok and error.resource_not_found:
            return None
        raise


@dataclass(frozen=True)
class RefusedRecord:
    """A record of a list that cannot be used, for whoever can go on without it."""

    value: t.Any
    """What came in its place."""
    error: UnexpectedResponseError
    """What is wrong with it, and where it was."""


Report = t.Callable[[RefusedRecord], None]
Allowance = t.Callable[[], RetryBudget]
"""Gives the budget of each call: a new one, or one that several calls share."""


class Lists:
    """Reads the lists of one service, and learns whether it counts them. Safe to use from several threads."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session
        self._counts = True
        """Whether ``$count`` may still be worth a try."""

    def pages(
        self,
        path: str,
        condition: str,
        parse: t.Callable[[object], Item],
        *,
        order: str | None = None,
        limit: int | None = None,
        count: bool = False,
        report: Report | None = None,
        allowance: Allowance | None = None,
    ) -> t.Iterator[list[Item]]:
        """The records of a list page by page, each id once, for as long as the caller goes on.

        ``condition`` is an OData filter, or empty; ``parse`` raises RecordError for what is no record. With a ``limit``
        pages are as small; ``count`` asks on the first page already how many records there are, for lists that may have
        several pages. A record that is refused goes to ``report``; without one it is an error. Raises MdeError for a page
        that cannot be read, and when the list changed too fast to be read whole: a list is whole or it is none.
        """
        size = min(limit or PAGE_SIZE, PAGE_SIZE)
        query = {"$filter": condition or None, "$orderby": order, "$top": size}
        taken = _Taken(path, parse, report)
        for number in range(PASSES):
            current, before = _Pass(size), taken.count
            while (place := current.place) is not None:
                counted = count or number > 0 or place > 0
                params = {**query, "$skip": place or None}
                response = self._read(path, params, counted, allowance or self._session.budget)
                records, total, more = _content(response)
                self._session.observe_records(records)
                page, ids = taken.page(records, place)
                if page:
                    yield page
                if current.take(ids, total, more):
                    raise _unreadable(path, "a page repeats the last one, and is not the end")
            if current.finished and current.least <= taken.count:
                # Whoever moved from the part still to come to the part already read was missed, and shows in the next pass.
                if not current.moved or (number > 0 and taken.count == before):
                    return
            elif number == PASSES - 1:
                missing = f"{current.least - taken.count} of {current.least} records did not come"
                raise _unreadable(path, missing if current.finished else "it changes faster than its pages can be read")

    def _read(self, path: str, query: dict[str, t.Any], counted: bool, allowance: Allowance) -> Response | None:
        """One page. An empty list is documented as 404."""
        if counted and self._counts:
            try:
                return get(self._session, path, {**query, "$count": "true"}, missing_ok=True, budget=allowance())
            except ApiError as error:
                if not error.query_refused:
                    raise
            response = get(self._session, path, query, missing_ok=True, budget=allowance())
            self._counts = False  # it was that, and not the filter
            return response
        return get(self._session, path, query, missing_ok=True, budget=allowance())


class _Taken(t.Generic[Item]):
    """What has been taken from a list, in all passes."""

    def __init__(self, path: str, parse: t.Callable[[object], Item], report: Report | None) -> None:
        self._path = path
        self._parse = parse
        self._report = report
        self._ids: set[str] = set()
        self._pages = 0

    @property
    def count(self) -> int:
        """Different records, with those that were refused."""
        return len(self._ids)

    def page(self, records: t.Sequence[object], place: int) -> tuple[list[Item], list[str]]:
        """The records of a page that are new, and what tells each of its records from others, in their order."""
        new: list[Item] = []
        keys: list[str] = []
        for number, record in enumerate(records, place + 1):
            try:
                item = self._parse(record)
            except RecordError as error:
                refused = _refused(self._path, record, number, str(error))
                if self._report is None or isinstance(error, NoRecordError):
                    raise refused.error from error
                keys.append(dumps(refused.value, sort_keys=True))
                if keys[-1] not in self._ids:
                    self._report(refused)
            else:
                keys.append(item.id)
                if item.id not in self._ids:
                    new.append(item)
            self._ids.add(keys[-1])
        self._pages += 1
        if self._pages > MOST_PAGES or len(self._ids) > MOST_RECORDS:
            raise _unreadable(self._path, f"it does not end after {self._pages} pages with {self.count} records")
        return new, keys


@dataclass
class _Pass:
    """One reading of a list from its start to its end, while records come, go and change their places.

    Neighbouring pages share records: as long as enough of the last page are on the next one, nothing between the two
    was stepped over. Where they are not, the pass steps back, and fails when that does not help.
    """

    size: int
    place: int | None = 0
    """Where the next page starts, None when there is none."""
    finished: bool = False
    """Whether the end was reached without a gap."""
    moved: bool = False
    """Whether the list was seen to change."""
    least: int = 0
    """The smallest count that the service gave: what was there all along is no more than that."""
    _counted: int | None = None
    _ids: set[str] = field(default_factory=set)
    _last: list[str] = field(default_factory=list)
    """Ids of the last page, in their order."""
    _overlap: int = 0
    _stepped_back: bool = False

    def take(self, ids: list[str], total: int | None, more: bool) -> bool:
        """Note a page, and settle where the next one starts. True when the pages repeat, so that there is no end."""
        start, again = self.place or 0, self._stepped_back
        more = more or len(ids) >= self.size
        self._count(total)
        self.moved = self.moved or self._last[len(self._last) - self._overlap :] != ids[: self._overlap]
        # One shared record is not enough: it may have moved here on its own.
        if len(set(ids) & set(self._last)) < -(-self._overlap // 10):
            self._step_back(start)
            return False
        self._stepped_back = False
        new = set(ids) - self._ids
        self._ids |= new
        if not more and (not new or total is None or start + len(ids) >= total):
            self.place, self.finished = None, True
            return False
        self._last = ids
        self._overlap = min(OVERLAP, len(ids) // 2)
        self.place = start + len(ids) - self._overlap
        return not new and not again

    def _count(self, total: int | None) -> None:
        if total is None:
            return
        self.moved = self.moved or self._counted not in (None, total)
        self.least = total if self._counted is None else min(self.least, total)
        self._counted = total

    def _step_back(self, start: int) -> None:
        """So many records left that the page begins beyond the last one: ask for one that begins half a page earlier."""
        self.moved = True
        self.place = None if self._stepped_back else max(0, start - len(self._last) // 2)
        self._stepped_back = True


def _content(response: Response | None) -> tuple[list[t.Any], int | None, bool]:
    """The records of a page, how many the list has where the service says so, and whether it says that there are more."""
    if response is None:
        return [], None, False
    document = response.json()
    records = document.get("value") if isinstance(document, dict) else None
    if not isinstance(records, list):
        raise unexpected_response(response, "a list")
    total = document.get("@odata.count")
    counted = isinstance(total, int) and not isinstance(total, bool) and total >= 0
    return records, total if counted else None, bool(document.get("@odata.nextLink"))


def _refused(path: str, value: object, number: int, flaw: str) -> RefusedRecord:
    return RefusedRecord(
        presentable(value),
        UnexpectedResponseError(
            f"GET {path}: record {number} of the list cannot be used: {flaw}.",
            http_status=200,
            hint="Look at this record in the portal. If it is not like this there, something between here and the service "
            "has written it: check api_url and any proxy.",
        ),
    )


def _unreadable(path: str, why: str) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        f"GET {path}: the list cannot be read whole: {why}.",
        http_status=200,
        hint="Run the task again later, or ask for fewer devices at a time. If it stays like this, check api_url and any "
        "proxy in between.",
    )


def unexpected_response(response: Response, expected: str) -> UnexpectedResponseError:
    """A success by its status that does not hold what it should."""
    return UnexpectedResponseError(
        f"{response.method} {response.url.split('?')[0]} answered {response.status}, but not with {expected}: "
        f"{_flaw(response)}",
        http_status=response.status,
        hint="Something between here and the service may have written this: check api_url and any proxy.",
    )


def _flaw(response: Response) -> str:
    """What the body is: JSON that a strict reader refuses has a reason, everything else is shown."""
    text = response.text.lstrip("\ufeff \t\r\n")
    if text.startswith(("{", "[")):
        try:
            parse_json(response.body)
        except ValueError as error:
            return f"{error} in {summarize_body(response)}"
    return summarize_body(response)
