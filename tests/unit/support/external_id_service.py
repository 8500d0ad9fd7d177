# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An emulator whose service returns, drops or refuses ExternalId, for tests that hold for all three.

A service that refuses it costs one more POST, which carries nothing out. The functions here leave that POST out, and faults
of the emulator begin after it, so that a test reads the same for each service.
"""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.secops.mde.tests.emulator import Emulator, Exchange, Fault
from ansible_collections.secops.mde.tests.unit.support import module_run

SERVICES: t.Final = ("echo", "drop", "refuse")
each_service = pytest.mark.parametrize("emulator", SERVICES, indirect=True, ids="ExternalId: {}".format)
"""For a test, with a fixture ``emulator`` that is a ServiceEmulator with ``request.param``."""


class ServiceEmulator(Emulator):
    """The emulator, with faults of offboards that let the POST pass which the service refuses."""

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
    """Whether the call is a POST that the service refused because of its ExternalId."""
    return call.method == "POST" and call.status == 400 and call.fault is None and "ExternalId" in (call.body or {})


def refused(emulator: Emulator) -> int:
    """How many POSTs were refused because of their ExternalId."""
    if emulator.knobs.external_id != "refuse":
        return 0
    return sum(map(is_refused_external_id, emulator.calls("api", "POST")))


def posts(emulator: Emulator) -> int:
    """How many POSTs the API has seen, without those that were refused because of their ExternalId."""
    return module_run.posts(emulator) - refused(emulator)


def api_calls(emulator: Emulator) -> list[str]:
    """The calls as ``module_run.api_calls`` returns them, without the first POST where the service refused it."""
    calls = module_run.api_calls(emulator)
    if refused(emulator):
        calls.remove("POST offboard")
    return calls
