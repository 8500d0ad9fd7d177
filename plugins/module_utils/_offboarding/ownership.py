# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Tests whether an action was created by this run."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._api.models import MachineAction
from .._same import comparable

# ``Date`` headers and the service's stores do not tick together to the second.
CLOCK_TOLERANCE: t.Final = timedelta(seconds=5)


@dataclass(frozen=True)
class OwnershipCheck:
    """What makes an action this run's own: its device, its comment, its time, and that it was not there before."""

    machine_id: str
    comment: str
    ids_before: frozenset[str]
    first_sent_at: datetime | None
    """In service time; None when no answer carried a ``Date``, so that there is nothing to compare with."""

    def owns(self, action: MachineAction) -> bool:
        """Whether an action found in a list is ours: everything says so."""
        if not self._may_own(action) or (action.comment or "").strip() != self.comment.strip():
            return False
        return self.first_sent_at is None or action.created is not None

    def owns_answer(self, action: MachineAction) -> bool:
        """Whether the action that answers our own POST is ours: nothing says otherwise.

        The service's model lets ``requestorComment`` be null, and a service may cut a long one.
        """
        said = (action.comment or "").strip().removesuffix("...").removesuffix("\u2026").rstrip()
        return self._may_own(action) and self.comment.strip().startswith(said)

    def _may_own(self, action: MachineAction) -> bool:
        """New, an Offboard on our machine, and not made before our first try."""
        if comparable(action.id) in self.ids_before or not action.is_offboard_of(self.machine_id):
            return False
        return (
            self.first_sent_at is None
            or action.created is None
            or action.created >= self.first_sent_at - CLOCK_TOLERANCE
        )

    def find_own(self, actions: t.Iterable[MachineAction]) -> MachineAction | None:
        return next((action for action in actions if self.owns(action)), None)
