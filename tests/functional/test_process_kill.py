# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""mde_offboard is killed in the middle of a list and run again: each device has one action, whichever process was killed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.functional.support.ansible_command import (
    ANSIBLE_PLAYBOOK,
    process_environment,
)
from ansible_collections.secops.mde.tests.unit.support.external_id_service import SERVICES, ServiceEmulator, posts
from ansible_collections.secops.mde.tests.unit.support.module_run import offboards

MODULE = "ansible_collections.secops.mde.plugins.modules.mde_offboard"
DEVICES = 60
each_service = pytest.mark.parametrize(
    "emulator",
    [pytest.param(name, marks=[pytest.mark.matrix_only] * (name != "echo")) for name in SERVICES],
    indirect=True,
    ids="ExternalId: {}".format,
)
TIME_LIMIT = 60.0
"""Real seconds after which a test fails."""


@pytest.fixture
def emulator(request: pytest.FixtureRequest) -> t.Iterator[Emulator]:
    """Sixty offline devices, with the latency of a nearby service."""
    devices = [Device(name=f"pc-{number:04d}.corp.example", fate="offline") for number in range(DEVICES)]
    with ServiceEmulator(getattr(request, "param", "echo"), devices, real_time=True) as running:
        running.knobs.latency = 0.1
        yield running


@pytest.fixture
def environment(emulator: Emulator, tmp_path: Path) -> dict[str, str]:
    return process_environment(emulator, tmp_path, ANSIBLE_LOCALHOST_WARNING="false")


def options(emulator: Emulator) -> dict[str, t.Any]:
    return {"devices": [{"device_id": device.id} for device in emulator.devices], "comment": "CHG-1042 retired"}


def start_module(
    emulator: Emulator, environment: dict[str, str], folder: Path, before: t.Sequence[str] = ()
) -> subprocess.Popen[str]:
    """Run the module without Ansible, optionally started by the program ``before``."""
    arguments = folder / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": options(emulator)}), "utf-8")
    with arguments.open() as stdin:
        return subprocess.Popen(
            [*before, sys.executable, "-m", MODULE], stdin=stdin, stdout=subprocess.PIPE, text=True, env=environment
        )


