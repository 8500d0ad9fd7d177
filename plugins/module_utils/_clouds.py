# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""API host, sign-in host and scope of each national cloud.

Hosts and regions: Microsoft Learn, "Microsoft Defender for Endpoint for US Government customers", and the list of regional
servers on each page of the API. The new host still requires a token for the old audience. A token for
``api.security.microsoft.com`` is for another API and is rejected with 401.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from ._errors import OptionError
from ._http.urls import is_loopback, is_unambiguous, origin


@dataclass(frozen=True)
class Cloud:
    """One national cloud, or a private replacement. URLs have no trailing slash; only ``api_url`` can have a path."""

    api_url: str
    authority_host: str
    scope: str


_COMMERCIAL = Cloud(
    api_url="https://api.security.microsoft.com",
    authority_host="https://login.microsoftonline.com",
    scope="https://api.securitycenter.microsoft.com/.default",
)
_GCC = Cloud(  # a .us API with the public sign-in host; changing both is a common mistake
    api_url="https://api-gcc.securitycenter.microsoft.us",
    authority_host="https://login.microsoftonline.com",
    scope="https://api-gcc.securitycenter.microsoft.us/.default",
)
_US_GOVERNMENT = Cloud(
    api_url="https://api-gov.securitycenter.microsoft.us",
    authority_host="https://login.microsoftonline.us",
    scope="https://api-gov.securitycenter.microsoft.us/.default",
)

CLOUDS: t.Final[t.Mapping[str, Cloud]] = {
    "commercial": _COMMERCIAL,
    "gcc": _GCC,
    "gcc_high": _US_GOVERNMENT,
    "dod": _US_GOVERNMENT,
    "AzureCloud": _COMMERCIAL,  # names in the Azure collections and in AWX's Azure credential
    "AzureUSGovernment": _US_GOVERNMENT,
}
REGIONS: t.Final = ("us", "eu", "uk", "au", "swa", "ina")


def resolve_cloud(
    cloud: str = "commercial",
    region: str | None = None,
    api_url: str | None = None,
    authority_host: str | None = None,
    scope: str | None = None,
) -> Cloud:
    """The cloud's URLs and scope, with those that the options replace.

    Raises OptionError for an unknown cloud or region, a region outside the commercial cloud, and URLs that are invalid or
    would send credentials unencrypted.
    """
    found = CLOUDS.get(cloud)
    if found is None:
        raise OptionError(
            f"Unknown cloud {cloud!r}.",
            hint=f"Use one of {', '.join(CLOUDS)}. For other clouds, set api_url, authority_host and scope.",
        )
    if region is not None:
        if region not in REGIONS:
            raise OptionError(f"Unknown region {region!r}.", hint=f"Use one of {', '.join(REGIONS)}.")
        if found is not _COMMERCIAL:
            raise OptionError(
                f"Region {region!r} does not exist in cloud {cloud!r}.",
                hint="Only the commercial cloud has regions. Omit region, or set cloud to commercial.",
            )
        found = replace(found, api_url=f"https://{region}.api.security.microsoft.com")
    if api_url is not None:
        found = replace(found, api_url=_address("api_url", api_url))
    if authority_host is not None:
        if "//" not in authority_host:
            authority_host = f"https://{authority_host}"
        found = replace(found, authority_host=_address("authority_host", authority_host))
    if scope is not None:
        found = replace(found, scope=scope)
    return found


def _address(option: str, value: str) -> str:
    """The validated base URL without a trailing slash. Only that of the API can have a path, or be http on loopback."""
    is_api = option == "api_url"
    value = value.strip()
    example = f"For example {getattr(_COMMERCIAL, option)}."
    extra = OptionError(f"{option} must be a URL without user, password, query and fragment.", hint=example)
    if "@" in value:  # before any part of it is quoted, which could be a part of a password
        raise extra
    try:
        parts = urlsplit(value)
        host, _port = parts.hostname, parts.port
    except ValueError as error:
        raise OptionError(f"{option}: {value!r} is not a valid URL ({error}).", hint=example) from error
    if parts.query or parts.fragment:
        raise extra
    if parts.scheme not in ("https", "http") or not host:
        raise OptionError(f"{option}: {value!r} is not an https URL.", hint=example)
    if parts.scheme == "http" and not (is_api and is_loopback(value)):
        raise OptionError(
            f"{option}: {value!r} would send credentials unencrypted.",
            hint=example + (" http is allowed on loopback only." if is_api else ""),
        )
    prefix = parts.path.rstrip("/")
    if is_api and prefix.lower().endswith("/api"):
        prefix = prefix[: -len("/api")].rstrip("/")
    if prefix and not is_api:
        raise OptionError(f"{option}: {value!r} must not have a path.", hint=example)
    if not is_unambiguous(value):
        raise OptionError(
            f"{option}: {value!r} is a URL that programs parse differently.",
            hint=f"{example} Write an international host name in its ASCII form (xn--).",
        )
    return origin(value) + prefix
