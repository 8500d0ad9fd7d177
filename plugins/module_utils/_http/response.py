# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Response: a complete response. Its body has a size limit, and a summary of one line for messages."""

from __future__ import annotations

import re
import typing as t
import zlib
from dataclasses import dataclass, field

from .._foreign_json import parse_json
from .redaction import Redactor

# Bytes. A page of 10,000 records, the largest that the service sends, has 11 MB (measured with the emulator).
MAX_BODY: t.Final = 64 << 20
_MAX_SUMMARY_LENGTH = 200


class TooLargeError(Exception):
    """A response is larger than any that the service sends."""


@dataclass(frozen=True)
class Response:
    """A complete response."""

    method: str
    url: str
    status: int
    headers: t.Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""
    ambiguous: bool = False
    """Whether it may be the response to another request, or its end is not certain."""
    redact: Redactor = field(default_factory=Redactor, repr=False, compare=False)
    """Masks credentials in text of the response, before that text is cut or shown."""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> t.Any:
        """The body as JSON, whatever its content type; None if it is not JSON, see ``parse_json``. Credentials are masked."""
        try:
            document = parse_json(self.body)
            return self.redact.mask_json(document) if self.redact.finds(self.body) else document
        except (ValueError, RecursionError):
            return None


class Decoder:
    """Collects a body of limited size and decodes gzip and deflate."""

    def __init__(self, coding: str) -> None:
        """``coding`` is the Content-Encoding. Raises OSError for one that was not requested."""
        coding = coding.strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise OSError("The response has an unknown Content-Encoding")
        self._packed = coding not in ("", "identity")
        self._inflate = self._member()
        self._parts: list[bytes] = []
        self._remaining = MAX_BODY

    @staticmethod
    def _member() -> t.Any:
        return zlib.decompressobj(zlib.MAX_WBITS | 32)  # detects gzip or zlib

    def feed(self, part: bytes) -> None:
        """Add bytes as received. Raises TooLargeError, or OSError for bytes that cannot be decoded."""
        while part and self._packed:
            if self._inflate.eof:  # gzip can have several members
                self._inflate = self._member()
            try:
                self._append(self._inflate.decompress(part, self._remaining + 1))
            except zlib.error as error:
                raise OSError("The response cannot be decoded") from error
            part = self._inflate.unused_data
        if part:
            self._append(part)

    def _append(self, part: bytes) -> None:
        self._remaining -= len(part)
        if self._remaining < 0:
            raise TooLargeError(f"the response is larger than {MAX_BODY >> 20} MiB")
        self._parts.append(part)

    def finish(self) -> bytes:
        """The body. Raises OSError if it is incomplete."""
        if self._packed and self._parts and not self._inflate.eof:
            raise OSError("The response is incomplete")
        return b"".join(self._parts)


def quote(redactor: Redactor, text: str, limit: int = _MAX_SUMMARY_LENGTH) -> str:
    """Text of a response for a message: masked, in one line, at most ``limit`` characters."""
    return _line(redactor.head(text), limit)


def _line(text: str, limit: int = _MAX_SUMMARY_LENGTH) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def summarize_body(response: Response) -> str:
    """A one-line summary of a body that is not the service's JSON: the title of a page, or the beginning of the text.

    The time is linear in the length of the body: no pattern here scans ahead without a limit.
    """
    text = response.redact.head(response.text).strip()
    if not text:
        return "an empty response"
    if not text.startswith("<"):
        return f"not JSON from the service: {_line(_title(text) or text)}"
    return f"an HTML page: {_line(_title(text) or _without_tags(text))}"


def _title(page: str) -> str:
    found = re.search("<title", page, re.IGNORECASE)
    begin = page.find(">", found.end()) + 1 if found else 0
    end = re.compile("</title", re.IGNORECASE).search(page, begin) if begin else None
    return page[begin : end.start()] if end else ""


def _without_tags(page: str) -> str:
    """The text between the tags, without scripts and styles."""
    words = []
    within = ""
    at = 0
    for tag in re.finditer(r"<(/?)(script|style)?[^<>]*>", page, re.IGNORECASE):
        name = (tag[2] or "").lower()
        if not within:
            words.append(page[at : tag.start()])
            within = name if name and not tag[1] else ""
        elif tag[1] and name == within:
            within = ""
        at = tag.end()
    if not within:
        words.append(page[at:])
    return " ".join(words)
