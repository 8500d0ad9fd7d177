# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One offboard, sent exactly once: what a POST may be repeated after, and whose action an answer shows.

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
from .decision import decide
from .external_id import ExternalIds, refuses_body
from .ownership import OwnershipCheck
from .parent_run import AbandonedError, Caller, always

# Pauses between looks after an unclear end: half a minute in all, longer than the service's lists lag behind.
RECONCILE_DELAYS: t.Final = (1.0, 2.0, 4.0, 8.0, 15.0)
MAX_RESENDS: t.Final = 2
# A decision older than this, in seconds, is made anew before its POST leaves.
DECISION_TTL: t.Final = 120.0


@dataclass(frozen=True)
class SubmissionResult:
    """How it ended: ``submitted``, ``refused``, ``error``, or, where somebody else was faster, as decided then."""

    outcome: str
    action: MachineAction | None = None
    error: MdeError | None = None


class SubmissionState(enum.Enum):
    """What an attempt waits for."""

    READY = enum.auto()
    """To be sent."""
    STALE = enum.auto()
    """The pace held it back for too long: its actions have to be read and weighed again."""
    IN_DOUBT = enum.auto()
    """It was sent, and may or may not have been taken: its actions have to be looked at."""
    DONE = enum.auto()


class Submission:
    """The offboard of one machine: its tries, and what is known between them.

    Sending is for one thread at a time; nothing here raises for what the service does.
    """

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
        """``snapshot`` is what was just read of the machine, and what spoke for an offboard; ``caller`` waits for the end;
        ``warn`` takes a line for the user, from any thread."""
        self.machine = machine
        self.state = SubmissionState.READY
        self.result: SubmissionResult | None = None
        """Set exactly when the stage is ENDED."""
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
        """Whether the last call of ``send`` came as far as a try."""
        self._in_doubt: MdeError | None = None
        """How an earlier try ended that may have been taken."""
        self._foreign: SubmissionResult | None = None
        """What to say where the response was another device's, and no action of ours shows."""
        self._snapshot: ActionSnapshot | None = None
        """The last look after that; None when it failed, so that not finding means nothing."""
        self._set_baseline(snapshot)

    def _set_baseline(self, snapshot: ActionSnapshot) -> None:
        """From here on: these actions are not ours, and what comes after them may be."""
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

    # -- sending -------------------------------------------------------------------------------------------

    def send(self) -> None:
        """Send one POST; the stage then tells what comes next."""
        try:
            action = self._post()
        except DeadlineExceededError:
            self.state = SubmissionState.STALE
        except MdeError as error:
            if error.outcome_in_doubt:
                self._question(error)
            else:
                self._finish(self._from_refusal(error))
        except Exception as error:
            if not self._sending:
                raise
            self._question(InternalError(error))  # whatever broke here says nothing of what the service did
        else:
            own = self._ownership.owns_response(action)
            if action.machine_id != self.machine.id:
                self._note_foreign(action)
            elif action.is_final and not self._ownership.has_our_external_id(action):
                # A new action is not final, and an earlier one does not answer the request.
                self._question(DeviceError(f"The service answered with action {action.id}, which has ended."))
            else:
                self._external_ids.record(self.sent_external_id is not None)
                if not own:
                    self._warn_of_other_external_ids([action])
                self._finish(SubmissionResult("submitted" if own else "in_progress", action))

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
        """A response for another device: either something in between mixed up two responses, or the service the devices.

        Reading our own device's actions tells which. It is sent again only if that action is known to be another
        device's own: then the response went astray, and ours may never have been made.
        """
        error = DeviceError(
            f"Asked to offboard {self.machine.id}, the service answered with action {action.id} on {action.machine_id}.",
            code="wrong_device",
            hint="Look at both devices in the portal now; while the action is pending, "
            "secops.mde.mde_machine_action_cancel takes it back.",
        )
        self._foreign = SubmissionResult("error", action, error)
        self._question(error)

    def _question(self, error: MdeError) -> None:
        self._in_doubt = error
        self._attempts += 1
        self.state = SubmissionState.IN_DOUBT

    def _record_send_time(self) -> None:
        """The last check before a try: whatever was made before the first one that may have been taken is not ours."""
        if not self._caller():
            raise AbandonedError
        if self._in_doubt is None:
            self._ownership = replace(self._ownership, first_sent_at=self._session.service_time())
        self._sending = True

    def reevaluate(self, snapshot: ActionSnapshot) -> None:
        """Decide again by what is known now: has somebody else been here while the POST was held back?"""
        own = self._own(snapshot.actions)
        decision = decide(self.machine, snapshot.actions, self._session.now(), force=self._force)
        if own is not None:
            self._finish(SubmissionResult("submitted", own))
        elif decision.outcome != "submitted":
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
        """It will not be sent (again): something else went wrong first."""
        self._finish(SubmissionResult(outcome, error=error) if self._in_doubt is None else self._outcome_unknown(error))

    def _from_refusal(self, error: MdeError) -> SubmissionResult:
        """This try surely did nothing; after an unclear one that does not settle what became of the first."""
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
        """The service refused us for an action that is under way: look at once, and until it shows."""
        budget = self._session.budget()  # one for all looks: an outage is waited for once
        for delay in (0.0, *RECONCILE_DELAYS):
            self._session.clock.sleep(delay)
            try:
                snapshot = self._client.get_offboard_actions([self.machine.id], budget=budget)[self.machine.id]
            except Exception:  # a look that failed, for whatever reason, is none
                continue
            if isinstance(snapshot, MdeError):
                continue
            own = self._own(snapshot.actions)
            if own is not None:
                return SubmissionResult("submitted", own)
            # Without force, which goes past an action that hangs: that may be the one the service means.
            decision = decide(self.machine, snapshot.actions, self._session.now())
            if decision.active_action is not None:
                return SubmissionResult("in_progress", decision.active_action)
        return None

    # -- looking -------------------------------------------------------------------------------------------

    def reconcile(self, snapshot: ActionSnapshot | None) -> None:
        """Take note of what is known now, or of a read that failed (None).

        An action of somebody else does not end the search before its time: ours may still be on its way to the list.
        """
        self._snapshot = snapshot
        own = self._own(snapshot.actions) if snapshot is not None else None
        if own is not None:
            self._finish(SubmissionResult("submitted", own))

    def finish_reconciliation(self) -> None:
        """The time for looks is over, and ours has not shown."""
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
        first = self._in_doubt
        messages = [error.message for error in (first, later) if error is not None]
        last = later or first
        unknown = DeviceError(
            f"What became of the offboard of {self.machine.name or self.machine.id} is not known: "
            + "; then: ".join(messages),
            code="outcome_unknown",
            hint="It may or may not be offboarded. Run the task again in some minutes: it looks first, and does not "
            "offboard twice.",
            http_status=last.http_status if last else None,
            correlation_id=next((e.correlation_id for e in (later, first) if e and e.correlation_id), None),
        )
        return SubmissionResult("error", error=unknown)
