# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sign-in service: each check in order, and sign-ins with real libraries."""

from __future__ import annotations

import hashlib
import time
import typing as t
import uuid
from base64 import urlsafe_b64encode
from pathlib import Path

import jwt
import pytest
import requests
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs12

from ansible_collections.secops.mde.tests.emulator import Emulator, Federated
from ansible_collections.secops.mde.tests.unit.emulator.client import Client

RESOURCE = "https://api.securitycenter.microsoft.com"
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEYS = ["error", "error_description", "error_codes", "timestamp", "trace_id", "correlation_id", "error_uri"]


class TokenClient:
    """Requests tokens from the emulator of Entra ID."""

    def __init__(self, service: Emulator) -> None:
        self.service = service
        self.session = requests.Session()
        self.session.trust_env = False
        self.session.verify = service.ca_path

    def form(self, **changes: t.Any) -> dict[str, t.Any]:
        values = {
            "grant_type": "client_credentials",
            "client_id": self.service.client_id,
            "client_secret": self.service.client_secret,
            "scope": RESOURCE + "/.default",
            **changes,
        }
        return {name: value for name, value in values.items() if value is not None}

    def token(
        self, tenant: str | None = None, route: str = "oauth2/v2.0/token", auth: t.Any = None, **changes: t.Any
    ) -> requests.Response:
        url = f"{self.service.authority_host}/{tenant or self.service.tenant_id}/{route}"
        return self.session.post(url, data=self.form(**changes), auth=auth, timeout=10)

    def refusal(self, **changes: t.Any) -> tuple[int, str, int]:
        response = self.token(**changes)
        body = response.json()
        assert list(body) == KEYS
        assert body["error_description"].startswith(f"AADSTS{body['error_codes'][0]}: ")
        assert body["trace_id"] in body["error_description"]
        assert body["correlation_id"] in body["error_description"]
        return response.status_code, body["error"], body["error_codes"][0]

    def assertion(
        self, headers: dict[str, str] | None = None, algorithm: str = "PS256", key: t.Any = None, **claims: t.Any
    ) -> dict[str, t.Any]:
        pem = Path(self.service.certificate_path).read_bytes()
        certificate = x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERT") :])
        der = certificate.public_bytes(Encoding.DER)
        prints = {"PS256": ("x5t#S256", hashlib.sha256(der)), "RS256": ("x5t", hashlib.sha1(der))}
        name, digest = prints.get(algorithm, prints["PS256"])
        now = int(time.time())
        values = {
            "aud": f"{self.service.authority_host}/{self.service.tenant_id}/oauth2/v2.0/token",
            "iss": self.service.client_id,
            "sub": self.service.client_id,
            "jti": str(uuid.uuid4()),
            "nbf": now,
            "exp": now + 600,
            **claims,
        }
        header = {name: urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()} if headers is None else headers
        signed = jwt.encode(values, key or rsa_key(pem), algorithm=algorithm, headers=header)
        return {"client_secret": None, "client_assertion_type": ASSERTION, "client_assertion": signed}


def rsa_key(pem: bytes) -> RSAPrivateKey:
    key = load_pem_private_key(pem, None)
    assert isinstance(key, RSAPrivateKey)
    return key


@pytest.fixture
def tokens(service: Emulator) -> TokenClient:
    return TokenClient(service)


def claims_of(response: requests.Response) -> t.Any:
    return jwt.decode(response.json()["access_token"], options={"verify_signature": False})


def test_a_secret_signs_in(tokens: TokenClient, service: Emulator) -> None:
    response = tokens.token()
    body = response.json()
    assert response.status_code == 200
    assert (body["token_type"], body["expires_in"], body["ext_expires_in"]) == ("Bearer", 3599, 3599)
    claims = claims_of(response)
    assert (claims["aud"], claims["appid"], claims["tid"]) == (RESOURCE, service.client_id, service.tenant_id)
    assert claims["roles"] == ["Machine.Offboard", "Machine.Read.All"]
    assert claims["exp"] - claims["iat"] == 3600
    assert {"iss", "oid", "nbf", "ver"} <= set(claims)
    (call,) = service.calls("entra")
    assert (call.app, call.credential, call.status) == (service.client_id, "client_secret", 200)


