# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Requests of clients that are not part of this project: connectors, SDKs and scripts."""

from __future__ import annotations

import socket
import ssl
from typing import Any
from urllib.parse import urlsplit

import jwt
import pytest
import requests

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.emulator.client import PC1, Client

RESOURCE = "https://api.securitycenter.microsoft.com"


@pytest.fixture
def session(service: Emulator) -> requests.Session:
    made = requests.Session()
    made.trust_env = False
    made.verify = service.ca_path
    return made


def form(service: Emulator, **changes: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "client_id": service.client_id,
        "client_secret": service.client_secret,
        "resource": RESOURCE,
        **changes,
    }


def token_url(service: Emulator, version: str = "") -> str:
    return f"{service.authority_host}/{service.tenant_id}/oauth2{version}/token"


def test_a_sign_in_can_be_a_get_with_a_form_in_its_body(service: Emulator, session: requests.Session) -> None:
    response = session.get(token_url(service), data=form(service), timeout=10)
    assert response.status_code == 200
    assert "access_token" in response.json()
    assert session.get(token_url(service, "/v2.0"), data=form(service), timeout=10).status_code == 404


def test_a_sign_in_at_version_1_returns_a_response_of_version_1(service: Emulator, session: requests.Session) -> None:
    body = session.post(token_url(service), data=form(service), timeout=10).json()
    assert body["resource"] == RESOURCE
    assert all(isinstance(body[name], str) for name in ("expires_in", "ext_expires_in", "expires_on", "not_before"))
    assert int(body["expires_on"]) - int(body["not_before"]) == int(body["expires_in"])


@pytest.mark.parametrize(
    "resource",
    [f"https://api-{region}.securitycenter.microsoft.com" for region in ("us", "eu", "uk", "au")]
    + ["fc780465-2017-40d4-a0c5-307022471b92"],
)
def test_a_sign_in_can_request_the_host_of_a_region_or_the_application_of_the_api(
    service: Emulator, session: requests.Session, resource: str
) -> None:
    token = session.post(token_url(service), data=form(service, resource=resource), timeout=10).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert session.get(f"{service.api_url}/api/machines", headers=headers, timeout=10).status_code == 200


def test_a_device_code_returns_an_id_token(service: Emulator, session: requests.Session) -> None:
    service.knobs.device_code_polls = 0
    root = f"{service.authority_host}/{service.tenant_id}/oauth2/v2.0"
    requested = {"client_id": service.client_id, "scope": f"{RESOURCE}/.default"}
    code = session.post(f"{root}/devicecode", data=requested, timeout=10).json()["device_code"]
    grant = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_id": service.client_id,
        "device_code": code,
    }
    body = session.post(f"{root}/token", data=grant, timeout=10).json()
    claims = jwt.decode(body["id_token"], options={"verify_signature": False})
    assert (claims["aud"], claims["preferred_username"]) == (service.client_id, "sam.operator@corp.example")
    assert claims["tid"] == service.tenant_id


