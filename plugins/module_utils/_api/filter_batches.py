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
from .odata import Form, encoded

# Characters of a filter as it goes over the wire: to begin with, and at most, so that no URL has more than 4,000.
FIRST: t.Final = 2250
MOST: t.Final = 3800
# What a filter needs beside its values, with room to spare, and each value beside its text.
_FRAME = 80
_QUOTES = 3

Value = t.TypeVar("Value", bound=t.Hashable)
Record = t.TypeVar("Record")


@dataclass
class Reading(t.Generic[Value, Record]):
    """What the filters brought, all of them together."""

    records: list[Record] = field(default_factory=list)
    refused: dict[Value, ApiError] = field(default_factory=dict)
    """Values that the service did not take even alone, while it took others."""
    as_of: float = 0.0
    """Moment (monotonic) of the first answer: nothing here is older."""

    def whole(self) -> list[Record]:
        """The records, for those to whom a part of them is nothing. Raises the ApiError of a value that was refused."""
        for error in self.refused.values():
            raise error
        return self.records


@dataclass(frozen=True)
class _Limits:
    characters: int = FIRST
    values: int | None = None
    growing: bool = True

    def after(self, error: ApiError, length: int, count: int) -> _Limits:
        """Half of what was refused."""
        if error.too_long:
            return replace(self, characters=length // 2, growing=False)
        return replace(self, values=max(1, count // 2))

    def proved(self, length: int) -> _Limits:
        """More, once a filter that nearly filled these has worked."""
        return replace(self, characters=MOST) if self.growing and length > 0.8 * self.characters else self


class Batches:
    """What one service is known to take. Safe to use from several threads: at worst something is learned twice."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._limits = _Limits()
        self._lists: list[bool] = [True, False]
        self._bare_guids: list[bool] = [False, True]
        """Forms that may still be worth a try, the best first."""
        self._worked = False

    def capacity(self, length: int) -> int:
        """How many values of so many characters one filter holds."""
        return max(1, min((self._limits.characters - _FRAME) // (length + _QUOTES), self._limits.values or MOST))

    def read(
        self,
        values: t.Sequence[Value],
        condition: t.Callable[[t.Sequence[Value], Form], str],
        fetch: t.Callable[[str], list[Record]],
    ) -> Reading[Value, Record]:
        """Fetch what fits any of the values. Raises what ``fetch`` raises, but for a refusal that has a remedy.

        ``condition`` writes some of the values as a filter in one of the forms; ``fetch`` reads what fits a filter.
        """
        reading: Reading[Value, Record] = Reading()
        rest = list(values)
        at_first = self._limits
        stumbled = False
        while rest:
            count = self._fitting(rest, condition)
            length = len(encoded(condition(rest[:count], self._forms()[0])))
            try:
                records = self._ask(rest[:count], condition, fetch)
            except ApiError as error:
                if (error.query_refused or error.too_long) and count > 1:
                    self._limits = self._limits.after(error, length, count)
                    continue
                self._limits = at_first  # the size was not the trouble
                if stumbled or not self._worked or not (error.query_refused or error.too_long):
                    raise
                reading.refused[rest.pop(0)] = error
                stumbled = True  # a second one in a row is no coincidence
                continue
            reading.as_of = reading.as_of or self._clock.monotonic()
            reading.records += records
            rest = rest[count:]
            self._limits = self._limits.proved(length)
            stumbled = False
        return reading

    def _fitting(self, values: t.Sequence[Value], condition: t.Callable[[t.Sequence[Value], Form], str]) -> int:
        """How many of the values go into the next filter; one always does."""

        def fits(count: int) -> bool:
            return len(encoded(condition(values[:count], self._forms()[0]))) <= self._limits.characters

        most = min(len(values), self._limits.values or MOST, self._limits.characters // _QUOTES)
        if fits(most):  # as a batch of the usual size does
            return most
        good, bad = 1, most
        while bad - good > 1:
            count = (good + bad) // 2
            good, bad = (count, bad) if fits(count) else (good, count)
        return good

    def _ask(
        self,
        values: t.Sequence[Value],
        condition: t.Callable[[t.Sequence[Value], Form], str],
        fetch: t.Callable[[str], list[Record]],
    ) -> list[Record]:
        """Try the forms that make a difference for these values, and remember the one that works."""
        asked: dict[str, Form] = {}
        for form in self._forms():
            text = condition(values, form)
            if not asked or len(encoded(text)) <= MOST:
                asked.setdefault(text, form)
        refusal: ApiError | None = None
        for text, form in asked.items():
            try:
                records = fetch(text)
            except ApiError as error:
                if not error.query_refused:
                    raise
                refusal = refusal or error
                continue
            self._worked = True
            if condition(values, replace(form, lists=not form.lists)) != text:
                self._lists = [form.lists]
            if condition(values, replace(form, bare_guids=not form.bare_guids)) != text:
                self._bare_guids = [form.bare_guids]
            return records
        raise refusal or AssertionError("no form was tried")

    def _forms(self) -> list[Form]:
        return [Form(lists, bare) for lists, bare in itertools.product(self._lists, self._bare_guids)]
