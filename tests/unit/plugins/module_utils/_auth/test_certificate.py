# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Certificate files: the accepted formats, and the error for each other format."""

from __future__ import annotations

import base64
import functools
import json
import typing as t
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from ansible_collections.secops.mde.plugins.module_utils._auth.certificate import load_certificate
from ansible_collections.secops.mde.plugins.module_utils._errors import OptionError
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.emulator.pki import KeyPair
from ansible_collections.secops.mde.tests.unit.support.module_run import ModuleRun, RunModule

PASSWORD = "päss word"


@functools.cache
def pair(name: str = "runbook.corp.example") -> KeyPair:
    return KeyPair.make(name)


def certificate(of: KeyPair) -> bytes:
    return of.certificate.public_bytes(Encoding.PEM)


def key(of: KeyPair, *, password: str | None = None, form: PrivateFormat = PrivateFormat.PKCS8) -> bytes:
    locked = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return of.key.private_bytes(Encoding.PEM, form, locked)


@functools.cache
def curve_key_pair() -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    """Return a key that Entra ID does not accept, and its certificate."""
    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "curve.corp.example")])
    now = datetime.now(timezone.utc)
    builder = x509.CertificateBuilder(name, name, private.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9))
    return private, builder.sign(private, hashes.SHA256())


def curve_pem() -> bytes:
    private, issued = curve_key_pair()
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + issued.public_bytes(Encoding.PEM)


def pfx(of: KeyPair, *, password: str | None = PASSWORD, others: list[x509.Certificate] | None = None) -> bytes:
    locked = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    return pkcs12.serialize_key_and_certificates(b"runbook", of.key, of.certificate, others, locked)


def pfx_without_key() -> bytes:
    locked = BestAvailableEncryption(PASSWORD.encode())
    return pkcs12.serialize_key_and_certificates(b"runbook", None, pair().certificate, None, locked)


def pfx_without_certificate() -> bytes:
    locked = BestAvailableEncryption(PASSWORD.encode())
    return pkcs12.serialize_key_and_certificates(b"runbook", pair().key, None, None, locked)


def other() -> KeyPair:
    return pair("other.corp.example")


