# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Who signs in: one whole identity from one place, never a secret of one application with the id of another.

Options, ``MDE_*`` and ``AZURE_*`` are three families. An AWX job easily has all three at once, each half filled
or filled with empty values; the first family that holds a complete credential wins.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import OptionError

AUTO: t.Final = "auto"
OPTIONS: t.Final = "options"

# What each kind of credential needs of its own family, in the order in which ``auto`` looks.
NEEDS: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    "access_token": ("access_token",),
    "client_secret": ("client_id", "client_secret"),
    "certificate": ("client_id", "certificate_path"),
    "workload_identity": ("client_id", "federated_token_file"),
}
# Kinds that hold no secret here: only when named, because nothing may probe the network or run programs unasked.
AMBIENT: t.Final = ("managed_identity", "azure_cli")
AUTH_SOURCES: t.Final = (AUTO, *NEEDS, *AMBIENT)
# The kinds that sign in to a tenant by name.
_NEEDS_TENANT: t.Final = frozenset({"client_secret", "certificate", "workload_identity"})

# Every option that says who signs in; the first non-empty variable of a family wins.
VARIABLES: t.Final[t.Mapping[str, tuple[str, ...]]] = {
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
# Of a password only a final line break is not meant.
_KEEPS_BLANKS: t.Final = frozenset({"certificate_password"})
SECRETS: t.Final = ("client_secret", "certificate_password", "access_token")


@dataclass(frozen=True)
class Family:
    """What one place holds of an identity. Blank values are not in ``values``."""

    name: str
    values: t.Mapping[str, str]

    def lacks(self, kind: str) -> list[str]:
        return [option for option in NEEDS[kind] if option not in self.values]

    def complete(self, kinds: t.Iterable[str]) -> str | None:
        """The first of these kinds that this family holds a whole credential for."""
        return next((kind for kind in kinds if not self.lacks(kind)), None)


@dataclass(frozen=True)
class Identity:
    """One way to sign in; what its kind does not use is None."""

    kind: str
    family: str
    tenant_id: str | None = None
    client_id: str | None = None
    client_secret: str | None = None
    certificate_path: str | None = None
    certificate_password: str | None = None
    federated_token_file: str | None = None
    access_token: str | None = None


def families(given: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> list[Family]:
    """The three families, best first: the options as given by the user, then the variables by their prefix."""
    result = [Family(OPTIONS, _filled({option: given.get(option) for option in VARIABLES}))]
    for prefix in ("MDE_", "AZURE_"):
        values = {
            option: next((environ[n] for n in names if n.startswith(prefix) and environ.get(n, "").strip()), None)
            for option, names in VARIABLES.items()
        }
        result.append(Family(f"{prefix}* environment variables", _filled(values)))
    return result


def choose_identity(sources: t.Sequence[Family], auth_source: str = AUTO) -> Identity:
    """Pick the identity to sign in with.

    Raises OptionError, naming what is missing for each kind, when no family is complete; also when the options
    are half filled and another family would sign in as somebody else, because an option beats the environment.
    """
    if auth_source not in AUTH_SOURCES:
        raise OptionError(f"auth_source: {auth_source!r} is not known.", hint=f"Allowed: {', '.join(AUTH_SOURCES)}.")
    if auth_source in AMBIENT:
        return Identity(
            kind=auth_source,
            family=OPTIONS,
            tenant_id=_first(sources, "tenant_id"),
            client_id=_first(sources, "client_id") if auth_source == "managed_identity" else None,
        )
    kinds = tuple(NEEDS) if auth_source == AUTO else (auth_source,)
    for family in sources:
        kind = family.complete(kinds)
        if kind:
            _insist_on_options(sources[0], family, kinds)
            return _identity(kind, family, sources)
    raise OptionError(
        "No complete credential: " + "; ".join(_shortfall(kind, sources) for kind in kinds) + ".",
        code="credential_incomplete",
        hint="A secret, certificate or token file is used only with the client_id from the same place: the options, "
        "the MDE_* variables or the AZURE_* variables. Managed identity and Azure CLI are used when auth_source names them.",
    )


def _identity(kind: str, family: Family, sources: t.Sequence[Family]) -> Identity:
    own = {option: family.values[option] for option in NEEDS[kind]}
    if kind == "certificate":
        own["certificate_password"] = family.values.get("certificate_password", "")
    # The tenant may be completed from elsewhere: an explicit option first, then the family's own.
    tenant = _first([sources[0], family, *sources], "tenant_id")
    if tenant is None and kind in _NEEDS_TENANT:
        raise OptionError(
            f"tenant_id is missing: the {kind} credential from the {family.name} needs it.",
            code="credential_incomplete",
            hint="Set tenant_id (or MDE_TENANT_ID) to the tenant's GUID or one of its verified domains.",
        )
    return Identity(kind=kind, family=family.name, tenant_id=tenant, **own)


def _insist_on_options(options: Family, chosen: Family, kinds: t.Sequence[str]) -> None:
    """Half-filled options beside a complete environment: sign in as asked, or not at all."""
    used = {name for kind in kinds for name in NEEDS[kind]}
    stray = sorted(name for name, value in options.values.items() if name in used and chosen.values.get(name) != value)
    if chosen is options or not stray or (stray == ["client_id"] and "client_id" not in chosen.values):
        return
    raise OptionError(
        f"The options give {', '.join(stray)}, but no complete credential; the {chosen.name} hold one that differs.",
        code="credential_incomplete",
        hint="Give the whole credential as options, or none of it.",
    )


def _shortfall(kind: str, sources: t.Sequence[Family]) -> str:
    """What one kind needs, and who comes nearest to it: ``certificate needs a and b (options: b is missing)``."""
    needs = " and ".join(NEEDS[kind])
    begun = [family for family in sources if len(family.lacks(kind)) < len(NEEDS[kind])]
    return f"{kind} needs {needs}" + "".join(
        f" ({family.name}: {' and '.join(family.lacks(kind))} missing)" for family in begun
    )


def _first(sources: t.Sequence[Family], option: str) -> str | None:
    return next((family.values[option] for family in sources if option in family.values), None)


def _filled(values: t.Mapping[str, t.Any]) -> dict[str, str]:
    return {
        option: trimmed(option, str(value))
        for option, value in values.items()
        if value is not None and str(value).strip()
    }


def trimmed(option: str, value: str) -> str:
    """A value without what a file, an editor or a survey put around it: the ends of IDs, secrets, tokens and paths."""
    if option in _KEEPS_BLANKS:
        return value.removesuffix("\n").removesuffix("\r")
    return value.strip()
