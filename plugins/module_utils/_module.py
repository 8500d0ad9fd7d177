# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""AnsibleModule with connection options, client and uniform results. The only file that knows AnsibleModule."""

from __future__ import annotations

import os
import random
import typing as t

from ansible.module_utils.basic import AnsibleModule, missing_required_lib
from ansible.module_utils.common.validation import check_type_dict, check_type_list

from ._api.client import MdeClient
from ._api.session import ApiStatistics
from ._auth.credential_selection import SECRETS
from ._clock import Clock, SystemClock
from ._connection import Connection, passwords_in_urls
from ._errors import InternalError, LibraryError, OptionError
from ._http.redaction import MASK, Redactor
from ._http.transport import REQUESTS_MISSING
from ._options.argument_spec import (
    DEFAULT_RETRY_TIMEOUT,
    LIST_RETRY_TIMEOUT,
    Spec,
    connection_spec,
    drop_empty_options,
    nulls_to_blank,
    secret_values,
)
from ._presentable import escape_invisible, one_line, presentable
from ._results import Result, to_module_result
from ._timestamps import format_time
from ._version import COLLECTION_VERSION

# The keys of results whose values identify a device, an action or the application.
_IDENTIFIERS: t.Final = frozenset(
    {
        *("device_id", "device_name", "aad_device_id", "id", "machineId", "computerDnsName", "aadDeviceId"),
        *("tenant_id", "client_id"),
    }
)
_NOT_SHOWN: t.Final = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"  # the text of ansible-core


