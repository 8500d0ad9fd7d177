# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The proxy of a request: from the option or the environment, and never one that parsers read differently."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._http.proxies import is_proxy_url, proxy_for
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import RunModule

ID = "4a" * 20
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


@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/metadata", "http://127.0.0.1:40342/metadata", "http://localhost/x"]
)
@pytest.mark.parametrize("option", [None, "http://proxy.example.test:8080"])
def test_a_metadata_endpoint_never_uses_a_proxy(url: str, option: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://other.example.test:8080")
    assert proxy_for(url, option) is None
    assert proxy_for("http://mde.corp.example/", option) == (option or "http://other.example.test:8080")
