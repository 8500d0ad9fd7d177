# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Each credential signs in with the emulated Entra ID, the metadata endpoints, or a fake Azure CLI."""

from __future__ import annotations

import base64
import importlib
import json
import os
import random
import select
import sys
import types
import typing as t
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.secops.mde.plugins.doc_fragments.connection import ModuleDocFragment
from ansible_collections.secops.mde.plugins.module_utils._auth.credential_selection import Identity
from ansible_collections.secops.mde.plugins.module_utils._auth.credentials import create_credential
from ansible_collections.secops.mde.plugins.module_utils._auth.msal_adapter import MSAL_MINIMUM, import_msal
from ansible_collections.secops.mde.plugins.module_utils._auth.sign_in import SignInContext
from ansible_collections.secops.mde.plugins.module_utils._auth.token import Token, read_claims
from ansible_collections.secops.mde.plugins.module_utils._clouds import Cloud
from ansible_collections.secops.mde.plugins.module_utils._errors import (
    LibraryError,
    MdeError,
    OptionError,
    SignInError,
)
from ansible_collections.secops.mde.plugins.module_utils._http.transport import HttpTransport, TransportOptions
from ansible_collections.secops.mde.tests.emulator import Emulator, Exchange
from ansible_collections.secops.mde.tests.emulator.pki import KeyPair
from ansible_collections.secops.mde.tests.unit.support.module_run import EmulatorClock

SCOPE = "https://api.securitycenter.microsoft.com/.default"
RESOURCE = "https://api.securitycenter.microsoft.com"


@pytest.fixture
def context(emulator: Emulator, clock: EmulatorClock) -> Iterator[SignInContext]:
    transport_options = TransportOptions(user_agent="test/1", ca_path=emulator.ca_path)
    transport = HttpTransport(transport_options, clock)
    yield SignInContext(
        cloud=Cloud(emulator.api_url, emulator.authority_host, SCOPE),
        transport=transport,
        transport_options=transport_options,
        clock=clock,
        rng=random.Random(1),
        retry_timeout=300,
        instance_discovery=False,
    )
    transport.close()


def identity(emulator: Emulator, kind: str, **values: t.Any) -> Identity:
    values = {"tenant_id": emulator.tenant_id, "client_id": emulator.client_id, **values}
    return Identity(kind, **values)


def sign_in(who: Identity, context: SignInContext) -> Token:
    credential = create_credential(who)
    credential.validate()
    return credential.acquire_token(context)


def refusal(who: Identity, context: SignInContext) -> MdeError:
    with pytest.raises(MdeError) as refused:
        sign_in(who, context)
    return refused.value


def token_requests(emulator: Emulator) -> list[Exchange]:
    """Return the requests for a token."""
    return emulator.calls("entra", "POST")


def credential_options(emulator: Emulator) -> dict[str, dict[str, t.Any]]:
    """Return the options of a complete identity for each kind of application."""
    encrypted = Path(emulator.certificate_path).with_name("encrypted.pem")
    encrypted.write_bytes(emulator._key_pair.pem("made-up word"))
    return {
        "client_secret": {"client_secret": emulator.client_secret},
        "certificate": {"certificate_path": emulator.certificate_path},
        "certificate, encrypted": {"certificate_path": str(encrypted), "certificate_password": "made-up word"},
        "certificate, PFX": {
            "certificate_path": emulator.certificate_pfx_path,
            "certificate_password": emulator.certificate_password,
        },
        "workload_identity": {"federated_token_file": emulator.federated_token_file},
    }


PROOFS = ("client_secret", "certificate", "certificate, encrypted", "certificate, PFX", "workload_identity")


# -- applications --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("proof", PROOFS)
def test_an_application_signs_in_with_one_request_for_a_token(
    proof: str, emulator: Emulator, context: SignInContext
) -> None:
    token = sign_in(identity(emulator, proof.partition(",")[0], **credential_options(emulator)[proof]), context)
    claims = read_claims(token.value)
    assert claims is not None
    assert (claims.tenant_id, claims.client_id) == (emulator.tenant_id, emulator.client_id)
    assert token.expires_at == pytest.approx(context.clock.monotonic() + 3599, abs=1)
    (call,) = token_requests(emulator)
    assert call.app == emulator.client_id
    assert call.body["scope"] == SCOPE
    assert call.headers["user-agent"] == "test/1"
    shown = {"client_secret": "client_secret", "certificate": "certificate", "workload_identity": "federated"}
    assert call.credential == shown[proof.partition(",")[0]]
    assert emulator.calls("api") == emulator.calls("elsewhere") == []


