# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""HttpTransport: send once; the response, or a TransportError that says whether the request may have arrived.

Sign-in and API share it. It neither repeats a request nor evaluates a status. Whether a request may have arrived depends only
on whether a byte of it was written to a connection, not on the kind of exception.
"""

from __future__ import annotations

import contextlib
import ssl
import traceback
import typing as t
from dataclasses import dataclass
from urllib.parse import urlsplit

from .._clock import Clock
from .._errors import TransportError
from .ca_certificates import ca_bundle, trusted_certificates
from .exchange import Exchange, guard
from .proxies import proxy_for
from .redaction import Redactor, silence_loggers
from .response import Decoder, Response, TooLargeError, quote
from .urls import as_shown, is_unambiguous, origin

try:
    import requests
    from requests import exceptions
    from requests.adapters import HTTPAdapter
    from requests.cookies import RequestsCookieJar
    from urllib3.exceptions import HTTPError as Urllib3Error
    from urllib3.exceptions import LocationValueError, ReadTimeoutError
except ImportError:
    REQUESTS_MISSING: str | None = traceback.format_exc()
else:
    REQUESTS_MISSING = None

_CHUNK = 65536


@dataclass(frozen=True)
class TransportOptions:
    """Options of HTTP requests; the same for sign-in and API."""

    user_agent: str
    timeout: float = 30.0
    """Seconds for one exchange, from connecting to the last byte of the response."""
    ca_path: str | None = None
    validate_certs: bool = True
    proxy: str | None = None
    max_connections: int = 1
    """Per host; the connections stay open for later requests."""


class HttpTransport:
    """Sends single requests over connections that stay open. Thread-safe."""

    def __init__(self, options: TransportOptions, clock: Clock, redactor: Redactor | None = None) -> None:
        """``redactor`` learns every credential that is sent."""
        silence_loggers()
        self.redactor = redactor or Redactor()
        self._options = options
        self._clock = clock
        self._responded: set[str] = set()
        self._session = _RequestsSession()
        # The code below reads the environment where an option is not set. requests would prefer REQUESTS_CA_BUNDLE to
        # our setting, and replace the token by a password from ~/.netrc.
        self._session.trust_env = False
        self._session.cookies = _NoCookies()
        self._session.headers["User-Agent"] = options.user_agent
        self._session.headers["Accept-Encoding"] = "gzip"  # Decoder decodes it
        ca_path, context = options.ca_path or ca_bundle(), None
        self._session.verify = options.validate_certs and (ca_path or True)
        if options.validate_certs:
            with contextlib.suppress(OSError):  # requests reports it with the request
                context = trusted_certificates(ca_path)
        adapter = _GuardedAdapter(context, max_retries=0, pool_maxsize=options.max_connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def has_responded(self, url: str) -> bool:
        """Whether this host has responded before. A host that never responded is more likely misspelled than down."""
        return origin(url) in self._responded

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: t.Mapping[str, str] | None = None,
        params: t.Any = None,
        data: t.Any = None,
        json_body: t.Any = None,
        not_after: float | None = None,
    ) -> Response:
        """Send once and return the complete response, whatever its status. Redirects are not followed.

        ``not_after`` (monotonic seconds) is the time after which the request must not be sent. Raises TransportError if there
        is no response, with ``may_have_arrived`` false only if no byte of the request can have arrived.
        """
        if not is_unambiguous(url):
            raise TransportError(
                f"{method}: {as_shown(url)} is not a plain URL, so nothing was sent.",
                code="unreachable",
                hint="Check api_url, authority_host and any proxy.",
                may_have_arrived=False,
                retryable=False,
            )
        self.redactor.add_request(headers, data)
        exchange = Exchange(self._clock, self._options.timeout, not_after)
        try:
            host = origin(url)
            with exchange.active():
                response = self._session.request(
                    method,
                    url,
                    headers=headers,
                    params=params,
                    data=data,
                    json=json_body,
                    timeout=self._options.timeout,
                    allow_redirects=False,
                    proxies=self._proxies_for(host),
                    stream=True,
                )
                with response:
                    body = self._read_body(response, exchange)
        except Exception as error:  # a request that was sent may have been carried out, whatever the exception
            if not exchange.sent and not isinstance(error, (OSError, UnicodeError, Urllib3Error)):
                raise
            raise self._transport_error(method, url, error, exchange.sent) from error
        self._responded.add(host)
        return Response(
            method=method,
            url=response.url,
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            ambiguous=exchange.ambiguous,
            redact=self.redactor,
        )

    @staticmethod
    def _read_body(response: requests.Response, exchange: Exchange) -> bytes:
        """The complete body, decoded. urllib3 would decode a small body to any size."""
        decoder = Decoder(response.headers.get("content-encoding", ""))
        while part := response.raw.read(_CHUNK, decode_content=False):
            decoder.feed(part)
            exchange.time_left()
        exchange.check_end()
        return decoder.finish()

    def _proxies_for(self, url: str) -> dict[str, str]:
        proxy = proxy_for(url, self._options.proxy)
        self.redactor.add_password(proxy)
        return {"http": proxy, "https": proxy} if proxy else {}

    def _transport_error(self, method: str, url: str, error: Exception, sent: bool) -> TransportError:
        """Describe in one line which host could not be reached, and why. ``sent``: whether the request may have arrived."""
        host = origin(url)
        reason = _root_cause(error, self.redactor)
        causes = _exception_chain(error)

        def failure(text: str, code: str, *, hint: str | None = None, retryable: bool = True) -> TransportError:
            message = self.redactor.head(f"{method} {host}{urlsplit(url).path}: {text}.")
            return TransportError(message, code=code, hint=hint, may_have_arrived=sent, retryable=retryable)

        if sent:
            if any(isinstance(cause, (TimeoutError, ReadTimeoutError, exceptions.Timeout)) for cause in causes):
                return failure(f"no response within {self._options.timeout:g} s", "no_answer")
            too_large = any(isinstance(cause, TooLargeError) for cause in causes)
            return failure(f"the connection was interrupted ({reason})", "no_answer", retryable=not too_large)
        if _is_certificate_failure(error):
            return failure(
                f"the certificate of {host} is not trusted ({reason})",
                "certificate_not_trusted",
                hint="Set ca_path to a file with the certificates of your CA, for example of a proxy that inspects TLS.",
                retryable=False,
            )
        if isinstance(error, exceptions.ProxyError):
            return failure(
                f"the proxy did not connect ({reason})",
                "proxy_failed",
                hint="Check proxy, its user and password, and whether it allows this host.",
            )
        if isinstance(error, (exceptions.InvalidURL, exceptions.InvalidSchema, LocationValueError, UnicodeError)):
            return failure(reason, "unreachable", retryable=False)
        return failure(
            f"no connection to {host} ({reason})",
            "unreachable",
            hint="Check api_url, authority_host, cloud and region, name resolution, the firewall and the proxy.",
        )


def _exception_chain(error: Exception) -> list[Exception]:
    """An exception and those that requests and urllib3 wrapped in it, the innermost last."""
    found = [error]
    while True:
        wrapped = (getattr(found[-1], name, None) for name in ("reason", "original_error"))
        inner = next((cause for cause in (*wrapped, *found[-1].args) if isinstance(cause, Exception)), None)
        if inner is None or inner in found:
            return found
        found.append(inner)


def _is_certificate_failure(error: Exception) -> bool:
    """Whether the server's certificate, or the file to verify it with, is invalid. TLS can also fail in other ways."""
    inner = _exception_chain(error)[-1]
    if isinstance(error, exceptions.SSLError):
        # A failed verification is a ValueError in ssl and urllib3. A file without a certificate is an error of X509.
        return isinstance(inner, ValueError) or getattr(inner, "library", None) == "X509"
    return not isinstance(
        error, (exceptions.RequestException, Urllib3Error, UnicodeError)
    )  # requests finds no such file


