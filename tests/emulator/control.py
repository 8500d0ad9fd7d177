# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The HTTP control: the methods of the Emulator object for other processes, over HTTP on the metadata port."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from .devices import device_from
from .errors import ApiError
from .messages import Call, Reply, json_reply

if TYPE_CHECKING:
    from .emulator import Emulator

ROOT = "/_emulator/"


class Control:
    """Handles requests to ``/_emulator/``. They are not logged."""

    def __init__(self, emulator: Emulator) -> None:
        self._emulator = emulator

    def respond(self, call: Call) -> Reply | None:
        """Return the response, or None if the path does not belong to the control."""
        if not call.path.startswith(ROOT):
            return None
        name = f"{call.method.lower()}_{call.path[len(ROOT) :].strip('/')}"
        handler = getattr(self, f"_{name}", None)
        if handler is None:
            return json_reply(404, {"error": f"unknown control request: {call.method} {call.path}"})
        try:
            return json_reply(200, handler(call))
        except (ValueError, TypeError, KeyError, StopIteration, ApiError) as error:
            return json_reply(400, {"error": str(error)})

    def _get_log(self, call: Call) -> Any:
        wanted = {name: call.first(name) for name in ("service", "method", "path")}
        found = self._emulator.calls(wanted["service"], wanted["method"], wanted["path"] or "")
        return [item.as_dict() for item in found]

    def _delete_log(self, call: Call) -> Any:
        self._emulator.log.clear()
        return {}

    def _get_knobs(self, call: Call) -> Any:
        return self._emulator.knobs.as_dict()

    def _patch_knobs(self, call: Call) -> Any:
        self._emulator.knobs.update(call.json())
        return self._emulator.knobs.as_dict()

    def _get_clock(self, call: Call) -> Any:
        clock = self._emulator.clock
        return {"now": clock.now(), "monotonic": clock.monotonic(), "real_time": clock.real_time}

    def _post_clock(self, call: Call) -> Any:
        self._emulator.clock.advance(float(call.json()["advance"]))
        return self._get_clock(call)

    def _get_devices(self, call: Call) -> Any:
        return [{"device": asdict(item), "machine": self._emulator.machine(item.id)} for item in self._emulator.devices]

    def _post_devices(self, call: Call) -> Any:
        values = call.json()
        devices = [device_from(item) for item in (values if isinstance(values, list) else [values])]
        self._emulator.add_devices(devices)
        return [item.id for item in devices]

    def _patch_devices(self, call: Call) -> Any:
        values = dict(call.json())
        return asdict(self._emulator.update_device(values.pop("key"), **values))

    def _get_actions(self, call: Call) -> Any:
        return self._emulator.actions(call.first("machine_id"))

    def _post_actions(self, call: Call) -> Any:
        return self._emulator.add_action(**call.json())

    def _patch_actions(self, call: Call) -> Any:
        values = call.json()
        return self._emulator.move_action(values["id"], values["status"])

    def _post_apps(self, call: Call) -> Any:
        app = self._emulator.add_app(**call.json())
        return {"name": app.name, "client_id": app.client_id, "secret": app.secret, "roles": app.roles}

    def _post_tokens(self, call: Call) -> Any:
        return {"access_token": self._emulator.token(**call.json())}

    def _post_faults(self, call: Call) -> Any:
        self._emulator.fault(**call.json())
        return {}

    def _delete_faults(self, call: Call) -> Any:
        self._emulator.clear_faults()
        return {}

    def _get_state(self, call: Call) -> Any:
        return self._emulator.state()

    def _post_reset(self, call: Call) -> Any:
        self._emulator.reset()
        return {}
