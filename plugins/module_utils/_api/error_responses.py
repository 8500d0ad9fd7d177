# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Errors from any body: the service's JSON in both its shapes, a gateway's HTML, or nothing at all.

Shapes and codes: Microsoft Learn, "Common REST API error codes" (``error.code``, ``message`` and ``target``, the
id to quote to support). Failures of the OData layer come with an empty code and without a target.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._auth.permissions import READ, hint_for_403
from .._auth.token import TokenClaims
from .._errors import ApiError
from .._http.transport import Response, quote, summarize_body
from .._http.urls import origin

# The service's longest messages list the permissions that are missing and those that the token has.
_MAX_MESSAGE: t.Final = 1000
_CODES: t.Final[t.Mapping[str, str]] = {
    "OsPlatformNotSupported": "os_not_supported",
    "ClientVersionNotSupported": "client_version_not_supported",
    "ActiveRequestAlreadyExists": "already_active",
    "ResourceNotFound": "unknown_to_service",
}
_HINTS: t.Final[t.Mapping[str, str]] = {
    "os_not_supported": "The service does not offboard this operating system through the API: use its local script or policy.",
    "client_version_not_supported": "The Defender agent on the device is too old: update it, or use the offboarding script.",
    "unknown_to_service": "Read the device again; its record may have been merged or have aged out.",
    "unauthorized": (
        "The token is for another API or cloud, or was revoked: check cloud, scope and, if it is your own, access_token."
    ),
    "wrong_address": "This is not the Defender for Endpoint API: check api_url, cloud and region, and any proxy in between.",
    "redirected": "Redirects are never followed, so that the token stays with the API: correct api_url.",
    "service_error": "The service or a gateway before it is in trouble: run the task again later.",
}


@dataclass(frozen=True)
class ErrorBody:
    """What an error's body says. ``code`` is None where the service itself did not write it."""

    code: str | None
    message: str
    target: str | None = None


def parse_error_body(response: Response) -> ErrorBody:
    """Read the body of an error, whatever it is."""
    document = response.json()
    error = document.get("error") if isinstance(document, dict) else None
    if isinstance(error, dict) and isinstance(error.get("code"), (str, int)):
        target = error.get("target")
        return ErrorBody(
            code=quote(response.redact, str(error["code"])),
            message=quote(response.redact, str(error.get("message") or ""), _MAX_MESSAGE) or "(no message)",
            target=quote(response.redact, target) if isinstance(target, str) and target else None,
        )
    return ErrorBody(code=None, message=summarize_body(response))


def is_by_service(response: Response) -> bool:
    """Whether an error is the service's own: its JSON with a code, complete, or a 401 or 403 with an empty body.

    The service has been seen to send the last two. Of all other bodies a gateway may be the author. A body that ends
    with its connection is not known to be empty.
    """
    if response.status in (401, 403) and not response.body:
        return not {"content-length", "transfer-encoding"}.isdisjoint(response.headers)
    document = response.json()
    error = document.get("error") if isinstance(document, dict) else None
    return isinstance(error, dict) and isinstance(error.get("code"), str)  # gateways write numbers


def error_from_response(
    response: Response, permissions: t.Sequence[str] = READ, claims: TokenClaims | None = None
) -> ApiError:
    """The exception for an answer that is not a success, and what is known of the request: what it needs, and its token."""
    body = parse_error_body(response)
    code = _error_code(response.status, body)
    message = f"{body.code}: {body.message}" if body.code else body.message
    where = f"{response.method} {origin(response.url)}{response.url.split('?')[0].removeprefix(origin(response.url))}"
    if code == "redirected":
        message = f"redirect to {quote(response.redact, response.headers.get('location', '')) or 'nowhere'}"
    return ApiError(
        f"{where} answered {response.status}, {message}",
        http_status=response.status,
        service_code=body.code,
        by_service=is_by_service(response),
        code=code,
        hint=hint_for_403(claims, permissions) if code == "permission_missing" else _HINTS.get(code),
        correlation_id=body.target,
    )


def _error_code(status: int, body: ErrorBody) -> str:
    if status == 401:
        return "unauthorized"
    if status == 403:
        return "disallowed" if body.code in ("DisabledFeature", "DisallowedOperation") else "permission_missing"
    if body.code is not None and body.code in _CODES:
        return _CODES[body.code]
    if status == 404:
        return "wrong_address"
    if status == 429:
        return "throttled"
    if 300 <= status < 400:
        return "redirected"
    if status >= 500 or status == 408:
        return "service_error"
    return "request_refused"
