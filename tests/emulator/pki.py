# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The certificate authority (CA) of the emulator, and the keys of its apps."""

from __future__ import annotations

import hashlib
import ssl
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID


class Authority:
    """A CA that only clients with its certificate file trust."""

    def __init__(self) -> None:
        self._ca = trustme.CA()

    def write(self, path: Path) -> None:
        """Write the CA's certificate as PEM."""
        path.write_bytes(self._ca.cert_pem.bytes())

    def server_context(self, *names: str) -> ssl.SSLContext:
        """Return the TLS context of servers on this machine, also for additional host names."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._ca.issue_cert("localhost", "127.0.0.1", "::1", *names).configure_cert(context)
        return context


@dataclass
class KeyPair:
    """A certificate of an app with its key. The key is RSA, which the sign-in libraries require."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate

    @classmethod
    def make(cls, name: str) -> KeyPair:
        """Create a self-signed pair."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.now(timezone.utc)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=365))
            .sign(key, hashes.SHA256())
        )
        return cls(key, certificate)

    def pem(self, password: str | None = None) -> bytes:
        """Return key and certificate as PEM."""
        encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
        if password:
            encryption = serialization.BestAvailableEncryption(password.encode())
        key = self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        return key + self.certificate.public_bytes(serialization.Encoding.PEM)

    def pfx(self, password: str) -> bytes:
        """Return key and certificate as PFX."""
        return pkcs12.serialize_key_and_certificates(
            b"runbook",
            self.key,
            self.certificate,
            None,
            serialization.BestAvailableEncryption(password.encode()),
        )


def thumbprints(certificate: x509.Certificate) -> dict[str, str]:
    """Return the header values that identify a certificate in an assertion."""
    der = certificate.public_bytes(serialization.Encoding.DER)
    return {
        "x5t": _base64(hashlib.sha1(der, usedforsecurity=False).digest()),
        "x5t#S256": _base64(hashlib.sha256(der).digest()),
    }


def _base64(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def certificate_of(value: Any) -> x509.Certificate:
    """Return the certificate of a KeyPair, an x509 object, PEM bytes, or a path."""
    if isinstance(value, KeyPair):
        return value.certificate
    if isinstance(value, x509.Certificate):
        return value
    pem = value if isinstance(value, bytes) else Path(value).read_bytes()
    start = pem.index(b"-----BEGIN CERTIFICATE-----")
    return x509.load_pem_x509_certificate(pem[start:])
