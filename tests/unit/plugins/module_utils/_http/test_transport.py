# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One HTTP exchange over real sockets: certificates, proxies, and what an error reports about the request."""

from __future__ import annotations

import errno
import gzip
import importlib.util
import socket
import threading
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme
import urllib3
import urllib3.util.connection
import yaml

from ansible_collections.secops.mde.plugins.module_utils._errors import TransportError
from ansible_collections.secops.mde.plugins.module_utils._http import transport as _http
from ansible_collections.secops.mde.plugins.module_utils._http.response import Response
from ansible_collections.secops.mde.plugins.module_utils._http.transport import HttpTransport, TransportOptions
from ansible_collections.secops.mde.plugins.module_utils._version import COLLECTION_VERSION
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.support.https_proxy import HttpsProxy
from ansible_collections.secops.mde.tests.unit.support.module_run import EmulatorClock

ROOT = Path(__file__).resolve().parents[5]
HOST = "https://mde.example.test"
FAR = "/api/machines"


class OpenTransport(t.Protocol):
    """The fixture ``session``."""

    def __call__(self, **options: t.Any) -> HttpTransport:
        """Open a transport with these options."""


@pytest.fixture
def session(emulator: Emulator, clock: EmulatorClock) -> Iterator[OpenTransport]:
    """Opens transports that trust the emulator by default, and closes them."""
    opened: list[HttpTransport] = []

    def create(**options: t.Any) -> HttpTransport:
        options = {"user_agent": "test/1", "ca_path": emulator.ca_path, **options}
        opened.append(HttpTransport(TransportOptions(**options), clock))
        return opened[-1]

    yield create
    for one in opened:
        one.close()


@pytest.fixture
def wrong_bundle(tmp_path: Path) -> str:
    path = tmp_path / "other-ca.pem"
    path.write_bytes(trustme.CA().cert_pem.bytes())
    return str(path)


