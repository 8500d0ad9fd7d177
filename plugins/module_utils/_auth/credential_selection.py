# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Options, MDE_*, AZURE_*: one complete identity from one source, never a secret of one application with the ID of another.

An AWX job can easily have all three sources, incomplete or with empty values. The first source with a complete credential
wins.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import OptionError

AUTO: t.Final = "auto"

# Options that each kind of credential requires from its own source, in the order of ``auto``.
REQUIRED_OPTIONS: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    "access_token": ("access_token",),
    "client_secret": ("client_id", "client_secret"),
    "certificate": ("client_id", "certificate_path"),
    "workload_identity": ("client_id", "federated_token_file"),
}
# Kinds without a secret in the options. Only if named: nothing may probe the network or run programs unasked.
AMBIENT_SOURCES: t.Final = ("managed_identity", "azure_cli")
AUTH_SOURCES: t.Final = (AUTO, *REQUIRED_OPTIONS, *AMBIENT_SOURCES)
# Kinds that sign in to a named tenant.
_TENANT_REQUIRED: t.Final = frozenset({"client_secret", "certificate", "workload_identity"})

# Options that define who signs in. The first non-empty variable of a source wins.
ENVIRONMENT_VARIABLES: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    "tenant_id": ("MDE_TENANT_ID", "AZURE_TENANT_ID", "AZURE_TENANT"),
    "client_id": ("MDE_CLIENT_ID", "AZURE_CLIENT_ID"),
    "client_secret": ("MDE_CLIENT_SECRET", "AZURE_CLIENT_SECRET", "AZURE_SECRET"),
    "certificate_path": (
        "MDE_CERTIFICATE_PATH",
        "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_X509_CERTIFICATE_PATH",
    ),
    "certificate_password": ("MDE_CERTIFICATE_PASSWORD", "AZURE_CLIENT_CERTIFICATE_PASSWORD"),
    "federated_token_file": ("MDE_FEDERATED_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE"),
    "access_token": ("MDE_ACCESS_TOKEN",),
}
# In a password, only a trailing line break is ignored.
_KEEPS_BLANKS: t.Final = frozenset({"certificate_password"})
SECRETS: t.Final = ("client_secret", "certificate_password", "access_token")


@dataclass(frozen=True)
class CredentialSource:
    """The identity options that one source sets. ``values`` has no empty ones."""

    name: str
    values: t.Mapping[str, str]

    def missing(self, kind: str) -> list[str]:
        return [option for option in REQUIRED_OPTIONS[kind] if option not in self.values]


@dataclass(frozen=True)
class Identity:
    """One way to sign in. Fields that its kind does not use are None."""

    auth_source: str
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    certificate_path: str | None = None
    certificate_password: str | None = None
    federated_token_file: str | None = None
    access_token: str | None = None


def credential_sources(user_params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> list[CredentialSource]:
    """The three sources by precedence: the options that the user set, then the variables by prefix."""
    result = [
        CredentialSource("options", _nonblank({option: user_params.get(option) for option in ENVIRONMENT_VARIABLES}))
    ]
    for prefix in ("MDE_", "AZURE_"):
        values = {
            option: next((environ[n] for n in names if n.startswith(prefix) and environ.get(n, "").strip()), None)
            for option, names in ENVIRONMENT_VARIABLES.items()
        }
        result.append(CredentialSource(f"{prefix}* environment variables", _nonblank(values)))
    return result


def resolve_identity(sources: t.Sequence[CredentialSource], auth_source: str = AUTO) -> Identity:
    """Choose the identity to sign in with.

    Raises OptionError, with what is missing for each kind, if no source is complete. Also if the options are incomplete and
    another source would sign in as a different identity.
    """
    if auth_source not in AUTH_SOURCES:
        raise OptionError(f"Unknown auth_source {auth_source!r}.", hint=f"Use one of {', '.join(AUTH_SOURCES)}.")
    if auth_source in AMBIENT_SOURCES:
        return Identity(
            auth_source=auth_source,
            tenant_id=_first_value(sources, "tenant_id"),
            client_id=_first_value(sources, "client_id") if auth_source == "managed_identity" else None,
        )
    kinds = tuple(REQUIRED_OPTIONS) if auth_source == AUTO else (auth_source,)
    for source in sources:
        for kind in kinds:
            if not source.missing(kind):
                _reject_conflicting_options(sources[0], source, kinds)
                return _build_identity(kind, source, sources)
    raise OptionError(
        "No complete credential found: " + "; ".join(_describe_missing(kind, sources) for kind in kinds) + ".",
        code="credential_incomplete",
        hint="A secret, certificate or token file is used only with the client_id from the same source: the options, "
        "the MDE_* variables or the AZURE_* variables. Managed identity and Azure CLI are used only if auth_source names them.",
    )


def _build_identity(kind: str, source: CredentialSource, sources: t.Sequence[CredentialSource]) -> Identity:
    own = {option: source.values[option] for option in REQUIRED_OPTIONS[kind]}
    if kind == "certificate":
        own["certificate_password"] = source.values.get("certificate_password", "")
    # The tenant may come from another source: the option first, then the variables of this source.
    tenant = _first_value([sources[0], source, *sources], "tenant_id")
    if tenant is None and kind in _TENANT_REQUIRED:
        raise OptionError(
            f"tenant_id is missing: the {kind} credential from the {source.name} requires it.",
            code="credential_incomplete",
            hint="Set tenant_id (or MDE_TENANT_ID) to the GUID of the tenant or one of its verified domains.",
        )
    return Identity(auth_source=kind, tenant_id=tenant, **own)


def _reject_conflicting_options(options: CredentialSource, chosen: CredentialSource, kinds: t.Sequence[str]) -> None:
    """Reject incomplete options next to a complete environment: never sign in as another identity than the options name."""
    used = {name for kind in kinds for name in REQUIRED_OPTIONS[kind]}
    conflicting = sorted(
        name for name, value in options.values.items() if name in used and chosen.values.get(name) != value
    )
    if chosen is options or not conflicting or (conflicting == ["client_id"] and "client_id" not in chosen.values):
        return
    raise OptionError(
        f"The options set {', '.join(conflicting)} but no complete credential, and the {chosen.name} define a different one.",
        code="credential_incomplete",
        hint="Set all credential options or none.",
    )


def _describe_missing(kind: str, sources: t.Sequence[CredentialSource]) -> str:
    """What one kind requires, and what incomplete sources lack: ``certificate requires a and b (options: b is missing)``."""
    required = REQUIRED_OPTIONS[kind]
    missing = {source.name: source.missing(kind) for source in sources}
    return f"{kind} requires {' and '.join(required)}" + "".join(
        f" ({name}: {' and '.join(options)} {'is' if len(options) == 1 else 'are'} missing)"
        for name, options in missing.items()
        if len(options) < len(required)
    )


def _first_value(sources: t.Sequence[CredentialSource], option: str) -> str | None:
    return next((source.values[option] for source in sources if option in source.values), None)


def _nonblank(values: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {
        option: trimmed(option, str(value))
        for option, value in values.items()
        if value is not None and str(value).strip()
    }


def trimmed(option: str, value: str) -> str:
    """A value without the white space that a file, an editor or a survey added around it."""
    if option in _KEEPS_BLANKS:
        return value.removesuffix("\n").removesuffix("\r")
    return value.strip()
