# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Connection options for plugins on the controller, resolved and validated by the code of the modules.

Ansible itself would use the last environment variable that is set, even if it is empty. Its ``env`` is therefore documentation
only.
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
from ..module_utils._http.redaction import Redactor
from ..module_utils._http.transport import REQUESTS_MISSING
from ..module_utils._options.argument_spec import (
    RATE_LIMIT_OPTIONS,
    Spec,
    connection_spec,
    drop_empty_options,
    secret_values,
)

# The options that decide which devices a request returns. None of them is secret.
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
    """The options of a plugin, completed from the environment."""

    def __init__(self, user_params: t.Mapping[str, t.Any], plugin_spec: Spec) -> None:
        """``user_params`` are plain values by name or alias, ``plugin_spec`` is the spec of the options other than the connection.

        Raises OptionError, without secrets.
        """
        spec = {**connection_spec(), **RATE_LIMIT_OPTIONS, **plugin_spec}
        names = {name for option in spec for name in (option, *spec[option].get("aliases", ()))}
        params = {name: value for name, value in user_params.items() if name in names}
        secrets = secret_values(params, os.environ) | passwords_in_urls(params, os.environ)
        drop_empty_options(params, spec)
        checked = ArgumentSpecValidator(spec).validate(params)
        if checked.error_messages:
            raise OptionError(Redactor(secrets)(" ".join(checked.error_messages)))
        self.params: dict[str, t.Any] = checked.validated_parameters
        self._user_params = {option: self.params[option] for option in params if option in self.params}
        self._redactor = Redactor()

    def redact(self, text: str) -> str:
        """The text with credentials masked, because Ansible masks nothing in messages of plugins."""
        return self._redactor(text)

    def cache_key_parts(self) -> dict[str, t.Any]:
        """The values that distinguish the devices of one tenant from those of another. A token has its own tenant, without an option."""
        claims = read_claims(self.params["access_token"] or "")
        return {**{option: self.params[option] for option in _CACHE_KEY_OPTIONS}, "token": claims and claims.tenant_id}

    def connect(self) -> MdeClient:
        """A client, not signed in yet. Raises OptionError or LibraryError."""
        if REQUESTS_MISSING:
            raise LibraryError("The Python library requests is missing on the controller.")
        connection = Connection.from_options(self.params, self._user_params, os.environ)
        self._redactor = connection.redactor
        return connection.connect(SystemClock(), random.Random())
