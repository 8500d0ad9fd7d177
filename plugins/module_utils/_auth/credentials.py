# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One class per credential: validate offline, acquire a token.

Protocols: Microsoft Learn, "Microsoft identity platform and the OAuth 2.0 client credentials flow" and "How to use
managed identities to acquire an access token". Each sign-in creates a new msal object. A reused one would return the token
that the API rejected, and errors from its own caches.
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
from .._http.retry import RetryBudget
from .._http.transport import HttpTransport, TransportOptions
from .credential_selection import Identity
from .msal_adapter import MsalHttpClient, acquire_token, import_msal
from .token import Token, is_bearer_token, read_claims

# Messages of az before 2.77 with a managed identity, in Cloud Shell, and before it had the option.
_TENANT_REFUSED = re.compile(
    r"tenant\b[^.]{0,40}\bnot\b[^.]{0,40}\bspecified|tenant shouldn.?t be specified|unrecognized arguments:[^\n]*--tenant",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class SignInContext:
    """What a credential needs to sign in."""

    cloud: Cloud
    transport: HttpTransport
    transport_options: TransportOptions
    clock: Clock
    rng: random.Random
    retry_timeout: float
    instance_discovery: bool = True

    def with_time_limit(self, time_limit: float) -> SignInContext:
        """The same, with at most this many seconds for retries."""
        return replace(self, retry_timeout=min(self.retry_timeout, time_limit))

    def http_client(self, allowed_origin: str | None, *, metadata: bool = False) -> MsalHttpClient:
        """The HTTP client for msal, see MsalHttpClient."""
        budget = RetryBudget(self.retry_timeout, self.clock, self.rng)
        return MsalHttpClient(self.transport, budget, allowed_origin, metadata=metadata)

    @property
    def resource(self) -> str:
        """The API in older protocols: the scope without ``/.default``."""
        return self.cloud.scope.removesuffix("/.default")

    def build_token(self, value: str, expires_in: t.Any) -> Token:
        """A token with its expiry time. ``expires_in`` is in seconds, as a number or text."""
        try:
            return Token(value, self.clock.monotonic() + float(expires_in))
        except (TypeError, ValueError, OverflowError):
            return Token(value)


class Credential(t.Protocol):
    """Interface of all credentials."""

    def validate(self) -> None:
        """Check everything that needs no request. Raises OptionError or LibraryError."""

    def acquire_token(self, context: SignInContext) -> Token:
        """Get a new token. Raises SignInError or TransportError."""


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
        return Token(self.value)


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
        http_client = context.http_client(context.cloud.authority_host)

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
                f"Cannot read federated_token_file {self.token_file} ({_os_error_text(error)}).",
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
    """The account signed in to the Azure CLI on this machine. Does not need msal."""

    tenant_id: str | None

    def validate(self) -> None:
        if shutil.which("az") is None:
            raise OptionError(
                'auth_source azure_cli requires the Azure CLI, but "az" is not on the PATH.',
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
            message = " ".join(context.transport.redactor.head(err).split()) or f"az exited with code {code}"
            raise SignInError(
                f"Sign-in with the Azure CLI failed: {message[:400]}",
                hint='Run "az login" as the user that runs the module, preferably with a service principal or managed identity.',
                final=True,
            )
        token = self._token(out, context)
        if refused_tenant:
            self._require_tenant(token.value)
        return token

    def _require_tenant(self, token: str) -> None:
        """az did not accept the tenant, so the token must be for it. Raises SignInError otherwise."""
        claims = read_claims(token)
        if claims is not None and claims.tenant_id and claims.tenant_id.lower() == (self.tenant_id or "").lower():
            return
        found = claims.tenant_id if claims is not None else None
        raise SignInError(
            f"Sign-in with the Azure CLI failed: az does not accept the tenant {self.tenant_id} for the signed-in identity, "
            f"and its token is for {f'the tenant {found!a:.60}' if found else 'a tenant that cannot be read'}.",
            hint="Set tenant_id to the GUID (not a domain) of the tenant that az is signed in to, or do not set it. "
            "tenant_id can come from MDE_TENANT_ID, AZURE_TENANT_ID or AZURE_TENANT.",
            final=True,
        )

    def _run(self, command: t.Sequence[str], context: SignInContext) -> tuple[int, str, str]:
        """Run az without input. Returns its exit code, standard output and standard error."""
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
                finally:  # az is a wrapper: the processes that it started would keep the pipes open
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)
        except subprocess.TimeoutExpired as error:
            raise SignInError(
                f"Sign-in with the Azure CLI failed: az did not respond within {context.transport_options.timeout:g} s."
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
            # Without the cause: the exception of a JSON parser contains the complete input.
            raise SignInError("Sign-in with the Azure CLI failed: az did not return a token.") from None
        return context.build_token(token.value, left)

    @staticmethod
    def _environment(transport_options: TransportOptions) -> dict[str, str]:
        """The environment of az: our CA certificates, proxy and validation, if set as options."""
        settings = {
            "REQUESTS_CA_BUNDLE": transport_options.ca_path,
            "HTTPS_PROXY": transport_options.proxy,
            "https_proxy": transport_options.proxy,
            "AZURE_CLI_DISABLE_CONNECTION_VERIFICATION": None if transport_options.validate_certs else "1",
        }
        return {**os.environ, **{name: value for name, value in settings.items() if value}}


def create_credential(identity: Identity) -> Credential:
    """The credential for an identity. Its ``auth_source`` determines which fields are set."""
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
