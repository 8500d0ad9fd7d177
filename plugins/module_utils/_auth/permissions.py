# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Permissions per operation; predictions for check mode and hints for HTTP 403.

Sources are the pages of the Defender for Endpoint API on Microsoft Learn, by the last part of their URL. Of each operation, any
one of its permissions is sufficient. Application permissions apply to all devices of the tenant (assumed), those of a user to
the device groups that the user can access (documented there). A 403 for a missing permission can have an empty body or name
the permissions (observed), so the hint is made from the token.
"""

from __future__ import annotations

import typing as t

from .._errors import MdeError
from .token import TokenClaims

# Documented: offboard-machine-api. That the request needs no read permission is assumed.
OFFBOARD: t.Final = ("Machine.Offboard",)
# Documented: get-machines, get-machine-by-id, get-machineactions-collection, get-machineaction-object. Machine.Offboard is not
# among them.
READ: t.Final = ("Machine.Read.All", "Machine.ReadWrite.All")
# Documented: add-or-remove-machine-tags, add-or-remove-multiple-machine-tags.
TAG: t.Final = ("Machine.ReadWrite.All",)
# Documented: cancel-machine-action.
CANCEL: t.Final = (
    "Machine.Offboard",
    "Machine.CollectForensics",
    "Machine.Isolate",
    "Machine.RestrictExecution",
    "Machine.Scan",
    "Machine.StopAndQuarantine",
    "Machine.LiveResponse",
)
# Delegated permissions, in the token of a user. Documented: the same pages. All others have the same name.
_DELEGATED_NAMES: t.Final = {"Machine.Read.All": "Machine.Read", "Machine.ReadWrite.All": "Machine.ReadWrite"}


def lacks_permission(claims: TokenClaims | None, permissions: t.Sequence[str]) -> bool:
    """Whether the token can be decoded and has none of these permissions."""
    accepted = {*permissions, *(_DELEGATED_NAMES[name] for name in permissions if name in _DELEGATED_NAMES)}
    return claims is not None and not accepted & claims.permissions


def predicted_refusal(
    claims: TokenClaims | None, permissions: t.Sequence[str], what: str, warn: t.Callable[[str], None]
) -> MdeError | None:
    """The error that a real run would end with if the token lacks the permission to ``what``, a verb; else None.

    ``warn`` receives a warning if the token cannot be decoded.
    """
    if claims is None:
        warn(f"The token cannot be decoded, so check mode cannot predict whether the permission to {what} is missing.")
    if not lacks_permission(claims, permissions):
        return None
    return MdeError(
        f"The application lacks the permission {permissions[0]}. {_granted(claims)}.",
        code="permission_missing",
        hint=f"Grant {permissions[0]} with admin consent. A real run would be refused.",
    )


def hint_for_403(claims: TokenClaims | None, permissions: t.Sequence[str]) -> str:
    """The permission that is required, and those that the token has."""
    if claims is None:
        return f"Grant the application the permission {permissions[0]} with admin consent."
    if lacks_permission(claims, permissions):
        return f"{permissions[0]} is required. {_granted(claims)}. Grant the application that permission with admin consent."
    return f"The token has {permissions[0]}, so the request was refused for another reason: the user's device groups, or a proxy."


def _granted(claims: TokenClaims | None) -> str:
    granted = ", ".join(sorted(claims.permissions)) if claims else ""
    return f"The token has {granted or 'no permissions'}"
