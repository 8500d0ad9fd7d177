# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The credential for an identity: validate offline, acquire a token.

Only the file of the credential in use is imported, because each task starts a process that compiles what it imports.
"""

from __future__ import annotations

from dataclasses import dataclass

from .._errors import OptionError
from .credential_selection import Identity
from .sign_in import Credential, SignInContext
from .token import Token, is_bearer_token


@dataclass(frozen=True)
class StaticTokenCredential:
    """An access token from a vault or another task. Does not need msal."""

    value: str

    def validate(self) -> None:
        if not is_bearer_token(self.value):
            raise OptionError(
                "access_token contains white space or characters that are not allowed in a token.",
                hint='Set the token only, without "Bearer" and line breaks.',
            )

    def acquire_token(self, context: SignInContext) -> Token:
        return Token(self.value, fixed=True)


def create_credential(identity: Identity) -> Credential:
    """The credential for an identity. Its ``auth_source`` determines which fields are set."""
    if identity.auth_source == "access_token":
        return StaticTokenCredential(identity.access_token or "")
    if identity.auth_source == "azure_cli":
        from .azure_cli import AzureCliCredential

        return AzureCliCredential(identity.tenant_id)
    from .msal_credentials import ApplicationCredential, ManagedIdentityCredential

    if identity.auth_source == "managed_identity":
        return ManagedIdentityCredential(identity.client_id)
    return ApplicationCredential(identity)
