# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The format of an evidence file: its name, and how values of unknown shape are read from it."""

from __future__ import annotations

import typing as t
from collections.abc import Mapping, Sequence

FORMAT: t.Final = "secops.mde/evidence-1"


def mapping(value: object) -> Mapping[t.Any, t.Any]:
    """The value where it is a mapping, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[t.Any]:
    """The value where it is a list, else an empty one."""
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else ()


def number(value: object) -> int:
    """The value where it is a whole number, else none."""
    if isinstance(value, bool):
        return 0
    return int(value) if isinstance(value, (int, float)) and abs(value) < 1e15 else 0
