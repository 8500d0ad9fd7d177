# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Times in the formats of the service: ticks of 100 ns, and ISO 8601 with up to seven decimal places."""

from __future__ import annotations

import calendar
import hashlib
import re
import time
from datetime import timedelta
from functools import lru_cache

TICKS = 10_000_000
MINUTE = 60.0
HOUR = 3600.0
DAY = 86400.0

Span = float | int | str | timedelta

_UNITS = {"s": 1.0, "m": MINUTE, "h": HOUR, "d": DAY, "w": 7 * DAY, "y": 365 * DAY}
_SPAN = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdwy])", re.IGNORECASE)
_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,12}))?)?(?:[Zz]|([+-])(\d\d):(\d\d))?)?"
)


def to_ticks(epoch: float) -> int:
    """Convert epoch seconds to ticks of 100 ns."""
    whole = int(epoch // 1)
    return whole * TICKS + round((epoch - whole) * TICKS)


def from_ticks(ticks: int) -> float:
    """Convert ticks of 100 ns to epoch seconds."""
    return ticks / TICKS


@lru_cache(maxsize=64)
def _stamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds))


def iso(ticks: int) -> str:
    """Format a time as the service does: UTC with ``Z``, at most seven decimal places, without trailing zeros."""
    seconds, fraction = divmod(ticks, TICKS)
    stamp = _stamp(seconds)
    digits = f"{fraction:07d}".rstrip("0")
    return f"{stamp}.{digits}Z" if digits else f"{stamp}Z"


@lru_cache(maxsize=4096)
def parse_iso(text: str) -> int:
    """Parse a time or a date to ticks. A time without a zone is UTC. Raises ValueError."""
    found = _ISO.fullmatch(text.strip())
    if not found:
        raise ValueError(f"not a time: {text!r}")
    year, month, day, hour, minute, second, digits, sign, off_hour, off_minute = found.groups()
    numbers = (int(year), int(month), int(day), int(hour or 0), int(minute or 0), int(second or 0))
    if not (1 <= numbers[1] <= 12 and 1 <= numbers[2] <= calendar.monthrange(numbers[0], numbers[1])[1]):
        raise ValueError(f"no such day: {text!r}")
    if numbers[3] > 23 or numbers[4] > 59 or numbers[5] > 59:
        raise ValueError(f"no such time of day: {text!r}")
    epoch = calendar.timegm(numbers)
    if sign:
        offset = (int(off_hour) * 60 + int(off_minute)) * 60
        epoch -= offset if sign == "+" else -offset
    return epoch * TICKS + int((digits or "0")[:7].ljust(7, "0"))


def seconds(span: Span) -> float:
    """Convert a duration to seconds: a number, a timedelta, or text such as ``3w`` or ``2d 4h 30m``."""
    if isinstance(span, timedelta):
        return span.total_seconds()
    if isinstance(span, (int, float)):
        return float(span)
    text = span.strip()
    parts = _SPAN.findall(text)
    if parts and not _SPAN.sub("", text).strip(" ,"):
        return sum(float(number) * _UNITS[unit.lower()] for number, unit in parts)
    return float(text)


def to_epoch(value: Span, now: float) -> float:
    """Convert a time to epoch seconds: an epoch time (1e9 and more), an ISO 8601 time, or an age before ``now``."""
    if isinstance(value, (int, float)) and value >= 1e9:
        return float(value)
    if isinstance(value, str) and _ISO.fullmatch(value.strip()):
        return from_ticks(parse_iso(value))
    return now - seconds(value)


def age_to_ticks(value: Span, now: float, seed: str) -> int:
    """Convert a time as ``to_epoch`` does, but to ticks.

    An age that is text gets a fraction of a second that depends on ``seed``, so that the times of a scenario have
    different numbers of decimal places. A number is converted exactly.
    """
    exact = to_epoch(value, now)
    if not isinstance(value, str) or _ISO.fullmatch(value.strip()) or now - exact < 1:
        return to_ticks(exact)
    digest = hashlib.sha256(seed.encode()).digest()
    coarse = (1, 1, 10, 1000)[digest[3] % 4]
    return int(exact) * TICKS - int.from_bytes(digest[:3], "big") % TICKS // coarse * coarse


def http_date(epoch: float) -> str:
    """Format a time for the ``Date`` and ``Retry-After`` headers, in English in every locale."""
    parts = time.gmtime(epoch)
    day = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")[parts.tm_wday]
    month = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")[parts.tm_mon - 1]
    return f"{day}, {parts.tm_mday:02d} {month} {parts.tm_year:04d} {time.strftime('%H:%M:%S', parts)} GMT"
