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
from .external_id import contradicts, is_same

# ``Date`` headers and the times of actions come from different clocks of the service.
CLOCK_TOLERANCE: t.Final = timedelta(seconds=5)


@dataclass(frozen=True)
class OwnershipCheck:
    """What makes an action this run's own: its external ID; without one its device, comment, time, and that it is new."""

    machine_id: str
    comment: str
    ids_before: frozenset[str]
    first_sent_at: datetime | None
    """In service time; None when no response had a ``Date``, so that times cannot be compared."""
    external_id: str | None = None
    """The value of this device in this run; None when none is sent."""

    def has_our_external_id(self, action: MachineAction) -> bool:
        """The proof: the value is random."""
        return (
            action.is_offboard_of(self.machine_id)
            and self.external_id is not None
            and action.external_id is not None
            and is_same(self.external_id, action.external_id)
        )

    def owns(self, action: MachineAction) -> bool:
        """Whether an action from a list is ours. An action with another external ID is not, even if everything else fits."""
        return self.has_our_external_id(action) if action.external_id is not None else self._fits(action)

    def fits_but_for_external_id(self, action: MachineAction) -> bool:
        """Whether the action would be ours if its external ID were not another one."""
        return action.external_id is not None and not self.has_our_external_id(action) and self._fits(action)

    def owns_response(self, action: MachineAction) -> bool:
        """Whether the action in the response to our own POST is ours: nothing contradicts it.

        The service's model lets ``requestorComment`` be null, and a service may truncate a long one.
        """
        if self.has_our_external_id(action):
            return True
        if action.external_id is not None and contradicts(self.external_id, action.external_id):
            return False
        returned = (action.comment or "").strip().removesuffix("...").removesuffix("\u2026").rstrip()
        return self.is_newer(action) and self.comment.strip().startswith(returned)

    def _fits(self, action: MachineAction) -> bool:
        if not self.is_newer(action) or (action.comment or "").strip() != self.comment.strip():
            return False
        return self.first_sent_at is None or action.created is not None

    def is_newer(self, action: MachineAction) -> bool:
        """Whether the action is an Offboard on our machine that was not created before our first try, as far as known."""
        if comparable(action.id) in self.ids_before or not action.is_offboard_of(self.machine_id):
            return False
        return (
            self.first_sent_at is None
            or action.created is None
            or action.created >= self.first_sent_at - CLOCK_TOLERANCE
        )

    def find_own(self, actions: t.Sequence[MachineAction], *, in_doubt: bool) -> MachineAction | None:
        """Our action. Without our external ID an action can only be ours if a try is ``in_doubt``."""
        proven = next((action for action in actions if self.has_our_external_id(action)), None)
        if proven is not None or not in_doubt:
            return proven
        return next((action for action in actions if self.owns(action)), None)
