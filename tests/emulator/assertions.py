# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Client assertions: signed by a registered certificate, or by a trusted identity provider."""

from __future__ import annotations

import time
from typing import Any

import jwt

from .apps import App
from .entra_errors import SignInRefused
from .pki import thumbprints

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
# The signing library sets the times of assertions, so they are compared with the real clock.
_SKEW = 300


def kind_of(assertion: str) -> str:
    """Return whether a certificate or an identity provider signed an assertion."""
    try:
        header = jwt.get_unverified_header(assertion)
    except jwt.PyJWTError:
        return "assertion"
    return "certificate" if "x5t" in header or "x5t#S256" in header else "federated"


def verify(app: App, assertion: str, audiences: list[str]) -> None:
    """Check an assertion for an app. Raises SignInRefused."""
    try:
        header = jwt.get_unverified_header(assertion)
        claims = jwt.decode(assertion, options={"verify_signature": False})
    except jwt.PyJWTError as error:
        raise SignInRefused(401, "invalid_client", 50027, "JWT token is invalid or malformed.") from error
    if kind_of(assertion) == "certificate":
        _verify_certificate(app, assertion, header, claims, audiences)
    else:
        _verify_federated(app, assertion, header, claims)


def _verify_certificate(
    app: App, assertion: str, header: dict[str, Any], claims: dict[str, Any], audiences: list[str]
) -> None:
    algorithms = {"x5t": "RS256", "x5t#S256": "PS256"}
    for certificate in app.certificates:
        prints = thumbprints(certificate)
        # Some libraries pad the value, although the format does not require padding.
        if any(
            str(header.get(name)).rstrip("=") == prints[name] and header.get("alg") == algorithms[name]
            for name in algorithms
        ):
            _check_signature(assertion, certificate.public_key(), str(header["alg"]))
            break
    else:
        raise SignInRefused(
            401, "invalid_client", 700027, "The certificate that signed the client assertion is not registered."
        )
    _check_time(claims)
    audience = claims.get("aud")
    if audience not in audiences:
        raise SignInRefused(
            401, "invalid_client", 700023, "Client assertion audience claim does not match the token endpoint."
        )
    if not str(claims.get("iss", "")).lower() == str(claims.get("sub", "")).lower() == app.client_id.lower():
        raise SignInRefused(401, "invalid_client", 700021, "Client assertion issuer and subject must be the client_id.")


def _verify_federated(app: App, assertion: str, header: dict[str, Any], claims: dict[str, Any]) -> None:
    issuer, subject, audience = (claims.get(name) for name in ("iss", "sub", "aud"))
    known = [item for item in app.federated if item.issuer == issuer]
    if not known:
        raise SignInRefused(
            401,
            "invalid_client",
            700211,
            f"No matching federated identity record found for presented assertion issuer '{issuer}'.",
        )
    known = [item for item in known if item.subject == subject]
    if not known:
        raise SignInRefused(
            401,
            "invalid_client",
            700213,
            f"No matching federated identity record found for presented assertion subject '{subject}'.",
        )
    named = audience if isinstance(audience, list) else [audience]
    known = [item for item in known if item.audience in named]
    if not known:
        raise SignInRefused(
            401,
            "invalid_client",
            700212,
            f"No matching federated identity record found for presented assertion audience '{audience}'.",
        )
    _check_signature(assertion, known[0].key, str(header.get("alg")))
    _check_time(claims)


def _check_signature(assertion: str, key: Any, algorithm: str) -> None:
    if algorithm not in ("RS256", "PS256", "ES256"):
        raise SignInRefused(401, "invalid_client", 700027, f"The signature algorithm '{algorithm}' is not allowed.")
    try:
        jwt.decode_complete(
            assertion,
            key,
            algorithms=[algorithm],
            options={
                "verify_exp": False,
                "verify_nbf": False,
                "verify_iat": False,
                "verify_aud": False,
                "verify_iss": False,
            },
        )
    except (jwt.PyJWTError, TypeError) as error:
        raise SignInRefused(401, "invalid_client", 700027, "Client assertion failed signature validation.") from error


def _check_time(claims: dict[str, Any]) -> None:
    now = time.time()
    expires, begins = claims.get("exp"), claims.get("nbf", 0)
    numbers = isinstance(expires, (int, float)) and isinstance(begins, (int, float))
    if not numbers or now >= float(expires) + _SKEW or now < float(begins) - _SKEW:  # type: ignore[arg-type]
        raise SignInRefused(401, "invalid_client", 700024, "Client assertion is not within its valid time range.")
