# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An emulator that returns, drops or refuses ExternalId, for tests with the same result in all three cases.

With a service that refuses it, the client sends one more POST, which is not carried out. The functions in this file
omit that POST, and faults of the emulator begin after it, so that a test is the same for each service.
"""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.secops.mde.tests.emulator import Emulator, Exchange, Fault
from ansible_collections.secops.mde.tests.unit.support import module_run

SERVICES: t.Final = ("echo", "drop", "refuse")
each_service = pytest.mark.parametrize("emulator", SERVICES, indirect=True, ids="ExternalId: {}".format)
"""For tests with a fixture ``emulator`` that returns ``ServiceEmulator(request.param)``."""


class ServiceEmulator(Emulator):
    """An emulator whose faults for offboard requests do not affect the POST that the service refuses."""

    def __init__(self, external_id: str = "echo", *arguments: t.Any, **options: t.Any) -> None:
        super().__init__(*arguments, **options)
        self.knobs.external_id = external_id

    def fault(
        self, service: str = "api", method: str | None = None, path: str = "", kind: str = "500", **more: t.Any
    ) -> Fault:
        if service == "api" and method == "POST" and path in ("", "/offboard") and self.knobs.external_id == "refuse":
            more["after"] = more.get("after", 0) + 1
        return super().fault(service, method, path, kind, **more)


def is_refused_external_id(call: Exchange) -> bool:
    """Return whether the call is a POST that the service refused because of its ExternalId."""
    return call.method == "POST" and call.status == 400 and call.fault is None and "ExternalId" in (call.body or {})


def refused(emulator: Emulator) -> int:
    """Return the number of POSTs that were refused because of their ExternalId."""
    if emulator.knobs.external_id != "refuse":
        return 0
    return sum(map(is_refused_external_id, emulator.calls("api", "POST")))


def posts(emulator: Emulator) -> int:
    """Return the number of POSTs to the API, without those that were refused because of their ExternalId."""
    return module_run.posts(emulator) - refused(emulator)


def api_calls(emulator: Emulator) -> list[str]:
    """Return the calls like ``module_run.api_calls``, without the first POST if the service refused it."""
    calls = module_run.api_calls(emulator)
    if refused(emulator):
        calls.remove("POST offboard")
    return calls
