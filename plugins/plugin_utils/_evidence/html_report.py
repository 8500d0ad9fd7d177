# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The HTML page of the evidence: Jinja2 environment and content security policy. The page is in the directory templates.

The content security policy of the page forbids every request, and every script and style except the two of this page, which
it names by their hash.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import typing as t
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from .report import Evidence, parse_evidence

TEMPLATES: t.Final = Path(__file__).parent / "templates"
_KINDS: t.Final = {"offboard": "Offboarding", "verify": "Verification"}
# The values that the page shows from these parts of the evidence. An unknown value is empty.
_RUN: t.Final = ("started_at", "updated_at", "operator", "job_id", "job_url", "playbook")
_CONTEXT: t.Final = ("client_id", "tenant_id", "api_url", "collection_version")
_API: t.Final = ("calls", "retries", "throttled_seconds")


def render(document: object) -> str:
    """The HTML page. Raises ValueError if ``document`` is not an evidence document."""
    evidence = parse_evidence(document)
    return _template().render(
        evidence=evidence,
        kind=_KINDS.get(evidence.labels.kind, "Evidence"),
        groups=[part for count in evidence.groups for part in count.by_group],
        run={name: evidence.run.get(name, "") for name in _RUN},
        context={name: evidence.context.get(name, "") for name in _CONTEXT},
        api={name: evidence.api.get(name, 0) for name in _API} if evidence.api else {},
        legend=_legend(evidence),
    )


@functools.cache
def _template() -> Template:
    """The compiled page with its style and its script, the only values that are not escaped."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        finalize=_escape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["number"] = lambda number: f"{number:,}"
    environment.filters["sha256"] = _hash
    style, script = (Markup((TEMPLATES / name).read_text("utf-8")) for name in ("report.css", "report.js"))
    return environment.get_template("report.html.j2", globals={"style": style, "script": script})


def _escape(value: object) -> Markup:
    """Escape braces as well: a brace could start an expression if the page is used as a template."""
    return value if isinstance(value, Markup) else Markup(str(escape(value)).replace("{", "&#123;"))


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"


def _legend(evidence: Evidence) -> list[tuple[str, str]]:
    """The labels and meanings of the outcomes that occur, each once."""
    labels = {row.outcome: row.label for row in evidence.rows}
    return [(labels[count.key].label, labels[count.key].meaning) for count in evidence.outcomes]
