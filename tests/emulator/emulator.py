# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The Emulator object that tests use. It serves four ports on a separate thread."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from .api import Api
from .apps import App, Federated
from .clock import Clock
from .control import Control
from .devices import Device, HistoryAction
from .entra import Entra
from .faults import Fault, Faults
from .fleet import Fleet
from .knobs import Knobs
from .log import Exchange
from .messages import Call, Reply, json_reply
from .metadata import APP_SERVICE_PATH, ARC_PATH, Metadata
from .pki import Authority, KeyPair, certificate_of
from .roles import expand
from .scenario import Scenario, load_scenario
from .server import Port
from .store import Store
from .times import Span
from .tokens import AUDIENCE, Tokens

TENANT_ID = "5b1de0c4-0000-4c0d-9a1e-00c0ffee0001"
TENANT_DOMAIN = "corp.example"
RUNBOOK_ROLES = ("Machine.Offboard", "Machine.Read.All")


class Emulator:
    """A local Defender for Endpoint with its sign-in service. Use it as a context manager.

    ``scenario`` is the name of a file of the ``scenarios`` folder, a path, a Scenario, or a list of devices.
    ``ports`` sets the port of a service: ``{"api": 8443}``. ``host_names`` are additional names of this machine for the
    certificate.
    """

    def __init__(
        self,
        scenario: str | Path | Scenario | Sequence[Device] | None = None,
        real_time: bool = False,
        knobs: Knobs | None = None,
        ports: dict[str, int] | None = None,
        start: float | None = None,
        app_id: str | None = None,
        app_secret: str | None = None,
        host_names: Sequence[str] = (),
    ) -> None:
        self.knobs = knobs if knobs is not None else Knobs()
        self.clock = Clock(real_time, start)
        self.log: list[Exchange] = []
        self.tenant_id = TENANT_ID
        self.tenant_domain = TENANT_DOMAIN
        self._requested_ports = ports or {}
        self._host_names = tuple(host_names)
        self._folder = Path(tempfile.mkdtemp(prefix="mde-emulator-"))
        self._faults = Faults()
        self._authority = Authority()
        self._authority.write(self._folder / "ca.pem")
        self._tokens = Tokens(self.clock, self.tenant_id)
        self._entra = Entra(self.clock, self.knobs, self._tokens, self.tenant_id, self.tenant_domain)
        self._runbook = App("runbook", roles=list(RUNBOOK_ROLES))
        if app_id:
            self._runbook.client_id = app_id
        if app_secret:
            self._runbook.secret = app_secret
        self._entra.register(self._runbook)
        self._metadata = Metadata(self.clock, self.knobs, self._tokens, self._folder, list(RUNBOOK_ROLES))
        self._store = Store()
        self._fleet = Fleet(self.clock, self.knobs, self._store, self._runbook.client_id)
        self._scenario = _scenario(scenario)
        self._ports: dict[str, Port] = {}
        self._api: Api | None = None
        self._rewrite: Callable[[bytes], bytes] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        try:
            self._load()
        except BaseException:
            self.stop()
            raise

    def _load(self) -> None:
        self.knobs.update(self._scenario.knobs)
        for app in self._scenario.apps:
            self.add_app(**app)
        for fault in self._scenario.faults:
            self.fault(**fault)
        self._fleet.add(self._scenario.devices)

    # --- start and stop ---

    def start(self) -> Emulator:
        """Listen on all ports. Returns when they accept connections."""
        ready = threading.Event()
        failure: list[BaseException] = []

        def run() -> None:
            loop = self._loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            try:
                loop.run_until_complete(self._listen())
            except BaseException as error:  # raised again in the caller's thread
                failure.append(error)
                loop.run_until_complete(self._shut_down())
                loop.close()
                ready.set()
                return
            ready.set()
            loop.run_forever()
            loop.run_until_complete(self._shut_down())
            loop.close()

        self._thread = threading.Thread(target=run, name="mde-emulator", daemon=True)
        self._thread.start()
        ready.wait()
        if failure:
            self._thread.join()
            self._thread = None
            self.stop()
            raise failure[0]
        return self

    async def _listen(self) -> None:
        context = self._authority.server_context(*self._host_names)
        control = Control(self)

        def port(service: str, respond: Any, **more: Any) -> Port:
            return Port(service, respond, self.clock, self.knobs, self._faults, self.log, **more)

        def elsewhere_url() -> str:
            return self.elsewhere_url

        self._ports = {
            "elsewhere": port("elsewhere", lambda call: json_reply(200, {"value": []})),
            "entra": port(
                "entra", self._entra.respond, latency=lambda: self.knobs.entra_latency, elsewhere=elsewhere_url
            ),
            "metadata": port("metadata", self._metadata.respond, control=control.respond, elsewhere=elsewhere_url),
            "api": port("api", self._respond_api, latency=lambda: self.knobs.latency, elsewhere=elsewhere_url),
        }
        for service, item in self._ports.items():
            await item.start(self._requested_ports.get(service, 0), None if service == "metadata" else context)
            if service == "elsewhere":
                self._api = Api(self._fleet, self.knobs, self._tokens, item.url)

    def _respond_api(self, call: Call) -> Reply:
        if self._api is None:
            raise RuntimeError("the emulator has not been started")
        reply = self._api.respond(call)
        return reply if self._rewrite is None else replace(reply, body=self._rewrite(reply.body))

    async def _shut_down(self) -> None:
        await asyncio.gather(*(item.stop() for item in self._ports.values()))
        tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def stop(self) -> None:
        """Stop listening, discard all data and remove the temporary folder."""
        if self._thread is not None and self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._thread = None
        self._store.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> Emulator:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    # --- URLs and credentials ---

    @property
    def api_url(self) -> str:
        """The origin of the API, without ``/api``."""
        return self._ports["api"].url

    @property
    def authority_host(self) -> str:
        """The origin of the sign-in service."""
        return self._ports["entra"].url

    @property
    def metadata_url(self) -> str:
        """The origin of the managed identity endpoints (plain HTTP) and of the HTTP control."""
        return self._ports["metadata"].url

    @property
    def elsewhere_url(self) -> str:
        """Another origin, which must never receive a request."""
        return self._ports["elsewhere"].url

    @property
    def ports(self) -> dict[str, Port]:
        """The services by origin, for requests that do not use a socket."""
        return {port.url: port for port in self._ports.values()}

    @property
    def control_url(self) -> str:
        """The root URL of the HTTP control."""
        return f"{self.metadata_url}/_emulator"

    @property
    def ca_path(self) -> str:
        """The path of the CA certificate (PEM)."""
        return str(self._folder / "ca.pem")

    @property
    def client_id(self) -> str:
        """The client ID of the app ``runbook``, which may offboard and read."""
        return self._runbook.client_id

    @property
    def client_secret(self) -> str:
        """The client secret of the app ``runbook``."""
        return str(self._runbook.secret)

    @property
    def identity_client_id(self) -> str:
        """The client ID of the user-assigned managed identity."""
        return self._metadata.user_client_id

    @property
    def identity_header(self) -> str:
        """The value of IDENTITY_HEADER in an App Service."""
        return self._metadata.identity_header

    @property
    def arc_key_path(self) -> str:
        """The path of the key file that the challenge of an Arc machine names."""
        return str(self._metadata.arc_key_file())

    @property
    def certificate_password(self) -> str:
        """The password of the PFX file."""
        return "made-up-password"

    @cached_property
    def certificate_path(self) -> str:
        """The path of a PEM file with a key and a certificate of the app ``runbook``. Created on first use."""
        path = self._folder / "runbook.pem"
        path.write_bytes(self._key_pair.pem())
        path.chmod(0o600)
        return str(path)

    @cached_property
    def certificate_pfx_path(self) -> str:
        """The path of a PFX file with the same key and certificate."""
        path = self._folder / "runbook.pfx"
        path.write_bytes(self._key_pair.pfx(self.certificate_password))
        path.chmod(0o600)
        return str(path)

    @cached_property
    def _key_pair(self) -> KeyPair:
        pair = KeyPair.make("runbook.corp.example")
        self._runbook.certificates.append(pair.certificate)
        return pair

    @cached_property
    def federated_token_file(self) -> str:
        """The path of a JWT of an identity provider that the app ``runbook`` trusts. Created on first use."""
        path = self._folder / "federated-token"
        path.write_text(self.federated_token(), encoding="ascii")
        return str(path)

    @cached_property
    def _provider(self) -> tuple[Federated, Any]:
        key = ec.generate_private_key(ec.SECP256R1())
        trust = Federated("https://idp.example.test/", "system:serviceaccount:ops:runbook", key.public_key())
        self._runbook.federated.append(trust)
        return trust, key

    def federated_token(self, **claims: Any) -> str:
        """Return a JWT of the trusted identity provider, with real times. Keyword arguments replace claims."""
        trust, key = self._provider
        now = int(time.time())
        values = {
            "iss": trust.issuer,
            "sub": trust.subject,
            "aud": trust.audience,
            "iat": now,
            "nbf": now,
            "exp": now + 3600,
        }
        return jwt.encode({**values, **claims}, key, algorithm="ES256", headers={"kid": "made-up"})

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which the collection uses this emulator."""
        return {
            "MDE_TENANT_ID": self.tenant_id,
            "MDE_CLIENT_ID": self.client_id,
            "MDE_CLIENT_SECRET": self.client_secret,
            "MDE_API_URL": self.api_url,
            "MDE_AUTHORITY_HOST": self.authority_host,
            "MDE_INSTANCE_DISCOVERY": "false",
            "MDE_CA_PATH": self.ca_path,
        }

    def identity_environment(self, kind: str) -> dict[str, str]:
        """Return the environment variables of a managed identity's host: ``imds``, ``app_service`` or ``arc``."""
        if kind == "imds":
            return {"AZURE_POD_IDENTITY_AUTHORITY_HOST": self.metadata_url}
        if kind == "app_service":
            return {"IDENTITY_ENDPOINT": self.metadata_url + APP_SERVICE_PATH, "IDENTITY_HEADER": self.identity_header}
        if kind == "arc":
            return {"IDENTITY_ENDPOINT": self.metadata_url + ARC_PATH, "IMDS_ENDPOINT": self.metadata_url}
        raise ValueError("kind is imds, app_service or arc")

    def add_app(
        self,
        name: str = "app",
        roles: Iterable[str] | str = (),
        secret: str | None = None,
        client_id: str | None = None,
        secret_expired: bool = False,
        disabled: bool = False,
        certificates: Iterable[Any] = (),
        federated: Iterable[Federated] = (),
    ) -> App:
        """Register another app. ``roles="*"`` grants every role. Certificates are PEM paths, bytes, or objects."""
        app = App(name, roles=expand(list(roles) if not isinstance(roles, str) else roles))
        if secret is not None:
            app.secret = secret
        if client_id is not None:
            app.client_id = client_id
        app.secret_expired, app.disabled = secret_expired, disabled
        app.certificates = [certificate_of(item) for item in certificates]
        app.federated = list(federated)
        return self._entra.register(app)

    def grant(self, *roles: str) -> None:
        """Grant more permissions to the app ``runbook``."""
        self._runbook.roles.extend(roles)

    def token(
        self,
        client_id: str | None = None,
        roles: Iterable[str] | str | None = None,
        lifetime: float = 3600,
        audience: str = AUDIENCE,
        **claims: Any,
    ) -> str:
        """Return a signed API token without a request. Keyword arguments add claims (``scp``, ``upn``...)."""
        app = self._entra.apps.get((client_id or self.client_id).lower())
        granted = expand(roles) if roles is not None else (app.roles if app and "scp" not in claims else [])
        return self._tokens.issue(client_id or self.client_id, granted, lifetime, audience, **claims)

    # --- the tenant ---

    @property
    def devices(self) -> list[Device]:
        """All devices with their properties."""
        return self._fleet.devices()

    def device(self, key: str) -> Device:
        """Return a device by ID, or by a unique name."""
        return self._fleet.device(key)

    def machine(self, key: str) -> dict[str, Any]:
        """Return the current record of a device."""
        return self._fleet.machine(key)

    def add_device(self, device: Device) -> Device:
        """Add a device."""
        self._fleet.add([device])
        return device

    def add_devices(self, devices: Iterable[Device]) -> None:
        """Add many devices."""
        self._fleet.add(devices)

    def update_device(self, key: str, **changes: Any) -> Device:
        """Change the behavior of a device (fate, online_at, poll_seconds...), also for its active actions."""
        return self._fleet.change(key, changes)

    def update_machine(self, key: str, **fields: Any) -> dict[str, Any]:
        """Set fields of a device's record, by their JSON names."""
        with self._fleet.lock:
            self._fleet.apply_due_events()
            found = self._store.change_machine(self.device(key).id, fields)
        if found is None:
            raise KeyError(key)
        return found

    def remove_device(self, key: str) -> None:
        """Remove a device from the tenant, as the service does after months without a report."""
        self._store.hide_machine(self.device(key).id)

    def before_page(self, change: Callable[[int], None]) -> None:
        """Call ``change`` with ``$skip`` before each page of a list is read."""
        if self._api is None:
            raise RuntimeError("the emulator has not been started")
        self._api.lists.before_page = change

    def rewrite_responses(self, change: Callable[[bytes], bytes]) -> None:
        """Replace the body of each API response with the result of ``change``. The data of the service is unchanged."""
        self._rewrite = change

    def actions(self, machine_id: str | None = None) -> list[dict[str, Any]]:
        """Return the JSON of all actions (of a device), newest first."""
        return self._fleet.actions(machine_id)

    def action(self, action_id: str) -> dict[str, Any]:
        """Return the JSON of one action."""
        return next(item for item in self.actions() if item["id"] == action_id)

    def add_action(
        self,
        machine_id: str,
        type: str = "Offboard",
        status: str = "Succeeded",
        age: Span = 0.0,
        comment: str = "CHG-0001 decommission",
        requestor: str | None = None,
        ended_age: Span | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        """Store an action as if it had been requested earlier."""
        item = HistoryAction(status, age, ended_age, type, comment, requestor, **more)
        return self._fleet.add_past_action(machine_id, item)

    def move_action(self, action_id: str, status: str) -> dict[str, Any]:
        """Set another status of an active action immediately."""
        return self._fleet.move(action_id, status)

    def cancel_action(self, action_id: str, comment: str | None = None, requestor: str | None = None) -> dict[str, Any]:
        """Cancel an action as another user."""
        return self._fleet.cancel(action_id, comment, requestor or self.client_id)

    def advance(self, seconds: float) -> float:
        """Advance the clock and return its time."""
        return self.clock.advance(seconds)

    # --- quotas, faults and the log ---

    def use_quota_as_other_app(self, count: int, app: str | None = None) -> int:
        """Make calls as another program with the same app (a client ID). Returns how many calls the quotas allowed."""
        if self._api is None:
            raise RuntimeError("the emulator has not been started")
        return self._api.quota.take_some(f"{app or self.client_id}|{self.tenant_id}", self.clock.now(), count)

    def fault(
        self, service: str = "api", method: str | None = None, path: str = "", kind: str = "500", **more: Any
    ) -> Fault:
        """Inject a fault. See Fault for rules and kinds."""
        return self._faults.add(service=service, method=method, path=path, kind=str(kind), **more)

    def clear_faults(self) -> None:
        """Remove all fault rules."""
        self._faults.clear()

    def calls(self, service: str | None = "api", method: str | None = None, path: str = "") -> list[Exchange]:
        """Return the logged requests of a service (None: all services), of a method, with this text in the path."""
        return [
            item
            for item in list(self.log)
            if (service is None or item.service == service)
            and (method is None or item.method == method.upper())
            and path.lower() in item.path.lower()
        ]

    def forget(self) -> None:
        """Clear the log, the fault rules, the quotas and the read counters. Knobs and devices stay."""
        self.log.clear()
        self._faults.clear()
        if self._api is not None:
            self._api.forget()

    def state(self) -> dict[str, Any]:
        """Return URLs and IDs, for other processes."""
        return {
            "api_url": self.api_url,
            "authority_host": self.authority_host,
            "metadata_url": self.metadata_url,
            "elsewhere_url": self.elsewhere_url,
            "control_url": self.control_url,
            "ca_path": self.ca_path,
            "tenant_id": self.tenant_id,
            "tenant_domain": self.tenant_domain,
            "client_id": self.client_id,
            "client_secret": self.client_secret,
            "certificate_path": self.certificate_path,
            "certificate_pfx_path": self.certificate_pfx_path,
            "certificate_password": self.certificate_password,
            "federated_token_file": self.federated_token_file,
            "identity_client_id": self.identity_client_id,
            "identity_header": self.identity_header,
            "environment": self.environment(),
        }

    def reset(self) -> None:
        """Reset scenario, knobs and log to their state at the start. The clock and the URLs stay."""
        with self._fleet.lock:
            self.forget()
            for name, value in Knobs().as_dict().items():
                setattr(self.knobs, name, value)
            self._store.clear()
            self._fleet.clear()
            self._load()


def _scenario(value: str | Path | Scenario | Sequence[Device] | None) -> Scenario:
    if value is None:
        return Scenario()
    if isinstance(value, Scenario):
        return value
    if isinstance(value, (str, Path)):
        return load_scenario(value)
    return Scenario(devices=list(value))
