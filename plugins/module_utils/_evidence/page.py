# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Evidence as one HTML page, to look at, to print and to keep: nothing in it comes from, or goes, anywhere else.

The policy in its head forbids every request, and every script and style but the two that stand here, by their hash.
"""

from __future__ import annotations

import base64
import hashlib
import typing as t

from .html import code, esc, facts, link, time
from .labels import Group
from .report import Count, Evidence, parse_evidence
from .script import SCRIPT
from .style import STYLE
from .table import table


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


_POLICY: t.Final = (
    f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SCRIPT)}; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
_KINDS: t.Final = {"offboard": "Offboarding", "verify": "Verification"}


def render(evidence: object) -> str:
    """The evidence of a run as an HTML page. ``ValueError`` where it is none."""
    found = parse_evidence(evidence)
    kind = _KINDS.get(found.labels.kind, "Evidence")
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<link rel="icon" href="data:,">
<title>{esc(found.headline)} {esc(found.run.get("started_at", ""))}</title>
<style>{STYLE}</style>
</head>
<body>
<header>
<p class="eyebrow">Microsoft Defender for Endpoint<span>{kind} evidence</span></p>
<h1>{esc(found.headline)}</h1>
{_notices(found)}</header>
<main>
{_overview(found)}
<section aria-label="The run"><dl class="facts">{_run(found)}</dl></section>
<section class="charts" aria-label="Counts">
{_chart("By outcome", found.outcomes, len(found.rows))}
{_chart("By action status", found.statuses, len(found.rows))}
</section>
<section aria-labelledby="list">
<h2 id="list">Devices</h2>
{_controls(found)}
<p id="count" role="status" aria-live="polite">{_counted(len(found.rows))}</p>
{table(found)}
</section>
{_legend(found)}
</main>
<footer>{_footer(found)}</footer>
<script>{SCRIPT}</script>
</body>
</html>
"""


def _notices(found: Evidence) -> str:
    """What a reader must not miss: nothing was done, or not all of it."""
    told = ""
    if found.prediction:
        told += (
            '<p class="notice"><strong>Prediction</strong> '
            "This run was in check mode: nothing was changed. It says what a real run would have done at that time.</p>\n"
        )
    if not found.complete:
        told += (
            '<p class="notice"><strong>Not complete</strong> '
            f"The run ended, or was still going, after {len(found.rows):,} of {max(found.device_count, len(found.rows)):,} devices. "
            "Run it again for the rest: what is done is found and not done twice.</p>\n"
        )
    return told


def _bar(parts: t.Iterable[tuple[Group, int]], total: int) -> str:
    """A bar in the colours of its parts. It is never the only place of a number."""
    rects, before = "", 0
    for group, count in parts:
        x, width = before / total * 1000, count / total * 1000
        rects += f'<rect class="{group.key}" x="{x:.1f}" width="{width:.1f}" height="10"/>'
        before += count
    return f'<svg aria-hidden="true" viewBox="0 0 1000 10" preserveAspectRatio="none">{rects}</svg>'


def _overview(found: Evidence) -> str:
    """One bar of the whole run, and its parts with numbers."""
    parts = [part for count in found.groups for part in count.by_group]
    items = "".join(
        f'<li class="{group.key}"><i aria-hidden="true">{group.glyph}</i><b>{number:,}</b>{group.label}</li>'
        for group, number in parts
    )
    whole = _bar(parts, len(found.rows))
    return f'<section class="overview" aria-label="Overview">{whole}<ul>{items}</ul></section>'


def _run(found: Evidence) -> str:
    run, context, api = found.run, found.context, found.api
    job = link(run.get("job_url", ""), run.get("job_id") or run.get("job_url", ""))
    calls = f"{_counted(api.get('calls', 0), 'call', 'calls')}, {_counted(api.get('retries', 0), 'retry', 'retries')}"
    calls += f", {api['throttled_seconds']:,} s throttled" if api.get("throttled_seconds") else ""
    return facts(
        [
            ("Why", esc(found.comment) or "<span class=none>no comment</span>"),
            ("Started (UTC)", time(run.get("started_at", ""))),
            ("Last update (UTC)", time(run.get("updated_at", ""))),
            (
                "Devices",
                f"{len(found.rows):,} of {found.device_count:,} asked for"
                if found.device_count
                else f"{len(found.rows):,}",
            ),
            ("Operator", esc(run.get("operator", ""))),
            ("Job", job),
            ("Playbook", esc(run.get("playbook", ""))),
            ("Application", code(context.get("client_id", ""))),
            ("Tenant", code(context.get("tenant_id", ""))),
            ("API", code(context.get("api_url", ""))),
            ("API use", calls if api else ""),
            ("Collection", f"secops.mde {esc(context.get('collection_version', ''))}".strip()),
        ]
    )


def _chart(title: str, counts: list[Count], total: int) -> str:
    items = "".join(
        f"<li><span>{esc(count.label)}</span>{_bar(count.by_group, total)}<b>{count.total:,}</b></li>"
        for count in counts
    )
    return f'<div class="chart"><h2>{title}</h2><ul>{items or "<li>none</li>"}</ul></div>'


def _controls(found: Evidence) -> str:
    """Hidden until the script has them work."""
    needing = sum(row.needs_attention for row in found.rows)
    return (
        '<form id="controls" role="search" aria-label="Devices" hidden>'
        '<label class="wide">Search<input id="search" type="search" placeholder="name, id, code, words of the reason" '
        'autocomplete="off" spellcheck="false"></label>'
        f"{_select('outcome', 'Outcome', found.outcomes)}{_select('status', 'Action status', found.statuses)}"
        f'<label class="check"><input id="person" type="checkbox">Needs a person ({needing:,})</label>'
        '<button id="clear" type="reset">Clear</button></form>'
    )


def _select(name: str, label: str, counts: list[Count]) -> str:
    """The first choice stands for all; an empty value is a device without action."""
    options = "".join(
        f'<option value="={esc(count.key)}">{esc(count.label)} ({count.total:,})</option>' for count in counts
    )
    return f'<label>{label}<select id="{name}"><option value="">All</option>{options}</select></label>'


def _counted(number: int, singular: str = "device", plural: str = "devices") -> str:
    return f"{number:,} {singular if number == 1 else plural}"


def _legend(found: Evidence) -> str:
    """The meaning of the outcomes that occur, each once."""
    labels = {row.outcome: row.label for row in found.rows}
    items = facts([(esc(labels[count.key].label), esc(labels[count.key].meaning)) for count in found.outcomes])
    return f'<section aria-labelledby="meaning"><h2 id="meaning">What the outcomes mean</h2><dl>{items}</dl></section>'


def _footer(found: Evidence) -> str:
    proof = "A succeeded machine action is the proof of an offboard: the service has no state called offboarded."
    version = esc(found.context.get("collection_version", ""))
    return f"<p>{proof}</p><p>Written by secops.mde {version}. All times are UTC.</p>"
