# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What an offboarding returns: the same keys in every outcome, in check mode and on failure."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass

from .._api.models import Machine, MachineAction
from .._errors import MdeError
from .._options.identifiers import DeviceRequest
from .._results import combine_errors

OUTCOMES: t.Final = (
    "submitted",
    "in_progress",
    "already_offboarded",
    "not_onboarded",
    "not_found",
    "ambiguous",
    "mismatch",
    "refused",
    "error",
)
_OUTCOME_PHRASES: t.Final[t.Mapping[str, str]] = {
    "submitted": "offboard submitted",
    "in_progress": "an offboard is already under way",
    "already_offboarded": "already offboarded",
    "not_onboarded": "not onboarded, nothing to do",
    "not_found": "not found, as allowed by missing_ok",
}


@dataclass(frozen=True)
class DeviceResult:
    """What became of one device. It failed exactly when it has an error."""

    request: DeviceRequest
    outcome: str
    machine: Machine | None = None
    action: t.Mapping[str, t.Any] | None = None
    candidates: tuple[Machine, ...] = ()
    error: MdeError | None = None

    @property
    def changed(self) -> bool:
        return self.outcome == "submitted"

    @property
    def device_id(self) -> str | None:
        return self.machine.id if self.machine else None

    @property
    def name(self) -> str:
        """How messages call this device."""
        return (self.machine.name or self.machine.id) if self.machine else self.request.display_name

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "requested": self.request.as_dict(),
            "device_id": self.device_id,
            "device_name": self.machine.name if self.machine else None,
            "outcome": self.outcome,
            "changed": self.changed,
            "failed": self.error is not None,
            "action": self.action,
            "machine": self.machine.record if self.machine else None,
            "candidates": [candidate.as_candidate() for candidate in self.candidates],
            "error": self.error.as_dict() if self.error else None,
        }

    def summary_line(self, *, predicted: bool) -> str:
        """One line for people."""
        name = self.name
        if self.error is not None:
            text = str(self.error)
            return text if name in text else f"{name}: {text}"
        phrase = (
            "would be offboarded" if predicted and self.changed else _OUTCOME_PHRASES.get(self.outcome, self.outcome)
        )
        action = MachineAction.from_json(self.action)
        return f"{name}: {phrase}" + (f" (action {action.id}, {action.status})" if action else "")


@dataclass(frozen=True)
class OffboardResult:
    """The whole run."""

    devices: tuple[DeviceResult, ...] = ()
    is_single: bool = True
    """Whether one device was asked for, whose action then stands at the top too."""
    predicted: bool = False
    failure: MdeError | None = None
    """What kept the run from its devices, if something did."""

    @property
    def changed(self) -> bool:
        return any(device.changed for device in self.devices)

    @property
    def error(self) -> MdeError | None:
        """The error of the run: its own, that of the one device that failed, or one for several."""
        failed = [(device.name, device.error) for device in self.devices if device.error is not None]
        return self.failure or combine_errors(failed, len(self.devices))

    def errors(self) -> list[MdeError]:
        """All of them, of the run and of its devices."""
        found = [self.failure, *(device.error for device in self.devices)]
        return [error for error in found if error is not None]

    def as_dict(self) -> dict[str, t.Any]:
        outcomes = Counter(device.outcome for device in self.devices)
        return {
            "changed": self.changed,
            "msg": self.message,
            "action": self.devices[0].action if self.is_single and self.devices else None,
            "devices": [device.as_dict() for device in self.devices],
            "summary": {
                **{outcome: outcomes[outcome] for outcome in OUTCOMES},
                "total": len(self.devices),
                "changed": sum(device.changed for device in self.devices),
                "failed": sum(device.error is not None for device in self.devices),
            },
        }

    @property
    def message(self) -> str:
        """One line for the person who reads the task's output."""
        if self.failure is not None:
            return str(self.failure)
        if len(self.devices) == 1:
            return self.devices[0].summary_line(predicted=self.predicted)
        if self.error is not None:
            return str(self.error)
        counted = Counter(device.outcome for device in self.devices)
        return ", ".join(f"{counted[o]} {o}" for o in OUTCOMES if counted[o]) or "No devices were given."

    def diff(self) -> list[dict[str, t.Any]]:
        """Before and after of each device that changes, as Ansible shows them."""
        return [
            {
                "before_header": device.device_id,
                "after_header": device.device_id,
                "before": {"device": _name(device), "offboard_action": None},
                "after": {"device": _name(device), "offboard_action": _action_summary(device.action)},
            }
            for device in self.devices
            if device.changed
        ]


def _name(device: DeviceResult) -> str | None:
    return device.machine.name if device.machine else None


def _action_summary(action: t.Mapping[str, t.Any] | None) -> dict[str, t.Any]:
    return {key: (action or {}).get(key) for key in ("status", "requestorComment")}
