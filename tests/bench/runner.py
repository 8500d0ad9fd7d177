# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""Runs cases with the emulator, and rejects a run that did not offboard exactly its devices."""

from __future__ import annotations

import itertools
import json
import typing as t
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .cases import SINGLE, URI, Case, Group, IdentifyBy
from .measure import measure
from .results import Result, Run
from .service import Device, Request, Service, fresh_devices

WARM_UP = (Case(URI, 1, 0.0), Case(SINGLE, 1, 0.0))
"""Not measured: the first run compiles the libraries and fills the file cache."""

SETTINGS = {
    "ANSIBLE_LOCALHOST_WARNING": "false",
    "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
    "ANSIBLE_NOCOLOR": "1",
    "NO_PROXY": "localhost,127.0.0.1",
    "no_proxy": "localhost,127.0.0.1",
}
"""Settings for all runs, without a proxy between the plays and the emulator."""


class UnexpectedResult(Exception):
    """A run succeeded, but the actions or requests in the emulator are not the expected ones."""


@dataclass
class Runner:
    """Runs cases one after the other."""

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
        """An empty configuration file of Ansible, so that the configuration of the machine is not used."""
        return self.scratch / "ansible.cfg"

    def warm_up(self) -> None:
        for case in WARM_UP:
            self.run(case)

    def run_group(self, group: Group, report: t.Callable[[Case, Run], None]) -> list[Result]:
        """Alternate the cases: run each of them once, then each of them again."""
        runs: dict[Case, list[Run]] = {case: [] for case in group}
        for round_ in range(max(case.runs for case in group)):
            for case in group:
                if round_ < case.runs:
                    runs[case].append(self.run(case))
                    report(case, runs[case][-1])
        return [Result(case, found) for case, found in runs.items()]

    def run(self, case: Case) -> Run:
        """Run a case once, with new devices. Raises UnexpectedResult or CommandFailed."""
        devices = fresh_devices(case.devices, next(self.serials))
        command = self._command(case, devices)
        self.service.prepare(devices, case.latency)
        cost = measure(command, self.scratch, self._environment(), self.log)
        requests = self.service.requests()
        check_result(case, devices, requests, self.service.offboarded())
        return Run.of(case, cost, requests)

    def _environment(self) -> dict[str, str]:
        """Return the environment of a user, in which Python keeps its compiled files."""
        kept = {name: value for name, value in self.variables.items() if name != "PYTHONDONTWRITEBYTECODE"}
        return {**kept, **SETTINGS, "ANSIBLE_CONFIG": str(self.config), **self.service.variables}

    def _command(self, case: Case, devices: list[Device]) -> list[str]:
        """Return the command of a case, with its devices as inventory hosts or in a variables file."""
        hosts, variables = self.scratch / "hosts", self.scratch / "variables.json"
        hosts.write_text("".join(f"{item.name}\n" for item in devices if case.variant.inventory), "utf-8")
        requested = [
            {case.variant.by.value: item.id if case.variant.by is IdentifyBy.ID else item.name} for item in devices
        ]
        variables.write_text(json.dumps({"bench_devices": requested, **case.variant.variables}), "utf-8")
        command = [self.playbook_program, str(self.playbooks / case.variant.file), f"--inventory={hosts}"]
        if not case.variant.inventory:
            command.append(f"--extra-vars=@{variables}")
        return [*command, "--check"] if case.variant.check else command


def check_result(case: Case, devices: Sequence[Device], requests: Sequence[Request], offboarded: Sequence[str]) -> None:
    """Check that each device has exactly one action, sent once (none in check mode), and that no request failed.

    Raises UnexpectedResult.
    """
    expected = [] if case.variant.check else sorted(item.id for item in devices)
    posts = sum(item.service == "api" and item.method == "POST" for item in requests)
    if sorted(offboarded) != expected or posts != len(expected):
        raise UnexpectedResult(
            f"{case.name}: expected one action for each of {len(expected)} devices. The service received {posts} POSTs "
            f"and has {len(offboarded)} actions for {len(set(offboarded) & set(expected))} of these devices"
        )
    if failures := [item.status for item in requests if not item.succeeded]:
        raise UnexpectedResult(f"{case.name}: {len(failures)} requests failed, the first with status {failures[0]}")
