# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The transport without sockets has the responses, failures and log of the real one, in virtual time."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator

import pytest

from ansible_collections.secops.mde.plugins.module_utils._errors import TransportError
from ansible_collections.secops.mde.plugins.module_utils._http.response import Response
from ansible_collections.secops.mde.plugins.module_utils._http.transport import HttpTransport, TransportOptions
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.in_process_transport import InProcessTransport, connect
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

PC1 = "a1" * 20
OFFBOARD = f"/api/machines/{PC1}/offboard"
LATENCY = 0.5
TIMEOUT = 30.0


class ConnectedTransport:
    """A session and its transport without sockets."""

    def __init__(self, emulator: Emulator, time: VirtualTime, *, fast_path: bool) -> None:
        self.session = HttpTransport(TransportOptions(user_agent="test/1", timeout=TIMEOUT), time)
        self.transport = InProcessTransport(emulator, time, LATENCY)
        self._emulator = emulator
        connect(self.session, self.transport, fast_path=fast_path)

    def get(self, path: str) -> Response:
        return self.session.send("GET", self._emulator.api_url + path, headers=bearer(self._emulator))

    def offboard(self) -> Response:
        return self.session.send(
            "POST",
            self._emulator.api_url + OFFBOARD,
            headers=bearer(self._emulator),
            json_body={"Comment": "CHG-1 retired: Grüße"},
        )


@pytest.fixture
def emulator() -> Iterator[Emulator]:
    with Emulator([Device(id=PC1, name="pc1.corp.example")]) as running:
        yield running


@pytest.fixture
def time(emulator: Emulator) -> VirtualTime:
    return VirtualTime(emulator)


@pytest.fixture(params=["requests", "fast path"])
def connected(request: pytest.FixtureRequest, emulator: Emulator, time: VirtualTime) -> Iterator[ConnectedTransport]:
    connected = ConnectedTransport(emulator, time, fast_path=request.param == "fast path")
    yield connected
    connected.session.close()


@pytest.fixture
def socket(emulator: Emulator, time: VirtualTime) -> Iterator[HttpTransport]:
    """A session with real sockets."""
    transport = HttpTransport(TransportOptions(user_agent="test/1", timeout=TIMEOUT, ca_path=emulator.ca_path), time)
    yield transport
    transport.close()


def bearer(emulator: Emulator) -> dict[str, str]:
    return {"Authorization": f"Bearer {emulator.token()}", "Accept": "application/json"}


def failure(send: t.Callable[[], object]) -> TransportError:
    with pytest.raises(TransportError) as failed:
        send()
    return failed.value


# -- same as over a socket ----------------------------------------------------------------------------------------


def send_over_both(
    emulator: Emulator, connected: ConnectedTransport, socket: HttpTransport, method: str, url: str, **more: t.Any
) -> Response:
    """Send over the socket and without it. Both responses and log entries must be the same."""
    connected.transport.latency = 0
    emulator.knobs.error_target = "absent"  # a new ID in each response
    real, in_process = (http_transport.send(method, url, **more) for http_transport in (socket, connected.session))
    assert (in_process.method, in_process.url, in_process.status, in_process.body) == (
        real.method,
        real.url,
        real.status,
        real.body,
    )
    of_connection = ("server", "connection")
    assert dict(in_process.headers) == {
        name: value for name, value in real.headers.items() if name not in of_connection
    }
    first, second = ({**exchange.as_dict(), "wall": None} for exchange in emulator.log)
    assert first == second
    return in_process


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"/api/machines/{PC1}", 200),
        ("/api/machines/unknown", 404),
        ("/api/machines?$filter=startswith(computerDnsName,%27pc1%27)&$top=5&$count=true", 200),
        ("/api/machines?$filter=id%20in%20(%27a%2Bb%27,%27c+d%27,%27e%26f%27)", 200),
        ("/api/machines?$filter=nonsense", 400),
        ("/api/machineactions", 200),
        ("/other/a%20b?x", 404),
    ],
)
def test_a_read_returns_the_same_response_as_over_a_socket(
    emulator: Emulator, connected: ConnectedTransport, socket: HttpTransport, path: str, status: int
) -> None:
    response = send_over_both(emulator, connected, socket, "GET", emulator.api_url + path, headers=bearer(emulator))
    assert response.status == status


