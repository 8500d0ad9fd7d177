# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What the token says it may do: a forecast in check mode, and words for a 403, which the service often leaves out."""

from __future__ import annotations

import typing as t

from .._errors import MdeError
from .token import TokenClaims

# Permissions of which any one is enough.
OFFBOARD: t.Final = ("Machine.Offboard",)
READ: t.Final = ("Machine.Read.All", "Machine.ReadWrite.All")
TAG: t.Final = ("Machine.ReadWrite.All",)
# Inferred: Microsoft does not document the call.
EXCLUDE: t.Final = ("Machine.ReadWrite.All",)
# Microsoft Learn, "Cancel machine action": "One of the following permissions".
CANCEL: t.Final = (
    "Machine.Offboard",
    "Machine.CollectForensics",
    "Machine.Isolate",
    "Machine.RestrictExecution",
    "Machine.Scan",
    "Machine.StopAndQuarantine",
    "Machine.LiveResponse",
)
# What a user's token holds in place of an application's.
_DELEGATED_NAMES: t.Final = {"Machine.Read.All": "Machine.Read", "Machine.ReadWrite.All": "Machine.ReadWrite"}


def lacks_permission(claims: TokenClaims | None, permissions: t.Sequence[str]) -> bool:
    """Whether the token can be read and holds none of these permissions."""
    accepted = {*permissions, *(_DELEGATED_NAMES[name] for name in permissions if name in _DELEGATED_NAMES)}
    return claims is not None and not accepted & claims.permissions


def predicted_refusal(
    claims: TokenClaims | None, permissions: t.Sequence[str], what: str, warn: t.Callable[[str], None]
) -> MdeError | None:
    """What a real run would end with, for a token without the permission; None where it may ``what``.

    ``warn`` takes a line for people where the token does not let itself be read.
    """
    if claims is None:
        warn(f"The token cannot be read, so check mode cannot tell whether it may {what}.")
    if not lacks_permission(claims, permissions):
        return None
    return MdeError(
        f"The application lacks the permission {permissions[0]}; {_granted(claims)}.",
        code="permission_missing",
        hint=f"Grant it {permissions[0]}, with admin consent: a real run would be refused.",
    )


def hint_for_403(claims: TokenClaims | None, permissions: t.Sequence[str]) -> str:
    """What is needed and what the token holds."""
    if claims is None:
        return f"Grant the application the permission {permissions[0]}, with admin consent."
    if lacks_permission(claims, permissions):
        return f"{permissions[0]} is needed; {_granted(claims)}. Grant the application that permission, with admin consent."
    return (
        f"The token holds {permissions[0]}, so the refusal has another cause: the device group of a user's "
        "token, or a proxy in between."
    )


def _granted(claims: TokenClaims | None) -> str:
    granted = ", ".join(sorted(claims.permissions)) if claims else ""
    return f"the token holds {granted}" if granted else "the token holds none"
