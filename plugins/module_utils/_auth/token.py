# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Access tokens: validation, claims, and a cache for one run."""

from __future__ import annotations

import base64
import json
import re
import threading
import typing as t
from dataclasses import dataclass

from .._clock import Clock
from .._errors import SignInError

# Seconds before its expiry at which a token is replaced, so that none expires in transit.
_REFRESH_MARGIN = 300.0
_END_OF_TIME = 2.0e11


@dataclass(frozen=True)
class Token:
    """A bearer token. ``expires_at`` is in seconds of the monotonic clock; None if unknown."""

    value: str
    expires_at: float | None = None
    fixed: bool = False
    """Whether each sign-in returns this one, as with ``access_token``."""


@dataclass(frozen=True)
class TokenClaims:
    """Claims of a token. They are not verified; the service does that."""

    permissions: frozenset[str]
    tenant_id: str | None
    client_id: str | None
    issued_at: float | None = None
    """Seconds since 1970, like ``expires_at``."""
    expires_at: float | None = None


def read_claims(token: str) -> TokenClaims | None:
    """The claims of a token, or None if it cannot be decoded: by contract, a token is opaque to its bearer.

    Application permissions are in ``roles`` (a list), those of a user in ``scp`` (a string, separated by spaces). A token
    with neither has no permissions. Source: Microsoft Learn, "Access token claims reference".
    """
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return None
    if not isinstance(claims, dict):
        return None
    roles, scopes = claims.get("roles"), claims.get("scp")
    granted = [role for role in roles if isinstance(role, str)] if isinstance(roles, list) else []
    granted += scopes.split() if isinstance(scopes, str) else []
    return TokenClaims(
        permissions=frozenset(granted),
        tenant_id=_text(claims.get("tid")),
        client_id=_text(claims.get("appid") or claims.get("azp")),
        issued_at=_seconds(claims.get("iat")),
        expires_at=_seconds(claims.get("exp")),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _seconds(value: object) -> float | None:
    """A NumericDate of RFC 7519 that ``datetime`` can represent, or None."""
    usable = isinstance(value, (int, float)) and not isinstance(value, bool) and 0 < value < _END_OF_TIME
    return float(t.cast("float", value)) if usable else None


def is_bearer_token(value: object) -> bool:
    """Whether an HTTP header can contain this. Otherwise the error of the first request would quote the token."""
    return isinstance(value, str) and re.fullmatch("[!-~]+", value) is not None


class TokenCache:
    """Signs in once, keeps the token while it is valid, and gets another one if the API rejects it."""

    def __init__(self, sign_in: t.Callable[[float], Token], clock: Clock, *, on_token: t.Callable[[str], None]) -> None:
        """``sign_in`` receives the number of seconds for its retries. ``on_token`` receives every token before it is used, to
        keep it out of all output."""
        self._sign_in = sign_in
        self._clock = clock
        self._on_token = on_token
        self._lock = threading.Lock()
        self._token: Token | None = None
        self._refused: SignInError | None = None
        self._refresh_at = float("inf")

    def token(self, time_limit: float) -> str:
        """A valid token. Signs in if there is none, with ``time_limit`` seconds for retries.

        Raises the errors of the sign-in. A final one is raised again without another request.
        """
        with self._lock:
            if self._token is None or self._clock.monotonic() >= self._refresh_at:
                return self._fetch(time_limit)
            return self._token.value

    def refresh(self, refused: str, time_limit: float) -> str:
        """Return a token other than the one that the API rejected with 401.

        If several threads were rejected, one signs in. Raises SignInError if the sign-in returns the rejected token again,
        as with ``access_token``.
        """
        with self._lock:
            current = self._token.value if self._token else None
            fresh = current if current is not None and current != refused else self._fetch(time_limit)
        if fresh == refused:
            raise _no_other_token()
        return fresh

    def check_replaceable(self) -> None:
        """Raise the error of ``refresh`` now, if it is certain: there is then nothing to wait for."""
        with self._lock:
            if self._refused is not None:
                raise self._refused
            if self._token is not None and self._token.fixed:
                raise _no_other_token()

    def _fetch(self, time_limit: float) -> str:
        if self._refused is not None:
            raise self._refused
        try:
            token = self._sign_in(time_limit)
        except SignInError as error:
            if error.final:  # another try has the same result, and may lock the application out
                self._refused = error
            raise
        self._on_token(token.value)
        now = self._clock.monotonic()
        self._token = token
        if token.expires_at is None:
            self._refresh_at = float("inf")
        else:  # a short-lived token is used for the first half of its lifetime
            self._refresh_at = token.expires_at - min(_REFRESH_MARGIN, (token.expires_at - now) / 2)
        return token.value


def _no_other_token() -> SignInError:
    return SignInError(
        "The API rejected the token (HTTP 401), and no other token is available.",
        code="unauthorized",
        http_status=401,
        hint="The token has expired or is for another API, tenant or cloud. Check access_token, scope and cloud.",
    )
