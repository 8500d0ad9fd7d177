# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Look up and decide, batch by batch, just before the offboards are sent; yields submissions."""

from __future__ import annotations

import typing as t
from collections import deque
from dataclasses import dataclass, replace

from .._api.client import ActionSnapshot, MdeClient
from .._api.models import Machine, predicted_offboard
from .._auth.permissions import OFFBOARD, predicted_refusal
from .._errors import InternalError, MdeError
from .._options.identifiers import DeviceRequest
from .availability import AvailabilityCheck, may_be_refused, runs_other_than_windows
from .decision import decide
from .external_id import ExternalIds
from .lookup import find_machines
from .matching import Resolution
from .parameters import OffboardParameters
from .parent_run import AbandonedError, Caller
from .results import DeviceResult
from .run_control import RunControl
from .submission import Submission


@dataclass
class DevicePlan:
    """A device of the run. Several requests may name it."""

    first_index: int
    """Index of the first request that names it. The result of that request has the outcome."""
    machine: Machine
    planned_result: DeviceResult
    submission: Submission | None = None

    def result(self) -> DeviceResult:
        if self.submission is None:
            return self.planned_result
        result = self.submission.result
        if result is None:  # must not count as an offboard
            return replace(self.planned_result, outcome="error", error=InternalError(RuntimeError("it was not sent")))
        action = result.action.record if result.action else None
        return replace(
            self.planned_result,
            outcome=result.outcome,
            action=action,
            error=result.error,
            external_id=self.submission.sent_external_id,
        )


class Planner:
    """Plans the requested devices. Used by one thread at a time."""

    def __init__(
        self,
        parameters: OffboardParameters,
        client: MdeClient,
        control: RunControl,
        external_ids: ExternalIds,
        *,
        warn: t.Callable[[str], None],
        caller: Caller,
    ) -> None:
        """``warn`` shows a line to the user."""
        self.planned: dict[int, DevicePlan | DeviceResult] = {}
        """The plan of each request, by index; a result if it has no device."""
        self._caller = caller
        self._client = client
        self._control = control
        self._availability = AvailabilityCheck(client)
        self._external_ids = external_ids
        self._parameters = parameters
        self._plans: dict[str, DevicePlan] = {}
        self._remaining = deque(range(len(parameters.requests)))
        """Indexes of the requests that have not been looked up."""
        self._warn_user = warn
        self._warned: set[str] = set()

    def batches(self) -> t.Iterator[list[Submission]]:
        """Look up and decide; yield the submissions of each batch."""
        while self._remaining:
            if not self._caller():
                self._control.stop_if_fatal(AbandonedError())
            stopped_by = self._control.stopped_by
            if stopped_by is not None:
                self._fail(self._remaining, stopped_by)
                return
            size = self._control.next_batch_size(reads=2, posts=not self._parameters.check_mode)
            indexes = [self._remaining.popleft() for _index in range(min(size, len(self._remaining)))]
            try:
                new = self._look_up(indexes)
            except MdeError as error:
                self._control.stop_if_fatal(error)
                self._fail(indexes, error)
            else:
                self._decide_batch(new)
                yield [plan.submission for plan in new if plan.submission is not None]

    def _look_up(self, indexes: t.Sequence[int]) -> list[DevicePlan]:
        """Find the machines. Returns the plans that are new in this run."""
        requests = [self._parameters.requests[index] for index in indexes]
        resolutions = find_machines(
            self._client, requests, match_short_names=self._parameters.match_short_names, force=self._parameters.force
        )
        new = []
        for index, request, resolution in zip(indexes, requests, resolutions, strict=True):
            for warning in resolution.warnings:
                self._warn(warning)
            machine = resolution.machine
            if machine is None:
                self.planned[index] = self._unresolved_result(request, resolution)
                continue
            plan = self._plans.get(machine.id)
            if plan is None:
                plan = DevicePlan(index, machine, DeviceResult(request, "error", machine))
                self._plans[machine.id] = plan
                new.append(plan)
            self.planned[index] = plan
        return new

    def _unresolved_result(self, request: DeviceRequest, resolution: Resolution) -> DeviceResult:
        accepted = resolution.outcome == "not_found" and self._parameters.missing_ok and not resolution.near_miss
        return DeviceResult(
            request,
            resolution.outcome or "error",
            candidates=resolution.candidates,
            error=None if accepted else resolution.error,
        )

    def _decide_batch(self, plans: t.Sequence[DevicePlan]) -> None:
        """Read the actions of these devices and decide each. A bug that one device triggers affects no other."""
        try:
            snapshots = self._client.get_offboard_actions([plan.machine.id for plan in plans])
        except MdeError as error:
            self._control.stop_if_fatal(error)
            snapshots = {plan.machine.id: error for plan in plans}
        for plan in plans:
            try:
                self._decide(plan, snapshots[plan.machine.id])
            except Exception as error:
                plan.planned_result = replace(plan.planned_result, outcome="error", error=InternalError(error))

    def _fail(self, indexes: t.Iterable[int], error: MdeError) -> None:
        for index in indexes:
            self.planned[index] = DeviceResult(self._parameters.requests[index], "error", error=error)

    def _warn(self, line: str) -> None:
        if line not in self._warned:
            self._warned.add(line)
            self._warn_user(line)

    def _decide(self, plan: DevicePlan, snapshot: ActionSnapshot | MdeError) -> None:
        """Decide for one device. If it is to be offboarded, the plan gets a submission."""
        if isinstance(snapshot, MdeError):
            plan.planned_result = replace(plan.planned_result, error=snapshot)
            return
        machine, force = plan.machine, self._parameters.force
        decision = decide(machine, snapshot.actions, self._client.session.now(), force=force)
        if decision.warning:
            self._warn(decision.warning)
        action = decision.action.record if decision.action else None
        plan.planned_result = replace(plan.planned_result, outcome=decision.outcome, action=action)
        if decision.outcome != "submitted":
            return
        comment = plan.planned_result.request.comment or ""
        if self._parameters.check_mode:
            plan.planned_result = self._predict(plan.planned_result, machine, comment)
            return
        if runs_other_than_windows(machine):
            self._warn(may_be_refused(machine))
        plan.submission = Submission(
            self._client,
            machine,
            comment,
            snapshot,
            external_ids=self._external_ids,
            force=force,
            caller=self._caller,
            warn=self._warn,
        )

    def _predict(self, result: DeviceResult, machine: Machine, comment: str) -> DeviceResult:
        """The expected result of the POST, as far as token and service show it."""
        claims = self._client.session.claims
        refusal = predicted_refusal(claims, OFFBOARD, "offboard", self._warn)
        if refusal is None and runs_other_than_windows(machine):
            refusal = self._availability.predicted_refusal(machine, self._warn)
        if refusal is not None:
            return replace(result, outcome="refused", error=refusal)
        return replace(result, action=predicted_offboard(machine, comment, claims.client_id if claims else None))