def call_as(service: Emulator, host: str, url: str, method: str = "GET", **headers: str) -> str:
    """Return the body of a response to a request with another host name. The certificate is validated."""
    parts = urlsplit(url)
    context = ssl.create_default_context(cafile=service.ca_path)
    with (
        socket.create_connection(("127.0.0.1", parts.port or 0), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname=host) as connection,
    ):
        lines = [f"{method} {parts.path}?{parts.query} HTTP/1.1", f"Host: {host}:{parts.port}", "Connection: close"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        connection.sendall("\r\n".join([*lines, "", ""]).encode())
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    return received.partition(b"\r\n\r\n")[2].decode()


def test_urls_of_the_sign_in_host_use_the_host_name_of_the_request() -> None:
    with Emulator([Device(id=PC1)], host_names=["login.corp.example"]) as service:
        here = f"https://login.corp.example:{urlsplit(service.authority_host).port}"
        root = f"{service.authority_host}/{service.tenant_id}"
        discovery = call_as(service, "login.corp.example", f"{root}/v2.0/.well-known/openid-configuration")
        requested = f"authorization_endpoint={here}/{service.tenant_id}/oauth2/v2.0/authorize"
        instance = call_as(
            service, "login.corp.example", f"{service.authority_host}/common/discovery/instance?{requested}"
        )
    assert f'"token_endpoint": "{here}/{service.tenant_id}/oauth2/v2.0/token"' in discovery
    assert f'"preferred_network": "{urlsplit(here).netloc}"' in instance


def test_links_of_the_api_use_the_host_name_of_the_request() -> None:
    with Emulator([Device(name="pc1"), Device(name="pc2")], host_names=["api.corp.example"]) as service:
        service.knobs.page_cap = 1
        body = call_as(
            service, "api.corp.example", f"{service.api_url}/api/machines", Authorization=f"Bearer {service.token()}"
        )
    assert f'"@odata.nextLink": "https://api.corp.example:{urlsplit(service.api_url).port}/api/machines?' in body


def test_an_error_of_an_app_service_has_its_own_keys(service: Emulator, session: requests.Session) -> None:
    endpoint = service.identity_environment("app_service")["IDENTITY_ENDPOINT"]
    response = session.get(endpoint, params={"api-version": "2019-08-01", "resource": RESOURCE}, timeout=10)
    assert (response.status_code, response.json()["statusCode"]) == (401, 401)
    assert response.json()["message"]


def test_the_state_for_other_processes_has_the_header_of_the_app_service(service: Emulator) -> None:
    assert service.state()["identity_header"] == service.identity_header


def test_a_list_of_alerts_is_empty(service: Emulator) -> None:
    assert Client(service, roles=["Alert.Read.All"]).call("GET", "/alerts").json()["value"] == []
    assert Client(service).call("GET", "/alerts").status_code == 403


def test_the_actions_of_a_machine_have_their_own_route() -> None:
    with Emulator([Device(id=PC1, history=["Succeeded"]), Device(history=["Failed"])]) as service:
        client = Client(service)
        found = client.call("GET", f"/machines/{PC1.upper()}/machineactions").json()["value"]
        assert [(action["machineId"], action["status"]) for action in found] == [(PC1, "Succeeded")]
        unknown = client.call("GET", f"/machines/{'0' * 40}/machineactions").json()
        assert unknown["error"]["code"] == "ResourceNotFound"


def body_of(kind: str) -> dict[str, Any]:
    return {"Comment": "CHG-1", **({"IsolationType": "Full"} if kind == "isolate" else {})}


@pytest.mark.parametrize("kind", ["isolate", "unisolate"])
def test_a_device_is_isolated_and_released(service: Emulator, kind: str) -> None:
    client = Client(service, roles="*")
    action = client.post(f"/machines/{PC1}/{kind}", body_of(kind)).json()
    assert (action["type"], action["status"], action["machineId"]) == (kind.capitalize(), "Pending", PC1)
    again = client.post(f"/machines/{PC1}/{kind}", body_of(kind))
    assert (again.status_code, again.json()["error"]["code"]) == (400, "ActiveRequestAlreadyExists")
    service.advance(60)
    assert service.actions(PC1)[0]["status"] == "Succeeded"
    assert service.machine(PC1)["onboardingStatus"] == "Onboarded"
    assert Client(service).post(f"/machines/{PC1}/{kind}", body_of(kind)).status_code == 403


def test_an_isolation_of_an_unknown_kind_or_device_is_refused(service: Emulator) -> None:
    client = Client(service, roles="*")
    wrong = client.post(f"/machines/{PC1}/isolate", {"Comment": "CHG-1", "IsolationType": "Half"})
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "InvalidInput")
    unknown = client.post(f"/machines/{'0' * 40}/isolate", {"Comment": "CHG-1"})
    assert unknown.json()["error"]["code"] == "ResourceNotFound"


def test_every_network_card_of_a_device_has_a_mac_address(service: Emulator) -> None:
    addresses = Client(service).call("GET", f"/machines/{PC1}").json()["ipAddresses"]
    assert addresses
    assert all(isinstance(address["macAddress"], str) for address in addresses)
