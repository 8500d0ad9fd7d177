# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""In check mode, whether the service offers to offboard a device that does not run Windows."""

from __future__ import annotations

import re
import typing as t

from .._api.client import MdeClient
from .._api.models import Machine
from .._errors import ApiError, DeviceError, MdeError

# One call for each device; a list of other systems must not use up the quota.
_MAX_CHECKS: t.Final = 50
# Seconds for one read with its retries: the real run does not depend on it.
_TIME_LIMIT: t.Final = 60.0
_MAX_REASON: t.Final = 200
# Patterns of reasons, without spaces and digits. Temporary reasons are not about the platform or client.
_PASSING_REASONS: t.Final = "offline|pending|inprogress|notconnected|unreachable"
# Of a reason that lasts: pattern, error code, hint. The service's own codes of a refusal are ClientVersionNotSupported and
# OsPlatformNotSupported.
_LASTING_REASONS: t.Final = (
    (
        "client|agentversion|sensorversion",
        "client_version_not_supported",
        "Update the Defender agent on the device.",
    ),
    (
        "platform|operatingsystem|^os|(un|not)supportedos",
        "os_not_supported",
        "Offboard the device with the local script or the policy for its operating system.",
    ),
)


def runs_other_than_windows(machine: Machine) -> bool:
    """Whether the record names an operating system other than Windows."""
    return machine.os_platform is not None and not machine.os_platform.lower().startswith("windows")


def may_be_refused(machine: Machine) -> str:
    """The warning where only the offboard itself will show it."""
    return f"{machine.name or machine.id} runs {machine.os_platform}, which the service may refuse to offboard."


class AvailabilityCheck:
    """Asks which actions the service offers for a device. Used by one thread at a time."""

    def __init__(self, client: MdeClient) -> None:
        self._client = client
        self._remaining = _MAX_CHECKS

    def predicted_refusal(self, machine: Machine, warn: t.Callable[[str], None]) -> MdeError | None:
        """The error with which a real run would be refused, or None. ``warn`` shows a line to the user."""
        offer = self._offer(machine, warn) if self._remaining > 0 else {}
        available = offer.get("isAvailable")
        reason = str(offer.get("notSupportedReason") or "no reason given")[:_MAX_REASON]
        if available is False:
            letters = re.sub("[^a-z]", "", reason.lower())
            for pattern, code, hint in _LASTING_REASONS:
                if re.search(pattern, letters) and not re.search(_PASSING_REASONS, letters):
                    return DeviceError(
                        f"The service does not offer offboarding for {machine.name or machine.id} ({machine.os_platform}): "
                        f"{reason}.",
                        code=code,
                        hint=f"A real run would be refused. {hint}",
                    )
            warn(
                f"{machine.name or machine.id} runs {machine.os_platform}, and the service does not offer offboarding for it "
                f"now: {reason}. A real run may be refused."
            )
        elif available is not True:
            warn(may_be_refused(machine))
        return None

    def _offer(self, machine: Machine, warn: t.Callable[[str], None]) -> t.Mapping[str, t.Any]:
        """The entry for the offboard; empty if the service returns none."""
        self._remaining -= 1
        session = self._client.session
        try:
            actions = self._client.available_actions(
                machine.id, budget=session.budget(session.clock.monotonic() + _TIME_LIMIT)
            )
        except MdeError as error:
            if isinstance(error, ApiError) and error.resource_not_found:
                return {}  # the device is missing, not the route
            status = error.http_status if isinstance(error, ApiError) else None
            if status in (403, 404):
                warn(
                    "Check mode cannot predict whether the service offboards devices that do not run Windows: the read of "
                    f"availableMachineActions returned HTTP {status}. Microsoft does not document this route, so it may be "
                    "missing or closed. Check the supported systems in Microsoft's documentation of the offboard API, or "
                    "offboard one such device first."
                )
            if status in (None, 403, 404) or error.fatal_for_run:  # the next read would end the same way
                self._remaining = 0
            return {}
        return next((action for action in actions if str(action.get("action")).lower() == "offboard"), {})
