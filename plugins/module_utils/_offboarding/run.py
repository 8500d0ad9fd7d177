# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The run: look up, decide, submit or predict, wait. A fleet goes this way, and one device as well."""

from __future__ import annotations

import typing as t
from collections import deque
from dataclasses import dataclass, replace

from .._api.client import ActionSnapshot, MdeClient
from .._api.models import Machine, MachineAction, predicted_offboard
from .._auth.permissions import OFFBOARD, READ, add_hint_for_403, lacks_permission, predicted_refusal
from .._auth.token import TokenClaims
from .._errors import InternalError, MdeError
from .._options.identifiers import DeviceRequest
from .._same import comparable
from .caller import AbandonedError, Caller, always
from .decision import decide
from .dispatcher import Dispatch
from .lookup import find_machines
from .matching import Finding
from .parameters import Order
from .results import DeviceResult
from .submission import Attempt
from .wait import Waited, WaitOptions, unseen, wait_for
from .workers import Crew


@dataclass
class _Case:
    """A device of the run, whatever number of requests named it."""

    first: int
    """Place of the request that came to it first; that one's result carries the outcome."""
    machine: Machine
    decided: DeviceResult
    attempt: Attempt | None = None

    def result(self) -> DeviceResult:
        if self.attempt is None:
            return self.decided
        end = self.attempt.end
        if end is None:  # never to be taken for an offboard
            return replace(self.decided, outcome="error", error=InternalError(RuntimeError("it was not sent")))
        action = end.action.record if end.action else None
        return replace(self.decided, outcome=end.outcome, action=action, error=end.error)


