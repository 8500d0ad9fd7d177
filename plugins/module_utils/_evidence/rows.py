# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One device of a run's evidence, as text."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._evidence_format import mapping, sequence
from .._presentable import visible
from .labels import PERSON, Group, Vocabulary, Word
from .text import moment


@dataclass(frozen=True)
class Candidate:
    """A device that fits, or nearly."""

    name: str
    device_id: str
    last_seen: str


@dataclass(frozen=True)
class Row:
    """One device."""

    position: int
    name: str
    device_id: str
    entra_id: str
    host: str
    asked: str
    """What was asked for, where the service calls it otherwise."""
    outcome: str
    word: Word
    group: Group
    result: str
    action_id: str
    status: str
    created: str
    updated: str
    requestor: str
    comment: str
    code: str
    message: str
    http_status: str
    hint: str
    correlation_id: str
    candidates: tuple[Candidate, ...]
    tag: str
    """What became of the tag, in a sentence, where there was one."""
    tag_missing: bool

    @property
    def needs_person(self) -> bool:
        return self.group is PERSON

    @property
    def reason(self) -> str:
        """Why it needs a person, in a word or two: where the outcome alone is no reason, the error's code."""
        return self.code.replace("_", " ") if self.code and self.word.group is not PERSON else self.word.short


def row_of(position: int, device: t.Mapping[str, t.Any], vocabulary: Vocabulary, comment: str) -> Row:
    asked, action, machine = (mapping(device.get(key)) for key in ("requested", "action", "machine"))
    error, tag = mapping(device.get("error")), mapping(device.get("tag"))
    failed = bool(device["failed"]) if device.get("failed") is not None else None
    outcome, status = visible(device.get("outcome")), visible(action.get("status"))
    word = vocabulary.word(outcome, failed)
    group = vocabulary.group(word, failed=bool(failed or error), succeeded=status == "Succeeded")
    known = [visible(device.get("device_name")), visible(asked.get("device_name")), visible(device.get("host"))]
    device_id = visible(device.get("device_id")) or visible(asked.get("device_id"))
    entra_id = visible(machine.get("aadDeviceId")) or visible(asked.get("aad_device_id"))
    message = visible(error.get("message"), lines=True)
    tag_missing = bool(tag) and not tag.get("ok")
    does = ("would be", "would not be") if vocabulary.prediction else ("was", "was not")
    said = f"The tag {visible(tag.get('tag'))} {does[tag_missing]} set."
    said = " ".join(part for part in (said, visible(tag.get("message"), lines=True) if tag_missing else "") if part)
    return Row(
        position=position,
        name=next(filter(None, known), ""),
        device_id=device_id,
        entra_id=entra_id,
        host=known[2],
        asked=known[1] if known[0] and known[1].casefold() != known[0].casefold() else "",
        outcome=outcome,
        word=word,
        group=group,
        result=message or vocabulary.meaning(word, group),
        action_id=visible(action.get("id")),
        status=status,
        created=moment(action.get("creationDateTimeUtc")),
        updated=moment(action.get("lastUpdateDateTimeUtc")),
        requestor=visible(action.get("requestor")),
        comment=visible(action.get("requestorComment"), lines=True)
        or visible(asked.get("comment"), lines=True)
        or comment,
        code=visible(error.get("code")),
        message=message,
        http_status=visible(error.get("http_status")),
        hint=visible(error.get("hint"), lines=True),
        correlation_id=visible(error.get("correlation_id")),
        candidates=tuple(_candidate(mapping(candidate)) for candidate in sequence(device.get("candidates"))),
        tag=said if tag else "",
        tag_missing=tag_missing,
    )


def _candidate(record: t.Mapping[str, t.Any]) -> Candidate:
    return Candidate(
        visible(record.get("device_name")), visible(record.get("device_id")), moment(record.get("last_seen"))
    )
