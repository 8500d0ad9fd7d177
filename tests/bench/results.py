# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""Results: runs, their medians, and the phases of a run."""

from __future__ import annotations

import itertools
import statistics
import typing as t
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter

from .cases import DIVIDED, NOOP, PING, URI, Case, Variant
from .measure import Cost
from .service import Request


@dataclass(frozen=True)
class Timeline:
    """The phases of a run that signs in, reads and offboards. Their sum is the wall time."""

    start: float
    """From the start to the first request."""
    sign_in: float
    """From there to the first API call."""
    reads: float
    """From there to the first offboard request."""
    offboards: float
    """From there to the last response."""
    end: float

    @classmethod
    def of(cls, cost: Cost, requests: Sequence[Request], latency: float) -> Timeline | None:
        """Return None for a run without one of these phases. The emulator responds after the latency."""
        api = [item for item in requests if item.service == "api"]
        posts = [item for item in api if item.method == "POST"]
        if not posts or requests[0].service != "entra":
            return None
        last_response = max(item.arrived for item in requests) + latency
        times = (cost.started, requests[0].arrived, api[0].arrived, posts[0].arrived, last_response, cost.ended)
        return cls(*(later - earlier for earlier, later in itertools.pairwise(times)))


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
        """Return the median of one measurement of the runs."""
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
        """Return the result for the JSON file."""
        measures = ("wall", "cpu", "memory", "calls", "sign_ins")
        return {
            "name": self.case.name,
            "variant": self.case.variant.name,
            "devices": self.case.devices,
            "latency": self.case.latency,
            "median": {name: self.median(name) for name in measures},
            "runs": [asdict(run) for run in self.runs],
        }


@dataclass(frozen=True)
class Results:
    """All results of one run of the benchmark."""

    all: Sequence[Result]

    def find(self, variant: Variant, devices: int, latency: float) -> Result | None:
        return next((item for item in self.all if item.case.name == Case(variant, devices, latency).name), None)

    def ratio(self, result: Result) -> float | None:
        """Return the speed relative to the uri play with the same number of devices and latency."""
        uri = self.find(URI, result.case.devices, result.case.latency)
        return uri.wall / result.wall if uri is not None else None

    def parts(self) -> dict[str, float] | None:
        """Return the phases of the median run of a list. The two plays that do nothing divide its start."""
        variant, devices, latency = DIVIDED.variant, DIVIDED.devices, DIVIDED.latency
        noop, ping, work = (
            self.find(NOOP, 0, latency),
            self.find(PING, 0, latency),
            self.find(variant, devices, latency),
        )
        timeline = work.middle.timeline if work is not None else None
        if noop is None or ping is None or timeline is None:
            return None
        return {
            "ansible-playbook with an empty play": noop.wall,
            "transfer and start of a module that does nothing": ping.wall - noop.wall,
            "additional start time of this module, up to the first request": timeline.start - ping.wall,
            "sign-in, up to the first API call": timeline.sign_in,
            "reads, up to the first offboard request": timeline.reads,
            "offboard requests, up to the last response": timeline.offboards,
            "from the last response to the end": timeline.end,
        }


def as_json(results: Results, machine: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return all results for the JSON file."""
    return {
        "machine": machine,
        "cases": [{**result.as_dict(), "times_as_fast_as_uri": results.ratio(result)} for result in results.all],
        "parts": {"case": DIVIDED.name, "seconds": results.parts()},
    }
