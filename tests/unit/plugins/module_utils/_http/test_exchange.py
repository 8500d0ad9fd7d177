# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A response that belongs to another request, is late, incomplete or too large is an error."""

from __future__ import annotations

import gzip
import itertools
import typing as t
import zlib
from collections.abc import Iterator

import pytest

from ansible_collections.secops.mde.plugins.module_utils._api.error_responses import error_from_response
from ansible_collections.secops.mde.plugins.module_utils._errors import TransportError
from ansible_collections.secops.mde.plugins.module_utils._http import exchange, response
from ansible_collections.secops.mde.plugins.module_utils._http.response import Response
from ansible_collections.secops.mde.plugins.module_utils._http.transport import HttpTransport, TransportOptions
from ansible_collections.secops.mde.tests.unit.support.module_run import ManualClock
from ansible_collections.secops.mde.tests.unit.support.scripted import Script, Scripted, regular

INTERIM: t.Final = {
    "100": b"HTTP/1.1 100 Continue\r\n\r\n",
    "102": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103": b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
    "199": b"HTTP/1.1 199 Unknown\r\n\r\n",
    "several": b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
}


@pytest.fixture
def session() -> Iterator[HttpTransport]:
    transport = HttpTransport(TransportOptions(user_agent="test/1", timeout=30.0), ManualClock())
    yield transport
    transport.close()


class TickingClock(ManualClock):
    """A clock that advances by one second with each read."""

    def monotonic(self) -> float:
        self.passed += 1
        return self.passed


@pytest.fixture
def transport_with_ticking_clock() -> Iterator[HttpTransport]:
    transport = HttpTransport(TransportOptions(user_agent="test/1", timeout=60.0), TickingClock())
    yield transport
    transport.close()


def failure(send: t.Callable[[], object]) -> TransportError:
    with pytest.raises(TransportError) as failed:
        send()
    return failed.value


def post(transport: HttpTransport, server: Scripted, path: str = "/offboard") -> Response:
    return transport.send("POST", server.url + path, json_body={"Comment": "CHG-1"})


# -- which request a response belongs to ------------------------------------------------------------------------------------


@pytest.mark.parametrize("interim", INTERIM.values(), ids=INTERIM)
def test_an_interim_response_is_not_the_response_and_shifts_no_other(session: HttpTransport, interim: bytes) -> None:
    with Scripted(interim + regular(b'"first"', "201 Created"), regular(b'"second"')) as server:
        responses = [post(session, server, path) for path in ("/1", "/2")]
    assert [(response.status, response.json()) for response in responses] == [(201, "first"), (200, "second")]


IRREGULAR: t.Final = {
    "an interim response": INTERIM["103"] + regular(),
    "bytes after the body": regular() + b"x",
    "a second response": regular() + regular(b'"of another"'),
    "a line break after the body": regular() + b"\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "a length and chunks": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    ),
    "trailers": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\n\r\n",
    "an invalid header line": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nnot a header\r\n\r\n{}",
}


@pytest.mark.parametrize("script", IRREGULAR.values(), ids=IRREGULAR)
def test_a_connection_with_any_irregularity_is_not_reused(session: HttpTransport, script: bytes) -> None:
    with Scripted(script, regular(b'"second"')) as server:
        post(session, server, "/1")
        assert post(session, server, "/2").json() == "second"
    assert server.requests == [(1, "/1"), (2, "/2")]


REFUSAL: t.Final = b'{"error": {"code": "BadRequest", "message": "no", "target": "earlier"}}'


@pytest.mark.parametrize(
    ("script", "certain"),
    [
        (regular(REFUSAL, "400 Bad Request"), True),
        (INTERIM["103"] + regular(REFUSAL, "400 Bad Request"), True),
        (regular(REFUSAL, "400 Bad Request") + b"\r\n", True),
        (regular(REFUSAL, "400 Bad Request") + regular(b'"ours"', "201 Created"), False),
        (b"HTTP/1.1 400 X\r\n" + b"Content-Length: %d\r\n" % len(REFUSAL) * 2 + b"\r\n" + REFUSAL, False),
    ],
    ids=["a refusal", "after an interim response", "and a line break", "and another response", "of two lengths"],
)
def test_a_refusal_is_certain_only_if_it_is_the_only_response(
    session: HttpTransport, script: bytes, certain: bool
) -> None:
    with Scripted(script) as server:
        assert error_from_response(post(session, server)).outcome_in_doubt is not certain


def test_a_regular_connection_is_reused(session: HttpTransport) -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"
    nothing = b"HTTP/1.1 204 No Content\r\n\r\n"
    with Scripted(regular(), chunked, nothing, regular(b"")) as server:
        for path in ("/1", "/2", "/3", "/4"):
            post(session, server, path)
    assert server.requests == [(1, "/1"), (1, "/2"), (1, "/3"), (1, "/4")]


