# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Credentials are masked in text of servers, proxies and programs, in each encoding."""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import typing as t
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._http.redaction import (
    HEAD,
    MASK,
    Redactor,
    silence_loggers,
    users_and_passwords,
)

SECRETS = (
    "a8Q~hush-0123456789",
    'hush/&"+<>%41\\x pw~Zq9=',
    "hüsh wörd 42",
    "hush#2026@[x]",
    "p@ss",
    "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhdWQiOiJtYWRlLXVwIn0.c2lnbmF0dXJlLW1hZGUtdXA",
)
ENCODINGS: dict[str, t.Callable[[str], str]] = {
    "plain": str,
    "URL": lambda s: quote(s, safe=""),
    "path": quote,
    "form": quote_plus,
    "lower-case escapes": lambda s: re.sub("%..", lambda found: found.group().lower(), quote(s, safe="")),
    "every byte escaped": lambda s: "".join(f"%{byte:02x}" for byte in s.encode()),
    "URL twice": lambda s: quote(quote(s, safe=""), safe=""),
    "JSON": lambda s: json.dumps(s)[1:-1],
    "JSON in JSON": lambda s: json.dumps(json.dumps(s)[1:-1])[1:-1],
    "JSON, slashes escaped": lambda s: json.dumps(s)[1:-1].replace("/", "\\/"),
    "every character escaped": lambda s: "".join(f"\\u{ord(character):04X}" for character in s),
    "repr": lambda s: repr(s)[1:-1],
    "repr of bytes": lambda s: repr(s.encode())[2:-1],
    "UTF-8 read as Latin-1": lambda s: s.encode().decode("latin-1"),
    "HTML": html.escape,
    "HTML, numbers": lambda s: "".join(f"&#{ord(character)};" for character in s),
    "HTML, hex numbers": lambda s: "".join(f"&#x{ord(character):X};" for character in s),
    "JSON in HTML": lambda s: html.escape(json.dumps(s)[1:-1]),
    "URL in HTML": lambda s: html.escape(quote(s)),
    "wrapped": lambda s: f"{s[:3]}\r\n    {s[3:]}",
}


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("secret", SECRETS, ids=range(len(SECRETS)))
def test_a_secret_is_masked_in_each_encoding_and_the_text_around_it_stays(secret: str, encoding: str) -> None:
    quoted = ENCODINGS[encoding](secret)
    redact = Redactor([secret])
    assert redact(f"before ({quoted}) between '{quoted}' after") == f"before ({MASK}) between '{MASK}' after"


@pytest.mark.parametrize("before", ["", "u:", "us:"], ids=len)
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode], ids=lambda encode: encode.__name__)
@pytest.mark.parametrize("secret", [secret for secret in SECRETS if len(secret) > 8], ids=len)
def test_a_secret_is_masked_in_base64_wherever_it_begins(
    secret: str, encode: t.Callable[[bytes], bytes], before: str
) -> None:
    for written in (secret, quote_plus(secret), quote(secret, safe="")):
        masked = Redactor([secret])(encode(f"{before}{written}&more".encode()).decode())
        assert MASK in masked
        assert len(masked.replace(MASK, "")) <= len(encode(f"{before}&more".encode())) + 4


def test_a_secret_is_masked_in_hex_and_in_utf_16() -> None:
    redact = Redactor(["hush-0123"])
    assert redact(b"hush-0123".hex()) == redact(b"hush-0123".hex().upper()) == MASK
    assert "h\0u\0s\0h" not in redact("hush-0123".encode("utf-16-le").decode())


def test_a_long_secret_that_the_server_has_cut_is_masked() -> None:
    secret = "hush-0123456789-abcdefghijklmnopqrstuvwxyz"
    redact = Redactor([secret])
    assert redact(f"'{secret[:30]}...'") == f"'{MASK}...'"
    assert redact(f"'{quote(secret)[:20]}") == f"'{MASK}"


