# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Random tables of devices, as people export and edit them, with IDs of other devices in other columns."""

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
    """What a table needs to know of a device."""

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
    """The fields that the headers name."""


def random_table(chance: random.Random, meant: t.Sequence[KnownDevice], others: t.Sequence[KnownDevice]) -> Table:
    """A table with a row for each device, in their order. It can be one without a known header."""
    fields = chance.sample(sorted(KNOWN), chance.choice([0, 1, 1, 1, 2, 2, 3]))
    columns = [(chance.choice(KNOWN[field]), field) for field in fields]
    if "device_name" in fields and chance.random() < 0.3:
        columns.append((chance.choice(["fqdn", "displayName", "Machine"]), "short_name"))
    columns += [(header, "") for header in chance.sample(DECOYS, chance.randint(1 if fields else 2, 4))]
    chance.shuffle(columns)
    header = [name for name, _field in columns]
    kinds = [chance.choice(_KINDS) for _column in columns]
    rows = [
        [_cell(chance, device, field, kind, others) for (_header, field), kind in zip(columns, kinds, strict=True)]
        for device in meant
    ]
    last = max((place for place, (_header, field) in enumerate(columns) if field), default=len(columns))
    for row in rows:  # as a spreadsheet saves it, and sometimes with too little or too much
        if chance.random() < 0.2:
            del row[chance.randint(last, len(columns)) + 1 :]
        elif chance.random() < 0.03:
            row.insert(chance.randrange(len(row)), chance.choice(others).id)
    text = io.StringIO()
    delimiter = chance.choice(",;\t|")
    csv.writer(text, delimiter=delimiter, quoting=chance.choice([csv.QUOTE_ALL, csv.QUOTE_MINIMAL])).writerows(
        [header, *rows]
    )
    return Table(text.getvalue(), tuple(header), tuple(fields))


_KINDS: t.Final = ("id", "page", "name", "entra", "guid", "hex", "number", "words", "mixed")


def _cell(chance: random.Random, device: KnownDevice, field: str, kind: str, others: t.Sequence[KnownDevice]) -> str:
    if field == "short_name":
        return str(device.name).partition(".")[0].upper()
    if field:
        return str(
            device.id if field == "device_id" else device.name if field == "device_name" else device.aad_device_id
        )
    other = chance.choice(others)
    cells = {
        "id": other.id,
        "page": f"https://security.microsoft.com/machines/v2/{other.id}/overview",
        "name": str(other.name),
        "entra": str(other.aad_device_id),
        "guid": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
        "hex": f"{chance.getrandbits(160):040x}",
        "number": str(chance.randint(1, 9999)),
        "words": "kept as spare",
        "mixed": "",
    }
    return cells[chance.choice([*_KINDS, "mixed"]) if kind == "mixed" else kind]
