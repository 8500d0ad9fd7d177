# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module as a separate process without patches: parameters on stdin, JSON on stdout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import typing as t
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests import emulator as emulator_package
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import offboards, posts

COLLECTIONS = Path(str(emulator_package.__file__)).parents[5]
MODULE = "ansible_collections.secops.mde.plugins.modules.mde_offboard"
NAME = "lab-w11-07.corp.example"

# A sitecustomize module that makes a library unavailable in every process with it in the path.
BLOCKER = """
import importlib.abc
import sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name.partition(".")[0] == {library!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
        return None

sys.meta_path.insert(0, Blocker())
"""


@dataclass(frozen=True)
class CommandResult:
    """Exit code and output of the process."""

    code: int
    stdout: str
    stderr: str

    @property
    def result(self) -> dict[str, t.Any]:
        return t.cast("dict[str, t.Any]", json.loads(self.stdout))

    @property
    def outcome(self) -> str:
        (device,) = self.result["devices"]
        return str(device["outcome"])


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    """An emulator in real time, like the process."""
    with Emulator([Device(name=NAME, fate="offline")], real_time=True) as running:
        yield running


def start(
    options: t.Mapping[str, t.Any],
    environment: t.Mapping[str, str],
    *,
    check: bool = False,
    path: t.Sequence[Path] = (),
) -> CommandResult:
    """Run the module. ``path`` is the first directory of Python's import path."""
    arguments = {"comment": "CHG-1042 retired", **options, "_ansible_check_mode": check}
    places = [*map(str, path), str(COLLECTIONS), os.environ.get("PYTHONPATH", "")]
    ended = subprocess.run(
        [sys.executable, "-m", MODULE],
        input=json.dumps({"ANSIBLE_MODULE_ARGS": arguments}),
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, places)), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return CommandResult(ended.returncode, ended.stdout, ended.stderr)


def folder_without(library: str, folder: Path) -> Path:
    """A directory that makes a library unavailable."""
    (folder / "sitecustomize.py").write_text(BLOCKER.format(library=library), "utf-8")
    return folder


def test_check_mode_then_the_offboard_then_nothing_more(emulator: Emulator) -> None:
    options = {"device_name": NAME}
    predicted = start(options, emulator.environment(), check=True)
    assert (predicted.code, predicted.outcome, predicted.result["changed"]) == (0, "submitted", True)
    assert posts(emulator) == 0

    first = start(options, emulator.environment())
    assert (first.code, first.outcome, first.result["changed"]) == (0, "submitted", True)
    (action,) = emulator.actions()
    assert first.result["action"]["id"] == action["id"]

    second = start(options, emulator.environment())
    assert (second.code, second.outcome, second.result["changed"]) == (0, "in_progress", False)
    assert second.result["action"]["id"] == action["id"]
    assert posts(emulator) == 1
    assert [run.stderr for run in (predicted, first, second)] == [""] * 3


def test_a_failure_is_json_with_the_same_keys_and_an_exit_status(emulator: Emulator) -> None:
    success = start({"device_name": NAME}, emulator.environment(), check=True)
    failure = start({"device_name": "lab-w11-70.corp.example"}, emulator.environment())
    assert (failure.code, failure.outcome) == (1, "not_found")
    assert failure.result["failed"] is True
    assert failure.result["error"]["code"] == "not_found"
    assert failure.result.keys() - {"failed"} == success.result.keys()
    assert failure.stderr == ""


def test_waiting_takes_real_time_and_ends_with_the_action(emulator: Emulator) -> None:
    device = emulator.add_device(Device(name="lab-w11-08.corp.example", poll_seconds=0.2, ack_seconds=0.2))
    run = start({"device_id": device.id, "wait": True, "wait_sleep": 1, "wait_timeout": 20}, emulator.environment())
    assert (run.code, run.result["action"]["status"]) == (0, "Succeeded")


def test_two_concurrent_processes_create_one_action(emulator: Emulator) -> None:
    """For example, two slices of a job with the same device."""
    (device,) = emulator.devices
    emulator.knobs.duplicate_mode = "refuse"

    def run_slice(comment: str) -> CommandResult:
        return start({"device_name": NAME, "comment": comment}, emulator.environment())

    with ThreadPoolExecutor() as pool:
        runs = list(pool.map(run_slice, ["slice 1", "slice 2"]))
    assert sorted(run.outcome for run in runs) == ["in_progress", "submitted"]
    assert len(offboards(emulator, device.id)) == 1


