# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Managed identities: the endpoints of a virtual machine, an App Service and an Arc machine."""

from __future__ import annotations

import secrets
import uuid
from pathlib import Path
from typing import Any

from .clock import Clock
from .knobs import Knobs
from .messages import Call, Reply, json_reply
from .tokens import AUDIENCES, OTHER_RESOURCES, Tokens

PATH = "/metadata/identity/oauth2/token"
APP_SERVICE_PATH = "/msi/token"
ARC_PATH = "/arc" + PATH
_ARC_VERSIONS = ("2019-11-01", "2020-06-01")


class _Refused(Exception):
    def __init__(self, status: int, error: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.reply = json_reply(status, {"error": error, "error_description": message})


class Metadata:
    """Handles token requests of managed identities."""

    def __init__(self, clock: Clock, knobs: Knobs, tokens: Tokens, folder: Path, roles: list[str]) -> None:
        self._clock = clock
        self._knobs = knobs
        self._tokens = tokens
        self._folder = folder
        self.roles = roles
        self.system_client_id = str(uuid.uuid4())
        self.user_client_id = str(uuid.uuid4())
        self.identity_header = secrets.token_hex(16).upper()
        self._arc_key = secrets.token_urlsafe(32)

    def arc_key_file(self) -> Path:
        """Write the key file that the challenge names. The client must send its content back."""
        path = Path(self._knobs.arc_key_file) if self._knobs.arc_key_file else self._folder / "tokens" / "arc.key"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self._arc_key, encoding="ascii")
        return path

    def respond(self, call: Call) -> Reply:
        """Return the response to a request."""
        try:
            path = call.path.lower().rstrip("/")
            if call.method != "GET":
                raise _Refused(405, "method_not_allowed", "Only GET is allowed")
            if path == ARC_PATH or (path == PATH and call.first("api-version") in _ARC_VERSIONS):
                return self._arc(call)
            if path == PATH:
                return self._imds(call)
            if path == APP_SERVICE_PATH:
                return self._app_service_response(call)
            raise _Refused(404, "not_found", "There is nothing here")
        except _Refused as refused:
            return refused.reply

    def _imds(self, call: Call) -> Reply:
        if call.header("metadata").lower() != "true":
            raise _Refused(400, "bad_request_102", "Required metadata header not specified")
        if not call.first("api-version"):
            raise _Refused(400, "invalid_request", "Required query variable 'api-version' is missing")
        token = self._token(call, self._identity(call))
        return json_reply(200, token)

    def _app_service_response(self, call: Call) -> Reply:
        """Return errors in the format of an App Service."""
        try:
            return self._app_service(call)
        except _Refused as refused:
            return json_reply(refused.status, {"statusCode": refused.status, "message": refused.message})

    def _app_service(self, call: Call) -> Reply:
        if call.header("x-identity-header") != self.identity_header:
            raise _Refused(401, "unauthorized", "The X-IDENTITY-HEADER is missing or wrong")
        token = self._token(call, self._identity(call))
        for name in ("expires_in", "ext_expires_in", "not_before"):
            del token[name]
        return json_reply(200, token)

    def _arc(self, call: Call) -> Reply:
        if call.header("metadata").lower() != "true":
            raise _Refused(400, "bad_request_102", "Required metadata header not specified")
        if any(call.first(name) for name in ("client_id", "object_id", "msi_res_id")):
            raise _Refused(400, "invalid_request", "Only the system-assigned identity exists here")
        kind, _space, value = call.header("authorization").partition(" ")
        if kind.lower() != "basic" or value.strip() != self._arc_key:
            return Reply(401, b"", None, {"WWW-Authenticate": f"Basic realm={self.arc_key_file()}"})
        return json_reply(200, self._token(call, self.system_client_id))

    def _identity(self, call: Call) -> str:
        requested = call.first("client_id")
        other = [
            call.first(name) for name in ("object_id", "msi_res_id", "mi_res_id", "principal_id") if call.first(name)
        ]
        if requested is None and not other:
            return self.system_client_id
        if requested in (self.user_client_id, self.system_client_id):
            return str(requested)
        raise _Refused(400, "invalid_request", "Identity not found")

    def _token(self, call: Call, client_id: str) -> dict[str, Any]:
        call.exchange.app = client_id
        call.exchange.credential = "managed_identity"
        resource = call.first("resource")
        if not resource:
            raise _Refused(400, "invalid_request", "Required query variable 'resource' is missing")
        plain = resource.rstrip("/").lower()
        if plain not in (*AUDIENCES, *OTHER_RESOURCES):
            raise _Refused(
                400, "invalid_resource", f"AADSTS500011: The resource principal named {resource} was not found."
            )
        lifetime = int(self._knobs.managed_identity_lifetime)
        now = int(self._clock.now())
        return {
            "access_token": self._tokens.issue(client_id, self.roles if plain in AUDIENCES else None, lifetime, plain),
            "client_id": client_id,
            "expires_in": str(max(0, lifetime - 1)),
            "expires_on": str(now + lifetime),
            "ext_expires_in": str(max(0, lifetime - 1)),
            "not_before": str(now),
            "resource": resource,
            "token_type": "Bearer",
        }
