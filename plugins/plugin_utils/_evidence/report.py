# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Evidence prepared for readers: one row per device, counts, and a headline."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass

from ...module_utils._evidence_format import FORMAT, device_count, mapping, sequence, to_int
from ...module_utils._presentable import escape_invisible, to_text
from .labels import GROUPS, Group, OutcomeLabels
from .rows import Row, build_row, format_utc

NO_ACTION: t.Final = "No action"


@dataclass(frozen=True)
class Count:
    """The number of devices with one outcome, status or group, in total and by group."""

    key: str
    label: str
    by_group: tuple[tuple[Group, int], ...]

    @property
    def total(self) -> int:
        return sum(count for _group, count in self.by_group)


@dataclass(frozen=True)
class Evidence:
    """All evidence of a run, as text. An unknown value is empty."""

    labels: OutcomeLabels
    complete: bool
    device_count: int
    comment: str
    run: t.Mapping[str, str]
    context: t.Mapping[str, str]
    api: t.Mapping[str, int]
    rows: tuple[Row, ...]

    @property
    def prediction(self) -> bool:
        return self.labels.prediction

    @property
    def groups(self) -> list[Count]:
        """Counts by group, in a fixed order."""
        return self._counts(lambda row: row.group.singular, {group.singular: group.label for group in GROUPS})

    @property
    def outcomes(self) -> list[Count]:
        """Counts by outcome, the known ones first, in the order of the documentation."""
        labels = {row.outcome: row.label.label for row in sorted(self.rows, key=lambda row: row.outcome)}
        known = {key: labels[key] for key in self.labels.labels if key in labels}
        return self._counts(lambda row: row.outcome, known | labels)

    @property
    def statuses(self) -> list[Count]:
        """Counts by action status, the most frequent first."""
        labels = {row.status: row.status or NO_ACTION for row in sorted(self.rows, key=lambda row: row.status)}
        return sorted(self._counts(lambda row: row.status, labels), key=lambda count: -count.total)

    def _counts(self, key: t.Callable[[Row], str], labels: t.Mapping[str, str]) -> list[Count]:
        counted = Counter((key(row), row.group) for row in self.rows)
        parts = {k: tuple((group, counted[k, group]) for group in GROUPS if counted[k, group]) for k in labels}
        return [Count(k, label, parts[k]) for k, label in labels.items() if parts[k]]

    @property
    def headline(self) -> str:
        """The result of the run in one sentence."""
        total, groups = len(self.rows), self.groups
        if not total:
            text = "no device was processed" if self.device_count else "no device was requested"
        elif total == 1:
            text = f"the device {self.rows[0].group.singular}"
        else:
            text = _join([_phrase(count, total, first=not i) for i, count in enumerate(groups)])
        needing = Counter(row.attention_reason for row in self.rows if row.needs_attention)
        if needing:
            text += f": {_reason_text(needing)}"
        if not self.complete:
            text = f"after {total:,} of {max(self.device_count, total):,} devices: {text}"
        text = f"prediction: {text}" if self.prediction else text
        return f"{text[:1].upper()}{text[1:]}."


def _phrase(count: Count, total: int, *, first: bool) -> str:
    group, number = count.by_group[0][0], count.total
    ending = group.singular if number == 1 else group.plural
    if not first:
        return f"{number:,} {ending}"
    return f"all {total:,} devices {ending}" if number == total else f"{number:,} of {total:,} devices {ending}"


def _join(parts: list[str]) -> str:
    if len(parts) < 3:
        return " and ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _reason_text(needing: Counter[str]) -> str:
    """The reasons, the most frequent first. A single reason has no number."""
    most = needing.most_common(6)
    if len(needing) == 1:
        return most[0][0]
    text = ", ".join(f"{count:,} {reason}" for reason, count in most)
    return text + (
        f", {needing.total() - sum(count for _reason, count in most):,} for other reasons" if len(needing) > 6 else ""
    )


def parse_evidence(evidence: object) -> Evidence:
    """The evidence of a document. Raises ValueError if it is not an evidence document."""
    record = mapping(evidence)
    if not record or to_text(record.get("format") or FORMAT) != FORMAT:
        raise ValueError(f"Not an evidence document: expected format {FORMAT}.")
    labels = OutcomeLabels(to_text(record.get("kind")), prediction=bool(record.get("prediction")))
    comment = escape_invisible(record.get("comment"), lines=True)
    run, api = mapping(record.get("run")), mapping(record.get("api"))
    return Evidence(
        labels=labels,
        complete=bool(record.get("complete")),
        device_count=device_count(record),
        comment=comment,
        run={to_text(k): format_utc(v) if to_text(k).endswith("_at") else escape_invisible(v) for k, v in run.items()},
        context={to_text(k): escape_invisible(v) for k, v in mapping(record.get("context")).items()},
        api={to_text(k): to_int(v) for k, v in api.items()},
        rows=tuple(build_row(mapping(device), labels, comment) for device in sequence(record.get("devices"))),
    )
