# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Clocks, the result of a module run, and functions that read the emulator's log."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

import requests

from ansible_collections.secops.mde.tests.emulator import Emulator, Exchange


class EmulatorClock:
    """The emulator's time as a client's clock. A sleep advances it. ``skew`` makes its wall time wrong."""

    def __init__(self, emulator: Emulator, skew: float = 0.0) -> None:
        self._clock = emulator.clock
        self.skew = skew
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def time(self) -> float:
        return self._clock.now() + self.skew

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.sleeps.append(seconds)
            self._clock.advance(seconds)


class ManualClock:
    """Time that only sleeps advance, for tests without an emulator."""

    START: t.Final = 1_780_000_000.0

    def __init__(self) -> None:
        self.passed = 0.0
        self.sleeps: list[float] = []

    def monotonic(self) -> float:
        return self.passed

    def time(self) -> float:
        return self.START + self.passed

    def sleep(self, seconds: float) -> None:
        if seconds > 0:
            self.sleeps.append(seconds)
            self.passed += seconds


@dataclass(frozen=True)
class ModuleRun:
    """The result of a module run."""

    code: int
    result: dict[str, t.Any]
    output: str = field(repr=False)

    @property
    def failed(self) -> bool:
        assert bool(self.result.get("failed")) == (self.code != 0)
        return self.code != 0

    @property
    def changed(self) -> bool:
        return bool(self.result["changed"])

    @property
    def device(self) -> dict[str, t.Any]:
        (only,) = self.result["devices"]
        return t.cast("dict[str, t.Any]", only)

    @property
    def outcome(self) -> str:
        return str(self.device["outcome"])

    @property
    def names(self) -> list[str | None]:
        """The names of the returned machines."""
        return [machine["computerDnsName"] for machine in self.result["machines"]]

    @property
    def error_code(self) -> str | None:
        error = self.result["error"]
        return None if error is None else str(error["code"])

    @property
    def warnings(self) -> list[str]:
        """The texts of the warnings, which newer versions of Ansible wrap in objects."""
        return [str(warning) for warning in self.result.get("warnings", [])]


class RunModule(t.Protocol):
    """A fixture that runs one module against the emulator, such as ``offboard``."""

    def __call__(self, *, check: bool = False, diff: bool = False, connect: bool = True, **options: t.Any) -> ModuleRun:
        """Run the module with these options. If ``connect`` is false, they must include the connection."""


def offboard_as_other_app(
    emulator: Emulator, machine_id: str, comment: str = "another team's ticket"
) -> dict[str, t.Any]:
    """Offboard a machine as another application. The list lag applies to its action too."""
    other = emulator.add_app("other", roles=["Machine.Offboard"], secret="made-up")
    response = requests.post(
        f"{emulator.api_url}/api/machines/{machine_id}/offboard",
        json={"Comment": comment},
        headers={"Authorization": f"Bearer {emulator.token(other.client_id)}"},
        verify=emulator.ca_path,
        timeout=10,
    )
    response.raise_for_status()
    emulator.log.clear()
    return t.cast("dict[str, t.Any]", response.json())


def api_calls(emulator: Emulator, *, rejected: bool = True) -> list[str]:
    """Return method and operation of each call to the API, in order: ``["GET machines", "POST offboard"]``.

    Without ``rejected``, calls with the status 400 are omitted.
    """
    return [f"{call.method} {_tail(call)}" for call in emulator.calls("api") if rejected or call.status != 400]


def posts(emulator: Emulator) -> int:
    """Return the number of POSTs to the API."""
    return len(emulator.calls("api", "POST"))


def sign_ins(emulator: Emulator) -> int:
    """Return the number of token requests."""
    return len(emulator.calls("entra", "POST"))


def offboards(emulator: Emulator, machine_id: str) -> list[dict[str, t.Any]]:
    """Return the Offboard actions of a machine."""
    return [action for action in emulator.actions(machine_id) if action["type"] == "Offboard"]


_OPERATIONS: t.Final = {
    "offboard": "offboard",
    "cancel": "cancel",
    "AddOrRemoveTagForMultipleMachines": "tag",
    "setExclusion": "exclusion",
}


def _tail(call: Exchange) -> str:
    parts = call.path.removeprefix("/api/").split("/")
    if len(parts) == 1:
        return parts[0]
    return _OPERATIONS.get(parts[-1], f"{parts[0]}/id")
