# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One port: reads requests, logs them, injects faults, and sends what a handler answers."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import Callable
from urllib.parse import parse_qs

from aiohttp import web

from .clock import Clock
from .faults import Fault, Faults
from .knobs import Knobs
from .log import Exchange
from .messages import Call, Reply
from .times import http_date
from .tokens import app_of

# Large enough for any query a client may try: what is too long is for a knob to say.
_LINE = 1 << 20
_BODY = 64 << 20


class Port:
    """A listening port of one service."""

    def __init__(
        self,
        service: str,
        answer: Callable[[Call], Reply],
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
        self._answer = answer
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
        """The origin."""
        host = "localhost" if self._scheme == "https" else "127.0.0.1"
        return f"{self._scheme}://{host}:{self.number}"

    async def start(self, port: int, context: ssl.SSLContext | None) -> None:
        """Listen; 0 lets the system choose a port."""
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
        """Stop at once, whatever hangs."""
        self._stopping.set()
        if self._runner is None:
            return
        connections = self._runner.server.connections if self._runner.server is not None else []
        for connection in connections:
            if connection.transport is not None:
                connection.transport.abort()
        await self._runner.cleanup()
        # An aborted connection is closed in the next rounds of the loop, TLS below it in the one after.
        for _turn in range(4):
            await asyncio.sleep(0)

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        raw = await request.read()
        raw_query = request.raw_path.partition("?")[2]
        pairs = list(request.rel_url.query.items())
        headers = {name.lower(): value for name, value in request.headers.items()}
        exchange = Exchange(
            service=self.service,
            method=request.method,
            path=request.path,
            query=dict(pairs),
            url_length=len(self.url) + len(request.raw_path),
            at=self._clock.now(),
            wall=time.monotonic(),
            headers=headers,
            body=_decoded(raw, headers.get("content-type", "")),
        )
        call = Call(request.method, request.path, pairs, len(raw_query), headers, raw, exchange, self.url)
        if self._control is not None:
            controlled = self._control(call)
            if controlled is not None:
                return _response(controlled)
        if self.service in ("api", "elsewhere"):
            exchange.app = app_of(headers.get("authorization", ""))
        self._log.append(exchange)
        if self._latency() > 0:
            await asyncio.sleep(self._latency())
        if self.service == "api" and self._knobs.virtual_latency > 0:
            self._clock.advance(self._knobs.virtual_latency)
        fault = self._faults.match(self.service, request.method, request.path, raw_query)
        if fault is None:
            reply = self._answer(call)
            exchange.status = reply.status
            return _response(reply)
        exchange.fault = fault.kind
        reply = self._answer(call) if fault.carries_out else Reply(204, b"", None)
        return await self._spoil(request, exchange, fault, reply)

    async def _spoil(self, request: web.Request, exchange: Exchange, fault: Fault, reply: Reply) -> web.StreamResponse:
        if fault.kind == "hang":
            await self._stopping.wait()
        if fault.kind in ("hang", "lost", "lost_before"):
            if request.transport is not None:
                request.transport.abort()
            return web.Response()
        if fault.kind == "slow_drip":
            return await self._drip(request, exchange, fault, reply)
        made = _made(fault, self._elsewhere() + request.path_qs)
        exchange.status = made.status
        return _response(made)

    async def _drip(self, request: web.Request, exchange: Exchange, fault: Fault, reply: Reply) -> web.StreamResponse:
        """Send an answer byte by byte."""
        exchange.status = reply.status
        response = web.StreamResponse(status=reply.status, headers=reply.headers)
        response.content_type = reply.content_type or "application/json"
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
        wanted = self._knobs.date_header
        if wanted == "absent":
            response.headers.pop("Date", None)
        else:
            offset = 0.0 if isinstance(wanted, str) else float(wanted)
            response.headers["Date"] = http_date(self._clock.now() + offset)


def _response(reply: Reply) -> web.Response:
    response = web.Response(status=reply.status, body=reply.body, headers=reply.headers)
    if reply.content_type:
        response.content_type = reply.content_type
        if not reply.content_type.startswith("application/octet"):
            response.charset = "utf-8"
    return response


def _made(fault: Fault, target: str) -> Reply:
    """The answer of a fault that has one."""
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
        return Reply(fault.status, fault.payload(), content_type or "application/json", rest)
    status, title = (502, "Bad Gateway") if kind == "html_502" else (404, "Not Found")
    page = f"<!DOCTYPE html><html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>"
    return Reply(status, page.encode(), "text/html", headers)


def _decoded(raw: bytes, content_type: str) -> object:
    """A request's body for the log."""
    if not raw:
        return None
    try:
        if "form-urlencoded" in content_type:
            return {name: values[0] for name, values in parse_qs(raw.decode("utf-8"), keep_blank_values=True).items()}
        return json.loads(raw.decode("utf-8"))
    except ValueError:
        return None
