# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Many values in few filters, as large as the service takes them.

Nobody documents how large a filter may be, or whether ``in`` is taken everywhere. So both are found out on the way:
what is refused is asked again in another form, then in halves, and what has been learned holds for the rest of the run.
"""

from __future__ import annotations

import itertools
import typing as t
from dataclasses import dataclass, field, replace

from .._clock import Clock
from .._errors import ApiError
from .odata import FilterSyntax, url_encode

# Characters of a filter as it goes over the wire: to begin with, and at most, so that no URL has more than 4,000.
INITIAL_FILTER_LENGTH: t.Final = 2250
MAX_FILTER_LENGTH: t.Final = 3800
# What a filter needs beside its values, with room to spare, and each value beside its text.
_FILTER_OVERHEAD = 80
_VALUE_OVERHEAD = 3

Value = t.TypeVar("Value", bound=t.Hashable)
Record = t.TypeVar("Record")
Condition = t.Callable[[t.Sequence[Value], FilterSyntax], str]
"""Writes some of the values as a filter in one of the forms."""


@dataclass
class BatchResult(t.Generic[Value, Record]):
    """What the filters brought, all of them together."""

    records: list[Record] = field(default_factory=list)
    rejected: dict[Value, ApiError] = field(default_factory=dict)
    """Values that the service did not take even alone, while it took others."""
    read_at: float = 0.0
    """Moment (monotonic) of the first answer: nothing here is older."""

    def records_or_raise(self) -> list[Record]:
        """The records, for those to whom a part of them is nothing. Raises the ApiError of a value that was refused."""
        for error in self.rejected.values():
            raise error
        return self.records


@dataclass(frozen=True)
class _Limits:
    characters: int = INITIAL_FILTER_LENGTH
    values: int | None = None
    growing: bool = True

    def after_rejection(self, error: ApiError, length: int, count: int) -> _Limits:
        """Half of what was refused."""
        if error.too_long:
            return replace(self, characters=length // 2, growing=False)
        return replace(self, values=max(1, count // 2))

    def after_success(self, length: int) -> _Limits:
        """More, once a filter that nearly filled these has worked."""
        return replace(self, characters=MAX_FILTER_LENGTH) if self.growing and length > 0.8 * self.characters else self


class FilterBatcher:
    """What one service is known to take. Safe to use from several threads: at worst something is learned twice."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limits = _Limits()
        self._use_in: list[bool] = [True, False]
        self._unquoted_guids: list[bool] = [False, True]
        """Forms that may still be worth a try, the best first."""
        self._any_accepted = False

    def capacity(self, length: int) -> int:
        """How many values of so many characters one filter holds."""
        return max(
            1,
            min(
                (self._limits.characters - _FILTER_OVERHEAD) // (length + _VALUE_OVERHEAD),
                self._limits.values or MAX_FILTER_LENGTH,
            ),
        )

    def read(
        self,
        values: t.Sequence[Value],
        condition: Condition[Value],
        fetch: t.Callable[[str], list[Record]],
    ) -> BatchResult[Value, Record]:
        """Fetch what fits any of the values; ``fetch`` reads what fits a filter.

        Raises what ``fetch`` raises, but for a refusal that has a remedy.
        """
        batch_result: BatchResult[Value, Record] = BatchResult()
        rest = list(values)
        at_first = self._limits
        previous_rejected = False
        while rest:
            count = self._count_that_fits(rest, condition)
            length = len(url_encode(condition(rest[:count], self._syntaxes()[0])))
            try:
                records = self._fetch_in_any_syntax(rest[:count], condition, fetch)
            except ApiError as error:
                if (error.query_refused or error.too_long) and count > 1:
                    self._limits = self._limits.after_rejection(error, length, count)
                    continue
                self._limits = at_first  # the size was not the trouble
                if previous_rejected or not self._any_accepted or not (error.query_refused or error.too_long):
                    raise
                batch_result.rejected[rest.pop(0)] = error
                previous_rejected = True  # a second one in a row is no coincidence
                continue
            batch_result.read_at = batch_result.read_at or self._clock.monotonic()
            batch_result.records += records
            rest = rest[count:]
            self._limits = self._limits.after_success(length)
            previous_rejected = False
        return batch_result

    def _count_that_fits(self, values: t.Sequence[Value], condition: Condition[Value]) -> int:
        """How many of the values go into the next filter; one always does."""

        def fits(count: int) -> bool:
            return len(url_encode(condition(values[:count], self._syntaxes()[0]))) <= self._limits.characters

        limit = min(len(values), self._limits.values or MAX_FILTER_LENGTH, self._limits.characters // _VALUE_OVERHEAD)
        if fits(limit):  # as a batch of the usual size does
            return limit
        good, bad = 1, limit
        while bad - good > 1:
            count = (good + bad) // 2
            good, bad = (count, bad) if fits(count) else (good, count)
        return good

    def _fetch_in_any_syntax(
        self, values: t.Sequence[Value], condition: Condition[Value], fetch: t.Callable[[str], list[Record]]
    ) -> list[Record]:
        """Try the forms that make a difference for these values, and remember the one that works."""
        asked: dict[str, FilterSyntax] = {}
        for syntax in self._syntaxes():
            text = condition(values, syntax)
            if not asked or len(url_encode(text)) <= MAX_FILTER_LENGTH:
                asked.setdefault(text, syntax)
        refusal: ApiError | None = None
        for text, syntax in asked.items():
            try:
                records = fetch(text)
            except ApiError as error:
                if not error.query_refused:
                    raise
                refusal = refusal or error
                continue
            self._any_accepted = True
            if condition(values, replace(syntax, use_in=not syntax.use_in)) != text:
                self._use_in = [syntax.use_in]
            if condition(values, replace(syntax, unquoted_guids=not syntax.unquoted_guids)) != text:
                self._unquoted_guids = [syntax.unquoted_guids]
            return records
        raise refusal or AssertionError("no form was tried")

    def _syntaxes(self) -> list[FilterSyntax]:
        return [
            FilterSyntax(use_in, unquoted) for use_in, unquoted in itertools.product(self._use_in, self._unquoted_guids)
        ]
