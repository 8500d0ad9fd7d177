# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Splits many values into few filters and learns the sizes and the syntax that the service accepts.

The size of a filter and the support of ``in`` are not documented. A filter that the service rejects is sent again in another
syntax, then in halves. What the service accepts is remembered for the rest of the run.
"""

from __future__ import annotations

import itertools
import typing as t
from bisect import bisect_right
from dataclasses import dataclass, field, replace

from .._clock import Clock
from .._errors import ApiError
from .odata import FilterSyntax, url_encode

# Length of a URL-encoded filter: at first, and at most, so that no URL has more than 4,000 characters.
INITIAL_FILTER_LENGTH: t.Final = 2250
MAX_FILTER_LENGTH: t.Final = 3800
# What a filter needs in addition to its values (generous), and each value in addition to its text.
_FILTER_OVERHEAD = 80
_VALUE_OVERHEAD = 3

# The quotes of action IDs change last: that is one request more only for a service that rejects them.
_SYNTAXES: t.Final = [
    FilterSyntax(use_in, unquoted_guids, unquoted_action_ids)
    for unquoted_action_ids, use_in, unquoted_guids in itertools.product((False, True), (True, False), (False, True))
]

Value = t.TypeVar("Value", bound=t.Hashable)
Record = t.TypeVar("Record")
Condition = t.Callable[[t.Sequence[Value], FilterSyntax], str]
"""Writes some of the values as a filter in a syntax."""


@dataclass
class BatchResult(t.Generic[Value, Record]):
    """The records of all filters together."""

    records: list[Record] = field(default_factory=list)
    rejected: dict[Value, ApiError] = field(default_factory=dict)
    """Values that the service rejected in a filter of their own, while it accepted others."""
    read_at: float = 0.0
    """Monotonic time of the first response: nothing here is older."""

    def records_or_raise(self) -> list[Record]:
        """The records, for callers that need all of them. Raises the ApiError of a rejected value."""
        for error in self.rejected.values():
            raise error
        return self.records


@dataclass(frozen=True)
class _Limits:
    characters: int = INITIAL_FILTER_LENGTH
    values: int | None = None
    growing: bool = True

    def after_rejection(self, error: ApiError, length: int, count: int) -> _Limits:
        """Half of the rejected size."""
        if error.too_long:
            return replace(self, characters=length // 2, growing=False)
        return replace(self, values=max(1, count // 2))

    def after_success(self, length: int) -> _Limits:
        """Larger limits after a filter close to the limit was accepted."""
        return replace(self, characters=MAX_FILTER_LENGTH) if self.growing and length > 0.8 * self.characters else self


class FilterBatcher:
    """Reads many values, and remembers what the service accepts. Thread-safe: at worst something is learned twice."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limits = _Limits()
        self._syntaxes = list(_SYNTAXES)
        """Those that the service may accept, the preferred one first."""
        self._any_accepted = False

    def capacity(self, length: int) -> int:
        """Number of values of this length that fit into one filter."""
        most = (self._limits.characters - _FILTER_OVERHEAD) // (length + _VALUE_OVERHEAD)
        return max(1, min(most, self._limits.values or most))

    def read(
        self,
        values: t.Sequence[Value],
        condition: Condition[Value],
        fetch: t.Callable[[str], list[Record]],
    ) -> BatchResult[Value, Record]:
        """Fetch the records that match any of the values; ``fetch`` reads those that match a filter.

        Raises what ``fetch`` raises, except for a rejection that a smaller filter or another syntax solves.
        """
        batch_result: BatchResult[Value, Record] = BatchResult()
        rest = list(values)
        at_first = self._limits
        previous_rejected = False
        while rest:
            count = self._count_that_fits(rest, condition)
            length = len(url_encode(condition(rest[:count], self._syntaxes[0])))
            try:
                records = self._fetch_in_any_syntax(rest[:count], condition, fetch)
            except ApiError as error:
                if (error.query_refused or error.too_long) and count > 1:
                    self._limits = self._limits.after_rejection(error, length, count)
                    continue
                self._limits = at_first  # the size was not the reason
                if previous_rejected or not self._any_accepted or not (error.query_refused or error.too_long):
                    raise
                batch_result.rejected[rest.pop(0)] = error
                previous_rejected = True  # two in a row: the values are not the reason
                continue
            batch_result.read_at = batch_result.read_at or self._clock.monotonic()
            batch_result.records += records
            rest = rest[count:]
            self._limits = self._limits.after_success(length)
            previous_rejected = False
        return batch_result

    def _count_that_fits(self, values: t.Sequence[Value], condition: Condition[Value]) -> int:
        """Number of values for the next filter, at least one."""

        def length(count: int) -> int:
            return len(url_encode(condition(values[:count], self._syntaxes[0])))

        limit = min(len(values), self._limits.values or MAX_FILTER_LENGTH, self._limits.characters // _VALUE_OVERHEAD)
        if length(limit) <= self._limits.characters:  # the usual case
            return limit
        return max(1, bisect_right(range(1, limit), self._limits.characters, key=length))

    def _fetch_in_any_syntax(
        self, values: t.Sequence[Value], condition: Condition[Value], fetch: t.Callable[[str], list[Record]]
    ) -> list[Record]:
        """Try the syntaxes that make a difference for these values, and remember what the service accepts."""
        tried: set[str] = set()
        rejection: ApiError | None = None
        for syntax in self._syntaxes:
            text = condition(values, syntax)
            if text in tried or (tried and len(url_encode(text)) > MAX_FILTER_LENGTH):
                continue
            tried.add(text)
            try:
                records = fetch(text)
            except ApiError as error:
                if not error.query_refused:
                    raise
                rejection = rejection or error
                continue
            self._any_accepted = True
            for name, value in vars(syntax).items():  # keep those that agree in what makes a difference
                if condition(values, replace(syntax, **{name: not value})) != text:
                    self._syntaxes = [other for other in self._syntaxes if getattr(other, name) == value]
            return records
        raise rejection or AssertionError("no syntax was tried")
