# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A small HTTPS proxy. It resolves host names that are not in DNS, so that they can be reached only through it."""

from __future__ import annotations

import select
import socket
import socketserver
import threading
import typing as t
from http.client import parse_headers
from urllib.parse import urlsplit


class HttpsProxy(socketserver.ThreadingTCPServer):
    """``routes`` maps host names to URLs of local servers. With ``refusal`` the proxy returns this status only."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, routes: t.Mapping[str, str], refusal: str | None = None) -> None:
        self.ports = {host: urlsplit(url).port or 443 for host, url in routes.items()}
        self.refusal = refusal
        self.requested: list[str] = []
        self.passwords: list[str | None] = []
        super().__init__(("127.0.0.1", 0), _Tunnel)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> HttpsProxy:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Tunnel(socketserver.StreamRequestHandler):
    server: HttpsProxy

    def handle(self) -> None:
        target = self.rfile.readline().decode().split()[1]
        headers = parse_headers(self.rfile)
        self.server.requested.append(target)
        self.server.passwords.append(headers["Proxy-Authorization"])
        if self.server.refusal:
            self.wfile.write(f"HTTP/1.1 {self.server.refusal}\r\nContent-Length: 0\r\n\r\n".encode())
            return
        with socket.create_connection(("127.0.0.1", self.server.ports[target.partition(":")[0]])) as other:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            _pump(self.connection, other)


def _pump(one: socket.socket, two: socket.socket) -> None:
    """Forward bytes in both directions until one side closes."""
    across = {one: two, two: one}
    while True:
        for side in select.select(list(across), [], [])[0]:
            try:
                data = side.recv(65536)
                across[side].sendall(data)
            except OSError:
                return
            if not data:
                return
