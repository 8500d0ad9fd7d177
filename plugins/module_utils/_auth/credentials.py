# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One class a credential: it checks itself offline, then signs in for a token.

Protocols: Microsoft Learn, "Microsoft identity platform and the OAuth 2.0 client credentials flow" and "How to use
managed identities to acquire an access token". msal is a fresh object at each sign-in: it would otherwise hand back
the very token that the API refused, and replay errors from its own caches.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import typing as t
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import quote

from .._clock import Clock
from .._clouds import Cloud
from .._errors import OptionError, SignInError
from .._http.transport import HttpTransport, TransportOptions
from .credential_selection import Identity
from .msal_adapter import MsalHttpClient, acquire_token, import_msal
from .token import Token, is_bearer_token, read_claims

# What az says before 2.77 with a managed identity, in a Cloud Shell, and before it had the option.
_TENANT_REFUSED = re.compile(
    r"tenant\b[^.]{0,40}\bnot\b[^.]{0,40}\bspecified|tenant shouldn.?t be specified|unrecognized arguments:[^\n]*--tenant",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SignInContext:
    """Where and with what to sign in."""

    cloud: Cloud
    transport: HttpTransport
    transport_options: TransportOptions
    clock: Clock
    rng: random.Random
    retry_timeout: float
    instance_discovery: bool = True

    def with_time_limit(self, time_limit: float) -> SignInContext:
        """The same where no more than so many seconds are left."""
        return replace(self, retry_timeout=min(self.retry_timeout, time_limit))

    def http_client(self, allowed_origin: str | None, *, metadata: bool = False) -> MsalHttpClient:
        """What msal sends with."""
        return MsalHttpClient(
            self.transport,
            clock=self.clock,
            rng=self.rng,
            retry_timeout=self.retry_timeout,
            allowed_origin=allowed_origin,
            metadata=metadata,
        )

    @property
    def resource(self) -> str:
        """The API as the older protocols name it: the scope without its last part."""
        return self.cloud.scope.removesuffix("/.default")

    def build_token(self, value: str, expires_in: t.Any) -> Token:
        """A token with its end by our clock; lifetimes come as numbers and as text."""
        try:
            return Token(value, self.clock.monotonic() + float(expires_in))
        except (TypeError, ValueError, OverflowError):
            return Token(value)


class Credential(t.Protocol):
    """What all of them can do."""

    def validate(self) -> None:
        """Check what can be checked without a request; raises OptionError or LibraryError."""

    def acquire_token(self, context: SignInContext) -> Token:
        """Get a new token; raises SignInError or TransportError."""


@dataclass(frozen=True)
class StaticTokenCredential:
    """A ready token, from a vault or another task. msal is not needed."""

    value: str

    def validate(self) -> None:
        if not is_bearer_token(self.value):
            raise OptionError(
                "access_token: it holds white space or characters that no token has.",
                hint="Give the token alone, without 'Bearer' and without a line break.",
            )

    def acquire_token(self, context: SignInContext) -> Token:
        return Token(self.value)


@dataclass(frozen=True)
class ConfidentialClientCredential:
    """The common part of all that sign in as an application with something to prove it."""

    tenant_id: str
    client_id: str

    def client_credential(self) -> t.Any:
        """The credential in the form that msal takes."""
        raise NotImplementedError

    def validate(self) -> None:
        import_msal()
        self.client_credential()

    def acquire_token(self, context: SignInContext) -> Token:
        msal = import_msal()
        authority = f"{context.cloud.authority_host}/{quote(self.tenant_id, safe='')}"
        http_client = context.http_client(context.cloud.authority_host)

        def request() -> t.Any:
            application = msal.ConfidentialClientApplication(
                self.client_id,
                client_credential=self.client_credential(),
                authority=authority,
                http_client=http_client,
                instance_discovery=None if context.instance_discovery else False,
                azure_region=False,  # no regional sign-in host by way of the environment
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
    """An application that trusts another issuer; its token stands in a file, and is read at each sign-in."""

    token_file: str

    def validate(self) -> None:
        super().validate()
        self.assertion()

    def client_credential(self) -> dict[str, t.Callable[[], str]]:
        return {"client_assertion": self.assertion}  # msal warns of one that is read once and then expires

    def assertion(self) -> str:
        """What the file holds now."""
        try:
            assertion = Path(self.token_file).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise OptionError(
                f"federated_token_file: {self.token_file} cannot be read ({_os_error_text(error)}).",
                hint="The platform writes this file, for example a Kubernetes service account token: check its volume.",
            ) from error
        if not assertion:
            raise OptionError(f"federated_token_file: {self.token_file} is empty.")
        return assertion


@dataclass(frozen=True)
class ManagedIdentityCredential:
    """The identity that Azure gives to a virtual machine, an App Service or an Arc server."""

    client_id: str | None

    def validate(self) -> None:
        import_msal()

    def acquire_token(self, context: SignInContext) -> Token:
        msal = import_msal()
        http_client = context.http_client(None, metadata=True)

        def request() -> t.Any:
            if self.client_id:
                who = msal.UserAssignedManagedIdentity(client_id=self.client_id)
            else:
                who = msal.SystemAssignedManagedIdentity()
            client = msal.ManagedIdentityClient(who, http_client=http_client)
            return client.acquire_token_for_client(resource=context.resource)

        response = acquire_token(http_client, "the managed identity endpoint", request)
        return context.build_token(response["access_token"], response.get("expires_in"))


@dataclass(frozen=True)
class AzureCliCredential:
    """Whoever is signed in to the Azure CLI of this machine. msal is not needed."""

    tenant_id: str | None

    def validate(self) -> None:
        if shutil.which("az") is None:
            raise OptionError(
                "auth_source: azure_cli needs the program az, which is not on the PATH.",
                hint="Install the Azure CLI where the module runs, or choose another auth_source.",
            )

    def acquire_token(self, context: SignInContext) -> Token:
        command = [shutil.which("az") or "az", "account", "get-access-token", "--output", "json"]
        command += ["--resource", context.resource]
        code, out, err = self._run([*command, *(["--tenant", self.tenant_id] if self.tenant_id else [])], context)
        refused_tenant = bool(self.tenant_id and code != 0 and _TENANT_REFUSED.search(err))
        if refused_tenant:
            code, out, err = self._run(command, context)
        if code != 0:
            message = " ".join(context.transport.redactor.head(err).split()) or f"az ended with code {code}"
            raise SignInError(
                f"Sign-in with the Azure CLI failed: {message[:400]}",
                hint="Run 'az login' as the user that runs the module; best as a service principal or managed identity.",
                final=True,
            )
        token = self._token(out, context)
        if refused_tenant:
            self._require_tenant(token.value)
        return token

    def _require_tenant(self, token: str) -> None:
        """az did not take the tenant, so the token has to say that it is for that one."""
        claims = read_claims(token)
        if claims is not None and claims.tenant_id and claims.tenant_id.lower() == (self.tenant_id or "").lower():
            return
        found = claims.tenant_id if claims is not None else None
        raise SignInError(
            f"Sign-in with the Azure CLI failed: az does not take the tenant {self.tenant_id} for the identity that is "
            f"signed in, and its token is for {f'the tenant {found!a:.60}' if found else 'a tenant that cannot be read'}.",
            hint="Set tenant_id to the GUID (not a domain) of the tenant that az is signed in to, or leave it unset; "
            "tenant_id may come from MDE_TENANT_ID, AZURE_TENANT_ID or AZURE_TENANT.",
            final=True,
        )

    def _run(self, command: t.Sequence[str], context: SignInContext) -> tuple[int, str, str]:
        """Run az without input: its exit code, and what it wrote to both outputs."""
        try:
            # pylint: disable-next=ansible-bad-function  # AnsibleModule.run_command has no time-out
            with subprocess.Popen(
                command,
                env=self._environment(context.transport_options),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            ) as process:
                try:
                    out, err = process.communicate(timeout=context.transport_options.timeout)
                finally:  # az is a wrapper: what it started ends with it, or would keep its pipes open
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)
        except subprocess.TimeoutExpired as error:
            raise SignInError(
                f"Sign-in with the Azure CLI failed: no answer within {context.transport_options.timeout:g} s."
            ) from error
        except OSError as error:
            raise SignInError(f"Sign-in with the Azure CLI failed: {_os_error_text(error)}.") from error
        return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    @staticmethod
    def _token(out: str, context: SignInContext) -> Token:
        try:
            response = json.loads(out)
            token = StaticTokenCredential(response["accessToken"])
            token.validate()
            context.transport.redactor.add(token.value)
            left = float(response["expires_on"]) - context.clock.time() if response.get("expires_on") else None
        except (ValueError, KeyError, TypeError, OptionError, RecursionError):
            # Without the cause: the error of a JSON parser holds all that it was given.
            raise SignInError("Sign-in with the Azure CLI failed: az printed something else than a token.") from None
        return context.build_token(token.value, left)

    @staticmethod
    def _environment(transport_options: TransportOptions) -> dict[str, str]:
        """The CLI goes the same way as we do, where an option names one."""
        ours = {
            "REQUESTS_CA_BUNDLE": transport_options.ca_path,
            "HTTPS_PROXY": transport_options.proxy,
            "https_proxy": transport_options.proxy,
            "AZURE_CLI_DISABLE_CONNECTION_VERIFICATION": None if transport_options.validate_certs else "1",
        }
        return {**os.environ, **{name: value for name, value in ours.items() if value}}


def create_credential(identity: Identity) -> Credential:
    """The credential of an identity, whose kind says which of its fields are set."""
    kind, tenant, client = identity.auth_source, identity.tenant_id or "", identity.client_id or ""
    if kind == "access_token":
        return StaticTokenCredential(identity.access_token or "")
    if kind == "client_secret":
        return ClientSecretCredential(tenant, client, identity.client_secret or "")
    if kind == "certificate":
        return CertificateCredential(
            tenant, client, identity.certificate_path or "", identity.certificate_password or None
        )
    if kind == "workload_identity":
        return WorkloadIdentityCredential(tenant, client, identity.federated_token_file or "")
    if kind == "managed_identity":
        return ManagedIdentityCredential(identity.client_id)
    return AzureCliCredential(identity.tenant_id)


def _os_error_text(error: Exception) -> str:
    return getattr(error, "strerror", None) or str(error)
