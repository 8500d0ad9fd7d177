# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A proxy in virtual time that inserts, cuts, delays, repeats and swaps responses at random, byte by byte.

The client's real connections write to it and read from it: all of requests, urllib3 and http.client takes part. Only the
socket and TLS are replaced.
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

from ansible_collections.secops.mde.plugins.module_utils._http.connections import current_exchange, guard
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
# The ends of two pipes: nothing can be read from the first, ever, and something from the second, always.
_SILENT, _KEPT_OPEN = os.pipe()
_READY, _WRITTEN = os.pipe()
os.write(_WRITTEN, b"x")


@dataclass
class Chaos:
    """Faults with their probability for a POST and for a GET. ``happened`` counts them."""

    rng: random.Random
    posts: dict[str, float]
    gets: dict[str, float]
    calm: int = 1
    """So many calls at the start are left alone. A host that never responded is abandoned sooner, as one that is misspelled."""
    happened: Counter[str] = field(default_factory=Counter)
    last: dict[str, bytes] = field(default_factory=dict)
    """The last success of a POST and of a GET."""

    def choose(self, method: str) -> str:
        if self.happened.total() < self.calm:
            self.happened[f"{method} nothing"] += 1
            return "nothing"
        chances = self.posts if method == "POST" else self.gets
        kinds = ["nothing", *chances]
        (kind,) = self.rng.choices(kinds, [1 - sum(chances.values()), *chances.values()])
        self.happened[f"{method} {kind}"] += 1
        return kind


class ChaosAdapter(_GuardedAdapter):
    """Replaces the adapter of the session."""

    def __init__(self, emulator: Emulator, time: VirtualTime, chaos: Chaos, connections: int = 10) -> None:
        self.carrier = InProcessTransport(emulator, time)
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
            connection._last = current_exchange()
            connection.sock = SpoiledConnection(self, f"{scheme}://{connection.host}:{connection.port}")
            connection.is_verified = True

        return type("Connection", (base,), {"connect": connect})

    def respond(self, line: SpoiledConnection, method: str, url: str, headers: dict[str, str], body: bytes) -> None:
        """Pass one request to the service, and put the response with its fault on the connection."""
        kind = self.chaos.choose(method)
        rng = self.chaos.rng
        now = self.time.monotonic()
        if kind == "cut before":
            line.arrive(now, None)
            return
        carried = self.carrier.carry(method, url, headers, body, None)
        head = "".join(f"{name}: {value}\r\n" for name, value in carried.headers.items())
        response = f"HTTP/1.1 {carried.status_code} Status\r\n{head}\r\n".encode() + carried.raw.read()
        previous = self.chaos.last.get(method, b"")
        # Nothing in a refusal shows that it was for another request.
        self.chaos.last[method] = response if carried.status_code < 400 else previous
        at = now + _LATENCY / 2
        if kind == "interim":
            response = b"".join(rng.choices(_INTERIM, k=rng.randint(1, 3))) + response
        elif kind == "cut after":
            line.arrive(at, response[: rng.randrange(len(response))])
            line.arrive(at, None)
            return
        elif kind == "delay":
            at += rng.uniform(20, 60)
        elif kind == "swap" and previous:
            response = previous
        elif kind in ("repeat", "refusal before"):
            response = response + previous if kind == "repeat" else _REFUSAL + response
        elif kind == "repeat later":
            line.arrive(at + rng.uniform(0, 1), previous)
        elif kind == "redirect":
            response = b"HTTP/1.1 %d See\r\nLocation: /\r\nContent-Length: 0\r\n\r\n" % rng.choice([302, 303, 307])
        elif kind == "page":
            response = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n%s" % (
                rng.choice([400, 401, 403, 404, 502]),
                len(_PAGE),
                _PAGE,
            )
        line.arrive(at, response)


class SpoiledConnection:
    """The part of a socket that the client uses."""

    def __init__(self, adapter: ChaosAdapter, origin: str) -> None:
        self._adapter = adapter
        self._origin = origin
        self._timeout: float | None = None
        self._outgoing = b""
        self._arriving: deque[tuple[float, bytes | None]] = deque()
        self._buffer = b""
        self._ended = False

    def arrive(self, at: float, part: bytes | None) -> None:
        """Bytes for the client at a moment; None is the end of the connection."""
        if part != b"":
            self._arriving.append((at, part))
            self._arriving = deque(sorted(self._arriving, key=lambda arrival: arrival[0]))

    # -- what the client does with it --------------------------------------------------------------------------

    def settimeout(self, timeout: float | None) -> None:
        self._timeout = timeout

    def gettimeout(self) -> float | None:
        return self._timeout

    def pending(self) -> int:
        self._take_in()
        return len(self._buffer) + self._ended

    def fileno(self) -> int:
        """For code that asks the system whether there is something to read."""
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
        self._take_in()
        if not self._buffer and not self._ended:
            wait = self._arriving[0][0] - time.monotonic() if self._arriving else float("inf")
            if self._timeout is not None and wait > self._timeout:
                time.elapse(self._timeout)
                raise TimeoutError("timed out")
            time.elapse(wait)
            self._take_in()
        part, self._buffer = self._buffer[:size], self._buffer[size:]
        return part

    def makefile(self, _mode: str, buffering: int = -1) -> t.Any:
        reader = _LineReader(self)
        return reader if buffering == 0 else io.BufferedReader(reader)

    def shutdown(self, _how: int = socket.SHUT_RDWR) -> None:
        self._ended = True

    def close(self) -> None:
        pass

    def _take_in(self) -> None:
        now = self._adapter.time.monotonic()
        while self._arriving and self._arriving[0][0] <= now + 1e-6 and not self._ended:
            part = self._arriving.popleft()[1]
            self._buffer += part or b""
            self._ended = part is None


class _LineReader(io.RawIOBase):
    def __init__(self, line: SpoiledConnection) -> None:
        self._line = line

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: t.Any, /) -> int:
        part = self._line.recv(len(buffer))
        buffer[: len(part)] = part
        return len(part)