def test_the_api_accepts_the_token(tokens: TokenClient, service: Emulator, client: Client) -> None:
    client.session.headers["Authorization"] = "Bearer " + tokens.token().json()["access_token"]
    assert client.get("/machines").status_code == 200


def test_the_old_endpoint_takes_a_resource(tokens: TokenClient) -> None:
    response = tokens.token(route="oauth2/token", scope=None, resource=RESOURCE + "/")
    assert claims_of(response)["aud"] == RESOURCE


def test_the_tenant_can_be_identified_by_its_domain(tokens: TokenClient, service: Emulator) -> None:
    assert tokens.token(tenant=service.tenant_domain).status_code == 200


def test_a_client_may_use_basic_authentication(tokens: TokenClient, service: Emulator) -> None:
    credentials = (service.client_id, service.client_secret)
    assert tokens.token(auth=credentials, client_id=None, client_secret=None).status_code == 200
    assert service.calls("entra")[0].credential == "basic"
    assert tokens.token(auth=(service.client_id, "wrong"), client_id=None, client_secret=None).status_code == 401


@pytest.mark.parametrize(
    "resource",
    [
        "https://api.securitycenter.windows.com",
        "https://securitycenter.onmicrosoft.com/windowsatpservice",
        "https://api-gcc.securitycenter.microsoft.us",
        "https://api-gov.securitycenter.microsoft.us",
    ],
)
def test_the_resource_of_the_api_has_several_names(tokens: TokenClient, client: Client, resource: str) -> None:
    token = tokens.token(scope=resource + "/.default").json()["access_token"]
    client.session.headers["Authorization"] = f"Bearer {token}"
    assert client.get("/machines").status_code == 200


def test_a_token_for_another_resource_carries_no_roles(tokens: TokenClient, client: Client) -> None:
    response = tokens.token(scope="https://graph.microsoft.com/.default")
    assert "roles" not in claims_of(response)
    client.session.headers["Authorization"] = "Bearer " + response.json()["access_token"]
    assert client.get("/machines").status_code == 401


def test_an_app_without_roles_gets_a_token_without_permissions(
    tokens: TokenClient, service: Emulator, client: Client
) -> None:
    app = service.add_app("bare")
    response = tokens.token(client_id=app.client_id, client_secret=app.secret)
    assert "roles" not in claims_of(response)
    client.session.headers["Authorization"] = "Bearer " + response.json()["access_token"]
    assert client.get("/machines").status_code == 403


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"tenant": "11111111-2222-4333-8444-555555555555"}, (400, "invalid_request", 90002)),
        ({"tenant": "unknown.example"}, (400, "invalid_request", 90002)),
        ({"tenant": "not a tenant"}, (400, "invalid_request", 900023)),
        ({"grant_type": None}, (400, "invalid_request", 900144)),
        ({"grant_type": "password"}, (400, "unsupported_grant_type", 70003)),
        ({"client_id": None}, (400, "invalid_request", 900144)),
        ({"client_id": "11111111-2222-4333-8444-555555555555"}, (400, "unauthorized_client", 700016)),
        ({"client_secret": None}, (401, "invalid_client", 7000216)),
        ({"client_secret": "wrong"}, (401, "invalid_client", 7000215)),
        ({"client_secret": "fälsch"}, (401, "invalid_client", 7000215)),
        ({"scope": None}, (400, "invalid_request", 900144)),
        ({"scope": RESOURCE}, (400, "invalid_scope", 70011)),
        ({"scope": "https://unknown.example.test/.default"}, (400, "invalid_resource", 500011)),
        ({"scope": f"{RESOURCE}/.default https://graph.microsoft.com/.default"}, (400, "invalid_scope", 700022)),
        ({"route": "oauth2/token", "scope": None}, (400, "invalid_request", 900144)),
        ({"route": "oauth2/token", "resource": "https://x.example.test"}, (400, "invalid_resource", 500011)),
        # The order of the checks: the first failed check decides.
        ({"tenant": "unknown.example", "grant_type": None}, (400, "invalid_request", 90002)),
        ({"client_secret": "wrong", "scope": "garbage"}, (401, "invalid_client", 7000215)),
        ({"client_id": str(uuid.UUID(int=1)), "client_secret": None}, (400, "unauthorized_client", 700016)),
    ],
)
def test_a_refusal_has_its_status_and_number(tokens: TokenClient, changes: t.Any, expected: t.Any) -> None:
    assert tokens.refusal(**changes) == expected


