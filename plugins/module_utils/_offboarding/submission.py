# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One offboard action, submitted exactly once: when a POST may be repeated, and how its result is found.

A lost response leaves the question whether the service accepted the request. The action list answers it, never a blind
second request. A service that returns ``externalId`` gives each request an identity; see ``OwnershipCheck``.
"""

from __future__ import annotations

import enum
import typing as t
from dataclasses import dataclass, replace

from .._api.client import ActionSnapshot, MdeClient
from .._api.models import Machine, MachineAction
from .._errors import ApiError, DeadlineExceededError, DeviceError, InternalError, MdeError, ThrottledError
from .._same import comparable
from .decision import decide, stuck_action
from .external_id import ExternalIds, refuses_body
from .ownership import OwnershipCheck
from .parent_run import AbandonedError, Caller, always

# Seconds between reads after an unclear end: half a minute in total, longer than the lists of the service lag behind.
RECONCILE_DELAYS: t.Final = (1.0, 2.0, 4.0, 8.0, 15.0)
MAX_RESENDS: t.Final = 2
# A decision older than this, in seconds, is made again before its POST is sent.
DECISION_TTL: t.Final = 120.0


@dataclass(frozen=True)
class SubmissionResult:
    """``submitted``, ``refused``, ``error``, or the outcome of a later decision if another application was faster."""

    outcome: str
    action: MachineAction | None = None
    error: MdeError | None = None


class SubmissionState(enum.Enum):
    """What a submission waits for."""

    READY = enum.auto()
    """Ready to be sent."""
    STALE = enum.auto()
    """The rate limit held it back for too long: the actions of its device must be read again."""
    IN_DOUBT = enum.auto()
    """Sent, and possibly accepted: the actions of its device must be read."""
    DONE = enum.auto()


class Submission:
    """The offboard of one machine with its tries. Used by one thread at a time; errors of the service are not raised."""

    def __init__(
        self,
        client: MdeClient,
        machine: Machine,
        comment: str,
        snapshot: ActionSnapshot,
        *,
        external_ids: ExternalIds,
        force: bool = False,
        caller: Caller = always,
        warn: t.Callable[[str], None] = lambda _line: None,
    ) -> None:
        """``snapshot`` has the actions on which the decision is based. ``warn`` is called from any thread."""
        self.machine = machine
        self.state = SubmissionState.READY
        self.result: SubmissionResult | None = None
        """Set if and only if the state is DONE."""
        self._client = client
        self._comment = comment
        self.sent_external_id: str | None = None
        """The ExternalId of the last request; None if it had none, and before the first one."""
        self._external_ids = external_ids
        self._external_id = external_ids.create()
        self._without_external_id = False
        """Whether the service refused the request, possibly because of the parameter."""
        self._force = force
        self._caller = caller
        self._warn = warn
        self._session = client.session
        self._budget = client.session.budget()
        self._attempts = 0
        self._sending = False
        """Whether the last request was handed to the transport."""
        self._token_was_rejected = False
        """Whether the API rejected the token of the last try, and the deadline came before the next one."""
        self._in_doubt: MdeError | None = None
        """The error of an earlier try that may have been accepted."""
        self._foreign: SubmissionResult | None = None
        """The result if the response was for another device and our action is not found."""
        self._snapshot: ActionSnapshot | None = None
        """The last read after that; None if it failed, so that a missing action proves nothing."""
        self._set_baseline(snapshot)

    def _set_baseline(self, snapshot: ActionSnapshot) -> None:
        """These actions existed before; later ones may be ours."""
        self._ownership = OwnershipCheck(
            machine_id=self.machine.id,
            comment=self._comment,
            ids_before=frozenset(comparable(action.id) for action in snapshot.actions),
            first_sent_at=self._session.service_time(),
            external_id=self._external_id,
        )
        self._budget.not_after = snapshot.read_at + DECISION_TTL

    def _finish(self, result: SubmissionResult) -> None:
        self.result = result
        self.state = SubmissionState.DONE
        if result.outcome == "submitted" and result.action is not None:
            self._client.own_actions.add(result.action.id)
            self._external_ids.record(self.sent_external_id is not None)

    def send(self) -> None:
        """Send the request; ``state`` then shows what comes next."""
        try:
            action = self._post()
        except DeadlineExceededError as error:
            self._set_stale(error.unauthorized)
        except MdeError as error:
            if error.outcome_in_doubt:
                self._set_in_doubt(error)
            else:
                self._finish(self._from_refusal(error))
        except Exception as error:
            if not self._sending:
                raise
            self._set_in_doubt(InternalError(error))  # the service may have accepted it despite a bug here
        else:
            own = self._ownership.owns_response(action)
            if action.machine_id != self.machine.id:
                self._note_foreign(action)
            elif action.is_final and not self._ownership.has_our_external_id(action):
                # A new action is not final, so this is an earlier one.
                self._set_in_doubt(DeviceError(f"The service returned action {action.id}, which is {action.status}."))
            else:
                self._external_ids.record(self.sent_external_id is not None)
                if not own:
                    self._warn_of_other_external_ids([action])
                self._finish(SubmissionResult("submitted" if own else "in_progress", action))

    def _set_stale(self, unauthorized: MdeError | None) -> None:
        """The deadline has passed. If the API has rejected two tokens in a row by then, a third one does not help."""
        if unauthorized is not None and self._token_was_rejected:
            self._finish(self._from_refusal(unauthorized))
        else:
            self._token_was_rejected = unauthorized is not None
            self.state = SubmissionState.STALE

    def _post(self) -> MachineAction:
        """One POST; a second one without ExternalId, where the service may have refused the first because of it."""
        may_be_refused = self._in_doubt is None and self._external_ids.accepted is None
        if not self._without_external_id and self._external_ids.accepted is not False:
            try:
                return self._request(self._external_id)
            except ApiError as error:
                if not may_be_refused or not refuses_body(error):
                    raise
                self._without_external_id = True
        return self._request(None)

    def _request(self, external_id: str | None) -> MachineAction:
        self._sending = False

        def before_send() -> None:
            self._record_send_time()
            self.sent_external_id = external_id

        return self._client.offboard_machine(
            self.machine.id, self._comment, external_id=external_id, budget=self._budget, before_send=before_send
        )

    def _note_foreign(self, action: MachineAction) -> None:
        """A response for another device: either a proxy mixed up two responses, or the service two devices.

        The actions of our own device show which. The request is sent again only if the returned action is known to be
        that device's own: then the response was misrouted, and our action may not exist.
        """
        error = DeviceError(
            f"Offboarding of {self.machine.id} was requested, but the service returned action {action.id} "
            f"for {action.machine_id}.",
            code="wrong_device",
            hint="Check both devices in the portal now. Until the action ends, "
            "secops.mde.mde_machine_action_cancel can cancel it.",
        )
        self._foreign = SubmissionResult("error", action, error)
        self._set_in_doubt(error)

    def _set_in_doubt(self, error: MdeError) -> None:
        self._in_doubt = error
        self._attempts += 1
        self.state = SubmissionState.IN_DOUBT

    def _record_send_time(self) -> None:
        """The last check before a try. Actions created before the first try that may have been accepted are not ours."""
        if not self._caller():
            raise AbandonedError
        if self._in_doubt is None:
            self._ownership = replace(self._ownership, first_sent_at=self._session.service_time())
        self._sending = True

    def reevaluate(self, snapshot: ActionSnapshot) -> None:
        """Decide again with a new snapshot: another application may have acted while the request was held back."""
        own = self._own(snapshot.actions)
        decision = decide(self.machine, snapshot.actions, self._session.now(), force=self._force)
        if own is not None:
            self._finish(SubmissionResult("submitted", own))
        elif decision.outcome != "submitted":
            if decision.warning:
                self._warn(decision.warning)
            self._finish(SubmissionResult(decision.outcome, decision.action))
        elif self._in_doubt is not None and (newer := self._newer(snapshot.actions)) is not None:
            error = DeviceError(f"offboard action {newer.id} ({newer.status}) is newer than the request")
            self._finish(self._outcome_unknown(error))
        else:
            if self._in_doubt is None:
                self._set_baseline(snapshot)
            self._budget.not_after = snapshot.read_at + DECISION_TTL
            self.state = SubmissionState.READY

    def abandon(self, error: MdeError, outcome: str = "error") -> None:
        """Do not send it (again), because of another error."""
        self._finish(SubmissionResult(outcome, error=error) if self._in_doubt is None else self._outcome_unknown(error))

    def _from_refusal(self, error: MdeError) -> SubmissionResult:
        """The result of a try that was definitely not accepted. An earlier one in doubt stays in doubt."""
        if isinstance(error, ApiError) and error.code == "already_active":
            found = self._find_active_action()
            if found is not None:
                return found
            if self._in_doubt is None:
                return SubmissionResult("in_progress")
        if self._in_doubt is not None:
            return self._outcome_unknown(error)
        rejected = isinstance(error, ApiError) and not isinstance(error, ThrottledError)
        return SubmissionResult("refused" if rejected and error.code != "unauthorized" else "error", error=error)

    def _find_active_action(self) -> SubmissionResult | None:
        """The service refused the request because of an active action: read now, and until the action is listed."""
        budget = self._session.budget()  # one for all reads, so that an outage is waited for only once
        for delay in (0.0, *RECONCILE_DELAYS):
            self._session.clock.sleep(delay)
            try:
                snapshot = self._client.get_offboard_actions([self.machine.id], budget=budget)[self.machine.id]
            except Exception:  # a failed read shows nothing, whatever the reason
                continue
            if isinstance(snapshot, MdeError):
                continue
            own = self._own(snapshot.actions)
            if own is not None:
                return SubmissionResult("submitted", own)
            # Without force, which ignores a stuck action: that may be the one the service means.
            decision = decide(self.machine, snapshot.actions, self._session.now())
            if decision.active_action is not None:
                if decision.warning:  # the service has just refused another one beside it, which force asks for
                    self._warn(f"{stuck_action(self.machine, decision.active_action)}.")
                return SubmissionResult("in_progress", decision.active_action)
        return None

    def reconcile(self, snapshot: ActionSnapshot | None) -> None:
        """Update with a new snapshot, or None if the read failed.

        The action of another application does not end the search early: ours may not be listed yet.
        """
        self._snapshot = snapshot
        own = self._own(snapshot.actions) if snapshot is not None else None
        if own is not None:
            self._finish(SubmissionResult("submitted", own))

    def finish_reconciliation(self) -> None:
        """Finish reconciliation without having found our action."""
        foreign = self._foreign
        if foreign is not None and foreign.action is not None and foreign.action.id not in self._client.own_actions:
            self._finish(foreign)
            return
        if self._snapshot is not None:
            self.reevaluate(self._snapshot)
        if self._snapshot is None or (self.state is SubmissionState.READY and self._attempts > MAX_RESENDS):
            self._finish(self._outcome_unknown())

    def _own(self, actions: t.Sequence[MachineAction]) -> MachineAction | None:
        """Our action. Without its external ID, a try of ours must be in doubt: another run may use the same comment."""
        if self._in_doubt is not None:
            self._warn_of_other_external_ids(actions)
        return self._ownership.find_own(actions, in_doubt=self._in_doubt is not None)

    def _newer(self, actions: t.Iterable[MachineAction]) -> MachineAction | None:
        """An action after which nothing is sent again, whatever its status: it may be the result of our first try."""
        return next((action for action in actions if self._ownership.is_newer(action)), None)

    def _warn_of_other_external_ids(self, actions: t.Iterable[MachineAction]) -> None:
        for action in actions:
            if self._ownership.fits_but_for_external_id(action):
                self._warn(
                    f"{self.machine.name or self.machine.id}: offboard action {action.id} has the comment and time of this "
                    f"run's request, but the external ID {action.external_id}. It belongs to another run."
                )

    def _outcome_unknown(self, later: MdeError | None = None) -> SubmissionResult:
        errors = [error for error in (self._in_doubt, later) if error is not None]
        unknown = DeviceError(
            f"The outcome of offboarding {self.machine.name or self.machine.id} is unknown: "
            + "; then: ".join(error.message for error in errors),
            code="outcome_unknown",
            hint="The device may or may not be offboarded. Run the task again in a few minutes. It checks first and never "
            "offboards twice.",
            http_status=errors[-1].http_status if errors else None,
            correlation_id=next((error.correlation_id for error in errors[::-1] if error.correlation_id), None),
        )
        return SubmissionResult("error", error=unknown)
