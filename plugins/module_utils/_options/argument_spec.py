# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Connection, rate limit and wait options as argument specs; environment fallbacks.

An empty variable counts as not set: AWX sets an empty one for each empty field of a credential.
"""

from __future__ import annotations

import os
import typing as t

from ansible.module_utils.common.parameters import AnsibleFallbackNotFound

from .._auth.credential_selection import AUTH_SOURCES, ENVIRONMENT_VARIABLES, SECRETS, trimmed
from .._clouds import CLOUDS, REGIONS
from .._errors import OptionError

Spec = dict[str, dict[str, t.Any]]

# Environment variables of each option; the first that is not empty wins.
ENVIRONMENT: t.Final[t.Mapping[str, tuple[str, ...]]] = {
    "auth_source": ("MDE_AUTH_SOURCE",),
    **ENVIRONMENT_VARIABLES,
    "cloud": ("MDE_CLOUD", "AZURE_CLOUD_ENVIRONMENT"),
    "region": ("MDE_REGION",),
    "api_url": ("MDE_API_URL",),
    "authority_host": ("MDE_AUTHORITY_HOST", "AZURE_AUTHORITY_HOST"),
    "scope": ("MDE_SCOPE",),
    "instance_discovery": ("MDE_INSTANCE_DISCOVERY",),
    "ca_path": ("MDE_CA_PATH",),
    "validate_certs": ("MDE_VALIDATE_CERTS",),
    "proxy": ("MDE_PROXY",),
}

_CONNECTION_OPTIONS: t.Final[Spec] = {
    "auth_source": {"type": "str", "choices": list(AUTH_SOURCES), "default": "auto"},
    "tenant_id": {"type": "str", "aliases": ["tenant"]},
    "client_id": {"type": "str"},
    "client_secret": {"type": "str", "no_log": True, "aliases": ["secret"]},
    "certificate_path": {"type": "path", "aliases": ["x509_certificate_path"]},
    "certificate_password": {"type": "str", "no_log": True},
    "federated_token_file": {"type": "path", "no_log": False},
    "access_token": {"type": "str", "no_log": True},
    "cloud": {"type": "str", "choices": list(CLOUDS), "default": "commercial", "aliases": ["cloud_environment"]},
    "region": {"type": "str", "choices": list(REGIONS)},
    "api_url": {"type": "str"},
    "authority_host": {"type": "str"},
    "scope": {"type": "str"},
    "instance_discovery": {"type": "bool", "default": True},
    "ca_path": {"type": "path"},
    "validate_certs": {"type": "bool", "default": True},
    "proxy": {"type": "str"},
    "timeout": {"type": "int", "default": 30},
    "retry_timeout": {"type": "int"},
}
# Defaults of ``retry_timeout`` in seconds. The one for lists is longer than the hour of a quota that is used up.
DEFAULT_RETRY_TIMEOUT: t.Final = 300
LIST_RETRY_TIMEOUT: t.Final = 3900

RATE_LIMIT_OPTIONS: t.Final[Spec] = {
    "calls_per_minute": {"type": "int", "default": 100},
    "calls_per_hour": {"type": "int", "default": 1500},
}

WAIT_OPTIONS: t.Final[Spec] = {
    "wait": {"type": "bool", "default": False},
    "wait_timeout": {"type": "int", "default": 600},
    "wait_sleep": {"type": "int", "default": 10},
}


def first_nonempty_variable(*names: str) -> str:
    """For ``fallback`` in an argument spec: the stripped value of the first of these variables that is not empty.

    Ansible masks the value if the option has ``no_log``.
    """
    for name in names:
        value = os.environ.get(name, "").strip()
        if value:
            return value
    raise AnsibleFallbackNotFound


def connection_spec() -> Spec:
    """The connection options, each with its environment variables."""
    return {
        option: {**spec, "fallback": (first_nonempty_variable, list(ENVIRONMENT[option]))}
        if option in ENVIRONMENT
        else dict(spec)
        for option, spec in _CONNECTION_OPTIONS.items()
    }


def drop_empty_options(params: dict[str, t.Any], spec: Spec) -> None:
    """Prepare the connection options that the user set for Ansible's parser, in place.

    Null and empty options are dropped, so that the environment can set them. Aliases become option names, so that an alias
    next to a variable of the same option does not cause a warning.
    """
    for option in _CONNECTION_OPTIONS:
        names = (option, *spec[option].get("aliases", ()))
        for name in names:
            value = params.get(name)
            if name in params and (value is None or (isinstance(value, str) and not value.strip())):
                del params[name]
        for alias in names[1:]:
            if alias in params and option not in params:
                params[option] = params.pop(alias)


def nulls_to_blank(params: dict[str, t.Any], filters: Spec) -> None:
    """Replace null filters by empty text, in place: a template without a result must be rejected, not count as an omitted filter."""
    for option, kind in filters.items():
        if option in params and params[option] is None and kind["type"] != "int":
            params[option] = ""


# Seconds of a year, and more than any number of threads. Clocks can add it without overflow.
_MAX_NUMBER: t.Final = 31_536_000


def require_positive(params: t.Mapping[str, t.Any], *options: str, maximum: int = _MAX_NUMBER) -> None:
    """Raise OptionError for the first of these numbers that is zero or less, or larger than ``maximum``."""
    for option in options:
        value = params.get(option)
        if value is not None and not 0 < value <= maximum:
            limit = "at least 1" if value <= 0 else f"at most {maximum:,}"
            raise OptionError(f"{option} must be {limit}, not {value}.", hint="Set an integer in this range.")


# Far more than the service allows: the same as no rate limit.
_MAX_RATE: t.Final = 1_000_000


def validate_rate_limits(params: t.Mapping[str, t.Any]) -> None:
    """Validate the rate limits: at least two calls an hour, at most a million. Raises OptionError."""
    require_positive(params, *RATE_LIMIT_OPTIONS, maximum=_MAX_RATE)
    if params["calls_per_hour"] < 2:
        raise OptionError(
            "calls_per_hour must be at least 2.",
            hint="Offboarding a device takes two calls within two minutes: a read and the request.",
        )


def secret_values(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> set[str]:
    """Every secret in options and environment, used or not, as set and as used. None may appear in any output.

    Values of spaces only are left out: they would mask every space.
    """
    found: set[str] = set()
    for option in SECRETS:
        for given in (params.get(option), *map(environ.get, ENVIRONMENT_VARIABLES[option])):
            value = str(given or "")
            found |= {value, value.strip(), trimmed(option, value)} if value.strip() else set()
    return found
