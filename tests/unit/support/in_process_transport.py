# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A transport in virtual time without sockets, from the client's session to the emulator."""

from __future__ import annotations

import errno
import io
import os
import sys
import types
import typing as t
from dataclasses import dataclass
from json import dumps
from urllib.parse import urlsplit

import requests
import urllib3
from requests import exceptions
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection
from urllib3.exceptions import NewConnectionError, ProtocolError
from yarl import URL

from ansible_collections.secops.mde.plugins.module_utils._http.exchange import current_exchange
from ansible_collections.secops.mde.plugins.module_utils._http.transport import HttpTransport
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.emulator.server import headers_of
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime


def connect(transport: HttpTransport, adapter: InProcessTransport, *, fast_path: bool = False) -> None:
    """Send all requests of a session through this adapter.

    With ``fast_path``, API calls bypass the library requests, which takes more time than all other code. This is for
    simulations of a hundred thousand calls. The code of the collection is the same in both cases.
    """
    for scheme in ("https://", "http://"):
        transport._session.mount(scheme, adapter)
    if fast_path:
        transport._session = t.cast(t.Any, _FastPath(transport._session, adapter))


class InProcessTransport(HTTPAdapter):
    """Sends requests to a started emulator and returns its responses, like its ports.

    ``latency`` is the virtual round-trip time of an API call. The knobs for real latency have no effect. The other
    services take no time, because the client holds a lock during a sign-in and must not sleep. If there is no response
    within the timeout of the client, the client times out. The request still arrives.
    """

    def __init__(self, emulator: Emulator, time: VirtualTime, latency: float = 0.0) -> None:
        super().__init__()
        self.latency = latency
        self._ports = emulator.ports
        self._time = time

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: float | tuple[float | None, float | None] | None = None,
        *_trust: t.Any,
        **_proxies: t.Any,
    ) -> requests.Response:
        body = request.body or b""
        response = self.send_request(
            str(request.method),
            str(request.url),
            request.headers,
            body.encode() if isinstance(body, str) else body,
            timeout[1] if isinstance(timeout, tuple) else timeout,
        )
        raw = urllib3.HTTPResponse(response.raw, response.headers, response.status_code, preload_content=False)
        return self.build_response(request, raw)

    def send_request(
        self, method: str, url: str, headers: t.Mapping[str, str], body: bytes, timeout: float | None
    ) -> _Response:
        """Send one request. Without a response, raises the same exception as requests."""
        parts = urlsplit(url)
        port = self._ports.get(f"{parts.scheme}://{parts.netloc}")
        if port is None:
            raise _connection_refused(parts.netloc)
        if exchange := current_exchange.get(None):
            exchange.sent = True
        latency = self.latency if port.service == "api" else 0.0
        self._time.elapse(latency / 2)
        target = URL.build(path=parts.path, query_string=parts.query, encoded=True)
        received = {"host": parts.netloc}
        received.update(
            (name.lower(), sys.intern(value)) for name, value in headers.items()
        )  # a long log keeps each token only once
        call = port.receive(method, target, received, body)
        port.log_call(call)
        reply, fault = port.respond(call, target)
        date = port.date_header()
        if (fault is not None and fault.kind == "hang") or (timeout is not None and latency > timeout):
            if timeout is None:
                raise RuntimeError(f"{method} {url} would wait forever: it has no timeout")
            self._time.elapse(timeout - latency / 2)
            raise exceptions.ReadTimeout(f"Read timed out. (read timeout={timeout})")
        self._time.elapse(latency / 2)
        if reply is None:
            raise _connection_reset()
        sent = {**headers_of(reply), "Content-Length": str(len(reply.body))}
        if date is not None:
            sent["Date"] = date
        delay = fault.delay if fault is not None and fault.kind == "slow_drip" else 0.0
        return _Response(url, reply.status, sent, _Body(reply.body, self._time, delay))


class _Body(io.BytesIO):
    """The body of a response. With a delay it arrives byte by byte."""

    def __init__(self, body: bytes, time: VirtualTime, delay: float) -> None:
        super().__init__(body)
        self._time = time
        self._delay = delay

    def read(self, size: int | None = -1, /, decode_content: bool = False) -> bytes:
        part = super().read(1 if self._delay else size)
        self._time.elapse(self._delay * len(part))
        return part


@dataclass(frozen=True)
class _Response:
    """The part of requests.Response that the client uses."""

    url: str
    status_code: int
    headers: dict[str, str]
    raw: _Body

    def __enter__(self) -> _Response:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: types.TracebackType | None
    ) -> None:
        self.raw.close()


class _FastPath:
    """Sends API calls directly to the transport, and other requests through the library requests."""

    def __init__(self, session: requests.Session, transport: InProcessTransport) -> None:
        self._session = session
        self._transport = transport
        self.close = session.close

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: t.Mapping[str, str] | None = None,
        params: t.Any = None,
        data: t.Any = None,
        json: t.Any = None,
        timeout: float | None = None,
        **more: t.Any,
    ) -> _Response | requests.Response:
        if params is not None or data is not None:
            return self._session.request(
                method, url, headers=headers, params=params, data=data, json=json, timeout=timeout, **more
            )
        sent = {name: str(value) for name, value in self._session.headers.items()} | dict(headers or {})
        body = b""
        if json is not None:
            body = dumps(json).encode()
            sent.update({"Content-Type": "application/json", "Content-Length": str(len(body))})
        return self._transport.send_request(method, url, sent, body, timeout)


def _connection_reset() -> exceptions.ConnectionError:
    reset = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    return exceptions.ConnectionError(ProtocolError("Connection aborted.", reset))


def _connection_refused(host: str) -> exceptions.ConnectionError:
    reason = f"Failed to establish a new connection: {os.strerror(errno.ECONNREFUSED)}"
    return exceptions.ConnectionError(NewConnectionError(HTTPConnection(host), reason))
