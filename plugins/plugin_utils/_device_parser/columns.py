# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which column of a table, or which key of a record, identifies a device."""

from __future__ import annotations

import re
import typing as t
import unicodedata
from dataclasses import dataclass

from .words import Unclear, is_device_id, is_entra_id, is_long_hex

# Headers as they are compared: letters and digits alone, without case. English, German, French, Spanish, Portuguese,
# Italian, Dutch, Swedish, Danish, Norwegian, Polish and Japanese, as far as they cannot mean anything else.
_SURE: t.Final[dict[str, str]] = {
    "device_id": """deviceid machineid mdedeviceid mdemachineid mdeid defenderid defenderdeviceid geräteid gerätekennung
        iddelappareil iddappareil identifiantdelappareil identifiantdappareil iddedispositivo iddeldispositivo
        identificadordedispositivo identificadordeldispositivo iddispositivo iddodispositivo apparaatid enhetsid enhedsid
        identyfikatorurządzenia デバイスid""",
    "device_name": """devicename machinename computername computerdnsname devicednsname hostname dnsname fqdn host
        mdedevicename gerätename rechnername nomdelappareil nomdappareil nombrededispositivo nombredeldispositivo
        nomedeldispositivo nomedispositivo nomedodispositivo apparaatnaam computernaam enhetsnamn enhedsnavn enhetsnavn
        nazwaurządzenia デバイス名""",
    "aad_device_id": """aaddeviceid deviceaadid mdeaaddeviceid azureaddeviceid deviceazureadid entradeviceid deviceentraid
        entraiddeviceid microsoftentradeviceid microsoftentraiddeviceid azureactivedirectorydeviceid""",
    "comment": "comment",
}
# These may be anything: they count where their content fits, or where nothing better is there.
_LIKELY: t.Final[dict[str, str]] = {
    "device_id": "id",
    "device_name": "name device computer machine displayname",
}
_ROLES: t.Final = {
    **{header: (field, True) for field, headers in _SURE.items() for header in headers.split()},
    **{header: (field, False) for field, headers in _LIKELY.items() for header in headers.split()},
}
# What has 40 hexadecimal digits, or is a GUID, and names no device.
_OTHER_IDS = re.compile("thumb|finger|sha1|hash|empreinte|huella|obje|intune|tenant|mandant|subscription|user|benutzer")


def plain(header: str) -> str:
    """The header as it is compared."""
    return "".join(c for c in unicodedata.normalize("NFKC", header).casefold() if c.isalnum())


def role(header: str) -> tuple[str, bool] | None:
    """What a header or a key says: a name of an option and whether that is sure."""
    return _ROLES.get(plain(header))


@dataclass(frozen=True)
class Columns:
    """Places of the columns that count."""

    device_id: int | None = None
    device_name: int | None = None
    aad_device_id: int | None = None
    comment: int | None = None

    @classmethod
    def tell(cls, header: t.Sequence[str], rows: t.Sequence[t.Sequence[str]]) -> Columns:
        """The columns of a table; raises Unclear where two could be meant, or none."""
        table = _Table(header, rows)
        device_id = table.sure("device_id")
        if device_id is None:
            device_id = table.one("the device id", table.by_content(is_device_id, likely=True))
        aad_device_id, device_name = table.sure("aad_device_id"), table.sure("device_name")
        if device_id is aad_device_id is device_name is None:
            aad_device_id = table.one("the Entra device id", table.by_content(is_entra_id, likely=False))
        if device_id is aad_device_id is device_name is None:
            device_name = table.one("the name", table.likely("device_name"))
        if device_id is aad_device_id is device_name is None:
            raise Unclear("no column is known as that of device ids, names or Entra device ids")
        return cls(device_id, device_name, aad_device_id, table.sure("comment"))


@dataclass(frozen=True)
class _Table:
    header: t.Sequence[str]
    rows: t.Sequence[t.Sequence[str]]

    def one(self, what: str, columns: t.Sequence[int]) -> int | None:
        """The only one of the columns; raises Unclear when there are several."""
        if len(columns) > 1:
            names = " and ".join(repr(self.header[column]) for column in columns[:3])
            raise Unclear(f"each of the columns {names} could be {what}: leave one of them")
        return columns[0] if columns else None

    def sure(self, field: str) -> int | None:
        return self.one(field, [place for place, header in enumerate(self.header) if role(header) == (field, True)])

    def likely(self, field: str) -> list[int]:
        return [place for place, header in enumerate(self.header) if role(header) == (field, False)]

    def by_content(self, fits: t.Callable[[str], bool], *, likely: bool) -> list[int]:
        """Columns of which every filled cell fits; with ``likely`` also one called id that was meant to fit."""
        found = []
        for place, header in enumerate(self.header):
            known = role(header)
            if (known and known[1]) or _OTHER_IDS.search(plain(header)):
                continue
            cells = [row[place] for row in self.rows if row[place]]
            meant = likely and known == ("device_id", False) and any(fits(c) or is_long_hex(c) for c in cells)
            if meant or (cells and all(map(fits, cells))):
                found.append(place)
        return found
