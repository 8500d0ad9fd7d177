# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One HTTP exchange: the session that sign-in and API share, and what comes back from the wire.

Nothing here repeats a request or judges a status. It answers two questions only: what was the answer, and if
there is none, can the request have reached the other side.
"""

from __future__ import annotations

import re
import traceback
import typing as t
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from .._clock import Clock
from .._errors import WireError
from .._foreign_json import parse_json
from .environment import ca_bundle, proxy_for
from .redaction import Redactor, silence_loggers
from .urls import as_shown, is_link_local, is_loopback, is_unambiguous, origin

try:
    import requests
    from requests import exceptions as wire
    from requests.adapters import HTTPAdapter
    from requests.cookies import RequestsCookieJar
    from urllib3.exceptions import ConnectTimeoutError, LocationValueError, NewConnectionError, ReadTimeoutError
    from urllib3.exceptions import HTTPError as BrokenOffError
except ImportError:
    REQUESTS_MISSING: str | None = traceback.format_exc()
else:
    from .environment import SystemTrust

    REQUESTS_MISSING = None

_CHUNK = 65536
_LONGEST_EXCERPT = 200


@dataclass(frozen=True)
class WireOptions:
    """How to reach the other side; the same for sign-in and API."""

    user_agent: str
    timeout: float = 30.0
    """Seconds for one request, from the first byte sent to the last one read."""
    ca_path: str | None = None
    validate_certs: bool = True
    proxy: str | None = None
    connections: int = 1
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


class Session:
    """Sends one request at a time over kept connections. Safe to use from several threads."""

    def __init__(self, options: WireOptions, clock: Clock, redactor: Redactor | None = None) -> None:
        """``redactor`` is given everything that is sent as a credential."""
        silence_loggers()
        self.redactor = redactor or Redactor()
        self._options = options
        self._clock = clock
        self._reached: set[str] = set()
        self._session = _NoRedirects()
        # The environment is asked below, where an option was left unset: requests would let REQUESTS_CA_BUNDLE
        # beat our own setting, and would replace the token by a password from ~/.netrc.
        self._session.trust_env = False
        self._session.cookies = _NoCookies()
        self._session.headers["User-Agent"] = options.user_agent
        kind = SystemTrust if self._verify() is True else HTTPAdapter
        adapter = kind(max_retries=0, pool_maxsize=options.connections)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    def has_reached(self, url: str) -> bool:
        """Whether the host of this URL ever answered: one that never did is more likely misspelt than ill."""
        return origin(url) in self._reached

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
    ) -> Response:
        """Send once and read the whole answer, of whatever status; redirects are not followed.

        Raises WireError when there is none, with ``sent`` false only if the request surely did not arrive.
        """
        if not is_unambiguous(url):
            raise WireError(
                f"{method}: {as_shown(url)} is not a plain URL, so nothing was sent.",
                code="unreachable",
                hint="Check the address (api_url, authority_host), and any proxy in between.",
                sent=False,
                final=True,
            )
        self.redactor.add_request(headers, data)
        deadline = self._clock.monotonic() + self._options.timeout
        try:
            host = origin(url)
            answer = self._session.request(
                method,
                url,
                headers=headers,
                params=params,
                data=data,
                json=json_body,
                timeout=self._options.timeout,
                allow_redirects=False,
                verify=self._verify(),
                proxies=self._proxies(host),
                stream=True,
            )
            with answer:
                body = self._read(answer, deadline)
        except (OSError, UnicodeError, BrokenOffError) as error:  # of requests, of a strange host name, of urllib3
            raise self._masked(self._no_answer(method, url, error)) from error
        self._reached.add(host)
        return Response(
            method=method,
            url=answer.url,
            status=answer.status_code,
            headers={name.lower(): value for name, value in answer.headers.items()},
            body=body,
            redact=self.redactor,
        )

    def _read(self, answer: requests.Response, deadline: float) -> bytes:
        # requests' own time-out is for each read: a server that drips would hold us for ever. read1 hands out
        # what has come so far; urllib3 1.26 lacks it, and there only a whole chunk is looked at.
        read = getattr(answer.raw, "read1", answer.raw.read)
        parts = []
        while part := read(_CHUNK, decode_content=True):
            parts.append(part)
            if self._clock.monotonic() > deadline:
                raise wire.ReadTimeout("the answer took too long")
        return b"".join(parts)

    def _verify(self) -> bool | str:
        return self._options.validate_certs and (self._options.ca_path or ca_bundle() or True)

    def _proxies(self, url: str) -> dict[str, str]:
        if is_loopback(url) or is_link_local(url):
            return {}
        proxy = self._options.proxy or (proxy_for(url) or ("", ""))[1]
        self.redactor.add_password(proxy)
        return {"http": proxy, "https": proxy} if proxy else {}

    def _masked(self, error: WireError) -> WireError:
        error.message = self.redactor.head(error.message)
        return error

    def _no_answer(self, method: str, url: str, error: Exception) -> WireError:
        """Say in one line who could not be reached and why."""
        host = origin(url)
        what = f"{method} {host}{urlsplit(url).path}"
        if _untrusted(error):
            return WireError(
                f"{what}: the certificate of {host} is not trusted ({_reason(error)}).",
                code="certificate_not_trusted",
                hint="Set ca_path to the file with your CA's certificates, for example that of a proxy which opens TLS.",
                sent=False,
                final=True,
            )
        if isinstance(error, wire.ProxyError) and _never_connected(error):
            return WireError(
                f"{what}: the proxy did not connect ({_reason(error)}).",
                code="proxy_failed",
                hint="Check proxy, its user and password, and that it may reach this host.",
                sent=False,
            )
        if isinstance(error, wire.ConnectTimeout) or _never_connected(error):
            return WireError(
                f"{what}: no connection to {host} ({_reason(error)}).",
                code="unreachable",
                hint="Check the address (api_url, authority_host, cloud, region), name resolution, the firewall and proxy.",
                sent=False,
            )
        if isinstance(error, (wire.ReadTimeout, ReadTimeoutError)):
            return WireError(f"{what}: no answer within {self._options.timeout:g} s.", code="no_answer", sent=True)
        if isinstance(
            error, (wire.InvalidURL, wire.InvalidSchema, wire.MissingSchema, LocationValueError, UnicodeError)
        ):
            return WireError(f"{what}: {_reason(error)}.", code="unreachable", sent=False, final=True)
        return WireError(f"{what}: the connection broke ({_reason(error)}).", code="no_answer", sent=True)


def excerpt(response: Response) -> str:
    """A short, single-line taste of a body that is not the service's: a page's title where it has one."""
    text = response.redact.head(response.text).strip()
    if not text:
        return "an empty answer"
    title = re.search(r"<title[^>]*>(.*?)</title>", text, re.IGNORECASE | re.DOTALL)
    if title:
        text = title.group(1)
    elif text.startswith("<"):
        text = re.sub(r"<(script|style).*?</\1>|<[^>]*>", " ", text, flags=re.IGNORECASE | re.DOTALL)
    words = " ".join(text.split())
    kind = "a web page" if response.text.lstrip().startswith("<") else "not the service's JSON"
    return f"{kind}: {words[:_LONGEST_EXCERPT]}"


def _causes(error: Exception) -> list[Exception]:
    """An exception and all that requests and urllib3 packed into it, the innermost last."""
    found = [error]
    while True:
        packed = (getattr(found[-1], name, None) for name in ("reason", "original_error"))
        inner = next((cause for cause in (*packed, *found[-1].args) if isinstance(cause, Exception)), None)
        if inner is None:
            return found
        found.append(inner)


def _never_connected(error: Exception) -> bool:
    """A refused connection, an unknown host name, a proxy that says no: the request was not sent.

    A connection that broke later is a ProxyError as well when there is a proxy, and must not pass for one of these.
    """
    return any(
        isinstance(cause, (NewConnectionError, ConnectTimeoutError))
        or str(cause).startswith("Tunnel connection failed")  # of http.client, which has no class for it
        for cause in _causes(error)
    )


def _untrusted(error: Exception) -> bool:
    """The other side's certificate, or the file to check it with, is no good. TLS can break in other ways, and later."""
    inner = _causes(error)[-1]
    if isinstance(error, wire.SSLError):
        # Of ssl and of urllib3, a failed check is a ValueError; a file that holds no certificate is X509's failure.
        return isinstance(inner, ValueError) or getattr(inner, "library", None) == "X509"
    return not isinstance(error, (wire.RequestException, BrokenOffError, UnicodeError))  # requests finds no such file


def _reason(error: Exception) -> str:
    """The innermost cause in its own words: the layers above only repeat the address."""
    inner = _causes(error)[-1]
    if isinstance(inner, OSError) and inner.strerror:
        return inner.strerror
    text = next((part for part in inner.args if isinstance(part, str)), str(inner))
    if isinstance(inner, BrokenOffError):  # urllib3 puts the connection's name before it
        text = text.split(": ", 1)[-1]
    return text.rstrip(".") or type(inner).__name__


if REQUESTS_MISSING is None:

    class _NoRedirects(requests.Session):
        """requests reads the address of a redirect that it does not follow as well, and stumbles over a strange one."""

        def get_redirect_target(self, resp: requests.Response) -> None:
            return None

    class _NoCookies(RequestsCookieJar):
        """Each exchange stands alone: a load balancer's cookie must not tie retries to the node that failed."""

        def set_cookie(self, cookie: t.Any, *args: t.Any, **kwargs: t.Any) -> None:
            return None
