# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Authentication, permissions, and routes."""

from __future__ import annotations

import typing as t
from collections.abc import Callable

import jwt
import pytest
import requests

from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.emulator.client import Client

PC1 = "a1" * 20


def error(response: requests.Response) -> t.Any:
    return response.json()["error"]


@pytest.mark.parametrize("header", [None, "", "Bearer", "Bearer garbage", "Basic YTpi"])
def test_a_call_without_a_valid_token_is_refused(client: Client, header: str | None) -> None:
    client.session.headers["Authorization"] = t.cast(str, header)  # None: no header
    response = client.get("/machines")
    assert response.status_code == 401
    assert error(response)["code"] == "Unauthorized"


def test_a_token_expires_by_the_virtual_clock(client: Client, service: Emulator) -> None:
    assert client.get("/machines").status_code == 200
    service.clock.advance(3601)
    assert client.get("/machines").status_code == 401


def test_a_token_for_another_resource_is_refused(service: Emulator, client_of: Callable[..., Client]) -> None:
    response = client_of(service, audience="https://api.security.microsoft.com").get("/machines")
    assert response.status_code == 401


def test_a_token_with_another_signature_is_refused(client: Client, service: Emulator) -> None:
    claims = jwt.decode(service.token(), options={"verify_signature": False})
    forged = jwt.encode(claims, "not the key of the tenant, only long enough", algorithm="HS256")
    unsigned = jwt.encode(claims, "", algorithm="none")
    for token in (forged, unsigned):
        client.session.headers["Authorization"] = f"Bearer {token}"
        assert client.get("/machines").status_code == 401


def test_a_missing_role_is_named_with_the_granted_roles(service: Emulator, client_of: Callable[..., Client]) -> None:
    response = client_of(service, roles=["Machine.Read.All"]).offboard()
    assert response.status_code == 403
    assert error(response)["code"] == "Forbidden"
    assert "Machine.Offboard" in error(response)["message"]
    assert "application roles: Machine.Read.All" in error(response)["message"]
    assert service.actions() == []


def test_a_token_without_roles_reads_nothing(service: Emulator, client_of: Callable[..., Client]) -> None:
    assert client_of(service, roles=[]).get("/machineactions").status_code == 403


def test_offboard_alone_does_not_allow_reading_actions(service: Emulator, client_of: Callable[..., Client]) -> None:
    writer = client_of(service, roles=["Machine.Offboard"])
    assert writer.offboard().status_code == 201
    assert writer.get("/machineactions").status_code == 403


def test_offboarding_can_require_a_read_role(service: Emulator, client_of: Callable[..., Client]) -> None:
    service.knobs.offboard_needs_read = True
    assert client_of(service, roles=["Machine.Offboard"]).offboard().status_code == 403
    assert client_of(service).offboard().status_code == 201


def test_scopes_of_a_user_count_as_roles(service: Emulator, client_of: Callable[..., Client]) -> None:
    user = client_of(service, scp="Machine.Read Machine.Offboard", upn="sam.operator@corp.example")
    assert user.get("/machines").status_code == 200
    assert user.offboard().json()["requestor"] == "sam.operator@corp.example"


@pytest.mark.parametrize("path", ["/", "/defender/api/machines", "/apix/machines", "/machines"])
def test_a_path_outside_the_api_returns_an_html_page(client: Client, service: Emulator, path: str) -> None:
    response = client.session.get(service.api_url + path)
    assert response.status_code == 404
    assert response.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/api/machines", "/API/Machines", "/api/v1.0/machines", "/api/V1.0/MACHINES/"])
def test_paths_are_case_insensitive_and_can_have_a_version(client: Client, service: Emulator, path: str) -> None:
    assert client.session.get(service.api_url + path).status_code == 200


def test_an_unknown_route_is_not_found_as_json(client: Client) -> None:
    response = client.get("/machinez")
    assert (response.status_code, error(response)["code"]) == (404, "NotFound")


def test_a_wrong_method_is_refused(client: Client) -> None:
    assert client.get(f"/machines/{PC1}/offboard").status_code == 405


@pytest.mark.parametrize("style", ["guid", "operation", "absent"])
def test_the_correlation_id_has_each_known_format(client: Client, service: Emulator, style: str) -> None:
    service.knobs.error_target = style
    target = error(client.get("/machines/unknown")).get("target")
    assert {
        "guid": bool(target) and len(target) == 36,
        "operation": str(target).startswith("|"),
        "absent": target is None,
    }[style]


def test_the_certificate_is_trusted_only_through_the_ca_file(service: Emulator) -> None:
    session = requests.Session()
    session.trust_env = False
    with pytest.raises(requests.exceptions.SSLError):
        session.get(service.api_url)


@pytest.mark.parametrize("knob", ["virtual", "absent", 3600])
def test_the_date_header_follows_its_knob(client: Client, service: Emulator, knob: str | int) -> None:
    service.knobs.date_header = knob
    service.clock.advance(86400)
    date = client.get("/machines", top=1).headers.get("Date")
    if knob == "absent":
        assert date is None
        return
    from email.utils import parsedate_to_datetime

    assert date is not None
    shift = knob if isinstance(knob, int) else 0
    assert abs(parsedate_to_datetime(date).timestamp() - service.clock.now() - shift) <= 1


def test_the_log_has_the_app_and_the_content_of_each_request(client: Client, service: Emulator) -> None:
    client.get("/machines", filter="id eq 'a+b'")
    client.offboard(comment="bye")
    read, write = service.calls()
    assert (read.service, read.method, read.path, read.status) == ("api", "GET", "/api/machines", 200)
    assert read.query == {"$filter": "id eq 'a+b'"}
    assert read.app == service.client_id
    assert read.url_length > len(service.api_url) + len(read.path)
    assert write.body == {"Comment": "bye"}
    assert write.headers["content-type"] == "application/json"
    assert service.calls(method="POST") == [write]


def test_the_foreign_origin_responds_and_is_logged(client: Client, service: Emulator) -> None:
    assert client.session.get(service.elsewhere_url + "/x").json() == {"value": []}
    assert [call.path for call in service.calls("elsewhere")] == ["/x"]
