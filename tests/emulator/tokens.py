# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""API tokens: issued and verified with the clock of the service."""

from __future__ import annotations

import json
import uuid
from functools import lru_cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from .clock import Clock

AUDIENCE = "https://api.securitycenter.microsoft.com"
# The names of the API's own resource.
AUDIENCES = (
    AUDIENCE,
    "https://api.securitycenter.windows.com",
    "https://securitycenter.onmicrosoft.com/windowsatpservice",
    "https://securitycenter.onmicrosoft.us/windowsatpservice",
    "https://api-gcc.securitycenter.microsoft.us",
    "https://api-gov.securitycenter.microsoft.us",
    # Hosts of the regions, and the ID of the API's own application.
    *(f"https://api-{region}.securitycenter.microsoft.com" for region in ("us", "eu", "uk", "au", "swa", "ina")),
    "fc780465-2017-40d4-a0c5-307022471b92",
)
# Other resources of the tenant. The API refuses tokens for them.
OTHER_RESOURCES = (
    "https://api.security.microsoft.com",
    "https://graph.microsoft.com",
    "https://management.azure.com",
)


class TokenRefused(Exception):
    """The API does not accept the token."""


class Tokens:
    """The signing key and the verified tokens."""

    def __init__(self, clock: Clock, tenant_id: str, issuer: str = "https://sts.example.test/") -> None:
        self.clock = clock
        self.tenant_id = tenant_id
        self.issuer = issuer
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._key_id = uuid.uuid4().hex
        self._verified: dict[str, dict[str, Any]] = {}

    def issue(
        self, client_id: str, roles: list[str] | None, lifetime: float, audience: str = AUDIENCE, **extra: Any
    ) -> str:
        """Return a signed token. Without roles, the token has no claim for them."""
        now = int(self.clock.now())
        claims: dict[str, Any] = {
            "aud": audience,
            "iss": f"{self.issuer}{self.tenant_id}/",
            "iat": now,
            "nbf": now,
            "exp": now + int(lifetime),
            "appid": client_id,
            "oid": str(uuid.uuid5(uuid.NAMESPACE_URL, client_id)),
            "tid": self.tenant_id,
            "uti": uuid.uuid4().hex[:22],
            "ver": "1.0",
        }
        if roles:
            claims["roles"] = list(roles)
        claims.update(extra)
        return jwt.encode(claims, self._key, algorithm="ES256", headers={"kid": self._key_id})

    def check(self, authorization: str) -> dict[str, Any]:
        """Return the claims of a valid bearer token. Raises TokenRefused."""
        kind, _space, token = authorization.partition(" ")
        token = token.strip()
        if kind.lower() != "bearer" or not token:
            raise TokenRefused("no bearer token")
        claims = self._verified.get(token)
        if claims is None:
            try:
                claims = jwt.decode(
                    token,
                    self._key.public_key(),
                    algorithms=["ES256"],
                    audience=list(AUDIENCES),
                    options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
                )
            except jwt.PyJWTError as error:
                raise TokenRefused(str(error)) from error
            self._verified[token] = claims
        now = self.clock.now()
        if now >= claims["exp"]:
            raise TokenRefused("the token has expired")
        if now < claims["nbf"] - 300:
            raise TokenRefused("the token is not yet valid")
        return claims

    def key_set(self) -> dict[str, Any]:
        """Return the public key as a JSON Web Key Set."""
        key = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self._key.public_key()))
        return {"keys": [{**key, "kid": self._key_id, "use": "sig"}]}


@lru_cache(maxsize=512)
def app_of(authorization: str) -> str | None:
    """Return the app ID in a bearer token, even if the token is invalid. For the log."""
    token = authorization.partition(" ")[2].strip()
    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError):
        return None
    app = claims.get("appid")
    return app if isinstance(app, str) else None
