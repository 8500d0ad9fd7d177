# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How a message quotes a response that is not the service's JSON."""

from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._api.error_responses import error_from_response
from ansible_collections.secops.mde.plugins.module_utils._http.redaction import Redactor
from ansible_collections.secops.mde.plugins.module_utils._http.response import Response, summarize_body

HEAVY: t.Final = {
    "titles": "<title>" * 20_000,
    "titles without an end": "<title" * 20_000,
    "opened tags": "<" * 140_000,
    "scripts": "<script>" * 20_000,
    "scripts without an end": "<script" * 20_000,
    "spaces": "<" + " " * 140_000,
    "one word": "x" * 140_000,
}


@pytest.mark.parametrize("text", HEAVY.values(), ids=HEAVY)
def test_a_message_about_an_unexpected_page_is_short_and_created_quickly(text: str) -> None:
    page = Response(method="GET", url="https://api.example.test", status=502, body=text.encode())
    before = time.process_time()
    assert len(summarize_body(page)) < 250
    assert time.process_time() - before < 4  # processor time: some milliseconds, but 25 s if it were quadratic


SECRET: t.Final = "hush-0123456789-abcdefghijklmnop"


@pytest.mark.parametrize(
    "rest", ["y " * (1 << 20), "\\u0041" * 350_000, f"{SECRET} " * 60_000], ids=lambda text: text[:7]
)
def test_a_large_body_that_quotes_a_secret_is_masked_quickly(rest: str) -> None:
    escaped = SECRET.replace("h", "\\u0068")
    body = f'{{"value": ["{SECRET}", "{escaped}", "{rest}"], "{SECRET}": 1}}'.encode()
    page = Response("GET", "https://api.example.test", 400, body=body, redact=Redactor([SECRET]))
    before = time.process_time()
    assert SECRET not in str(page.json())
    assert SECRET not in str(error_from_response(page))
    assert time.process_time() - before < 4


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("<html><TITLE class=x>Blocked\n here</TITLE></html>", "an HTML page: Blocked here"),
        ("<p>One</p><script>if (a<b) x()</script><style>p{}</style><p>two</p>", "an HTML page: One two"),
        ("<p>One<script>never closed", "an HTML page: One"),
        ("<title>never closed", "an HTML page: never closed"),
        ("plain words", "not JSON from the service: plain words"),
        ("", "an empty response"),
    ],
)
def test_a_page_is_quoted_by_its_title_or_its_text(page: str, words: str) -> None:
    assert summarize_body(Response(method="GET", url="https://x", status=502, body=page.encode())) == words
