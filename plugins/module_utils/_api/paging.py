# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""GET one record, or all pages of a list. Decides what counts as a valid response.

Paging uses ``$top`` and ``$skip`` only. A ``nextLink`` has been seen to lose the filter, so it only means that there is
more. The list may change between two pages, so that ``$skip`` alone would miss records: see ``Lists.pages``.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field
from json import dumps

from .._auth.permissions import READ
from .._errors import ApiError, UnexpectedResponseError
from .._foreign_json import parse_json
from .._http.response import Response, summarize_body
from .._http.retry import RetryBudget, is_retryable_read
from .._presentable import presentable
from .models import NoRecordError, Record, RecordError
from .session import ApiSession

# The service's largest page. Microsoft Learn: "Maximum page size is 10,000".
PAGE_SIZE: t.Final = 10000
# Number of records that neighboring pages share, but never more than half a page.
OVERLAP: t.Final = 100
# How often a list is read from its start before the read fails.
PASSES: t.Final = 3
# Limits for a service that never stops sending pages.
MOST_PAGES: t.Final = 1000
MOST_RECORDS: t.Final = 1_000_000


Item = t.TypeVar("Item", bound=Record)


def get(
    session: ApiSession,
    path: str,
    params: t.Mapping[str, t.Any] | None = None,
    budget: RetryBudget | None = None,
) -> Response | None:
    """Return a response with status 200, or None if the service reports that the record does not exist.

    Raises MdeError otherwise.
    """
    try:
        return session.request(
            "GET", path, should_retry=is_retryable_read, permissions=READ, params=params, budget=budget
        )
    except ApiError as error:
        if error.resource_not_found:
            return None
        raise


@dataclass(frozen=True)
class RefusedRecord:
    """A record of a list that is not usable, for callers that can continue without it."""

    value: t.Any
    """The JSON value of the record."""
    error: UnexpectedResponseError
    """Why it is not usable, and its position in the list."""


Report = t.Callable[[RefusedRecord], None]
Allowance = t.Callable[[], RetryBudget]
"""Returns the budget of each call: a new one, or one that several calls share."""


class Lists:
    """Reads lists of one service, and remembers whether the service accepts ``$count``. Thread-safe."""

    def __init__(self, session: ApiSession) -> None:
        self._session = session
        self._count_accepted = True
        """False after the service has rejected ``$count``."""

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
        """Yield the records of a list page by page, each ID once, until the caller stops.

        ``condition`` is an OData filter, or empty. ``parse`` raises RecordError for an unusable record, which goes to
        ``report``, or is an error without it. ``limit`` also limits the size of a page. ``count`` asks for ``$count`` on
        the first page already, for lists that may have several pages. Raises MdeError if a page cannot be read, or if the
        list changes too fast to be read completely.

        A pass over the list finds every record that keeps its place in the order while others leave, arrive and move,
        because neighboring pages overlap. It misses a record only if that record moves from the unread part to the part
        that was already read, for example when a device reports and the list begins with the device seen last. So a pass
        that shows a change, in an overlap or in the count, is followed by another pass, until a pass finds nothing new or
        ``PASSES`` have ended. After a pass of several pages without a sign of a change, the first page is read again. If it
        has changed, it begins the next pass. A list of one page takes one call, a list of N pages N + 1, and a list that
        changes at most ``PASSES`` times N, plus the calls to step back.

        Not detected is a record that moves in this way in every pass. In a list of three or more pages, neither is one that
        moves to a place after the first page, if between the same two calls as many records leave after the first page,
        others arrive so that the count stays the same, and nothing else changes.
        """
        size = min(limit or PAGE_SIZE, PAGE_SIZE)
        query = {"$filter": condition or None, "$orderby": order, "$top": size}
        collected = _Collected(path, parse, report)
        previous: _Pass | None = None
        for number in range(PASSES):
            current, before = _Pass(size), collected.count
            while (skip := current.skip) is not None:
                counted = count or number > 0 or skip > 0
                params = {**query, "$skip": skip or None}
                response = self._read(path, params, counted, allowance or self._session.budget)
                records, total, more = _content(response)
                self._session.service_clock.observe_records(records)
                page, ids = collected.add(records, skip)
                if page:
                    yield page
                if previous is not None and previous.is_confirmed_by(ids, total, current):
                    return
                if current.add(ids, total, more):
                    raise _unreadable(path, "a page repeats the previous one and is not the last page")
            complete = current.finished and current.least <= collected.count
            if complete and (current.is_snapshot or (number > 0 and collected.count == before)):
                return
            if not complete and number == PASSES - 1:
                missing = f"{current.least - collected.count} of {current.least} records are missing"
                raise _unreadable(path, missing if current.finished else "it changes faster than its pages can be read")
            previous = current if complete else None

    def _read(self, path: str, query: dict[str, t.Any], counted: bool, allowance: Allowance) -> Response | None:
        """One page. Microsoft Learn documents a 404 for an empty list."""
        if counted and self._count_accepted:
            try:
                return get(self._session, path, {**query, "$count": "true"}, allowance())
            except ApiError as error:
                if not error.query_refused:
                    raise
        response = get(self._session, path, query, allowance())
        if counted:
            self._count_accepted = False  # $count was the reason, not the filter
        return response