class Offboarding:
    """One run over the devices of an order. Nothing that the service does makes it raise: each has its result."""

    def __init__(
        self,
        order: Order,
        client: MdeClient,
        crew: Crew,
        *,
        claims: t.Callable[[], TokenClaims | None],
        warn: t.Callable[[str], None],
        caller: Caller = always,
    ) -> None:
        """``claims`` tells what the token says of itself, once there is one; ``warn`` takes a line for people;
        ``caller`` says whether the result is still waited for."""
        self._caller = caller
        self._order = order
        self._client = client
        self._claims = claims
        self._tell = warn
        self._told: set[str] = set()
        self._dispatch = Dispatch(client, crew, claims)
        self._left = deque(range(len(order.requests)))
        """Places in the order that have not been looked up."""
        self._cases: dict[str, _Case] = {}
        self._ends: dict[int, _Case | DeviceResult] = {}
        """What each place came to: a device, or a result without one."""

    def run(self) -> list[DeviceResult]:
        """The results, one for each request, in their order."""
        mistake: InternalError | None = None
        try:
            self._dispatch.run(self._batches())
        except Exception as error:  # the last resort: a mistake of ours must not lose what was done
            mistake = InternalError(error)
        results = [self._result(place, mistake) for place in range(len(self._order.requests))]
        if self._order.wait is not None and not self._order.check_mode:
            return self._wait(results, self._order.wait)
        return results

    def _result(self, place: int, mistake: InternalError | None) -> DeviceResult:
        request, end = self._order.requests[place], self._ends.get(place)
        if isinstance(end, DeviceResult):
            return end
        if end is None:
            return DeviceResult(request, "error", error=mistake)
        if mistake is not None and end.attempt is not None and end.attempt.end is None:
            end.attempt.give_up(mistake)
        result = end.result()
        if mistake is not None and result.outcome == "error" and result.error is None:
            result = replace(result, error=mistake)  # it came before the decision
        if place == end.first:
            return result
        # Asked twice, or by id and by name: the first result carries what was done.
        return replace(result, request=request, outcome="in_progress" if result.changed else result.outcome)

    # -- batches -------------------------------------------------------------------------------------------

    def _batches(self) -> t.Iterator[list[Attempt]]:
        """Look up some devices after the other, and decide; what comes out is to be sent."""
        while self._left:
            if not self._caller():
                self._dispatch.heed(AbandonedError())
            barred = self._dispatch.barred
            if barred is not None:
                self._fail(self._left, barred)
                return
            room = self._dispatch.room(reads=2, posts=not self._order.check_mode)
            places = [self._left.popleft() for _place in range(min(room, len(self._left)))]
            try:
                new = self._look_up(places)
            except MdeError as error:
                self._note(error)
                self._fail(places, error)
            else:
                yield [attempt for case in self._decide_all(new) if (attempt := case.attempt) is not None]

    def _look_up(self, places: t.Sequence[int]) -> list[_Case]:
        """Find the machines; the cases that are new in this run come back."""
        requests = [self._order.requests[place] for place in places]
        findings = find_machines(
            self._client, requests, match_short_names=self._order.match_short_names, force=self._order.force
        )
        new = []
        for place, request, finding in zip(places, requests, findings, strict=True):
            for warning in finding.warnings:
                self._warn(warning)
            machine = finding.machine
            if machine is None:
                self._ends[place] = self._without_machine(request, finding)
                continue
            case = self._cases.get(machine.id)
            if case is None:
                case = _Case(place, machine, DeviceResult(request, "error", machine))
                self._cases[machine.id] = case
                new.append(case)
            self._ends[place] = case
        return new

    def _without_machine(self, request: DeviceRequest, finding: Finding) -> DeviceResult:
        accepted = finding.outcome == "not_found" and self._order.missing_ok and not finding.near_miss
        if finding.error is not None:
            add_hint_for_403(finding.error, READ, self._claims())
        return DeviceResult(
            request,
            finding.outcome or "error",
            candidates=finding.candidates,
            error=None if accepted else finding.error,
        )

    def _decide_all(self, cases: t.Sequence[_Case]) -> t.Sequence[_Case]:
        """Read the actions of these devices, and decide each; a mistake of ours over one loses no other."""
        try:
            known = self._client.get_offboard_actions([case.machine.id for case in cases])
        except MdeError as error:
            self._note(error)
            known = {case.machine.id: error for case in cases}
        for case in cases:
            try:
                self._decide(case, known[case.machine.id])
            except Exception as error:
                case.decided = replace(case.decided, outcome="error", error=InternalError(error))
        return cases

    def _fail(self, places: t.Iterable[int], error: MdeError) -> None:
        for place in places:
            self._ends[place] = DeviceResult(self._order.requests[place], "error", error=error)

    def _warn(self, line: str) -> None:
        if line not in self._told:
            self._told.add(line)
            self._tell(line)

    def _note(self, error: MdeError) -> None:
        add_hint_for_403(error, READ, self._claims())
        self._dispatch.heed(error)

    # -- one device ----------------------------------------------------------------------------------------

    def _decide(self, case: _Case, snapshot: ActionSnapshot | MdeError) -> None:
        """Settle what becomes of a device; where that is an offboard, the case gets its attempt."""
        if isinstance(snapshot, MdeError):
            case.decided = replace(case.decided, error=snapshot)
            return
        machine, force = case.machine, self._order.force
        decision = decide(machine, snapshot.actions, self._client.session.now(), force=force)
        if decision.warning:
            self._warn(decision.warning)
        action = decision.action.record if decision.action else None
        case.decided = replace(case.decided, outcome=decision.outcome, action=action)
        if decision.outcome != "submitted":
            return
        if machine.os_platform and not machine.os_platform.lower().startswith("windows"):
            self._warn(
                f"{machine.name or machine.id} runs {machine.os_platform}: the service may refuse to offboard it."
            )
        comment = case.decided.request.comment or ""
        if self._order.check_mode:
            case.decided = self._predict(case.decided, machine, comment)
        else:
            case.attempt = Attempt(self._client, machine, comment, snapshot, force=force, caller=self._caller)

    def _predict(self, result: DeviceResult, machine: Machine, comment: str) -> DeviceResult:
        """What the POST would bring, as far as the token lets us know."""
        claims = self._claims()
        if claims is None:
            self._warn("The token cannot be read, so check mode cannot tell whether it may offboard.")
        if lacks_permission(claims, OFFBOARD):
            return replace(result, outcome="refused", error=predicted_refusal(claims, OFFBOARD))
        return replace(result, action=predicted_offboard(machine, comment, claims.client_id if claims else None))

    # -- waiting -------------------------------------------------------------------------------------------

    def _wait(self, results: t.Sequence[DeviceResult], options: WaitOptions) -> list[DeviceResult]:
        """Wait for what was submitted or is under way; the outcome stays, the action and the error follow."""
        pending = {
            comparable(action.id): action
            for result in results
            if result.error is None and result.outcome in ("submitted", "in_progress")
            if (action := MachineAction.from_json(result.action)) is not None
        }
        waited = {comparable(w.action.id): w for w in wait_for(self._client, list(pending.values()), options)}
        return [_with_end(result, waited) for result in results]


def _with_end(result: DeviceResult, waited: t.Mapping[str, Waited]) -> DeviceResult:
    if result.error is not None or result.outcome not in ("submitted", "in_progress"):
        return result
    action = MachineAction.from_json(result.action)
    if action is None:  # the service said so, and its lists did not show it: that is no end
        return replace(result, error=unseen(result.name))
    end = waited[comparable(action.id)]
    return replace(result, action=end.action.record, error=end.error)
