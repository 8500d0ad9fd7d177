# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The life cycle of devices and their actions. It is computed on request, not in the background."""

from __future__ import annotations

import heapq
import itertools
import json
import uuid
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from .clock import Clock
from .devices import Device, HistoryAction, record
from .errors import ApiError, not_found
from .knobs import Knobs
from .store import Record, Store
from .times import DAY, TICKS, age_to_ticks, from_ticks, iso, parse_iso, to_ticks

FINAL = ("Succeeded", "Failed", "TimeOut", "Cancelled")
STATUSES = ("Pending", "InProgress", *FINAL)
# The reason why the service refuses to offboard a device, by fate.
UNSUPPORTED = {"unsupported_os": "OsPlatformNotSupported", "old_client": "ClientVersionNotSupported"}
TIMED_OUT = -2145844840
ABORTED = -2147467260
_REPORT = int(DAY) * TICKS
_KEYS = ("cancellationRequestor", "cancellationComment", "cancellationDateTimeUtc")


class Fleet:
    """Devices, their records and actions, and their future events."""

    def __init__(self, clock: Clock, knobs: Knobs, store: Store, requestor: str) -> None:
        self.clock = clock
        self.knobs = knobs
        self.store = store
        self.lock = store.lock
        self._requestor = requestor
        self._devices: dict[str, Device] = {}
        self._names: dict[str, list[str]] = {}
        self._offboarded: set[str] = set()  # offboarded since the start of the emulator: no longer polling
        self._lives: dict[str, int] = {}  # how often a device came back: events of an earlier life are ignored
        self._plans: dict[str, int] = {}  # the current plan of each action: events of an earlier plan are ignored
        self._events: list[tuple[float, int, str, str, int]] = []
        self._exclusions: dict[str, Record] = {}  # requested, but not visible yet
        self._order = itertools.count()
        self._last_tick = 0
        self._next_report: int | None = None

    # --- devices ---

    def add(self, devices: Iterable[Device]) -> None:
        """Add devices, with their history."""
        with self.lock:
            now = self.clock.now()
            rows: list[tuple[Record, bool, bool, bool]] = []
            actions: list[tuple[Record, bool]] = []
            added: list[tuple[Device, Record, list[Record], bool]] = []
            for device in devices:
                key = device.id.lower()
                if key in self._devices:
                    raise ValueError(f"a device with the ID {device.id} already exists")
                wire = record(device, now)
                fate = device.resolved_fate(now)
                history = sorted(
                    (self._past_action(device, wire, item, now) for item in device.history), key=lambda item: item[0]
                )
                actions.extend((action, False) for _age, action in history)
                reporting = self._reports(device, wire, fate, now, [action for _age, action in history])
                rows.append((wire, reporting, device.listed, device.readable))
                self._devices[key] = device
                self._names.setdefault((device.name or "").lower(), []).append(key)
                added.append((device, wire, [action for _age, action in history], reporting))
            self.store.add_machines(rows)
            if actions:
                self.store.add_actions(actions)
            self._next_report = self.store.next_report()
            for device, wire, past, reporting in added:
                self._schedule_events(device, wire, past, reporting, now)

    def clear(self) -> None:
        """Delete all devices and events."""
        with self.lock:
            self._devices.clear()
            self._names.clear()
            self._offboarded.clear()
            self._lives.clear()
            self._plans.clear()
            self._events.clear()
            self._exclusions.clear()
            self._next_report = None

    def _reports(self, device: Device, wire: Record, fate: str, now: float, past: list[Record]) -> bool:
        """Whether a device continues to report daily."""
        if fate == "offline" or wire.get("onboardingStatus") != "Onboarded" or not wire.get("lastSeen"):
            return False
        seen = parse_iso(wire["lastSeen"])
        if to_ticks(now) - seen > _REPORT or wire.get("healthStatus") == "Inactive":
            return False
        return not any(
            action["type"] == "Offboard"
            and action["status"] == "Succeeded"
            and parse_iso(action["lastUpdateDateTimeUtc"]) > seen - _REPORT
            for action in past
        )

    def _schedule_events(self, device: Device, wire: Record, past: list[Record], reporting: bool, now: float) -> None:
        """Schedule the events of a device that was just added."""
        if not reporting and wire.get("healthStatus") == "Active" and wire.get("lastSeen"):
            due = from_ticks(parse_iso(wire["lastSeen"])) + self.knobs.inactive_delay
            if due > now:
                self._schedule(due, "inactive", device.id, self._life(device.id))
        if device.online_at is not None and device.fate == "offline":
            self._schedule(self.clock.start + device.online_at, "online", device.id, self._life(device.id))
        for action in past:
            if action["status"] not in FINAL:
                self._plan(device, action, now)

    def device(self, key: str) -> Device:
        """Return a device by ID, or by a unique name. Raises KeyError."""
        with self.lock:
            found = self._devices.get(key.lower())
            if found is not None:
                return found
            ids = self._names.get(key.lower(), [])
            if len(ids) != 1:
                raise KeyError(f"{len(ids)} devices are called {key!r}")
            return self._devices[ids[0]]

    def devices(self) -> list[Device]:
        """Return all devices."""
        with self.lock:
            return list(self._devices.values())

    def knows(self, machine_id: str) -> bool:
        """Whether a device with this ID exists."""
        return machine_id.lower() in self._devices

    def change(self, key: str, changes: dict[str, Any]) -> Device:
        """Change the behavior of a device (its fate and times) and plan its active actions again."""
        with self.lock:
            self.apply_due_events()
            device = replace(self.device(key), **changes)
            self._devices[device.id.lower()] = device
            if changes.get("fate") == "online":
                self._offboarded.discard(device.id.lower())
            for (text,) in self.store.all("SELECT id FROM actions WHERE machineId = ?", (device.id,)):
                action = self.store.action(text)
                if action is not None and action["status"] not in FINAL:
                    self._plan(device, action, self.clock.now())
            return device

    # --- time ---

    def apply_due_events(self) -> None:
        """Apply all events whose time has come."""
        with self.lock:
            now = self.clock.now()
            while self._events and self._events[0][0] <= now:
                at, _order, kind, key, version = heapq.heappop(self._events)
                self._apply_event(at, kind, key, version)
            ticks = to_ticks(now)
            if self._next_report is not None and ticks - self._next_report >= _REPORT:
                self.store.report(ticks, _REPORT)
                self._next_report = self.store.next_report()

    def _schedule(self, when: float, kind: str, key: str, version: int) -> None:
        heapq.heappush(self._events, (when, next(self._order), kind, key, version))

    def _life(self, machine_id: str) -> int:
        return self._lives.get(machine_id.lower(), 0)

    def _apply_event(self, at: float, kind: str, key: str, version: int) -> None:
        if kind == "excluded":
            self.store.change_machine(key, self._exclusions.pop(key, {}))
        elif kind in ("inactive", "can_be_onboarded", "online", "reonboard"):
            if version == self._life(key):
                self._apply_device_event(at, kind, key)
        elif version == self._plans.get(key):
            self._apply_action_event(at, kind, key)

    def _apply_device_event(self, at: float, kind: str, machine_id: str) -> None:
        if kind == "inactive":
            self.store.change_machine(machine_id, {"healthStatus": "Inactive"})
        elif kind == "can_be_onboarded":
            self.store.change_machine(machine_id, {"onboardingStatus": "CanBeOnboarded", "managedByStatus": "Unknown"})
        else:
            key = machine_id.lower()
            self._offboarded.discard(key)
            self._lives[key] = self._lives.get(key, 0) + 1
            changes = {"lastSeen": iso(to_ticks(at)), "healthStatus": "Active", "onboardingStatus": "Onboarded"}
            if kind == "online":
                del changes["onboardingStatus"]
            self.store.change_machine(machine_id, changes, reporting=True)
            self._next_report = self.store.next_report()

    def _apply_action_event(self, at: float, kind: str, action_id: str) -> None:
        found = self.store.one("SELECT status, type, machineId FROM actions WHERE id = ?", (action_id,))
        if found is None or found[0] in FINAL:
            return
        _status, action_type, machine_id = found
        changes: Record = {"lastUpdateDateTimeUtc": iso(to_ticks(at))}
        if kind == "poll":
            changes["status"] = "InProgress"
        elif kind == "ack":
            changes["status"] = "Succeeded"
        elif kind == "fail":
            device = self._devices.get(machine_id.lower())
            changes.update(status="Failed", errorHResult=device.error_hresult if device else -2147467259)
        elif kind == "timeout":
            changes.update(status="TimeOut", errorHResult=TIMED_OUT)
        elif kind == "cancel":
            stamp = to_ticks(at)
            changes.update(
                status="Cancelled",
                errorHResult=ABORTED,
                cancellationDateTimeUtc=iso(stamp - 1),
                lastUpdateDateTimeUtc=iso(stamp),
            )
        self.store.change_action(action_id, changes)
        if kind == "ack" and action_type == "Offboard":
            self._stop_sensor(machine_id, at)

    def _stop_sensor(self, machine_id: str, at: float) -> None:
        """Stop the sensor. At first the only change is that the device no longer reports."""
        key = machine_id.lower()
        found = self.store.machine_cells(machine_id, "reporting", "lastSeen", "onboardingStatus", "healthStatus")
        if found is None:
            return
        reporting, seen, onboarding, health = found
        changes: Record = {}
        if reporting and seen:
            seen += max(0, to_ticks(at) - seen) // _REPORT * _REPORT
            changes["lastSeen"] = iso(seen)
        self.store.change_machine(machine_id, changes, reporting=False)
        self._next_report = self.store.next_report()
        self._offboarded.add(key)
        life = self._life(machine_id)
        if onboarding == "Onboarded":
            self._schedule(at + self.knobs.onboarding_delay, "can_be_onboarded", machine_id, life)
        if health != "Inactive":
            self._schedule(at + self.knobs.inactive_delay, "inactive", machine_id, life)
        device = self._devices[key]
        if device.reonboard_after is not None:
            self._schedule(at + device.reonboard_after, "reonboard", machine_id, life)

    def _next_action_time(self) -> int:
        """Return the time of a new action: now, but at least 41 ticks after the previous action."""
        self._last_tick = max(to_ticks(self.clock.now()), self._last_tick + 41)
        return self._last_tick

    # --- actions ---

    def _new_action(self, machine_id: str, name: Any, created: int, **values: Any) -> Record:
        """Return an action with its twenty fields, in the order of the real service."""
        action: Record = {
            "id": str(uuid.uuid4()),
            "type": "Offboard",
            "title": None,
            "requestor": self._requestor,
            "requestorComment": "",
            "status": "Pending",
            "machineId": machine_id,
            "computerDnsName": name,
            "creationDateTimeUtc": iso(created),
            "lastUpdateDateTimeUtc": iso(created + 7 + created % 28),
            "cancellationRequestor": None,
            "cancellationComment": None,
            "cancellationDateTimeUtc": None,
            "errorHResult": 0,
            "scope": None,
            "externalId": None,
            "requestSource": "PublicApi",
            "relatedFileInfo": None,
            "commands": [],
            "troubleshootInfo": None,
        }
        action.update(values)
        return action

    def _past_action(self, device: Device, wire: Record, item: HistoryAction, now: float) -> tuple[float, Record]:
        ticks = age_to_ticks(item.age, now, f"{device.id}{item.type}{item.status}")
        created = from_ticks(ticks)
        if item.status not in STATUSES:
            raise ValueError(f"status is one of {', '.join(STATUSES)}, not {item.status!r}")
        if item.ended_age is not None:
            ended = from_ticks(age_to_ticks(item.ended_age, now, f"{device.id}{item.type}"))
        else:
            ended = created + {"Pending": 0.000002, "InProgress": 5.0, "TimeOut": self.knobs.action_timeout}.get(
                item.status, 11.5
            )
        hresult = {"TimeOut": TIMED_OUT, "Cancelled": ABORTED, "Failed": device.error_hresult}.get(item.status, 0)
        requestor = item.requestor or self._requestor
        values: Record = {
            "type": item.type,
            "requestor": requestor,
            "requestorComment": item.comment,
            "status": item.status,
            "lastUpdateDateTimeUtc": iso(to_ticks(ended)),
            "errorHResult": hresult if item.error_hresult is None else item.error_hresult,
            "externalId": item.external_id,
            "requestSource": item.request_source,
        }
        if item.status == "Cancelled":
            values.update(zip(_KEYS, (requestor, "not needed", iso(to_ticks(ended) - 1)), strict=False))
        if item.id:
            values["id"] = item.id
        name = (wire.get("computerDnsName") or "").lower() or None
        return created, self._new_action(device.id, name, ticks, **values)

    def add_past_action(self, machine_id: str, item: HistoryAction) -> Record:
        """Store an action as if it had been requested earlier."""
        with self.lock:
            self.apply_due_events()
            now = self.clock.now()
            device = self._devices.get(machine_id.lower()) or Device(id=machine_id, name=None, not_onboarded=True)
            wire = self.store.machine(machine_id) or {}
            _age, action = self._past_action(device, wire, item, now)
            self.store.add_actions([(action, False)])
            if action["status"] not in FINAL:
                self._plan(device, action, now)
            elif wire and action["type"] == "Offboard" and action["status"] == "Succeeded":
                seen = parse_iso(wire["lastSeen"]) if wire.get("lastSeen") else 0
                if parse_iso(action["lastUpdateDateTimeUtc"]) > seen - _REPORT:
                    self.store.change_machine(device.id, {}, reporting=False)
                    self._next_report = self.store.next_report()
            return action

    def _plan(self, device: Device, action: Record, now: float, onboarding: str | None = None) -> None:
        """Plan the events of an active action. Without ``onboarding``, the device's onboarding status is read."""
        key = action["id"]
        plan = self._plans[key] = next(self._order)
        created = from_ticks(parse_iso(action["creationDateTimeUtc"]))
        deadline = created + self.knobs.action_timeout
        if deadline <= now:
            return  # stuck: its status never changes
        self._schedule(deadline, "timeout", key, plan)
        fate = device.resolved_fate(self.clock.start)
        if onboarding is None:
            found = self.store.machine_cells(device.id, "onboardingStatus")
            onboarding = found[0] or "Onboarded" if found else "gone"
        if device.id.lower() in self._offboarded or onboarding != "Onboarded":
            return
        ready = now
        if fate == "offline":
            if device.online_at is None:
                return
            ready = max(now, self.clock.start + device.online_at)
        polled = ready if action["status"] == "InProgress" else ready + device.poll_seconds
        if polled >= deadline:
            return
        if action["status"] != "InProgress":
            self._schedule(polled, "poll", key, plan)
        if fate != "never_answers" and polled + device.ack_seconds < deadline:
            self._schedule(polled + device.ack_seconds, "fail" if fate == "fails" else "ack", key, plan)

    def active(self, machine_id: str, kind: str = "Offboard") -> Record | None:
        """Return the newest action of a type that is not finished and not stuck."""
        rows = self.store.all(
            "SELECT id FROM actions WHERE machineId = ? AND type = ? AND status IN ('Pending', 'InProgress') "
            "AND creationDateTimeUtc > ? ORDER BY creationDateTimeUtc DESC",
            (machine_id, kind, to_ticks(self.clock.now() - self.knobs.action_timeout)),
        )
        return self.store.action(rows[0][0]) if rows else None

    def offboard(self, machine_id: str, requestor: str, **values: Any) -> Record:
        """Create an offboard action, or refuse it. ``values`` are fields of its record. Raises ApiError."""
        with self.lock:
            self.apply_due_events()
            device = self._devices.get(machine_id.lower())
            found = self.store.machine_cells(machine_id, "onboardingStatus", "computerDnsName") if device else None
            stored = found[0] if found else None
            if device is None or found is None:
                if self.knobs.unknown_device_offboard == 404:
                    raise not_found("Machine", machine_id)
                device, found = Device(id=machine_id, name=None, not_onboarded=True), ("Onboarded", None)
            status, name = found
            fate = device.resolved_fate(self.clock.start)
            if fate == "unsupported_os":
                raise ApiError(400, UNSUPPORTED[fate], f"Offboard is not supported on {device.os_platform}")
            if fate == "old_client":
                raise ApiError(400, UNSUPPORTED[fate], "Offboard needs a newer client version")
            if status != "Onboarded" and self.knobs.not_onboarded_offboard == 400:
                raise ApiError(400, "BadRequest", f"Machine {device.id} is not onboarded")
            existing = self.active(device.id) if self.knobs.duplicate_mode != "create" else None
            if existing is not None:
                age = self.clock.now() - from_ticks(parse_iso(existing["creationDateTimeUtc"]))
                in_grace = self.knobs.duplicate_mode == "grace" and age <= self.knobs.duplicate_grace
                if in_grace or self.knobs.duplicate_mode == "existing":
                    return existing
                raise ApiError(400, "ActiveRequestAlreadyExists", "Action is already in progress")
            name = (name or "").lower() or None
            action = self._new_action(device.id, name, self._next_action_time(), requestor=requestor, **values)
            self.store.add_actions([(action, True)])
            self._plan(device, action, self.clock.now(), onboarding=stored)
            return action

    def act(self, machine_id: str, requestor: str, **values: Any) -> Record:
        """Create an action of another type. Raises ApiError."""
        with self.lock:
            self.apply_due_events()
            device = self._devices.get(machine_id.lower())
            if device is None:
                raise not_found("Machine", machine_id)
            if self.active(device.id, values["type"]) is not None:
                raise ApiError(400, "ActiveRequestAlreadyExists", "Action is already in progress")
            name = (device.name or "").lower() or None
            action = self._new_action(device.id, name, self._next_action_time(), requestor=requestor, **values)
            self.store.add_actions([(action, True)])
            self._plan(device, action, self.clock.now())
            return action

    def available_actions(self, machine_id: str) -> list[Record]:
        """Return what availableMachineActions returns: the actions that a device supports. Raises ApiError."""
        with self.lock:
            device = self._devices.get(machine_id.lower())
            if device is None or self.store.machine_text(machine_id) is None:
                raise not_found("Machine", machine_id)
            reason = UNSUPPORTED.get(device.resolved_fate(self.clock.start))
            return [
                {"action": "Isolate", "isAvailable": True, "notSupportedReason": None},
                {"action": "OffBoard", "isAvailable": reason is None, "notSupportedReason": reason},
            ]

    def exclude(self, machine_id: str, excluded: bool, reason: str) -> Record:
        """Exclude a device from vulnerability management, or include it. Its record changes later. Raises ApiError."""
        with self.lock:
            self.apply_due_events()
            record = self.store.machine(machine_id)
            if record is None:
                raise not_found("Machine", machine_id)
            changes = {"isExcluded": excluded, "exclusionReason": reason if excluded else None}
            if self.knobs.exclusion_delay > 0:
                self._exclusions[record["id"]] = changes
                self._schedule(
                    self.clock.now() + self.knobs.exclusion_delay, "excluded", record["id"], self._life(machine_id)
                )
            else:
                self.store.change_machine(machine_id, changes)
            return {**record, **changes}

    def cancel(self, action_id: str, comment: str | None, requestor: str) -> Record:
        """Cancel an action. Raises ApiError."""
        with self.lock:
            self.apply_due_events()
            action = self.store.action(action_id)
            if action is None:
                raise not_found("MachineAction", action_id)
            if action["status"] in FINAL:
                if self.knobs.cancel_final == 400:
                    raise ApiError(400, "BadRequest", f"Action {action_id} has already ended")
                return action
            now = self.clock.now()
            key = action["id"]
            if self.knobs.cancel_race == "succeeded":
                self._plans[key] = next(self._order)
                self._schedule(now + self.knobs.cancel_delay, "ack", key, self._plans[key])
                self.apply_due_events()
                return self.store.action(key) or action
            self.store.change_action(key, dict(zip(_KEYS[:2], (requestor, comment), strict=False)))
            self._plans[key] = next(self._order)
            self._schedule(now + self.knobs.cancel_delay, "cancel", key, self._plans[key])
            if self.knobs.cancel_race == "completes" and action["type"] == "Offboard":
                self._stop_sensor(action["machineId"], now)
            self.apply_due_events()
            return self.store.action(key) or action

    def move(self, action_id: str, status: str) -> Record:
        """Set another status of an active action immediately, regardless of its device."""
        kinds = {
            "InProgress": "poll",
            "Succeeded": "ack",
            "Failed": "fail",
            "TimeOut": "timeout",
            "Cancelled": "cancel",
        }
        with self.lock:
            self.apply_due_events()
            action = self.store.action(action_id)
            if action is None:
                raise KeyError(action_id)
            if status not in kinds:
                raise ValueError(f"status is one of {', '.join(kinds)}, not {status!r}")
            self._plans[action["id"]] = next(self._order)
            self._apply_action_event(self.clock.now(), kinds[status], action["id"])
            return self.store.action(action_id) or action

    def actions(self, machine_id: str | None = None) -> list[Record]:
        """Return all actions (of a machine), newest first."""
        with self.lock:
            self.apply_due_events()
            condition = "WHERE machineId = ?" if machine_id else ""
            values = (machine_id,) if machine_id else ()
            return self.store_json(
                f"SELECT json FROM actions {condition} ORDER BY creationDateTimeUtc DESC, seq DESC", values
            )

    def machine(self, key: str) -> Record:
        """Return the current record of a device."""
        with self.lock:
            self.apply_due_events()
            found = self.store.machine(self.device(key).id)
            if found is None:
                raise KeyError(key)
            return found

    def store_json(self, sql: str, values: Iterable[Any] = ()) -> list[Record]:
        """Return the decoded records of a query for JSON text."""
        return [json.loads(row[0]) for row in self.store.all(sql, values)]