class _Collected(t.Generic[Item]):
    """The records of a list, from all passes."""

    def __init__(self, path: str, parse: t.Callable[[object], Item], report: Report | None) -> None:
        self._path = path
        self._parse = parse
        self._report = report
        self._ids: set[str] = set()
        self._pages = 0

    @property
    def count(self) -> int:
        """Number of distinct records, including unusable ones."""
        return len(self._ids)

    def add(self, records: t.Sequence[object], skip: int) -> tuple[list[Item], list[str]]:
        """Return the new records of a page, and a key for each of its records, in the order of the page."""
        new: list[Item] = []
        keys: list[str] = []
        for number, record in enumerate(records, skip + 1):
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
    """One pass over a list from its start to its end, while records leave, arrive and move.

    As long as enough records of the last page are on the next one, no record between the two was skipped. Otherwise the
    pass steps back, and fails if that does not help.
    """

    size: int
    skip: int | None = 0
    """Start of the next page, None after the last one."""
    finished: bool = False
    """Whether the end was reached without a gap."""
    least: int = 0
    """The smallest count that the service reported: no more records than that were there all the time."""
    _changed: bool = False
    """Whether the list was seen to change."""
    _complete: bool = True
    """Whether the first page has all records."""
    _first: list[str] = field(default_factory=list)
    _last: list[str] = field(default_factory=list)
    """Keys of the first and of the last page, in their order."""
    _total: int | None = None
    _ids: set[str] = field(default_factory=set)
    _overlap: int = 0
    _stepped_back: bool = False

    @property
    def is_snapshot(self) -> bool:
        """Whether one page had all records, and the list was not seen to change."""
        return self._complete and not self._changed

    def is_confirmed_by(self, ids: list[str], total: int | None, following: _Pass) -> bool:
        """Whether this pass showed no change, and the following one begins with the same page and the same count."""
        return not self._changed and not following._ids and (ids, total) == (self._first, self._total)

    def add(self, ids: list[str], total: int | None, more: bool) -> bool:
        """Add a page, and decide where the next one starts. Return True if the pages repeat, so that there is no end."""
        start, again = self.skip or 0, self._stepped_back
        more = more or len(ids) >= self.size
        if not self._ids:
            self._first, self._complete = ids, not more if total is None else total <= len(ids)
        self._add_total(total)
        self._changed = self._changed or self._last[len(self._last) - self._overlap :] != ids[: self._overlap]
        # One shared record is not enough: it may have moved there.
        if len(set(ids) & set(self._last)) < -(-self._overlap // 10):
            self._step_back(start)
            return False
        self._stepped_back = False
        new = set(ids) - self._ids
        self._complete = self._complete and not (new and self._ids)
        self._ids |= new
        if not more and (not new or total is None or start + len(ids) >= total):
            self.skip, self.finished = None, True
            return False
        self._last = ids
        self._overlap = min(OVERLAP, len(ids) // 2)
        self.skip = start + len(ids) - self._overlap
        return not new and not again

    def _add_total(self, total: int | None) -> None:
        if total is None:
            return
        self._changed = self._changed or self._total not in (None, total)
        self.least = total if self._total is None else min(self.least, total)
        self._total = total

    def _step_back(self, start: int) -> None:
        """So many records left that the page begins after the last one: request a page that begins half a page earlier."""
        self._changed = True
        self.skip = None if self._stepped_back else max(0, start - len(self._last) // 2)
        self._stepped_back = True


def _content(response: Response | None) -> tuple[list[t.Any], int | None, bool]:
    """The records of a page, the count of the list if the service reports it, and whether the service reports more pages."""
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
            f"GET {path}: record {number} of the list is not usable: {flaw}.",
            http_status=200,
            hint="Check this record in the portal. If it is correct there, a proxy or gateway may have changed the response: "
            "check api_url and any proxy.",
        ),
    )


def _unreadable(path: str, why: str) -> UnexpectedResponseError:
    return UnexpectedResponseError(
        f"GET {path}: the list could not be read completely: {why}.",
        http_status=200,
        hint="Run the task again later, or request fewer devices at a time. If the error persists, check api_url and any "
        "proxy.",
    )


def unexpected_response(response: Response, expected: str) -> UnexpectedResponseError:
    """The error for a response with a success status that does not contain what was expected."""
    return UnexpectedResponseError(
        f"{response.method} {response.url.split('?')[0]} returned HTTP {response.status} without {expected}: "
        f"{_flaw(response)}",
        http_status=response.status,
        hint="A proxy or gateway may have sent this response. Check api_url and any proxy.",
    )


def _flaw(response: Response) -> str:
    """What is wrong with the body: the reason for JSON that is rejected, otherwise a summary."""
    text = response.text.lstrip("\ufeff \t\r\n")
    if text.startswith(("{", "[")):
        try:
            parse_json(response.body)
        except ValueError as error:
            return f"{error} in {summarize_body(response)}"
    return summarize_body(response)
