# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whether the run of a module continues, detected by its parent processes and the reader of its output."""

from __future__ import annotations

import os
import socket
import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.plugins.module_utils._offboarding.parent_run import AnsibleRun

MAIN = "/usr/bin/python3\0/usr/bin/ansible-playbook\0site.yml"
SHELL = "/bin/sh\0-c\0/usr/bin/python3 AnsiballZ_mde_offboard.py"
WRAPPER = "/usr/bin/python3\0/root/.ansible/tmp/async_wrapper.py\0j1"
SUDO = "sudo\0-H\0/bin/sh"


class Processes:
    """Made-up parent processes, the nearest first, as pairs of a name and a command line."""

    def __init__(self, folder: Path, *commands: str) -> None:
        self.folder = folder
        self.ids = [os.getppid(), *(100_000_000 + index for index in range(1, len(commands)))]
        for index, command in enumerate(commands):
            (folder / str(self.ids[index])).mkdir()
            (folder / str(self.ids[index]) / "cmdline").write_text(command, "utf-8")
            self.set_parent(index, self.ids[index + 1] if index + 1 < len(commands) else 1)

    def set_parent(self, index: int, parent: int = 1) -> None:
        """Change the parent of a process, as the system does when its parent has ended."""
        stat = f"{self.ids[index]} (a (odd) name) S {parent} 1 1 0"
        (self.folder / str(self.ids[index]) / "stat").write_text(stat, "utf-8")


@pytest.fixture
def stdout() -> t.Iterator[int]:
    reader, writer = os.pipe()
    yield writer
    os.close(reader)
    os.close(writer)


@pytest.mark.parametrize(
    ("commands", "ended", "waits"),
    [
        ([SHELL, SHELL + "2", MAIN, MAIN, "bash"], 2, False),
        ([SHELL, SHELL + "2", MAIN, MAIN, "bash"], 1, False),
        ([SHELL, SHELL + "2", MAIN, MAIN, "bash"], 3, True),
        ([SHELL, MAIN, MAIN, "bash\0x.sh", "bash\0x.sh"], 3, True),
        ([SHELL, SUDO, SUDO, SHELL, MAIN, MAIN, "bash"], 4, False),
        ([SHELL, SUDO, SUDO, SHELL, MAIN, MAIN, "bash"], 5, True),
        ([WRAPPER, WRAPPER], 0, False),
        ([SHELL, "sshd: operator", "sshd: operator", "sshd"], 1, True),
        (["bash", "bash", "init"], 1, True),
    ],
    ids=[
        "the main process has ended", "the worker has ended", "the shell that started the run has ended",
        "a script that started the run has ended", "the main process has ended, with sudo", "the shell has ended, with sudo",
        "the fork's original has ended", "another process of the target has ended", "another process than the parent has ended",
    ],
)  # fmt: skip
def test_only_the_processes_up_to_the_main_process_count(
    tmp_path: Path, stdout: int, commands: list[str], ended: int, waits: bool
) -> None:
    processes = Processes(tmp_path, *commands)
    caller = AnsibleRun(tmp_path, stdout)
    assert caller()
    processes.set_parent(ended, 2)
    assert caller() == waits


def test_another_parent_than_at_the_start_means_that_the_run_has_ended(
    tmp_path: Path, stdout: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller = AnsibleRun(tmp_path / "nothing", stdout)
    assert caller()
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert not caller()


@pytest.mark.parametrize("parent", [0, 1])
def test_a_module_that_was_started_by_the_first_process_of_a_container_continues(
    tmp_path: Path, stdout: int, monkeypatch: pytest.MonkeyPatch, parent: int
) -> None:
    monkeypatch.setattr(os, "getppid", lambda: parent)
    caller = AnsibleRun(tmp_path, stdout)
    assert caller()
    assert caller()


def test_a_pipe_without_a_reader_means_that_the_run_has_ended(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    caller = AnsibleRun(tmp_path, writer)
    assert caller()
    os.close(reader)
    assert not caller()
    os.close(writer)
    assert caller()  # deliberately closed output is not a sign that the run has ended


def test_a_socket_whose_other_end_is_closed_means_that_the_run_has_ended(tmp_path: Path) -> None:
    ours, other = socket.socketpair()
    with ours:
        caller = AnsibleRun(tmp_path, ours.fileno())
        other.shutdown(socket.SHUT_WR)
        assert caller()
        other.close()
        assert not caller()


def test_output_to_a_file_always_has_a_reader(tmp_path: Path) -> None:
    with (tmp_path / "output").open("w") as file:
        assert AnsibleRun(tmp_path, file.fileno())()
