# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What to do with a device, as a table: given its record and its Offboard actions, exactly one row holds.

The record alone proves nothing: "CanBeOnboarded" means offboarded or never onboarded, and lags for days. The
actions are the evidence, and only as long as the device did not come back since.
"""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._api.models import Machine, MachineAction, newest_first

# The service ends an action after some 72 hours without the device: what is pending for longer hangs.
ACTION_LIFE: t.Final = timedelta(days=4)
# ``lastSeen`` is the last full report, about one in 24 hours: less than that proves no return.
REPORT_LAG: t.Final = timedelta(hours=24)


class Work(enum.Enum):
    """What is under way on the device."""

    NONE = enum.auto()
    YOUNG = enum.auto()
    HANGING = enum.auto()
    """Active for longer than the service keeps an action, of unknown age, or in a status that we do not know."""


class Past(enum.Enum):
    """What the offboards that ended say."""

    NONE = enum.auto()
    NEWEST_SUCCEEDED = enum.auto()
    ONCE_SUCCEEDED = enum.auto()
    """One succeeded, but a newer one did not."""
    NEVER_SUCCEEDED = enum.auto()


@dataclass(frozen=True)
class Situation:
    """All that the decision depends on."""

    work: Work
    onboarded: bool
    past: Past
    came_back: bool
    """Since the newest success; false without one."""

    @property
    def idle(self) -> bool:
        return self.work is Work.NONE

    @property
    def succeeded(self) -> bool:
        return self.past in (Past.NEWEST_SUCCEEDED, Past.ONCE_SUCCEEDED)


@dataclass(frozen=True)
class Row:
    """One row of the table: when it holds, and the outcome without and with force."""

    when: str
    holds: t.Callable[[Situation], bool]
    normal: str
    forced: str


TABLE: t.Final = (
    Row(
        "an offboard is under way",
        lambda s: s.work is Work.YOUNG,
        "in_progress",
        "in_progress",
    ),
    Row(
        "an offboard hangs",
        lambda s: s.work is Work.HANGING,
        "in_progress",
        "submitted",
    ),
    Row(
        "not onboarded, and the newest offboard that ended succeeded",
        lambda s: s.idle and not s.onboarded and s.past is Past.NEWEST_SUCCEEDED,
        "already_offboarded",
        "submitted",
    ),
    Row(
        "not onboarded, and the newest offboard that ended did not succeed, or there was none",
        lambda s: s.idle and not s.onboarded and s.past is not Past.NEWEST_SUCCEEDED,
        "not_onboarded",
        "submitted",
    ),
    Row(
        "onboarded, and no offboard ever succeeded",
        lambda s: s.idle and s.onboarded and not s.succeeded,
        "submitted",
        "submitted",
    ),
    Row(
        "onboarded, and came back since the newest success",
        lambda s: s.idle and s.onboarded and s.succeeded and s.came_back,
        "submitted",
        "submitted",
    ),
    Row(
        "onboarded by its record, but not seen since the newest success",
        lambda s: s.idle and s.onboarded and s.succeeded and not s.came_back,
        "already_offboarded",
        "submitted",
    ),
)


@dataclass(frozen=True)
class Decision:
    """The outcome to bring about, and the action that speaks for it, if one does."""

    outcome: str
    row: Row
    action: MachineAction | None = None
    warning: str | None = None

    @property
    def action_under_way(self) -> MachineAction | None:
        """The action that is queued or at work, if there is one."""
        return self.action if self.outcome == "in_progress" else None


def decide(machine: Machine, actions: t.Iterable[MachineAction], now: datetime, *, force: bool = False) -> Decision:
    """Find the row. Pure; ``now`` is the service's time, ``actions`` are those of this machine in any order."""
    offboards = newest_first(action for action in actions if action.is_offboard_of(machine.id))
    situation = _situation(machine, offboards, now)
    row = next(row for row in TABLE if row.holds(situation))
    outcome = row.forced if force else row.normal
    action, warning = None, None
    if situation.work is not Work.NONE and outcome == "in_progress":
        action = _under_way(offboards, now)
        if situation.work is Work.HANGING and action is not None:
            warning = (
                f"{machine.name or machine.id}: offboard action {action.id} is {action.status} since "
                f"{action.record.get('creationDateTimeUtc')} and may never end. Cancel it with "
                "secops.mde.mde_machine_action_cancel and run again, or set force to submit another."
            )
    elif outcome == "already_offboarded":
        action = _newest(offboards, succeeded=True)
    elif outcome == "not_onboarded":
        action = _newest(offboards)
    return Decision(outcome=outcome, row=row, action=action, warning=warning)


def _situation(machine: Machine, offboards: t.Sequence[MachineAction], now: datetime) -> Situation:
    """``offboards`` are the newest first."""
    newest, success = _newest(offboards), _newest(offboards, succeeded=True)
    if success is None:
        past = Past.NONE if newest is None else Past.NEVER_SUCCEEDED
    else:
        past = Past.NEWEST_SUCCEEDED if success is newest else Past.ONCE_SUCCEEDED
    under_way = [action for action in offboards if not action.is_final]
    if any(_is_young(action, now) for action in under_way):
        work = Work.YOUNG
    else:
        work = Work.HANGING if under_way else Work.NONE
    return Situation(
        work=work,
        onboarded=machine.onboarded,
        past=past,
        came_back=success is not None and came_back(machine, success),
    )


def _is_young(action: MachineAction, now: datetime) -> bool:
    return action.is_active and action.created is not None and now - action.created <= ACTION_LIFE


def came_back(machine: Machine, success: MachineAction) -> bool:
    """Whatever the health status says. What cannot be read counts as a return: a needless offboard is harmless."""
    seen, ended = machine.last_seen, success.updated
    return seen is None or ended is None or seen - ended > REPORT_LAG


def _newest(offboards: t.Sequence[MachineAction], *, succeeded: bool = False) -> MachineAction | None:
    wanted = (a for a in offboards if (a.normalized_status == "succeeded" if succeeded else a.is_final))
    return next(wanted, None)


def _under_way(offboards: t.Sequence[MachineAction], now: datetime) -> MachineAction | None:
    """The action to show: a young one before one that hangs."""
    under_way = [action for action in offboards if not action.is_final]
    return next((action for action in under_way if _is_young(action, now)), under_way[0] if under_way else None)
