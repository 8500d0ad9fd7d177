# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Sign-in as part of a run: the identity, the errors, and the absence of secrets in all output."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import typing as t
from collections.abc import Iterator
from pathlib import Path

import pytest
import responses

from ansible_collections.secops.mde.plugins.module_utils._version import COLLECTION_VERSION
from ansible_collections.secops.mde.plugins.modules import mde_offboard
from ansible_collections.secops.mde.tests.emulator import App, Device, Emulator, Exchange
from ansible_collections.secops.mde.tests.unit.support.https_proxy import HttpsProxy
from ansible_collections.secops.mde.tests.unit.support.module_run import (
    EmulatorClock,
    ModuleRun,
    RunModule,
    api_calls,
    posts,
    sign_ins,
)
from ansible_collections.secops.mde.tests.unit.support.quoting import assert_hidden, fault

ID = "4a" * 20
ROLES = ("Machine.Offboard", "Machine.Read.All")


@pytest.fixture
def device(emulator: Emulator) -> Device:
    return emulator.add_device(Device(name="lab-w11-07.corp.example", id=ID))


@pytest.fixture
def assert_failed_result(emulator: Emulator, offboard: RunModule) -> t.Callable[[ModuleRun], None]:
    """Return a check that a failed run lists its device with the error, and has the keys of a successful run."""
    good = offboard(device_id="b" * 40, missing_ok=True)
    emulator.forget()

    def check(run: ModuleRun) -> None:
        assert run.failed
        assert set(run.result) - {"failed"} == set(good.result)
        for part in ("summary", "context"):
            assert set(run.result[part]) == set(good.result[part])
        assert set(run.device) == set(good.device)
        assert run.outcome == "error"
        assert run.device["requested"]["device_id"] == ID
        assert run.device["error"] == run.result["error"]
        assert set(run.result["error"]) == {"code", "message", "http_status", "correlation_id", "hint"}
        assert run.result["error"]["message"] in run.result["msg"]
        assert run.result["action"] is None
        assert run.result["summary"]["api"]["calls"] == 0

    return check


def service_options(emulator: Emulator) -> dict[str, t.Any]:
    """Options for the emulator, without an identity."""
    return {
        "api_url": emulator.api_url,
        "authority_host": emulator.authority_host,
        "instance_discovery": False,
        "ca_path": emulator.ca_path,
        "connect": False,
    }


def shown(emulator: Emulator) -> list[tuple[str | None, str]]:
    """Return the application ID and the secret of every token request."""
    return [(call.app, call.body["client_secret"]) for call in emulator.calls("entra", "POST")]


# -- who signs in --------------------------------------------------------------------------------------------

GIVEN = ("client_id", "client_secret")
MDE = ("MDE_CLIENT_ID", "MDE_CLIENT_SECRET")
AZURE = ("AZURE_CLIENT_ID", "AZURE_SECRET")


