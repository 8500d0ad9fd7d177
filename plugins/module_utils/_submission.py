# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One offboard, sent exactly once: what a POST may be repeated after, and whose action an answer shows.

The service gives a request no identity of its own, so a lost answer leaves a question: was it taken? It is
settled by looking, never by sending again blindly.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from datetime import datetime, timedelta

from ._client import Client
from ._decision import decide
from ._errors import ApiError, DeviceError, MdeError, ThrottledError, TooLateError
from ._models import Machine, MachineAction, same
from ._retry import is_unclear

# Pauses between looks after an unclear end: half a minute in all, longer than the service's lists lag behind.
LOOKS: t.Final = (1.0, 2.0, 4.0, 8.0, 15.0)
RESENDS: t.Final = 2
# ``Date`` headers and the service's stores do not tick together to the second.
TOLERANCE: t.Final = timedelta(seconds=5)
# A decision older than this, in seconds, is made anew before its POST leaves.
DECISION_LIFE: t.Final = 120.0


@dataclass(frozen=True)
class Submission:
    """How it ended: ``submitted``, ``refused``, ``error``, or, where somebody else was faster, as decided then."""

    outcome: str
    action: MachineAction | None = None
    error: MdeError | None = None


@dataclass(frozen=True)
class Claim:
    """What makes an action this run's own: its device, its comment, its time, and that it was not there before."""

    machine_id: str
    comment: str
    known_ids: frozenset[str]
    first_try: datetime | None
    """In service time; None when no answer carried a ``Date``, so that there is nothing to compare with."""

    def owns(self, action: MachineAction) -> bool:
        if action.id.lower() in self.known_ids or not action.is_offboard_of(self.machine_id):
            return False
        if (action.comment or "").strip() != self.comment.strip():
            return False
        if self.first_try is None:
            return True
        return action.created is not None and action.created >= self.first_try - TOLERANCE

    def among(self, actions: t.Iterable[MachineAction]) -> MachineAction | None:
        return next((action for action in actions if self.owns(action)), None)


def submit(
    client: Client, machine: Machine, known: t.Iterable[MachineAction], comment: str, *, force: bool = False
) -> Submission:
    """Offboard one machine. ``known`` are its actions as read just before. Never raises for what the service does."""
    return _Attempt(client, machine, comment, force).run(known)