def start_playbook(
    emulator: Emulator, environment: dict[str, str], folder: Path, **keywords: t.Any
) -> subprocess.Popen[str]:
    """Run a playbook with the same task. ``keywords`` are additional keywords of the task."""
    task = {"secops.mde.mde_offboard": options(emulator), "register": "fleet", **keywords}
    show = {"ansible.builtin.debug": {"msg": "{{ fleet.msg | default('started') }}"}}
    playbook = folder / "playbook.yml"
    playbook.write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": [task, show]}]), encoding="utf-8"
    )
    return subprocess.Popen(
        [*ANSIBLE_PLAYBOOK, str(playbook)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
    )


def until(condition: t.Callable[[], bool], process: subprocess.Popen[str] | None = None) -> None:
    """Wait until the condition is true."""
    deadline = time.monotonic() + TIME_LIMIT
    while not condition():
        if process is not None and process.poll() is not None:
            raise AssertionError(f"it ended too early: {process.communicate()[0]}")
        if time.monotonic() > deadline:
            raise AssertionError("the condition was not met")
        time.sleep(0.005)


def alive(mark: str, program: str = "") -> list[int]:
    """Return the processes of a program that have this mark in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            marked = f"\0MARK={mark}\0".encode() in b"\0" + (folder / "environ").read_bytes()
            if marked and program.encode() in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
        except OSError:  # it has ended, or belongs to another user
            continue
    return found


def actions_per_device(emulator: Emulator) -> list[int]:
    return [len(offboards(emulator, device.id)) for device in emulator.devices]


@each_service
@pytest.mark.parametrize("lag", [0, 3], ids=["lists without lag", "lists lag behind"])
def test_the_module_is_killed_and_run_again(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path, lag: int
) -> None:
    emulator.knobs.list_lag = lag
    first = start_module(emulator, environment, tmp_path)
    until(lambda: posts(emulator) >= DEVICES // 2, first)
    first.kill()
    first.communicate()
    killed_at = sum(actions_per_device(emulator))
    assert 0 < killed_at < DEVICES

    second = start_module(emulator, environment, tmp_path)
    printed, _errors = second.communicate(timeout=TIME_LIMIT)
    result = json.loads(printed)
    assert second.returncode == 0
    assert actions_per_device(emulator) == [1] * DEVICES
    assert {device["outcome"] for device in result["devices"]} <= {"submitted", "in_progress"}
    assert len(result["devices"]) == DEVICES


needs_proc = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc to see the processes")


@pytest.fixture
def _hangup_ends_children() -> t.Iterator[None]:
    """Restore the default of the signal. Programs that were started with nohup, and their child processes, ignore it."""
    before = signal.signal(signal.SIGHUP, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGHUP, before)


@needs_proc
@pytest.mark.usefixtures("_hangup_ends_children")
@each_service
@pytest.mark.parametrize("ended_by", [signal.SIGKILL, signal.SIGHUP], ids=["killed", "hung up"])
def test_a_module_whose_run_has_ended_sends_nothing_more_and_the_next_run_does_the_rest(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path, ended_by: signal.Signals
) -> None:
    emulator.knobs.latency = 0.3
    mark = str(tmp_path)
    first = start_playbook(emulator, {**environment, "MARK": mark}, tmp_path)
    try:
        until(lambda: posts(emulator) >= 5, first)
        first.send_signal(ended_by)
        first.wait(timeout=TIME_LIMIT)
        until(lambda: not alive(mark, "mde_offboard.py"))
    finally:
        for process in alive(mark):
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.kill(process, signal.SIGKILL)
        first.communicate()
    assert 5 <= sum(actions_per_device(emulator)) < DEVICES
    emulator.knobs.latency = 0.1
    second = start_playbook(emulator, environment, tmp_path)
    printed, _errors = second.communicate(timeout=TIME_LIMIT)
    assert second.returncode == 0, printed
    assert actions_per_device(emulator) == [1] * DEVICES


@needs_proc
def test_an_asynchronous_task_continues_when_its_playbook_has_ended(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    emulator.knobs.latency = 0.3
    mark = str(tmp_path)
    playbook = start_playbook(emulator, {**environment, "MARK": mark}, tmp_path, **{"async": 60, "poll": 0})
    try:
        printed, _errors = playbook.communicate(timeout=TIME_LIMIT)
        assert playbook.returncode == 0, printed
        assert sum(actions_per_device(emulator)) < DEVICES
        until(lambda: sum(actions_per_device(emulator)) == DEVICES)
        until(lambda: not alive(mark, "mde_offboard.py"))
    finally:
        for process in alive(mark):
            with contextlib.suppress(ProcessLookupError):  # it has ended
                os.kill(process, signal.SIGKILL)


def test_a_module_whose_output_has_no_reader_any_more_stops(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    emulator.knobs.latency = 0.3
    module = start_module(emulator, environment, tmp_path)
    until(lambda: posts(emulator) >= 5, module)
    assert module.stdout is not None
    module.stdout.close()
    module.wait(timeout=TIME_LIMIT)
    assert 5 <= sum(actions_per_device(emulator)) < DEVICES


def test_a_module_whose_parent_has_ended_stops_and_reports_what_was_done(
    emulator: Emulator, environment: dict[str, str], tmp_path: Path
) -> None:
    emulator.knobs.latency = 0.3
    shell = start_module(emulator, environment, tmp_path, before=["/bin/sh", "-c", '"$@"; true', "sh"])
    until(lambda: posts(emulator) >= 5, shell)
    shell.kill()
    printed, _errors = shell.communicate(timeout=TIME_LIMIT)
    result = json.loads(printed)
    done = sum(actions_per_device(emulator))
    assert 5 <= done < DEVICES
    assert result["summary"]["submitted"] == done
    assert result["summary"]["error"] == DEVICES - done
    assert {device["error"]["code"] for device in result["devices"] if device["failed"]} == {"run_ended"}
