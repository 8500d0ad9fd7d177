# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Redactor: masks our credentials in text from servers, proxies and programs, which may quote them in any encoding.

It searches the text as it is and with percent, HTML, JSON and backslash escapes decoded, up to three times, without white
space and NULs (line breaks, UTF-16), and for the base64 and hex forms. Mask before you cut: a part of a secret is not
recognized.
"""

from __future__ import annotations

import base64
import html
import json
import logging
import re
import threading
import typing as t
from array import array
from bisect import bisect_left
from urllib.parse import parse_qsl, quote, quote_plus, unquote

MASK: t.Final = "********"
# Headers with credentials: of HTTP, App Service, Service Fabric and the older metadata endpoints.
_HEADERS: t.Final = frozenset({"authorization", "proxy-authorization", "cookie", "x-identity-header", "secret"})
# Parameters of OAuth 2.0 (RFC 6749, 7521, 7523) with credentials, in requests and in responses.
_SENT: t.Final = frozenset({"client_secret", "client_assertion", "assertion", "password", "refresh_token"})
_RECEIVED: t.Final = frozenset({"access_token", "refresh_token", "id_token"})
# Shorter values are not tokens. A response must not be able to mask common words.
_SHORTEST_TOKEN: t.Final = 8
# Characters of a text that may be shown in messages; nothing after them is shown.
HEAD: t.Final = 65536
# A server may cut what it quotes. This much of the beginning identifies a long secret.
_PREFIX: t.Final = 16
_ROUNDS: t.Final = 3

_SPACE = rb"[\s\x00]+"
_UNIT = re.compile(
    rb"%[0-9A-Fa-f]{2}"
    rb"|\\u[dD][89ABab][0-9A-Fa-f]{2}\\u[dD][C-Fc-f][0-9A-Fa-f]{2}"
    rb"|\\u[0-9A-Fa-f]{4}"
    rb"|\\x[0-9A-Fa-f]{2}"
    rb"|\\[^\sux]"
    rb"|&(?:#[0-9]{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});"
    rb"|" + _SPACE
)
_SPACES = re.compile(_SPACE)
# Visible ASCII characters, which JSON can escape.
_ESCAPED = re.compile(rb"\\u00([2-7][0-9A-Fa-f])")
# Tokens and values of such parameters, of any owner: a response that is cut or corrupt cannot be parsed.
_TOKEN = re.compile(r"eyJ[A-Za-z0-9_-]{16,}(?:\.[A-Za-z0-9_-]*)*")
_NAMED = re.compile(
    r"\b((?:access|refresh|id)_token|client_secret|client_assertion)"
    r"((?:\\*[\"']|&quot;|&#3[49];|%22)?\s{0,9}(?:[=:]|%3[ADad])\s{0,9}(?:\\*[\"']|&quot;|&#3[49];|%22)?)"
    r"[^\s\"'\\&<>,;{}()%]{16,}"
)
_AUTHORIZATION = re.compile(r"\b(bearer|basic)(\s{1,9}|\+|%20)[A-Za-z0-9._~+/=-]{16,}", re.IGNORECASE)


class Redactor:
    """Knows the credentials of a connection and masks them in text. Thread-safe."""

    def __init__(self, secrets: t.Iterable[str | None] = ()) -> None:
        self._lock = threading.Lock()
        self._needles: frozenset[bytes] = frozenset()
        self.secrets: frozenset[str] = frozenset()
        """The secrets that were added, unencoded."""
        self.add(*secrets)

    def add(self, *secrets: str | None) -> None:
        """Mask these secrets from now on. Empty values and values of spaces are ignored."""
        for secret in secrets:
            if secret and secret not in self.secrets and secret.strip():
                with self._lock:
                    self._needles |= _needles(secret)
                    self.secrets |= {secret}

    def add_request(self, headers: t.Mapping[str, t.Any] | None, data: t.Any) -> None:
        """Mask the credentials in the headers and the form of a request from now on."""
        for name, value in (headers or {}).items():
            if name.lower() in _HEADERS and isinstance(value, str) and value not in self.secrets:
                self.add(value, value.partition(" ")[2])
        if isinstance(data, str):
            data = dict(parse_qsl(data))
        if isinstance(data, dict):
            self.add(*(value for name, value in data.items() if name in _SENT and isinstance(value, str)))

    def add_tokens(self, document: object) -> None:
        """Mask the tokens in the JSON of a sign-in response from now on."""
        if isinstance(document, dict):
            found = (value for name, value in document.items() if name in _RECEIVED and isinstance(value, str))
            self.add(*(value for value in found if len(value) >= _SHORTEST_TOKEN))

    def add_password(self, url: str | None) -> None:
        """Mask the password in a URL from now on: encoded, decoded, and in the form of basic authentication."""
        for user, password in users_and_passwords(url):
            self.add(password, base64.b64encode(f"{user}:{password}".encode("utf-8", "surrogatepass")).decode())

    def finds(self, body: bytes) -> bool:
        """Whether a long secret is in the JSON of a body. Fast enough for a page of 10,000 records."""
        texts = [body]
        if b"\\" in body:
            texts.append(_ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), body).replace(b"\\/", b"/"))
        secrets = [secret.encode("utf-8", "surrogatepass") for secret in self._long_secrets()]
        return any(secret in text for text in texts for secret in secrets)

    def mask_json(self, value: t.Any) -> t.Any:
        """The value of JSON with long secrets masked in its texts. Raises RecursionError if it is nested too deeply.

        Far cheaper than the text of the JSON, which can have many megabytes.
        """
        long = self._long_secrets()

        def masked(text: str) -> str:
            if not any(secret in text for secret in long):
                return text
            if len(text) <= HEAD:
                return self(text)
            for secret in long:
                text = text.replace(secret, MASK)
            return text

        def walk(value: t.Any) -> t.Any:
            if isinstance(value, str):
                return masked(value)
            if isinstance(value, dict):
                return {masked(key): walk(item) for key, item in value.items()}
            return [walk(item) for item in value] if isinstance(value, list) else value

        return walk(value)

    def _long_secrets(self) -> list[str]:
        """Those that are unlikely in a text by chance, the longest first."""
        return sorted((secret for secret in self.secrets if len(secret) >= _PREFIX), key=len, reverse=True)

    def head(self, text: str) -> str:
        """The first ``HEAD`` characters of a text, masked, without a possible beginning of a secret at the cut."""
        if len(text) <= HEAD:
            return self(text)
        masked = self(text[:HEAD])
        return masked[: max(0, len(masked) - max(map(len, self._needles), default=0))]

    def __call__(self, text: str) -> str:
        """The text with ``********`` in place of credentials. The time is linear in the length of the text."""
        data = text.encode("utf-8", "surrogatepass")
        text = _cut_out(data, _spans(data, self._needles)).decode("utf-8", "surrogatepass")
        text = _TOKEN.sub(MASK, text)
        text = _NAMED.sub(rf"\1\2{MASK}", text)
        return _AUTHORIZATION.sub(rf"\1\2{MASK}", text)


def users_and_passwords(url: str | None) -> set[tuple[str, str]]:
    """User and password of a URL, encoded and decoded. Works for URLs that no parser accepts.

    Everything before the last ``@`` is user and password: no host name contains that character.
    """
    text = str(url or "").strip()
    rest = text.partition("://")[2] or text.removeprefix("//")
    user, _colon, password = rest.rpartition("@")[0].partition(":")
    return {(user, password), (unquote(user), unquote(password))} if password else set()


def silence_loggers() -> None:
    """Disable the loggers of msal, urllib3 and requests: they log token responses and invalid headers in full."""
    for name in ("msal", "urllib3", "requests"):
        logger = logging.getLogger(name)
        logger.setLevel(logging.CRITICAL + 1)
        logger.propagate = False


def _needles(secret: str) -> set[bytes]:
    """Search terms for a secret: decoded as often as the text is, and as base64 and hex; all without white space."""
    found: set[bytes] = set()
    # Some servers read the bytes of UTF-8 as Latin-1, or escape each of them.
    misread = secret.encode("utf-8", "surrogatepass").decode("latin-1")
    for written in (secret, secret.replace(" ", "+"), misread):
        for encoding in ("utf-8", "latin-1"):
            try:
                plain = written.encode(encoding, "surrogatepass")
            except UnicodeError:
                continue
            for _round in range(_ROUNDS + 1):
                found.add(_SPACES.sub(b"", plain))
                plain = _UNIT.sub(_unescaped, plain)
    plain = secret.encode("utf-8", "surrogatepass")
    for form in (secret, quote(plain, safe=""), quote_plus(plain), json.dumps(secret)[1:-1], html.escape(secret)):
        raw = form.encode("utf-8", "surrogatepass")
        for skipped in range(3):
            # The characters that depend on this secret only, whatever is encoded before and after it.
            text = base64.b64encode(bytes(skipped) + raw)[(skipped * 8 + 5) // 6 : (skipped + len(raw)) * 8 // 6]
            if len(text) >= 8:
                found |= {text, text.replace(b"+", b"-").replace(b"/", b"_")}
        if len(raw) >= 4:
            found |= {raw.hex().encode(), raw.hex().upper().encode()}
    return found - {b""}


def _spans(data: bytes, needles: t.Collection[bytes]) -> list[tuple[int, int]]:
    """Begin and end of each credential in ``data``, in any encoding."""
    view, positions = _decoded(_SPACES, data, array("Q", range(len(data) + 1)))
    found: list[tuple[int, int]] = []
    for _round in range(_ROUNDS + 1):
        for needle in needles:
            key = needle[:_PREFIX] if len(needle) > 2 * _PREFIX else needle
            at = view.find(key)
            while at >= 0:
                end = at + _common(view, at, needle)
                while end < len(view) and positions[end] == positions[end - 1]:  # inside an escape
                    end += 1
                quoted = data[positions[at] : positions[end]]
                found.append((positions[at], positions[at] + len(quoted.rstrip())))
                at = view.find(key, end)
        decoded, positions = _decoded(_UNIT, view, positions)
        if decoded == view:
            break
        view = decoded
    return found


def _common(view: bytes, at: int, needle: bytes) -> int:
    """The number of bytes of the needle that are at this position."""
    sizes = range(1, len(needle) + 1)
    return bisect_left(sizes, True, key=lambda size: not view.startswith(needle[:size], at))


def _decoded(pattern: re.Pattern[bytes], data: bytes, positions: array[int]) -> tuple[bytes, array[int]]:
    """The data with each match unescaped, and for each byte and the end its position in the original data."""
    parts: list[bytes] = []
    where: array[int] = array("Q")
    at = 0
    for unit in pattern.finditer(data):
        new = _unescaped(unit)
        parts += (data[at : unit.start()], new)
        where += positions[at : unit.start()]
        where.extend([positions[unit.start()]] * len(new))
        at = unit.end()
    parts.append(data[at:])
    where += positions[at:]
    return b"".join(parts), where


def _unescaped(match: re.Match[bytes]) -> bytes:
    """The bytes that an escape represents; none for white space."""
    unit = match[0]
    if unit.startswith(b"%"):
        found = bytes([int(unit[1:], 16)])
    elif unit.startswith((b"\\u", b"\\x")):
        code_units = unit.decode("unicode_escape").encode("utf-16-le", "surrogatepass")
        found = code_units.decode("utf-16-le", "replace").encode()
    elif unit.startswith(b"\\"):
        found = b"" if unit in (b"\\n", b"\\r", b"\\t") else unit[1:]
    elif unit.startswith(b"&"):
        found = html.unescape(unit.decode()).encode("utf-8", "surrogatepass")
    else:
        found = b""
    return _SPACES.sub(b"", found)


def _cut_out(data: bytes, spans: list[tuple[int, int]]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for start, end in sorted(spans):
        while end < len(data) and data[end] & 0xC0 == 0x80:  # inside a character
            end += 1
        if start >= at:
            parts += (data[at:start], MASK.encode())
        at = max(at, end)
    parts.append(data[at:])
    return b"".join(parts)
