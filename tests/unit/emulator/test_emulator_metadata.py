# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Managed identities: virtual machine, App Service, Arc."""

from __future__ import annotations

import typing as t
from collections.abc import Iterator
from pathlib import Path

import jwt
import pytest
import requests

from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.emulator.client import Client

RESOURCE = "https://api.securitycenter.microsoft.com"


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as made:
        made.trust_env = False
        yield made


def imds(
    service: Emulator, session: requests.Session, headers: dict[str, str] | None = None, **changes: t.Any
) -> requests.Response:
    params = {"api-version": "2018-02-01", "resource": RESOURCE, **changes}
    return session.get(
        service.metadata_url + "/metadata/identity/oauth2/token",
        params={name: value for name, value in params.items() if value is not None},
        headers={"Metadata": "true"} if headers is None else headers,
        timeout=10,
    )


def test_a_virtual_machine_gets_a_token_with_numbers_as_text(
    service: Emulator, session: requests.Session, client: Client
) -> None:
    body = imds(service, session).json()
    assert (body["expires_in"], body["token_type"], body["resource"]) == ("86399", "Bearer", RESOURCE)
    assert body["expires_on"] == str(int(service.clock.now()) + 86400)
    client.session.headers["Authorization"] = "Bearer " + body["access_token"]
    assert client.get("/machines").status_code == 200
    assert [call.credential for call in service.calls("metadata")] == ["managed_identity"]


def test_a_user_assigned_identity_is_chosen_by_its_client_id(service: Emulator, session: requests.Session) -> None:
    body = imds(service, session, client_id=service.identity_client_id).json()
    claims = jwt.decode(body["access_token"], options={"verify_signature": False})
    assert claims["appid"] == body["client_id"] == service.identity_client_id


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"headers": {}}, "bad_request_102"),
        ({"headers": {"Metadata": "false"}}, "bad_request_102"),
        ({"api-version": None}, "invalid_request"),
        ({"resource": None}, "invalid_request"),
        ({"resource": "https://unknown.example.test"}, "invalid_resource"),
        ({"client_id": "unknown"}, "invalid_request"),
        ({"msi_res_id": "/unknown"}, "invalid_request"),
    ],
)
def test_a_bad_request_is_refused(service: Emulator, session: requests.Session, changes: t.Any, error: str) -> None:
    response = imds(service, session, **changes)
    assert (response.status_code, response.json()["error"]) == (400, error)


def test_unknown_paths_and_methods_are_refused(service: Emulator, session: requests.Session) -> None:
    assert session.get(service.metadata_url + "/x").status_code == 404
    assert session.post(service.metadata_url + "/metadata/identity/oauth2/token").status_code == 405


def test_an_app_service_needs_its_header(service: Emulator, session: requests.Session) -> None:
    values = service.identity_environment("app_service")
    params = {"api-version": "2019-08-01", "resource": RESOURCE}
    assert session.get(values["IDENTITY_ENDPOINT"], params=params).status_code == 401
    headers = {"X-IDENTITY-HEADER": values["IDENTITY_HEADER"]}
    body = session.get(values["IDENTITY_ENDPOINT"], params=params, headers=headers).json()
    assert isinstance(body["expires_on"], str)
    assert "expires_in" not in body


def test_an_arc_machine_asks_for_the_content_of_a_file(
    service: Emulator, session: requests.Session, tmp_path: Path
) -> None:
    service.knobs.arc_key_file = str(tmp_path / "challenge.key")
    url = service.identity_environment("arc")["IDENTITY_ENDPOINT"]
    params = {"api-version": "2020-06-01", "resource": RESOURCE}
    first = session.get(url, params=params, headers={"Metadata": "true"})
    assert first.status_code == 401
    path = first.headers["WWW-Authenticate"].partition("Basic realm=")[2]
    assert path == service.knobs.arc_key_file
    headers = {"Metadata": "true", "Authorization": "Basic " + Path(path).read_text(encoding="ascii")}
    assert "access_token" in session.get(url, params=params, headers=headers).json()
    same = session.get(service.metadata_url + "/metadata/identity/oauth2/token", params=params, headers=headers)
    assert same.status_code == 200
    wrong = {"Metadata": "true", "Authorization": "Basic wrong"}
    assert session.get(url, params=params, headers=wrong).status_code == 401
    assert session.get(url, params={**params, "client_id": "x"}, headers=headers).status_code == 400
    assert session.get(url, params=params).status_code == 400


def test_the_arc_key_is_in_the_temporary_folder_by_default(service: Emulator) -> None:
    assert service.arc_key_path.startswith(str(Path(service.ca_path).parent))
    with pytest.raises(ValueError, match="kind"):
        service.identity_environment("mainframe")


@pytest.mark.parametrize("kind", ["imds", "app_service"])
def test_msal_gets_a_token_of_a_managed_identity(
    service: Emulator, session: requests.Session, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    msal = pytest.importorskip("msal")
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT", "IDENTITY_SERVER_THUMBPRINT", "MSI_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in service.identity_environment(kind).items():
        monkeypatch.setenv(name, value)
    for identity in (
        msal.SystemAssignedManagedIdentity(),
        msal.UserAssignedManagedIdentity(client_id=service.identity_client_id),
    ):
        app = msal.ManagedIdentityClient(identity, http_client=session)
        found = app.acquire_token_for_client(resource=RESOURCE)
        assert "access_token" in found
        assert found["expires_in"] > 80_000
