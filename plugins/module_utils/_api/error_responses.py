# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Exceptions from error responses: the service's two JSON shapes, HTML of a gateway, empty bodies.

Shapes and codes: Microsoft Learn, "Common REST API error codes" (``error.code``, ``message`` and ``target``, the
correlation ID for Microsoft support). Errors of the OData layer have an empty code and no target.
"""

from __future__ import annotations

import typing as t

from .._auth.permissions import READ, hint_for_403
from .._auth.token import TokenClaims
from .._errors import ApiError
from .._http.response import Response, quote, summarize_body

# The service's longest messages list missing and granted permissions.
_MAX_MESSAGE: t.Final = 1000
_CODES: t.Final[t.Mapping[str | None, str]] = {
    "OsPlatformNotSupported": "os_not_supported",
    "ClientVersionNotSupported": "client_version_not_supported",
    "ActiveRequestAlreadyExists": "already_active",
    "ResourceNotFound": "unknown_to_service",
}
_HINTS: t.Final[t.Mapping[str, str]] = {
    "os_not_supported": "The service does not offboard this operating system through the API. Use a local script or a policy.",
    "client_version_not_supported": "The Defender agent on the device is too old. Update it, or use the offboarding script.",
    "unknown_to_service": "Look up the device again. Its record may have been merged or expired.",
    "unauthorized": (
        "The token is for another API or cloud, or has been revoked. Check cloud and scope, and access_token if you set it."
    ),
    "wrong_address": "This URL is not the Defender for Endpoint API. Check api_url, cloud, region and any proxy.",
    "redirected": "Redirects are not followed, to keep the token with the API. Correct api_url.",
    "service_error": "The service or a gateway in front of it is unavailable. Run the task again later.",
}


def _service_error(response: Response) -> dict[str, t.Any] | None:
    """The ``error`` object of a body in the service's JSON."""
    document = response.json()
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) and isinstance(error.get("code"), (str, int)) else None


def is_by_service(response: Response) -> bool:
    """Whether the service itself wrote an error: its complete JSON with a code, or a 401 or 403 with an empty body.

    The service has been seen to send the last two. A gateway may have written all other bodies. A body that ends with its
    connection is not known to be empty, and an ambiguous response may be that to another request.
    """
    if response.ambiguous:
        return False
    if response.status in (401, 403) and not response.body:
        return not {"content-length", "transfer-encoding"}.isdisjoint(response.headers)
    error = _service_error(response)
    return error is not None and isinstance(error["code"], str)  # gateways write numbers


def error_from_response(
    response: Response, permissions: t.Sequence[str] = READ, claims: TokenClaims | None = None
) -> ApiError:
    """The exception for an error response. ``permissions`` and ``claims`` of the request are for the hint of a 403."""
    service_code = correlation_id = None
    error = _service_error(response)
    if error is None:
        message = summarize_body(response)
    else:
        service_code = quote(response.redact, str(error["code"]))
        message = quote(response.redact, str(error.get("message") or ""), _MAX_MESSAGE) or "(no message)"
        message = f"{service_code}: {message}" if service_code else message
        target = error.get("target")
        correlation_id = quote(response.redact, target) if isinstance(target, str) and target else None
    code = _error_code(response.status, service_code)
    if code == "redirected":
        message = f"redirect to {quote(response.redact, response.headers.get('location', '')) or 'nowhere'}"
    return ApiError(
        f"{response.method} {response.url.split('?')[0]} returned HTTP {response.status}: {message}",
        http_status=response.status,
        service_code=service_code,
        by_service=is_by_service(response),
        code=code,
        hint=hint_for_403(claims, permissions) if code == "permission_missing" else _HINTS.get(code),
        correlation_id=correlation_id,
    )


def _error_code(status: int, service_code: str | None) -> str:
    if status == 401:
        return "unauthorized"
    if status == 403:
        return "disallowed" if service_code in ("DisabledFeature", "DisallowedOperation") else "permission_missing"
    if service_code in _CODES:
        return _CODES[service_code]
    if status == 404:
        return "wrong_address"
    if status == 429:
        return "throttled"
    if 300 <= status < 400:
        return "redirected"
    if status >= 500 or status == 408:
        return "service_error"
    return "request_refused"
