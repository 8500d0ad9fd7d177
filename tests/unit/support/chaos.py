# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy in virtual time that inserts, truncates, delays, repeats and swaps responses at random.

The client uses its real connections with requests, urllib3 and http.client. Only the socket and TLS are replaced.
"""

from __future__ import annotations

import io
import os
import random
import socket
import typing as t
from collections import Counter, deque
from dataclasses import dataclass, field

from urllib3.connection import HTTPConnection

from ansible_collections.secops.mde.plugins.module_utils._http.exchange import current_exchange, guard
from ansible_collections.secops.mde.plugins.module_utils._http.transport import _GuardedAdapter
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.support.in_process_transport import InProcessTransport
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

_INTERIM: t.Final = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n",
)
# To an earlier request.
_REFUSAL_BODY: t.Final = b'{"error": {"code": "OsPlatformNotSupported", "message": "no", "target": "earlier"}}'
_REFUSAL: t.Final = b"HTTP/1.1 400 Bad Request\r\nContent-Length: %d\r\n\r\n%s" % (len(_REFUSAL_BODY), _REFUSAL_BODY)
_PAGE = b"<html><head><title>Gateway</title></head></html>"
_LATENCY = 0.2
# The ends of two pipes: the first never has data to read, the second always has.
_SILENT, _KEPT_OPEN = os.pipe()
_READY, _WRITTEN = os.pipe()
os.write(_WRITTEN, b"x")


@dataclass
class Chaos:
    """Faults with their probability for a POST and for a GET. ``counts`` has the number of each fault."""

    rng: random.Random
    posts: dict[str, float]
    gets: dict[str, float]
    without_faults: int = 1
    """The number of calls at the start without faults. A host that never responded is abandoned sooner."""
    counts: Counter[str] = field(default_factory=Counter)
    last: dict[str, bytes] = field(default_factory=dict)
    """The last successful response to a POST and to a GET."""

    def choose(self, method: str) -> str:
        if self.counts.total() < self.without_faults:
            self.counts[f"{method} nothing"] += 1
            return "nothing"
        chances = self.posts if method == "POST" else self.gets
        kinds = ["nothing", *chances]
        (kind,) = self.rng.choices(kinds, [1 - sum(chances.values()), *chances.values()])
        self.counts[f"{method} {kind}"] += 1
        return kind


class ChaosAdapter(_GuardedAdapter):
    """An adapter for the session of the client."""

    def __init__(self, emulator: Emulator, time: VirtualTime, chaos: Chaos, connections: int = 10) -> None:
        self.inner = InProcessTransport(emulator, time)
        self.time = time
        self.chaos = chaos
        super().__init__(max_retries=0, pool_maxsize=connections)

    def init_poolmanager(self, *args: t.Any, **kwargs: t.Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        pools: dict[str, t.Any] = guard(self.poolmanager).pool_classes_by_scheme
        self.poolmanager.pool_classes_by_scheme = {
            scheme: type("Pool", (pool,), {"ConnectionCls": self._connection(scheme, pool.ConnectionCls)})
            for scheme, pool in pools.items()
        }

    def _connection(self, scheme: str, base: type[HTTPConnection]) -> type[HTTPConnection]:
        def connect(connection: t.Any) -> None:
            connection._last = current_exchange.get()
            connection.sock = FaultyConnection(self, f"{scheme}://{connection.host}:{connection.port}")
            connection.is_verified = True

        return type("Connection", (base,), {"connect": connect})

    def respond(
        self, connection: FaultyConnection, method: str, url: str, headers: dict[str, str], body: bytes
    ) -> None:
        """Send a request to the service, and send its response with a fault to the client."""
        kind = self.chaos.choose(method)
        rng = self.chaos.rng
        now = self.time.monotonic()
        if kind == "broken before":
            connection.arrive(now, None)
            return
        reply = self.inner.send_request(method, url, headers, body, None)
        head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        response = f"HTTP/1.1 {reply.status_code} Status\r\n{head}\r\n".encode() + reply.raw.read()
        previous = self.chaos.last.get(method, b"")
        # The client cannot recognize that an error response belongs to another request.
        self.chaos.last[method] = response if reply.status_code < 400 else previous
        at = now + _LATENCY / 2
        if kind == "interim":
            response = b"".join(rng.choices(_INTERIM, k=rng.randint(1, 3))) + response
        elif kind == "broken after":
            connection.arrive(at, response[: rng.randrange(len(response))])
            connection.arrive(at, None)
            return
        elif kind == "delay":
            at += rng.uniform(20, 60)
        elif kind == "swap" and previous:
            response = previous
        elif kind in ("repeat", "refusal before"):
            response = response + previous if kind == "repeat" else _REFUSAL + response
        elif kind == "repeat later":
            connection.arrive(at + rng.uniform(0, 1), previous)
        elif kind == "redirect":
            response = b"HTTP/1.1 %d See\r\nLocation: /\r\nContent-Length: 0\r\n\r\n" % rng.choice([302, 303, 307])
        elif kind == "page":
            response = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (
                rng.choice([400, 401, 403, 404, 502]),
                len(_PAGE),
                _PAGE,
            )
        connection.arrive(at, response)


class FaultyConnection:
    """The part of the socket interface that the client uses."""

    def __init__(self, adapter: ChaosAdapter, origin: str) -> None:
        self._adapter = adapter
        self._origin = origin
        self._timeout: float | None = None
        self._outgoing = b""
        self._arriving: deque[tuple[float, bytes | None]] = deque()
        self._buffer = b""
        self._ended = False

    def arrive(self, at: float, part: bytes | None) -> None:
        """Schedule bytes for the client at a time. None closes the connection."""
        if part != b"":
            self._arriving.append((at, part))
            self._arriving = deque(sorted(self._arriving, key=lambda arrival: arrival[0]))

    # -- called by the client ---------------------------------------------------------------------------

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        return self._timeout

    def pending(self) -> int:
        self._receive()
        return len(self._buffer) + self._ended

    def fileno(self) -> int:
        """Return a descriptor for code that checks whether there is data to read."""
        return _READY if self.pending() else _SILENT

    def sendall(self, data: bytes) -> None:
        self._outgoing += data
        head, separator, body = self._outgoing.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines[1:] if ": " in line)
        if not separator or len(body) < int(headers.get("Content-Length", 0)):
            return
        self._outgoing = b""
        method, target, _version = lines[0].split(" ")
        self._adapter.time.elapse(_LATENCY / 2)
        self._adapter.respond(self, method, self._origin + target, headers, body)

    def recv(self, size: int) -> bytes:
        time = self._adapter.time
        self._receive()
        if not self._buffer and not self._ended:
            wait = self._arriving[0][0] - time.monotonic() if self._arriving else float("inf")
            if self._timeout is not None and wait > self._timeout:
                time.elapse(self._timeout)
                raise TimeoutError("timed out")
            time.elapse(wait)
            self._receive()
        part, self._buffer = self._buffer[:size], self._buffer[size:]
        return part

    def makefile(self, _mode: str, buffering: int = -1) -> t.Any:
        reader = _ConnectionReader(self)
        return reader if buffering == 0 else io.BufferedReader(reader)

    def shutdown(self, _how: int = socket.SHUT_RDWR) -> None:
        self._ended = True

    def close(self) -> None:
        pass

    def _receive(self) -> None:
        now = self._adapter.time.monotonic()
        while self._arriving and self._arriving[0][0] <= now + 1e-6 and not self._ended:
            part = self._arriving.popleft()[1]
            self._buffer += part or b""
            self._ended = part is None


class _ConnectionReader(io.RawIOBase):
    def __init__(self, connection: FaultyConnection) -> None:
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any, /) -> int:
        part = self._connection.recv(len(buffer))
        buffer[: len(part)] = part
        return len(part)
