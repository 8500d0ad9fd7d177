# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Times of the service and of HTTP headers, parsed and formatted. Always UTC."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)?", re.IGNORECASE)

# Characters of a date in a header. The longest format of RFC 9110 has 33.
_MAX_DATE = 64


def parse_time(value: object) -> datetime | None:
    """A service time (``2026-02-03T04:05:06.1234567Z``, any number of decimals) as UTC, or None.

    Python 3.10 parses neither the Z nor seven decimals. The year 1 is how .NET writes an unset time.
    """
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        return None
    seconds, fraction, zone = found.groups()
    offset = "+00:00" if zone is None or zone in "Zz" else zone
    try:
        parsed = datetime.fromisoformat(f"{seconds}.{(fraction or '0')[:6]:0<6}{offset}")
        return parsed.astimezone(timezone.utc) if parsed.year > 1 else None
    except (ValueError, OverflowError):
        return None


def format_time(seconds: float) -> str:
    """Seconds since 1970 as a UTC time in ISO 8601 format with milliseconds."""
    return datetime.fromtimestamp(seconds, timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def http_date(value: str) -> float | None:
    """An HTTP date as seconds since 1970, or None. HTTP dates are in UTC even if they name no zone."""
    if len(value) > _MAX_DATE:
        return None
    try:
        found = parsedate_to_datetime(value)
        return (found if found.tzinfo else found.replace(tzinfo=timezone.utc)).timestamp()
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
