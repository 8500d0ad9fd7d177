# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""URLs of the clouds, and the options that replace them."""

from __future__ import annotations

import pytest

from ansible_collections.secops.mde.plugins.module_utils._clouds import resolve_cloud
from ansible_collections.secops.mde.plugins.module_utils._errors import OptionError
from ansible_collections.secops.mde.plugins.module_utils._http.urls import is_link_local, is_loopback, origin

COMMERCIAL_SCOPE = "https://api.securitycenter.microsoft.com/.default"
WORLD = "https://login.microsoftonline.com"
US = "https://login.microsoftonline.us"


@pytest.mark.parametrize(
    ("cloud", "region", "api_url", "authority_host", "scope"),
    [
        ("commercial", None, "https://api.security.microsoft.com", WORLD, COMMERCIAL_SCOPE),
        ("AzureCloud", None, "https://api.security.microsoft.com", WORLD, COMMERCIAL_SCOPE),
        ("AzureCloud", "eu", "https://eu.api.security.microsoft.com", WORLD, COMMERCIAL_SCOPE),
        *(
            ("commercial", region, f"https://{region}.api.security.microsoft.com", WORLD, COMMERCIAL_SCOPE)
            for region in ("us", "eu", "uk", "au", "swa", "ina")
        ),
        (
            "gcc",
            None,
            "https://api-gcc.securitycenter.microsoft.us",
            WORLD,
            "https://api-gcc.securitycenter.microsoft.us/.default",
        ),
        *(
            (
                cloud,
                None,
                "https://api-gov.securitycenter.microsoft.us",
                US,
                "https://api-gov.securitycenter.microsoft.us/.default",
            )
            for cloud in ("gcc_high", "dod", "AzureUSGovernment")
        ),
    ],
)
def test_each_cloud_and_region_has_its_api_its_sign_in_host_and_its_scope(
    cloud: str, region: str | None, api_url: str, authority_host: str, scope: str
) -> None:
    found = resolve_cloud(cloud, region)
    assert (found.api_url, found.authority_host, found.scope) == (api_url, authority_host, scope)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://mde.corp.example", "https://mde.corp.example"),
        ("https://mde.corp.example/", "https://mde.corp.example"),
        ("https://mde.corp.example/api", "https://mde.corp.example"),
        ("https://mde.corp.example/API/", "https://mde.corp.example"),
        ("https://mde.corp.example/gateway", "https://mde.corp.example/gateway"),
        ("https://mde.corp.example/gateway/api/", "https://mde.corp.example/gateway"),
        ("https://mde.corp.example/apis", "https://mde.corp.example/apis"),
        ("HTTPS://MDE.corp.example:443", "https://mde.corp.example"),
        ("  https://mde.corp.example:8443 ", "https://mde.corp.example:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1", "http://127.0.0.1"),
        ("http://[::1]:8080/api", "http://[::1]:8080"),
    ],
)
def test_an_api_url_can_have_a_path_and_loses_a_trailing_api(given: str, used: str) -> None:
    assert resolve_cloud(api_url=given).api_url == used


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("https://login.corp.example", "https://login.corp.example"),
        ("https://login.corp.example/", "https://login.corp.example"),
        ("login.corp.example", "https://login.corp.example"),
        ("login.corp.example:8443/", "https://login.corp.example:8443"),
    ],
)
def test_an_authority_host_is_an_origin_with_or_without_its_scheme(given: str, used: str) -> None:
    assert resolve_cloud(authority_host=given).authority_host == used


