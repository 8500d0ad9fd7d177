# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Assesses the offboard actions of devices, days after a run. Pure rules, and the reads that they need."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from .._api.client import ActionSnapshot, MdeClient
from .._api.models import Machine, MachineAction, case_variants, meant, newest_first
from .._errors import ApiError, DeviceError, MdeError
from .._evidence_format import VERIFY_OUTCOMES
from .._offboarding.decision import came_back
from .._options.identifiers import DeviceRequest
from .._results import DeviceEntry, DeviceResults, count_outcomes
from .._same import comparable
from .targets import Target, VerificationRequest

_ENDS: t.Final = {"failed": "failed", "timeout": "timed_out", "cancelled": "cancelled"}


def assess(actions: t.Iterable[MachineAction], machine: Machine | None) -> tuple[str, MachineAction | None]:
    """The outcome, and the action that determines it. ``actions`` are the offboard actions of one device in any order.

    An action in progress takes precedence, then a success after which the device has not reported again, then the newest
    action. A device whose record has expired (None) has not reported again.
    """
    history = newest_first(actions)
    if not history:
        return "no_action", None
    active = next((action for action in history if not action.is_final), None)
    if active:
        return "pending", active
    success = next((action for action in history if action.normalized_status == "succeeded"), None)
    if success and not (machine and machine.onboarded and came_back(machine, success)):
        return "done", success
    newest = history[0]
    return ("came_back", newest) if newest is success else (_ENDS[newest.normalized_status], newest)


_OUTCOME_PHRASES: t.Final[t.Mapping[str, str]] = {
    "done": "offboarded, and has not come back",
    "came_back": "offboarded, but has come back",
    "pending": "the offboard action has not ended",
    "failed": "the offboard action failed",
    "timed_out": "the offboard action timed out, because the device was offline",
    "cancelled": "the offboard action was cancelled",
    "no_action": "no offboard action",
    "error": "the outcome cannot be read",
}


@dataclass(frozen=True)
class DeviceVerification(DeviceEntry):
    """Outcome of one device, see ``VERIFY_OUTCOMES``."""

    target: Target
    outcome: str
    action: MachineAction | None = None
    machine: Machine | None = None

    @property
    def name(self) -> str:
        known = self.machine.name if self.machine else self.action.device_name if self.action else None
        return known or self.target.device_name or self.target.device_id or self.target.action_id or "?"

    def as_dict(self) -> dict[str, t.Any]:
        requested = self.target
        return {
            "requested": dict(requested.requested) or {**DeviceRequest().as_dict(), "device_id": requested.device_id},
            "host": requested.host,
            "device_id": requested.device_id,
            "device_name": self.machine.name if self.machine else requested.device_name,
            "outcome": self.outcome,
            **super().as_dict(),
            "action": self.action.record if self.action else None,
            "machine": self.machine.record if self.machine else None,
            "candidates": [],
        }


@dataclass(frozen=True)
class VerificationResult(DeviceResults[DeviceVerification]):
    """Outcomes in the order requested."""

    comment: str | None = None
    """The comment of the earlier run."""
    evidence_is_prediction: bool = False
    """Whether the evidence of the earlier run is of check mode."""

    @property
    def error(self) -> MdeError | None:
        return next(iter(self.errors()), None)

    def as_dict(self) -> dict[str, t.Any]:
        return {**super().as_dict(), "comment": self.comment, "evidence_is_prediction": self.evidence_is_prediction}

    def success_message(self) -> str:
        if len(self.devices) == 1:
            return f"{self.devices[0].name}: {_OUTCOME_PHRASES[self.devices[0].outcome]}"
        counts = self._counts()
        return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "Nothing to verify."

    def summary(self) -> dict[str, int]:
        return {**self._counts(), "total": len(self.devices)}

    def _counts(self) -> dict[str, int]:
        return count_outcomes((device.outcome for device in self.devices), VERIFY_OUTCOMES)