def test_an_expired_secret_and_a_disabled_app_have_different_errors(tokens: TokenClient, service: Emulator) -> None:
    old = service.add_app("old", secret_expired=True)
    off = service.add_app("off", disabled=True)
    assert tokens.refusal(client_id=old.client_id, client_secret=old.secret) == (401, "invalid_client", 7000222)
    assert tokens.refusal(client_id=old.client_id, client_secret="wrong") == (401, "invalid_client", 7000215)
    assert tokens.refusal(client_id=off.client_id, client_secret=off.secret)[1:] == ("unauthorized_client", 7000112)


def test_the_secret_of_another_app_is_refused(tokens: TokenClient, service: Emulator) -> None:
    other = service.add_app("other")
    assert tokens.refusal(client_id=other.client_id)[2] == 7000215


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_a_certificate_signs_in(tokens: TokenClient, service: Emulator, algorithm: str) -> None:
    assert tokens.token(**tokens.assertion(algorithm=algorithm)).status_code == 200
    assert service.calls("entra")[0].credential == "certificate"


def test_the_pfx_file_contains_the_same_key(service: Emulator) -> None:
    key, certificate, _others = pkcs12.load_key_and_certificates(
        Path(service.certificate_pfx_path).read_bytes(), service.certificate_password.encode()
    )
    pem = Path(service.certificate_path).read_bytes()
    assert certificate is not None
    assert certificate.public_bytes(Encoding.PEM) in pem
    assert isinstance(key, RSAPrivateKey)
    assert key.private_numbers() == rsa_key(pem).private_numbers()


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"exp": 1}, 700024),
        ({"exp": None}, 700024),
        ({"nbf": 4102444800}, 700024),
        ({"aud": "https://login.example.test"}, 700023),
        ({"iss": "someone"}, 700021),
        ({"sub": "someone"}, 700021),
    ],
)
def test_an_assertion_must_match(tokens: TokenClient, claims: t.Any, number: int) -> None:
    assert tokens.refusal(**tokens.assertion(**claims)) == (401, "invalid_client", number)


def test_an_assertion_needs_the_registered_key(tokens: TokenClient, service: Emulator) -> None:
    unknown_thumbprint = tokens.assertion(headers={"x5t#S256": "AAAA"})
    assert tokens.refusal(**unknown_thumbprint)[2] == 700027
    tampered = tokens.assertion()
    head, body, signature = tampered["client_assertion"].split(".")
    tampered["client_assertion"] = f"{head}.{body}.{'A' * len(signature)}"
    assert tokens.refusal(**tampered)[2] == 700027
    assert tokens.refusal(**{**tokens.assertion(), "client_assertion": "garbage"})[2] == 50027
    assert tokens.refusal(**{**tokens.assertion(), "client_assertion_type": "x"})[2] == 900144
    other = service.add_app("other", certificates=[])
    assert tokens.refusal(**{**tokens.assertion(), "client_id": other.client_id})[2] == 700027


def test_another_app_can_have_the_certificate_too(tokens: TokenClient, service: Emulator) -> None:
    other = service.add_app("other", certificates=[service.certificate_path])
    signed = tokens.assertion(iss=other.client_id, sub=other.client_id)
    assert tokens.token(**{**signed, "client_id": other.client_id}).status_code == 200


def test_a_token_of_a_trusted_identity_provider_signs_in(tokens: TokenClient, service: Emulator) -> None:
    signed: dict[str, t.Any] = {"client_secret": None, "client_assertion_type": ASSERTION}
    token = Path(service.federated_token_file).read_text(encoding="ascii")
    assert tokens.token(**signed, client_assertion=token).status_code == 200
    assert service.calls("entra")[0].credential == "federated"


