# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""The results as Markdown tables."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Sequence

from .cases import CHECK, LATENCIES, LIST, SINGLE, URI, Variant
from .results import Result, Results

_HEAD = (
    "devices",
    "variant",
    "wall time",
    "times as fast",
    "processor time",
    "peak memory",
    "calls per device",
    "sign-ins",
)


def render(results: Results, machine: dict[str, t.Any]) -> str:
    """Return all tables that have rows."""
    parts = [_machine(machine)]
    for latency in LATENCIES:
        rows = [item for item in results.all if item.case.devices and item.case.latency == latency]
        compared = [item for item in rows if item.case.variant is not CHECK]
        if compared:
            parts.append(f"With {latency * 1000:.0f} ms of latency for every request:")
            parts.append(_table(_HEAD, (_row(results, item) for item in compared)))
    checks = [item for item in results.all if item.case.variant is CHECK]
    if checks:
        parts.append("A list of IDs in check mode, without latency, with the default rate limit:")
        parts.append(_table(_HEAD, (_row(results, item) for item in checks)))
    return "\n\n".join([*parts, *_parts(results), *_targets(results)]) + "\n"


def _machine(machine: dict[str, t.Any]) -> str:
    return (
        f"{machine['cores']} cores ({machine['system']}, {machine['architecture']}), Python {machine['python']}, "
        f"ansible-core {machine['ansible_core']}, 5 forks. Medians. The emulator runs on the same cores and is not included."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", "---", *["---:"] * (len(head) - 2)] if len(head) > 2 else ["---", "---:"], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(results: Results, result: Result) -> tuple[str, ...]:
    ratio = results.ratio(result)
    return (
        f"{result.case.devices:,}",
        result.case.variant.title,
        seconds(result.wall),
        "" if ratio is None else f"{ratio:.1f}",
        seconds(result.median("cpu")),
        f"{result.median('memory') / 1e6:.0f} MB",
        f"{result.calls_per_device:.2f}",
        f"{result.median('sign_ins'):.0f}",
    )


def _parts(results: Results) -> list[str]:
    """Return the phases of a run with a list of 50 devices at 200 ms."""
    parts = results.parts()
    if parts is None:
        return []
    rows = [(name, seconds(value)) for name, value in parts.items()]
    rows.append(("total", seconds(sum(parts.values()))))
    return ["Phases of a run with a list of 50 devices at 200 ms:", _table(("phase", "wall time"), rows)]


def _targets(results: Results) -> list[str]:
    """Compare the results with the targets."""
    lines = []
    for title, variant, devices, latency, target in (
        ("a list of 50 devices at 200 ms", LIST, 50, 0.2, 12.0),
        ("one device by its ID at 0 ms", SINGLE, 1, 0.0, 1 / 0.7),
        ("one device by its ID at 200 ms", SINGLE, 1, 0.2, 1 / 0.7),
    ):
        found = _ratio(results, variant, devices, latency)
        if found is not None:
            result_text = "met" if found >= target else "MISSED"
            lines.append(f"- {title}: {found:.2f} times as fast as `{URI.name}`, target {target:.2f}: {result_text}")
    return ["Targets:", "\n".join(lines)] if lines else []


def _ratio(results: Results, variant: Variant, devices: int, latency: float) -> float | None:
    result = results.find(variant, devices, latency)
    return results.ratio(result) if result is not None else None


def seconds(value: float) -> str:
    """Format seconds with about three significant digits."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