class Verifier:
    """Reads actions and machines, and assesses them."""

    def __init__(self, client: MdeClient, warn: t.Callable[[str], None]) -> None:
        self._client = client
        self._warn = warn

    def run(self, request: VerificationRequest) -> VerificationResult:
        """The outcome of each target, in their order. Raises MdeError if a read fails, or for another tenant."""
        for warning in request.warnings:
            self._warn(warning)
        devices = self._run(request.targets)
        claims = self._client.session.claims
        request.check_tenant(claims.tenant_id if claims else None)
        return VerificationResult(
            devices=tuple(devices), comment=request.comment, evidence_is_prediction=request.prediction
        )

    def _run(self, targets: t.Sequence[Target]) -> list[DeviceVerification]:
        action_ids = list(dict.fromkeys(target.action_id for target in targets if target.action_id))
        listed = self._client.actions_by_id(action_ids).records
        named_actions = {comparable(action.id): action for action in self._client.with_missing(action_ids, listed)}
        complete = [self._with_device(target, named_actions) for target in targets]
        ids = case_variants(dict.fromkeys(target.device_id for target in complete if target.device_id))
        snapshot = self._client.get_offboard_actions(ids)
        machines = self._client.machines_by_id(ids)
        # Actions have the service's spelling of an ID, which may differ in case from the requested one.
        snapshot.update(
            self._client.get_offboard_actions([machine.id for machine in machines if machine.id not in snapshot])
        )
        return [self._assess(target, snapshot, named_actions, machines) for target in complete]

    @staticmethod
    def _with_device(target: Target, named_actions: t.Mapping[str, MachineAction]) -> Target:
        action = named_actions.get(comparable(target.action_id or ""))
        if action is None or target.device_id:
            return target
        return replace(target, device_id=action.machine_id, device_name=target.device_name or action.device_name)

    def _assess(
        self,
        target: Target,
        snapshot: t.Mapping[str, ActionSnapshot | MdeError],
        named_actions: t.Mapping[str, MachineAction],
        machines: t.Sequence[Machine],
    ) -> DeviceVerification:
        """The outcome of one device. Only an offboard action on the device itself counts."""
        requested_id = target.device_id or ""
        records = meant([requested_id], machines)
        machine = records[0] if len(records) == 1 else None
        device_id = machine.id if machine else _spelling_with_actions(requested_id, snapshot)
        listed = snapshot.get(device_id)
        if isinstance(listed, MdeError):
            return DeviceVerification(target, "error", error=listed)
        actions = {comparable(action.id): action for action in (listed.actions if listed else ())}
        named = named_actions.get(comparable(target.action_id or ""))
        conflict: DeviceError | None = None
        if named is not None and named.is_offboard_of(device_id):
            actions.setdefault(comparable(named.id), named)
        elif named is not None:
            actions.pop(comparable(named.id), None)
            conflict = _conflict(target, named, device_id)
        outcome, action = assess(actions.values(), machine)
        if conflict and outcome == "no_action":
            return DeviceVerification(target, "error", machine=machine, error=conflict)
        if conflict:
            self._warn(conflict.message)
        if outcome == "done" and machine is None and device_id:
            # Only a record can show that the device has reported again, so its absence is confirmed by a second read.
            try:
                machine = self._client.get_machine(device_id)
            except ApiError as error:
                if not error.concerns_one_record:
                    raise
                return DeviceVerification(target, "error", action, error=error)
            outcome, action = assess(actions.values(), machine)
        return DeviceVerification(target, outcome, action, machine)


def _spelling_with_actions(device_id: str, snapshot: t.Mapping[str, ActionSnapshot | MdeError]) -> str:
    """The ID of a device without a record: in the case in which it has actions, else as requested."""
    for spelling in (device_id, device_id.lower()):
        actions = snapshot.get(spelling)
        if isinstance(actions, ActionSnapshot) and actions.actions:
            return spelling
    return device_id


def _conflict(target: Target, action: MachineAction, device_id: str) -> DeviceError:
    """Why the named action proves nothing for the device: it is on another device, or it is not an offboard action."""
    name = target.device_name or target.device_id
    if action.machine_id == device_id:
        return DeviceError(
            f"{name}: action {action.id} is of type {action.type}, not Offboard. It proves nothing for this device.",
            code="wrong_action",
            hint="Use action.id from the result of mde_offboard, or the device ID.",
        )
    return DeviceError(
        f"{name}: action {action.id} is on device {action.machine_id} ({action.device_name or 'without a name'}), not on "
        f"{target.device_id}. It proves nothing for this device.",
        code="wrong_device",
        hint="Check both devices in the portal, then run mde_offboard for this device again. The module checks first.",
    )
