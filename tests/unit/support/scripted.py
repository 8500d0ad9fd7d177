# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A server on real sockets that returns bytes from a test for each request, valid HTTP or not."""

from __future__ import annotations

import contextlib
import socketserver
import threading
from collections import deque
from collections.abc import Iterable
from http.client import parse_headers

# All bytes, or parts that are sent one after the other while the client reads.
Script = bytes | Iterable[bytes]


class Scripted(socketserver.ThreadingTCPServer):
    """Each request gets the next of ``scripts``. A connection stays open unless ``close`` is set."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, *scripts: Script, close: bool = False) -> None:
        self.scripts = deque(scripts)
        self.close_after = close
        self.connections = 0
        self.requests: list[tuple[int, str]] = []
        """The number of the connection and the target of each request."""
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> Scripted:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(socketserver.StreamRequestHandler):
    server: Scripted

    def handle(self) -> None:
        self.server.connections += 1
        number = self.server.connections
        with contextlib.suppress(OSError):
            while self.server.scripts:
                line = self.rfile.readline().split()
                if not line:
                    return
                self.rfile.read(int(parse_headers(self.rfile)["Content-Length"] or 0))
                self.server.requests.append((number, line[1].decode()))
                script = self.server.scripts.popleft()
                for part in [script] if isinstance(script, bytes) else script:
                    self.wfile.write(part)
                if self.server.close_after:
                    return


def regular(body: bytes = b"{}", status: str = "200 OK") -> bytes:
    """Return a response like those of the service."""
    return b"HTTP/1.1 %s\r\nContent-Length: %d\r\n\r\n%s" % (status.encode(), len(body), body)
