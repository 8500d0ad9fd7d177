# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Times for evidence."""

from __future__ import annotations

import re
import typing as t

from ...module_utils._presentable import escape_invisible

_UTC: t.Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)", re.ASCII)


def format_utc(value: object) -> str:
    """A time in UTC to the second. Any other text is returned as it is, with invisible characters escaped."""
    text = escape_invisible(value)
    found = _UTC.fullmatch(text)
    return f"{found[1]}Z" if found else text
