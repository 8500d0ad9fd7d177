# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A request and its response, independent of any web framework."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

from .log import Exchange


@dataclass
class Call:
    """A decoded request."""

    method: str
    path: str
    query: list[tuple[str, str]]
    query_length: int
    headers: dict[str, str]
    raw: bytes
    exchange: Exchange
    base_url: str = ""

    def header(self, name: str) -> str:
        """Return a header's value by its name (case-insensitive), or the empty string."""
        return self.headers.get(name.lower(), "")

    def json(self) -> Any:
        """Return the decoded JSON body. Raises ValueError."""
        return json.loads(self.raw.decode("utf-8"))

    def form(self) -> dict[str, str]:
        """Return the decoded form body, with the first value of each name."""
        try:
            pairs = parse_qs(self.raw.decode("utf-8"), keep_blank_values=True)
        except UnicodeDecodeError:
            return {}
        return {name: values[0] for name, values in pairs.items()}

    def first(self, name: str) -> str | None:
        """Return the first query value with this name (case-insensitive)."""
        for key, value in self.query:
            if key.lower() == name.lower():
                return value
        return None


@dataclass
class Reply:
    """A response."""

    status: int = 200
    body: bytes = b""
    content_type: str | None = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def json_reply(status: int, value: Any, headers: dict[str, str] | None = None) -> Reply:
    """Return a JSON response."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return Reply(status, text.encode("utf-8"), "application/json", headers or {})


def html_reply(status: int, page: bytes) -> Reply:
    """Return an HTML response."""
    return Reply(status, page, "text/html")
