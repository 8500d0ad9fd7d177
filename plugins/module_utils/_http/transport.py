# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One HTTP exchange: the session that sign-in and API share, and what comes back from the wire.

Nothing here repeats a request or judges a status. It answers two questions only: what was the answer, and if
there is none, can the request have reached the other side. The second is a question of fact: whether a byte of it was
written to a connection. No kind of exception decides it.
"""

from __future__ import annotations

import contextlib
import re
import traceback
import typing as t
import zlib
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .._clock import Clock
from .._errors import TransportError
from .._foreign_json import parse_json
from . import environment
from .connections import Exchange, TooLargeError, guard
from .environment import ca_bundle, proxy_for
from .redaction import Redactor, silence_loggers
from .response_limits import MAX_BODY
from .urls import as_shown, is_link_local, is_loopback, is_unambiguous, origin

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
_MAX_SUMMARY_LENGTH = 200
# Of a foreign text, no more than this is looked at for a message.
_EXAMINED = 65536


@dataclass(frozen=True)
class TransportOptions:
    """How to reach the other side; the same for sign-in and API."""

    user_agent: str
    timeout: float = 30.0
    """Seconds for one exchange, from the connection to the last byte read."""
    ca_path: str | None = None
    validate_certs: bool = True
    proxy: str | None = None
    max_connections: int = 1
    """To each host, and kept for the next request."""


@dataclass(frozen=True)
class Response:
    """An answer, read to its end."""

    method: str
    url: str
    status: int
    headers: t.Mapping[str, str] = field(default_factory=dict)
    """Names in lower case."""
    body: bytes = b""
    redact: Redactor = field(default_factory=Redactor, repr=False, compare=False)
    """Whatever is shown of the answer passes here first, and is cut only then."""

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    def json(self) -> t.Any:
        """The body as JSON whatever its content type says; None when it is not JSON, see ``parse_json``."""
        try:
            text = self.redact(self.body.decode("utf-8-sig")).encode() if self.redact.finds(self.body) else self.body
            return parse_json(text)
        except ValueError:
            return None


class HttpTransport:
    """Sends one request at a time over kept connections. Safe to use from several threads."""

    def __init__(self, options: TransportOptions, clock: Clock, redactor: Redactor | None = None) -> None:
        """``redactor`` is given everything that is sent as a credential."""
        silence_loggers()
        self.redactor = redactor or Redactor()
        self._options = options
        self._clock = clock
        self._responded: set[str] = set()
        self._session = _RequestsSession()
        # The environment is asked below, where an option was left unset: requests would let REQUESTS_CA_BUNDLE
        # beat our own setting, and would replace the token by a password from ~/.netrc.
        self._session.trust_env = False
        self._session.cookies = _NoCookies()
        self._session.headers["User-Agent"] = options.user_agent
        self._session.headers["Accept-Encoding"] = "gzip"  # what _Decoder decodes
        adapter = self._adapter(max_retries=0, pool_maxsize=options.max_connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def has_responded(self, url: str) -> bool:
        """Whether the host of this URL ever answered: one that never did is more likely misspelt than ill."""
        return origin(url) in self._responded

    def close(self) -> None:
        """Give back the connections."""
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
        """Send once and read the whole answer, of whatever status; redirects are not followed.

        ``not_after`` (monotonic seconds) is the moment from which no byte of the request may leave.
        Raises TransportError when there is none, with ``may_have_arrived`` false only if no byte of the request can have arrived.
        """
        if not is_unambiguous(url):
            raise TransportError(
                f"{method}: {as_shown(url)} is not a plain URL, so nothing was sent.",
                code="unreachable",
                hint="Check the address (api_url, authority_host), and any proxy in between.",
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
                    verify=self._verify_setting(),
                    proxies=self._proxies_for(host),
                    stream=True,
                )
                with response:
                    body = self._read_body(response, exchange)
        except Exception as error:  # whatever it is, a request that was sent may have been carried out
            if not exchange.sent and not isinstance(error, (OSError, UnicodeError, Urllib3Error)):
                raise
            raise self._masked(self._transport_error(method, url, error, exchange.sent)) from error
        self._responded.add(host)
        return Response(
            method=method,
            url=response.url,
            status=response.status_code,
            headers={name.lower(): value for name, value in response.headers.items()},
            body=body,
            redact=self.redactor,
        )

    @staticmethod
    def _read_body(response: requests.Response, exchange: Exchange) -> bytes:
        """The whole body, decoded. urllib3 would decode what is small on the wire to a size without limit."""
        decoder = _Decoder(response.headers.get("content-encoding", ""))
        while part := response.raw.read(_CHUNK, decode_content=False):
            decoder.feed(part)
            exchange.time_left()
        exchange.check_end()
        return decoder.finish()

    def _adapter(self, **options: t.Any) -> HTTPAdapter:
        verify = self._verify_setting()
        if verify is not False:
            with contextlib.suppress(OSError):  # requests reports it with the request
                return _TrustingAdapter(None if verify is True else str(verify), **options)
        return _GuardedAdapter(**options)

    def _verify_setting(self) -> bool | str:
        return self._options.validate_certs and (self._options.ca_path or ca_bundle() or True)

    def _proxies_for(self, url: str) -> dict[str, str]:
        if is_loopback(url) or is_link_local(url):
            return {}
        proxy = self._options.proxy or (proxy_for(url) or ("", ""))[1]
        self.redactor.add_password(proxy)
        return {"http": proxy, "https": proxy} if proxy else {}

    def _masked(self, error: TransportError) -> TransportError:
        error.message = self.redactor.head(error.message)
        return error

    def _transport_error(self, method: str, url: str, error: Exception, sent: bool) -> TransportError:
        """Say in one line which host could not be reached and why; ``sent`` is whether the request may have arrived."""
        host = origin(url)
        what = f"{method} {host}{urlsplit(url).path}"
        reason = _root_cause(error, self.redactor)
        if sent:
            timeouts = (TimeoutError, ReadTimeoutError, exceptions.Timeout)
            if any(isinstance(cause, timeouts) for cause in _exception_chain(error)):
                return TransportError(
                    f"{what}: no answer within {self._options.timeout:g} s.", code="no_answer", may_have_arrived=True
                )
            too_large = any(isinstance(cause, TooLargeError) for cause in _exception_chain(error))
            return TransportError(
                f"{what}: the connection broke ({reason}).",
                code="no_answer",
                may_have_arrived=True,
                retryable=not too_large,
            )
        if _is_certificate_failure(error):
            return TransportError(
                f"{what}: the certificate of {host} is not trusted ({reason}).",
                code="certificate_not_trusted",
                hint="Set ca_path to the file with your CA's certificates, for example that of a proxy which opens TLS.",
                may_have_arrived=False,
                retryable=False,
            )
        if isinstance(error, exceptions.ProxyError):
            return TransportError(
                f"{what}: the proxy did not connect ({reason}).",
                code="proxy_failed",
                hint="Check proxy, its user and password, and that it may reach this host.",
                may_have_arrived=False,
            )
        if isinstance(
            error,
            (
                exceptions.InvalidURL,
                exceptions.InvalidSchema,
                exceptions.MissingSchema,
                LocationValueError,
                UnicodeError,
            ),
        ):
            return TransportError(f"{what}: {reason}.", code="unreachable", may_have_arrived=False, retryable=False)
        return TransportError(
            f"{what}: no connection to {host} ({reason}).",
            code="unreachable",
            hint="Check the address (api_url, authority_host, cloud, region), name resolution, the firewall and proxy.",
            may_have_arrived=False,
        )


class _Decoder:
    """Collects a body of limited size, and decodes gzip and deflate on the way."""

    def __init__(self, coding: str) -> None:
        """``coding`` is the Content-Encoding. Raises OSError for one that was not asked for."""
        coding = coding.strip().lower()
        if coding not in ("", "identity", "gzip", "x-gzip", "deflate"):
            raise OSError("The response has an unknown Content-Encoding")
        self._packed = coding not in ("", "identity")
        self._inflate = self._member()
        self._parts: list[bytes] = []
        self._room = MAX_BODY

    @staticmethod
    def _member() -> t.Any:
        return zlib.decompressobj(zlib.MAX_WBITS | 32)  # finds out whether it is gzip or zlib

    def feed(self, part: bytes) -> None:
        """Add bytes as they came. Raises TooLargeError, or OSError for what cannot be decoded."""
        while part and self._packed:
            if self._inflate.eof:  # gzip may consist of several members
                self._inflate = self._member()
            try:
                self._append(self._inflate.decompress(part, self._room + 1))
            except zlib.error as error:
                raise OSError("The response cannot be decoded") from error
            part = self._inflate.unused_data
        if part:
            self._append(part)

    def _append(self, part: bytes) -> None:
        self._room -= len(part)
        if self._room < 0:
            raise TooLargeError(f"the response is larger than {MAX_BODY >> 20} MB")
        self._parts.append(part)

    def finish(self) -> bytes:
        """The body. Raises OSError when its end is missing."""
        if self._packed and self._parts and not self._inflate.eof:
            raise OSError("The response is incomplete")
        return b"".join(self._parts)


def quote(redactor: Redactor, text: str, limit: int = _MAX_SUMMARY_LENGTH) -> str:
    """Foreign text for a message: masked, on one line, and no longer than ``limit`` characters."""
    return _line(redactor.head(text)[:_EXAMINED], limit)


def _line(text: str, limit: int = _MAX_SUMMARY_LENGTH) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else f"{line[: limit - 3]}..."


def summarize_body(response: Response) -> str:
    """A short, single-line taste of a body that is not the service's: a page's title where it has one.

    The work grows with the length of the body and not faster: no pattern here looks ahead without an end.
    """
    text = response.redact.head(response.text)[:_EXAMINED].strip()
    if not text:
        return "an empty answer"
    if not text.startswith("<"):
        return f"not the service's JSON: {_line(_title(text) or text)}"
    return f"a web page: {_line(_title(text) or _without_tags(text))}"


def _title(page: str) -> str:
    found = re.search("<title", page, re.IGNORECASE)
    begin = page.find(">", found.end()) + 1 if found else 0
    end = re.compile("</title", re.IGNORECASE).search(page, begin) if begin else None
    return page[begin : end.start()] if end else ""


def _without_tags(page: str) -> str:
    """The text between the tags, but for scripts and styles."""
    words = []
    within = ""
    at = 0
    for tag in re.finditer(r"<(/?)(script|style)?[^<>]*>", page, re.IGNORECASE):
        name = (tag[2] or "").lower()
        if not within:
            words.append(page[at : tag.start()])
            within = name if name and not tag[1] else ""
        elif tag[1] and name == within:
            within = ""
        at = tag.end()
    if not within:
        words.append(page[at:])
    return " ".join(words)


def _exception_chain(error: Exception) -> list[Exception]:
    """An exception and all that requests and urllib3 packed into it, the innermost last."""
    found = [error]
    while True:
        wrapped = (getattr(found[-1], name, None) for name in ("reason", "original_error"))
        inner = next((cause for cause in (*wrapped, *found[-1].args) if isinstance(cause, Exception)), None)
        if inner is None or inner in found:
            return found
        found.append(inner)


def _is_certificate_failure(error: Exception) -> bool:
    """The other side's certificate, or the file to check it with, is no good. TLS can break in other ways, and later."""
    inner = _exception_chain(error)[-1]
    if isinstance(error, exceptions.SSLError):
        # Of ssl and of urllib3, a failed check is a ValueError; a file that holds no certificate is X509's failure.
        return isinstance(inner, ValueError) or getattr(inner, "library", None) == "X509"
    return not isinstance(
        error, (exceptions.RequestException, Urllib3Error, UnicodeError)
    )  # requests finds no such file