# -- secrets -----------------------------------------------------------------------------------------------------

SECRETS = {
    "MDE_CERTIFICATE_PASSWORD": "made-up-mde-certificate-password",
    "AZURE_CLIENT_SECRET": "made-up-azure-client-secret",
    "AZURE_SECRET": "made-up-azure-secret",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD": "made-up-azure-certificate-password",
}
PROXY_PASSWORD = "made-up-proxy-password"
LOUD = {"ANSIBLE_DEBUG": "1", "ANSIBLE_VERBOSITY": "4", "PYTHONWARNINGS": "default"}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"device_name": "missing.corp.example"},
        {"client_secret": "made-up-and-wrong", "client_id": "7e9d3c54-1b2a-4c3d-8e4f-001122334455"},
        {"api_url": "https://localhost:1", "retry_timeout": 1},
        {"tenant_id": "no tenant"},
        {"cloud": "no-such-cloud"},
        {"unknown_option": True},
    ],
    ids=lambda options: " ".join(options) or "success",
)
def test_no_secret_and_no_token_is_in_any_output(emulator: Emulator, options: dict[str, t.Any]) -> None:
    # Requests to the loopback interface never use a proxy, so the calls arrive.
    proxies = {
        "MDE_PROXY": f"http://operator:{PROXY_PASSWORD}@proxy.example:8080",
        "HTTPS_PROXY": f"http://o:{PROXY_PASSWORD}2@proxy.example",
    }
    options = {"_ansible_debug": True, "_ansible_verbosity": 4, "device_name": NAME, **options}
    run = start(options, {**emulator.environment(), **SECRETS, **proxies, **LOUD})
    tokens = {call.headers["authorization"].split()[1] for call in emulator.calls("api")}
    given = {str(options[name]) for name in ("client_secret",) if name in options}
    for secret in {emulator.client_secret, PROXY_PASSWORD, *SECRETS.values(), *tokens, *given}:
        assert secret not in run.stdout + run.stderr
    assert run.result["msg"]
    assert "eyJ" not in run.stdout + run.stderr


def test_an_access_token_is_in_no_output(emulator: Emulator) -> None:
    token = emulator.token()
    addresses = {name: value for name, value in emulator.environment().items() if "CLIENT" not in name}
    run = start({"device_name": NAME, "_ansible_debug": True}, {**addresses, "MDE_ACCESS_TOKEN": token, **LOUD})
    assert run.outcome == "submitted"
    assert token not in run.stdout + run.stderr


# -- libraries that are missing ----------------------------------------------------------------------------------


def test_without_msal_an_access_token_is_enough(emulator: Emulator, tmp_path: Path) -> None:
    options = {
        "device_name": NAME,
        "access_token": emulator.token(),
        "api_url": emulator.api_url,
        "ca_path": emulator.ca_path,
    }
    run = start(options, {}, path=[folder_without("msal", tmp_path)])
    assert (run.code, run.outcome) == (0, "submitted")
    assert emulator.calls("entra") == []


def test_without_msal_a_secret_fails_with_the_interpreter_that_needs_it(emulator: Emulator, tmp_path: Path) -> None:
    run = start({"device_name": NAME}, emulator.environment(), path=[folder_without("msal", tmp_path)])
    assert run.code == 1
    assert run.result["error"]["code"] == "library_missing"
    assert sys.executable in run.result["msg"]
    assert "pip install" in run.result["msg"]
    assert emulator.calls(None) == []


def test_without_requests_it_fails_with_the_interpreter_that_needs_it(emulator: Emulator, tmp_path: Path) -> None:
    run = start({"device_name": NAME}, emulator.environment(), path=[folder_without("requests", tmp_path)])
    assert run.code == 1
    assert run.result["error"]["code"] == "library_missing"
    assert sys.executable in run.result["msg"]
    assert "requests" in run.result["msg"]
    assert run.result["devices"] == []
    assert emulator.calls(None) == []
