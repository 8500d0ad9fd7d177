# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What ``_module`` is for modules, for plugins of the controller: their options, checked by the modules' own code.

Ansible's own reading of variables would take the last one that is set, an empty one too, so it is only documented.
"""

from __future__ import annotations

import os
import random
import typing as t

from ansible.module_utils.common.arg_spec import ArgumentSpecValidator

from ..module_utils._api.client import MdeClient
from ..module_utils._auth.token import read_claims
from ..module_utils._clock import SystemClock
from ..module_utils._connection import Connection, passwords_in_urls
from ..module_utils._errors import LibraryError, OptionError
from ..module_utils._http.redaction import MASK, Redactor
from ..module_utils._http.transport import REQUESTS_MISSING
from ..module_utils._options.argument_spec import (
    RATE_LIMIT_OPTIONS,
    Spec,
    connection_spec,
    drop_empty_options,
    secret_values,
)

# What a request goes to: everything that says whose devices these are, and nothing that is secret.
_CACHE_KEY_OPTIONS: t.Final = (
    "tenant_id",
    "client_id",
    "auth_source",
    "cloud",
    "region",
    "api_url",
    "authority_host",
    "scope",
)


class PluginOptions:
    """The options of a plugin, as its user gave them and as the environment completes them."""

    def __init__(
        self, user_params: t.Mapping[str, t.Any], plugin_spec: Spec, environ: t.Mapping[str, str] | None = None
    ) -> None:
        """``user_params`` are the plain values by name or alias, ``plugin_spec`` are the plugin's options beside the connection's.

        Raises OptionError, without any secret in it.
        """
        environ = os.environ if environ is None else environ
        self._environ = environ
        spec = {**connection_spec(), **RATE_LIMIT_OPTIONS, **plugin_spec}
        names = {name for option in spec for name in (option, *spec[option].get("aliases", ()))}
        params = {name: value for name, value in user_params.items() if name in names}
        secrets = secret_values(params, environ) | passwords_in_urls(params, environ)
        drop_empty_options(params, spec)
        checked = ArgumentSpecValidator(spec).validate(params)
        if checked.error_messages:
            raise OptionError(_redact(secrets, " ".join(checked.error_messages)))
        self.params: dict[str, t.Any] = checked.validated_parameters
        self._user_params = {option: self.params[option] for option in params if option in self.params}
        self._redactor = Redactor()

    def redact(self, text: str) -> str:
        """A text without anything that was used as a credential: Ansible masks nothing in what plugins say."""
        return self._redactor(text)

    def cache_key_parts(self) -> dict[str, t.Any]:
        """What tells one tenant's devices from another's. A ready token has its own tenant, which no option names."""
        claims = read_claims(self.params["access_token"] or "")
        return {**{option: self.params[option] for option in _CACHE_KEY_OPTIONS}, "token": claims and claims.tenant_id}

    def connect(self) -> MdeClient:
        """A client, not signed in yet. Raises OptionError or LibraryError."""
        if REQUESTS_MISSING:
            raise LibraryError("The Python library requests is missing on the controller.")
        connection = Connection.from_options(self.params, self._user_params, self._environ)
        self._redactor = connection.redactor
        return connection.connect(SystemClock(), random.Random())


def _redact(secrets: t.Iterable[str], text: str) -> str:
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text
