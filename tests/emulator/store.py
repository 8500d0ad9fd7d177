# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Machines and actions in a temporary SQLite database: the columns for filters, and the JSON of each record."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterable
from typing import Any

from .odata import Entity, Property
from .times import iso, parse_iso

Record = dict[str, Any]

MACHINE_COLUMNS = (
    "id",
    "computerDnsName",
    "version",
    "deviceValue",
    "aadDeviceId",
    "lastSeen",
    "exposureLevel",
    "onboardingStatus",
    "lastIpAddress",
    "healthStatus",
    "osPlatform",
    "riskScore",
    "rbacGroupId",
)
ACTION_COLUMNS = (
    "id",
    "status",
    "machineId",
    "type",
    "requestor",
    "creationDateTimeUtc",
    "lastUpdateDateTimeUtc",
    "externalId",
)
_NO_CASE = ("id", "computerDnsName", "aadDeviceId", "machineId")
_DATES = ("lastSeen", "creationDateTimeUtc", "lastUpdateDateTimeUtc")


def _property(name: str) -> Property:
    kind = "string"
    if name in _DATES:
        kind = "date"
    elif name == "rbacGroupId":
        kind = "group"
    elif name == "aadDeviceId":
        kind = "guid"
    return Property(name, kind, name in _NO_CASE)


MACHINES = Entity(
    "microsoft.windowsDefenderATP.api.Machine",
    "machines",
    {**{name.lower(): _property(name) for name in MACHINE_COLUMNS}, "machinetags": Property("machineTags", "tags")},
)
# In the service's own $metadata the ID of an action is a GUID, and the ID of a machine is a string.
ACTIONS = Entity(
    "microsoft.windowsDefenderATP.api.MachineAction",
    "actions",
    {
        **{name.lower(): _property(name) for name in ACTION_COLUMNS},
        "id": Property("id", "guid", any_case=True, literals="action_id_literal"),
    },
)


def _columns(names: Iterable[str]) -> str:
    parts = []
    for name in names:
        kind = "INTEGER" if name in (*_DATES, "rbacGroupId") else "TEXT"
        parts.append(f'"{name}" {kind}{" COLLATE NOCASE" if name in _NO_CASE else ""}')
    return ", ".join(parts)


_SCHEMA = f"""
CREATE TABLE machines (seq INTEGER PRIMARY KEY, reporting INTEGER NOT NULL, listed INTEGER NOT NULL,
                       readable INTEGER NOT NULL, json TEXT NOT NULL, {_columns(MACHINE_COLUMNS)});
CREATE UNIQUE INDEX machines_id ON machines (id);
CREATE INDEX machines_name ON machines (computerDnsName);
CREATE INDEX machines_name_exact ON machines (computerDnsName COLLATE BINARY);
CREATE INDEX machines_aad ON machines (aadDeviceId);
CREATE INDEX machines_seen ON machines (lastSeen);
CREATE INDEX machines_reporting ON machines (reporting, lastSeen);
CREATE TABLE tags (machine INTEGER NOT NULL, tag TEXT NOT NULL);
CREATE INDEX tags_machine ON tags (machine);
CREATE INDEX tags_tag ON tags (tag);
CREATE TABLE addresses (machine INTEGER NOT NULL, address TEXT NOT NULL);
CREATE INDEX addresses_machine ON addresses (machine);
CREATE INDEX addresses_address ON addresses (address);
CREATE TABLE actions (seq INTEGER PRIMARY KEY, posted INTEGER NOT NULL, json TEXT NOT NULL, {_columns(ACTION_COLUMNS)});
CREATE UNIQUE INDEX actions_id ON actions (id);
CREATE INDEX actions_machine ON actions (machineId, creationDateTimeUtc);
CREATE INDEX actions_created ON actions (creationDateTimeUtc);
CREATE INDEX actions_type ON actions (type, creationDateTimeUtc);
"""

