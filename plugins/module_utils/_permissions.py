# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What the token says it may do: a forecast in check mode, and words for a 403, which the service often leaves out."""

from __future__ import annotations

import typing as t

from ._errors import ApiError, MdeError
from ._token import Claims

TO_OFFBOARD: t.Final = "Machine.Offboard"
TO_READ: t.Final = "Machine.Read.All"


def lacks(claims: Claims | None, permission: str) -> bool:
    """Whether the token can be read and does not hold the permission."""
    return claims is not None and permission not in claims.permissions


def foretold_refusal(claims: Claims | None) -> MdeError:
    """What a real run would end with, for a token that may not offboard."""
    return MdeError(
        f"The application lacks the permission {TO_OFFBOARD}; {_held(claims)}.",
        code="permission_missing",
        hint=f"Grant it {TO_OFFBOARD}, with admin consent: a real run would be refused.",
    )


def explain(error: MdeError, permission: str, claims: Claims | None) -> None:
    """Let the hint of a 403 say what the token holds; other errors stay as they are."""
    if not isinstance(error, ApiError) or error.code != "permission_missing" or claims is None:
        return
    if lacks(claims, permission):
        error.hint = f"{permission} is needed; {_held(claims)}. {error.hint or ''}".strip()
    else:
        error.hint = (
            f"The token holds {permission}, so the refusal has another cause: the device group of a user's "
            "token, or a proxy in between."
        )


def _held(claims: Claims | None) -> str:
    held = ", ".join(sorted(claims.permissions)) if claims else ""
    return f"the token holds {held}" if held else "the token holds none"
