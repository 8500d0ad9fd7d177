# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A transport without sockets, from the client's session to the emulator, in virtual time."""

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

from ansible_collections.secops.mde.plugins.module_utils._http.connections import current_exchange
from ansible_collections.secops.mde.plugins.module_utils._http.transport import HttpTransport
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.emulator.server import headers_of
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime


def connect(transport: HttpTransport, adapter: InProcessTransport, *, fast_path: bool = False) -> None:
    """Send all requests of a session through this transport.

    With ``fast_path``, calls of the API bypass what requests does with each of them, which takes longer than all the
    rest: for simulations of a hundred thousand calls. The collection's own code is the same either way.
    """
    for scheme in ("https://", "http://"):
        transport._session.mount(scheme, adapter)
    if fast_path:
        transport._session = t.cast(t.Any, _FastPath(transport._session, adapter))


class InProcessTransport(HTTPAdapter):
    """Carries requests to a started emulator and answers back, as its ports would.

    ``latency`` is the virtual time of a call of the API, there and back; the knobs for real latency do not count. The
    other services take no time: whoever signs in holds a lock, and must not sleep. A sender that has no answer within
    the client has a time-out, and the request still arrives.
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
        response = self.carry(
            str(request.method),
            str(request.url),
            request.headers,
            body.encode() if isinstance(body, str) else body,
            timeout[1] if isinstance(timeout, tuple) else timeout,
        )
        raw = urllib3.HTTPResponse(response.raw, response.headers, response.status_code, preload_content=False)
        return self.build_response(request, raw)

    def carry(
        self, method: str, url: str, headers: t.Mapping[str, str], body: bytes, timeout: float | None
    ) -> _Response:
        """Send one request. Raises what requests raises if there is no response."""
        address = urlsplit(url)
        port = self._ports.get(f"{address.scheme}://{address.netloc}")
        if port is None:
            raise _refused(address.netloc)
        current_exchange().sent = True
        latency = self.latency if port.service == "api" else 0.0
        self._time.elapse(latency / 2)
        target = URL.build(path=address.path, query_string=address.query, encoded=True)
        arriving = {"host": address.netloc}
        arriving.update((name.lower(), sys.intern(value)) for name, value in headers.items())  # one token in a long log
        call = port.receive(method, target, arriving, body)
        port.log_call(call)
        reply, fault = port.respond(call, target)
        date = port.date_header()
        if (fault is not None and fault.kind == "hang") or (timeout is not None and latency > timeout):
            if timeout is None:
                raise RuntimeError(f"{method} {url} would wait for ever: it has no time-out")
            self._time.elapse(timeout - latency / 2)
            raise exceptions.ReadTimeout(f"Read timed out. (read timeout={timeout})")
        self._time.elapse(latency / 2)
        if reply is None:
            raise _broken()
        sent = {**headers_of(reply), "Content-Length": str(len(reply.body))}
        if date is not None:
            sent["Date"] = date
        delay = fault.delay if fault is not None and fault.kind == "slow_drip" else 0.0
        return _Response(url, reply.status, sent, _Body(reply.body, self._time, delay))


class _Body(io.BytesIO):
    """The body of an answer; it may drip, byte by byte."""

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
    """Sends prepared requests directly to the transport; requests does the rest."""

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
        return self._transport.carry(method, url, sent, body, timeout)


def _broken() -> exceptions.ConnectionError:
    reset = ConnectionResetError(errno.ECONNRESET, os.strerror(errno.ECONNRESET))
    return exceptions.ConnectionError(ProtocolError("Connection aborted.", reset))


def _refused(host: str) -> exceptions.ConnectionError:
    reason = f"Failed to establish a new connection: {os.strerror(errno.ECONNREFUSED)}"
    return exceptions.ConnectionError(NewConnectionError(HTTPConnection(host), reason))
