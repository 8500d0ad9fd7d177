# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""OffboardRun: plan, dispatch, wait, collect. The same for one device and for many."""

from __future__ import annotations

import random
import typing as t
from dataclasses import replace

from .._api.client import MdeClient
from .._api.models import MachineAction
from .._errors import InternalError
from .._same import comparable
from .dispatcher import Dispatcher
from .external_id import ExternalIds
from .parameters import OffboardParameters
from .parent_run import Caller, always
from .planner import Planner
from .results import DeviceResult
from .run_control import RunControl
from .wait import WaitOptions, WaitResult, no_visible_action_error, wait_for_actions
from .workers import WorkerPool


class OffboardRun:
    """One offboarding run. Never raises for errors of the service; each device has a result."""

    def __init__(
        self,
        parameters: OffboardParameters,
        client: MdeClient,
        pool: WorkerPool,
        *,
        warn: t.Callable[[str], None],
        caller: Caller = always,
        rng: random.Random | None = None,
    ) -> None:
        """``warn`` shows a line to the user; ``rng`` makes the external IDs."""
        self._parameters = parameters
        self._client = client
        control = RunControl(client)
        external_ids = ExternalIds(
            rng or random.SystemRandom(), parameters.external_id, enabled=parameters.send_external_id
        )
        self._planner = Planner(parameters, client, control, external_ids, warn=warn, caller=caller)
        self._dispatcher = Dispatcher(client, pool, control, external_ids)

    def run(self) -> list[DeviceResult]:
        """Return one result for each request, in their order."""
        internal_error: InternalError | None = None
        try:
            self._dispatcher.run(self._planner.batches())
        except Exception as error:  # the last resort: a bug here must not lose what was done
            internal_error = InternalError(error)
        results = [self._result(index, internal_error) for index in range(len(self._parameters.requests))]
        if self._parameters.wait is not None and not self._parameters.check_mode:
            return self._wait(results, self._parameters.wait)
        return results

    def _result(self, index: int, internal_error: InternalError | None) -> DeviceResult:
        request, planned = self._parameters.requests[index], self._planner.planned.get(index)
        if isinstance(planned, DeviceResult):
            return planned
        if planned is None:
            return DeviceResult(request, "error", error=internal_error)
        if internal_error is not None and planned.submission is not None and planned.submission.result is None:
            planned.submission.abandon(internal_error)
        result = planned.result()
        if internal_error is not None and result.outcome == "error" and result.error is None:
            result = replace(result, error=internal_error)  # raised before the decision
        if index == planned.first_index:
            return result
        # Requested twice, for example by ID and by name. The first result has the outcome.
        return replace(result, request=request, outcome="in_progress" if result.changed else result.outcome)

    def _wait(self, results: t.Sequence[DeviceResult], options: WaitOptions) -> list[DeviceResult]:
        """Wait for actions that are in progress. Updates action and error, not the outcome."""
        pending = {
            comparable(action.id): action
            for result in results
            if result.is_pending
            if (action := MachineAction.from_json(result.action)) is not None
        }
        waited = {comparable(w.action.id): w for w in wait_for_actions(self._client, list(pending.values()), options)}
        return [_with_wait_result(result, waited) for result in results]


def _with_wait_result(result: DeviceResult, waited: t.Mapping[str, WaitResult]) -> DeviceResult:
    if not result.is_pending:
        return result
    action = MachineAction.from_json(result.action)
    if action is None:  # the service reported one, but did not list it
        return replace(result, error=no_visible_action_error(result.name))
    wait_result = waited[comparable(action.id)]
    return replace(result, action=wait_result.action.record, error=wait_result.error)
