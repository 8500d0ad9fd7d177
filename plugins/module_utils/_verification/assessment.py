# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What became of the offboards of a device, days later: a pure, total function of its actions and its record."""

from __future__ import annotations

import typing as t

from .._api.models import Machine, MachineAction, newest_first
from .._offboarding.decision import came_back

VERDICTS: t.Final = ("done", "came_back", "pending", "failed", "timed_out", "cancelled", "no_action", "error")
_ENDS: t.Final = {"failed": "failed", "timeout": "timed_out", "cancelled": "cancelled"}


def judge(actions: t.Iterable[MachineAction], machine: Machine | None) -> tuple[str, MachineAction | None]:
    """The verdict, and the action that speaks for it. ``actions`` are the Offboard actions of one device in any order.

    What is under way counts first. Then a success whose device has not come back since, whatever was tried later; then
    the newest action. A record that has aged out cannot have come back.
    """
    history = newest_first(actions)
    if not history:
        return "no_action", None
    under_way = next((action for action in history if not action.ended), None)
    if under_way:
        return "pending", under_way
    success = next((action for action in history if action.state == "succeeded"), None)
    if success and not (machine and machine.onboarded and came_back(machine, success)):
        return "done", success
    newest = history[0]
    return ("came_back", newest) if newest is success else (_ENDS[newest.state], newest)