class _Attempt:
    """The tries for one machine, and what is known between them."""

    def __init__(self, client: Client, machine: Machine, comment: str, force: bool) -> None:
        self._client = client
        self._machine = machine
        self._comment = comment
        self._force = force
        self._exchange = client.exchange
        self._clock = client.exchange.clock
        self._budget = client.exchange.budget()
        self._unclear: MdeError | None = None
        """How an earlier try ended that may have been taken."""

    def run(self, known: t.Iterable[MachineAction]) -> Submission:
        self._stake(known)
        for _try in range(1 + RESENDS):
            ended = self._send() or self._look_for_own()
            if ended is not None:
                return ended
        return self._unknown()

    def _stake(self, known: t.Iterable[MachineAction]) -> None:
        """From here on: these actions are not ours, and what comes after them may be."""
        self._claim = Claim(
            machine_id=self._machine.id,
            comment=self._comment,
            known_ids=frozenset(action.id.lower() for action in known),
            first_try=self._exchange.service_time(),
        )
        self._good_until = self._clock.monotonic() + DECISION_LIFE

    # -- sending -------------------------------------------------------------------------------------------

    def _send(self) -> Submission | None:
        """One POST to a clear end; None when it may or may not have been taken."""
        while True:
            try:
                action = self._client.offboard(
                    self._machine.id, self._comment, budget=self._budget, not_after=self._good_until
                )
            except TooLateError:
                ended = self._decide_again()
                if ended is not None:
                    return ended
            except MdeError as error:
                if not is_unclear(error):
                    return self._refused(error)
                self._unclear = error
                return None
            else:
                return self._answered(action)

    def _decide_again(self) -> Submission | None:
        """The quota held the POST back: has somebody else been here meanwhile? None when it is still to be sent."""
        try:
            actions = self._client.offboard_actions([self._machine.id])
        except MdeError as error:
            return self._refused(error, asked=False)
        own = self._own(actions)
        if own is not None:
            return Submission("submitted", own)
        decision = decide(self._machine, actions, self._exchange.now(), force=self._force)
        if decision.outcome != "submitted":
            return Submission(decision.outcome, decision.action)
        if self._unclear is None:
            self._stake(actions)
        self._good_until = self._clock.monotonic() + DECISION_LIFE
        return None

    def _answered(self, action: MachineAction) -> Submission:
        """A success by its status; it may still hand back an action that somebody else made before."""
        if same(action.machine_id, self._machine.id):
            return Submission("submitted" if self._claim.owns(action) else "in_progress", action)
        wrong = DeviceError(
            f"Asked to offboard {self._machine.id}, the service answered with action {action.id} on {action.machine_id}.",
            code="wrong_device",
            hint="Look at both devices in the portal now; while the action is pending, "
            "secops.mde.mde_machine_action_cancel takes it back.",
        )
        return Submission("error", action, wrong)

    def _refused(self, error: MdeError, *, asked: bool = True) -> Submission:
        """This try surely did nothing; after an unclear one that does not settle what became of the first."""
        if isinstance(error, ApiError) and error.code == "already_active":
            found = self._look(at_once=True)[0]
            if found is not None:
                return found
            if self._unclear is None:
                return Submission("in_progress")
        if self._unclear is not None:
            return self._unknown(error)
        said_no = asked and isinstance(error, ApiError) and not isinstance(error, ThrottledError)
        return Submission("refused" if said_no and error.code != "unauthorized" else "error", error=error)

    # -- looking -------------------------------------------------------------------------------------------

    def _look_for_own(self) -> Submission | None:
        """After an unclear end; None when it is certain enough that nothing was taken, so that it may be sent again."""
        found, conclusive = self._look()
        self._good_until = self._clock.monotonic() + DECISION_LIFE
        return found or (None if conclusive else self._unknown())

    def _look(self, *, at_once: bool = False) -> tuple[Submission | None, bool]:
        """Read the device's actions until our own shows, for as long as the lists may lag behind.

        Comes back with what was found, and whether the last read succeeded, so that not finding means something.
        An action of somebody else does not end the search before its time: ours may still be on its way to the
        list. With ``at_once`` it does, and the first look comes without a pause: the service has refused us, so
        what is under way is most likely there already.
        """
        foreign: MachineAction | None = None
        conclusive = False
        for pause in (0.0, *LOOKS) if at_once else LOOKS:
            self._clock.sleep(pause)
            try:
                actions = self._client.offboard_actions([self._machine.id])
            except MdeError:
                conclusive = False
                continue
            conclusive = True
            own = self._own(actions)
            if own is not None:
                return Submission("submitted", own), conclusive
            foreign = decide(self._machine, actions, self._exchange.now(), force=self._force).action_under_way
            if foreign is not None and at_once:
                break
        return (Submission("in_progress", foreign) if foreign else None), conclusive

    def _own(self, actions: t.Iterable[MachineAction]) -> MachineAction | None:
        """Our action, if a try of ours can have made one: a twin of this job may use the same comment."""
        return self._claim.among(actions) if self._unclear is not None else None

    def _unknown(self, later: MdeError | None = None) -> Submission:
        first = self._unclear
        told = [error.message for error in (first, later) if error is not None]
        last = later or first
        unknown = DeviceError(
            f"What became of the offboard of {self._machine.name or self._machine.id} is not known: "
            + "; then: ".join(told),
            code="outcome_unknown",
            hint="It may or may not be offboarded. Run the task again in some minutes: it looks first, and does not "
            "offboard twice.",
            http_status=last.http_status if last else None,
            correlation_id=next((e.correlation_id for e in (later, first) if e and e.correlation_id), None),
        )
        return Submission("error", error=unknown)