@pytest.mark.parametrize(
    ("claims", "number"),
    [
        ({"iss": "https://other.example.test/"}, 700211),
        ({"sub": "system:serviceaccount:ops:other"}, 700213),
        ({"aud": "api://other"}, 700212),
        ({"exp": 1}, 700024),
    ],
)
def test_a_federated_token_must_match(tokens: TokenClient, service: Emulator, claims: t.Any, number: int) -> None:
    token = service.federated_token(**claims)
    signed = {"client_secret": None, "client_assertion_type": ASSERTION, "client_assertion": token}
    assert tokens.refusal(**signed) == (401, "invalid_client", number)


def test_a_federated_token_must_be_signed_by_its_provider(tokens: TokenClient, service: Emulator) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    app = service.add_app("wif", federated=[Federated("https://ci.example.test", "repo:x", key.public_key())])
    claims = {
        "iss": "https://ci.example.test",
        "sub": "repo:x",
        "aud": ["api://AzureADTokenExchange"],
        "exp": time.time() + 60,
    }
    signed: dict[str, t.Any] = {"client_id": app.client_id, "client_secret": None, "client_assertion_type": ASSERTION}
    assert tokens.token(**signed, client_assertion=jwt.encode(claims, key, "ES256")).status_code == 200
    forged = jwt.encode(claims, ec.generate_private_key(ec.SECP256R1()), "ES256")
    assert tokens.refusal(**signed, client_assertion=forged)[2] == 700027
    symmetric = jwt.encode(claims, "a secret that is long enough for a MAC", "HS256")
    assert tokens.refusal(**signed, client_assertion=symmetric)[2] == 700027


@pytest.mark.parametrize("path", ["v2.0/.well-known/openid-configuration", ".well-known/openid-configuration"])
def test_discovery_returns_endpoints_of_its_own_origin(tokens: TokenClient, service: Emulator, path: str) -> None:
    found = tokens.session.get(f"{service.authority_host}/{service.tenant_id}/{path}").json()
    root = f"{service.authority_host}/{service.tenant_id}"
    assert found["issuer"] == f"{root}/v2.0"
    assert all(found[name].startswith(root) for name in found if name.endswith(("_endpoint", "_uri")))
    keys = tokens.session.get(found["jwks_uri"]).json()["keys"]
    token = tokens.token().json()["access_token"]
    assert jwt.decode(token, jwt.PyJWK(keys[0]), algorithms=["ES256"], audience=RESOURCE)


def test_discovery_of_an_unknown_tenant_has_an_error_of_its_own(tokens: TokenClient, service: Emulator) -> None:
    response = tokens.session.get(f"{service.authority_host}/unknown.example/v2.0/.well-known/openid-configuration")
    assert (response.status_code, response.json()["error"], response.json()["error_codes"]) == (
        400,
        "invalid_tenant",
        [90002],
    )


def test_instance_discovery_knows_itself_only(tokens: TokenClient, service: Emulator) -> None:
    def get_instance(host: str) -> t.Any:
        params = {"authorization_endpoint": f"{host}/{service.tenant_id}/oauth2/v2.0/authorize", "api-version": "1.1"}
        return tokens.session.get(f"{service.authority_host}/common/discovery/instance", params=params)

    found = get_instance(service.authority_host).json()
    assert tokens.session.get(found["tenant_discovery_endpoint"]).status_code == 200
    assert get_instance("https://login.example.test").json()["error"] == "invalid_instance"


def test_other_paths_return_an_html_page(tokens: TokenClient, service: Emulator) -> None:
    assert tokens.session.get(service.authority_host + "/").status_code == 404
    assert tokens.session.post(f"{service.authority_host}/{service.tenant_id}/oauth2/v2.0/authorize").status_code == 404