# The result of ANALYZE in a large tenant: the average number of rows for each value of an index's columns. These are
# constants and not measurements, so that SQLite's query planner chooses the right index from the first action on.
_STATISTICS = (
    ("machines", "machines_id", "25000 1"),
    ("machines", "machines_name", "25000 2"),
    ("machines", "machines_name_exact", "25000 2"),
    ("machines", "machines_aad", "25000 2"),
    ("machines", "machines_seen", "25000 2"),
    ("machines", "machines_reporting", "25000 12500 2"),
    ("tags", "tags_machine", "25000 2"),
    ("tags", "tags_tag", "25000 500"),
    ("actions", "actions_id", "25000 1"),
    ("actions", "actions_machine", "25000 2 1"),
    ("actions", "actions_created", "25000 2"),
    ("actions", "actions_type", "25000 12500 2"),
)


def _cell(name: str, value: Any) -> Any:
    if value is not None and name in _DATES:
        return parse_iso(value)
    return value


def _insert(table: str, fixed: tuple[str, ...], names: tuple[str, ...]) -> str:
    columns = (*fixed, "json", *names)
    quoted = ", ".join(f'"{name}"' for name in columns)
    return f"INSERT INTO {table} ({quoted}) VALUES ({', '.join('?' * len(columns))})"


_INSERT_MACHINE = _insert("machines", ("seq", "reporting", "listed", "readable"), MACHINE_COLUMNS)
_INSERT_ACTION = _insert("actions", ("posted",), ACTION_COLUMNS)