def _root_cause(error: Exception, redactor: Redactor) -> str:
    """The text of the innermost cause. The outer exceptions only repeat the URL."""
    inner = _exception_chain(error)[-1]
    if isinstance(inner, OSError) and inner.strerror:
        return quote(redactor, str(inner.strerror))
    text = next((part for part in inner.args if isinstance(part, str)), str(inner))
    if isinstance(inner, UnicodeError):  # its first argument is the name of the encoding
        text = str(inner)
    if isinstance(inner, Urllib3Error):  # urllib3 prefixes the name of the connection
        text = text.split(": ", 1)[-1]
    return quote(redactor, text).rstrip(".") or type(inner).__name__


if REQUESTS_MISSING is None:

    class _GuardedAdapter(HTTPAdapter):
        """Uses guarded connections, also through a proxy, and one TLS context for all of them."""

        def __init__(self, context: ssl.SSLContext | None = None, **options: t.Any) -> None:
            self._context = context
            super().__init__(**options)

        def init_poolmanager(self, *args: t.Any, **options: t.Any) -> None:
            super().init_poolmanager(*args, **options, ssl_context=self._context)
            guard(self.poolmanager)

        def proxy_manager_for(self, proxy: str, **options: t.Any) -> t.Any:
            return guard(super().proxy_manager_for(proxy, **options, ssl_context=self._context))

        def cert_verify(self, conn: t.Any, url: str, verify: t.Any, cert: t.Any) -> None:
            super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
            if self._context is not None:  # it has the certificates
                conn.ca_certs = conn.ca_cert_dir = None

    class _RequestsSession(requests.Session):
        """requests parses the target of a redirect even if it does not follow it, and fails on an invalid one."""

        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    class _NoCookies(RequestsCookieJar):
        """Ignores cookies: a load balancer's cookie must not bind retries to the node that failed."""

        def set_cookie(self, cookie: t.Any, *args: t.Any, **kwargs: t.Any) -> None:
            return None
