# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What a credential needs to sign in, and what every credential can do."""

from __future__ import annotations

import random
import typing as t
from dataclasses import dataclass

from .._clock import Clock
from .._clouds import Cloud
from .._http.retry import RetryBudget
from .._http.transport import HttpTransport, TransportOptions
from .token import Token


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

    def retry_budget(self) -> RetryBudget:
        """The time for the retries of one sign-in."""
        return RetryBudget(self.retry_timeout, self.clock, self.rng)

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
