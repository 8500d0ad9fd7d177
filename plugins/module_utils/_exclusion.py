# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Excludes devices from vulnerability management, or includes them again: changes only what differs.

A change can take hours to show in the record (Microsoft Learn, "Exclude devices": up to 10 hours). The response of the
service is therefore the confirmation, and not a read after it.
"""

from __future__ import annotations

import typing as t

from ._api.client import MdeClient
from ._api.models import Machine
from ._auth.permissions import EXCLUDE
from ._device_changes import DEVICE_OPTIONS, MAX_SINGLE_REFUSALS, DeviceChange, DeviceChanger, State
from ._errors import ApiError, MdeError
from ._options.argument_spec import Spec
from ._options.values import EXCLUSION_REASONS
from ._same import equal_ignoring_case

EXCLUSION_OPTIONS: t.Final[Spec] = {
    **DEVICE_OPTIONS,
    "state": {"type": "str", "choices": ["excluded", "included"], "default": "excluded"},
    "reason": {"type": "str", "choices": list(EXCLUSION_REASONS), "default": "InactiveDevice"},
}
_UNDOCUMENTED: t.Final = (
    "Microsoft does not document this call, and its permission Machine.ReadWrite.All is assumed. If the application has "
    "the permission, the call may not be available to it: exclude or include the device in the Microsoft Defender portal."
)


class Excluder(DeviceChanger):
    """Excludes or includes devices."""

    permissions = EXCLUDE
    verb = "exclude devices"
    batch_size = 1

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        super().__init__(params)
        self._unclear_refusals = 0
        self._reason: str | None = params["reason"] if params["state"] == "excluded" else None

    def states(self, machine: Machine | None) -> tuple[State, State]:
        """A record that does not say whether the device is excluded differs from both states."""
        shown, shown_reason = (
            machine.record.get(key) if machine else None for key in ("isExcluded", "exclusionReason")
        )
        excluded = shown if isinstance(shown, bool) else None
        reason = shown_reason if excluded and isinstance(shown_reason, str) else None
        before = {"excluded": excluded, "reason": reason}
        same = excluded is (self._reason is not None) and (not excluded or equal_ignoring_case(reason, self._reason))
        if machine is None or same:
            return before, before
        return before, {"excluded": self._reason is not None, "reason": self._reason}

    def send(self, client: MdeClient, planned: t.Sequence[DeviceChange]) -> list[DeviceChange]:
        (device,) = planned
        now, wanted = self.states(client.set_exclusion(device.device_id, self._reason))
        if all(now[key] in (None, wanted[key]) for key in wanted):
            return [device]
        not_confirmed = MdeError(
            "The service accepted the exclusion change, but its response does not show it.",
            code="exclusion_not_confirmed",
            hint="A change can take up to 10 hours to show. Run the task again later. It changes only devices that differ.",
        )
        return [device.with_error(not_confirmed)]

    def explain(self, error: MdeError) -> MdeError:
        """For an error that can be about the call itself: what is not documented, and what to do instead."""
        if error.code not in ("permission_missing", "disallowed", "wrong_address"):
            return error
        missing = error.code == "wrong_address"  # but reads at the same URL have worked
        return error.restate(
            code="exclusion_unavailable" if missing else error.code,
            hint=_UNDOCUMENTED if missing or not error.hint else f"{error.hint} {_UNDOCUMENTED}",
        )

    def stops_run(self, error: MdeError) -> bool:
        """A 403 or an unknown 404 can be about the call as well as about the device: decided by several devices."""
        if error.fatal_for_run and error.http_status != 403:
            return True
        concerns_one = isinstance(error, ApiError) and (
            error.resource_not_found or (error.http_status == 400 and error.service_code is not None)
        )
        self._unclear_refusals += not concerns_one
        return not concerns_one and not self._any_accepted and self._unclear_refusals >= MAX_SINGLE_REFUSALS
