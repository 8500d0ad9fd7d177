# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which proxy a request uses: that of the option, else that of the environment, and none for metadata endpoints."""

from __future__ import annotations

import contextlib
import os
import re
import typing as t

from .urls import is_link_local, is_loopback

with contextlib.suppress(ImportError):  # transport.py reports it
    import requests

PROXY_VARIABLES: t.Final = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
# In user and password, characters that end the host or that parsers read differently must be percent-encoded.
_PROXY = re.compile(
    r"(?P<scheme>[a-z][a-z0-9]*)://(?:[^\s/?#\[\]\\\x00-\x20\x7f]*@)?"
    r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?/?",
    re.IGNORECASE,
)


def is_proxy_url(url: str, schemes: t.Collection[str] = ("http", "https")) -> bool:
    """Whether this is the URL of a proxy in which every parser finds the same user, password, host and port."""
    found = _PROXY.fullmatch(url)
    return found is not None and found["scheme"].lower() in schemes and 0 < int(found["port"] or 1) < 65536


def proxy_for(url: str, option: str | None) -> str | None:
    """The URL of the proxy for a request to ``url``. ``option`` takes precedence over the environment."""
    if _is_local(url):
        return None
    return option or (environment_proxy(url) or (None, None))[1]


def environment_proxy(url: str) -> tuple[str, str] | None:
    """The environment variable and its proxy URL for a request to ``url``; None if no proxy applies.

    As in other programs, the value can omit the scheme.
    """
    proxy = None if _is_local(url) else requests.utils.select_proxy(url, requests.utils.get_environ_proxies(url))
    if not proxy:
        return None
    name = next((name for name in PROXY_VARIABLES if os.environ.get(name, "") == proxy), PROXY_VARIABLES[0])
    return name, (proxy if "://" in proxy else f"http://{proxy}")


def _is_local(url: str) -> bool:
    """Whether the URL is one of this machine, such as the metadata endpoint of a managed identity. No proxy can reach it."""
    return is_loopback(url) or is_link_local(url)
