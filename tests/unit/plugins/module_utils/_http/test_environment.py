# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""URLs that all parsers read in the same way, and proxies and CA certificates from the environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import typing as t
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests
import trustme
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from ansible_collections.secops.mde.plugins.module_utils._errors import TransportError
from ansible_collections.secops.mde.plugins.module_utils._http.environment import is_proxy_url
from ansible_collections.secops.mde.plugins.module_utils._http.transport import HttpTransport, TransportOptions
from ansible_collections.secops.mde.plugins.module_utils._http.urls import is_unambiguous, origin
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import EmulatorClock, RunModule

ID = "4a" * 20
AMBIGUOUS = (
    "https://evil.example\\@mde.corp.example/",
    "https://evil.example\\\\@mde.corp.example/",
    "https://evil.example#@mde.corp.example/",
    "https://evil.example?@mde.corp.example\\",
    "https://user@mde.corp.example/",
    "https://user:word@mde.corp.example/",
    "https://a@b@mde.corp.example/",
    "https://mde.corp.example:443@evil.example/",
    "https://mde.corp\t.example/",
    "https://mde.corp.example/\nx",
    "https://mde.corp.example/ x",
    " https://mde.corp.example/",
    "https://mde.corp.example\x00/",
    "https://mde.corp.example\x7f/",
    "https://mde%2ecorp.example/",
    "https://mde.corp.example%00.evil.example/",
    "https://m\u0257e.corp.example/",
    "https://mde\u3002corp.example/",
    "https://mde.corp.example\uff0fevil.example/",
    "https://2130706433/",
    "https://0x7f.1/",
    "https://127.1/",
    "https://0177.0.0.1/",
    "https://1.2.3.4.5/",
    "https://[::1%25eth0]/",
    "https://[evil/",
    "https://[::g]/",
    "https://mde..corp.example/",
    "https://.mde.corp.example/",
    "https://mde.corp.example:0/",
    "https://mde.corp.example:99999/",
    "https://mde.corp.example:4\u0664/",
    "https:/mde.corp.example/",
    "https:mde.corp.example",
    "https:///mde.corp.example/",
    "//mde.corp.example/",
    "file:///etc/passwd",
    "javascript:x",
    "",
)


@pytest.mark.parametrize("url", AMBIGUOUS)
def test_an_ambiguous_url_is_never_sent(url: str) -> None:
    transport = HttpTransport(TransportOptions(user_agent="test/1"), t.cast(EmulatorClock, None))
    with pytest.raises(TransportError) as refused:
        transport.send("GET", url)
    assert (refused.value.may_have_arrived, not refused.value.retryable) == (False, True)
    assert "nothing was sent" in refused.value.message
    assert "word" not in refused.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://mde.corp.example",
        "https://mde.corp.example:8443/gateway/api/machines?$filter=a%20eq%20'b'&$top=10",
        "HTTPS://MDE.corp.example/",
        "http://127.0.0.1:40342/metadata/identity/oauth2/token",
        "http://169.254.169.254/metadata",
        "https://[2001:db8::1]:8443/",
        "https://xn--mnchen-3ya.example/",
        "https://my_host/",
    ],
)
def test_usual_urls_are_sent(url: str) -> None:
    assert is_unambiguous(url)


ODD = st.text(st.sampled_from("ab1.:/@\\#?%[]-_~ \t\n\x00é。㎡0x"), max_size=24)


@given(ODD, ODD)
def test_all_parsers_agree_on_each_url_that_is_sent(host: str, rest: str) -> None:
    url = f"https://{host}{rest}"
    if not is_unambiguous(url):
        return
    ours, theirs = urlsplit(url), parse_url(url)
    prepared = urlsplit(str(requests.Request("GET", url).prepare().url))
    assert str(theirs.host).strip("[]") == ours.hostname == prepared.hostname
    assert theirs.port == ours.port == prepared.port
    assert theirs.auth is None
    assert origin(url) == origin(str(requests.Request("GET", url).prepare().url))


# -- proxies -------------------------------------------------------------------------------------------------

PASSWORDS = ("Sommer#2026", "So[mm]er2026", "Sommer/2026", "Sommer?2026", "Som mer2026", "Som\\mer2026", "Som\tmer2026")


@pytest.mark.parametrize("form", ["http://svc:{}@proxy.example.test:8080", "svc:{}@proxy.example.test:8080"])
@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("password", PASSWORDS)
def test_an_ambiguous_proxy_in_the_environment_is_rejected_and_no_part_of_it_is_shown(
    password: str, variable: str, form: str, offboard: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, form.format(password))
    run = offboard(connect=False, device_id=ID, access_token="made-up-token")
    assert run.error_code == "invalid_option"
    assert variable.upper() in run.result["error"]["message"]
    assert "# is %23" in run.result["error"]["hint"]
    assert "Som" not in run.output
    assert "mer2026" not in run.output
    assert "2026" not in run.result["msg"]


@pytest.mark.parametrize("option", ["proxy", "api_url", "authority_host"])
@pytest.mark.parametrize("password", PASSWORDS)
def test_no_part_of_a_password_in_a_url_is_shown(password: str, option: str, offboard: RunModule) -> None:
    address = f"https://svc:{password}@host.example.test"
    options: dict[str, t.Any] = {option: address}
    run = offboard(connect=False, device_id=ID, access_token="made-up-token", **options)
    assert run.error_code == "invalid_option"
    for part in ("Som", "mer2026", "mer#2026"):
        assert part not in run.output


def test_a_year_in_a_password_of_a_proxy_stays_in_every_date(
    emulator: Emulator, offboard: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://svc:Sommer%232026@proxy.example.test:8080")
    run = offboard(device_id=ID, missing_ok=True)
    assert not run.failed
    assert run.result["context"]["started_at"].startswith("20")


@pytest.mark.parametrize(
    ("url", "usable"),
    [
        ("http://proxy.corp.example:8080", True),
        ("https://proxy.corp.example/", True),
        ("http://svc:p%40ss@proxy.corp.example:8080", True),
        ("http://svc:p@ss@proxy.corp.example:8080", True),
        ("http://svc:100%@proxy.corp.example:8080", True),
        ("http://svc@10.0.0.1:3128", True),
        ("http://[2001:db8::1]:3128", True),
        ("http://svc:a#b@proxy.corp.example", False),
        ("http://proxy.corp.example:0", False),
        ("http://proxy.corp.example:port", False),
        ("http://proxy.corp.example/path", False),
        ("http://proxy.corp.example ", False),
        ("http://", False),
        ("proxy.corp.example:8080", False),
        ("socks5://proxy.corp.example", False),
    ],
)
def test_the_url_of_a_proxy_must_be_unambiguous(url: str, usable: bool) -> None:
    assert is_proxy_url(url) == usable


def test_an_invalid_proxy_variable_that_no_request_uses_is_ignored(
    emulator: Emulator, offboard: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://svc:Sommer#2026@proxy.example.test:8080")
    assert not offboard(device_id=ID, missing_ok=True).failed
    monkeypatch.setenv("HTTPS_PROXY", "http://svc:Sommer#2026@proxy.example.test:8080")
    monkeypatch.setenv("NO_PROXY", "localhost,example.test")
    assert not offboard(device_id=ID, missing_ok=True).failed


# -- certificates --------------------------------------------------------------------------------------------


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
