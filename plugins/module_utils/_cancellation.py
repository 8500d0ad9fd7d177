# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The end of one machine action that is still queued, and no other: asked for, then looked at.

The work can win the race, and the service then says nothing of it: what counts is what a read shows afterwards.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

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
# Seconds between the looks at what became of it: 15 in all.
_POLL_DELAYS: t.Final = (0.0, 1.0, 2.0, 4.0, 8.0)


@dataclass(frozen=True)
class CancelResult(Result):
    """How it ended. ``action`` is the service's JSON of the last look, in check mode the predicted one."""

    action: t.Mapping[str, t.Any] | None = None
    before: t.Mapping[str, t.Any] | None = None
    changed: bool = False
    predicted: bool = False

    def as_dict(self) -> dict[str, t.Any]:
        action = MachineAction.from_json(self.action)
        cancelled = action is not None and action.normalized_status == CANCELLED
        if self.failure is not None:
            message = str(self.failure)
        else:
            does = "would be cancelled" if self.predicted else "cancelled" if self.changed else "was cancelled before"
            message = f"{_describe(action)}: {does}"
        return {
            "changed": self.changed,
            "msg": message,
            "cancelled": cancelled,
            "action": self.action,
            "summary": {"total": 1, "changed": int(self.changed), "failed": int(self.failure is not None)},
        }

    def diff(self) -> list[dict[str, t.Any]]:
        before, after = MachineAction.from_json(self.before), MachineAction.from_json(self.action)
        if not self.changed or before is None or after is None:
            return []
        return [difference(after.id, {"status": before.status}, {"status": after.status})]


class ActionCanceller:
    """Cancels one action by its id."""

    def __init__(self, client: MdeClient, warn: t.Callable[[str], None]) -> None:
        self._client = client
        self._warn = warn

    def run(self, action_id: str, comment: str, *, check_mode: bool) -> CancelResult:
        """Cancel, or predict it. What fails after the first read is in the result; raises MdeError before that."""
        action = self._find(action_id)
        if action is None:
            raise MdeError(
                f"There is no machine action {action_id}.",
                code="not_found",
                hint="Check the id: it is action.id in the result of the offboard, not the id of the device.",
            )
        before = action.record
        if action.normalized_status == CANCELLED:
            return CancelResult(before, before)
        if action.is_final:
            return CancelResult(before, before, failure=_too_late(action))
        if check_mode:
            return self._predict(action, comment)
        refusal: MdeError | None = None
        try:
            self._client.cancel_action(action.id, comment)
        except MdeError as error:
            refusal = error  # an answer can get lost, and a refusal can mean that the action has just ended: look
        return self._poll(action, comment, refusal)

    def _find(self, action_id: str) -> MachineAction | None:
        """By its own read, and by the list where that knows nothing: a fresh action can be missing from either."""
        return self._client.get_action(action_id) or next(iter(self._client.actions_by_id([action_id]).records), None)

    def _predict(self, action: MachineAction, comment: str) -> CancelResult:
        if refusal := predicted_refusal(self._client.session.claims, CANCEL, "cancel", self._warn):
            return CancelResult(action.record, action.record, failure=refusal)
        expected = {"status": "Cancelled", "cancellationComment": comment}
        return CancelResult({**action.record, **expected}, action.record, changed=True, predicted=True)

    def _poll(self, action: MachineAction, comment: str, refusal: MdeError | None) -> CancelResult:
        """Look until it has ended, or for 15 seconds."""
        now, read_error = action, None
        for delay in _POLL_DELAYS:
            self._client.session.clock.sleep(delay)
            try:
                now, read_error = self._client.get_action(action.id) or now, None
            except MdeError as error:
                read_error = error
                if error.fatal_for_run:
                    break  # all patience was used up on it
                continue
            if now.is_final or _is_definite_refusal(refusal):
                break
        if now.normalized_status == CANCELLED:
            # Somebody else can have been faster. A service that keeps no comment leaves the benefit of the doubt, but not
            # one that has just refused.
            kept = now.record.get("cancellationComment")
            ours = kept == comment if kept else not _is_definite_refusal(refusal)
            return CancelResult(now.record, action.record, changed=ours)
        if now.is_final:
            return CancelResult(now.record, action.record, failure=_too_late(now))
        return CancelResult(
            now.record, action.record, failure=refusal or _outcome_unknown(now, read_error) or _still_active(now)
        )


def _is_definite_refusal(error: MdeError | None) -> bool:
    """Whether the service said no in its own words; one more look after that is enough."""
    return isinstance(error, ApiError) and error.service_code is not None and error.http_status < 500


def _describe(action: MachineAction | None) -> str:
    return f"{action.type} {action.id} of {action.device_name or action.machine_id}" if action else "The action"


def _too_late(action: MachineAction) -> MdeError:
    return MdeError(
        f"{_describe(action)} had ended before it could be cancelled: {action.status}.",
        code="too_late",
        hint="An offboard that succeeded is undone only by onboarding the device again, on the device.",
    )


def _outcome_unknown(action: MachineAction, read_error: MdeError | None) -> MdeError | None:
    if read_error is None:
        return None
    return MdeError(
        f"{_describe(action)}: what became of the request to cancel it cannot be read: {read_error.message}",
        code="outcome_unknown",
        hint="Run the task again: it looks first, and asks again only where the action is still under way.",
    )


def _still_active(action: MachineAction) -> MdeError:
    return MdeError(
        f"{_describe(action)} is still {action.status} 15 seconds after the request to cancel it.",
        code="cancel_pending",
        hint="Run the task again to see what became of it.",
    )