GOOD: dict[str, tuple[t.Callable[[], bytes], str | None]] = {
    "key, then certificate": (lambda: key(pair()) + certificate(pair()), None),
    "certificate, then key": (lambda: certificate(pair()) + key(pair()), None),
    "a chain in any order": (lambda: certificate(other()) + key(pair()) + certificate(pair()), None),
    "text between the blocks": (lambda: b"Bag Attributes\n" + key(pair()) + b"subject=x\n" + certificate(pair()), None),
    "an old RSA key block": (lambda: key(pair(), form=PrivateFormat.TraditionalOpenSSL) + certificate(pair()), None),
    "an encrypted key": (lambda: key(pair(), password=PASSWORD) + certificate(pair()), PASSWORD),
    "an old encrypted key": (
        lambda: key(pair(), password=PASSWORD, form=PrivateFormat.TraditionalOpenSSL) + certificate(pair()),
        PASSWORD,
    ),
    "a password that is not needed": (lambda: key(pair()) + certificate(pair()), PASSWORD),
    "PEM with its line breaks written out": (lambda: (key(pair()) + certificate(pair())).replace(b"\n", b"\\n"), None),
    "PEM with line breaks of Windows written out": (
        lambda: (key(pair(), password=PASSWORD) + certificate(pair())).replace(b"\n", b"\\r\\n"),
        PASSWORD,
    ),
    "PEM as JSON text": (lambda: json.dumps((key(pair()) + certificate(pair())).decode()).encode(), None),
    "PEM in UTF-16": (lambda: (key(pair()) + certificate(pair())).decode().encode("utf-16"), None),
    "PEM in base64": (lambda: base64.b64encode(key(pair()) + certificate(pair())), None),
    "PFX in base64": (lambda: base64.b64encode(pfx(pair())), PASSWORD),
    "PFX in base64 without a password": (lambda: base64.b64encode(pfx(pair(), password=None)) + b"\r\n", None),
    "PFX in base64 with line breaks": (lambda: base64.encodebytes(pfx(pair())), PASSWORD),
    "PFX in base64 with line breaks written out": (
        lambda: base64.encodebytes(pfx(pair())).replace(b"\n", b"\\n"),
        PASSWORD,
    ),
    "PFX in base64 as JSON text": (lambda: b'"' + base64.b64encode(pfx(pair())) + b'"\n', PASSWORD),
    "PFX in base64 with a byte order mark": (lambda: b"\xef\xbb\xbf" + base64.b64encode(pfx(pair())), PASSWORD),
    "PFX": (lambda: pfx(pair()), PASSWORD),
    "PFX without a password": (lambda: pfx(pair(), password=None), None),
    "PFX with a chain": (lambda: pfx(pair(), others=[other().certificate]), PASSWORD),
}
DAMAGED = "is not a readable key and certificate: the file is corrupt, or certificate_password is wrong or missing."
BAD: dict[str, tuple[t.Callable[[], bytes | None], str | None, str]] = {
    "missing": (lambda: None, None, "cannot be read (No such file or directory)."),
    "empty": (lambda: b"", None, DAMAGED),
    "junk": (lambda: b"\x00\x01junk", None, DAMAGED),
    "text": (lambda: b"see the vault", None, DAMAGED),
    "base64 of text": (lambda: base64.b64encode(b"see the vault"), None, DAMAGED),
    "PFX in base64, wrong password": (lambda: base64.b64encode(pfx(pair())), "of another file", DAMAGED),
    "PEM without a key": (lambda: certificate(pair()), None, "contains no private key."),
    "PEM without a certificate": (lambda: key(pair()), None, "contains no certificate."),
    "PEM with a damaged key": (
        lambda: key(pair()).replace(b"MII", b"AAA") + certificate(pair()),
        None,
        DAMAGED,
    ),
    "PEM with a damaged certificate": (
        lambda: key(pair()) + b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        None,
        DAMAGED,
    ),
    "truncated PEM": (lambda: certificate(pair()) + key(pair())[:200], None, DAMAGED),
    "PEM truncated after its header": (
        lambda: certificate(pair()) + b"-----BEGIN PRIVATE KEY-----\nMII",
        None,
        DAMAGED,
    ),
    "PEM, wrong password": (lambda: key(pair(), password=PASSWORD) + certificate(pair()), "of another file", DAMAGED),
    "PEM, no password": (lambda: key(pair(), password=PASSWORD) + certificate(pair()), None, DAMAGED),
    "PEM, a key of another certificate": (
        lambda: key(pair()) + certificate(other()),
        None,
        "contains no certificate that matches its key.",
    ),
    "PEM, a key that is not RSA": (curve_pem, None, "contains a key that is not RSA."),
    "PFX, wrong password": (lambda: pfx(pair()), "of another file", DAMAGED),
    "PFX, no password": (lambda: pfx(pair()), None, DAMAGED),
    "PFX without a key": (pfx_without_key, PASSWORD, "contains no private key."),
    "PFX without a certificate": (pfx_without_certificate, PASSWORD, "contains no certificate that matches its key."),
}


@pytest.mark.parametrize("form", GOOD)
def test_each_common_format_returns_the_key_and_its_certificate(form: str, tmp_path: Path) -> None:
    content, password = GOOD[form]
    path = tmp_path / "runbook"
    path.write_bytes(content())
    loaded = load_certificate(str(path), password)
    private = load_pem_private_key(loaded["private_key"].encode(), None)
    assert private.public_key() == pair().key.public_key()
    assert loaded["public_certificate"].encode() == certificate(pair())
    assert set(loaded) == {"private_key", "public_certificate"}


@pytest.mark.parametrize("form", BAD)
def test_an_unusable_file_is_rejected_before_any_request(
    form: str, emulator: Emulator, offboard: RunModule, tmp_path: Path
) -> None:
    content, password, why = BAD[form]
    path = tmp_path / "runbook.pem"
    data = content()
    if data is not None:
        path.write_bytes(data)
    run: ModuleRun = offboard(
        device_id="a" * 40,
        client_id=emulator.client_id,
        certificate_path=str(path),
        certificate_password=password,
    )
    assert run.failed
    assert run.result["error"]["message"] == f"certificate_path: {path} {why}"
    assert "certificate_password" in run.result["error"]["hint"]
    assert run.error_code == "invalid_option"
    assert emulator.log == []


def test_a_directory_is_rejected_by_name(tmp_path: Path) -> None:
    with pytest.raises(OptionError, match=f"certificate_path: {tmp_path} cannot be read"):
        load_certificate(str(tmp_path), None)


def test_a_certificate_with_a_key_of_another_type_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "runbook.pem"
    _private, issued = curve_key_pair()
    path.write_bytes(issued.public_bytes(Encoding.PEM) + key(pair()) + certificate(pair()))
    assert load_certificate(str(path), None)["public_certificate"].encode() == certificate(pair())
