# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later


"""The findings as Markdown."""

from __future__ import annotations

import typing as t
from collections.abc import Iterable, Sequence

from .cases import CHECK, LATENCIES, LIST, SINGLE, URI, Form
from .results import Result, Results

_HEAD = ("devices", "form", "wall time", "times as fast", "processor time", "peak memory", "calls a device", "sign-ins")


def render(results: Results, machine: dict[str, t.Any]) -> str:
    """All tables there is something for."""
    parts = [_machine(machine)]
    for latency in LATENCIES:
        rows = [item for item in results.all if item.case.devices and item.case.latency == latency]
        compared = [item for item in rows if item.case.form is not CHECK]
        if compared:
            parts.append(f"With {latency * 1000:.0f} ms of latency for every request:")
            parts.append(_table(_HEAD, (_row(results, item) for item in compared)))
    checks = [item for item in results.all if item.case.form is CHECK]
    if checks:
        parts.append("A list of ids in check mode, no latency, at the default pace:")
        parts.append(_table(_HEAD, (_row(results, item) for item in checks)))
    return "\n\n".join([*parts, *_parts(results), *_targets(results)]) + "\n"


def _machine(machine: dict[str, t.Any]) -> str:
    return (
        f"{machine['cores']} cores ({machine['system']}, {machine['architecture']}), Python {machine['python']}, "
        f"ansible-core {machine['ansible_core']}, 5 forks. Medians; the emulator runs on the same cores, uncounted."
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---", "---", *["---:"] * (len(head) - 2)] if len(head) > 2 else ["---", "---:"], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _row(results: Results, result: Result) -> tuple[str, ...]:
    ratio = results.ratio(result)
    return (
        f"{result.case.devices:,}",
        result.case.form.title,
        seconds(result.wall),
        "" if ratio is None else f"{ratio:.1f}",
        seconds(result.median("cpu")),
        f"{result.median('memory') / 1e6:.0f} MB",
        f"{result.calls_per_device:.2f}",
        f"{result.median('sign_ins'):.0f}",
    )


def _parts(results: Results) -> list[str]:
    """Where the time goes, with a list of 50 devices over a slow line."""
    parts = results.parts()
    if parts is None:
        return []
    rows = [(name, seconds(value)) for name, value in parts.items()]
    rows.append(("in all", seconds(sum(parts.values()))))
    return ["Where the time goes, with a list of 50 devices at 200 ms:", _table(("part", "wall time"), rows)]


def _targets(results: Results) -> list[str]:
    """What the collection promises itself."""
    lines = []
    for title, syntax, devices, latency, least in (
        ("a list of 50 devices at 200 ms", LIST, 50, 0.2, 12.0),
        ("one device by its id at 0 ms", SINGLE, 1, 0.0, 1 / 0.7),
        ("one device by its id at 200 ms", SINGLE, 1, 0.2, 1 / 0.7),
    ):
        found = _ratio(results, syntax, devices, latency)
        if found is not None:
            verdict = "met" if found >= least else "MISSED"
            lines.append(
                f"- {title}: {found:.2f} times as fast as `{URI.name}`, at least {least:.2f} wanted: {verdict}"
            )
    return ["Targets:", "\n".join(lines)] if lines else []


def _ratio(results: Results, syntax: Form, devices: int, latency: float) -> float | None:
    result = results.find(syntax, devices, latency)
    return results.ratio(result) if result is not None else None


def seconds(value: float) -> str:
    """To three digits or so."""
    return f"{value:.2f} s" if value < 10 else f"{value:.1f} s"
