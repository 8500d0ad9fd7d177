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
from .sign_in import Credential, SignInContext
from .token import Token


@dataclass(frozen=True)
class ConfidentialClientCredential:
    """Base of the credentials of an application."""

    tenant_id: str
    client_id: str

    def client_credential(self) -> t.Any:
        """The ``client_credential`` of msal."""
        raise NotImplementedError

    def validate(self) -> None:
        import_msal()
        self.client_credential()

    def acquire_token(self, context: SignInContext) -> Token:
        msal = import_msal()
        authority = f"{context.cloud.authority_host}/{quote(self.tenant_id, safe='')}"
        http_client = MsalHttpClient(context.transport, context.retry_budget(), context.cloud.authority_host)

        def request() -> t.Any:
            application = msal.ConfidentialClientApplication(
                self.client_id,
                client_credential=self.client_credential(),
                authority=authority,
                http_client=http_client,
                instance_discovery=None if context.instance_discovery else False,
                azure_region=False,  # no regional sign-in host from the environment
            )
            return application.acquire_token_for_client(scopes=[context.cloud.scope])

        response = acquire_token(http_client, authority, request)
        return context.build_token(response["access_token"], response.get("expires_in"))


@dataclass(frozen=True)
class ClientSecretCredential(ConfidentialClientCredential):
    """An application with a secret."""

    client_secret: str

    def client_credential(self) -> str:
        return self.client_secret


@dataclass(frozen=True)
class CertificateCredential(ConfidentialClientCredential):
    """An application with a certificate: PEM with key and certificate, or PFX."""

    path: str
    password: str | None = None

    def client_credential(self) -> dict[str, str]:
        from .certificate import load_certificate  # only this credential needs it

        return load_certificate(self.path, self.password)


@dataclass(frozen=True)
class WorkloadIdentityCredential(ConfidentialClientCredential):
    """An application that trusts another issuer. The token of that issuer is read from a file at each sign-in."""

    token_file: str

    def validate(self) -> None:
        super().validate()
        self.assertion()

    def client_credential(self) -> dict[str, t.Callable[[], str]]:
        return {"client_assertion": self.assertion}  # msal warns if the value is read only once

    def assertion(self) -> str:
        """The current content of the file."""
        try:
            assertion = Path(self.token_file).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise OptionError(
                f"Cannot read federated_token_file {self.token_file} ({getattr(error, 'strerror', None) or error}).",
                hint="The platform provides this file, for example as a projected Kubernetes service account token. "
                "Check the volume mount.",
            ) from error
        if not assertion:
            raise OptionError(
                f"federated_token_file {self.token_file} is empty.",
                hint="The platform provides this file. Check that it has written a token.",
            )
        return assertion


@dataclass(frozen=True)
class ManagedIdentityCredential:
    """The identity that Azure gives to a virtual machine, an App Service or an Arc server."""

    client_id: str | None

    def validate(self) -> None:
        import_msal()

    def acquire_token(self, context: SignInContext) -> Token:
        msal = import_msal()
        http_client = MsalHttpClient(context.transport, context.retry_budget(), None, metadata=True)

        def request() -> t.Any:
            if self.client_id:
                who = msal.UserAssignedManagedIdentity(client_id=self.client_id)
            else:
                who = msal.SystemAssignedManagedIdentity()
            client = msal.ManagedIdentityClient(who, http_client=http_client)
            return client.acquire_token_for_client(resource=context.resource)

        response = acquire_token(http_client, "the managed identity endpoint", request)
        return context.build_token(response["access_token"], response.get("expires_in"))


def create_msal_credential(identity: Identity) -> Credential:
    """The credential for an identity of one of these kinds."""
    tenant, client = identity.tenant_id or "", identity.client_id or ""
    if identity.auth_source == "client_secret":
        return ClientSecretCredential(tenant, client, identity.client_secret or "")
    if identity.auth_source == "certificate":
        path, password = identity.certificate_path or "", identity.certificate_password or None
        return CertificateCredential(tenant, client, path, password)
    if identity.auth_source == "workload_identity":
        return WorkloadIdentityCredential(tenant, client, identity.federated_token_file or "")
    return ManagedIdentityCredential(identity.client_id)
