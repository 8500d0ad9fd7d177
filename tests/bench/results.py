# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""Results: runs, their medians, and the parts of the time of a run."""

from __future__ import annotations

import itertools
import statistics
import typing as t
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter

from .cases import DIVIDED, NOOP, PING, URI, Case, Form
from .measure import Cost
from .service import Request


@dataclass(frozen=True)
class Timeline:
    """A run that signs in, reads and offboards, in parts that add up to its wall time."""

    start: float
    """Until the first request."""
    sign_in: float
    """Until the first call of the API."""
    reads: float
    """Until the first offboard."""
    offboards: float
    """Until the last answer."""
    end: float

    @classmethod
    def of(cls, cost: Cost, requests: Sequence[Request], latency: float) -> Timeline | None:
        """None for a run that did not do all of that. The emulator answers when the latency is over."""
        api = [item for item in requests if item.service == "api"]
        posts = [item for item in api if item.method == "POST"]
        if not posts or requests[0].service != "entra":
            return None
        answered = max(item.arrived for item in requests) + latency
        moments = (cost.started, requests[0].arrived, api[0].arrived, posts[0].arrived, answered, cost.ended)
        return cls(*(later - earlier for earlier, later in itertools.pairwise(moments)))


@dataclass(frozen=True)
class Run:
    """One run of a case."""

    wall: float
    cpu: float
    memory: int
    calls: int
    sign_ins: int
    timeline: Timeline | None

    @classmethod
    def of(cls, case: Case, cost: Cost, requests: Sequence[Request]) -> Run:
        calls = sum(item.service == "api" for item in requests)
        sign_ins = sum(item.service == "entra" and item.method == "POST" for item in requests)
        timeline = Timeline.of(cost, requests, case.latency)
        return cls(cost.wall, cost.cpu, cost.memory, calls, sign_ins, timeline)


@dataclass(frozen=True)
class Result:
    """All runs of a case."""

    case: Case
    runs: Sequence[Run]

    def median(self, name: str) -> float:
        """Of one measure of the runs."""
        return float(statistics.median(map(attrgetter(name), self.runs)))

    @property
    def wall(self) -> float:
        return self.median("wall")

    @property
    def calls_per_device(self) -> float:
        return self.median("calls") / max(1, self.case.devices)

    @property
    def middle(self) -> Run:
        """The run with the median wall time."""
        return sorted(self.runs, key=lambda run: run.wall)[len(self.runs) // 2]

    def as_dict(self) -> dict[str, t.Any]:
        """For the JSON."""
        measures = ("wall", "cpu", "memory", "calls", "sign_ins")
        return {
            "name": self.case.name,
            "form": self.case.form.name,
            "devices": self.case.devices,
            "latency": self.case.latency,
            "median": {name: self.median(name) for name in measures},
            "runs": [asdict(run) for run in self.runs],
        }


@dataclass(frozen=True)
class Results:
    """All that was measured in one run of the bench."""

    all: Sequence[Result]

    def find(self, syntax: Form, devices: int, latency: float) -> Result | None:
        return next((item for item in self.all if item.case.name == Case(syntax, devices, latency).name), None)

    def ratio(self, result: Result) -> float | None:
        """How many times as fast as the uri play with as many devices at the same latency."""
        uri = self.find(URI, result.case.devices, result.case.latency)
        return uri.wall / result.wall if uri is not None else None

    def parts(self) -> dict[str, float] | None:
        """The parts of the time of a list: the median run, with its start divided by the two plays that do nothing."""
        syntax, devices, latency = DIVIDED.form, DIVIDED.devices, DIVIDED.latency
        noop, ping, work = self.find(NOOP, 0, latency), self.find(PING, 0, latency), self.find(syntax, devices, latency)
        line = work.middle.timeline if work is not None else None
        if noop is None or ping is None or line is None:
            return None
        return {
            "ansible-playbook with an empty play": noop.wall,
            "transfer and start of a module that does nothing": ping.wall - noop.wall,
            "start of this module beyond that, up to the first request": line.start - ping.wall,
            "sign-in, up to the first call": line.sign_in,
            "reads, up to the first offboard": line.reads,
            "offboards, up to the last answer": line.offboards,
            "from the last answer to the end": line.end,
        }


def as_json(results: Results, machine: dict[str, t.Any]) -> dict[str, t.Any]:
    """Everything, for programs."""
    return {
        "machine": machine,
        "cases": [{**result.as_dict(), "times_as_fast_as_uri": results.ratio(result)} for result in results.all],
        "parts": {"case": DIVIDED.name, "seconds": results.parts()},
    }
