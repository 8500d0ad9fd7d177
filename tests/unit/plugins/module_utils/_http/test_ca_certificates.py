# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CA certificates to trust, from ca_path, the environment and the system."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
import trustme

from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import RunModule

ID = "4a" * 20


@pytest.fixture
def without_ca(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """Options for the emulator without its CA, with no CA in the environment."""
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    return {
        "api_url": emulator.api_url,
        "authority_host": emulator.authority_host,
        "instance_discovery": False,
        "tenant_id": emulator.tenant_id,
        "client_id": emulator.client_id,
        "client_secret": emulator.client_secret,
        "connect": False,
        "device_id": ID,
        "missing_ok": True,
    }


def ca_directory(ca_path: str, folder: Path) -> str:
    """A directory of CA certificates in the format of OpenSSL."""
    shutil.copy(ca_path, folder / "ca.pem")
    name = subprocess.run(
        ["openssl", "x509", "-noout", "-hash", "-in", ca_path], capture_output=True, text=True, check=True
    ).stdout.strip()
    (folder / f"{name}.0").symlink_to(folder / "ca.pem")
    return str(folder)


@pytest.mark.parametrize("variable", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_a_ca_that_openssl_trusts_is_trusted(
    variable: str,
    emulator: Emulator,
    offboard: RunModule,
    without_ca: dict[str, t.Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable == "SSL_CERT_DIR" and shutil.which("openssl") is None:
        pytest.skip("no openssl program")
    assert offboard(**without_ca).error_code == "certificate_not_trusted"
    value = emulator.ca_path if variable == "SSL_CERT_FILE" else ca_directory(emulator.ca_path, tmp_path)
    monkeypatch.setenv(variable, value)
    run = offboard(**without_ca)
    assert not run.failed, run.result["msg"]


@pytest.mark.parametrize("winner", ["ca_path", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_an_option_or_a_variable_of_requests_takes_precedence_over_openssl(
    winner: str,
    emulator: Emulator,
    offboard: RunModule,
    without_ca: dict[str, t.Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = str(tmp_path / "other.pem")
    trustme.CA().cert_pem.write_to_path(other)
    monkeypatch.setenv("SSL_CERT_FILE", emulator.ca_path)
    given = dict(without_ca)
    if winner == "ca_path":
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", emulator.ca_path)
        given["ca_path"] = other
    else:
        monkeypatch.setenv(winner, other)
    assert offboard(**given).error_code == "certificate_not_trusted"
    given["ca_path"] = emulator.ca_path
    assert not offboard(**given).failed


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_certificates_are_not_validated_if_validation_is_disabled(
    offboard: RunModule, without_ca: dict[str, t.Any]
) -> None:
    assert not offboard(**without_ca, validate_certs=False).failed


def test_the_environment_of_this_test_is_its_own() -> None:
    assert not {"REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"} & set(os.environ)
