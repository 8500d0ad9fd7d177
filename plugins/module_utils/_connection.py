# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Options to a connected client, for modules and plugins. Everything is checked offline first."""

from __future__ import annotations

import random
import typing as t
from dataclasses import dataclass, field

from ._api.client import MdeClient
from ._api.session import ApiSession
from ._auth.credential_selection import Identity, credential_sources, resolve_identity
from ._auth.credentials import create_credential
from ._auth.sign_in import Credential, SignInContext
from ._auth.token import Token, TokenCache
from ._clock import Clock
from ._clouds import Cloud, resolve_cloud
from ._errors import OptionError
from ._http.ca_certificates import trusted_certificates
from ._http.proxies import PROXY_VARIABLES, environment_proxy, is_proxy_url
from ._http.rate_limit import RateLimiter
from ._http.redaction import Redactor, users_and_passwords
from ._http.transport import HttpTransport, TransportOptions
from ._options.argument_spec import DEFAULT_RETRY_TIMEOUT, ENVIRONMENT, require_positive, validate_rate_limits
from ._version import COLLECTION_VERSION


@dataclass(frozen=True)
class Connection:
    """Validated connection settings. Nothing has been sent yet."""

    cloud: Cloud
    identity: Identity
    credential: Credential
    transport_options: TransportOptions
    per_minute: int
    per_hour: int
    retry_timeout: float
    instance_discovery: bool
    redactor: Redactor = field(repr=False, compare=False)
    """Knows the credentials that are used and sent."""

    @classmethod
    def from_options(
        cls,
        params: t.Mapping[str, t.Any],
        user_params: t.Mapping[str, t.Any],
        environ: t.Mapping[str, str],
        *,
        max_connections: int = 1,
        default_retry_timeout: float = DEFAULT_RETRY_TIMEOUT,
    ) -> Connection:
        """Check everything that can be checked without a request.

        ``params`` are the resolved options, including the rate limits. ``user_params`` are only those that the user set; the
        identity is chosen from them and from ``environ``. ``max_connections`` is the number of connections to keep open.
        ``default_retry_timeout`` (seconds) applies if ``retry_timeout`` is not set. Raises OptionError or LibraryError.
        """
        validate_rate_limits(params)
        require_positive(params, "retry_timeout", "timeout")
        cloud = resolve_cloud(
            params["cloud"], params["region"], params["api_url"], params["authority_host"], params["scope"]
        )
        transport_options = TransportOptions(
            user_agent=f"secops.mde/{COLLECTION_VERSION}",
            timeout=params["timeout"],
            ca_path=_check_ca_path(params["ca_path"]),
            validate_certs=params["validate_certs"],
            proxy=_check_proxy(params["proxy"]),
            max_connections=max_connections,
        )
        identity = resolve_identity(credential_sources(user_params, environ), params["auth_source"])
        if not transport_options.proxy:
            for url in (cloud.api_url, cloud.authority_host):
                _check_environment_proxy(url)
        credential = create_credential(identity)
        credential.validate()
        return cls(
            cloud=cloud,
            identity=identity,
            credential=credential,
            transport_options=transport_options,
            per_minute=params["calls_per_minute"],
            per_hour=params["calls_per_hour"],
            retry_timeout=params["retry_timeout"] or default_retry_timeout,
            instance_discovery=params["instance_discovery"],
            redactor=Redactor((identity.client_secret, identity.certificate_password, identity.access_token)),
        )

    def connect(
        self, clock: Clock, rng: random.Random, *, on_token: t.Callable[[str], None] = lambda _token: None
    ) -> MdeClient:
        """A client that signs in at its first call. ``on_token`` receives each token, to keep it out of output."""
        transport = HttpTransport(self.transport_options, clock, self.redactor)

        def sign_in(time_limit: float) -> Token:
            context = SignInContext(
                cloud=self.cloud,
                transport=transport,
                transport_options=self.transport_options,
                clock=clock,
                rng=rng,
                retry_timeout=time_limit,
                instance_discovery=self.instance_discovery,
            )
            return self.credential.acquire_token(context)

        session = ApiSession(
            transport,
            TokenCache(sign_in, clock, on_token=on_token),
            self.cloud.api_url,
            rate_limiter=RateLimiter(clock, per_minute=self.per_minute, per_hour=self.per_hour),
            clock=clock,
            rng=rng,
            retry_timeout=self.retry_timeout,
        )
        return MdeClient(session)


def passwords_in_urls(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> set[str]:
    """The passwords in the URLs of options and variables, encoded and decoded. Only the URL of a proxy may have one."""
    options = ("proxy", "api_url", "authority_host")
    variables = (*PROXY_VARIABLES, *(name for option in options for name in ENVIRONMENT[option]))
    urls = (*map(params.get, options), *map(environ.get, variables))
    return {password for url in urls for _user, password in users_and_passwords(url)}


def _check_ca_path(path: str | None) -> str | None:
    if path is not None:
        try:
            trusted_certificates(path)
        except (OSError, ValueError) as error:  # SSLError is an OSError; a null character in the path is a ValueError
            raise OptionError(
                f"Cannot load certificates from ca_path {path} ({getattr(error, 'strerror', None) or error}).",
                hint="Use a file with the certificates of your CA in PEM format.",
            ) from error
    return path


_PROXY_HINT = (
    "For example http://proxy.corp.example:8080. In user and password, percent-encode all characters other than letters, "
    "digits and -._~: # is %23, @ is %40, / is %2F."
)


def _check_proxy(url: str | None) -> str | None:
    if url is None:
        return None
    url = url.strip()
    if not is_proxy_url(url):
        raise OptionError("proxy is not a valid URL.", hint=_PROXY_HINT)
    return url


def _check_environment_proxy(url: str) -> None:
    """Raise OptionError if parsers could read the proxy that the environment sets for a URL differently.

    The message does not quote it: a part of a password would not be recognized as one.
    """
    name, proxy = environment_proxy(url) or ("", None)
    if proxy is not None and not is_proxy_url(proxy, ("http", "https", "socks5", "socks5h", "socks4", "socks4a")):
        raise OptionError(f"The environment variable {name.upper()} is not a valid proxy URL.", hint=_PROXY_HINT)
