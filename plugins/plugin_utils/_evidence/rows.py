# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One device of the evidence as text."""

from __future__ import annotations

import re
import typing as t
from dataclasses import dataclass

from ...module_utils._evidence_format import mapping, sequence
from ...module_utils._presentable import escape_invisible
from .labels import ATTENTION, Group, OutcomeLabel, OutcomeLabels

_UTC: t.Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)", re.ASCII)


@dataclass(frozen=True)
class Candidate:
    """A device that matches, or nearly matches."""

    name: str
    device_id: str
    last_seen: str


@dataclass(frozen=True)
class Row:
    """One device."""

    name: str
    device_id: str
    entra_id: str
    host: str
    requested_name: str
    """The name that was requested, if the service has another one."""
    outcome: str
    label: OutcomeLabel
    group: Group
    result: str
    action_id: str
    external_id: str
    """The identity that the run sent with the request."""
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
    """Whether the tag was set, in a sentence. Empty without a tag."""
    tag_missing: bool

    @property
    def needs_attention(self) -> bool:
        return self.group is ATTENTION

    @property
    def attention_reason(self) -> str:
        """Why the device needs attention, in a few words: its outcome, or its error code if the outcome alone is not the reason."""
        return self.code.replace("_", " ") if self.code and self.label.group is not ATTENTION else self.label.phrase


def build_row(device: t.Mapping[str, t.Any], labels: OutcomeLabels, comment: str) -> Row:
    requested, action, machine = (mapping(device.get(key)) for key in ("requested", "action", "machine"))
    error, tag = mapping(device.get("error")), mapping(device.get("tag"))
    failed = bool(device["failed"]) if device.get("failed") is not None else None
    outcome, status = escape_invisible(device.get("outcome")), escape_invisible(action.get("status"))
    label = labels.label_for(outcome, failed)
    group = labels.group(label, failed=bool(failed or error), succeeded=status == "Succeeded")
    names = (device.get("device_name"), requested.get("device_name"), device.get("host"))
    name, requested_name, host = map(escape_invisible, names)
    message = escape_invisible(error.get("message"), lines=True)
    tag_missing = bool(tag) and not tag.get("ok")
    verbs = ("would be", "would not be") if labels.prediction else ("was", "was not")
    tag_text = f"The tag {escape_invisible(tag.get('tag'))} {verbs[tag_missing]} set."
    tag_error = escape_invisible(tag.get("message"), lines=True) if tag_missing else ""
    return Row(
        name=name or requested_name or host,
        device_id=escape_invisible(device.get("device_id") or requested.get("device_id")),
        entra_id=escape_invisible(machine.get("aadDeviceId") or requested.get("aad_device_id")),
        host=host,
        requested_name=requested_name if name and requested_name.casefold() != name.casefold() else "",
        outcome=outcome,
        label=label,
        group=group,
        result=message or labels.meaning(label, group),
        action_id=escape_invisible(action.get("id")),
        external_id=escape_invisible(device.get("external_id")),
        status=status,
        created=format_utc(action.get("creationDateTimeUtc")),
        updated=format_utc(action.get("lastUpdateDateTimeUtc")),
        requestor=escape_invisible(action.get("requestor")),
        comment=escape_invisible(action.get("requestorComment") or requested.get("comment"), lines=True) or comment,
        code=escape_invisible(error.get("code")),
        message=message,
        http_status=escape_invisible(error.get("http_status")),
        hint=escape_invisible(error.get("hint"), lines=True),
        correlation_id=escape_invisible(error.get("correlation_id")),
        candidates=tuple(_candidate(mapping(candidate)) for candidate in sequence(device.get("candidates"))),
        tag=" ".join(filter(None, (tag_text, tag_error))) if tag else "",
        tag_missing=tag_missing,
    )


def _candidate(record: t.Mapping[str, t.Any]) -> Candidate:
    return Candidate(
        escape_invisible(record.get("device_name")),
        escape_invisible(record.get("device_id")),
        format_utc(record.get("last_seen")),
    )


def format_utc(value: object) -> str:
    """A time in UTC to the second. Any other text is returned as it is, with invisible characters escaped."""
    text = escape_invisible(value)
    found = _UTC.fullmatch(text)
    return f"{found[1]}Z" if found else text
