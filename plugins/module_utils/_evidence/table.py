# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The table of an evidence page: one row a device, whole without script."""

from __future__ import annotations

from .html import code, element, esc, labelled, name, time
from .report import Evidence
from .rows import Candidate, Row

_HEADERS = ("#", "Device", "Outcome", "Action", "Created (UTC)", "Result")


def table(evidence: Evidence) -> str:
    """All devices in the order asked."""
    heads = "".join(f"<th scope=col>{header}</th>" for header in _HEADERS)
    rows = "\n".join(_row(row, evidence) for row in evidence.rows)
    return (
        "<table id=devices><caption class=unseen>Devices of this run, each with its outcome, action and result</caption>"
        f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table>"
    )


def _row(row: Row, evidence: Evidence) -> str:
    group = row.group
    return (
        f'<tr class={group.key} data-outcome="{esc(row.outcome)}" data-status="{esc(row.status)}">'
        f"<td>{row.position}</td>"
        f"<th scope=row>{_device(row)}</th>"
        f"<td><span class=badge><i aria-hidden=true>{group.glyph}</i>{esc(row.label.label)}</span></td>"
        f"<td>{_action(row, evidence)}</td>"
        f"<td>{_times(row)}</td>"
        f"<td>{_result(row)}</td></tr>"
    )


def _device(row: Row) -> str:
    return (
        (element("b", row.name) or "<b class=none>no name</b>")
        + (code(row.device_id) or "<span class=none>no device id</span>")
        + labelled("asked for as", name(row.requested_name))
        + labelled("host", name(row.host if row.host.casefold() != row.name.casefold() else ""))
        + labelled("Entra id", code(row.entra_id))
    )


def _action(row: Row, evidence: Evidence) -> str:
    """Who and why only where they are not those of the run."""
    if not (row.status or row.action_id):
        return "<span class=none>no action</span>"
    if not row.action_id and evidence.prediction:
        return f"<span class=none>{esc(row.status) or 'to be created'}, not sent</span>"
    somebody = row.requestor if row.requestor != evidence.context.get("client_id") else ""
    why = row.comment if row.comment != evidence.comment else ""
    return (
        element("b", row.status)
        + (code(row.action_id) or "<span class=none>no action id</span>")
        + labelled("by", code(somebody))
        + labelled("comment", esc(why))
    )


def _times(row: Row) -> str:
    """When the action was made, and when the service last said something about it: on the same day the time alone."""
    updated = row.updated if row.updated != row.created else ""
    same_day = len(updated) == 20 and updated[:11] == row.created[:11]
    return time(row.created) + labelled("updated", time(updated, short=same_day))


def _result(row: Row) -> str:
    marks = [code(row.code), f"HTTP {esc(row.http_status)}" if row.http_status else ""]
    return (
        f"<p>{esc(row.result)}</p>"
        + element("p", row.hint, "hint")
        + labelled("code", " · ".join(filter(None, marks)))
        + labelled("support id", code(row.correlation_id))
        + _candidates(row.candidates)
        + element("p", row.tag, "warn" if row.tag_missing else "note")
    )


def _candidates(candidates: tuple[Candidate, ...]) -> str:
    if not candidates:
        return ""
    items = "".join(
        f"<li>{code(c.device_id) or 'no id'}<span>{name(c.name) or 'no name'}"
        f"{f', last seen {time(c.last_seen)}' if c.last_seen else ''}</span></li>"
        for c in candidates
    )
    return f"<p class=note>{'Candidates' if len(candidates) > 1 else 'Candidate'}</p><ul class=candidates>{items}</ul>"
