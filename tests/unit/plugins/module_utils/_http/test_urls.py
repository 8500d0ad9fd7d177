# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""URLs that all parsers read the same way."""

from __future__ import annotations

import typing as t
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.util import parse_url

from ansible_collections.secops.mde.plugins.module_utils._errors import TransportError
from ansible_collections.secops.mde.plugins.module_utils._http.transport import HttpTransport, TransportOptions
from ansible_collections.secops.mde.plugins.module_utils._http.urls import is_unambiguous, origin
from ansible_collections.secops.mde.tests.unit.support.module_run import EmulatorClock

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