INCOMPLETE: t.Final = {
    "a switch of protocols": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\n\r\n",
    "only interim responses": INTERIM["102"] * 50 + regular(),
    "a length that is not a number": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 2x\r\n\r\n{}",
    "a negative length": b"HTTP/1.1 400 Bad Request\r\nContent-Length: -2\r\n\r\n{}",
    "a body that ends early": b"HTTP/1.1 400 Bad Request\r\nContent-Length: 99\r\n\r\n{}",
    "chunks that end early": b"HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n",
    "headers that end early": b"HTTP/1.1 403 Forbidden\r\nContent-Ty",
    "only a status line": b"HTTP/1.1 403 Forbidden\r\n",
    "no status": b"HTTP/1.1 \r\n\r\n",
    "no HTTP": b"SSH-2.0-OpenSSH_9.6\r\n",
    "too many headers": b"HTTP/1.1 400 Bad Request\r\n" + b"X: y\r\n" * 500 + b"\r\n{}",
    "compressed and truncated": (
        b"HTTP/1.1 400 Bad Request\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n"
        + gzip.compress(b'{"error": {"code": "BadRequest", "message": "a message"}}')[:20]
    ),
}


@pytest.mark.parametrize("script", INCOMPLETE.values(), ids=INCOMPLETE)
def test_an_incomplete_response_is_an_error_and_the_request_may_have_arrived(
    session: HttpTransport, script: bytes
) -> None:
    with Scripted(script, close=True) as server:
        error = failure(lambda: post(session, server))
    assert (error.code, error.may_have_arrived) == ("no_answer", True)


@pytest.mark.parametrize("kind", [MemoryError, ValueError, RuntimeError, zlib.error, AttributeError])
def test_after_any_exception_a_request_that_was_sent_may_have_arrived(
    session: HttpTransport, monkeypatch: pytest.MonkeyPatch, kind: type[Exception]
) -> None:
    def fail(*_: object) -> t.NoReturn:
        raise kind("no more")

    monkeypatch.setattr(HttpTransport, "_read_body", fail)
    with Scripted(regular()) as server:
        error = failure(lambda: post(session, server))
    assert (error.code, error.may_have_arrived) == ("no_answer", True)
    assert "no more" in error.message


def test_a_response_that_arrives_before_the_request_is_not_its_response(session: HttpTransport) -> None:
    """The server sends a second response when the connection is idle."""
    with Scripted(regular(b'"first"') + regular(b'"of another"'), regular(b'"second"')) as server:
        assert post(session, server, "/1").json() == "first"
        assert post(session, server, "/2").json() == "second"


# -- one deadline --------------------------------------------------------------------------------------------

START = b"HTTP/1.1 200 OK\r\n"
CHUNKS = START + b"Transfer-Encoding: chunked\r\n\r\n"
ENDLESS: t.Final = {
    "a status line": (b"H", b"T"),
    "headers": (START + b"X: ", b"y"),
    "many headers": (START, b"X: y\r\n"),
    "interim responses": (b"", INTERIM["100"]),
    "headers of an interim response": (b"HTTP/1.1 103 Early Hints\r\n", b"X: y\r\n"),
    "a body": (START + b"Content-Length: 9999999\r\n\r\n", b" "),
    "a body without a length": (START + b"\r\n", b" "),
    "chunks": (CHUNKS, b"1\r\n \r\n"),
    "the size of a chunk": (CHUNKS, b"0"),
    "a chunk extension": (CHUNKS + b"2;", b"x"),
    "trailers": (CHUNKS + b"0\r\n", b"X: y\r\n"),
    "a compressed body": (START + b"Content-Encoding: gzip\r\nContent-Length: 9999999\r\n\r\n", b"\x1f"),
}


def drip(first: bytes, rest: bytes) -> Script:
    """Byte by byte, but not forever, so that a client without a deadline fails the test."""
    return itertools.chain([first], itertools.repeat(rest, 20_000))


