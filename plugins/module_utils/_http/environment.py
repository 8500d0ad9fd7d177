# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Proxies and CA certificates from the environment, for options that are not set."""

from __future__ import annotations

import os
import re
import ssl
import typing as t
from pathlib import Path

try:
    import requests
    from urllib3.util.ssl_ import create_urllib3_context
except ImportError:  # transport.py reports it
    pass

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


def proxy_for(url: str) -> tuple[str, str] | None:
    """The environment variable and its proxy URL for a request to ``url``; None if no proxy applies.

    As in other programs, the value can omit the scheme.
    """
    proxies = requests.utils.get_environ_proxies(url)
    proxy = requests.utils.select_proxy(url, proxies)
    if not proxy:
        return None
    name = next((name for name in PROXY_VARIABLES if os.environ.get(name, "") == proxy), PROXY_VARIABLES[0])
    return name, (proxy if "://" in proxy else f"http://{proxy}")


def ca_bundle() -> str | None:
    """The file or directory of CA certificates in the environment variables of requests."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None


def trusted_certificates(ca_path: str | None = None) -> ssl.SSLContext:
    """A TLS context with the CA certificates to trust, loaded once: there may be hundreds, which takes longer than a request.

    Without ``ca_path``, it trusts the CA store of OpenSSL (the store of the system, ``SSL_CERT_FILE``, ``SSL_CERT_DIR``)
    and the certificates that come with requests. A CA that ``ansible.builtin.uri`` accepts is therefore enough.
    Raises OSError for a ``ca_path`` from which no certificates can be loaded.
    """
    # With ca_path, the context is one that urllib3 creates for each connection.
    context = ssl.create_default_context() if ca_path is None else create_urllib3_context()
    ca_path = ca_path or requests.utils.DEFAULT_CA_BUNDLE_PATH
    context.load_verify_locations(**{"capath" if Path(ca_path).is_dir() else "cafile": ca_path})
    return context