class Store:
    """The tables. Every method may be called from any thread; `lock` groups several calls."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        # The empty name is a private temporary file. SQLite writes to it only if a tenant does not fit into its cache.
        # With ":memory:", SQLite searches all changed pages for each new page: the last of 100,000 actions took four
        # times as long as the first.
        self._db = sqlite3.connect("", check_same_thread=False, isolation_level=None)
        self._db.executescript("PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;" + _SCHEMA)
        self._db.execute("ANALYZE")
        self._db.executemany("INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES (?, ?, ?)", _STATISTICS)
        self._db.execute("ANALYZE sqlite_master")
        self._machines = 0

    def close(self) -> None:
        """Close the database and discard its content."""
        with self.lock:
            self._db.close()

    def clear(self) -> None:
        """Delete all machines and actions."""
        with self.lock:
            for table in ("machines", "tags", "addresses", "actions"):
                self._db.execute(f"DELETE FROM {table}")
            self._machines = 0

    def all(self, sql: str, values: Iterable[Any] = ()) -> list[Any]:
        """Return all rows of a query."""
        with self.lock:
            return self._db.execute(sql, tuple(values)).fetchall()

    def one(self, sql: str, values: Iterable[Any] = ()) -> Any:
        """Return the first row of a query, or None."""
        with self.lock:
            return self._db.execute(sql, tuple(values)).fetchone()

    # --- machines ---

    def add_machines(self, rows: Iterable[tuple[Record, bool, bool, bool]]) -> None:
        """Insert records, each with three flags: reports daily, appears in lists, can be read by ID."""
        with self.lock:
            machines: list[tuple[Any, ...]] = []
            tags: list[tuple[int, str]] = []
            addresses: list[tuple[int, str]] = []
            for record, reporting, listed, readable in rows:
                self._machines += 1
                seq = self._machines
                cells = [_cell(name, record.get(name)) for name in MACHINE_COLUMNS]
                machines.append((seq, reporting, listed, readable, _dump(record), *cells))
                tags.extend((seq, tag) for tag in record.get("machineTags") or ())
                addresses.extend((seq, address) for address in _addresses(record))
            self._db.execute("BEGIN")
            try:
                self._db.executemany(_INSERT_MACHINE, machines)
                self._db.executemany("INSERT INTO tags VALUES (?, ?)", tags)
                self._db.executemany("INSERT INTO addresses VALUES (?, ?)", addresses)
            except sqlite3.Error:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def machine(self, machine_id: str) -> Record | None:
        """Return a machine's record by ID."""
        row = self.one("SELECT json FROM machines WHERE id = ?", (machine_id,))
        return json.loads(row[0]) if row else None

    def machine_cells(self, machine_id: str, *names: str) -> tuple[Any, ...] | None:
        """Return some columns of a machine by ID. This is much cheaper than reading its record."""
        columns = ", ".join(f'"{name}"' for name in names)
        found: tuple[Any, ...] | None = self.one(f"SELECT {columns} FROM machines WHERE id = ?", (machine_id,))
        return found

    def machine_text(self, machine_id: str) -> str | None:
        """Return the JSON of a machine if it can be read by ID."""
        row = self.one("SELECT json FROM machines WHERE id = ? AND readable", (machine_id,))
        return str(row[0]) if row else None

    def change_machine(self, machine_id: str, changes: Record, reporting: bool | None = None) -> Record | None:
        """Set fields of a record, and whether it reports daily."""
        with self.lock:
            row = self.one("SELECT seq, json, reporting FROM machines WHERE id = ?", (machine_id,))
            if row is None:
                return None
            record: Record = json.loads(row[1])
            record.update(changes)
            names = [name for name in MACHINE_COLUMNS if name in changes]
            assignments = "".join(f', "{name}" = ?' for name in names)
            cells = [_cell(name, changes[name]) for name in names]
            self._db.execute(
                f"UPDATE machines SET json = ?, reporting = ?{assignments} WHERE seq = ?",
                (_dump(record), row[2] if reporting is None else reporting, *cells, row[0]),
            )
            if "machineTags" in changes:
                self._db.execute("DELETE FROM tags WHERE machine = ?", (row[0],))
                self._db.executemany("INSERT INTO tags VALUES (?, ?)", [(row[0], tag) for tag in record["machineTags"]])
            return record

    def hide_machine(self, machine_id: str) -> None:
        """Hide a machine from lists and from reads by ID."""
        with self.lock:
            self._db.execute("UPDATE machines SET listed = 0, readable = 0 WHERE id = ?", (machine_id,))

    def next_report(self) -> int | None:
        """Return the oldest lastSeen, in ticks, of the machines that report daily."""
        row = self.one("SELECT MIN(lastSeen) FROM machines WHERE reporting = 1")
        return None if row is None or row[0] is None else int(row[0])

    def report(self, now: int, interval: int) -> None:
        """Advance lastSeen of all reporting machines by complete intervals."""
        with self.lock:
            due = self.all(
                "SELECT seq, lastSeen, json FROM machines WHERE reporting = 1 AND lastSeen <= ?", (now - interval,)
            )
            changes = []
            for seq, seen, text in due:
                seen += (now - seen) // interval * interval
                record = json.loads(text)
                record["lastSeen"] = iso(seen)
                changes.append((seen, _dump(record), seq))
            self._db.execute("BEGIN")
            self._db.executemany("UPDATE machines SET lastSeen = ?, json = ? WHERE seq = ?", changes)
            self._db.execute("COMMIT")

    # --- actions ---

    def add_actions(self, rows: Iterable[tuple[Record, bool]]) -> None:
        """Insert actions, each with a flag: created by a POST, so that the list lag applies to it."""
        with self.lock:
            cells = [
                (posted, _dump(record), *(_cell(name, record.get(name)) for name in ACTION_COLUMNS))
                for record, posted in rows
            ]
            if len(cells) == 1:  # one statement is a transaction of its own
                self._db.execute(_INSERT_ACTION, cells[0])
                return
            self._db.execute("BEGIN")
            try:
                self._db.executemany(_INSERT_ACTION, cells)
            except sqlite3.Error:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def action(self, action_id: str) -> Record | None:
        """Return an action's record by ID."""
        row = self.one("SELECT json FROM actions WHERE id = ?", (action_id,))
        return json.loads(row[0]) if row else None

    def change_action(self, action_id: str, changes: Record) -> Record:
        """Set fields of an action."""
        with self.lock:
            record = self.action(action_id)
            if record is None:
                raise KeyError(action_id)
            record.update(changes)
            names = [name for name in ACTION_COLUMNS if name in changes]
            assignments = "".join(f', "{name}" = ?' for name in names)
            cells = [_cell(name, changes[name]) for name in names]
            self._db.execute(
                f"UPDATE actions SET json = ?{assignments} WHERE id = ?", (_dump(record), *cells, action_id)
            )
            return record


def _dump(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False)


def _addresses(record: Record) -> set[str]:
    found = {record.get("lastIpAddress"), record.get("lastExternalIpAddress")}
    found.update(item.get("ipAddress") for item in record.get("ipAddresses") or ())
    return {item for item in found if item}
