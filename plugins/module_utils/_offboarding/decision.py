# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The decision table (pure): for each device state exactly one rule applies.

The record alone proves nothing: "CanBeOnboarded" means offboarded or never onboarded, and lags for days. The
actions are the evidence, as long as the device has not reported again since.
"""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from .._api.models import Machine, MachineAction, newest_first

# The service ends an action after about 72 hours without contact with the device. An older one is stuck.
MAX_ACTION_AGE: t.Final = timedelta(days=4)
# ``lastSeen`` is the last full report, about one in 24 hours. A shorter time does not prove a return.
REPORT_LAG: t.Final = timedelta(hours=24)


class ActiveAction(enum.Enum):
    """Whether an offboard action is in progress."""

    NONE = enum.auto()
    RECENT = enum.auto()
    STUCK = enum.auto()
    """Active for longer than the service keeps an action, of unknown age, or in an unknown status."""


class History(enum.Enum):
    """Results of the finished offboard actions."""

    NONE = enum.auto()
    NEWEST_SUCCEEDED = enum.auto()
    ONCE_SUCCEEDED = enum.auto()
    """One succeeded, but a newer one did not."""
    NEVER_SUCCEEDED = enum.auto()


@dataclass(frozen=True)
class DeviceState:
    """All that the decision depends on."""

    active_action: ActiveAction
    onboarded: bool
    history: History
    came_back: bool
    """Since the newest success; false without one."""

    @property
    def has_no_active_action(self) -> bool:
        return self.active_action is ActiveAction.NONE

    @property
    def succeeded(self) -> bool:
        return self.history in (History.NEWEST_SUCCEEDED, History.ONCE_SUCCEEDED)


@dataclass(frozen=True)
class Rule:
    """When the rule applies, and the outcome without and with force."""

    description: str
    applies: t.Callable[[DeviceState], bool]
    outcome: str
    forced_outcome: str


RULES: t.Final = (
    Rule(
        "an offboard action is in progress",
        lambda s: s.active_action is ActiveAction.RECENT,
        "in_progress",
        "in_progress",
    ),
    Rule(
        "an offboard action is stuck",
        lambda s: s.active_action is ActiveAction.STUCK,
        "in_progress",
        "submitted",
    ),
    Rule(
        "not onboarded, and the newest finished offboard action succeeded",
        lambda s: s.has_no_active_action and not s.onboarded and s.history is History.NEWEST_SUCCEEDED,
        "already_offboarded",
        "submitted",
    ),
    Rule(
        "not onboarded, and the newest finished offboard action did not succeed, or there is none",
        lambda s: s.has_no_active_action and not s.onboarded and s.history is not History.NEWEST_SUCCEEDED,
        "not_onboarded",
        "submitted",
    ),
    Rule(
        "onboarded, and no offboard action ever succeeded",
        lambda s: s.has_no_active_action and s.onboarded and not s.succeeded,
        "submitted",
        "submitted",
    ),
    Rule(
        "onboarded, and reported again since the newest success",
        lambda s: s.has_no_active_action and s.onboarded and s.succeeded and s.came_back,
        "submitted",
        "submitted",
    ),
    Rule(
        "onboarded by its record, but not seen since the newest success",
        lambda s: s.has_no_active_action and s.onboarded and s.succeeded and not s.came_back,
        "already_offboarded",
        "submitted",
    ),
)


@dataclass(frozen=True)
class Decision:
    """The outcome, and the action it is based on, if any."""

    outcome: str
    rule: Rule
    action: MachineAction | None = None
    warning: str | None = None

    @property
    def active_action(self) -> MachineAction | None:
        """The action that is in progress, if there is one."""
        return self.action if self.outcome == "in_progress" else None


def decide(machine: Machine, actions: t.Iterable[MachineAction], now: datetime, *, force: bool = False) -> Decision:
    """Find the rule that applies. ``now`` is the service's time, ``actions`` are those of this machine in any order."""
    offboards = newest_first(action for action in actions if action.is_offboard_of(machine.id))
    state = _device_state(machine, offboards, now)
    rule = next(rule for rule in RULES if rule.applies(state))
    outcome = rule.forced_outcome if force else rule.outcome
    action, warning = None, None
    if state.active_action is not ActiveAction.NONE and outcome == "in_progress":
        action = _active_action(offboards, now)
        if state.active_action is ActiveAction.STUCK and action is not None:
            warning = f"{stuck_action(machine, action)}, or set force to submit another one."
    elif outcome == "already_offboarded":
        action = _newest(offboards, succeeded=True)
    elif outcome == "not_onboarded":
        action = _newest(offboards)
    return Decision(outcome=outcome, rule=rule, action=action, warning=warning)


def stuck_action(machine: Machine, action: MachineAction) -> str:
    """The action, and how to cancel it; a sentence without its end."""
    return (
        f"{machine.name or machine.id}: offboard action {action.id} has been {action.status} since "
        f"{action.record.get('creationDateTimeUtc')} and may be stuck. Cancel it with "
        "secops.mde.mde_machine_action_cancel and run again"
    )


def _device_state(machine: Machine, offboards: t.Sequence[MachineAction], now: datetime) -> DeviceState:
    """``offboards`` are sorted, the newest first."""
    newest, success = _newest(offboards), _newest(offboards, succeeded=True)
    if success is None:
        history = History.NONE if newest is None else History.NEVER_SUCCEEDED
    else:
        history = History.NEWEST_SUCCEEDED if success is newest else History.ONCE_SUCCEEDED
    active = [action for action in offboards if not action.is_final]
    if any(_is_recent(action, now) for action in active):
        active_action = ActiveAction.RECENT
    else:
        active_action = ActiveAction.STUCK if active else ActiveAction.NONE
    return DeviceState(
        active_action=active_action,
        onboarded=machine.onboarded,
        history=history,
        came_back=success is not None and came_back(machine, success),
    )


def _is_recent(action: MachineAction, now: datetime) -> bool:
    return action.is_active and action.created is not None and now - action.created <= MAX_ACTION_AGE


def came_back(machine: Machine, success: MachineAction) -> bool:
    """Whether the device has reported again since the success, regardless of its health status.

    A missing or unreadable time counts as a return: a needless offboard is harmless.
    """
    seen, ended = machine.last_seen, success.updated
    return seen is None or ended is None or seen - ended > REPORT_LAG


def _newest(offboards: t.Sequence[MachineAction], *, succeeded: bool = False) -> MachineAction | None:
    wanted = (a for a in offboards if (a.normalized_status == "succeeded" if succeeded else a.is_final))
    return next(wanted, None)


def _active_action(offboards: t.Sequence[MachineAction], now: datetime) -> MachineAction | None:
    """The action to return: a recent one before a stuck one."""
    active = [action for action in offboards if not action.is_final]
    return next((action for action in active if _is_recent(action, now)), active[0] if active else None)
