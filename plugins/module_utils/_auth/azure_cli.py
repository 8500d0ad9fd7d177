# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The credential of the Azure CLI: runs az to acquire a token."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import typing as t
from dataclasses import dataclass

from .._errors import OptionError, SignInError
from .._http.transport import TransportOptions
from .sign_in import SignInContext
from .token import Token, is_bearer_token, read_claims

# Messages of az before 2.77 with a managed identity, in Cloud Shell, and before it had the option.
_TENANT_REFUSED = re.compile(
    r"tenant\b[^.]{0,40}\bnot\b[^.]{0,40}\bspecified|tenant shouldn.?t be specified|unrecognized arguments:[^\n]*--tenant",
    re.IGNORECASE,
)


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
        found = claims.tenant_id if claims is not None else None
        if found and found.lower() == (self.tenant_id or "").lower():
            return
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
            raise SignInError(f"Sign-in with the Azure CLI failed: {error.strerror or error}.") from error
        return process.returncode, out.decode("utf-8", "replace"), err.decode("utf-8", "replace")

    @staticmethod
    def _token(out: str, context: SignInContext) -> Token:
        try:
            response = json.loads(out)
            token = response["accessToken"]
            if not is_bearer_token(token):
                raise ValueError
            context.transport.redactor.add(token)
            left = float(response["expires_on"]) - context.clock.time() if response.get("expires_on") else None
        except (ValueError, KeyError, TypeError, RecursionError):
            # Without the cause: the exception of a JSON parser contains the complete input.
            raise SignInError("Sign-in with the Azure CLI failed: az did not return a token.") from None
        return context.build_token(token, left)

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
