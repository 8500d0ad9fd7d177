# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Device IDs from URLs of the portal."""

from __future__ import annotations

import pytest

from ansible_collections.secops.mde.plugins.module_utils._errors import OptionError
from ansible_collections.secops.mde.plugins.module_utils._options.identifiers import clean_device_id


@pytest.mark.parametrize(
    "value",
    [
        "https://security.microsoft.com/machines/v2/abc/overview https://security.microsoft.com/machines/v2/def",
        "https://security.microsoft.com/machines/v2/abc,https://security.microsoft.com/machines/v2/def",
        "https://security.microsoft.com/machines/v2/abc?x=1;https://security.microsoft.com/machines/v2/def",
        "https://gateway.example/machines/redirect?to=https://security.microsoft.com/machines/v2/def",
        "https://gateway.example/machines/redirect?to=https%3A%2F%2Fsecurity.microsoft.com%2Fmachines%2Fv2%2Fdef",
    ],
)
def test_a_url_that_contains_another_url_identifies_no_device(value: str) -> None:
    with pytest.raises(OptionError, match="URL of the device page"):
        clean_device_id(value)


@pytest.mark.parametrize("rest", ["", "/", "/overview", "/timeline?from=2026-01-01,x;y", "?tid=1&x=a%2Fb", "#top"])
def test_the_url_of_a_device_page_identifies_the_device(rest: str) -> None:
    assert clean_device_id(f" https://security.microsoft.com/machines/v2/abc{rest} ") == "abc"
    assert clean_device_id(f"https://securitycenter.microsoft.us/machines/abc{rest}") == "abc"
