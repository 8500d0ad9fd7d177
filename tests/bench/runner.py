# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""Runs cases with the emulator, and rejects a run that did not do exactly its work."""

from __future__ import annotations

import itertools
import json
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .cases import SINGLE, URI, By, Case, Group
from .measure import measure
from .results import Result, Run
from .service import Device, Request, Service, fresh_devices

WARM_UP = (Case(URI, 1, 0.0), Case(SINGLE, 1, 0.0))
"""Not counted: the first run compiles the libraries and meets cold files."""

SETTINGS = {
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    "ANSIBLE_NOCOLOR": "1",
    "NO_PROXY": "localhost,127.0.0.1",
    "no_proxy": "localhost,127.0.0.1",
}
"""No proxy between the plays and the emulator."""


class WorkNotDone(Exception):
    """A run ended well, but the emulator says that it did something else than it should."""


@dataclass
class Runner:
    """Runs one case after the other."""

    playbook_program: str
    playbooks: Path
    scratch: Path
    variables: Mapping[str, str]
    service: Service
    log: t.IO[str]
    serials: Iterator[int] = field(default_factory=itertools.count)

    def __post_init__(self) -> None:
        self.config.write_text("", "utf-8")

    @property
    def config(self) -> Path:
        """Settings of Ansible: none, so that those of the machine count as little."""
        return self.scratch / "ansible.cfg"

    def warm_up(self) -> None:
        for case in WARM_UP:
            self.run(case)

    def run_group(self, group: Group, report: t.Callable[[Case, Run], None]) -> list[Result]:
        """Run the cases in turns: one run of each, then the next of each."""
        runs: dict[Case, list[Run]] = {case: [] for case in group}
        for turn in range(max(case.runs for case in group)):
            for case in group:
                if turn < case.runs:
                    runs[case].append(self.run(case))
                    report(case, runs[case][-1])
        return [Result(case, found) for case, found in runs.items()]

    def run(self, case: Case) -> Run:
        """Run a case once, with devices of its own. Raises WorkNotDone, CommandFailed."""
        devices = fresh_devices(case.devices, next(self.serials))
        command = self._command(case, devices)
        self.service.prepare(devices, case.latency)
        cost = measure(command, self.scratch, self._environment(), self.log)
        requests = self.service.requests()
        check_the_work(case, devices, requests, self.service.offboarded())
        return Run.of(case, cost, requests)

    def _environment(self) -> dict[str, str]:
        """As a user has it, who lets Python keep what it compiled."""
        kept = {name: value for name, value in self.variables.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**kept, **SETTINGS, "ANSIBLE_CONFIG": str(self.config), **self.service.variables}

    def _command(self, case: Case, devices: list[Device]) -> list[str]:
        """The command of a case, with its devices as inventory hosts or in a file of variables."""
        hosts, variables = self.scratch / "hosts", self.scratch / "variables.json"
        hosts.write_text("".join(f"{item.name}\n" for item in devices if case.form.inventory), "utf-8")
        asked = [{case.form.by.value: item.id if case.form.by is By.ID else item.name} for item in devices]
        variables.write_text(json.dumps({"bench_devices": asked, **case.form.variables}), "utf-8")
        command = [self.playbook_program, str(self.playbooks / case.form.file), f"--inventory={hosts}"]
        if not case.form.inventory:
            command.append(f"--extra-vars=@{variables}")
        return [*command, "--check"] if case.form.check else command


def check_the_work(
    case: Case, devices: Sequence[Device], requests: Sequence[Request], offboarded: Sequence[str]
) -> None:
    """Every device has exactly one action, sent once; in check mode none has; no request has failed.

    Raises WorkNotDone.
    """
    wanted = [] if case.form.check else sorted(item.id for item in devices)
    posts = sum(item.service == "api" and item.method == "POST" for item in requests)
    if sorted(offboarded) != wanted or posts != len(wanted):
        raise WorkNotDone(
            f"{case.name}: {len(wanted)} devices were to be offboarded. The service was sent {posts} offboards, "
            f"and has {len(offboarded)} actions of {len(set(offboarded) & set(wanted))} of these devices"
        )
    if failures := [item.status for item in requests if not item.succeeded]:
        raise WorkNotDone(f"{case.name}: {len(failures)} requests failed, with status {failures[0]} and so on")