@pytest.mark.parametrize("parts", ENDLESS.values(), ids=ENDLESS)
def test_no_part_of_a_response_can_continue_after_the_deadline(
    transport_with_ticking_clock: HttpTransport, parts: tuple[bytes, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each read returns one byte, as if only one had arrived.
    read = exchange._Incoming.readinto
    monkeypatch.setattr(
        exchange._Incoming, "readinto", lambda self, buffer: read(self, memoryview(buffer)[:1]), raising=True
    )
    monkeypatch.setattr(exchange, "MAX_INTERIM_RESPONSES", 10_000)
    with Scripted(drip(*parts), close=True) as server:
        error = failure(lambda: post(transport_with_ticking_clock, server))
    assert (error.code, error.may_have_arrived) == ("no_answer", True)
    if parts[1] != b"\x1f":
        assert error.message.endswith("no response within 60 s.")


def test_a_proxy_cannot_send_headers_forever_before_it_connects(transport_with_ticking_clock: HttpTransport) -> None:
    drips = drip(b"HTTP/1.1 200 Connection established\r\n", b"X: y\r\n")
    with Scripted(drips, close=True) as proxy:
        transport = HttpTransport(TransportOptions(user_agent="test/1", timeout=20.0, proxy=proxy.url), TickingClock())
        error = failure(lambda: transport.send("POST", "https://mde.example.test/offboard"))
        transport.close()
    assert error.may_have_arrived is False
    assert error.code in ("unreachable", "proxy_failed")


def test_all_addresses_of_a_host_share_one_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def refuse(_address: object, timeout: float, *_: t.Any, **__: t.Any) -> t.NoReturn:
        given.append(timeout)
        raise ConnectionRefusedError

    monkeypatch.setattr("socket.getaddrinfo", lambda *_: [("address",)] * 6)
    monkeypatch.setattr("urllib3.util.connection.create_connection", refuse)
    transport = HttpTransport(TransportOptions(user_agent="test/1", timeout=30.0), ManualClock())
    assert failure(lambda: transport.send("POST", "http://mde.example.test/")).may_have_arrived is False
    assert given == [5.0]


@pytest.mark.parametrize(("seconds", "given"), [(20.0, [10.0]), (31.0, [])])
def test_the_time_of_the_name_resolution_counts(
    seconds: float, given: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = ManualClock()
    timeouts: list[float] = []

    def resolve(*_: object) -> list[tuple[str]]:
        clock.passed += seconds
        return [("address",)]

    def refuse(_address: object, timeout: float, *_: t.Any, **__: t.Any) -> t.NoReturn:
        timeouts.append(timeout)
        raise ConnectionRefusedError

    monkeypatch.setattr("socket.getaddrinfo", resolve)
    monkeypatch.setattr("urllib3.util.connection.create_connection", refuse)
    transport = HttpTransport(TransportOptions(user_agent="test/1", timeout=30.0), clock)
    assert failure(lambda: transport.send("POST", "http://mde.example.test/")).may_have_arrived is False
    assert timeouts == given


# -- size ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> int:
    """A limit that a test can exceed quickly."""
    limit = 1 << 20
    for module in (exchange, response):
        monkeypatch.setattr(module, "MAX_BODY", limit)
    return limit


def compressed(body: bytes, coding: bytes = b"gzip") -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Encoding: %s\r\nContent-Length: %d\r\n\r\n%s" % (coding, len(body), body)


def too_large(small: int) -> dict[str, bytes]:
    zeros = bytes(small + 1)
    return {
        "a body": regular(zeros),
        "a body without a length": START + b"\r\n" + zeros,
        "chunks": CHUNKS + b"400\r\n%s\r\n" % bytes(1024) * 1025,
        "gzip": compressed(gzip.compress(zeros)),
        "members of gzip": compressed(gzip.compress(zeros[: small // 2]) * 3),
        "deflate": compressed(zlib.compress(zeros), b"deflate"),
    }


@pytest.mark.parametrize("kind", too_large(0))
def test_a_body_is_limited_as_received_and_decoded(session: HttpTransport, small: int, kind: str) -> None:
    with Scripted(too_large(small)[kind], close=True) as server:
        error = failure(lambda: post(session, server))
    assert (error.code, error.may_have_arrived, not error.retryable) == ("no_answer", True, True)
    assert "too large" in error.message or "larger than 1 MiB" in error.message


def test_headers_are_limited(session: HttpTransport) -> None:
    headers = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 60_000) for number in range(20))
    with Scripted(START + headers + b"\r\n", close=True) as server:
        error = failure(lambda: post(session, server))
    assert (error.code, error.may_have_arrived, not error.retryable) == ("no_answer", True, True)


@pytest.mark.parametrize("pack", [gzip.compress, lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:])])
def test_a_compressed_body_is_decoded(session: HttpTransport, small: int, pack: t.Callable[[bytes], bytes]) -> None:
    body = b"0123456789" * (small // 10)
    with Scripted(compressed(pack(body))) as server:
        assert post(session, server).body == body


def test_a_page_of_ten_thousand_records_is_within_the_limit() -> None:
    assert response.MAX_BODY > 5 * 10_838_374  # the largest page of the emulator
