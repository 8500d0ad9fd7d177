# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The sign-in service: tokens for apps, discovery, device codes."""

from __future__ import annotations

import base64
import binascii
import json
import re
import secrets
import uuid
from typing import Any
from urllib.parse import unquote, urlparse

from .apps import App
from .assertions import ASSERTION_TYPE, kind_of, verify
from .clock import Clock
from .entra_errors import SignInRefused
from .errors import HtmlPage
from .knobs import Knobs
from .messages import Call, Reply, html_reply, json_reply
from .tokens import AUDIENCES, OTHER_RESOURCES, Tokens

_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DOMAIN = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+", re.IGNORECASE)
_DEVICE_GRANT = "urn:ietf:params:oauth:grant-type:device_code"


class Entra:
    """Handles sign-in requests for one tenant."""

    def __init__(self, clock: Clock, knobs: Knobs, tokens: Tokens, tenant_id: str, domain: str) -> None:
        self._clock = clock
        self._knobs = knobs
        self._tokens = tokens
        self._tenants = {tenant_id.lower(), domain.lower()}
        self.tenant_id = tenant_id
        self.apps: dict[str, App] = {}
        self.user = "sam.operator@corp.example"
        self._codes: dict[str, dict[str, Any]] = {}

    def register(self, app: App) -> App:
        """Register an app."""
        self.apps[app.client_id.lower()] = app
        return app

    def respond(self, call: Call) -> Reply:
        """Return the response to a request. Never raises for anything that a client can send."""
        try:
            return self._dispatch(call)
        except HtmlPage as page:
            return html_reply(page.status, page.page())
        except SignInRefused as error:
            return json_reply(error.status, error.body(self._clock.now(), call.base_url))

    def _dispatch(self, call: Call) -> Reply:
        path = call.path.lower().rstrip("/")
        if path == "/common/discovery/instance":
            return self._instance(call)
        if path.endswith(("/discovery/keys", "/discovery/v2.0/keys")):
            return json_reply(200, self._tokens.key_set())
        tenant, _slash, route = path.lstrip("/").partition("/")
        if call.method == "GET" and route in (
            "v2.0/.well-known/openid-configuration",
            ".well-known/openid-configuration",
        ):
            self._tenant(tenant, "invalid_tenant")
            return json_reply(200, self._configuration(call.base_url, call.path.lstrip("/").split("/")[0], route))
        if route == "oauth2/token" or (call.method == "POST" and route == "oauth2/v2.0/token"):
            return self._token(call, tenant, route)
        if call.method == "POST" and route in ("oauth2/v2.0/devicecode", "oauth2/devicecode"):
            return self._device_code(call, tenant)
        raise HtmlPage(404, "Not Found")

    # --- discovery ---

    def _tenant(self, tenant: str, error: str = "invalid_request") -> None:
        if tenant in self._tenants:
            return
        if not _GUID.fullmatch(tenant) and not _DOMAIN.fullmatch(tenant):
            raise SignInRefused(
                400, "invalid_request", 900023, f"The tenant identifier '{tenant}' is neither a GUID nor a domain name."
            )
        raise SignInRefused(400, error, 90002, f"Tenant '{tenant}' not found. Check the tenant ID and the cloud.")

    @staticmethod
    def _configuration(base: str, tenant: str, route: str) -> dict[str, Any]:
        root, two = f"{base}/{tenant}", route.startswith("v2.0")
        version = "/v2.0" if two else ""
        return {
            "token_endpoint": f"{root}/oauth2{version}/token",
            "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
            "jwks_uri": f"{root}/discovery{version}/keys",
            "response_types_supported": ["code", "id_token", "token"],
            "subject_types_supported": ["pairwise"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "scopes_supported": ["openid", "profile", "email", "offline_access"],
            "issuer": f"{root}/v2.0",
            "authorization_endpoint": f"{root}/oauth2{version}/authorize",
            "device_authorization_endpoint": f"{root}/oauth2{version}/devicecode",
            "end_session_endpoint": f"{root}/oauth2{version}/logout",
            "tenant_region_scope": None,
            "cloud_instance_name": urlparse(base).netloc,
        }

    def _instance(self, call: Call) -> Reply:
        requested = urlparse(call.first("authorization_endpoint") or "")
        here = urlparse(call.base_url).netloc
        if requested.netloc != here:
            raise SignInRefused(400, "invalid_instance", 50049, "Unknown or invalid instance.")
        tenant = requested.path.lstrip("/").split("/")[0]
        return json_reply(
            200,
            {
                "tenant_discovery_endpoint": f"{call.base_url}/{tenant}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [{"preferred_network": here, "preferred_cache": here, "aliases": [here]}],
            },
        )

    # --- tokens ---

    def _token(self, call: Call, tenant: str, route: str) -> Reply:
        form = call.form()
        basic_id, basic_secret = _basic(call.header("authorization"))
        client_id = form.get("client_id") or basic_id or ""
        secret = form.get("client_secret") or basic_secret
        call.exchange.app = client_id or None
        call.exchange.credential = _credential(form, basic_secret)
        self._tenant(tenant)
        grant = form.get("grant_type")
        if not grant:
            raise _missing("grant_type")
        if grant not in ("client_credentials", _DEVICE_GRANT):
            raise SignInRefused(
                400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{grant}'."
            )
        app = self._app(client_id)
        if grant == _DEVICE_GRANT:
            return self._device_token(form, app)
        self._authenticate(app, form, secret, call, tenant)
        if "v2.0" in route:
            return self._issue(app.client_id, app.roles, self._scope(form.get("scope")))
        resource = self._resource(form.get("resource"))
        return _as_version_1(self._issue(app.client_id, app.roles, resource), resource, self._clock.now())

    def _app(self, client_id: str) -> App:
        if not client_id:
            raise _missing("client_id")
        app = self.apps.get(client_id.lower())
        if app is None:
            raise SignInRefused(
                400,
                "unauthorized_client",
                700016,
                f"Application with identifier '{client_id}' was not found in the directory.",
            )
        if app.disabled:
            raise SignInRefused(401, "unauthorized_client", 7000112, f"Application '{client_id}' is disabled.")
        return app

    def _authenticate(self, app: App, form: dict[str, str], secret: str | None, call: Call, tenant: str) -> None:
        if form.get("client_assertion"):
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise _missing("client_assertion_type")
            # The audience may name the tenant by ID or by domain, and either version of the endpoint.
            audiences = [
                f"{call.base_url}/{name}/{route}"
                for name in {tenant, *self._tenants}
                for route in ("oauth2/v2.0/token", "oauth2/token", "v2.0")
            ]
            verify(app, form["client_assertion"], audiences)
            return
        if not secret:
            raise SignInRefused(
                401,
                "invalid_client",
                7000216,
                "'client_assertion' or 'client_secret' is required for the 'client_credentials' grant type.",
            )
        if app.secret is None or not secrets.compare_digest(secret.encode(), app.secret.encode()):
            raise SignInRefused(
                401,
                "invalid_client",
                7000215,
                f"Invalid client secret provided. Send the value of the secret, not its ID, of a secret of app '{app.client_id}'.",
            )
        if app.secret_expired:
            raise SignInRefused(
                401,
                "invalid_client",
                7000222,
                f"The provided client secret keys for app '{app.client_id}' are expired.",
            )

    def _scope(self, scope: str | None) -> str:
        if not scope:
            raise _missing("scope")
        scopes = [item for item in scope.split() if item not in ("openid", "profile", "offline_access")]
        if len({item.rpartition("/")[0] for item in scopes}) > 1:
            raise SignInRefused(400, "invalid_scope", 700022, "The scope names more than one resource.")
        if len(scopes) != 1 or not scopes[0].endswith("/.default"):
            raise SignInRefused(400, "invalid_scope", 70011, f"The provided value for scope {scope} is not valid.")
        return self._resource(scopes[0][: -len("/.default")])

    @staticmethod
    def _resource(resource: str | None) -> str:
        if not resource:
            raise _missing("resource")
        plain = resource.rstrip("/")
        if plain.lower() not in (*AUDIENCES, *OTHER_RESOURCES):
            raise SignInRefused(
                400, "invalid_resource", 500011, f"The resource principal named {resource} was not found in the tenant."
            )
        return plain.lower()

    def _issue(self, client_id: str, roles: list[str] | None, resource: str, **extra: Any) -> Reply:
        lifetime = self._knobs.token_lifetime
        granted = roles if resource in AUDIENCES else None
        token = self._tokens.issue(client_id, granted, lifetime, resource, **extra)
        expires = max(0, int(lifetime) - 1)
        return json_reply(
            200,
            {"token_type": "Bearer", "expires_in": expires, "ext_expires_in": expires, "access_token": token},
            {"Cache-Control": "no-store, no-cache"},
        )

    # --- device codes ---

    def _device_code(self, call: Call, tenant: str) -> Reply:
        form = call.form()
        call.exchange.app = form.get("client_id")
        self._tenant(tenant)
        app = self._app(form.get("client_id", ""))
        code, user_code = secrets.token_urlsafe(24), secrets.token_hex(4).upper()
        resource = (form.get("scope") or "").split(" ")[0].rpartition("/")[0] or AUDIENCES[0]
        self._codes[code] = {"app": app.client_id, "polls": 0, "ends": self._clock.now() + 900, "resource": resource}
        page = f"{call.base_url}/devicelogin"
        return json_reply(
            200,
            {
                "user_code": user_code,
                "device_code": code,
                "verification_uri": page,
                "expires_in": 900,
                "interval": 5,
                "message": f"To sign in, open the page {page} and enter the code {user_code}.",
            },
        )

    def _device_token(self, form: dict[str, str], app: App) -> Reply:
        pending = self._codes.get(form.get("device_code", ""))
        if pending is None or pending["app"] != app.client_id:
            raise SignInRefused(400, "bad_verification_code", 70018, "Invalid verification code.")
        if self._clock.now() >= pending["ends"]:
            raise SignInRefused(400, "expired_token", 70019, "Verification code expired.")
        polls = self._knobs.device_code_polls
        if polls is None or pending["polls"] < polls:
            pending["polls"] += 1
            raise SignInRefused(
                400, "authorization_pending", 70016, "OAuth 2.0 device flow error. Authorization is pending."
            )
        scopes = " ".join(role[: -len(".All")] if role.endswith(".All") else role for role in app.roles)
        resource = pending["resource"]
        user = {"scp": scopes, "upn": self.user, "oid": str(uuid.uuid5(uuid.NAMESPACE_URL, self.user))}
        del self._codes[form["device_code"]]
        reply = self._issue(app.client_id, None, resource if resource in AUDIENCES else AUDIENCES[0], **user)
        about = {"preferred_username": self.user, "name": "Sam Operator", "sub": user["oid"]}
        identity = self._tokens.issue(app.client_id, None, self._knobs.token_lifetime, app.client_id, **about)
        return json_reply(200, {**json.loads(reply.body), "id_token": identity}, reply.headers)


def _as_version_1(reply: Reply, resource: str, now: float) -> Reply:
    """Convert a response to version 1 of the endpoint, which has more fields and returns numbers as text."""
    values = json.loads(reply.body)
    ends = {"expires_on": str(int(now) + values["expires_in"]), "not_before": str(int(now)), "resource": resource}
    texts = {name: str(value) for name, value in values.items()}
    return json_reply(200, {**texts, **ends}, reply.headers)


def _missing(name: str) -> SignInRefused:
    return SignInRefused(
        400, "invalid_request", 900144, f"The request body must contain the following parameter: '{name}'."
    )


def _basic(header: str) -> tuple[str | None, str | None]:
    """Return client ID and secret of HTTP Basic authentication."""
    kind, _space, value = header.partition(" ")
    if kind.lower() != "basic":
        return None, None
    try:
        name, _colon, secret = base64.b64decode(value).decode("utf-8").partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None, None
    return unquote(name), unquote(secret)


def _credential(form: dict[str, str], basic: str | None) -> str | None:
    """Return the kind of credential of a request, for the log."""
    if form.get("client_assertion"):
        return kind_of(form["client_assertion"])
    if form.get("client_secret"):
        return "client_secret"
    return "basic" if basic else None