class MdeModule(AnsibleModule):  # type: ignore[misc]  # Ansible has no types
    """AnsibleModule with the connection options, a client and uniform results."""

    params: dict[str, t.Any]

    def __init__(
        self,
        *,
        options: Spec,
        filters: Spec | None = None,
        records: t.Mapping[str, str] | None = None,
        clock: Clock | None = None,
        **constraints: t.Any,
    ) -> None:
        """``filters`` are options that must not be empty or null if set. ``records`` maps options that are lists of dicts to
        the hint for other input. ``constraints`` are those of AnsibleModule, such as ``required_one_of``."""
        self.refused: OptionError | None = None
        """Why an option of ``records`` was rejected; the option is then empty."""
        self._records = records or {}
        self._filters = filters or {}
        self.clock = clock or SystemClock()
        self._started_at = format_time(self.clock.time())
        self._user_params: dict[str, t.Any] = {}
        self._secrets: set[str] = set()
        self._connection: Connection | None = None
        self._client: MdeClient | None = None
        super().__init__(
            argument_spec={**connection_spec(), **self._filters, **options}, supports_check_mode=True, **constraints
        )

    def _load_params(self) -> None:
        super()._load_params()
        # Ansible prints the parameters with the result. The names of its internal parameters must stay as they are.
        self.params = {name: presentable(value) for name, value in self.params.items()}
        drop_empty_options(self.params, self.argument_spec)
        nulls_to_blank(self.params, self._filters)
        for option, spec in self.argument_spec.items():
            # ansible-core's conversion of infinity to an integer ends with a traceback.
            value = self.params.get(option)
            if spec.get("type") == "int" and str(value).strip().lstrip("+-").lower() in ("inf", "infinity"):
                self.params[option] = repr(value)
        for option, hint in self._records.items():
            self._refuse_other_than_dicts(option, hint)
        self._user_params = dict(self.params)
        # Before Ansible's parser, whose errors print the options. Also the secrets that this run does not use.
        self._secrets = secret_values(self.params, os.environ) | passwords_in_urls(self.params, os.environ)
        self.no_log_values |= self._secrets

    def _refuse_other_than_dicts(self, option: str, hint: str) -> None:
        """Ansible's parser would name neither the option nor the fix, and return only ``msg``."""
        value = self.params.get(option)
        if value is None:
            return
        try:
            entries = check_type_list(value)
        except TypeError:
            entries = [value]
        wrong = [(index, entry) for index, entry in enumerate(entries) if not _is_dict(entry)]
        if wrong or isinstance(value, t.Mapping):
            index, entry = wrong[0] if wrong else (0, value)
            where = f"{option}[{index}]" if isinstance(value, (list, tuple)) else option
            reason = (
                "a dict instead of a list" if isinstance(entry, t.Mapping) else f"{str(entry)[:60]!r} is not a dict"
            )
            self.refused = OptionError(f"{where}: {reason}.", hint=hint)
            self.params[option] = []

    def connect(self, *, max_connections: int = 1, for_list: bool = False) -> MdeClient:
        """A client that has not signed in yet. Raises OptionError or LibraryError.

        ``max_connections`` is the number of threads that will use it. With ``for_list``, the default ``retry_timeout``
        covers an hour of throttling.
        """
        if REQUESTS_MISSING:
            raise LibraryError(missing_required_lib("requests"))
        user_params = {option: self.params[option] for option in self._user_params if option in self.params}
        self._connection = Connection.from_options(
            self.params,
            user_params,
            os.environ,
            max_connections=max_connections,
            default_retry_timeout=LIST_RETRY_TIMEOUT if for_list else DEFAULT_RETRY_TIMEOUT,
        )
        self._client = self._connection.connect(self.clock, random.Random(), on_token=self.no_log_values.add)
        return self._client

    def warn(self, warning: str, **details: t.Any) -> None:
        """Warn in one line of visible characters and without credentials, as the warning may quote the service."""
        super().warn(one_line(self._redactor(warning)), **details)

    def exit(self, result: Result) -> t.NoReturn:
        """End the module. The task fails if the result has an error."""
        if self._client is not None:
            self._client.session.close_connections()
            for warning in self._client.session.warnings():
                self.warn(warning)
        statistics = self._client.session.statistics if self._client else ApiStatistics()
        document = to_module_result(result, self._context(), statistics.as_dict())
        document["msg"] = one_line(document["msg"])
        if self._diff:
            document["diff"] = result.diff()
        self._hide_secrets(document)
        traces = [error.traceback for error in result.errors() if isinstance(error, InternalError)]
        if traces:
            document["exception"] = self._redactor(traces[0])
        # Whatever the result contains, Ansible can print it and the controller can parse it.
        document = presentable(document)
        # A message shows the invisible characters of a secret as code points. That form is a secret as well.
        self.no_log_values |= {escape_invisible(secret) for secret in self.no_log_values}
        if result.error is not None:
            self.fail_json(**document)
        self.exit_json(**document)
        raise AssertionError("not reached")  # for the type checker: Ansible's exits are not annotated

    @property
    def _redactor(self) -> Redactor:
        return self._connection.redactor if self._connection else Redactor()

    def _hide_secrets(self, document: dict[str, t.Any]) -> None:
        """Mask every credential that was used, but let no other secret hide names and IDs.

        Ansible masks every occurrence of every secret, in names too. A secret that this run did not use, such as the
        password of another credential in the environment, cannot come back from the service. If it is part of a name, the
        name is shown.
        """
        used = self._redactor.secrets
        self.no_log_values |= used
        values = [value for key, value in _entries([document, self.params]) if key in _IDENTIFIERS]
        names = {
            name
            for value in values
            for name in (value if isinstance(value, list) else [value])
            if isinstance(name, str)
        }
        hiding = {secret for secret in self._secrets | used if any(secret in name for name in names)}
        self.no_log_values -= hiding - used
        for option in SECRETS:
            if self.params.get(option) in hiding - used:
                self.params[option] = _NOT_SHOWN
        if hiding & used:
            given = {option: str(self.params.get(option) or "") for option in (*SECRETS, "proxy")}
            options = [option for option, value in given.items() if any(secret in value for secret in hiding & used)]
            self.warn(
                f"A secret in use ({', '.join(options) or 'a password of a proxy'}) is also part of device names or IDs. "
                f"They are shown with {MASK} in this result and in evidence, and cannot be used as identifiers. "
                "Change the secret or password."
            )
        document["msg"] = self._redactor(document["msg"])
        errors = [value for key, value in _entries(document) if key == "error" and isinstance(value, dict)]
        for error in errors:
            error.update({key: self._redactor(text) for key, text in error.items() if isinstance(text, str)})

    def _context(self) -> dict[str, t.Any]:
        """Tenant, application, API and times of the run. The token takes precedence over the options."""
        sources = (self._client and self._client.session.claims, self._connection and self._connection.identity)
        who = [source for source in sources if source]
        return {
            "tenant_id": next((source.tenant_id for source in who if source.tenant_id), None),
            "client_id": next((source.client_id for source in who if source.client_id), None),
            "api_url": self._connection.cloud.api_url if self._connection else None,
            "collection_version": COLLECTION_VERSION,
            "started_at": self._started_at,
            "finished_at": format_time(self.clock.time()),
        }


def _is_dict(entry: object) -> bool:
    """Whether Ansible's parser accepts it as a dict, which can also be text."""
    try:
        check_type_dict(entry)
    except TypeError:
        return False
    return True


def _entries(value: object) -> t.Iterator[tuple[object, t.Any]]:
    """Key and value of every entry of the dicts in a result, at any depth."""
    values = [value]
    while values:
        found = values.pop()
        if isinstance(found, dict):
            yield from found.items()
            values.extend(found.values())
        elif isinstance(found, list):
            values.extend(found)