def _root_cause(error: Exception, redactor: Redactor) -> str:
    """The innermost cause in its own words: the layers above only repeat the address."""
    inner = _exception_chain(error)[-1]
    if isinstance(inner, OSError) and inner.strerror:
        return quote(redactor, str(inner.strerror))
    text = next((part for part in inner.args if isinstance(part, str)), str(inner))
    if isinstance(inner, Urllib3Error):  # urllib3 puts the connection's name before it
        text = text.split(": ", 1)[-1]
    return quote(redactor, text).rstrip(".") or type(inner).__name__


if REQUESTS_MISSING is None:

    class _GuardedAdapter(HTTPAdapter):
        """Uses guarded connections, also through a proxy."""

        def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
            super().init_poolmanager(*args, **kwargs)
            guard(self.poolmanager)

        def proxy_manager_for(self, proxy: str, **kwargs: t.Any) -> t.Any:
            return guard(super().proxy_manager_for(proxy, **kwargs))

    class _TrustingAdapter(_GuardedAdapter, environment.SharedTrust):
        """The same, with certificates that are read once."""

    class _RequestsSession(requests.Session):
        """requests reads the address of a redirect that it does not follow as well, and stumbles over a strange one."""

        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    class _NoCookies(RequestsCookieJar):
        """Each exchange stands alone: a load balancer's cookie must not tie retries to the node that failed."""

        def set_cookie(self, cookie: t.Any, *args: t.Any, **kwargs: t.Any) -> None:
            return None