@pytest.mark.parametrize("tenant", ["domain", "upper case"])
def test_a_tenant_can_be_set_by_guid_and_by_each_domain(
    tenant: str, emulator: Emulator, context: SignInContext
) -> None:
    name = emulator.tenant_domain if tenant == "domain" else emulator.tenant_id.upper()
    who = identity(emulator, "client_secret", client_secret=emulator.client_secret, tenant_id=name)
    assert read_claims(sign_in(who, context).value)


@pytest.mark.parametrize("proof", PROOFS)
def test_each_sign_in_sends_a_new_request_and_gets_another_token(
    proof: str, emulator: Emulator, context: SignInContext
) -> None:
    who = identity(emulator, proof.partition(",")[0], **credential_options(emulator)[proof])
    assert sign_in(who, context).value != sign_in(who, context).value
    assert len(token_requests(emulator)) == 2


def test_the_federated_token_is_read_from_its_file_at_each_sign_in(emulator: Emulator, context: SignInContext) -> None:
    path = Path(emulator.federated_token_file)
    credential = create_credential(identity(emulator, "workload_identity", federated_token_file=str(path)))
    credential.validate()
    first, second = emulator.federated_token(jti="1"), emulator.federated_token(jti="2")
    for content in (first, f"{second}\n"):
        path.write_text(content, encoding="ascii")
        credential.acquire_token(context)
    assert [call.body["client_assertion"] for call in token_requests(emulator)] == [first, second]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (None, "Cannot read federated_token_file {path} (No such file or directory)."),
        (b"", "federated_token_file {path} is empty."),
        (b" \n", "federated_token_file {path} is empty."),
        (b"\xff\xfe", "Cannot read federated_token_file {path} ('ascii' codec can't decode"),
    ],
)
def test_an_unusable_federated_token_file_is_rejected_before_any_request(
    content: bytes | None, expected: str, emulator: Emulator, context: SignInContext, tmp_path: Path
) -> None:
    path = tmp_path / "token"
    if content is not None:
        path.write_bytes(content)
    error = refusal(identity(emulator, "workload_identity", federated_token_file=str(path)), context)
    assert isinstance(error, OptionError)
    assert error.message.startswith(expected.format(path=path))
    assert emulator.log == []


def test_a_federated_token_file_that_is_missing_at_the_next_sign_in_is_named(
    emulator: Emulator, context: SignInContext
) -> None:
    path = Path(emulator.federated_token_file)
    credential = create_credential(identity(emulator, "workload_identity", federated_token_file=str(path)))
    credential.acquire_token(context)
    path.unlink()
    with pytest.raises(OptionError, match="federated_token_file"):
        credential.acquire_token(context)


@pytest.mark.parametrize(
    ("claims", "number"),
    [({"iss": "https://other.example.test/"}, 700211), ({"sub": "other-user"}, 700213), ({"exp": 1, "nbf": 0}, 700024)],
)
def test_a_federated_token_that_does_not_match_is_explained(
    claims: dict[str, t.Any], number: int, emulator: Emulator, context: SignInContext
) -> None:
    Path(emulator.federated_token_file).write_text(emulator.federated_token(**claims), encoding="ascii")
    error = refusal(
        identity(emulator, "workload_identity", federated_token_file=emulator.federated_token_file), context
    )
    assert f"invalid_client: AADSTS{number}: " in error.message
    assert error.hint


@pytest.mark.parametrize("form", ["pem", "pfx"])
def test_a_certificate_that_is_not_registered_is_refused_by_the_service(
    form: str, emulator: Emulator, context: SignInContext, tmp_path: Path
) -> None:
    assert emulator.certificate_path
    unregistered = KeyPair.make("unregistered.corp.example")
    path = tmp_path / f"unregistered.{form}"
    path.write_bytes(unregistered.pem() if form == "pem" else unregistered.pfx("word"))
    who = identity(emulator, "certificate", certificate_path=str(path), certificate_password="word")
    error = refusal(who, context)
    assert "AADSTS700027" in error.message
    assert error.hint == "The certificate is not registered with the application or does not match the key."
    assert error.http_status == 401


# -- an access token -------------------------------------------------------------------------------------------


def test_an_access_token_is_used_unchanged_without_a_request(emulator: Emulator, context: SignInContext) -> None:
    assert sign_in(Identity("access_token", access_token="opaque"), context) == Token("opaque", fixed=True)
    assert emulator.log == []


