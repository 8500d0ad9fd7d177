# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The only room that knows Ansible: parameters in, results out, one place that fails a module."""

from __future__ import annotations

import os
import random
import typing as t
from datetime import datetime, timezone

from ansible.module_utils.basic import AnsibleModule, missing_required_lib

from ._api.client import Client
from ._api.session import Statistics
from ._auth.sources import SECRETS
from ._auth.token import Claims, read_claims
from ._clock import Clock, SystemClock
from ._connection import Connection, passwords_in_addresses
from ._errors import InternalError, LibraryError
from ._http.redaction import MASK, Redactor
from ._http.transport import REQUESTS_MISSING
from ._options.argument_spec import (
    HOURS_PATIENCE,
    PATIENCE,
    Spec,
    blank_nulls,
    connection_spec,
    normalise,
    secret_values,
)
from ._results import Context, Result, complete
from ._timestamps import format_time
from ._version import COLLECTION_VERSION

# The keys of results whose values say which device or action is meant.
_IDENTIFIERS: t.Final = frozenset(
    {
        *("device_id", "device_name", "aad_device_id", "id", "machineId", "computerDnsName", "aadDeviceId"),
        *("tenant_id", "client_id"),
    }
)
_NOT_SHOWN: t.Final = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # the words of ansible-core


class MdeModule(AnsibleModule):  # type: ignore[misc]  # Ansible has no types
    """AnsibleModule with the connection options, a client, and results of one shape."""

    def __init__(
        self, *, options: Spec, filters: Spec | None = None, clock: Clock | None = None, **constraints: t.Any
    ) -> None:
        """``filters`` are more options, of which none may be blank or null; ``constraints`` are those of AnsibleModule
        (``required_one_of`` and the like)."""
        self._filters = filters or {}
        self.clock = clock or SystemClock()
        self._started_at = format_time(self.clock.time())
        self._given: dict[str, t.Any] = {}
        self._secrets: set[str] = set()
        self._connection: Connection | None = None
        self._client: Client | None = None
        self._claims: Claims | None = None
        super().__init__(
            argument_spec={**connection_spec(), **self._filters, **options}, supports_check_mode=True, **constraints
        )

    def _load_params(self) -> None:
        super()._load_params()
        normalise(self.params, self.argument_spec)
        blank_nulls(self.params, self._filters)
        self._given = dict(self.params)
        # Before Ansible's parser, whose refusals print the options; also the secrets that this run does not use.
        self._secrets = secret_values(self.params, os.environ) | passwords_in_addresses(self.params, os.environ)
        self.no_log_values |= self._secrets

    def connect(self, *, connections: int = 1, patient: bool = False) -> Client:
        """A client, not signed in yet. Raises OptionError or LibraryError.

        ``connections`` is how many threads will use it; a ``patient`` one waits out an hour of throttling by default.
        """
        if REQUESTS_MISSING:
            raise LibraryError(missing_required_lib("requests"))
        given = {option: self.params[option] for option in self._given if option in self.params}
        self._connection = Connection.from_options(
            self.params, given, os.environ, connections=connections, patience=HOURS_PATIENCE if patient else PATIENCE
        )
        self._client = self._connection.open(self.clock, random.Random(), on_token=self._keep_token)
        return self._client

    def now(self) -> datetime:
        """By this machine's clock."""
        return datetime.fromtimestamp(self.clock.time(), timezone.utc)

    def claims(self) -> Claims | None:
        """What the current token says of itself, if it can be read."""
        return self._claims

    def _keep_token(self, token: str) -> None:
        self.no_log_values.add(token)
        self._claims = read_claims(token)

    def finish(self, result: Result) -> t.NoReturn:
        """End the module; the task fails when the result has an error."""
        if self._client is not None:
            self._client.exchange.close()
        statistics = self._client.exchange.statistics if self._client else Statistics()
        document = complete(result, self._context(), statistics.as_dict())
        if self._diff:
            document["diff"] = result.diff()
        self._hide_secrets(document)
        traces = [error.traceback for error in result.errors() if isinstance(error, InternalError)]
        if traces:
            document["exception"] = self._redactor(traces[0])
        if result.error is not None:
            self.fail_json(**document)
        self.exit_json(**document)
        raise AssertionError("not reached")  # for the type checker: Ansible's exits are not annotated

    @property
    def _redactor(self) -> Redactor:
        return self._connection.redactor if self._connection else Redactor()

    def _hide_secrets(self, document: dict[str, t.Any]) -> None:
        """Have all that was used as a credential masked, and see to it that no other secret hides which device is meant.

        Ansible masks every occurrence of every secret, in names too. One that this run did not use, as a password of
        another credential in the environment, cannot come back from the service: where it is a part of a name, the name
        is shown.
        """
        used = self._redactor.secrets
        self.no_log_values |= used
        names = set(_identifiers([document, self.params]))
        hiding = {secret for secret in self._secrets | used if any(secret in name for name in names)}
        self.no_log_values -= hiding - used
        for option in SECRETS:
            if self.params.get(option) in hiding - used:
                self.params[option] = _NOT_SHOWN
        if hiding & used:
            options = [option for option in (*SECRETS, "proxy") if self._holds(option, hiding & used)]
            self.warn(
                f"A secret in use ({', '.join(options) or 'a password of a proxy'}) is also a part of names or IDs of devices. "
                f"They are shown with {MASK} in this result and in what is made of it, and cannot be used as identifiers. "
                "Change the secret or password."
            )
        document["msg"] = self._redactor(document["msg"])
        for error in _errors(document):
            error.update({key: self._redactor(text) for key, text in error.items() if isinstance(text, str)})

    def _holds(self, option: str, secrets: t.Collection[str]) -> bool:
        value = str(self.params.get(option) or "")
        return any(secret in value for secret in secrets)

    def _context(self) -> Context:
        """Who asked whom and when; the token knows better than the options whose it is."""
        who = [source for source in (self._claims, self._connection and self._connection.identity) if source]
        return Context(
            tenant_id=next((source.tenant_id for source in who if source.tenant_id), None),
            client_id=next((source.client_id for source in who if source.client_id), None),
            api_url=self._connection.cloud.api_url if self._connection else None,
            collection_version=COLLECTION_VERSION,
            started_at=self._started_at,
            finished_at=format_time(self.clock.time()),
        )


def _identifiers(value: object) -> t.Iterator[str]:
    """All that says which device or action is meant, at any depth of a result."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in _IDENTIFIERS:
                yield from (one for one in (item if isinstance(item, list) else [item]) if isinstance(one, str))
            else:
                yield from _identifiers(item)
    elif isinstance(value, list):
        for item in value:
            yield from _identifiers(item)


def _errors(value: object) -> t.Iterator[dict[str, t.Any]]:
    """The errors in a result: the dicts under the key ``error``, of the run and of devices."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key == "error" and isinstance(item, dict):
                yield item
            else:
                yield from _errors(item)
    elif isinstance(value, list):
        for item in value:
            yield from _errors(item)
