# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The credentials that sign in with msal: client secret, certificate, workload identity and managed identity.

Protocols: Microsoft Learn, "Microsoft identity platform and the OAuth 2.0 client credentials flow" and "How to use
managed identities to acquire an access token".

Each sign-in creates a new msal object. A reused one would return the token that the API rejected, and errors from its own
caches.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from .._errors import OptionError
from .credential_selection import Identity
from .msal_adapter import MsalHttpClient, acquire_token, import_msal
from .sign_in import SignInContext
from .token import Token


@dataclass(frozen=True)
class ApplicationCredential:
    """An application with a secret, a certificate (PEM or PFX), or the token of another issuer that it trusts."""

    identity: Identity

    def validate(self) -> None:
        import_msal()
        _client_credential(self.identity)

    def acquire_token(self, context: SignInContext) -> Token:
        msal = import_msal()
        authority = f"{context.cloud.authority_host}/{quote(self.identity.tenant_id or '', safe='')}"
        http_client = MsalHttpClient(context.transport, context.retry_budget(), context.cloud.authority_host)

        def request() -> t.Any:
            application = msal.ConfidentialClientApplication(
                self.identity.client_id,
                client_credential=_client_credential(self.identity),
                authority=authority,
                http_client=http_client,
                instance_discovery=None if context.instance_discovery else False,
                azure_region=False,  # no regional sign-in host from the environment
            )
            return application.acquire_token_for_client(scopes=[context.cloud.scope])

        response = acquire_token(http_client, authority, request)
        return context.build_token(response["access_token"], response.get("expires_in"))


@dataclass(frozen=True)
class ManagedIdentityCredential:
    """The identity that Azure gives to a virtual machine, an App Service or an Arc server."""

    client_id: str | None

    def validate(self) -> None:
        import_msal()

    def acquire_token(self, context: SignInContext) -> Token:
        msal = import_msal()
        http_client = MsalHttpClient(context.transport, context.retry_budget(), None)

        def request() -> t.Any:
            if self.client_id:
                who = msal.UserAssignedManagedIdentity(client_id=self.client_id)
            else:
                who = msal.SystemAssignedManagedIdentity()
            client = msal.ManagedIdentityClient(who, http_client=http_client)
            return client.acquire_token_for_client(resource=context.resource)

        response = acquire_token(http_client, "the managed identity endpoint", request)
        return context.build_token(response["access_token"], response.get("expires_in"))


def _client_credential(identity: Identity) -> t.Any:
    """The ``client_credential`` of msal, with the current content of the file. Raises OptionError for an unusable one."""
    if identity.auth_source == "client_secret":
        return identity.client_secret
    if identity.auth_source == "certificate":
        from .certificate import load_certificate  # only this kind needs it

        return load_certificate(identity.certificate_path or "", identity.certificate_password)
    assertion = _read_assertion(identity.federated_token_file or "")
    return {"client_assertion": lambda: assertion}  # msal warns about text, which would not change


def _read_assertion(path: str) -> str:
    try:
        assertion = Path(path).read_text(encoding="ascii").strip()
    except (OSError, ValueError) as error:
        raise OptionError(
            f"Cannot read federated_token_file {path} ({getattr(error, 'strerror', None) or error}).",
            hint="The platform provides this file, for example as a projected Kubernetes service account token. "
            "Check the volume mount.",
        ) from error
    if not assertion:
        raise OptionError(
            f"federated_token_file {path} is empty.",
            hint="The platform provides this file. Check that it has written a token.",
        )
    return assertion
