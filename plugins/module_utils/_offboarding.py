# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The run: look up, decide, submit or predict, wait, report. Written for many devices, used for one as well."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass, replace

from ._client import Client
from ._decision import decide
from ._errors import ApiError, InternalError, MdeError
from ._lookup import Finding, find_machines
from ._models import Machine, MachineAction, predicted_offboard
from ._options import insist_on_positive
from ._report import DeviceResult
from ._requested import DeviceRequest
from ._submission import submit
from ._token import Claims
from ._waiting import WaitOptions, wait_for

TO_OFFBOARD: t.Final = "Machine.Offboard"
TO_READ: t.Final = "Machine.Read.All"


@dataclass(frozen=True)
class Order:
    """What was asked for."""

    requests: tuple[DeviceRequest, ...]
    force: bool = False
    match_short_names: bool = False
    missing_ok: bool = False
    wait: WaitOptions | None = None
    check_mode: bool = False

    @classmethod
    def from_options(cls, params: t.Mapping[str, t.Any], *, check_mode: bool) -> Order:
        """The order that a module's options give; raises OptionError for what cannot be meant."""
        insist_on_positive(params, "wait_timeout", "wait_sleep")
        request = DeviceRequest.from_options(
            params["device_id"], params["device_name"], params["aad_device_id"], params["comment"]
        )
        return cls(
            requests=(request,),
            force=params["force"],
            match_short_names=params["match_short_names"],
            missing_ok=params["missing_ok"],
            wait=WaitOptions(params["wait_timeout"], params["wait_sleep"]) if params["wait"] else None,
            check_mode=check_mode,
        )


