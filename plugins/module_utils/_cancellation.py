# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Cancels one machine action by ID and confirms the result by reading.

The device may be faster, and the response of the service does not show it. Only a read afterwards counts.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ._api.client import MdeClient
from ._api.models import MachineAction
from ._auth.permissions import CANCEL, predicted_refusal
from ._errors import ApiError, MdeError
from ._options.argument_spec import Spec
from ._results import Result, difference

CANCEL_OPTIONS: t.Final[Spec] = {
    "action_id": {"type": "str", "required": True},
    "comment": {"type": "str", "required": True},
}
CANCELLED: t.Final = "cancelled"
# Seconds before each read of the result, 15 in total.
_POLL_DELAYS: t.Final = (0.0, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class CancelResult(Result):
    """Result of the cancellation. ``action`` is the record as last read, in check mode the predicted one."""

    action: MachineAction | None = None
    before: MachineAction | None = None
    changed: bool = False
    predicted: bool = False

    def as_dict(self) -> dict[str, t.Any]:
        action = self.action
        if action is None or self.failure is not None:
            message = str(self.failure)
        else:
            does = "would be cancelled" if self.predicted else "cancelled" if self.changed else "was already cancelled"
            message = f"{_describe(action)}: {does}"
        return {
            "changed": self.changed,
            "msg": message,
            "cancelled": action is not None and action.normalized_status == CANCELLED,
            "action": action.record if action else None,
            "summary": {"total": 1, "changed": int(self.changed), "failed": int(self.failure is not None)},
        }

    def diff(self) -> list[dict[str, t.Any]]:
        if not self.changed or self.before is None or self.action is None:
            return []
        return [difference(self.action.id, {"status": self.before.status}, {"status": self.action.status})]


class ActionCanceller:
    """Cancels one action by its ID."""

    def __init__(self, client: MdeClient, warn: t.Callable[[str], None]) -> None:
        self._client = client
        self._warn = warn

    def run(self, action_id: str, comment: str, *, check_mode: bool) -> CancelResult:
        """Cancel the action, or predict it. Raises MdeError if the action cannot be found; later errors are in the result."""
        action = self._find(action_id)
        if action is None:
            raise MdeError(
                f"Machine action {action_id} does not exist.",
                code="not_found",
                hint="Use action.id from the result of mde_offboard, not the device ID.",
            )
        if action.normalized_status == CANCELLED:
            return CancelResult(action, action)
        if action.is_final:
            return CancelResult(action, action, failure=_too_late(action))
        if check_mode:
            return self._predict(action, comment)
        refusal: MdeError | None = None
        try:
            self._client.cancel_action(action.id, comment)
        except MdeError as error:
            refusal = error  # the response may be lost, or the action may just have ended: read it
        return self._poll(action, comment, refusal)

    def _find(self, action_id: str) -> MachineAction | None:
        """The action by ID, else from the list: a new action can be missing from either."""
        return self._client.get_action(action_id) or next(iter(self._client.actions_by_id([action_id]).records), None)

    def _predict(self, action: MachineAction, comment: str) -> CancelResult:
        if refusal := predicted_refusal(self._client.session.claims, CANCEL, "cancel", self._warn):
            return CancelResult(action, action, failure=refusal)
        record = {**action.record, "status": "Cancelled", "cancellationComment": comment}
        return CancelResult(replace(action, record=record), action, changed=True, predicted=True)

    def _poll(self, action: MachineAction, comment: str, refusal: MdeError | None) -> CancelResult:
        """Read the action until it is final, for up to 15 seconds."""
        latest, read_error = action, None
        for delay in _POLL_DELAYS:
            self._client.session.clock.sleep(delay)
            try:
                latest, read_error = self._client.get_action(action.id) or latest, None
            except MdeError as error:
                read_error = error
                if error.fatal_for_run:
                    break  # retry_timeout is used up
                continue
            if latest.is_final or _is_definite_refusal(refusal):
                break
        if latest.normalized_status == CANCELLED:
            # Another application or user may have been faster. The comment shows it. Without a comment, the change is taken
            # for our own, unless the service has refused it.
            stored = latest.record.get("cancellationComment")
            ours = stored == comment if stored else not _is_definite_refusal(refusal)
            return CancelResult(latest, action, changed=ours)
        failure = _too_late(latest) if latest.is_final else refusal or _not_confirmed(latest, read_error)
        return CancelResult(latest, action, failure=failure)


def _is_definite_refusal(error: MdeError | None) -> bool:
    """Whether the service itself refused each try of the request. One read after that is enough."""
    return isinstance(error, ApiError) and not error.any_try_in_doubt


def _describe(action: MachineAction) -> str:
    return f"{action.type} {action.id} of {action.device_name or action.machine_id}"


def _too_late(action: MachineAction) -> MdeError:
    return MdeError(
        f"{_describe(action)} was already {action.status} and cannot be cancelled.",
        code="too_late",
        hint="To undo an offboard action that succeeded, onboard the device again on the device itself.",
    )


def _not_confirmed(action: MachineAction, read_error: MdeError | None) -> MdeError:
    if read_error is not None:
        return MdeError(
            f"{_describe(action)}: the result of the cancel request cannot be read: {read_error.message}",
            code="outcome_unknown",
            hint="Run the task again. It checks the action first and cancels it only if it is still in progress.",
        )
    return MdeError(
        f"{_describe(action)} is still {action.status} 15 seconds after the cancel request.",
        code="cancel_pending",
        hint="Run the task again to see the result.",
    )