def test_an_offboard_request_returns_the_same_response_as_over_a_socket(
    emulator: Emulator, connected: ConnectedTransport, socket: HttpTransport
) -> None:
    url, headers = emulator.api_url + OFFBOARD, bearer(emulator)
    response = send_over_both(
        emulator, connected, socket, "POST", url, headers=headers, json_body={"Comment": "CHG-1 retired: Grüße"}
    )
    assert response.status == 201
    assert response.json()["requestorComment"] == "CHG-1 retired: Grüße"


def test_a_request_without_a_token_is_refused_as_over_a_socket(
    emulator: Emulator, connected: ConnectedTransport, socket: HttpTransport
) -> None:
    assert send_over_both(emulator, connected, socket, "GET", f"{emulator.api_url}/api/machines").status == 401


def test_other_services_are_reached_by_their_addresses(
    emulator: Emulator, connected: ConnectedTransport, socket: HttpTransport
) -> None:
    for url in (
        f"{emulator.authority_host}/{emulator.tenant_id}/v2.0/.well-known/openid-configuration",
        f"{emulator.metadata_url}/metadata/identity/oauth2/token",
        f"{emulator.elsewhere_url}/",
    ):
        send_over_both(emulator, connected, socket, "GET", url)
        emulator.log.clear()


def test_a_token_can_be_requested_and_used(emulator: Emulator, connected: ConnectedTransport) -> None:
    form = {
        "grant_type": "client_credentials",
        "client_id": emulator.client_id,
        "client_secret": emulator.client_secret,
        "scope": "https://api.securitycenter.microsoft.com/.default",
    }
    url = f"{emulator.authority_host}/{emulator.tenant_id}/oauth2/v2.0/token"
    token = connected.session.send("POST", url, data=form).json()["access_token"]
    response = connected.session.send(
        "GET", f"{emulator.api_url}/api/machines", headers={"Authorization": f"Bearer {token}"}, params={"$top": 1}
    )
    assert [machine["id"] for machine in response.json()["value"]] == [PC1]
    assert [(call.service, call.app) for call in emulator.log] == [
        ("entra", emulator.client_id),
        ("api", emulator.client_id),
    ]


@pytest.mark.parametrize("date", ["virtual", "absent", -3600])
def test_the_date_is_as_over_a_socket(
    emulator: Emulator, connected: ConnectedTransport, socket: HttpTransport, date: str | float
) -> None:
    emulator.knobs.date_header = date
    response = send_over_both(
        emulator, connected, socket, "GET", f"{emulator.api_url}/api/machines", headers=bearer(emulator)
    )
    assert ("date" in response.headers) == (date != "absent")


# -- faults --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "500"},
        {"kind": "502", "handled": True},
        {"kind": "503", "retry_after": 7},
        {"kind": "html_502"},
        {"kind": "html_404"},
        {"kind": "429", "retry_after": "Wed, 21 Oct 2026 07:28:00 GMT"},
        {"kind": "redirect"},
        {"kind": "empty_200"},
        {"kind": "body", "status": 418, "body": "teapot", "headers": {"content-type": "text/plain", "X-Pot": "tea"}},
        {"kind": "slow_drip", "delay": 0.0},
    ],
    ids=lambda fault: fault["kind"],
)
def test_a_faulty_response_is_the_same_as_over_a_socket(
    emulator: Emulator, connected: ConnectedTransport, socket: HttpTransport, fault: dict[str, t.Any]
) -> None:
    emulator.fault(method="GET", path="/machines", query="$top=1", times=2, **fault)
    url = f"{emulator.api_url}/api/machines?$top=1"
    send_over_both(emulator, connected, socket, "GET", url, headers=bearer(emulator))
    assert [exchange.fault for exchange in emulator.log] == [fault["kind"]] * 2


