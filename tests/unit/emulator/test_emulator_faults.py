# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Injected faults: each kind, and the requests to which they apply."""

from __future__ import annotations

import threading
import time
import typing as t
from collections.abc import Callable

import pytest
import requests

from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.emulator.client import Client

PC1 = "a1" * 20


def test_a_lost_response_leaves_the_action_behind(client: Client, service: Emulator) -> None:
    service.fault(method="POST", path="/offboard", kind="lost")
    with pytest.raises(requests.ConnectionError):
        client.offboard()
    assert [item["status"] for item in service.actions()] == ["Pending"]
    (call,) = service.calls(method="POST")
    assert (call.status, call.fault) == (None, "lost")
    assert client.get("/machineactions").status_code == 200


def test_a_request_that_never_arrived_has_no_effect(client: Client, service: Emulator) -> None:
    service.fault(method="POST", path="/offboard", kind="lost_before")
    with pytest.raises(requests.ConnectionError):
        client.offboard()
    assert service.actions() == []
    assert client.offboard().status_code == 201


@pytest.mark.parametrize("handled", [False, True])
@pytest.mark.parametrize("kind", ["500", "502", "503"])
def test_a_server_error_comes_with_or_without_the_action(
    client: Client, service: Emulator, kind: str, handled: t.Any
) -> None:
    service.fault(method="POST", kind=kind, handled=handled)
    response = client.offboard()
    assert response.status_code == int(kind)
    assert response.json()["error"]["code"]
    assert len(service.actions()) == handled


@pytest.mark.parametrize(("kind", "status"), [("html_502", 502), ("html_404", 404)])
def test_a_gateway_responds_with_an_html_page(client: Client, service: Emulator, kind: str, status: int) -> None:
    service.fault(kind=kind)
    response = client.get("/machines")
    assert (response.status_code, response.headers["Content-Type"].partition(";")[0]) == (status, "text/html")


@pytest.mark.parametrize("value", [7, "abc", "Wed, 21 Oct 2026 07:28:00 GMT", None])
def test_a_429_carries_any_retry_after(client: Client, service: Emulator, value: t.Any) -> None:
    service.fault(kind="429", retry_after=value)
    response = client.get("/machines")
    assert response.status_code == 429
    assert response.headers.get("Retry-After") == (None if value is None else str(value))


def test_a_redirect_points_to_another_origin(client: Client, service: Emulator) -> None:
    service.fault(kind="redirect")
    response = client.call("GET", "/machines?x=1", allow_redirects=False)
    assert response.status_code == 307
    assert response.headers["Location"] == service.elsewhere_url + "/api/machines?x=1"


def test_a_fault_can_return_an_empty_response(client: Client, service: Emulator) -> None:
    service.fault(kind="empty_200")
    response = client.get("/machines")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("body", [b"[]", b"null", b'{"value": 5}', b'{"value": [', b"<html>", "{}", b"\xff\xfe"])
def test_a_fault_can_return_any_body(client: Client, service: Emulator, body: t.Any) -> None:
    service.fault(kind="body", body=body, status=203, headers={"X-Odd": "1", "Content-Type": "text/plain"})
    response = client.get("/machines")
    assert response.content == (body.encode() if isinstance(body, str) else body)
    assert (response.status_code, response.headers["X-Odd"]) == (203, "1")
    assert response.headers["Content-Type"].startswith("text/plain")


def test_a_hanging_request_ends_with_the_timeout_of_the_client(client: Client, service: Emulator) -> None:
    service.fault(kind="hang")
    with pytest.raises(requests.ReadTimeout):
        client.session.get(service.api_url + "/api/machines", timeout=0.1)
    assert client.get("/machines").status_code == 200


@pytest.mark.parametrize("kind", ["hang", "slow_drip"])
def test_stop_does_not_wait_for_a_hanging_request(client_of: Callable[..., Client], kind: str) -> None:
    with Emulator() as service:
        service.fault(kind=kind, delay=30)
        client = client_of(service)
        errors = []

        def call() -> None:
            try:
                client.get("/machines").json()  # older versions of requests accept a truncated body
            except requests.RequestException as error:
                errors.append(error)

        thread = threading.Thread(target=call)
        thread.start()
        deadline = time.monotonic() + 5
        while not service.log and time.monotonic() < deadline:
            thread.join(0.005)
        began = time.perf_counter()
        service.stop()
        assert time.perf_counter() - began < 1
        thread.join(5)
        assert len(errors) == 1


def test_a_slow_response_is_complete(client: Client, service: Emulator) -> None:
    service.fault(kind="slow_drip", delay=0.0001)
    assert client.get("/machines/nothing").json()["error"]["code"] == "ResourceNotFound"
    assert service.calls()[0].status == 404


def test_rules_count_and_match(client: Client, service: Emulator) -> None:
    service.fault(method="GET", path="/MACHINES", query="id eq 'x'", kind="503", times=2, after=1)

    def call(text: str) -> t.Any:
        return client.get("/machines", filter=text).status_code

    assert [call("id eq 'y'"), call("id eq 'x'"), call("id eq 'x'"), call("id eq 'x'"), call("id eq 'x'")] == [
        200,
        200,
        503,
        503,
        200,
    ]


def test_a_rule_without_a_limit_applies_until_it_is_removed(client: Client, service: Emulator) -> None:
    service.fault(kind="500", times=None)
    assert {client.get("/machines").status_code for _number in range(5)} == {500}
    service.clear_faults()
    assert client.get("/machines").status_code == 200


def test_rules_apply_one_after_the_other(client: Client, service: Emulator) -> None:
    service.fault(kind="500")
    service.fault(kind="503")
    assert [client.get("/machines").status_code for _number in range(3)] == [500, 503, 200]


@pytest.mark.parametrize("name", ["entra", "metadata", "elsewhere"])
def test_every_service_has_faults(client: Client, service: Emulator, name: str) -> None:
    url = {"entra": service.authority_host, "metadata": service.metadata_url, "elsewhere": service.elsewhere_url}[name]
    service.fault(service=name, kind="503")
    assert client.get("/machines").status_code == 200
    assert client.session.get(url + "/x").status_code == 503


def test_an_unknown_kind_is_refused(service: Emulator) -> None:
    with pytest.raises(ValueError, match="kind"):
        service.fault(kind="meteor")