@pytest.fixture
def nowhere() -> Iterator[str]:
    """A URL of this machine on which no server listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"https://127.0.0.1:{unused.getsockname()[1]}"


def failure(send: t.Callable[[], object]) -> TransportError:
    with pytest.raises(TransportError) as failed:
        send()
    return failed.value


# -- what is sent --------------------------------------------------------------------------------------------


def test_the_user_agent_names_the_caller_and_nothing_else_is_added(session: OpenTransport, emulator: Emulator) -> None:
    session(user_agent="secops.mde/1.2.3").send("GET", emulator.api_url + FAR)
    (call,) = emulator.calls()
    assert call.headers["user-agent"] == "secops.mde/1.2.3"
    assert "authorization" not in call.headers


def test_the_version_is_that_of_the_collection() -> None:
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text("utf-8"))["version"] == COLLECTION_VERSION


@pytest.mark.parametrize("home", ["NETRC", "HOME"])
def test_a_password_in_netrc_never_replaces_the_token(
    home: str, session: OpenTransport, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / ".netrc"
    netrc.write_text("default login user1 password hunter2\n", encoding="ascii")
    netrc.chmod(0o600)
    monkeypatch.setenv(home, str(netrc if home == "NETRC" else tmp_path))
    one = session()
    one.send("GET", emulator.api_url + FAR, headers={"Authorization": f"Bearer {emulator.token()}"})
    one.send("GET", emulator.api_url + FAR)
    assert [call.headers.get("authorization", "")[:7] for call in emulator.calls()] == ["Bearer ", ""]


def test_cookies_are_not_kept(session: OpenTransport, emulator: Emulator) -> None:
    emulator.fault(kind="body", body="{}", headers={"Set-Cookie": "node=sick; Path=/"})
    one = session()
    one.send("GET", emulator.api_url + FAR)
    one.send("GET", emulator.api_url + FAR)
    assert ["cookie" in call.headers for call in emulator.calls()] == [False, False]


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_redirects_are_returned_and_not_followed(method: str, session: OpenTransport, emulator: Emulator) -> None:
    emulator.fault(kind="redirect", times=None)
    response = session().send(method, emulator.api_url + FAR, headers={"Authorization": "Bearer abc"})
    assert response.status == 307
    assert response.headers["location"].startswith(emulator.elsewhere_url)
    assert emulator.calls("elsewhere") == []


# -- certificates ------------------------------------------------------------------------------------------


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize(
    ("options", "environ", "trusted"),
    [
        pytest.param({"ca_path": "good"}, {}, True, id="ca_path"),
        pytest.param(
            {"ca_path": "good"},
            {"REQUESTS_CA_BUNDLE": "wrong"},
            True,
            id="ca_path takes precedence over a wrong bundle",
        ),
        pytest.param(
            {"ca_path": "good"},
            {"REQUESTS_CA_BUNDLE": "missing"},
            True,
            id="ca_path takes precedence over a missing bundle",
        ),
        pytest.param(
            {"ca_path": "wrong"},
            {"REQUESTS_CA_BUNDLE": "good"},
            False,
            id="a wrong ca_path takes precedence over a good bundle",
        ),
        pytest.param(
            {"validate_certs": False},
            {"REQUESTS_CA_BUNDLE": "wrong"},
            True,
            id="validate_certs takes precedence over a bundle",
        ),
        pytest.param(
            {"validate_certs": False, "ca_path": "wrong"}, {}, True, id="validate_certs takes precedence over ca_path"
        ),
        pytest.param({}, {"REQUESTS_CA_BUNDLE": "good"}, True, id="REQUESTS_CA_BUNDLE"),
        pytest.param({}, {"CURL_CA_BUNDLE": "good"}, True, id="CURL_CA_BUNDLE"),
        pytest.param(
            {}, {"REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": "good"}, True, id="an empty bundle counts as unset"
        ),
        pytest.param({}, {"REQUESTS_CA_BUNDLE": "good", "CURL_CA_BUNDLE": "wrong"}, True, id="REQUESTS before CURL"),
        pytest.param({}, {"REQUESTS_CA_BUNDLE": "wrong"}, False, id="a wrong bundle"),
        pytest.param({}, {"REQUESTS_CA_BUNDLE": "missing"}, False, id="a missing bundle"),
        pytest.param({}, {"REQUESTS_CA_BUNDLE": "junk"}, False, id="a bundle without certificates"),
        pytest.param({}, {}, False, id="nothing: the public authorities"),
    ],
)
def test_options_decide_which_certificates_to_trust_and_else_the_environment(
    options: dict[str, t.Any],
    environ: dict[str, str],
    trusted: bool,
    session: OpenTransport,
    emulator: Emulator,
    wrong_bundle: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    files = {"good": emulator.ca_path, "wrong": wrong_bundle, "missing": "/nowhere/ca.pem", "junk": __file__, "": ""}
    for name, value in environ.items():
        monkeypatch.setenv(name, files[value])
    options = {"ca_path": None} | options
    options["ca_path"] = options["ca_path"] and files[options["ca_path"]]
    one = session(**options)
    if trusted:
        assert one.send("GET", emulator.api_url + FAR).status == 401
        return
    failed = failure(lambda: one.send("GET", emulator.api_url + FAR))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("certificate_not_trusted", False, True)
    assert "ca_path" in str(failed.hint)
    assert emulator.log == []


@pytest.mark.parametrize("setting", ["ca_path", "REQUESTS_CA_BUNDLE"])
def test_ca_certificates_are_loaded_once_for_all_connections(
    setting: str, session: OpenTransport, emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bundle = tmp_path / "ca.pem"
    bundle.write_bytes(Path(emulator.ca_path).read_bytes())
    if setting == "REQUESTS_CA_BUNDLE":
        monkeypatch.setenv(setting, str(bundle))
    one = session(ca_path=str(bundle) if setting == "ca_path" else None)
    bundle.write_bytes(trustme.CA().cert_pem.bytes())
    assert one.send("GET", emulator.api_url + FAR).status == 401
    assert one.send("GET", emulator.elsewhere_url + FAR).status < 500


def test_a_certificate_for_another_name_is_not_trusted(session: OpenTransport, emulator: Emulator) -> None:
    with HttpsProxy({"mde.example.test": emulator.api_url}) as proxy:
        failed = failure(lambda: session(proxy=proxy.url).send("POST", HOST + FAR))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("certificate_not_trusted", False, True)
    assert "mde.example.test" in failed.message
    assert emulator.log == []


# -- proxies ---------------------------------------------------------------------------------------


@pytest.fixture
def connected_hosts(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The hosts to which connections were opened. All connections are refused."""
    hosts: list[str] = []

    def refuse(address: tuple[str, int], *_: t.Any, **__: t.Any) -> t.NoReturn:
        hosts.append(address[0])
        raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    monkeypatch.setattr(urllib3.util.connection, "create_connection", refuse)
    return hosts


