# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Argument specs, as data: what every module takes to connect, and how an environment variable fills an option.

An empty variable counts as unset: AWX renders every field of a credential that was left blank to one.
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
# Seconds of ``retry_timeout`` by default; and for a list, which outlasts a quota that is used up for an hour.
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
    """For an argument spec's ``fallback``: the first of these variables that is not blank, without blanks around it.

    Ansible keeps what comes from here out of all output where the option is marked so.
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
    """Prepare what the user gave for Ansible's own parser, in place.

    Connection options: what is null or blank is dropped, so that the environment can fill it; aliases become names,
    so that one beside a variable of the same option does not look like a contradiction.
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
    """Make a filter that is null a blank one, in place: a template that came out empty is refused, and is not one left out."""
    for option, kind in filters.items():
        if option in params and params[option] is None and kind["type"] != "int":
            params[option] = ""


# Seconds of a year, and more than any number of threads: a clock can still add it.
_MAX_NUMBER: t.Final = 31_536_000


def require_positive(params: t.Mapping[str, t.Any], *options: str) -> None:
    """Raise OptionError for the first of these numbers that is zero or less, or larger than any time or count."""
    for option in options:
        value = params.get(option)
        if value is not None and not 0 < value <= _MAX_NUMBER:
            limit = "at least 1" if value <= 0 else f"at most {_MAX_NUMBER:,}"
            raise OptionError(f"{option}: {value} is not allowed.", hint=f"Give a whole number of {limit}.")


# Far beyond what the service allows: as good as no pace of our own.
_MAX_RATE: t.Final = 1_000_000


def validate_rate_limits(params: t.Mapping[str, t.Any]) -> None:
    """Raise OptionError for a pace at which nothing can ever be sent, or that no window can count."""
    require_positive(params, *RATE_LIMIT_OPTIONS)
    for option in RATE_LIMIT_OPTIONS:
        if params[option] > _MAX_RATE:
            raise OptionError(f"{option}: {params[option]} is not allowed.", hint=f"Give at most {_MAX_RATE:,}.")
    if params["calls_per_hour"] < 2:
        raise OptionError(
            "calls_per_hour: 1 is not allowed.",
            hint="Give at least 2: an offboard has to leave within two minutes of the read that it rests on.",
        )


def secret_values(params: t.Mapping[str, t.Any], environ: t.Mapping[str, str]) -> set[str]:
    """Every secret in reach, used or not, as it was given and as it is used: none may stand in any output.

    A blank one hides nothing but blanks.
    """
    found: set[str] = set()
    for option in SECRETS:
        for given in (params.get(option), *map(environ.get, ENVIRONMENT_VARIABLES[option])):
            value = str(given or "")
            found |= {value, value.strip(), trimmed(option, value)} if value.strip() else set()
    return found