class Offboarding:
    """One run over a list of devices. Nothing that the service does makes it raise: each device has its result."""

    def __init__(self, client: Client, claims: t.Callable[[], Claims | None], warn: t.Callable[[str], None]) -> None:
        """``claims`` tells what the token says of itself, once there is one; ``warn`` takes a line for people."""
        self._client = client
        self._claims = claims
        self._warn = warn

    def run(self, order: Order) -> list[DeviceResult]:
        """The results, one for each request, in their order."""
        try:
            findings = self._find(order)
            actions = self._actions(findings)
        except MdeError as error:
            self._explain(error, TO_READ)
            return [DeviceResult(request, "error", error=error) for request in order.requests]
        results: list[DeviceResult] = []
        handled: dict[str, DeviceResult] = {}
        for request, finding in zip(order.requests, findings, strict=True):
            try:
                result = self._settle(order, request, finding, actions, handled)
            except Exception as error:  # the last resort: a mistake of ours must not lose what was done for others
                result = DeviceResult(request, "error", finding.machine, error=InternalError(error))
            if result.device_id is not None:
                handled.setdefault(result.device_id.lower(), result)
            results.append(result)
        if order.wait is not None and not order.check_mode:
            return self._wait(results, order.wait)
        return results

    # -- reading -------------------------------------------------------------------------------------------

    def _find(self, order: Order) -> list[Finding]:
        return find_machines(self._client, order.requests, match_short_names=order.match_short_names, force=order.force)

    def _actions(self, findings: t.Sequence[Finding]) -> dict[str, list[MachineAction]]:
        """The Offboard actions of all that were found, by machine id in lower case."""
        ids = list(dict.fromkeys(finding.machine.id for finding in findings if finding.machine))
        by_machine: dict[str, list[MachineAction]] = defaultdict(list)
        if ids:
            for action in self._client.offboard_actions(ids):
                by_machine[action.machine_id.lower()].append(action)
        return by_machine

    # -- one device ----------------------------------------------------------------------------------------

    def _settle(
        self,
        order: Order,
        request: DeviceRequest,
        finding: Finding,
        actions: t.Mapping[str, list[MachineAction]],
        handled: t.Mapping[str, DeviceResult],
    ) -> DeviceResult:
        machine = finding.machine
        if machine is None:
            accepted = finding.outcome == "not_found" and order.missing_ok
            return DeviceResult(
                request,
                finding.outcome or "error",
                candidates=finding.candidates,
                error=None if accepted else finding.error,
            )
        for warning in finding.warnings:
            self._warn(warning)
        twin = handled.get(machine.id.lower())
        if twin is not None:  # asked twice, or by id and by name: the first result carries what was done
            return replace(twin, request=request, outcome="in_progress" if twin.changed else twin.outcome)
        known = actions.get(machine.id.lower(), [])
        decision = decide(machine, known, self._client.exchange.now(), force=order.force)
        if decision.warning:
            self._warn(decision.warning)
        result = DeviceResult(request, decision.outcome, machine, decision.action.record if decision.action else None)
        if decision.outcome != "submitted":
            return result
        if machine.os_platform and not machine.os_platform.lower().startswith("windows"):
            self._warn(
                f"{machine.name or machine.id} runs {machine.os_platform}: the service may refuse to offboard it."
            )
        return self._predict(result, machine) if order.check_mode else self._submit(result, machine, known, order.force)

    def _submit(
        self, result: DeviceResult, machine: Machine, known: t.Sequence[MachineAction], force: bool
    ) -> DeviceResult:
        done = submit(self._client, machine, known, result.request.comment or "", force=force)
        if done.error is not None:
            self._explain(done.error, TO_OFFBOARD)
        return replace(
            result, outcome=done.outcome, action=done.action.record if done.action else None, error=done.error
        )

    def _predict(self, result: DeviceResult, machine: Machine) -> DeviceResult:
        """What the POST would bring, as far as the token lets us know."""
        claims = self._claims()
        if claims is None:
            self._warn("The token cannot be read, so check mode cannot tell whether it may offboard.")
        elif TO_OFFBOARD not in claims.permissions:
            error = MdeError(
                f"The application lacks the permission {TO_OFFBOARD}; {_held(claims)}.",
                code="permission_missing",
                hint=f"Grant it {TO_OFFBOARD}, with admin consent: a real run would be refused.",
            )
            return replace(result, outcome="refused", error=error)
        client_id = claims.client_id if claims else None
        return replace(result, action=predicted_offboard(machine, result.request.comment or "", client_id))

    def _explain(self, error: MdeError, permission: str) -> None:
        """Say of a 403 what the token holds: the service does not always do so."""
        claims = self._claims()
        if not isinstance(error, ApiError) or error.code != "permission_missing" or claims is None:
            return
        if permission in claims.permissions:
            error.hint = (
                f"The token holds {permission}, so the refusal has another cause: the device group of a user's "
                "token, or a proxy in between."
            )
        else:
            error.hint = f"{permission} is needed; {_held(claims)}. {error.hint or ''}".strip()

    # -- waiting -------------------------------------------------------------------------------------------

    def _wait(self, results: t.Sequence[DeviceResult], options: WaitOptions) -> list[DeviceResult]:
        """Wait for what was submitted or is under way; the outcome stays, the action and the error follow."""
        pending = {
            action.id.lower(): action
            for result in results
            if result.error is None and result.outcome in ("submitted", "in_progress")
            if (action := MachineAction.from_json(result.action)) is not None
        }
        waited = {w.action.id.lower(): w for w in wait_for(self._client, list(pending.values()), options)}
        return [_with_end(result, waited) for result in results]


def _with_end(result: DeviceResult, waited: t.Mapping[str, t.Any]) -> DeviceResult:
    action = MachineAction.from_json(result.action)
    end = waited.get(action.id.lower()) if action else None
    if end is None or result.error is not None or result.outcome not in ("submitted", "in_progress"):
        return result
    return replace(result, action=end.action.record, error=end.error)


def _held(claims: Claims) -> str:
    held = ", ".join(sorted(claims.permissions))
    return f"the token holds {held}" if held else "the token holds none"
