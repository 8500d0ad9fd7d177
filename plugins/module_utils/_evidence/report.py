# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The evidence of a run as what its readers look for: one row a device, counts, and one sentence that says what happened."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass

from .._evidence_format import FORMAT, mapping, number, sequence
from .._presentable import plain, visible
from .labels import GROUPS, Group, Vocabulary
from .rows import Row, row_of
from .text import moment

NO_ACTION: t.Final = "No action"


@dataclass(frozen=True)
class Share:
    """How many of the devices have one outcome, status or group, and where they stand."""

    key: str
    label: str
    parts: tuple[tuple[Group, int], ...]

    @property
    def count(self) -> int:
        return sum(count for _group, count in self.parts)


@dataclass(frozen=True)
class Evidence:
    """The whole run, as text; an empty one stands for what is not known."""

    vocabulary: Vocabulary
    complete: bool
    asked: int
    comment: str
    run: t.Mapping[str, str]
    context: t.Mapping[str, str]
    api: t.Mapping[str, int]
    rows: tuple[Row, ...]

    @property
    def prediction(self) -> bool:
        return self.vocabulary.prediction

    @property
    def groups(self) -> list[Share]:
        """Counts of what a reader looks for, in a fixed order."""
        return self._shares(lambda row: row.group.one, {group.one: group.label for group in GROUPS})

    @property
    def outcomes(self) -> list[Share]:
        """Counts by outcome, those that are known first."""
        labels = {row.outcome: row.word.label for row in sorted(self.rows, key=lambda row: row.outcome)}
        known = {key: labels[key] for key in self.vocabulary.words if key in labels}
        return self._shares(lambda row: row.outcome, known | labels)

    @property
    def statuses(self) -> list[Share]:
        """Counts by the state of the action, the most frequent first."""
        labels = {row.status: row.status or NO_ACTION for row in sorted(self.rows, key=lambda row: row.status)}
        return sorted(self._shares(lambda row: row.status, labels), key=lambda share: -share.count)

    def _shares(self, key: t.Callable[[Row], str], labels: t.Mapping[str, str]) -> list[Share]:
        counted = Counter((key(row), row.group) for row in self.rows)
        parts = {k: tuple((group, counted[k, group]) for group in GROUPS if counted[k, group]) for k in labels}
        return [Share(k, label, parts[k]) for k, label in labels.items() if parts[k]]

    @property
    def heading(self) -> str:
        """What happened, in one sentence."""
        total, groups = len(self.rows), self.groups
        if not total:
            told = "no device was looked at" if self.asked else "no device was asked for"
        elif total == 1:
            told = f"the device {self.rows[0].group.one}"
        else:
            told = _listed([_clause(share, total, first=not i) for i, share in enumerate(groups)])
        needing = Counter(row.reason for row in self.rows if row.needs_person)
        if needing:
            told += f": {_reasons(needing)}"
        if not self.complete:
            told = f"after {total:,} of {max(self.asked, total):,} devices: {told}"
        told = f"prediction: {told}" if self.prediction else told
        return f"{told[:1].upper()}{told[1:]}."


def _clause(share: Share, total: int, *, first: bool) -> str:
    group, count = share.parts[0][0], share.count
    says = group.one if count == 1 else group.many
    if not first:
        return f"{count:,} {says}"
    return f"all {total:,} devices {says}" if count == total else f"{count:,} of {total:,} devices {says}"


def _listed(parts: list[str]) -> str:
    if len(parts) < 3:
        return " and ".join(parts)
    return f"{', '.join(parts[:-1])}, and {parts[-1]}"


def _reasons(needing: Counter[str]) -> str:
    """Why, the most frequent first. A reason that all share needs no number."""
    most = needing.most_common(6)
    if len(needing) == 1:
        return most[0][0]
    told = ", ".join(f"{count:,} {reason}" for reason, count in most)
    return told + (
        f", {needing.total() - sum(count for _reason, count in most):,} otherwise" if len(needing) > 6 else ""
    )


def read(evidence: object) -> Evidence:
    """Take the evidence of a run apart. ``ValueError`` where it is none."""
    record = mapping(evidence)
    if not record or plain(record.get("format") or FORMAT) != FORMAT:
        raise ValueError(f"This is no evidence of a run: a mapping with the format {FORMAT} is expected.")
    vocabulary = Vocabulary(plain(record.get("kind")), prediction=bool(record.get("prediction")))
    devices, comment = sequence(record.get("devices")), visible(record.get("comment"), lines=True)
    run, api = mapping(record.get("run")), mapping(record.get("api"))
    return Evidence(
        vocabulary=vocabulary,
        complete=bool(record.get("complete")),
        asked=number(record.get("asked")),
        comment=comment,
        run={plain(k): moment(v) if plain(k).endswith("_at") else visible(v) for k, v in run.items()},
        context={plain(k): visible(v) for k, v in mapping(record.get("context")).items()},
        api={plain(k): number(v) for k, v in api.items()},
        rows=tuple(row_of(n, mapping(device), vocabulary, comment) for n, device in enumerate(devices, 1)),
    )