def test_api_url_authority_host_and_scope_replace_one_thing_each() -> None:
    found = resolve_cloud("gcc", api_url="https://mde.corp.example", scope="api://made-up/.default")
    assert found.api_url == "https://mde.corp.example"
    assert found.authority_host == WORLD
    assert found.scope == "api://made-up/.default"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"cloud": "mars"}, "Unknown cloud 'mars'. Use one of commercial, gcc, gcc_high, dod,"),
        ({"region": "moon"}, "Unknown region 'moon'. Use one of us, eu, uk, au, swa, ina."),
        ({"cloud": "gcc", "region": "us"}, "Region 'us' does not exist in cloud 'gcc'."),
        ({"cloud": "AzureUSGovernment", "region": "us"}, "Region 'us' does not exist in cloud 'AzureUSGovernment'."),
        (
            {"api_url": "http://mde.corp.example"},
            "api_url: 'http://mde.corp.example' would send credentials unencrypted.",
        ),
        ({"api_url": "http://127.evil.example"}, "would send credentials unencrypted"),
        ({"api_url": "http://localhost.evil.example"}, "would send credentials unencrypted"),
        ({"api_url": "http://169.254.169.254"}, "would send credentials unencrypted"),
        ({"api_url": "mde.corp.example"}, "api_url: 'mde.corp.example' is not an https URL."),
        ({"api_url": "ftp://mde.corp.example"}, "api_url: 'ftp://mde.corp.example' is not an https URL."),
        ({"api_url": "https://"}, "api_url: 'https://' is not an https URL."),
        ({"api_url": "https://mde.corp.example:port"}, "api_url: 'https://mde.corp.example:port' is not a valid URL"),
        ({"api_url": "https://[mde"}, "api_url: 'https://[mde' is not a valid URL"),
        ({"api_url": "https://mde.corp.example?x=1"}, "api_url must be a URL without user, password, query"),
        ({"api_url": "https://mde.corp.example/#x"}, "api_url must be a URL without user, password, query"),
        *(
            ({option: f"https://{host}"}, f"{option} must be a URL without user, password")
            for option in ("api_url", "authority_host")
            for host in ("evil.example\\@mde.corp.example", "a@b@mde.corp.example", "user:hunter#2@mde.corp.example")
        ),
        *(
            ({option: f"https://{host}"}, "is a URL that programs parse differently")
            for option in ("api_url", "authority_host")
            for host in (
                "2130706433",
                "127.1",
                "0x7f.0.0.1",
                "b\u00fccher.example",
                "mde%2ecorp.example",
                "mde\u3002example",
            )
        ),
        ({"authority_host": "http://localhost:8080"}, "authority_host: 'http://localhost:8080' would send credentials"),
        (
            {"authority_host": "https://login.corp.example/common"},
            "authority_host: 'https://login.corp.example/common'",
        ),
        ({"authority_host": "//login.corp.example"}, "authority_host: '//login.corp.example' is not an https URL."),
    ],
)
def test_an_invalid_url_is_rejected_with_the_name_of_its_option(options: dict[str, str], expected: str) -> None:
    with pytest.raises(OptionError) as refused:
        resolve_cloud(**options)
    assert expected in str(refused.value)
    assert refused.value.code == "invalid_option"
    assert refused.value.hint


@pytest.mark.parametrize("scheme", ["https", "http", "ftp"])
@pytest.mark.parametrize("option", ["api_url", "authority_host"])
def test_a_password_in_a_url_is_rejected_without_being_quoted(option: str, scheme: str) -> None:
    with pytest.raises(OptionError) as refused:
        resolve_cloud(**{option: f"{scheme}://user:hunter2@mde.corp.example"})
    assert str(refused.value).startswith(f"{option} must be a URL without user, password")
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "loopback", "link_local"),
    [
        ("https://localhost:8443/x", True, False),
        ("http://127.0.0.1", True, False),
        ("http://127.8.9.10", True, False),
        ("http://[::1]:80", True, False),
        ("http://169.254.169.254/metadata", False, True),
        ("http://169.254.129.2:8081/msi/token", False, True),
        ("http://[fe80::1]", False, True),
        ("https://127.corp.example", False, False),
        ("https://localhost.corp.example", False, False),
        ("https://10.0.0.1", False, False),
        ("https://169.254.corp.example", False, False),
        ("https://", False, False),
    ],
)
def test_loopback_and_link_local_depend_on_the_address_not_on_its_first_characters(
    url: str, loopback: bool, link_local: bool
) -> None:
    assert is_loopback(url) is loopback
    assert is_link_local(url) is link_local


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://Mde.Corp.Example/api/machines?x=1", "https://mde.corp.example"),
        ("https://mde.corp.example:443/", "https://mde.corp.example"),
        ("https://mde.corp.example:8443/", "https://mde.corp.example:8443"),
        ("http://mde.corp.example:443/", "http://mde.corp.example:443"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_an_origin_is_scheme_host_and_port_in_one_form(url: str, expected: str) -> None:
    assert origin(url) == expected