def test_the_head_of_a_text_has_no_part_of_a_secret_at_the_cut() -> None:
    secret = "hush-0123456789"
    redact = Redactor([secret])
    for cut in range(1, len(secret)):
        head = redact.head("x" * (HEAD - cut) + secret + "x")
        assert "h" not in head
        assert head.startswith("x" * (HEAD - 200))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"access_token": "0.AXoAb-made-up-opaque-token", "x"', f'{{"access_token": "{MASK}", "x"'),
        ('{\\"refresh_token\\":\\"0.AXoAb-made-up-opaque\\"', f'{{\\"refresh_token\\":\\"{MASK}\\"'),
        ("client_secret=made-up-secret-of-others&scope=x", f"client_secret={MASK}&scope=x"),
        ("client_assertion%3DeyJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ.abc%26a", f"client_assertion%3D{MASK}%26a"),
        ("Authorization: Bearer 0123456789abcdef01", f"Authorization: Bearer {MASK}"),
        ("Proxy-Authorization: Basic dXNlcjpwYXNzd29yZA==", f"Proxy-Authorization: Basic {MASK}"),
        ("got eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9.eyJhIjoxfQ", f"got {MASK}"),
    ],
)
def test_tokens_of_any_owner_are_masked(text: str, shown: str) -> None:
    assert Redactor()(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "invalid_client: AADSTS7000215: Invalid client secret provided. Ensure the secret being sent is the value.",
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
        "access_token is missing",
        "Bearer authentication is required",
        "pc-0101.corp.example returned HTTP 404, an HTML page: Not Found\n",
        "\ud83d broken, and \ud83d\ude00 complete",
    ],
)
def test_text_about_secrets_is_not_masked(text: str) -> None:
    assert Redactor(["hush-0123456789"])(text) == text


def test_credentials_in_requests_and_responses_are_learned() -> None:
    redact = Redactor()
    redact.add_request(
        {"Authorization": "Bearer tok-1", "X-IDENTITY-HEADER": "tok-2", "Accept": "application/json"},
        {"client_secret": "tok-3", "client_assertion": "tok-4", "scope": "visible"},
    )
    redact.add_request({}, "client_secret=tok%2D5&scope=visible")
    redact.add_tokens(
        {"access_token": "opaque-6", "refresh_token": "opaque-7", "id_token": "opaque-8", "expires_in": 3599}
    )
    redact.add_tokens({"access_token": "corp", "code": "application", "error": "visible", "refresh_token": ["x"]})
    redact.add_tokens([])
    redact.add_password("http://user:tok%2D9@proxy.example.test:8080")
    numbers = [f"{'opaque' if 6 <= number <= 8 else 'tok'}-{number}" for number in range(1, 10)]
    assert set(numbers) <= redact.secrets
    assert redact(" ".join(numbers)) == " ".join([MASK] * 9)
    others = "visible application/json 3599 user proxy.corp.example"
    assert redact(others) == others
    assert MASK in redact(base64.b64encode(b"user:tok-9").decode())


@given(st.text(), st.text(min_size=8), st.sampled_from(sorted(ENCODINGS)), st.text())
def test_no_text_makes_the_redactor_fail_or_keep_the_secret(before: str, secret: str, how: str, after: str) -> None:
    masked = Redactor([secret])(before + ENCODINGS["plain"](secret) + after)
    assert not secret.strip() or secret not in masked or secret in MASK * 9
    Redactor([secret])(before + ENCODINGS[how](secret) + after)


def test_empty_secrets_mask_nothing() -> None:
    assert Redactor(["", " ", None])("a b") == "a b"


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("http://svc:Sommer#2026@proxy:8080", [("svc", "Sommer#2026")]),
        ("svc:So[mm]er@proxy:8080", [("svc", "So[mm]er")]),
        ("http://svc:So@mm er@proxy", [("svc", "So@mm er")]),
        ("http://svc:100%25@proxy", [("svc", "100%25"), ("svc", "100%")]),
        ("http://svc:a//b@proxy", [("svc", "a//b")]),
        ("svc:a//b@proxy", [("svc", "a//b")]),
        ("http://svc@proxy", []),
        (None, []),
    ],
)
def test_the_complete_password_of_a_url_is_found(url: str | None, found: list[tuple[str, str]]) -> None:
    assert users_and_passwords(url) == set(found)


def test_the_libraries_log_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    silence_loggers()
    for name in ("msal.oauth2cli.oauth2", "urllib3.connectionpool", "requests"):
        logging.getLogger(name).critical("hush")
    assert caplog.records == []
