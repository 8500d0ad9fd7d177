# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The permissions of the API, and which of them each kind of call needs."""

from __future__ import annotations

from typing import Any

READ = ("Machine.Read.All", "Machine.ReadWrite.All")
WRITE = ("Machine.ReadWrite.All",)
OFFBOARD = ("Machine.Offboard",)
CANCEL = (
    "Machine.CollectForensics",
    "Machine.Isolate",
    "Machine.RestrictExecution",
    "Machine.Scan",
    "Machine.Offboard",
    "Machine.StopAndQuarantine",
    "Machine.LiveResponse",
)
ISOLATE = ("Machine.Isolate",)
ALERTS = ("Alert.Read.All", "Alert.ReadWrite.All")
ALL = (*READ, *CANCEL, *ALERTS)

# Delegated permissions are named without ".All".
_DELEGATED = {"Machine.Read": "Machine.Read.All", "Machine.ReadWrite": "Machine.ReadWrite.All"}


def expand(roles: Any) -> list[str]:
    """Return the granted roles. ``*`` grants all roles."""
    names = [roles] if isinstance(roles, str) else list(roles or ())
    return list(ALL) if "*" in names else names


def granted(claims: dict[str, Any]) -> list[str]:
    """Return the roles of a token of an app or of a user."""
    roles = claims.get("roles")
    names = list(roles) if isinstance(roles, list) else []
    scopes = claims.get("scp")
    names += [_DELEGATED.get(scope, scope) for scope in scopes.split()] if isinstance(scopes, str) else []
    return names