@pytest.mark.parametrize("value", ["Bearer abc", "abc\n", "a\tb", "abc\x00", "abcé", "a b"])
def test_an_access_token_with_surrounding_text_is_rejected_without_being_quoted(
    value: str, context: SignInContext
) -> None:
    error = refusal(Identity("access_token", access_token=value), context)
    assert isinstance(error, OptionError)
    assert value not in str(error)


# -- managed identities --------------------------------------------------------------------------------------


@pytest.fixture
def host(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> t.Callable[[str], None]:
    """Set the environment of an Azure host."""

    def become(kind: str) -> None:
        for name, value in emulator.identity_environment(kind).items():
            monkeypatch.setenv(name, value)
        if kind == "arc":
            from msal import managed_identity

            folder = str(Path(emulator.arc_key_path).parent)
            monkeypatch.setitem(managed_identity._supported_arc_platforms_and_their_prefixes, sys.platform, folder)

    return become


@pytest.mark.parametrize("assigned", ["system", "user"])
@pytest.mark.parametrize("kind", ["imds", "app_service", "arc"])
def test_a_managed_identity_signs_in_at_the_endpoint_of_its_host(
    kind: str, assigned: str, emulator: Emulator, context: SignInContext, host: t.Callable[[str], None]
) -> None:
    host(kind)
    client_id = emulator.identity_client_id if assigned == "user" else None
    who = Identity("managed_identity", client_id=client_id)
    if kind == "arc" and assigned == "user":
        assert refusal(who, context).code == "sign_in_failed"  # an Arc machine has only the system-assigned identity
        return
    token = sign_in(who, context)
    claims = read_claims(token.value)
    assert claims is not None
    assert (claims.client_id == emulator.identity_client_id) == (assigned == "user")
    assert token.expires_at is not None
    # An App Service returns the expiry as wall clock time, and msal reads the wall clock itself.
    assert token.expires_at == pytest.approx(context.clock.monotonic() + 86400, abs=600)
    calls = emulator.calls("metadata")
    assert len(calls) == (2 if kind == "arc" else 1)
    assert calls[-1].query["resource"] == RESOURCE
    assert emulator.calls("entra") == []


@pytest.mark.parametrize("way", ["option", "environment"])
def test_metadata_endpoints_never_use_a_proxy(
    way: str,
    emulator: Emulator,
    context: SignInContext,
    clock: EmulatorClock,
    host: t.Callable[[str], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host("imds")
    proxy = "http://127.0.0.1:9"
    if way == "environment":
        monkeypatch.setenv("HTTP_PROXY", proxy)
    transport = HttpTransport(TransportOptions(user_agent="x", proxy=proxy if way == "option" else None), clock)
    assert sign_in(Identity("managed_identity"), replace(context, transport=transport)).value
    transport.close()


@pytest.mark.parametrize("status", [404, 410, 429, 500, 503])
def test_a_metadata_service_that_is_updating_is_retried(
    status: int, emulator: Emulator, context: SignInContext, clock: EmulatorClock, host: t.Callable[[str], None]
) -> None:
    host("imds")
    emulator.fault(service="metadata", kind="body", status=status, body='{"error": "busy"}', times=2)
    assert sign_in(Identity("managed_identity"), context).value
    assert len(emulator.calls("metadata")) == 3
    assert len(clock.sleeps) == 2


@pytest.mark.parametrize("kind", ["imds", "app_service"])
def test_an_identity_that_the_host_does_not_have_fails_with_the_message_of_the_host(
    kind: str, emulator: Emulator, context: SignInContext, host: t.Callable[[str], None]
) -> None:
    host(kind)
    error = refusal(Identity("managed_identity", client_id="0a1b2c3d-0000-4000-8000-000000000009"), context)
    assert isinstance(error, SignInError)
    assert error.message.startswith("Sign-in at the managed identity endpoint failed: ")
    assert "Identity not found" in error.message
    assert error.http_status == 400
    assert len(emulator.calls("metadata")) == 1


def test_a_machine_without_a_managed_identity_fails_after_a_minute(
    context: SignInContext, clock: EmulatorClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:9")
    error = refusal(Identity("managed_identity"), context)
    assert error.code == "unreachable"
    assert sum(clock.sleeps) == pytest.approx(60)


@pytest.mark.parametrize("body", ["", "[]", "{}", "<html><title>Portal</title></html>", '{"access_token": 5}'])
def test_a_metadata_response_that_is_not_a_token_is_a_failed_sign_in(
    body: str, emulator: Emulator, context: SignInContext, host: t.Callable[[str], None]
) -> None:
    host("imds")
    emulator.fault(service="metadata", kind="body", body=body, times=None)
    error = refusal(Identity("managed_identity"), context)
    assert error.code == "sign_in_failed"
    assert error.message.startswith("Sign-in at the managed identity endpoint failed: ")


# -- the Azure CLI -------------------------------------------------------------------------------------------


class Az:
    """A fake ``az``, first on the PATH, which records its arguments and environment."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.returns("{}")

    def returns(self, out: str | bytes, *, err: str = "", code: int = 0) -> None:
        for name, content in (("out", out), ("err", err)):
            (self._folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        script = self._folder / "az"
        script.write_text(
            f"#!/bin/sh\ncd '{self._folder}'\nprintf '%s\\n' \"$@\" > arguments\nenv > environment\n"
            f"cat out\ncat err >&2\nexit {code}\n",
            encoding="ascii",
        )
        script.chmod(0o755)

    @property
    def arguments(self) -> list[str]:
        return (self._folder / "arguments").read_text("utf-8").splitlines()

    @property
    def environment(self) -> dict[str, str]:
        lines = (self._folder / "environment").read_text("utf-8").splitlines()
        return dict(line.split("=", 1) for line in lines if "=" in line)


@pytest.fixture
def az(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Az:
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return Az(tmp_path)


CLI: t.Final = Identity("azure_cli")


@pytest.mark.parametrize("tenant", [None, "corp.example"])
def test_the_azure_cli_is_called_for_a_token_of_the_api(
    tenant: str | None, az: Az, context: SignInContext, emulator: Emulator, clock: EmulatorClock
) -> None:
    az.returns(json.dumps({"accessToken": "cli-token", "expires_on": int(clock.time()) + 1000, "tokenType": "Bearer"}))
    token = sign_in(replace(CLI, tenant_id=tenant), context)
    assert token.value == "cli-token"
    assert token.expires_at == pytest.approx(clock.monotonic() + 1000, abs=2)
    wanted = ["account", "get-access-token", "--output", "json", "--resource", RESOURCE]
    assert az.arguments == wanted + (["--tenant", tenant] if tenant else [])
    assert emulator.log == []


@pytest.mark.parametrize("more", [{}, {"expires_on": None}, {"expiresOn": "2026-01-01 00:00:00.000000"}])
def test_an_older_azure_cli_does_not_report_the_expiry_of_the_token(
    more: dict[str, t.Any], az: Az, context: SignInContext
) -> None:
    az.returns(json.dumps({"accessToken": "cli-token", **more}))
    assert sign_in(CLI, context) == Token("cli-token")


def test_the_azure_cli_uses_the_proxy_and_certificates_of_the_options(az: Az, context: SignInContext) -> None:
    az.returns('{"accessToken": "cli-token"}')
    transport_options = TransportOptions(
        user_agent="x", ca_path="/made/up/ca.pem", proxy="http://p.example:1", validate_certs=False
    )
    sign_in(CLI, replace(context, transport_options=transport_options))
    assert {name: az.environment.get(name) for name in ("REQUESTS_CA_BUNDLE", "HTTPS_PROXY", "https_proxy")} == {
        "REQUESTS_CA_BUNDLE": "/made/up/ca.pem",
        "HTTPS_PROXY": "http://p.example:1",
        "https_proxy": "http://p.example:1",
    }
    assert az.environment["AZURE_CLI_DISABLE_CONNECTION_VERIFICATION"] == "1"


def test_the_azure_cli_keeps_its_environment_if_no_option_is_set(
    az: Az, context: SignInContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    az.returns('{"accessToken": "cli-token"}')
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/theirs.pem")
    monkeypatch.setenv("HTTPS_PROXY", "http://theirs.example:1")
    sign_in(CLI, replace(context, transport_options=TransportOptions(user_agent="x")))
    assert az.environment["REQUESTS_CA_BUNDLE"] == "/theirs.pem"
    assert az.environment["HTTPS_PROXY"] == "http://theirs.example:1"
    assert "AZURE_CLI_DISABLE_CONNECTION_VERIFICATION" not in az.environment


@pytest.mark.parametrize(
    "out",
    [
        "",
        "null",
        "[]",
        "{}",
        '"text"',
        "WARNING: made up",
        b"\xff\xfe\x00",
        '{"accessToken": null}',
        '{"accessToken": ""}',
        '{"accessToken": 5}',
        '{"accessToken": "two words"}',
        '{"accessToken": "cli-token", "expires_on": "soon"}',
    ],
)
def test_an_azure_cli_that_does_not_return_a_token_is_a_failed_sign_in(
    out: str | bytes, az: Az, context: SignInContext
) -> None:
    az.returns(out)
    error = refusal(CLI, context)
    assert isinstance(error, SignInError)
    assert error.message == "Sign-in with the Azure CLI failed: az did not return a token."


@pytest.mark.parametrize(
    ("err", "expected"),
    [
        ("ERROR: Please run 'az login'\n  to setup account.\n", "ERROR: Please run 'az login' to setup account."),
        ("", "az exited with code 3"),
        ("x" * 5000, "x" * 400),
    ],
)
def test_an_azure_cli_that_fails_is_quoted_in_one_line(err: str, expected: str, az: Az, context: SignInContext) -> None:
    az.returns("", err=err, code=3)
    error = refusal(CLI, context)
    assert error.code == "sign_in_failed"
    assert error.message == f"Sign-in with the Azure CLI failed: {expected}"
    assert "az login" in str(error.hint)


def test_an_azure_cli_that_cannot_be_run_is_a_failed_sign_in(az: Az, context: SignInContext, tmp_path: Path) -> None:
    (tmp_path / "az").write_text("#!/nowhere/interpreter\n", encoding="ascii")
    error = refusal(CLI, context)
    assert error.message == "Sign-in with the Azure CLI failed: No such file or directory."


def test_an_azure_cli_that_hangs_is_stopped_after_the_timeout(az: Az, context: SignInContext, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "az").write_text(f"#!/bin/sh\nread line < '{tmp_path}/pipe'\n", encoding="ascii")
    error = refusal(CLI, replace(context, transport_options=replace(context.transport_options, timeout=0.1)))
    assert error.code == "sign_in_failed"
    assert error.message.endswith("az did not respond within 0.1 s.")


def test_child_processes_of_the_azure_cli_are_stopped_after_the_timeout(
    az: Az, context: SignInContext, tmp_path: Path
) -> None:
    for name in ("pipe", "alive"):
        os.mkfifo(tmp_path / name)
    # A wrapper like az, whose child process keeps the outputs and descriptor 3 open while it runs.
    (tmp_path / "az").write_text(
        f"#!/bin/sh\nexec 3> '{tmp_path}/alive'\n/bin/sh -c \"read line < '{tmp_path}/pipe'\" &\nwait\n", "ascii"
    )
    reader = os.open(tmp_path / "alive", os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(tmp_path / "alive", os.O_WRONLY)
    error = refusal(CLI, replace(context, transport_options=replace(context.transport_options, timeout=0.5)))
    os.close(writer)
    ended = select.select([reader], [], [], 10)[0]
    os.close(reader)
    if not ended:  # stop it
        os.close(os.open(tmp_path / "pipe", os.O_WRONLY))
    assert ended
    assert error.message.endswith("az did not respond within 0.5 s.")


TENANT: t.Final = "0a1b2c3d-0000-4000-8000-00000000c0de"
REFUSALS: t.Final = (
    "ERROR: Tenant shouldn't be specified for managed identity account",
    "ERROR: Tenant shouldn't be specified for Cloud Shell account",
    "az: error: unrecognized arguments: --tenant 0a1b2c3d-0000-4000-8000-00000000c0de",
)


def _rejects_tenant(folder: Path, token: str, refusal_text: str) -> None:
    """An az that rejects a tenant and returns this token without one."""
    (folder / "token").write_text(json.dumps({"accessToken": token}), "utf-8")
    (folder / "refusal").write_text(refusal_text, "utf-8")
    script = f"#!/bin/sh\ncd '{folder}'\necho >> runs\ncase \"$*\" in *--tenant*) cat refusal >&2; exit 1;; esac\ncat token\n"
    (folder / "az").write_text(script, "utf-8")


@pytest.mark.parametrize("refusal_text", REFUSALS)
def test_an_azure_cli_that_rejects_a_tenant_is_called_without_it(
    refusal_text: str, az: Az, context: SignInContext, emulator: Emulator, tmp_path: Path
) -> None:
    token = emulator.token()
    _rejects_tenant(tmp_path, token, refusal_text)
    assert sign_in(replace(CLI, tenant_id=emulator.tenant_id.upper()), context).value == token
    assert (tmp_path / "runs").read_text("utf-8") == "\n\n"


@pytest.mark.parametrize("case", ["another tenant", "unreadable", "without tid", "domain"])
def test_the_token_of_an_azure_cli_that_rejects_a_tenant_must_be_for_that_tenant(
    case: str, az: Az, context: SignInContext, emulator: Emulator, tmp_path: Path
) -> None:
    payload = base64.urlsafe_b64encode(b'{"aud": "made-up"}').decode().rstrip("=")
    token = {"unreadable": "opaque-made-up", "without tid": f"eyJhbGciOiJub25lIn0.{payload}."}.get(case)
    _rejects_tenant(tmp_path, token or emulator.token(), REFUSALS[0])
    asked_for = emulator.tenant_domain if case == "domain" else emulator.tenant_id if token else TENANT
    error = refusal(replace(CLI, tenant_id=asked_for), context)
    assert error.code == "sign_in_failed"
    assert f"does not accept the tenant {asked_for}" in error.message
    assert "Set tenant_id to the GUID" in str(error.hint)


def test_another_error_of_the_azure_cli_is_reported_without_a_retry(
    az: Az, context: SignInContext, tmp_path: Path
) -> None:
    _rejects_tenant(tmp_path, "made-up", "ERROR: AADSTS90002: Tenant 'other' not found.")
    assert "AADSTS90002" in refusal(replace(CLI, tenant_id=TENANT), context).message
    assert (tmp_path / "runs").read_text("utf-8") == "\n"


def test_a_missing_azure_cli_is_reported_with_the_option_that_requires_it(
    context: SignInContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    error = refusal(CLI, context)
    assert isinstance(error, OptionError)
    assert error.message.startswith('auth_source azure_cli requires the Azure CLI, but "az"')


# -- the library ---------------------------------------------------------------------------------------------

MINIMUM = ".".join(map(str, MSAL_MINIMUM))


def test_the_minimum_version_is_the_one_that_is_required_and_documented() -> None:
    root = Path(__file__).resolve().parents[5]
    assert f"msal>={MINIMUM}" in (root / "requirements.txt").read_text("utf-8").splitlines()
    assert f"msal >= {MINIMUM}," in ModuleDocFragment.DOCUMENTATION


@pytest.mark.parametrize(
    ("version", "code"),
    [
        ("0.9.0", "library_too_old"),
        ("1.9.0", "library_too_old"),
        ("1.10.0", "library_too_old"),
        (f"1.{MSAL_MINIMUM[1] - 1}.99", "library_too_old"),
        ("1", "library_too_old"),
        ("", "library_too_old"),
        (MINIMUM, None),
        (f"{MINIMUM}b1", None),
        (f"1.{MSAL_MINIMUM[1]}.10", None),
        ("1.100", None),
        ("2.0.0", None),
    ],
)
def test_the_version_of_msal_is_compared_by_numbers(
    version: str, code: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = types.ModuleType("msal")
    fake.__version__ = version  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msal", fake)
    if code is None:
        assert import_msal() is fake
        return
    with pytest.raises(LibraryError) as refused:
        import_msal()
    assert refused.value.code == code
    assert f"{sys.executable} is too old: found {version}, required {MINIMUM}." in refused.value.message
    assert f"{sys.executable} -m pip install 'msal>={MINIMUM}'" in str(refused.value.hint)


@pytest.mark.parametrize(
    "who",
    [
        Identity("client_secret", "t", "a", client_secret="s"),
        Identity("certificate", "t", "a", certificate_path="/c.pem"),
        Identity("workload_identity", "t", "a", federated_token_file="/f"),
        Identity("managed_identity"),
    ],
    ids=lambda who: str(who.auth_source),
)
def test_a_missing_msal_is_reported_before_any_request_with_the_interpreter(
    who: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msal", None)
    with pytest.raises(LibraryError) as refused:
        create_credential(who).validate()
    assert refused.value.code == "library_missing"
    assert f"msal is missing for {sys.executable}" in refused.value.message
    assert "pip install" in str(refused.value.hint)


def test_an_access_token_and_the_azure_cli_do_not_need_msal(
    az: Az, context: SignInContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msal", None)
    with pytest.raises(ImportError):
        importlib.import_module("msal")
    az.returns('{"accessToken": "cli-token"}')
    assert sign_in(CLI, context).value == "cli-token"
    assert sign_in(Identity("access_token", access_token="ready"), context).value == "ready"
