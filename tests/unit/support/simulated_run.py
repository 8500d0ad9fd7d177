# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Runs of the client in virtual time, from the parameters to the transport. A day takes seconds."""

from __future__ import annotations

import random
import typing as t
from dataclasses import dataclass, field

from requests.adapters import HTTPAdapter

from ansible_collections.secops.mde.plugins.module_utils._api.client import MdeClient
from ansible_collections.secops.mde.plugins.module_utils._api.session import ApiSession
from ansible_collections.secops.mde.plugins.module_utils._auth.token import Token, TokenCache
from ansible_collections.secops.mde.plugins.module_utils._http.rate_limit import RateLimiter
from ansible_collections.secops.mde.plugins.module_utils._http.transport import HttpTransport, TransportOptions
from ansible_collections.secops.mde.plugins.module_utils._offboarding.parameters import OffboardParameters
from ansible_collections.secops.mde.plugins.module_utils._offboarding.results import DeviceResult
from ansible_collections.secops.mde.plugins.module_utils._offboarding.run import OffboardRun
from ansible_collections.secops.mde.plugins.module_utils._options.identifiers import DeviceRequest
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.support.in_process_transport import InProcessTransport, connect
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime


@dataclass
class SimulatedRun:
    """Runs against an emulator. Each run has a new client, like a new process."""

    emulator: Emulator
    time: VirtualTime
    latency: float = 0.2
    concurrency: int = 10
    per_minute: int = 100
    per_hour: int = 1500
    retry_timeout: float = 3900
    token_lifetime: float = 3600
    """The lifetime that the sign-in reports. The service can use another one."""
    comment: str = "CHG-1042 retired"
    seed: int = 7
    fast_path: bool = False
    """See ``in_process_transport.connect``."""
    adapter: HTTPAdapter | None = None
    """A transport to use instead of the default, which only adds latency."""
    warnings: list[str] = field(default_factory=list)

    def run(self, requested: t.Iterable[t.Mapping[str, str]], **options: t.Any) -> list[DeviceResult]:
        """Run with these devices. ``options`` are fields of OffboardParameters."""
        requests = tuple(DeviceRequest.from_options(**{"comment": self.comment, **one}) for one in requested)
        options = {"is_single": False, "concurrency": self.concurrency, **options}
        return self._offboard_run(OffboardParameters(requests=requests, **options)).run()

    def _offboard_run(self, parameters: OffboardParameters) -> OffboardRun:
        pool = self.time.worker_pool(parameters.concurrency)
        return OffboardRun(parameters, self.client(), pool, warn=self.warnings.append)

    def client(self) -> MdeClient:
        """Return a new client."""
        options = TransportOptions("simulated", ca_path=self.emulator.ca_path, max_connections=self.concurrency)
        transport = HttpTransport(options, self.time)
        if self.adapter is None:
            connect(transport, InProcessTransport(self.emulator, self.time, self.latency), fast_path=self.fast_path)
        else:
            transport._session.mount("https://", self.adapter)
        session = ApiSession(
            transport,
            TokenCache(self._sign_in, self.time, on_token=lambda _token: None),
            self.emulator.api_url,
            rate_limiter=RateLimiter(self.time, per_minute=self.per_minute, per_hour=self.per_hour),
            clock=self.time,
            rng=random.Random(self.seed),
            retry_timeout=self.retry_timeout,
        )
        return MdeClient(session)

    def _sign_in(self, _time_limit: float) -> Token:
        """Return a token. This takes no time, because threads in virtual time must not sleep during a sign-in."""
        lifetime = self.emulator.knobs.token_lifetime
        return Token(self.emulator.token(lifetime=lifetime), self.time.monotonic() + self.token_lifetime)
