# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""URLs: origin, loopback, link-local, and whether every parser reads them the same way.

URL parsers differ: ``https://a.example\\@b.example/`` is a request to b.example for one and to a.example for another. Only
unambiguous URLs are sent (``is_unambiguous``), so that the host that was checked is the host that is connected to.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from urllib.parse import urlsplit

# No user, password, backslash, space or control character, and ASCII only. International host names must be in their ASCII
# form, because libraries convert them with different versions of IDNA.
_UNAMBIGUOUS = re.compile(
    r"https?://(?P<host>[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]{2,45}\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?:[/?][!-\[\]-~]*)?",
    re.IGNORECASE,
)
# With such a last label, a host is an IPv4 address in a notation that not every parser knows: 127.1, 0x7f.1.
_NUMERIC_END = re.compile(r"(?:^|\.)(?:[0-9]+|0[xX][0-9A-Fa-f]*)$")


def is_unambiguous(url: str) -> bool:
    """Whether every parser reads the same scheme, host and port in this URL."""
    found = _UNAMBIGUOUS.fullmatch(url)
    if found is None or not 0 < int(found["port"] or 1) < 65536:
        return False
    host = found["host"].strip("[]")
    if ":" in host or _NUMERIC_END.search(host):
        return _ip_address(host) is not None
    return ".." not in host


def as_shown(url: str) -> str:
    """A URL that was not sent, for a message: quoted, cut, and without the query, which may contain credentials.

    Text before an ``@`` may be a user and a password, and is omitted.
    """
    _before, at, rest = url.rpartition("@")
    return ascii(f"{'...@' if at else ''}{rest.partition('?')[0][:100]}")


@functools.lru_cache
def is_loopback(url: str) -> bool:
    """Whether the host of a URL is this machine."""
    host = urlsplit(url).hostname or ""
    address = _ip_address(host)
    return address.is_loopback if address else host == "localhost"


@functools.lru_cache
def is_link_local(url: str) -> bool:
    """Whether the host of a URL is link-local, as Azure's metadata and identity endpoints are."""
    address = _ip_address(urlsplit(url).hostname or "")
    return address is not None and address.is_link_local


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def origin(url: str) -> str:
    """Scheme, host and port of a URL in a comparable form, without the default port."""
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    port = "" if parts.port in (None, default) else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}"
