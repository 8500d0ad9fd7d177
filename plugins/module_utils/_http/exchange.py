# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Exchange: one request and its response on a connection, with one deadline. Only a regular one leaves its connection open.

requests and urllib3 set a time-out for each read, http.client skips no interim response but 100, and neither checks
that a response belongs to its request. If a response is read as that of the next request, every later response is assigned
to the wrong device. The classes extend those of urllib3 1.26 and 2.
"""

from __future__ import annotations

import http.client
import io
import socket
import ssl
import typing as t
from contextlib import contextmanager
from contextvars import ContextVar

from .._clock import Clock
from .response import MAX_BODY, TooLargeError

try:
    from urllib3.connection import HTTPConnection
    from urllib3.connectionpool import HTTPConnectionPool
    from urllib3.poolmanager import PoolManager
    from urllib3.util.wait import wait_for_read
except ImportError:  # transport.py reports it
    HTTPConnection = HTTPConnectionPool = object  # type: ignore[assignment,misc]

MAX_HEAD: t.Final = 256 << 10  # bytes
MAX_INTERIM_RESPONSES: t.Final = 20
# Bytes per write. The remaining time is measured again before the next one.
_PIECE: t.Final = 16384


class Exchange:
    """One request and its response: the remaining time, and what has happened on the connection.

    The deadline does not interrupt name resolution, for which the system has its own time-outs. It is checked after it.

    ``sent``: whether a byte of the request may have been sent. ``irregular``: why the connection must not be reused.
    ``ambiguous``: whether the response may be that of another request, or its end is not certain.
    """

    def __init__(self, clock: Clock, timeout: float, not_after: float | None) -> None:
        """After ``not_after`` (monotonic seconds) the request must not be sent."""
        self._clock = clock
        self._not_after = not_after
        self._deadline = clock.monotonic() + timeout
        self.sent = False
        self.irregular: str | None = None
        self.ambiguous = False
        self.response: http.client.HTTPResponse | None = None
        """The last one that was begun."""

    @contextmanager
    def active(self) -> t.Iterator[None]:
        """Assign the connections that this thread uses to this exchange."""
        token = current_exchange.set(self)
        try:
            yield
        finally:
            current_exchange.reset(token)

    def time_left(self) -> float:
        """Seconds, more than zero. Raises TimeoutError if no time is left."""
        left = self._deadline - self._clock.monotonic()
        if left <= 0:
            self.irregular = "the time is over"
            raise TimeoutError("timed out")
        return left

    def begin_sending(self) -> None:
        """Called before the first byte of the request is sent. Raises TimeoutError if it is too late for that.

        Opening the connection took time, and the machine may have been suspended since the caller read the clock.
        """
        if not self.sent and self._not_after is not None and self._clock.monotonic() > self._not_after:
            self.irregular = "nothing was sent"
            raise TimeoutError("it is too late to send the request")
        self.sent = True

    def check_end(self) -> None:
        """Raise IncompleteRead if the body was shorter than its Content-Length. Not every urllib3 checks that."""
        if self.response is not None and self.response.length:
            self.irregular = "the body is incomplete"
            raise http.client.IncompleteRead(b"", self.response.length)


current_exchange: t.Final[ContextVar[Exchange]] = ContextVar("current_exchange")
"""The active exchange of this thread."""


class _Incoming(io.RawIOBase):
    """The bytes of one response. Each read is limited by the remaining time and the remaining size."""

    def __init__(self, sock: socket.socket, exchange: Exchange) -> None:
        super().__init__()
        self._sock = sock
        self._raw = sock.makefile("rb", buffering=0)
        self.exchange = exchange
        self.remaining = MAX_HEAD
        self.eof = False
        self.ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any, /) -> int | None:
        if self.ended:
            return None
        self._sock.settimeout(self.exchange.time_left())
        count = self._raw.readinto(buffer)
        self.eof = count == 0
        self.remaining -= count or 0
        if self.remaining < 0:
            raise TooLargeError("the response is too large")
        return count

    def close(self) -> None:
        self._raw.close()
        super().close()


class _Reader(io.BufferedReader):
    """The file that http.client reads from and closes at the end of the body. Nothing may follow."""

    raw: _Incoming

    def close(self) -> None:
        if not self.closed:
            self.raw.ended = True
            if rest := self.peek(1):
                self.raw.exchange.irregular = "bytes follow the response"
                self.raw.exchange.ambiguous = bool(rest.strip())  # some servers add a line break
        super().close()


class _Response(http.client.HTTPResponse):
    """Skips interim responses (RFC 9110, 15.2), and records what makes the exchange irregular."""

    def __init__(self, sock: socket.socket, *args: t.Any, **kwargs: t.Any) -> None:
        super().__init__(sock, *args, **kwargs)
        self.fp.close()
        self._exchange = current_exchange.get()
        self._incoming = _Incoming(sock, self._exchange)
        self.fp = _Reader(self._incoming)

    def _read_status(self) -> tuple[str, int, str]:
        for _interim in range(MAX_INTERIM_RESPONSES):
            version, status, reason = super()._read_status()  # type: ignore[misc]  # not in the type stubs
            if status >= 200:
                return version, status, reason
            self._exchange.irregular = "an interim response"
            if status == 101:  # no other protocol was requested
                break
            http.client.parse_headers(self.fp)
        raise http.client.HTTPException("interim responses without a final one")

    def begin(self) -> None:
        super().begin()
        if self._incoming.eof:  # http.client treats the end of the connection as the end of the headers
            raise http.client.HTTPException("the headers are incomplete")
        self._exchange.response = self
        self._incoming.remaining = MAX_BODY
        lengths = self.headers.get_all("content-length", [])
        codings = [coding.strip().lower() for coding in self.headers.get_all("transfer-encoding", [])]
        if self.headers.defects or len(lengths) + len(codings) > 1 or codings not in ([], ["chunked"]):
            self._exchange.irregular = "its headers are ambiguous"
            self._exchange.ambiguous = True
        if not codings and any(not length.isdecimal() for length in lengths):
            raise http.client.HTTPException("the Content-Length is not a number")

    def _read_and_discard_trailer(self) -> None:
        if self.fp.peek(2)[:2] != b"\r\n":
            self._exchange.irregular = "trailers"
        super()._read_and_discard_trailer()  # type: ignore[misc]  # not in the type stubs


class _Connection(HTTPConnection):
    """A connection that belongs to the exchange of the thread that uses it."""

    response_class = _Response
    _connecting = False
    _last: Exchange | None = None

    def connect(self) -> None:
        self._last = current_exchange.get()
        self._connecting = True
        try:
            super().connect()
        finally:
            self._connecting = False

    def _new_conn(self) -> socket.socket:
        addresses = self._count_addresses()
        # create_connection applies the time-out to each address of a host; together they must not take more.
        self.timeout = current_exchange.get().time_left() / addresses
        sock = super()._new_conn()
        try:
            sock.settimeout(current_exchange.get().time_left())  # for TLS, which applies it to the complete handshake
        except TimeoutError:
            sock.close()
            raise
        return sock

    def _count_addresses(self) -> int:
        try:
            return len(socket.getaddrinfo(self._dns_host, self.port, 0, socket.SOCK_STREAM)) or 1
        except (OSError, UnicodeError):  # connecting will report it
            return 1

    def _tunnel(self) -> None:
        super()._tunnel()
        self.sock.settimeout(current_exchange.get().time_left())

    def send(self, data: t.Any) -> None:
        if self.sock is None:
            self.connect()
        exchange = self._last = current_exchange.get()
        if not self._connecting:
            if not is_silent(self.sock):
                exchange.irregular = "an early response"
                raise ConnectionAbortedError("The server responded before the request was complete")
            exchange.begin_sending()
        for at in range(0, len(data), _PIECE):
            self.sock.settimeout(exchange.time_left())
            super().send(data[at : at + _PIECE])

    def is_reusable(self) -> bool:
        """Whether the last exchange was regular and nothing has arrived since."""
        return (self._last is None or self._last.irregular is None) and (self.sock is None or is_silent(self.sock))


class _Pool(HTTPConnectionPool):
    """Closes connections that must not be reused."""

    def _get_conn(self, timeout: float | None = None) -> t.Any:
        connection: t.Any = super()._get_conn(timeout)
        if connection.is_reusable():
            return connection
        connection.close()
        return self._new_conn()

    def _put_conn(self, conn: t.Any) -> None:
        if conn is not None and not conn.is_reusable():
            conn.close()
        super()._put_conn(conn)


def is_silent(sock: t.Any) -> bool:
    """Whether there is nothing to read from a connection, not even its end. A byte that is read here is lost.

    TLS sends messages of its own, which make a socket readable and contain no data.
    """
    pending = getattr(sock, "pending", int)
    if not pending() and not wait_for_read(sock, timeout=0.0):
        return True
    before = sock.gettimeout()
    try:
        sock.settimeout(0.0)
        sock.recv(1)
    except (BlockingIOError, ssl.SSLWantReadError, TimeoutError):
        return True
    except OSError:  # the end, or worse
        pass
    finally:
        sock.settimeout(before)
    return False


def guard(manager: PoolManager) -> PoolManager:
    """Make a pool manager of any kind use guarded connections."""
    manager.pool_classes_by_scheme = {scheme: _guarded(pool) for scheme, pool in manager.pool_classes_by_scheme.items()}
    return manager


def _guarded(pool: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    if issubclass(pool, _Pool):
        return pool
    connection = type("GuardedConnection", (_Connection, pool.ConnectionCls), {})
    return type("GuardedPool", (_Pool, pool), {"ConnectionCls": connection})
