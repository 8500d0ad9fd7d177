# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Injected faults: rules that match requests and change their responses."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote_plus

KINDS = (
    "lost",
    "lost_before",
    "500",
    "502",
    "503",
    "html_502",
    "html_404",
    "429",
    "hang",
    "redirect",
    "empty_200",
    "body",
    "slow_drip",
)
# Kinds for which the request is carried out nevertheless.
_HANDLED = ("lost", "slow_drip")


@dataclass
class Fault:
    """One rule.

    The rule applies ``times`` times (None: always), after the first ``after`` matching requests. ``handled`` decides
    whether the request is carried out before the fault. ``body`` can be a function of the request, for servers that
    quote it. ``chance`` is the share of the matching requests that fail, chosen at random from ``seed``.
    """

    kind: str
    service: str = "api"
    method: str | None = None
    path: str = ""
    query: str = ""
    times: int | None = 1
    after: int = 0
    handled: bool | None = None
    retry_after: int | str | None = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | str | Callable[[Any], bytes | str] = b""
    delay: float = 0.05
    chance: float = 1.0
    seed: int = 0
    hits: int = 0
    passed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is one of {', '.join(KINDS)}, not {self.kind!r}")
        self._rng = random.Random(self.seed)

    @property
    def carries_out(self) -> bool:
        """Whether the request is carried out before the fault."""
        return self.kind in _HANDLED if self.handled is None else self.handled

    def matches(self, service: str, method: str, path: str, query: str) -> bool:
        """Whether the rule applies to a request. Counts the request."""
        if self.times is not None and self.hits >= self.times:
            return False
        if service != self.service or (self.method and method.upper() != self.method.upper()):
            return False
        if self.path.lower() not in path.lower() or self.query.lower() not in unquote_plus(query).lower():
            return False
        if self.passed < self.after:
            self.passed += 1
            return False
        if self.chance < 1 and self._rng.random() >= self.chance:
            return False
        self.hits += 1
        return True

    def payload(self, call: Any) -> bytes:
        """Return the body for a request, as bytes."""
        body = self.body(call) if callable(self.body) else self.body
        return body.encode("utf-8") if isinstance(body, str) else bytes(body)


class Faults:
    """The active rules. The first rule that matches applies."""

    def __init__(self) -> None:
        self._rules: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, **values: Any) -> Fault:
        """Add a rule."""
        rule = Fault(**values)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Remove all rules."""
        with self._lock:
            self._rules.clear()

    def match(self, service: str, method: str, path: str, query: str) -> Fault | None:
        """Return the rule for a request, if any."""
        if not self._rules:
            return None
        with self._lock:
            return next((rule for rule in self._rules if rule.matches(service, method, path, query)), None)