OURS, THEIRS = "http://ours.example.test:8080", "http://theirs.example.test:3128"
EVERYWHERE = {"HTTPS_PROXY": THEIRS, "HTTP_PROXY": THEIRS, "ALL_PROXY": THEIRS}


@pytest.mark.parametrize(
    ("url", "option", "environ", "via"),
    [
        (HOST, None, {}, "mde.example.test"),
        (HOST, OURS, {}, "ours.example.test"),
        (HOST, OURS, EVERYWHERE, "ours.example.test"),
        (HOST, OURS, {"NO_PROXY": "*"}, "ours.example.test"),
        (HOST, None, {"HTTPS_PROXY": THEIRS}, "theirs.example.test"),
        (HOST, None, {"https_proxy": THEIRS}, "theirs.example.test"),
        (HOST, None, {"ALL_PROXY": THEIRS}, "theirs.example.test"),
        (HOST, None, {"HTTP_PROXY": THEIRS}, "mde.example.test"),
        (HOST, None, {"HTTPS_PROXY": ""}, "mde.example.test"),
        (HOST, None, {**EVERYWHERE, "NO_PROXY": "example.test"}, "mde.example.test"),
        (HOST, None, {**EVERYWHERE, "no_proxy": "other.test, mde.example.test"}, "mde.example.test"),
        (HOST, None, {**EVERYWHERE, "NO_PROXY": "other.test"}, "theirs.example.test"),
        *(
            (f"http://{host}", option, EVERYWHERE, host)
            for host in ("127.0.0.1", "localhost", "169.254.169.254", "169.254.129.2")
            for option in (None, OURS)
        ),
        ("https://127.example.test", OURS, {}, "ours.example.test"),
    ],
)
def test_the_proxy_option_takes_precedence_and_loopback_and_link_local_use_no_proxy(
    url: str,
    option: str | None,
    environ: dict[str, str],
    via: str,
    session: OpenTransport,
    connected_hosts: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    failed = failure(lambda: session(proxy=option).send("GET", url))
    assert connected_hosts == [via]
    assert not failed.may_have_arrived
    assert failed.retryable
    assert failed.code == ("unreachable" if via in url else "proxy_failed")
    assert "Connection refused" in failed.message


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_the_proxy_receives_its_password_and_the_service_does_not(session: OpenTransport, emulator: Emulator) -> None:
    with HttpsProxy({"mde.example.test": emulator.api_url}) as proxy:
        one = session(proxy=proxy.url.replace("//", "//user:hunter%212@"), validate_certs=False)
        assert one.send("GET", HOST + FAR).status == 401
    assert proxy.requested == ["mde.example.test:443"]
    assert proxy.passwords == ["Basic dXNlcjpodW50ZXIhMg=="]
    assert "proxy-authorization" not in emulator.calls()[0].headers


@pytest.mark.parametrize("refusal", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
def test_a_proxy_that_refuses_is_named_and_the_request_was_not_sent(refusal: str, session: OpenTransport) -> None:
    with HttpsProxy({}, refusal) as proxy:
        failed = failure(lambda: session(proxy=proxy.url).send("POST", HOST + FAR))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("proxy_failed", False, False)
    assert refusal in failed.message


@pytest.mark.parametrize(
    "refusal", ["407 Basic dXNlcjpodW50ZXIhMg==", "407 dXNlcjpodW50ZXIhMg==", "502 hunter!2", "502 hunter%212"]
)
def test_no_message_has_the_password_that_a_proxy_quotes(refusal: str, session: OpenTransport) -> None:
    with HttpsProxy({}, refusal) as proxy:
        one = session(proxy=proxy.url.replace("//", "//user:hunter%212@"))
        failed = failure(lambda: one.send("GET", HOST + FAR))
    assert failed.code == "proxy_failed"
    assert refusal[:3] in failed.message
    assert [part for part in ("dXNlcjpodW50ZXIhMg", "hunter") if part in failed.message] == []


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("first", [True, False], ids=["a new connection", "a reused connection"])
def test_a_response_that_is_lost_behind_a_proxy_is_not_a_failure_to_connect(
    first: bool, session: OpenTransport, emulator: Emulator
) -> None:
    """urllib3 also raises a ProxyError here. If it counted as a refused connection, the POST would be sent twice."""
    emulator.fault(kind="lost", method="POST")
    with HttpsProxy({"mde.example.test": emulator.api_url}) as proxy:
        one = session(proxy=proxy.url, validate_certs=False)
        if not first:
            one.send("GET", HOST + FAR)
        failed = failure(lambda: one.send("POST", HOST + FAR))
        one.close()
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("no_answer", True, False)
    assert len(emulator.calls(method="POST")) == 1


# -- failures -------------------------------------------------------------------------------------


def test_a_refused_connection_was_not_sent(session: OpenTransport, nowhere: str) -> None:
    failed = failure(lambda: session().send("POST", nowhere))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("unreachable", False, False)
    assert failed.message.startswith(f"POST {nowhere}: no connection to {nowhere} (")
    assert "Connection refused" in failed.message
    assert "api_url" in str(failed.hint)


def test_an_unknown_host_was_not_sent(session: OpenTransport, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: t.Any, **__: t.Any) -> t.NoReturn:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    failed = failure(lambda: session().send("POST", HOST))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("unreachable", False, False)
    assert "Name or service not known" in failed.message


def test_a_request_whose_connection_times_out_was_not_sent(
    session: OpenTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: t.Any, **__: t.Any) -> t.NoReturn:
        raise TimeoutError("timed out")

    monkeypatch.setattr(urllib3.util.connection, "create_connection", late)
    failed = failure(lambda: session().send("POST", HOST))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("unreachable", False, False)


@pytest.mark.parametrize(
    "url", ["https://mde..example.test", f"https://{'a' * 70}.example.test", "https://*.example.test"]
)
def test_an_invalid_host_is_final_and_the_request_was_not_sent(url: str, session: OpenTransport) -> None:
    failed = failure(lambda: session().send("POST", url))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("unreachable", False, True)


@pytest.mark.skipif(importlib.util.find_spec("socks") is not None, reason="PySocks is installed here")
def test_a_proxy_type_that_is_not_installed_is_final_and_reported(
    session: OpenTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks5://proxy.example.test:1080")
    failed = failure(lambda: session().send("POST", HOST))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("unreachable", False, True)
    assert "SOCKS" in failed.message


@pytest.mark.parametrize("kind", ["lost", "lost_before"])
def test_a_request_whose_response_is_lost_may_have_arrived(
    kind: str, session: OpenTransport, emulator: Emulator
) -> None:
    emulator.fault(kind=kind)
    failed = failure(lambda: session().send("POST", emulator.api_url + FAR))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("no_answer", True, False)
    assert failed.message.startswith(f"POST {emulator.api_url}{FAR}: the connection was interrupted (")


def test_a_server_that_hangs_is_abandoned_after_the_timeout(session: OpenTransport, emulator: Emulator) -> None:
    emulator.fault(kind="hang")
    failed = failure(lambda: session(timeout=0.2).send("POST", emulator.api_url + FAR))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("no_answer", True, False)
    assert failed.message == f"POST {emulator.api_url}{FAR}: no response within 0.2 s."


def test_a_slow_server_is_abandoned_after_the_timeout_although_each_byte_is_in_time(
    session: OpenTransport, emulator: Emulator, clock: EmulatorClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator.fault(kind="slow_drip", delay=0.001)
    ticking = iter(range(10_000))
    monkeypatch.setattr(clock, "monotonic", lambda: float(next(ticking)))
    failed = failure(lambda: session(timeout=30).send("GET", emulator.api_url + FAR))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("no_answer", True, False)
    assert "no response within 30 s" in failed.message


def test_a_body_that_cannot_be_decoded_is_an_interrupted_connection(session: OpenTransport, emulator: Emulator) -> None:
    emulator.fault(kind="body", body=b"not packed", headers={"Content-Encoding": "gzip"})
    failed = failure(lambda: session().send("POST", emulator.api_url + FAR))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("no_answer", True, False)


class SilentServer:
    """A server that accepts a connection and sends data once."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> SilentServer:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()

    def _serve(self) -> None:
        connection, _address = self._listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(self._data)


@pytest.mark.parametrize("data", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"], ids=["closed immediately", "plain HTTP"])
def test_a_tls_failure_is_not_reported_as_an_untrusted_certificate(data: bytes, session: OpenTransport) -> None:
    with SilentServer(data) as server:
        failed = failure(lambda: session().send("POST", server.url))
    assert (failed.code, failed.may_have_arrived, not failed.retryable) == ("unreachable", False, False)


# -- responses -----------------------------------------------------------------------------------------


def test_a_large_compressed_response_is_read_completely(session: OpenTransport, emulator: Emulator) -> None:
    text = "".join(f"{number:09}" for number in range(50_000))
    emulator.fault(kind="body", body=gzip.compress(text.encode()), headers={"Content-Encoding": "gzip", "X-Node": "7"})
    response = session().send("GET", emulator.api_url + FAR)
    assert response.text == text
    assert response.headers["x-node"] == "7"


def test_a_host_has_responded_after_any_response(session: OpenTransport, emulator: Emulator, nowhere: str) -> None:
    one = session()
    failure(lambda: one.send("GET", nowhere))
    one.send("GET", emulator.api_url + FAR)
    assert one.has_responded(f"{emulator.api_url}/other")
    assert not one.has_responded(nowhere)


@pytest.mark.parametrize(
    ("body", "document"),
    [
        (b'{"a": 1}', {"a": 1}),
        (b'\xef\xbb\xbf{"a": "\xc3\xa4"}', {"a": "ä"}),
        (b"", None),
        (b"<html>", None),
        (b"\xff\xfe", None),
        (b"[" * 100_000, None),
    ],
    ids=["JSON", "JSON with a mark", "empty", "HTML", "no text", "deep"],
)
def test_a_body_is_json_or_nothing(body: bytes, document: t.Any) -> None:
    assert Response("GET", HOST, 200, body=body).json() == document


def test_a_session_is_safe_to_use_from_several_threads(session: OpenTransport, emulator: Emulator) -> None:
    one = session()
    responses: list[int] = []
    threads = [
        threading.Thread(target=lambda: responses.append(one.send("GET", emulator.api_url + FAR).status))
        for _number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert responses == [401] * 8
    assert _http.REQUESTS_MISSING is None