@pytest.mark.parametrize(
    ("ours", "theirs", "options", "who"),
    [
        pytest.param("both", "both", "none", "ours", id="MDE before AZURE"),
        pytest.param("none", "both", "none", "theirs", id="only AZURE"),
        pytest.param("empty", "both", "none", "theirs", id="empty MDE variables count as unset"),
        pytest.param("both", "empty", "none", "ours", id="an empty Azure credential of AWX in addition to ours"),
        pytest.param("id", "both", "none", "theirs", id="our client id is not paired with their secret"),
        pytest.param("secret", "both", "none", "theirs", id="our secret is not paired with their client id"),
        pytest.param("both", "both", "both", "options", id="options before all"),
        pytest.param("id", "secret", "none", None, id="two halves are incomplete"),
        pytest.param("secret", "id", "none", None, id="two other halves are incomplete"),
        pytest.param("secret", "none", "id", None, id="an option is not completed by a variable"),
        pytest.param("both", "none", "id", None, id="a client id option next to a complete environment"),
        pytest.param("both", "both", "secret", None, id="a secret option next to complete environments"),
        pytest.param("empty", "empty", "empty", None, id="all empty"),
    ],
)
def test_of_several_applications_one_signs_in_with_its_own_secret(
    ours: str,
    theirs: str,
    options: str,
    who: str | None,
    emulator: Emulator,
    offboard: RunModule,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    apps = {name: emulator.add_app(name, roles=ROLES) for name in ("options", "ours", "theirs")}
    given: dict[str, t.Any] = {}
    for names, app, fill in ((GIVEN, "options", options), (MDE, "ours", ours), (AZURE, "theirs", theirs)):
        values = dict(zip(names, (apps[app].client_id, str(apps[app].secret)), strict=True))
        kept = {"both": values, "none": {}, "empty": dict.fromkeys(values, "")}.get(fill)
        if kept is None:
            kept = {names[fill == "secret"]: values[names[fill == "secret"]]}
        for name, value in kept.items():
            if names is GIVEN:
                given[name] = value
            else:
                monkeypatch.setenv(name, value)
    monkeypatch.setenv("AZURE_SUBSCRIPTION_ID", "")
    monkeypatch.setenv("AZURE_TENANT", emulator.tenant_id)
    run = offboard(device_id=device.id, **service_options(emulator), **given)
    if who is None:
        assert run.error_code == "credential_incomplete"
        assert emulator.log == []
        return
    assert run.outcome == "submitted"
    assert shown(emulator) == [(apps[who].client_id, apps[who].secret)]
    assert run.result["context"]["client_id"] == apps[who].client_id
    assert {call.app for call in emulator.calls()} == {apps[who].client_id}


@pytest.mark.parametrize(
    ("auth_source", "credential"),
    [
        ("auto", "client_secret"),
        ("client_secret", "client_secret"),
        ("certificate", "certificate"),
        ("workload_identity", "federated"),
        ("managed_identity", "managed_identity"),
        ("access_token", None),
    ],
)
def test_a_run_signs_in_once_with_the_credential_that_auth_source_names(
    auth_source: str,
    credential: str | None,
    emulator: Emulator,
    offboard: RunModule,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MDE_CERTIFICATE_PATH", emulator.certificate_path)
    monkeypatch.setenv("MDE_FEDERATED_TOKEN_FILE", emulator.federated_token_file)
    ready = emulator.token()
    if auth_source == "access_token":
        monkeypatch.setenv("MDE_ACCESS_TOKEN", ready)
    if auth_source == "managed_identity":
        monkeypatch.setenv("MDE_CLIENT_ID", "")
        monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", emulator.metadata_url)
        given = {**service_options(emulator), "auth_source": auth_source}
    else:
        given = {"auth_source": auth_source}
    run = offboard(device_id=device.id, **given)
    assert run.outcome == "submitted"
    assert [call.credential for call in tokens(emulator)] == [credential][: credential is not None]
    assert api_calls(emulator) == ["GET machines", "GET machineactions", "POST offboard"]
    if auth_source == "access_token":
        assert {call.headers["authorization"] for call in emulator.calls()} == {f"Bearer {ready}"}


def tokens(emulator: Emulator) -> list[Exchange]:
    return [*emulator.calls("entra", "POST"), *emulator.calls("metadata")]


def test_auto_neither_probes_the_network_nor_runs_a_program(
    emulator: Emulator, offboard: RunModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "az").write_text(f"#!/bin/sh\ntouch '{tmp_path}/ran'\n", encoding="ascii")
    (tmp_path / "az").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    for kind in ("imds", "app_service", "arc"):
        for name, value in emulator.identity_environment(kind).items():
            monkeypatch.setenv(name, value)
    run = offboard(device_id=ID, **service_options(emulator))
    assert run.error_code == "credential_incomplete"
    assert "only if auth_source names them" in run.result["error"]["hint"]
    assert emulator.log == []
    assert not (tmp_path / "ran").exists()


# -- which hosts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "api", "login", "scope"),
    [
        ({}, "api.security.microsoft.com", "microsoftonline.com", "https://api.securitycenter.microsoft.com"),
        ({"cloud": "AzureCloud", "region": "eu"}, "eu.api.security.microsoft.com", "microsoftonline.com", None),
        ({"cloud": "gcc"}, "api-gcc.securitycenter.microsoft.us", "microsoftonline.com", None),
        ({"cloud": "gcc_high"}, "api-gov.securitycenter.microsoft.us", "microsoftonline.us", None),
        ({"cloud": "dod"}, "api-gov.securitycenter.microsoft.us", "microsoftonline.us", None),
        ({"cloud": "AzureUSGovernment"}, "api-gov.securitycenter.microsoft.us", "microsoftonline.us", None),
    ],
    ids=lambda value: str(value.get("cloud", "default")) if isinstance(value, dict) else "",
)
def test_each_cloud_uses_its_own_hosts_and_no_others(
    options: dict[str, t.Any], api: str, login: str, scope: str | None, offboard: RunModule
) -> None:
    scope = scope or ("https://api.securitycenter.microsoft.com" if "security." in api else f"https://{api}")
    tenant = f"https://login.{login}/corp.example"
    with responses.RequestsMock() as mock:
        configuration = {
            "token_endpoint": f"{tenant}/oauth2/v2.0/token",
            "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
            "issuer": f"{tenant}/v2.0",
        }
        mock.get(f"{tenant}/v2.0/.well-known/openid-configuration", json=configuration)
        mock.post(
            f"{tenant}/oauth2/v2.0/token",
            json={"token_type": "Bearer", "expires_in": 3599, "access_token": "made-up-token"},
        )
        mock.get(f"https://{api}/api/machines", json={"value": []})
        mock.get(
            f"https://{api}/api/machines/{ID}",
            json={"error": {"code": "ResourceNotFound", "message": "no"}},
            status=404,
        )
        run = offboard(
            connect=False,
            device_id=ID,
            missing_ok=True,
            tenant_id="corp.example",
            client_id="0a1b2c3d-0000-4000-8000-000000000001",
            client_secret="made-up-secret",
            **options,
        )
        sent = [call.request for call in mock.calls]
    assert not run.failed, run.result["msg"]
    assert run.result["context"]["api_url"] == f"https://{api}"
    (token,) = [request for request in sent if request.method == "POST"]
    assert dict(pair.split("=") for pair in str(token.body).split("&"))["scope"] == (
        f"{scope}/.default".replace(":", "%3A").replace("/", "%2F")
    )
    assert {request.headers["Authorization"] for request in sent if api in str(request.url)} == {"Bearer made-up-token"}
    assert {request.headers["User-Agent"] for request in sent} == {f"secops.mde/{COLLECTION_VERSION}"}


@pytest.mark.parametrize("verified", [True, False])
def test_an_unknown_sign_in_host_is_verified_with_microsoft_unless_disabled(
    verified: bool, offboard: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MDE_INSTANCE_DISCOVERY", "" if verified else "false")
    tenant = "https://login.corp.example/corp.example"
    configuration = {
        "token_endpoint": f"{tenant}/oauth2/v2.0/token",
        "authorization_endpoint": f"{tenant}/oauth2/v2.0/authorize",
        "issuer": f"{tenant}/v2.0",
    }
    discovered = {"tenant_discovery_endpoint": f"{tenant}/v2.0/.well-known/openid-configuration", "metadata": []}
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        mock.get("https://login.microsoftonline.com/common/discovery/instance", json=discovered)
        mock.get(f"{tenant}/v2.0/.well-known/openid-configuration", json=configuration)
        mock.post(f"{tenant}/oauth2/v2.0/token", json={"error": "invalid_client"}, status=401)
        run = offboard(
            connect=False,
            device_id=ID,
            authority_host="login.corp.example",
            tenant_id="corp.example",
            client_id="0a1b2c3d-0000-4000-8000-000000000001",
            client_secret="made-up-secret",
        )
        urls = [str(call.request.url) for call in mock.calls]
    assert run.error_code == "sign_in_failed"
    assert run.result["error"]["message"].endswith("failed: invalid_client")
    assert any(url.startswith("https://login.microsoftonline.com/") for url in urls) == verified
    assert not any("made-up-secret" in url for url in urls)


def test_sign_in_and_api_receive_the_same_user_agent(emulator: Emulator, offboard: RunModule, device: Device) -> None:
    offboard(device_id=device.id)
    assert {call.service for call in emulator.log} == {"api", "entra"}
    assert {call.headers["user-agent"] for call in emulator.log} == {f"secops.mde/{COLLECTION_VERSION}"}


class ProxiedRun(t.Protocol):
    def __call__(self, **options: t.Any) -> ModuleRun:
        """Run the module behind a proxy with these options."""


@pytest.fixture
def behind_a_proxy(emulator: Emulator, offboard: RunModule) -> Iterator[tuple[HttpsProxy, ProxiedRun]]:
    """The emulator under host names that only a proxy resolves."""
    login, api = "https://login.example.test", "https://mde.example.test"
    configuration = {
        "token_endpoint": f"{login}/{emulator.tenant_id}/oauth2/v2.0/token",
        "authorization_endpoint": f"{login}/{emulator.tenant_id}/oauth2/v2.0/authorize",
        "issuer": f"{login}/{emulator.tenant_id}/v2.0",
    }
    emulator.fault(
        service="entra",
        method="GET",
        path="openid-configuration",
        kind="body",
        body=json.dumps(configuration),
        times=None,
    )
    with HttpsProxy({"login.example.test": emulator.authority_host, "mde.example.test": emulator.api_url}) as proxy:

        def run(**options: t.Any) -> ModuleRun:
            return offboard(authority_host=login, api_url=api, validate_certs=False, **options)

        yield proxy, run


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("how", ["option", "MDE_PROXY", "HTTPS_PROXY"])
def test_sign_in_and_api_both_go_through_the_proxy(
    how: str, behind_a_proxy: tuple[HttpsProxy, ProxiedRun], device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, run = behind_a_proxy
    address = proxy.url.replace("//", "//user:p%40ss-of-proxy@")
    options = {"proxy": address} if how == "option" else {}
    if how == "MDE_PROXY":
        monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    if how != "option":
        monkeypatch.setenv(how, address)
    done = run(device_id=device.id, **options)
    assert done.outcome == "submitted"
    assert set(proxy.requested) == {"login.example.test:443", "mde.example.test:443"}
    assert None not in proxy.passwords
    assert "ss-of-proxy" not in done.output


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.parametrize("kind", ["lost", "lost_before"])
def test_a_post_that_is_lost_behind_a_proxy_makes_one_action(
    kind: str, behind_a_proxy: tuple[HttpsProxy, ProxiedRun], emulator: Emulator, device: Device
) -> None:
    emulator.knobs.duplicate_mode = "create"
    emulator.fault(method="POST", path="/offboard", kind=kind)
    proxy, run = behind_a_proxy
    done = run(device_id=device.id, proxy=proxy.url)
    assert done.outcome == "submitted"
    assert len(emulator.actions(device.id)) == 1
    assert posts(emulator) == (1 if kind == "lost" else 2)


# -- a sign-in that fails ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("app", "options", "number", "status", "hint"),
    [
        ({}, {"client_secret": "no-such-secret"}, 7000215, 401, "Use the value of the secret, not its ID"),
        ({"secret_expired": True}, {}, 7000222, 401, "has expired"),
        ({"disabled": True}, {}, 7000112, 401, "disabled"),
        ({}, {"client_id": "0a1b2c3d-0000-4000-8000-00000000dead"}, 700016, 400, "Check client_id and tenant_id"),
        ({}, {"tenant_id": "0a1b2c3d-0000-4000-8000-00000000dead"}, 90002, 400, "Check tenant_id, and cloud"),
        ({}, {"tenant_id": "other.example"}, 90002, 400, "Check tenant_id, and cloud"),
        ({}, {"tenant_id": "no tenant"}, 900023, 400, "neither a GUID nor a domain name"),
        ({}, {"scope": "https://nowhere.example/.default"}, 500011, 400, "Check cloud and scope"),
    ],
    ids=["wrong secret", "expired", "disabled", "unknown app", "unknown tenant", "domain", "no tenant", "unknown API"],
)
def test_a_rejected_sign_in_lists_the_device_and_a_hint(
    app: dict[str, t.Any],
    options: dict[str, t.Any],
    number: int,
    status: int,
    hint: str,
    emulator: Emulator,
    offboard: RunModule,
    clock: EmulatorClock,
    assert_failed_result: t.Callable[[ModuleRun], None],
) -> None:
    mine: App = emulator.add_app("mine", roles=ROLES, **app)
    given = {"client_id": mine.client_id, "client_secret": str(mine.secret), **options}
    run = offboard(device_id=ID, **given)
    assert_failed_result(run)
    error = run.result["error"]
    assert error["code"] == "sign_in_failed"
    assert f"AADSTS{number}: " in error["message"]
    assert "\n" not in error["message"]
    assert "Trace ID" not in error["message"]
    assert hint in error["hint"]
    assert error["http_status"] == status
    assert error["correlation_id"]
    assert error["correlation_id"] in run.result["msg"]
    assert emulator.calls("api") == []
    assert len(emulator.calls("entra")) <= 2
    assert clock.sleeps == []
    assert given["client_secret"] not in run.output
    assert run.result["invocation"]["module_args"]["client_id"] == given["client_id"]


def test_a_certificate_that_is_not_registered_fails_the_run(
    emulator: Emulator, offboard: RunModule, assert_failed_result: t.Callable[[ModuleRun], None]
) -> None:
    other_app = emulator.add_app("other", roles=ROLES)
    run = offboard(device_id=ID, client_id=other_app.client_id, certificate_path=emulator.certificate_path)
    assert_failed_result(run)
    assert run.error_code == "sign_in_failed"
    assert "AADSTS700027" in run.result["error"]["message"]
    assert emulator.calls("api") == []


HTML = "<!DOCTYPE html><html><head><title>Sign in to the guest network</title></head></html>"


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("fault", "expected", "status"),
    [
        pytest.param({"kind": "html_404"}, "Not Found", 404, id="HTML 404"),
        pytest.param({"kind": "body", "body": HTML}, "an HTML page: Sign in to the guest network", 200, id="HTML 200"),
        pytest.param({"kind": "body", "body": HTML, "status": 403}, "guest network", 403, id="HTML 403"),
        pytest.param({"kind": "body", "body": ""}, "an empty response", 200, id="empty"),
        pytest.param({"kind": "body", "body": "{}"}, "", 200, id="empty JSON"),
        pytest.param({"kind": "body", "body": "[]"}, "", 200, id="a list"),
        pytest.param({"kind": "body", "body": "null"}, "", 200, id="null"),
        pytest.param({"kind": "body", "body": "5"}, "", 200, id="a number"),
        pytest.param({"kind": "body", "body": '{"error": {"code": 5}}', "status": 400}, "", 400, id="an unknown error"),
        pytest.param({"kind": "body", "body": '{"error": "no"}', "status": 400}, "no", 400, id="an error without more"),
        pytest.param({"kind": "body", "body": b"\xff\xfe\x00"}, "not JSON from the service", 200, id="bytes"),
        pytest.param({"kind": "body", "body": "[" * 100_000}, "not JSON from the service", 200, id="brackets"),
        pytest.param({"kind": "redirect"}, "307", 307, id="redirect"),
        pytest.param({"kind": "body", "status": 204}, "", 204, id="no content"),
    ],
)
def test_a_response_that_is_not_from_entra_id_is_a_failed_sign_in(
    fault: dict[str, t.Any],
    expected: str,
    status: int,
    method: str,
    emulator: Emulator,
    offboard: RunModule,
    assert_failed_result: t.Callable[[ModuleRun], None],
) -> None:
    emulator.fault(service="entra", method=method, times=None, **fault)
    run = offboard(device_id=ID)
    assert_failed_result(run)
    assert run.error_code == "sign_in_failed"
    assert run.result["error"]["message"].startswith(
        f"Sign-in at {emulator.authority_host}/{emulator.tenant_id} failed: "
    )
    assert expected in run.result["error"]["message"]
    assert len(run.result["error"]["message"]) < 500
    assert run.result["error"]["http_status"] == status
    assert emulator.calls("api") == emulator.calls("elsewhere") == []


@pytest.mark.parametrize(
    "body",
    [
        '{"token_type": "Bearer", "expires_in": 3599}',
        '{"token_type": "Bearer", "expires_in": 3599, "access_token": ""}',
        '{"token_type": "Bearer", "expires_in": 3599, "access_token": null}',
        '{"token_type": "Bearer", "expires_in": 3599, "access_token": 5}',
        '{"token_type": "Bearer", "expires_in": 3599, "access_token": ["a"]}',
        '{"token_type": "Bearer", "expires_in": 3599, "access_token": "hush\\nhush"}',
        '{"token_type": "Bearer", "expires_in": 3599, "access_token": "hush hush"}',
        '{"token_type": "Bearer", "expires_in": 3599, "access_token": "hush\\u20ac"}',
        '{"token_type": "Bearer", "expires_in": "soon", "access_token": "abc"}',
    ],
)
def test_a_token_response_without_a_token_is_a_failed_sign_in(
    body: str, emulator: Emulator, offboard: RunModule, assert_failed_result: t.Callable[[ModuleRun], None]
) -> None:
    emulator.fault(service="entra", method="POST", kind="body", body=body, times=None)
    run = offboard(device_id=ID)
    assert_failed_result(run)
    assert run.error_code == "sign_in_failed"
    assert "hush" not in run.output
    assert emulator.calls("api") == []


@pytest.mark.parametrize("lifetime", ["-5", "0", "1" + "0" * 400])
def test_a_token_with_an_invalid_lifetime_is_used(
    lifetime: str, emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    body = f'{{"token_type": "Bearer", "expires_in": {lifetime}, "access_token": "{emulator.token()}"}}'
    emulator.fault(service="entra", method="POST", kind="body", body=body, times=None)
    assert offboard(device_id=device.id).outcome == "submitted"


@pytest.mark.parametrize("name", ["MDE_ACCESS_TOKEN", "AZURE_CLIENT_SECRET", "MDE_CERTIFICATE_PASSWORD"])
def test_an_empty_secret_masks_nothing_in_the_output(
    name: str, emulator: Emulator, offboard: RunModule, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, " ")
    assert ": offboard submitted (action " in offboard(device_id=device.id).result["msg"]


@pytest.mark.parametrize("location", ["http://[::1", "https://", "//", "https://x:99999999/"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_redirect_without_a_target_is_reported_as_a_redirect(
    location: str, method: str, emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    emulator.fault(method=method, kind="body", status=302, headers={"Location": location}, times=None)
    run = offboard(device_id=device.id)
    # The redirect of a POST does not show whether the POST was carried out.
    assert (run.failed, run.error_code) == (True, "redirected" if method == "GET" else "outcome_unknown")
    assert "redirect to" in run.result["msg"]


@pytest.mark.parametrize("port", ["another host", "another port", "plain HTTP"])
def test_a_discovery_document_cannot_redirect_the_credential(
    port: str, emulator: Emulator, offboard: RunModule, assert_failed_result: t.Callable[[ModuleRun], None]
) -> None:
    there = {
        "another host": "https://login.example.test",
        "another port": emulator.elsewhere_url,
        "plain HTTP": emulator.authority_host.replace("https:", "http:"),
    }[port]
    configuration = {
        "token_endpoint": f"{there}/{emulator.tenant_id}/oauth2/v2.0/token",
        "authorization_endpoint": f"{there}/{emulator.tenant_id}/oauth2/v2.0/authorize",
        "issuer": f"{emulator.authority_host}/{emulator.tenant_id}/v2.0",
    }
    emulator.fault(service="entra", method="GET", kind="body", body=json.dumps(configuration), times=None)
    run = offboard(device_id=ID)
    assert_failed_result(run)
    assert run.error_code == "sign_in_failed"
    assert there in run.result["error"]["message"]
    assert [call.method for call in emulator.log] == ["GET"]


@pytest.mark.parametrize(
    "endpoint",
    [
        "https://{evil}\\@{real}/token",
        "https://{evil}\\\\@{real}/token",
        "https://{evil}#@{real}/token",
        "https://{evil}?@{real}/token",
        "https://{evil}\\.@{real}/token",
        "https://x:y@{evil}@{real}/token",
        "https://user@{real}/token",
        "https://{evil}\t@{real}/token",
        " https://{real}/token",
        "https://{real}\\/token",
    ],
    ids=ascii,
)
def test_an_ambiguous_url_in_a_discovery_document_gets_no_credential(
    endpoint: str, emulator: Emulator, offboard: RunModule, assert_failed_result: t.Callable[[ModuleRun], None]
) -> None:
    evil, real = (url.partition("//")[2] for url in (emulator.elsewhere_url, emulator.authority_host))
    tampered = endpoint.format(evil=evil, real=real)
    configuration = {
        "token_endpoint": tampered,
        "authorization_endpoint": tampered,
        "issuer": f"{emulator.authority_host}/{emulator.tenant_id}/v2.0",
    }
    emulator.fault(service="entra", method="GET", kind="body", body=json.dumps(configuration), times=None)
    run = offboard(device_id=ID)
    assert_failed_result(run)
    assert run.error_code == "sign_in_failed"
    assert [call.method for call in emulator.log] == ["GET"]


def test_a_wrong_secret_is_tried_once_for_all_devices(emulator: Emulator, offboard: RunModule) -> None:
    devices = [{"device_name": f"pc-{number:04}.corp.example"} for number in range(300)]
    run = offboard(devices=devices, client_id=emulator.client_id, client_secret="no-such-secret", concurrency=10)
    assert run.failed
    assert sign_ins(emulator) == 1
    assert len(run.result["devices"]) == 300
    assert run.result["msg"].count("AADSTS7000215") == 1


# -- white space around values ----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["option", "environment"])
def test_a_secret_and_ids_with_surrounding_white_space_sign_in_and_stay_masked(
    place: str, emulator: Emulator, offboard: RunModule, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    values: dict[str, t.Any] = {
        "tenant_id": f" {emulator.tenant_id}\n",
        "client_id": f"{emulator.client_id} ",
        "client_secret": f"{emulator.client_secret}\n",
    }
    if place == "environment":
        for name, value in values.items():
            monkeypatch.setenv(f"MDE_{name.upper()}", value)
    run = offboard(device_id=device.id, **service_options(emulator), **(values if place == "option" else {}))
    assert run.outcome == "submitted"
    assert shown(emulator) == [(emulator.client_id, emulator.client_secret)]
    assert str(emulator.client_secret) not in run.output


def test_a_secret_with_a_byte_that_is_not_utf_8_is_a_failed_sign_in(
    emulator: Emulator,
    offboard: RunModule,
    device: Device,
    monkeypatch: pytest.MonkeyPatch,
    assert_failed_result: t.Callable[[ModuleRun], None],
) -> None:
    monkeypatch.setenv("MDE_TENANT_ID", emulator.tenant_id)
    monkeypatch.setenv("MDE_CLIENT_ID", emulator.client_id)
    monkeypatch.setenv("MDE_CLIENT_SECRET", os.fsdecode(b"hush-\xfc-0123456789"))
    run = offboard(device_id=device.id, **service_options(emulator))
    assert_failed_result(run)
    assert "surrogates not allowed" in run.result["msg"]
    assert "0123456789" not in run.output


# -- a secret that is a part of a name -----------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["MDE_CERTIFICATE_PASSWORD", "AZURE_CLIENT_CERTIFICATE_PASSWORD", "AZURE_SECRET", "HTTP_PROXY"]
)
def test_an_unused_secret_masks_no_name(
    name: str, emulator: Emulator, offboard: RunModule, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, "corp" if name != "HTTP_PROXY" else "http://user:corp@proxy.example.test:8080")
    run = offboard(device_name=device.name)
    assert run.outcome == "submitted"
    assert run.device["device_name"] == device.name
    assert run.device["machine"]["computerDnsName"] == device.name
    assert "********" not in run.output
    assert run.warnings == []
    assert '"certificate_password": "corp"' not in run.output


def test_a_used_secret_that_is_part_of_names_is_reported(
    emulator: Emulator, offboard: RunModule, device: Device, tmp_path: Path
) -> None:
    pfx = tmp_path / "runbook.pfx"
    pfx.write_bytes(emulator._key_pair.pfx("corp"))
    assert emulator.certificate_path
    run = offboard(
        device_name=device.name,
        tenant_id=emulator.tenant_id,
        client_id=emulator.client_id,
        certificate_path=str(pfx),
        certificate_password="corp",
    )
    assert run.outcome == "submitted"
    assert run.device["device_name"] == "lab-w11-07.********.example"
    (warning,) = run.warnings
    assert "certificate_password" in warning
    assert "Change the secret or password" in warning


# -- retries --------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize("kind", ["429", "500", "503", "html_502", "lost"])
def test_a_failing_sign_in_host_is_retried(
    kind: str, method: str, emulator: Emulator, offboard: RunModule, clock: EmulatorClock, device: Device
) -> None:
    emulator.fault(service="entra", method=method, kind=kind, times=2)
    run = offboard(device_id=device.id)
    assert run.outcome == "submitted"
    assert len(clock.sleeps) == 2
    assert len(emulator.calls("entra", method)) == 3
    assert run.result["summary"]["api"] == {"calls": 3, "retries": 0, "throttled_seconds": 0.0}


def test_the_retry_after_of_the_sign_in_host_is_respected(
    emulator: Emulator, offboard: RunModule, clock: EmulatorClock, device: Device
) -> None:
    emulator.fault(service="entra", method="POST", kind="429", retry_after=17)
    assert offboard(device_id=device.id).outcome == "submitted"
    assert clock.sleeps == [17]


def test_a_retry_after_beyond_the_time_limit_fails_immediately(
    emulator: Emulator, offboard: RunModule, clock: EmulatorClock, assert_failed_result: t.Callable[[ModuleRun], None]
) -> None:
    emulator.fault(service="entra", method="POST", kind="429", retry_after=3600, times=None)
    run = offboard(device_id=ID)
    assert_failed_result(run)
    assert (run.error_code, run.result["error"]["http_status"]) == ("sign_in_failed", 429)
    assert clock.sleeps == []
    assert sign_ins(emulator) == 1


@pytest.mark.parametrize(("kind", "status"), [("503", 503), ("html_502", 502), ("429", 429)])
def test_a_sign_in_host_that_keeps_failing_is_abandoned_in_time(
    kind: str,
    status: int,
    emulator: Emulator,
    offboard: RunModule,
    clock: EmulatorClock,
    assert_failed_result: t.Callable[[ModuleRun], None],
) -> None:
    emulator.fault(service="entra", method="POST", kind=kind, times=None)
    run = offboard(device_id=ID, retry_timeout=120)
    assert_failed_result(run)
    assert (run.error_code, run.result["error"]["http_status"]) == ("sign_in_failed", status)
    assert sum(clock.sleeps) == pytest.approx(120)
    assert emulator.calls("api") == []


def test_a_host_that_refuses_connections_is_abandoned_after_a_minute(
    emulator: Emulator, offboard: RunModule, clock: EmulatorClock, assert_failed_result: t.Callable[[ModuleRun], None]
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        run = offboard(device_id=ID, authority_host=f"127.0.0.1:{unused.getsockname()[1]}")
    assert_failed_result(run)
    assert run.error_code == "unreachable"
    assert "authority_host" in run.result["error"]["hint"]
    assert sum(clock.sleeps) == pytest.approx(60)
    assert emulator.log == []


def test_an_api_that_refuses_connections_is_abandoned_after_a_minute(
    emulator: Emulator, offboard: RunModule, clock: EmulatorClock
) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        run = offboard(device_id=ID, api_url=f"https://127.0.0.1:{unused.getsockname()[1]}")
    assert run.failed
    assert run.error_code == "unreachable"
    assert sum(clock.sleeps) == pytest.approx(60)
    assert sign_ins(emulator) == 1


def test_a_sign_in_host_that_is_not_trusted_is_not_retried(
    offboard: RunModule,
    emulator: Emulator,
    clock: EmulatorClock,
    tmp_path: Path,
    assert_failed_result: t.Callable[[ModuleRun], None],
) -> None:
    import trustme

    trustme.CA().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    run = offboard(device_id=ID, ca_path=str(tmp_path / "ca.pem"))
    assert_failed_result(run)
    assert run.error_code == "certificate_not_trusted"
    assert "ca_path" in run.result["error"]["hint"]
    assert clock.sleeps == []


# -- a token that the API rejects ----------------------------------------------------------------------------

UNAUTHORIZED: dict[str, t.Any] = {
    "kind": "body",
    "status": 401,
    "body": '{"error": {"code": "Unauthorized", "message": "made up"}}',
}


@pytest.mark.parametrize(("method", "path"), [("GET", "/machines"), ("GET", "/machineactions"), ("POST", "/offboard")])
def test_a_token_that_is_rejected_once_is_replaced_and_the_call_repeated(
    method: str, path: str, emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    emulator.fault(method=method, path=path, **UNAUTHORIZED)
    run = offboard(device_id=device.id)
    assert run.outcome == "submitted"
    assert sign_ins(emulator) == 2
    used = [call.headers["authorization"] for call in emulator.calls()]
    assert len(set(used)) == 2
    assert len(emulator.actions(device.id)) == 1
    assert run.result["summary"]["api"] == {"calls": 4, "retries": 1, "throttled_seconds": 0.0}


@pytest.mark.parametrize("body", [UNAUTHORIZED["body"], ""], ids=["JSON", "empty"])
def test_a_token_that_is_rejected_again_fails_the_run(
    body: str, emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    emulator.fault(kind="body", status=401, body=body, times=None)
    run = offboard(device_id=device.id)
    assert run.failed
    assert (run.error_code, run.result["error"]["http_status"]) == ("unauthorized", 401)
    assert "Check cloud and scope" in run.result["error"]["hint"]
    assert sign_ins(emulator) == 2
    assert len(emulator.calls()) == 2
    assert run.outcome == "error"


@pytest.mark.parametrize("flaw", ["for another API", "expired", "opaque"])
def test_an_access_token_that_is_rejected_is_not_replaced(
    flaw: str, emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    token = {
        "for another API": emulator.token(audience="https://graph.microsoft.com"),
        "expired": emulator.token(lifetime=0),
        "opaque": "opaque-made-up-token",
    }[flaw]
    run = offboard(device_id=device.id, access_token=token)
    assert (run.error_code, run.result["error"]["http_status"]) == ("unauthorized", 401)
    assert "Check access_token, scope and cloud" in run.result["error"]["hint"]
    assert len(emulator.calls()) == 1
    assert sign_ins(emulator) == 0
    assert token not in run.output


def test_a_token_is_replaced_before_it_expires_in_a_long_run(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    emulator.knobs.token_lifetime = 900
    emulator.update_device(device.id, fate="offline")
    run = offboard(device_id=device.id, wait=True, wait_timeout=3000, wait_sleep=60)
    assert run.error_code == "wait_timeout"
    assert 4 <= sign_ins(emulator) <= 7
    assert {call.status for call in emulator.calls()} == {200, 201}


def test_a_token_that_expires_twice_in_one_call_is_replaced_twice(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    emulator.fault(kind="body", status=401, body="{}", method="GET")
    emulator.fault(kind="503", method="GET")
    emulator.fault(kind="body", status=401, body="{}", method="GET")
    run = offboard(device_id=device.id)
    assert run.outcome == "submitted"
    assert [call.status for call in emulator.calls("api", "GET")][:4] == [401, 503, 401, 200]
    assert sign_ins(emulator) == 3


def test_a_rejected_access_token_fails_before_a_wait_for_the_rate_limit(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    emulator.fault(kind="body", status=401, body="{}", method="GET", after=1, times=None)
    began = emulator.clock.monotonic()
    run = offboard(device_id=device.id, calls_per_hour=2, auth_source="access_token", access_token=emulator.token())
    assert (run.error_code, len(emulator.calls())) == ("unauthorized", 2)
    assert emulator.clock.monotonic() - began < 10


def test_a_post_whose_tokens_are_rejected_ends_although_the_rate_limit_comes_between(
    emulator: Emulator, offboard: RunModule, device: Device
) -> None:
    body = json.dumps({"error": {"code": "Unauthorized", "message": "no"}})
    emulator.fault(kind="body", status=401, body=body, method="POST", path="/offboard", times=None)
    run = offboard(device_id=device.id, calls_per_hour=2)
    assert (run.outcome, run.error_code) == ("error", "unauthorized")
    assert sum(call.method == "POST" for call in emulator.calls()) == 2


def test_redirects_of_the_api_are_not_followed(emulator: Emulator, offboard: RunModule, device: Device) -> None:
    emulator.fault(kind="redirect", times=None)
    run = offboard(device_id=device.id)
    assert run.error_code == "redirected"
    assert emulator.calls("elsewhere") == []
    assert len(emulator.calls()) == 1


# -- libraries -----------------------------------------------------------------------------------------------


def test_a_missing_msal_fails_with_the_interpreter_and_the_fix(
    emulator: Emulator, offboard: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msal", None)
    run = offboard(device_id=ID)
    assert run.error_code == "library_missing"
    assert f"msal is missing for {sys.executable}" in run.result["msg"]
    assert f"{sys.executable} -m pip install 'msal>=" in run.result["msg"]
    assert run.result["summary"]["total"] == 0
    assert emulator.log == []


def test_with_an_access_token_msal_is_not_needed(
    emulator: Emulator, offboard: RunModule, device: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msal", None)
    assert offboard(device_id=device.id, access_token=emulator.token()).outcome == "submitted"


def run_in_new_interpreter(
    before: str, emulator: Emulator, folder: Path, **options: t.Any
) -> tuple[dict[str, t.Any], bool]:
    """Return the result of a module in a separate interpreter, and whether msal was imported there."""
    lines = (
        "import sys",
        before,
        "from ansible_collections.secops.mde.plugins.modules import mde_offboard",
        "try:",
        "    mde_offboard.main()",
        "finally:",
        "    print('msal' in sys.modules, file=sys.stderr)",
    )
    given = {"device_id": ID, "comment": "CHG-1042 retired", **options}
    arguments = folder / "arguments.json"
    arguments.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-c", "\n".join(lines), str(arguments)],
        env={**os.environ, **emulator.environment(), "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    return t.cast("dict[str, t.Any]", json.loads(done.stdout)), done.stderr.split()[-1] == "True"


def test_a_missing_requests_fails_with_the_interpreter(emulator: Emulator, tmp_path: Path) -> None:
    result, _output = run_in_new_interpreter("sys.modules['requests'] = None", emulator, tmp_path)
    assert result["failed"]
    assert result["error"]["code"] == "library_missing"
    assert "requests" in result["msg"]
    assert sys.executable in result["msg"]
    assert set(result["summary"]["api"]) == {"calls", "retries", "throttled_seconds"}
    assert emulator.log == []


@pytest.mark.usefixtures("device")
def test_msal_is_imported_only_where_it_signs_in(emulator: Emulator, tmp_path: Path) -> None:
    result, imported = run_in_new_interpreter("", emulator, tmp_path, access_token=emulator.token())
    assert result["devices"][0]["outcome"] == "submitted"
    assert not imported
    result, imported = run_in_new_interpreter("", emulator, tmp_path)
    assert result["devices"][0]["outcome"] == "in_progress"
    assert imported


# -- what stays out of all output ----------------------------------------------------------------------------


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A secret in every variable that can have one. The runs below use none of them."""
    names = (
        "AZURE_CLIENT_SECRET",
        "AZURE_SECRET",
        "MDE_CERTIFICATE_PASSWORD",
        "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    )
    found = {name: f"hush-{number}-{name[::-1]}" for number, name in enumerate(names)}
    found["MDE_PROXY"] = "hush%2Dproxy"
    for name, value in found.items():
        monkeypatch.setenv(name, value if name != "MDE_PROXY" else f"http://user:{value}@proxy.example.test:8080")
    return {**found, "the proxy's, as it is meant": "hush-proxy"}


FAILURES: dict[str, dict[str, t.Any]] = {
    "success": {},
    "a refused sign-in": {"fault": {"service": "entra", "method": "POST", "kind": "body", "status": 400, "body": "{}"}},
    "a response that repeats everything": {"fault": {"kind": "body", "status": 400, "echo": True}},
    "a refused token": {"fault": {"kind": "body", "status": 401, "times": None}},
    "a bad option": {"options": {"timeout": 0}},
    "a bad address": {"options": {"api_url": "ftp://mde.example.test"}},
    "an address with a password": {"options": {"api_url": "https://user:hush-of-option@mde.example.test"}},
    "a bad proxy": {"options": {"proxy": "user:hush-of-option@proxy.example.test"}},
    "a bad identifier": {"options": {"device_id": "?"}},
}


@pytest.mark.parametrize("how", ["options", "environment"])
@pytest.mark.parametrize("end", FAILURES)
def test_no_secret_and_no_token_is_in_any_output(
    end: str,
    how: str,
    emulator: Emulator,
    offboard: RunModule,
    device: Device,
    secrets: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    case = FAILURES[end]
    fault = dict(case.get("fault", {}))
    if fault.pop("echo", False):
        fault["body"] = json.dumps({"error": {"code": "Odd", "message": f"{secrets} {emulator.client_secret}"}})
    if fault:
        emulator.fault(**{"times": None, **fault})
    given: dict[str, t.Any] = {"device_id": device.id, **case.get("options", {})}
    if how == "options":
        given |= {"tenant_id": emulator.tenant_id, "client_id": emulator.client_id}
        given["client_secret"] = emulator.client_secret
        given["certificate_password"] = secrets["of the option"] = "hush-password-of-option"
    run = offboard(diff=True, **given)
    assert run.failed == (end != "success")
    for name, secret in {**secrets, "used": emulator.client_secret, "bad proxy": "hush-of-option"}.items():
        assert secret not in run.output, name
    for call in emulator.calls():
        assert call.headers["authorization"].removeprefix("Bearer ") not in run.output
    assert run.result["invocation"]["module_args"]["device_id"] == given["device_id"]
    if how == "options":
        assert run.result["invocation"]["module_args"]["client_id"] == emulator.client_id
        assert run.result["invocation"]["module_args"]["tenant_id"] == emulator.tenant_id


@pytest.mark.parametrize("options", [{"cloud": "mars"}, {"no_such_option": 1}, {"timeout": "abc"}])
@pytest.mark.parametrize(
    "secret", ["hush-secret", ["hush-secret"], {"value": "hush-secret"}], ids=["text", "list", "dict"]
)
def test_an_error_of_ansibles_own_parser_prints_no_secret(
    secret: t.Any, options: dict[str, t.Any], secrets: dict[str, str], emulator: Emulator, offboard: RunModule
) -> None:
    proxy = "http://user:hush-proxy-of-option@proxy.example.test:8080"
    run = offboard(device_id=ID, proxy=proxy, client_secret=secret, **options)
    assert run.failed
    assert "Traceback" not in run.output
    for value in (*secrets.values(), "hush-proxy-of-option", "hush-secret"):
        assert value not in run.output
    assert emulator.log == []


@pytest.mark.skipif(shutil.which("ansible", path=str(Path(sys.executable).parent)) is None, reason="no ansible program")
@pytest.mark.parametrize("end", ["success", "failure", "quoted"])
def test_ansible_itself_prints_no_secret_at_the_highest_verbosity(
    end: str, emulator: Emulator, device: Device, secrets: dict[str, str], tmp_path: Path
) -> None:
    secret = emulator.client_secret if end == "success" else "hush-wrong~secret/0123456789"
    if end == "quoted":
        emulator.fault(**fault("a truncated token response", service="entra", method="POST"))
    arguments = {
        "device_id": device.id,
        "comment": "CHG-1042 retired",
        "tenant_id": emulator.tenant_id,
        "client_id": emulator.client_id,
        "client_secret": secret,
    }
    done = subprocess.run(
        [
            str(Path(sys.executable).with_name("ansible")),
            *("localhost", "-m", "secops.mde.mde_offboard", "-vvvv", "-a", json.dumps(arguments)),
        ],
        env={
            **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
            **emulator.environment(),
            "HOME": str(tmp_path),
            "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
            "ANSIBLE_REMOTE_TEMP": str(tmp_path / "remote"),
            "ANSIBLE_COLLECTIONS_PATH": str(Path(str(mde_offboard.__file__)).parents[5]),
            "ANSIBLE_NOCOLOR": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    output = done.stdout + done.stderr
    assert (done.returncode == 0) == (end == "success"), output
    expected = {"success": "offboard submitted", "failure": "AADSTS7000215", "quoted": "not JSON from the service"}
    assert expected[end] in output
    assert emulator.client_id in output
    for name, value in {**secrets, "used": secret}.items():
        assert value not in output, name
    assert_hidden(output, [secret])
    for call in emulator.calls():
        assert call.headers["authorization"].removeprefix("Bearer ") not in output
