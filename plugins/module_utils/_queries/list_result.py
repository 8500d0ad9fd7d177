# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What the modules return that list records: the service's JSON as it came, and how many."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._api.paging import RefusedRecord, Report
from .._errors import MdeError


def reporting(warn: t.Callable[[str], None] | None) -> Report | None:
    """How a list that goes on without a record says so: never a list that is shorter than the service's in silence."""
    if warn is None:
        return None

    def report(refused: RefusedRecord) -> None:
        warn(f"Left out of the result: {refused.error}")

    return report


@dataclass(frozen=True)
class Listing:
    """Records under the plural of their kind."""

    key: str
    """Of the result: ``machines`` or ``machine_actions``."""
    records: tuple[dict[str, t.Any], ...] = ()
    failure: MdeError | None = None

    @property
    def error(self) -> MdeError | None:
        return self.failure

    def errors(self) -> list[MdeError]:
        return [self.failure] if self.failure else []

    def as_dict(self) -> dict[str, t.Any]:
        count = len(self.records)
        noun = self.key.replace("_", " ")
        return {
            "changed": False,
            "msg": str(self.failure) if self.failure else f"{count} {noun if count != 1 else noun[:-1]}",
            self.key: list(self.records),
            "summary": {"total": count},
        }

    def diff(self) -> list[dict[str, t.Any]]:
        return []