def test_a_device_code_is_polled_until_the_user_signs_in(
    tokens: TokenClient, service: Emulator, client: Client
) -> None:
    service.knobs.device_code_polls = 2
    requested = tokens.token(route="oauth2/v2.0/devicecode").json()
    assert {"user_code", "device_code", "verification_uri", "expires_in", "interval", "message"} <= set(requested)

    grant: dict[str, t.Any] = {
        "grant_type": "urn:ietf:params:oauth:grant-type:device_code",
        "client_secret": None,
        "scope": None,
    }

    def poll(code: str = requested["device_code"]) -> requests.Response:
        return tokens.token(**grant, device_code=code)

    assert [poll().json()["error"] for _number in range(2)] == ["authorization_pending"] * 2
    token = poll()
    assert claims_of(token)["scp"] == "Machine.Offboard Machine.Read"
    client.session.headers["Authorization"] = "Bearer " + token.json()["access_token"]
    assert client.offboard().json()["requestor"].endswith("@corp.example")
    assert poll().json()["error"] == "bad_verification_code"
    other = tokens.token(route="oauth2/v2.0/devicecode").json()["device_code"]
    service.knobs.device_code_polls = None
    assert poll(other).json()["error"] == "authorization_pending"
    service.clock.advance(901)
    assert poll(other).json()["error"] == "expired_token"


def test_the_lifetime_of_a_token_is_a_knob(tokens: TokenClient, service: Emulator, client: Client) -> None:
    service.knobs.token_lifetime = 120
    response = tokens.token().json()
    assert response["expires_in"] == 119
    client.session.headers["Authorization"] = "Bearer " + response["access_token"]
    service.clock.advance(119)
    assert client.get("/machines").status_code == 200
    service.clock.advance(2)
    assert client.get("/machines").status_code == 401


def test_sign_ins_can_take_real_time(tokens: TokenClient, service: Emulator) -> None:
    service.knobs.entra_latency = 0.05
    began = time.perf_counter()
    assert tokens.token().status_code == 200
    assert time.perf_counter() - began >= 0.05


# --- msal ---


def msal_app(service: Emulator, tokens: TokenClient, credential: t.Any, **more: t.Any) -> t.Any:
    msal = pytest.importorskip("msal")
    if not more:
        more = {"authority": f"{service.authority_host}/{service.tenant_id}", "instance_discovery": False}
    return msal.ConfidentialClientApplication(
        service.client_id, client_credential=credential, http_client=tokens.session, **more
    )


def test_msal_signs_in_with_a_secret(tokens: TokenClient, service: Emulator) -> None:
    app = msal_app(service, tokens, service.client_secret)
    found = app.acquire_token_for_client([RESOURCE + "/.default"])
    assert found["token_type"] == "Bearer"
    assert app.acquire_token_for_client([RESOURCE + "/.default"])["token_source"] == "cache"
    assert len(service.calls("entra", "POST")) == 1


def test_msal_accepts_the_issuer(tokens: TokenClient, service: Emulator) -> None:
    app = msal_app(
        service, tokens, service.client_secret, oidc_authority=f"{service.authority_host}/{service.tenant_id}/v2.0"
    )
    assert "access_token" in app.acquire_token_for_client([RESOURCE + "/.default"])


def test_msal_sees_a_wrong_secret(tokens: TokenClient, service: Emulator) -> None:
    found = msal_app(service, tokens, "wrong").acquire_token_for_client([RESOURCE + "/.default"])
    assert (found["error"], found["error_codes"]) == ("invalid_client", [7000215])


def test_msal_signs_in_with_a_pem_certificate(tokens: TokenClient, service: Emulator) -> None:
    pem = Path(service.certificate_path).read_text(encoding="ascii")
    app = msal_app(service, tokens, {"private_key": pem, "public_certificate": pem[pem.index("-----BEGIN CERT") :]})
    assert "access_token" in app.acquire_token_for_client([RESOURCE + "/.default"])
    assert service.calls("entra", "POST")[0].credential == "certificate"


def test_msal_signs_in_with_a_pfx(tokens: TokenClient, service: Emulator) -> None:
    credential = {"private_key_pfx_path": service.certificate_pfx_path, "passphrase": service.certificate_password}
    app = msal_app(service, tokens, credential)
    assert "access_token" in app.acquire_token_for_client([RESOURCE + "/.default"])


def test_msal_signs_in_with_a_federated_token(tokens: TokenClient, service: Emulator) -> None:
    path = Path(service.federated_token_file)
    app = msal_app(service, tokens, {"client_assertion": lambda: path.read_text(encoding="ascii")})
    assert "access_token" in app.acquire_token_for_client([RESOURCE + "/.default"])
