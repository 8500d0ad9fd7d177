# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What time it is for the service. No single source decides.

There are three: the ``Date`` headers of several responses, this machine's clock, and what the service itself dated, which
are the lifetime of the token and the newest record. The headers are preferred, as they are precise. Where they and our
clock differ by more than some minutes, the third source decides. Where it cannot, the earlier time counts: a time that
is too late makes a recent action look stuck and an active device look retired.
"""

from __future__ import annotations

import threading
import typing as t
from collections import deque
from datetime import datetime, timezone

from .._auth.token import read_claims
from .._clock import Clock
from .._http.transport import Response
from .._timestamps import format_time, http_date, parse_time

# Seconds by which clocks may differ that are right: Microsoft Entra ID dates a token five minutes back.
_TOLERANCE: t.Final = 330.0
# So many of the last headers are compared, so that one of them decides nothing.
_SAMPLES: t.Final = 9
_RECORD_TIMES: t.Final = ("creationDateTimeUtc", "lastSeen")


class ServiceTime:
    """Collects what speaks for a time, and chooses. Safe to use from several threads."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._offsets: deque[float] = deque(maxlen=_SAMPLES)
        """What the headers said, less the monotonic time of their arrival."""
        self._token: str | None = None
        self._issued: float | None = None
        self._expires: float | None = None
        self._newest: float | None = None
        self._warnings: list[str] = []

    # -- what speaks for a time --------------------------------------------------------------------------------

    def observe(self, response: Response) -> None:
        """Take note of the ``Date`` of a response that has just come."""
        date = http_date(response.headers.get("date", ""))
        if date is not None:
            with self._lock:
                self._offsets.append(date - self._clock.monotonic())

    def observe_token(self, token: str) -> None:
        """Take note of the lifetime of the token in use, if it can be read."""
        if token == self._token:
            return
        claims = read_claims(token)
        with self._lock:
            self._token = token
            self._issued = claims.issued_at if claims else None
            self._expires = claims.expires_at if claims else None

    def observe_records(self, records: t.Sequence[object]) -> None:
        """Take note of the newest time in records as the service sent them."""
        texts = [
            r[name] for r in records if isinstance(r, dict) for name in _RECORD_TIMES if isinstance(r.get(name), str)
        ]
        newest = parse_time(max(texts, default=None))
        if newest is not None:
            with self._lock:
                self._newest = max(self._newest or 0.0, newest.timestamp())

    # -- the choice --------------------------------------------------------------------------------------------

    @property
    def is_informed(self) -> bool:
        """Whether anything but this machine's clock is known."""
        return bool(self._offsets) or self._token is not None

    def by_headers(self) -> datetime | None:
        """Now, as precisely as the ``Date`` headers say; None without one that is believed."""
        with self._lock:
            dates, ours = self._dates(), self._clock.time()
            return _as_datetime(dates) if dates is not None and self._believes(dates, ours) else None

    def now(self) -> datetime:
        """Now, as far as all sources together can say."""
        with self._lock:
            dates, ours = self._dates(), self._clock.time()
            if dates is not None:
                best = dates if self._believes(dates, ours) else ours
            elif self._fits(ours) or self._issued is None:
                best = ours
            else:  # our clock is wrong, and the token is not older than its lifetime
                best = self._earliest()
            return _as_datetime(best) or datetime.fromtimestamp(ours, timezone.utc)

    def warnings(self) -> list[str]:
        """What people should know of contradictions, each once."""
        with self._lock:
            return list(self._warnings)

    def _dates(self) -> float | None:
        """The time by the headers: the median, so that one that differs from the others does not count."""
        if not self._offsets:
            return None
        return sorted(self._offsets)[(len(self._offsets) - 1) // 2] + self._clock.monotonic()

    def _fits(self, moment: float) -> bool:
        """Whether a time does not contradict the token and the records."""
        return self._earliest() - _TOLERANCE <= moment and not self._is_after_token(moment)

    def _earliest(self) -> float:
        """What has passed by the token and the newest record; a record from after the token's end shows nothing."""
        newest = self._newest or 0.0
        return max(self._issued or 0.0, 0.0 if self._is_after_token(newest) else newest)

    def _is_after_token(self, moment: float) -> bool:
        return self._expires is not None and moment > self._expires + _TOLERANCE

    def _believes(self, dates: float, ours: float) -> bool:
        if abs(dates - ours) <= _TOLERANCE:
            return True
        fits = self._fits(dates)
        if fits != self._fits(ours):
            believed = fits
        elif fits and self._expires is not None:  # both are within the token's lifetime: as good as equal
            believed = True
        else:
            believed = dates < ours
        if not believed and not self._warnings:
            self._warnings.append(
                f"The Date header of the service's responses says {_text(dates)}, this machine's clock {_text(ours)}. "
                "The header is ignored, as nothing else confirms it. Check the proxy, and this machine's clock."
            )
        return believed


def _as_datetime(seconds: float) -> datetime | None:
    try:
        return datetime.fromtimestamp(seconds, timezone.utc)
    except (ValueError, OverflowError, OSError):  # a ``Date`` at the end of time
        return None


def _text(seconds: float) -> str:
    return format_time(seconds) if _as_datetime(seconds) else "a time that no calendar has"
