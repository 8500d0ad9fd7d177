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
from ._auth.token import Claims, read_claims
from ._clock import Clock, SystemClock
from ._connection import Connection, passwords_in_addresses
from ._errors import InternalError, LibraryError
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
        self.no_log_values |= secret_values(self.params, os.environ) | passwords_in_addresses(self.params, os.environ)

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
            for warning in self._client.exchange.warnings():
                self.warn(warning)
        statistics = self._client.exchange.statistics if self._client else Statistics()
        document = complete(result, self._context(), statistics.as_dict())
        if self._diff:
            document["diff"] = result.diff()
        traces = [error.traceback for error in result.errors() if isinstance(error, InternalError)]
        if traces:
            document["exception"] = traces[0]
        if result.error is not None:
            self.fail_json(**document)
        self.exit_json(**document)
        raise AssertionError("not reached")  # for the type checker: Ansible's exits are not annotated

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
