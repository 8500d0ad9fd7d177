# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random tables of devices, like exported and edited lists, with IDs of other devices in other columns."""

from __future__ import annotations

import csv
import io
import random
import typing as t
import uuid
from dataclasses import dataclass

# Known headers, in several languages.
KNOWN: t.Final = {
    "device_id": ["Device ID", "DeviceId", "machineId", "device_id", "Geräte-ID", "ID de l'appareil", "デバイス ID"],
    "device_name": [
        "Device name",
        "Computer",
        "Name",
        "Hostname",
        "DNSHostName",
        "Gerätename",
        "Nom de l\u2019appareil",
    ],
    "aad_device_id": ["Azure AD Device ID", "Entra device ID", "Device AAD id", "aad_device_id"],
}
# Other headers.
DECOYS: t.Final = [
    "Replaced by", "Successor", "Successor device ID", "New device ID", "New device", "Old device ID", "UUID", "VmId", "VM ID",
    "Thumbprint", "Certificate thumbprint", "SHA1", "Serial number", "Serial", "User ID", "User", "Primary user", "Owner",
    "Owner ID", "Object ID", "Recovery key ID", "BIOS GUID", "Ticket", "Asset ID", "Ersetzt durch", "Remplacé par",
    "Αναγνωριστικό", "Intune device ID", "Correlation ID", "Manager", "Note", "Tags", "", "Seriennummer",
]  # fmt: skip


class KnownDevice(t.Protocol):
    """The identifiers of a device in a table."""

    @property
    def id(self) -> str:
        """The device ID."""

    @property
    def name(self) -> str | None:
        """The name, if the record has one."""

    @property
    def aad_device_id(self) -> str | None:
        """The Entra device ID, if the record has one."""


@dataclass(frozen=True)
class Table:
    text: str
    header: tuple[str, ...]
    fields: tuple[str, ...]
    """The fields of the known headers."""


def random_table(rng: random.Random, devices: t.Sequence[KnownDevice], others: t.Sequence[KnownDevice]) -> Table:
    """Return a table with a row for each device, in their order. It can have no known header."""
    fields = rng.sample(sorted(KNOWN), rng.choice([0, 1, 1, 1, 2, 2, 3]))
    columns = [(rng.choice(KNOWN[field]), field) for field in fields]
    if "device_name" in fields and rng.random() < 0.3:
        columns.append((rng.choice(["fqdn", "displayName", "Machine"]), "short_name"))
    columns += [(header, "") for header in rng.sample(DECOYS, rng.randint(1 if fields else 2, 4))]
    rng.shuffle(columns)
    header = [name for name, _field in columns]
    kinds = [rng.choice(_KINDS) for _column in columns]
    rows = [
        [_cell(rng, device, field, kind, others) for (_header, field), kind in zip(columns, kinds, strict=True)]
        for device in devices
    ]
    last = max((index for index, (_header, field) in enumerate(columns) if field), default=len(columns))
    for row in rows:  # spreadsheets omit trailing cells; some rows have too few or too many cells
        if rng.random() < 0.2:
            del row[rng.randint(last, len(columns)) + 1 :]
        elif rng.random() < 0.03:
            row.insert(rng.randrange(len(row)), rng.choice(others).id)
    text = io.StringIO()
    delimiter = rng.choice(",;\t|")
    csv.writer(text, delimiter=delimiter, quoting=rng.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])).writerows(
        [header, *rows]
    )
    return Table(text.getvalue(), tuple(header), tuple(fields))


_KINDS: t.Final = ("id", "page", "name", "entra", "guid", "hex", "number", "words", "mixed")


def _cell(rng: random.Random, device: KnownDevice, field: str, kind: str, others: t.Sequence[KnownDevice]) -> str:
    if field == "short_name":
        return str(device.name).partition(".")[0].upper()
    if field:
        return str(
            device.id if field == "device_id" else device.name if field == "device_name" else device.aad_device_id
        )
    other = rng.choice(others)
    cells = {
        "id": other.id,
        "page": f"https://security.microsoft.com/machines/v2/{other.id}/overview",
        "name": str(other.name),
        "entra": str(other.aad_device_id),
        "guid": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "hex": f"{rng.getrandbits(160):040x}",
        "number": str(rng.randint(1, 9999)),
        "words": "moved to the second floor",
        "mixed": "",
    }
    return cells[rng.choice([*_KINDS, "mixed"]) if kind == "mixed" else kind]
