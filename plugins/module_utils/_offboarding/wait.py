# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Waiting for actions to end: a few list reads a round, one deadline for all, and never past it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._api.client import MdeClient
from .._api.models import MachineAction
from .._errors import DeadlineExceededError, DeviceError, InternalError, MdeError
from .._http.retry import RetryBudget
from .._same import comparable

# Actions are asked for by their ids as long as that takes no more filters; then by their time, which takes one.
_FEW_FILTERS: t.Final = 2
# Their ids are GUIDs.
_ID_LENGTH: t.Final = 36

_HRESULTS: t.Final[t.Mapping[int, str]] = {
    -2145844840: "the device was not reached in time",
    -2147467260: "cancelled",
}
_ENDS: t.Final[t.Mapping[str, tuple[str, str]]] = {
    "failed": ("action_failed", "The device reported an error: look at its sensor, then run the task again."),
    "timeout": ("action_timed_out", "The device was not online for some three days: switch it on and run again."),
    "cancelled": ("action_cancelled", "Somebody took it back: ask who and why before you run the task again."),
}


@dataclass(frozen=True)
class WaitOptions:
    """Seconds, both."""

    timeout: float
    sleep: float


@dataclass(frozen=True)
class WaitResult:
    """An action as it was last seen, and the error that its end is, if it is one."""

    action: MachineAction
    error: MdeError | None


def wait_for_actions(client: MdeClient, actions: t.Sequence[MachineAction], options: WaitOptions) -> list[WaitResult]:
    """Read the actions until all have ended or the time is over; the answer keeps their order.

    Never raises: what could not be read becomes the error of those that were still pending.
    """
    latest = {comparable(action.id): action for action in actions}
    clock = client.session.clock
    deadline = clock.monotonic() + options.timeout
    read_error: MdeError | None = None
    while pending := [action for action in latest.values() if not action.is_final]:
        left = deadline - clock.monotonic()
        if left <= 0:
            break
        try:
            clock.sleep(min(options.sleep, left))
            seen, read_error = _poll(client, pending, deadline)
        except MdeError as error:
            read_error = error
            if isinstance(error, DeadlineExceededError):
                break
        except Exception as error:  # the last resort: a mistake of ours must not lose what was done
            read_error = InternalError(error)
            break
        else:
            # What has ended stays so, whatever a list that lags behind says of it later.
            polled = {comparable(action.id): action.machine_id for action in pending}
            # An action that speaks for a device is an Offboard on that device.
            latest.update(
                (comparable(action.id), action)
                for action in seen
                if (of := polled.get(comparable(action.id))) is not None and action.is_offboard_of(of)
            )
    last = [latest[comparable(action.id)] for action in actions]
    return [WaitResult(action, _error_of(action, options, read_error)) for action in last]


def no_visible_action_error(who: str) -> MdeError:
    """The error of a device of which an offboard is under way that nobody has seen: there is nothing to wait for."""
    return DeviceError(
        f"{who}: the service says that an offboard is under way, but shows none that could be waited for.",
        code="wait_read_failed",
        hint="The action goes on by itself. Run the task again in some minutes to see how it ends.",
    )


def _poll(
    client: MdeClient, pending: t.Sequence[MachineAction], deadline: float
) -> tuple[list[MachineAction], MdeError | None]:
    """The actions as they are now, in few reads: by their ids, or, where these are many, all since the oldest of them.

    Beside them the error of an id that the service did not take: not to be seen there is news.
    """

    def allowance() -> RetryBudget:
        return client.session.budget(deadline)

    created = [action.created for action in pending]
    oldest = min((time for time in created if time is not None), default=None)
    few = len(pending) <= _FEW_FILTERS * client.filter_batcher.capacity(_ID_LENGTH)
    if few or oldest is None or None in created:
        batch_result = client.actions_by_id([action.id for action in pending], allowance=allowance)
        return batch_result.records, next(iter(batch_result.rejected.values()), None)
    return client.list_offboard_actions_since(oldest, allowance=allowance), None


def _error_of(action: MachineAction, options: WaitOptions, read_error: MdeError | None) -> MdeError | None:
    if action.normalized_status == "succeeded":
        return None
    who = action.record.get("computerDnsName") or action.machine_id
    if action.is_final:
        code, hint = _ENDS[action.normalized_status]
        return DeviceError(
            f"{who}: offboard action {action.id} ended {action.status}{_hresult_text(action)}.", code=code, hint=hint
        )
    if read_error is not None:
        return DeviceError(
            f"{who}: offboard action {action.id} was {action.status} when last seen, and cannot be read: "
            f"{read_error.message}",
            code="wait_read_failed",
            hint="The action goes on by itself. Run the task again to see how it ended.",
            http_status=read_error.http_status,
            correlation_id=read_error.correlation_id,
        )
    return DeviceError(
        f"{who}: offboard action {action.id} is still {action.status} after {options.timeout:g} s.",
        code="wait_timeout",
        hint="It is not lost: it runs when the device comes online within some three days. "
        "Leave wait off for devices that are switched off, and check later.",
    )


def _hresult_text(action: MachineAction) -> str:
    """The service's number for the reason, as people look it up."""
    number = action.record.get("errorHResult")
    if not isinstance(number, int) or isinstance(number, bool) or number == 0:
        return ""
    meaning = _HRESULTS.get(number)
    return f" (0x{number & 0xFFFFFFFF:08X}{', ' + meaning if meaning else ''})"
