# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Poll actions until they are final or the deadline has passed, with few reads in each round."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._api.client import MdeClient
from .._api.models import MachineAction
from .._errors import DeadlineExceededError, DeviceError, InternalError, MdeError
from .._http.retry import RetryBudget
from .._same import comparable

# Actions are read by ID if this needs at most this number of filters, otherwise by creation time with one filter.
_FEW_FILTERS: t.Final = 2
# Action IDs are GUIDs.
_ID_LENGTH: t.Final = 36

_HRESULTS: t.Final[t.Mapping[int, str]] = {
    -2145844840: "the device was not reached in time",
    -2147467260: "cancelled",
}
_ENDS: t.Final[t.Mapping[str, tuple[str, str]]] = {
    "failed": ("action_failed", "The device reported an error. Check its sensor, then run the task again."),
    "timeout": ("action_timed_out", "The device was offline for about three days. Power it on and run again."),
    "cancelled": (
        "action_cancelled",
        "The action was cancelled by another user or application. Find out why before running again.",
    ),
}


@dataclass(frozen=True)
class WaitOptions:
    """Both in seconds."""

    timeout: float
    sleep: float


@dataclass(frozen=True)
class WaitResult:
    """An action as it was last read, and the error of the wait, if any."""

    action: MachineAction
    error: MdeError | None


def wait_for_actions(client: MdeClient, actions: t.Sequence[MachineAction], options: WaitOptions) -> list[WaitResult]:
    """Poll until all actions are final or the timeout has passed. Returns one result for each, in their order.

    Never raises: a read error becomes the error of the actions that are still pending.
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
        except Exception as error:  # the last resort: a bug here must not lose what was done
            read_error = InternalError(error)
            break
        else:
            # Final actions are not polled again: a list that lags behind cannot make them pending.
            polled = {comparable(action.id): action.machine_id for action in pending}
            # Only an Offboard on the same device counts.
            latest.update(
                (comparable(action.id), action)
                for action in seen
                if (of := polled.get(comparable(action.id))) is not None and action.is_offboard_of(of)
            )
    last = [latest[comparable(action.id)] for action in actions]
    return [WaitResult(action, _error_of(action, options, read_error)) for action in last]


def no_visible_action_error(who: str) -> MdeError:
    """The error for an offboard that the service reports in progress, without an action to wait for."""
    return DeviceError(
        f"{who}: the service reports an offboard action in progress but does not list it.",
        code="wait_read_failed",
        hint="The action continues in the background. Run the task again in a few minutes to see its result.",
    )


def _poll(
    client: MdeClient, pending: t.Sequence[MachineAction], deadline: float
) -> tuple[list[MachineAction], MdeError | None]:
    """The current actions, in few reads: by ID, or all since the oldest one if there are many.

    Also the error of an ID that the service refused: that action was not read.
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
            f"{who}: offboard action {action.id} ended with status {action.status}{_hresult_text(action)}.",
            code=code,
            hint=hint,
        )
    if read_error is not None:
        return DeviceError(
            f"{who}: offboard action {action.id} was last seen as {action.status} and cannot be read: "
            f"{read_error.message}",
            code="wait_read_failed",
            hint="The action continues in the background. Run the task again to see its result.",
            http_status=read_error.http_status,
            correlation_id=read_error.correlation_id,
        )
    return DeviceError(
        f"{who}: offboard action {action.id} is still {action.status} after {options.timeout:g} s.",
        code="wait_timeout",
        hint="The action is not lost: the device carries it out if it comes online within about three days. "
        "Do not set wait for offline devices; verify later.",
    )


def _hresult_text(action: MachineAction) -> str:
    """The error number of the service in hexadecimal, with its meaning if known."""
    number = action.record.get("errorHResult")
    if not isinstance(number, int) or isinstance(number, bool) or number == 0:
        return ""
    meaning = _HRESULTS.get(number)
    return f" (0x{number & 0xFFFFFFFF:08X}{', ' + meaning if meaning else ''})"
