# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The current time of the service, from three sources. No single source decides.

The sources are the ``Date`` headers of several responses, this machine's clock, and times that the service itself set: the
lifetime of the token and the newest record. The headers are preferred, because they are precise. If they and this machine's
clock differ by more than some minutes, the third source decides. If it cannot, the earlier time counts: a time that is too
late makes a recent action seem stuck and an active device seem retired.
"""

from __future__ import annotations

import threading
import typing as t
from collections import deque
from datetime import datetime, timezone

from .._auth.token import read_claims
from .._clock import Clock
from .._http.response import Response
from .._timestamps import format_time, http_date, parse_time

# Seconds by which correct clocks may differ: Microsoft Entra ID dates a token back by five minutes.
_TOLERANCE: t.Final = 330.0
# Number of recent headers to compare, so that a single one decides nothing.
_SAMPLES: t.Final = 9
_RECORD_TIMES: t.Final = ("creationDateTimeUtc", "lastSeen")


class ServiceTime:
    """Collects times from the sources, and selects one. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._offsets: deque[float] = deque(maxlen=_SAMPLES)
        """Times of the headers, minus the monotonic time of their arrival."""
        self._token: str | None = None
        self._issued: float | None = None
        self._expires: float | None = None
        self._newest: float | None = None
        self._warnings: list[str] = []

    # -- sources -----------------------------------------------------------------------------------------------

    def observe(self, response: Response) -> None:
        """Add the ``Date`` header of a response that has just arrived."""
        date = http_date(response.headers.get("date", ""))
        if date is not None:
            with self._lock:
                self._offsets.append(date - self._clock.monotonic())

    def observe_token(self, token: str) -> None:
        """Use the lifetime of the current token, if the token can be decoded."""
        if token == self._token:
            return
        claims = read_claims(token)
        with self._lock:
            self._token = token
            self._issued = claims.issued_at if claims else None
            self._expires = claims.expires_at if claims else None

    def observe_records(self, records: t.Sequence[object]) -> None:
        """Use the newest time in records of the service."""
        texts = [
            r[name] for r in records if isinstance(r, dict) for name in _RECORD_TIMES if isinstance(r.get(name), str)
        ]
        newest = parse_time(max(texts, default=None))
        if newest is not None:
            with self._lock:
                self._newest = max(self._newest or 0.0, newest.timestamp())

    # -- selection ---------------------------------------------------------------------------------------------

    @property
    def is_informed(self) -> bool:
        """Whether a source other than this machine's clock is known."""
        return bool(self._offsets) or self._token is not None

    def by_headers(self) -> datetime | None:
        """The current time by the ``Date`` headers; None if there is none, or they are not trusted."""
        with self._lock:
            dates, ours = self._dates(), self._clock.time()
            return _as_datetime(dates) if dates is not None and self._trusts(dates, ours) else None

    def now(self) -> datetime:
        """The current time by all sources."""
        with self._lock:
            dates, ours = self._dates(), self._clock.time()
            if dates is not None:
                best = dates if self._trusts(dates, ours) else ours
            elif self._fits(ours) or self._issued is None:
                best = ours
            else:  # this machine's clock is wrong, and the token is valid
                best = self._earliest()
            return _as_datetime(best) or datetime.fromtimestamp(ours, timezone.utc)

    def warnings(self) -> list[str]:
        """Contradictions that users need to know, each once."""
        with self._lock:
            return list(self._warnings)

    def _dates(self) -> float | None:
        """The time by the headers: the median, so that a single different header does not count."""
        if not self._offsets:
            return None
        return sorted(self._offsets)[(len(self._offsets) - 1) // 2] + self._clock.monotonic()

    def _fits(self, time: float) -> bool:
        """Whether a time is consistent with the token and the records."""
        return self._earliest() - _TOLERANCE <= time and not self._is_after_token(time)

    def _earliest(self) -> float:
        """The earliest time by the token and the newest record; a record from after the token's end is ignored."""
        newest = self._newest or 0.0
        return max(self._issued or 0.0, 0.0 if self._is_after_token(newest) else newest)

    def _is_after_token(self, time: float) -> bool:
        return self._expires is not None and time > self._expires + _TOLERANCE

    def _trusts(self, dates: float, ours: float) -> bool:
        if abs(dates - ours) <= _TOLERANCE:
            return True
        fits = self._fits(dates)
        if fits != self._fits(ours):
            trusted = fits
        elif fits and self._expires is not None:  # both are within the token's lifetime
            trusted = True
        else:
            trusted = dates < ours
        if not trusted and not self._warnings:
            self._warnings.append(
                f"The Date header of the service's responses is {_text(dates)}, this machine's clock is {_text(ours)}. "
                "The header is ignored, because nothing else confirms it. Check the proxy and this machine's clock."
            )
        return trusted


def _as_datetime(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):  # out of range
        return None


def _text(seconds: float) -> str:
    return format_time(seconds) if _as_datetime(seconds) else "a time that is out of range"
