# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Parts of a URL: its origin, and whether it points at this machine or the platform below it."""

from __future__ import annotations

import functools
import ipaddress
from urllib.parse import urlsplit


@functools.lru_cache
def is_loopback(url: str) -> bool:
    """Whether a URL points at this machine."""
    host = urlsplit(url).hostname or ""
    address = _ip_address(host)
    return address.is_loopback if address else host == "localhost"


@functools.lru_cache
def is_link_local(url: str) -> bool:
    """Whether a URL points at the platform below this machine: Azure's metadata and identity endpoints live there."""
    address = _ip_address(urlsplit(url).hostname or "")
    return address is not None and address.is_link_local


def _ip_address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None


def origin(url: str) -> str:
    """Scheme, host and port of a URL in one comparable form, the default port left out."""
    parts = urlsplit(url)
    default = {"https": 443, "http": 80}.get(parts.scheme)
    port = "" if parts.port in (None, default) else f":{parts.port}"
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}{port}"
