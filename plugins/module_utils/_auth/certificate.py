# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""PEM and PFX files with key and certificate, with or without a password, in the form that msal requires."""

from __future__ import annotations

import base64
import codecs
import typing as t
from pathlib import Path

from .._errors import OptionError

_HINT = (
    "Use a PEM file with the private key and its certificate, or a PFX file, and certificate_password if it has one."
)


def load_certificate(path: str, password: str | None) -> dict[str, str]:
    """Key and certificate of a file as unencrypted PEM text: ``{"private_key": ..., "public_certificate": ...}``.

    Raises OptionError for a file that cannot be read, that has no key or no certificate, whose key is not RSA (Entra ID
    accepts no other), whose password is wrong or missing, or whose certificate does not match the key.
    """
    # cryptography comes with msal, which this credential requires.
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import (
        Encoding,
        NoEncryption,
        PrivateFormat,
        load_pem_private_key,
        pkcs12,
    )

    def refuse(why: str) -> t.NoReturn:
        raise OptionError(f"certificate_path: {path} {why}.", hint=_HINT)

    try:
        content = _decoded(Path(path).read_bytes())
    except OSError as error:
        refuse(f"cannot be read ({error.strerror})")
    secret = password.encode() if password else None
    key: t.Any
    certificates: list[x509.Certificate]
    try:
        if b"-----BEGIN" in content:
            if b"PRIVATE KEY-----" not in content:
                refuse("contains no private key")
            if b"-----BEGIN CERTIFICATE-----" not in content:
                refuse("contains no certificate")
            certificates = x509.load_pem_x509_certificates(content)
            # A password is ignored if the key has none, so that one set of variables works for both.
            secret = secret if b"ENCRYPTED" in content else None
            key = load_pem_private_key(_key_block(content), secret)
        else:
            key, first, others = pkcs12.load_key_and_certificates(content, secret)
            certificates = ([first] if first else []) + list(others)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        refuse(
            "is not a readable key and certificate: the file is corrupt, or certificate_password is wrong or missing"
        )
    if key is None:
        refuse("contains no private key")
    if not isinstance(key, RSAPrivateKey):
        refuse("contains a key that is not RSA")
    numbers = key.public_key().public_numbers()
    own = [one for one in certificates if _public_numbers(one) == numbers]
    if not own:
        refuse("contains no certificate that matches its key")
    return {
        "private_key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        "public_certificate": own[0].public_bytes(Encoding.PEM).decode(),
    }


def _decoded(content: bytes) -> bytes:
    """The PEM or PFX content, decoded from the form in which a vault, a variable or an editor stored it.

    Key Vault returns PFX as base64, in JSON as a quoted string. Templates write line breaks as ``\\n``. Windows editors save
    UTF-16.
    """
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        content = content.decode("utf-16", "replace").encode()
    if b"-----BEGIN" not in content:
        text = content.removeprefix(codecs.BOM_UTF8).strip().strip(b"\"'").replace(b"\\r", b"").replace(b"\\n", b"")
        try:
            content = base64.b64decode(b"".join(text.split()), validate=True) or content
        except ValueError:
            return content  # plain PFX
    if b"-----BEGIN" in content:
        content = content.replace(b"\\r", b"").replace(b"\\n", b"\n")
    return content


def _key_block(content: bytes) -> bytes:
    """The first private key of a PEM file, without the rest of the file."""
    end = content.index(b"PRIVATE KEY-----")
    start = content.rindex(b"-----BEGIN", 0, end)
    close = content.index(b"-----END", end)
    return content[start : content.index(b"-----", close + len(b"-----END")) + len(b"-----")] + b"\n"


def _public_numbers(certificate: t.Any) -> t.Any:
    public = certificate.public_key()
    return public.public_numbers() if hasattr(public, "public_numbers") else None
