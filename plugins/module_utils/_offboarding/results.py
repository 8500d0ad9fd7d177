# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What an offboarding returns: the same keys in every outcome, in check mode and on failure."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._api.models import Machine, MachineAction
from .._options.identifiers import DeviceRequest
from .._results import DeviceEntry, DeviceResults, count_outcomes, difference

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
class DeviceResult(DeviceEntry):
    """What became of one device."""

    request: DeviceRequest
    outcome: str
    machine: Machine | None = None
    action: t.Mapping[str, t.Any] | None = None
    candidates: tuple[Machine, ...] = ()
    external_id: str | None = None
    """The ExternalId of the last request."""

    @property
    def changed(self) -> bool:
        return self.outcome == "submitted"

    @property
    def is_pending(self) -> bool:
        """Whether an offboard is under way, so that there is an end to wait for."""
        return self.error is None and self.outcome in ("submitted", "in_progress")

    @property
    def device_id(self) -> str | None:
        return self.machine.id if self.machine else None

    @property
    def name(self) -> str:
        return (self.machine.name or self.machine.id) if self.machine else self.request.display_name

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "requested": self.request.as_dict(),
            "device_id": self.device_id,
            "device_name": self.machine.name if self.machine else None,
            "outcome": self.outcome,
            **super().as_dict(),
            "action": self.action,
            "external_id": self.external_id,
            "machine": self.machine.record if self.machine else None,
            "candidates": [candidate.as_candidate() for candidate in self.candidates],
        }

    def difference(self) -> dict[str, t.Any]:
        name = self.machine.name if self.machine else None
        action = {key: (self.action or {}).get(key) for key in ("status", "requestorComment")}
        return difference(
            self.device_id, {"device": name, "offboard_action": None}, {"device": name, "offboard_action": action}
        )

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
class OffboardResult(DeviceResults[DeviceResult]):
    """The whole run."""

    is_single: bool = True
    """Whether one device was asked for, whose action then stands at the top too."""
    predicted: bool = False

    def as_dict(self) -> dict[str, t.Any]:
        return {**super().as_dict(), "action": self.devices[0].action if self.is_single and self.devices else None}

    def message(self) -> str:
        if self.failure is None and len(self.devices) == 1:
            return self.devices[0].summary_line(predicted=self.predicted)
        return super().message()

    def success_message(self) -> str:
        counts = count_outcomes((device.outcome for device in self.devices), OUTCOMES)
        return ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count) or "No devices were given."

    def summary(self) -> dict[str, int]:
        return {**count_outcomes((device.outcome for device in self.devices), OUTCOMES), **super().summary()}
