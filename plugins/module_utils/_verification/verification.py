# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Looking back at offboards: what the actions and the records of devices say now."""

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
    """The verdict, and the action that speaks for it. ``actions`` are the Offboard actions of one device in any order.

    What is under way counts first. Then a success whose device has not come back since, whatever was tried later; then
    the newest action. A record that has aged out cannot have come back.
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
    "done": "offboarded, and not seen since",
    "came_back": "it reported again after the offboard",
    "pending": "the offboard is still under way",
    "failed": "the offboard failed",
    "timed_out": "the offboard timed out, as the device was not online",
    "cancelled": "the offboard was cancelled",
    "no_action": "there is no offboard",
    "error": "it could not be read",
}


@dataclass(frozen=True)
class DeviceVerification(DeviceEntry):
    """What became of one device. It failed exactly when it could not be read."""

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
    """The whole look back, in the order asked, and why an earlier run had offboarded them."""

    comment: str | None = None

    @property
    def error(self) -> MdeError | None:
        return next(iter(self.errors()), None)

    def as_dict(self) -> dict[str, t.Any]:
        return {**super().as_dict(), "comment": self.comment}

    def success_message(self) -> str:
        if len(self.devices) == 1:
            return f"{self.devices[0].name}: {_OUTCOME_PHRASES[self.devices[0].outcome]}"
        counts = count_outcomes((device.outcome for device in self.devices), VERIFY_OUTCOMES)
        return (
            ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "No offboards were named."
        )

    def summary(self) -> dict[str, int]:
        counts = count_outcomes((device.outcome for device in self.devices), VERIFY_OUTCOMES)
        return {**counts, "total": len(self.devices)}


class Verifier:
    """Reads what there is to know and judges it."""

    def __init__(self, client: MdeClient, warn: t.Callable[[str], None]) -> None:
        self._client = client
        self._warn = warn

    def run(self, request: VerificationRequest) -> list[DeviceVerification]:
        """A verdict on each subject, in their order.

        Raises MdeError when a read fails for all, or when they are of another tenant.
        """
        for warning in request.warnings:
            self._warn(warning)
        devices = self._run(request.targets)
        claims = self._client.session.claims
        request.check_tenant(claims.tenant_id if claims else None)
        return devices

    def _run(self, targets: t.Sequence[Target]) -> list[DeviceVerification]:
        action_ids = list(dict.fromkeys(target.action_id for target in targets if target.action_id))
        listed = self._client.actions_by_id(action_ids).records
        named_actions = {comparable(action.id): action for action in self._client.with_missing(action_ids, listed)}
        complete = [self._with_device(target, named_actions) for target in targets]
        ids = case_variants(dict.fromkeys(target.device_id for target in complete if target.device_id))
        snapshot = self._client.get_offboard_actions(ids)
        machines = self._client.machines_by_id(ids)
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
        """The verdict on one device. Only an Offboard on that very device speaks for it."""
        asked = target.device_id or ""
        records = meant([asked], machines)
        machine = records[0] if len(records) == 1 else None
        device_id = machine.id if machine else _spelled_as_known(asked, snapshot)
        actions = snapshot.get(device_id)
        if isinstance(actions, MdeError):
            return DeviceVerification(target, "error", error=actions)
        every = {comparable(action.id): action for action in (actions.actions if actions else ())}
        own = named_actions.get(comparable(target.action_id or ""))
        stray = own if own is not None and own.machine_id != device_id else None
        if own is not None and own.is_offboard_of(device_id):
            every.setdefault(comparable(own.id), own)
        outcome, action = assess(every.values(), machine)
        if stray is not None:
            wrong = _wrong_device(target, stray)
            if outcome == "no_action":
                return DeviceVerification(target, "error", machine=machine, error=wrong)
            self._warn(wrong.message)
        if outcome == "done" and machine is None and device_id:
            # Only a record that is there can tell of a return: its absence is believed after a second, different read.
            try:
                machine = self._client.get_machine(device_id)
            except ApiError as error:
                if not error.concerns_one_record:
                    raise
                return DeviceVerification(target, "error", action, error=error)
            outcome, action = assess(every.values(), machine)
        return DeviceVerification(target, outcome, action, machine)


def _spelled_as_known(device_id: str, snapshot: t.Mapping[str, ActionSnapshot | MdeError]) -> str:
    """The ID of a device without a record: in the case in which it has actions, else as asked."""
    for spelling in (device_id, device_id.lower()):
        actions = snapshot.get(spelling)
        if isinstance(actions, ActionSnapshot) and actions.actions:
            return spelling
    return device_id


def _wrong_device(target: Target, action: MachineAction) -> DeviceError:
    return DeviceError(
        f"{target.device_name or target.device_id}: action {action.id} is on device {action.machine_id} "
        f"({action.device_name or 'without a name'}), and not on {target.device_id}. It proves nothing for this device.",
        code="wrong_device",
        hint="Look at both devices in the portal, then offboard this one again: the module looks first.",
    )
