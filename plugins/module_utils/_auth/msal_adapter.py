# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Adapter for msal: imported late, sending over our transport, errors translated.

Only credentials that sign in to Microsoft Entra ID need msal. With our own HTTP client, proxy, certificates, time-outs and
retries are the same for sign-in and API.
"""

from __future__ import annotations

import importlib
import re
import sys
import typing as t
from functools import partial

from .._errors import LibraryError, MdeError, SignInError, TransportError
from .._http.redaction import silence_loggers
from .._http.response import Response, summarize_body
from .._http.retry import RETRYABLE_STATUSES, RetryBudget
from .._http.transport import HttpTransport
from .._http.urls import as_shown, is_unambiguous, origin
from .token import is_bearer_token

# The first version with the SHA-256 assertion of a PEM certificate. Keep in line with requirements.txt.
MSAL_MINIMUM: t.Final = (1, 35, 0)
# For the metadata service of virtual machines, 404 and 410 mean "updating".
_IMDS_RETRYABLE_STATUSES: t.Final = RETRYABLE_STATUSES | {404, 410}

_HINTS: t.Final[t.Mapping[int, str]] = {
    7000215: "The client secret is wrong. Use the value of the secret, not its ID.",
    7000222: "The client secret has expired. Create a new one in the app registration.",
    700016: "The application does not exist in this tenant. Check client_id and tenant_id.",
    90002: "The tenant does not exist. Check tenant_id, and cloud for a government tenant.",
    900023: "tenant_id is neither a GUID nor a domain name.",
    700027: "The certificate is not registered with the application or does not match the key.",
    700024: "The assertion is not valid at this time. Check this machine's clock.",
    70011: "The scope is wrong. Do not set scope, or end it with /.default.",
    500011: "The API does not exist in this tenant. Check cloud and scope, and that the tenant has Defender for Endpoint.",
    70021: "No federated credential of the application matches the issuer, subject and audience of the token.",
    700211: "No federated credential of the application has the issuer of the token.",
    700213: "No federated credential of the application has the subject of the token.",
    7002138: "The subject of the federated credential differs in case from that of the token.",
    7000112: "The application is disabled in this tenant.",
    53003: "Conditional Access blocks this sign-in. Contact the administrator of the policy.",
}


def import_msal() -> t.Any:
    """The msal module. Raises LibraryError, with the interpreter and the command to run, if it is missing or too old."""
    required = ".".join(map(str, MSAL_MINIMUM))
    fix = (
        f"Install it for the interpreter that runs the module: {sys.executable} -m pip install 'msal>={required}'. "
        "Tasks delegated to localhost use the interpreter of ansible-playbook. With access_token, msal is not required."
    )
    try:
        msal = importlib.import_module("msal")
    except ImportError as error:
        raise LibraryError(f"The Python library msal is missing for {sys.executable} ({error}).", hint=fix) from error
    silence_loggers()
    found = str(getattr(msal, "__version__", "0"))
    # As numbers: 1.9 is older than 1.10.
    if tuple(int(part) for part in re.findall(r"\d+", found)[:3]) < MSAL_MINIMUM:
        raise LibraryError(
            f"The Python library msal for {sys.executable} is too old: found {found}, required {required}.",
            code="library_too_old",
            hint=fix,
        )
    return msal


class MsalHttpClient:
    """The ``http_client`` of msal, which sends over the transport of the collection.

    A token request changes nothing, so every method may be repeated. Credentials are posted only to the origin of the
    authority, whatever a discovery document contains. ``budget`` covers all requests of one sign-in. ``allowed_origin`` is
    None for the metadata service, to which no credentials are posted.
    """

    def __init__(self, transport: HttpTransport, budget: RetryBudget, allowed_origin: str | None) -> None:
        self.last: Response | None = None
        self.redact = transport.redactor
        self._transport = transport
        self._budget = budget
        self._allowed_origin = allowed_origin
        self._retryable_statuses = RETRYABLE_STATUSES if allowed_origin else _IMDS_RETRYABLE_STATUSES

    def get(self, url: str, *, params: t.Any = None, headers: t.Any = None, **_ignored: t.Any) -> _MsalResponse:
        return self._send("GET", url, params=params, headers=headers)

    def post(
        self, url: str, *, params: t.Any = None, data: t.Any = None, headers: t.Any = None, **_ignored: t.Any
    ) -> _MsalResponse:
        if self._allowed_origin is None or not is_unambiguous(url) or origin(url) != origin(self._allowed_origin):
            there = origin(url) if is_unambiguous(url) else as_shown(url)
            raise SignInError(
                f"The sign-in service asked to send the credential to {there} instead of {self._allowed_origin}.",
                hint="Check authority_host and any proxy.",
            )
        return self._send("POST", url, params=params, data=data, headers=headers)

    def close(self) -> None:
        """Nothing to do: the transport belongs to the collection."""

    def _send(self, method: str, url: str, *, params: t.Any, headers: t.Any, data: t.Any = None) -> _MsalResponse:
        send = partial(self._transport.send, method, url, params=params, headers=headers, data=data)
        while True:
            outcome = self._budget.attempt(send)
            if isinstance(outcome, Response):
                self.last = outcome
                self.redact.add_tokens(outcome.json())
                if outcome.status not in self._retryable_statuses:
                    return _MsalResponse(outcome)
            else:
                self.last = None
            pause = self._budget.delay_after(outcome, self._transport, url)
            if pause is None:
                if isinstance(outcome, TransportError):
                    raise outcome
                return _MsalResponse(outcome)
            self._budget.sleep(pause)


class _MsalResponse:
    """A response in the form that msal reads."""

    def __init__(self, response: Response) -> None:
        self.status_code = response.status
        self.text = response.text
        self.headers = dict(response.headers)

    def raise_for_status(self) -> None:
        if self.status_code >= 400:
            raise RuntimeError(f"HTTP {self.status_code}")  # acquire_token describes the response


def acquire_token(http_client: MsalHttpClient, where: str, request: t.Callable[[], t.Any]) -> dict[str, t.Any]:
    """Call msal; return its response with an ``access_token``, or raise SignInError.

    msal reports a failure as a dict, as a ValueError with its own advice, or by passing our exceptions on. The response of
    the server is in ``http_client.last``.
    """
    try:
        response = request()
    except TransportError as error:  # never a TransportError, which would be about a request to the API
        raise SignInError(f"Sign-in at {where} failed: {error.message}", code=error.code, hint=error.hint) from error
    except MdeError:
        raise
    except Exception as error:  # msal's classes cannot be imported here, and an unexpected body makes it raise any
        response = {}
        message = str(error) or type(error).__name__
    else:
        message = "the response is not a token"
    if isinstance(response, dict) and is_bearer_token(response.get("access_token")):
        return response
    raise _sign_in_error(http_client, where, response if isinstance(response, dict) else {}, message)


def _sign_in_error(
    http_client: MsalHttpClient, where: str, response: t.Mapping[str, t.Any], message: str
) -> SignInError:
    last, shown = http_client.last, http_client.redact.head
    document = last.json() if last is not None else None
    error_body: dict[str, t.Any] = document if isinstance(document, dict) and "error" in document else dict(response)
    error, description = error_body.get("error"), shown(str(error_body.get("error_description") or ""))
    if error:
        detail = shown(str(error)) + (f": {description.splitlines()[0]}" if description.strip() else "")
    elif last is not None and last.status >= 300:
        detail = f"{last.status}, {summarize_body(last)}"
    elif last is not None and document is None:
        detail = summarize_body(last)
    else:
        detail = shown(message)
    number = re.match(r"AADSTS(\d+)", description)
    correlation = error_body.get("correlation_id")
    return SignInError(
        f"Sign-in at {where} failed: {detail}",
        http_status=last.status if last is not None else None,
        correlation_id=shown(str(correlation)) if correlation else None,
        hint=_HINTS.get(int(number.group(1))) if number else None,
        final=bool(error) and last is not None and last.status in (400, 401, 403),
    )
