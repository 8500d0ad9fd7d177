# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulator as a separate process that is not measured, and its log."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import subprocess
import time
import typing as t
import urllib.request
from dataclasses import dataclass
from pathlib import Path

# Requests to the loopback interface never use a proxy.
_OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Device:
    """A made-up device."""

    name: str

    @property
    def id(self) -> str:
        return hashlib.sha1(self.name.encode(), usedforsecurity=False).hexdigest()


def fresh_devices(count: int, serial: int) -> list[Device]:
    """Return devices that no other run of this benchmark has."""
    return [Device(f"pc-{serial:03}-{number:05}.corp.example") for number in range(1, count + 1)]


@dataclass(frozen=True)
class Request:
    """One entry of the emulator's log."""

    service: str
    method: str
    status: int | None
    """None if there was no response."""
    arrived: float
    """Arrival by the monotonic clock."""

    @property
    def succeeded(self) -> bool:
        return self.status is not None and self.status < 300


@dataclass(frozen=True)
class Service:
    """A running emulator."""

    control: str
    variables: dict[str, str]
    """The environment variables with which a playbook uses it."""

    def prepare(self, devices: list[Device], latency: float) -> None:
        """Create a new tenant with these devices, which reported three hours ago and are powered off now."""
        self._call("POST", "reset")
        self._call("PATCH", "knobs", {"latency": latency, "entra_latency": latency})
        described = [{"id": item.id, "name": item.name, "last_seen": "3h", "fate": "offline"} for item in devices]
        self._call("POST", "devices", described)
        self._call("DELETE", "log")

    def requests(self) -> list[Request]:
        """Return the requests to the API and the sign-in service, in order."""
        log = [*self._call("GET", "log?service=api"), *self._call("GET", "log?service=entra")]
        found = [Request(item["service"], item["method"], item["status"], item["wall"]) for item in log]
        return sorted(found, key=lambda item: item.arrived)

    def offboarded(self) -> list[str]:
        """Return the device ID of every action."""
        return [action["machineId"] for action in self._call("GET", "actions")]

    def _call(self, method: str, path: str, body: object = None) -> t.Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.control}/{path}", data=data, method=method)
        with _OPENER.open(request, timeout=60) as response:
            return json.load(response)


@contextlib.contextmanager
def emulator(python: str, tree: Path, scratch: Path, variables: dict[str, str], log: t.IO[str]) -> t.Iterator[Service]:
    """Run the emulator, without devices, while the block runs."""
    state, env_file = scratch / "emulator.json", scratch / "emulator.env"
    state.unlink(missing_ok=True)
    options = [f"--scenario={os.devnull}", f"--state-file={state}", f"--env-file={env_file}"]
    process = subprocess.Popen(
        [python, "-m", "tests.emulator", *options],
        cwd=tree,
        env=variables,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        deadline = time.monotonic() + 30
        while not state.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("the emulator did not start")
            time.sleep(0.1)
        started = json.loads(state.read_text("utf-8"))
        yield Service(started["control_url"], started["environment"])
    finally:
        process.terminate()
        process.wait(timeout=10)
