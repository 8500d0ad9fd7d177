# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One port: reads and logs requests, injects faults, and sends the responses of a handler."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from aiohttp import web
from yarl import URL

from .clock import Clock
from .faults import Fault, Faults
from .knobs import Knobs
from .log import Exchange
from .messages import Call, Reply
from .times import http_date
from .tokens import app_of

# Large enough for any query that a client may send. A knob decides which query is too long.
_LINE = 1 << 20
_BODY = 64 << 20
# Kinds of faults after which no response is sent.
_NO_RESPONSE = ("hang", "lost", "lost_before")


class Port:
    """A listening port of one service."""

    def __init__(
        self,
        service: str,
        respond: Callable[[Call], Reply],
        clock: Clock,
        knobs: Knobs,
        faults: Faults,
        log: list[Exchange],
        latency: Callable[[], float] = lambda: 0.0,
        control: Callable[[Call], Reply | None] | None = None,
        elsewhere: Callable[[], str] = str,
    ) -> None:
        self.service = service
        self.number = 0
        self._respond = respond
        self._clock = clock
        self._knobs = knobs
        self._faults = faults
        self._log = log
        self._latency = latency
        self._control = control
        self._elsewhere = elsewhere
        self._stopping = asyncio.Event()
        self._runner: web.AppRunner | None = None
        self._scheme = "http"

    @property
    def url(self) -> str:
        """The origin of the port."""
        host = "localhost" if self._scheme == "https" else "127.0.0.1"
        return f"{self._scheme}://{host}:{self.number}"

    async def start(self, port: int, context: ssl.SSLContext | None) -> None:
        """Listen on the port. With 0 the system chooses one."""
        app = web.Application(client_max_size=_BODY)
        app.router.add_route("*", "/{tail:.*}", self._handle)
        app.on_response_prepare.append(self._date)
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            handler_cancellation=True,
            shutdown_timeout=0.05,
            max_line_size=_LINE,
            max_field_size=_LINE,
            keepalive_timeout=300,
        )
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port, ssl_context=context, backlog=512)
        await site.start()
        self._scheme = "https" if context else "http"
        self.number = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Stop immediately, even if requests hang."""
        self._stopping.set()
        if self._runner is None:
            return
        connections = self._runner.server.connections if self._runner.server is not None else []
        for connection in connections:
            if connection.transport is not None:
                connection.transport.abort()
        await self._runner.cleanup()
        # The next rounds of the event loop close an aborted connection, and then the TLS layer below it.
        for _round in range(4):
            await asyncio.sleep(0)

    def receive(self, method: str, url: URL, headers: dict[str, str], raw: bytes) -> Call:
        """Return the Call for a received request: ``url`` is relative, header names are lowercase."""
        query = list(url.query.items())
        exchange = Exchange(
            service=self.service,
            method=method,
            path=url.path,
            query=dict(query),
            url_length=len(self.url) + len(str(url)),
            at=self._clock.now(),
            wall=time.monotonic(),
            headers=headers,
            body=_decoded(raw, headers.get("content-type", "")),
        )
        # A client, a proxy or a container may use another host name for this port.
        base = f"{self._scheme}://{headers['host']}" if headers.get("host") else self.url
        return Call(method, url.path, query, len(url.raw_query_string), headers, raw, exchange, base)

    def log_call(self, call: Call) -> None:
        """Add a call to the log."""
        if self.service in ("api", "elsewhere"):
            call.exchange.app = app_of(call.header("authorization"))
        self._log.append(call.exchange)

    def respond(self, call: Call, url: URL) -> tuple[Reply | None, Fault | None]:
        """Return the response, or None to abort the connection, and the injected fault, if any."""
        if self.service == "api" and self._knobs.virtual_latency > 0:
            self._clock.advance(self._knobs.virtual_latency)
        fault = self._faults.match(self.service, call.method, call.path, url.raw_query_string)
        if fault is None:
            reply = self._respond(call)
        else:
            call.exchange.fault = fault.kind
            reply = self._respond(call) if fault.carries_out else Reply(204, b"", None)
            if fault.kind in _NO_RESPONSE:
                return None, fault
            if fault.kind != "slow_drip":
                reply = _fault_reply(fault, self._elsewhere() + str(url), call)
        call.exchange.status = reply.status
        return reply, fault

    def date_header(self) -> str | None:
        """Return the ``Date`` header of a response that is sent now."""
        knob = self._knobs.date_header
        if knob == "absent":
            return None
        return http_date(self._clock.now() + (0.0 if isinstance(knob, str) else float(knob)))

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        call = self.receive(request.method, request.rel_url, headers, await request.read())
        if self._control is not None:
            controlled = self._control(call)
            if controlled is not None:
                return _response(controlled)
        self.log_call(call)
        if self._latency() > 0:
            await asyncio.sleep(self._latency())
        reply, fault = self.respond(call, request.rel_url)
        if fault is not None and fault.kind == "hang":
            await self._stopping.wait()
        if reply is None:
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if fault is not None and fault.kind == "slow_drip":
            return await self._drip(request, fault, reply)
        return _response(reply)

    async def _drip(self, request: web.Request, fault: Fault, reply: Reply) -> web.StreamResponse:
        """Send a response byte by byte."""
        response = web.StreamResponse(status=reply.status, headers=headers_of(reply))
        response.content_length = len(reply.body)
        await response.prepare(request)
        for at in range(len(reply.body)):
            await response.write(reply.body[at : at + 1])
            try:
                await asyncio.wait_for(self._stopping.wait(), fault.delay)
            except asyncio.TimeoutError:
                continue
            if request.transport is not None:
                request.transport.abort()
            return response
        await response.write_eof()
        return response

    async def _date(self, request: web.BaseRequest, response: web.StreamResponse) -> None:
        date = self.date_header()
        if date is None:
            response.headers.pop("Date", None)
        else:
            response.headers["Date"] = date


def headers_of(reply: Reply) -> dict[str, str]:
    """Return the headers of a response, without those that depend on when and how it is sent."""
    if not reply.content_type:
        return reply.headers
    charset = "" if reply.content_type.startswith("application/octet") else "; charset=utf-8"
    return {**reply.headers, "Content-Type": reply.content_type + charset}


def _response(reply: Reply) -> web.Response:
    return web.Response(status=reply.status, body=reply.body, headers=headers_of(reply))


def _fault_reply(fault: Fault, target: str, call: Call) -> Reply:
    """Return the response of a fault that sends one."""
    kind = fault.kind
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if kind in ("500", "502", "503"):
        code = {"500": "InternalServerError", "502": "BadGateway", "503": "ServiceUnavailable"}[kind]
        return Reply(int(kind), json.dumps({"error": {"code": code, "message": ""}}).encode(), headers=headers)
    if kind == "429":
        error = {"code": "TooManyRequests", "message": "API calls quota exceeded! Maximum admitted 100 per 00:01:00."}
        return Reply(429, json.dumps({"error": error}).encode(), headers=headers)
    if kind == "redirect":
        return Reply(307, b"", None, {**headers, "Location": target})
    if kind == "empty_200":
        return Reply(200, b"", None, headers)
    if kind == "body":
        content_type = next((value for name, value in headers.items() if name.lower() == "content-type"), None)
        rest = {name: value for name, value in headers.items() if name.lower() != "content-type"}
        return Reply(fault.status, fault.payload(call), content_type or "application/json", rest)
    status, title = (502, "Bad Gateway") if kind == "html_502" else (404, "Not Found")
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Reply(status, page.encode(), "text/html", headers)


def _decoded(raw: bytes, content_type: str) -> object:
    """Decode a request's body for the log."""
    if not raw:
        return None
    try:
        if "form-urlencoded" in content_type:
            return {name: values[0] for name, values in parse_qs(raw.decode("utf-8"), keep_blank_values=True).items()}
        return json.loads(raw.decode("utf-8"))
    except ValueError:
        return None
