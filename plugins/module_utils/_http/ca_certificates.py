# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The CA certificates to trust: those of ca_path, of the environment, or of the system."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

try:
    import requests
    from urllib3.util.ssl_ import create_urllib3_context
except ImportError:  # transport.py reports it
    pass


def ca_bundle() -> str | None:
    """The file or directory of CA certificates in the environment variables of requests."""
    return os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or None


def trusted_certificates(ca_path: str | None) -> ssl.SSLContext:
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