@pytest.mark.parametrize(("kind", "arrived"), [("lost", 1), ("lost_before", 0)])
def test_after_a_broken_connection_the_request_may_have_arrived(
    emulator: Emulator, time: VirtualTime, connected: ConnectedTransport, kind: str, arrived: int
) -> None:
    emulator.fault(method="POST", kind=kind)
    error = failure(connected.offboard)
    assert (error.code, error.may_have_arrived) == ("no_answer", True)
    assert "the connection was interrupted (Connection reset by peer)" in str(error)
    assert len(emulator.actions()) == arrived
    assert [(call.fault, call.status) for call in emulator.log] == [(kind, None)]
    assert time.monotonic() == LATENCY


@pytest.mark.parametrize("handled", [False, True])
def test_a_server_that_hangs_takes_the_timeout(
    emulator: Emulator, time: VirtualTime, connected: ConnectedTransport, handled: bool
) -> None:
    emulator.fault(kind="hang", handled=handled)
    error = failure(connected.offboard)
    assert (error.code, error.may_have_arrived) == ("no_answer", True)
    assert "no response within 30 s" in str(error)
    assert time.monotonic() == TIMEOUT
    assert len(emulator.actions()) == handled


def test_a_response_after_the_timeout_is_ignored(
    emulator: Emulator, time: VirtualTime, connected: ConnectedTransport
) -> None:
    connected.transport.latency = TIMEOUT + 2
    assert failure(connected.offboard).code == "no_answer"
    assert time.monotonic() == TIMEOUT
    assert len(emulator.actions()) == 1


def test_a_response_that_drips_for_too_long_is_ignored(
    emulator: Emulator, time: VirtualTime, connected: ConnectedTransport
) -> None:
    emulator.fault(kind="slow_drip", delay=4)
    assert failure(connected.offboard).code == "no_answer"
    assert time.monotonic() > TIMEOUT


def test_another_host_refuses_the_connection(connected: ConnectedTransport) -> None:
    error = failure(lambda: connected.session.send("GET", "https://api.example.test/api/machines"))
    assert (error.code, error.may_have_arrived) == ("unreachable", False)
    assert "Connection refused" in str(error)


def test_a_request_without_a_timeout_to_a_hanging_server_raises_an_error(
    emulator: Emulator, connected: ConnectedTransport
) -> None:
    emulator.fault(kind="hang")
    with pytest.raises(RuntimeError, match="no timeout"):
        connected.session._session.request("GET", f"{emulator.api_url}/api/machines", headers={})


# -- time ----------------------------------------------------------------------------------------------------


def test_a_request_arrives_after_half_of_the_latency(
    emulator: Emulator, time: VirtualTime, connected: ConnectedTransport
) -> None:
    start = emulator.clock.now()
    assert connected.offboard().status == 201
    (call,) = emulator.log
    assert call.at - start == pytest.approx(LATENCY / 2)
    assert time.monotonic() == LATENCY
    assert time.sleeps == []


def test_calls_of_several_threads_overlap(emulator: Emulator, time: VirtualTime, connected: ConnectedTransport) -> None:
    def work(_call: int) -> None:
        connected.get("/api/machines")

    time.worker_pool(10).for_each(work, iter(range(40)))
    assert time.monotonic() == pytest.approx(4 * LATENCY)
    assert len(emulator.calls("api", "GET")) == 40


def test_a_slow_response_to_one_thread_does_not_delay_the_others(
    emulator: Emulator, time: VirtualTime, connected: ConnectedTransport
) -> None:
    emulator.fault(kind="hang", after=2)
    ends: list[float] = []

    def work(_call: int) -> None:
        try:
            connected.get("/api/machines")
        except TransportError:
            ends.append(-time.monotonic())
        else:
            ends.append(time.monotonic())

    time.worker_pool(3).for_each(work, iter(range(9)))
    assert ends == pytest.approx([0.5, 0.5, 1, 1, 1.5, 1.5, 2, 2, -TIMEOUT])
