# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The columns of a table, or keys of a record, that identify a device, and the device of a row.

Headers decide, each compared in full. The content of a column can exclude it, or make a row an error, but never selects it.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from ...module_utils._offboarding.matching import short_and_full
from ...module_utils._options.identifiers import is_guid
from ...module_utils._same import comparable, equal_ignoring_case
from .._evidence.csv_report import unescape
from .headers import normalize_header, split_words
from .replaced_devices import Below, below, is_for_replaced_device, is_other_device
from .words import (
    AmbiguousInputError,
    Device,
    is_device_id,
    is_nil_guid,
    looks_like_id,
    parse_device_id,
    parse_entra_id,
    parse_name,
    parse_option,
)

Row = t.Sequence[str]
Chosen = t.Mapping[str, str]
"""Headers by field, as the user set them; empty if they are not set."""


IDENTIFIERS: t.Final = ("device_id", "device_name", "aad_device_id")
FIELDS: t.Final = (*IDENTIFIERS, "comment")
COLUMNS_HINT: t.Final = (
    "Known headers include Device ID, Device name and Entra device ID. To use other columns, or only some, set columns"
    " (mde_columns in the playbook), for example {device_name: Hostname, comment: Ticket}."
)
# Normalized headers: letters and digits in lower case. English, German, French, Spanish, Portuguese, Italian, Dutch,
# Swedish, Danish, Norwegian, Polish and Japanese, if they can only mean this.
_HEADERS: t.Final[dict[str, str]] = {
    "device_id": """deviceid machineid mdedeviceid mdemachineid mdeid defenderid defenderdeviceid geräteid gerätekennung
        iddelappareil iddappareil identifiantdelappareil identifiantdappareil iddedispositivo iddeldispositivo
        identificadordedispositivo identificadordeldispositivo iddispositivo iddodispositivo apparaatid enhetsid enhedsid
        identyfikatorurządzenia デバイスid id""",
    "device_name": """devicename machinename computername computerdnsname devicednsname dnshostname hostname dnsname fqdn
        host mdedevicename gerätename rechnername nomdelappareil nomdappareil nombrededispositivo nombredeldispositivo
        nomedeldispositivo nomedispositivo nomedodispositivo apparaatnaam computernaam enhetsnamn enhedsnavn enhetsnavn
        nazwaurządzenia デバイス名 name device computer machine displayname""",
    "aad_device_id": """aaddeviceid deviceaadid mdeaaddeviceid azureaddeviceid deviceazureadid entradeviceid deviceentraid
        entraiddeviceid microsoftentradeviceid microsoftentraiddeviceid azureactivedirectorydeviceid azureadgeräteid
        entrageräteid microsoftentrageräteid""",
    "comment": "comment",
}
_ROLES: t.Final = {header: field for field, headers in _HEADERS.items() for header in headers.split()}
# Common words. In a record, such a key can have a value that is not a string, and a mapping with a list can have it, too.
GENERIC: t.Final = split_words("id name device computer machine displayname")
# Exports of Microsoft Entra ID have these headers, and their deviceId is the Entra device ID: "device resource type" of
# Microsoft Graph, the CSV file of the Entra admin center, Get-MgDevice and Get-AzureADDevice.
_ENTRA_EXPORT: t.Final = split_words(
    "objectid trusttype devicetrusttype profiletype accountenabled approximatelastsignindatetime"
)
# Headers that mean something else next to others: the hypervisor of a virtual machine, the user of a laptop, a person, or in
# exports of Active Directory a description or the account with its dollar sign.
_OTHER_MEANING: t.Final = (
    (split_words("vm vmname virtualmachine virtualmachinename guest guestname"), split_words("host")),
    (split_words("laptop pc notebook workstation desktop"), split_words("name displayname")),
    (split_words("samaccountname distinguishedname mail givenname surname jobtitle"), split_words("displayname")),
)
# Headers of the CSV evidence of this collection.
_OWN_EVIDENCE: t.Final = split_words("inventoryhost collectionversion prediction")


def header_role(header: str) -> str | None:
    """The field of a known header or key, else None."""
    return _ROLES.get(normalize_header(header))


def is_certain(header: str) -> bool:
    """Whether a header or key identifies a device and is not a common word."""
    return header_role(header) in IDENTIFIERS and normalize_header(header) not in GENERIC


def own_name(header: str) -> str:
    """The identifier option with the name of this header, without the prefix of variables. Empty for other headers."""
    name = header.removeprefix("mde_")
    return name if name in IDENTIFIERS else ""


@dataclass(frozen=True)
class Columns:
    """The indexes of the columns that are used, by field."""

    header: Row
    indexes: t.Mapping[str, t.Sequence[int]]
    chosen: bool = False
    own_evidence: bool = False
    suspect: t.Sequence[tuple[int, Below]] = ()
    """The indexes of the columns with an unknown header whose cells can identify replaced devices, with what is below it."""

    @classmethod
    def of(cls, header: Row, rows: t.Sequence[Row], chosen: Chosen | None = None) -> Columns:
        """The columns of a table. Raises AmbiguousInputError if none identifies a device, or if a header of ``chosen`` is missing or occurs twice."""
        if chosen:
            named = {field: [_index(header, name)] for field, name in chosen.items()}
            return cls(header, {field: named.get(field, []) for field in FIELDS}, chosen=True)
        names = [normalize_header(name) for name in header]
        indexes = _indexes(names)
        if former := next(filter(is_for_replaced_device, header), ""):
            raise AmbiguousInputError(
                f"the header {former[:60]!r} is that of replaced devices, so the other columns can identify the devices in use"
            )
        candidates = [index for index in indexes["device_id"] if index not in indexes["aad_device_id"]]
        ids = [index for index in candidates if not _is_excluded(index, names, rows, indexes, header)]
        for index in [index for index in indexes["device_name"] if names[index] == "device"]:
            cells = [row[index] for row in rows if row[index]]
            if cells and all(map(is_device_id, cells)):  # the header says device, and does not say which identifier
                indexes["device_name"].remove(index)
                ids.append(index)
        indexes["device_id"] = ids
        if not any(indexes[field] for field in IDENTIFIERS):
            shown = ", ".join(repr(name[:60]) for name in header[:8])
            why = f"none of the columns or keys {shown} is known" if shown else "the record is empty"
            raise AmbiguousInputError(f"no device identifier: {why}")
        if _OWN_EVIDENCE.issubset(names):
            indexes["comment"] = []  # of an earlier run
            return cls(header, indexes, own_evidence=True)
        unknown = [(index, below(header[index])) for index, name in enumerate(names) if name not in _ROLES]
        suspect = [(index, kind) for index, kind in unknown if kind is not Below.NO_REPLACED_DEVICE]
        return cls(header, indexes, suspect=suspect)

    @property
    def last_identifier(self) -> int:
        """The index of the last column that identifies the device."""
        return max(index for field in IDENTIFIERS for index in self.indexes[field])

    def device(self, row: Row) -> Device:
        """The device of a row. Raises AmbiguousInputError for a row that is ambiguous or has no device.

        The device ID identifies the device, and the name is a safeguard. The Entra device ID is used if there is no device
        ID, if the user named its column, or if the column has the name of the option.
        """
        device = self._value_of("device_id", row)
        has_option = any(self.header[index] == "aad_device_id" for index in self.indexes["aad_device_id"])
        if not device or self.chosen or has_option:
            device |= self._value_of("aad_device_id", row)
        name = self._value_of("device_name", row)
        is_option = any(own_name(self.header[i]) == "device_name" for i in self.indexes["device_name"])
        if name and not device and not is_option:
            name = {"device_name": parse_name(name["device_name"])}
        device |= name
        if not device:
            raise AmbiguousInputError("no device identifier")
        for index, kind in self.suspect:
            if row[index] and is_other_device(row[index], device, of_devices=kind is Below.DEVICES):
                own = next(i for name in IDENTIFIERS for i in self.indexes[name] if row[i])
                raise AmbiguousInputError(
                    f"the columns {self.header[own][:60]!r} and {self.header[index][:60]!r} name different devices; set columns"
                    " (mde_columns in the playbook) to those of the devices to offboard"
                )
        return device | self._value_of("comment", row)

    def _value_of(self, field: str, row: Row) -> Device:
        """The field of the row, from all its columns. Raises AmbiguousInputError if they differ."""
        found: dict[str, tuple[str, int]] = {}
        for index in self.indexes[field]:
            text = row[index]
            if text and not (field == "aad_device_id" and is_nil_guid(text)):
                value = self._value(field, index, text)
                found.setdefault(comparable(value), (value, index))
        if not found:
            return {}
        longest = max((value for value, _index in found.values()), key=len)
        for value, _index in found.values():
            if value != longest and not (field == "device_name" and short_and_full(value, longest)):
                shown = list(found.values())[:3]
                values = " and ".join(f"{text[:60]!r} ({self.header[index][:60]})" for text, index in shown)
                raise AmbiguousInputError(f"conflicting values for {field}: {values}")
        return {field: longest}

    def _value(self, field: str, index: int, text: str) -> str:
        if self.own_evidence:
            text = unescape(text)
        header = self.header[index]
        if self.chosen and field == "device_id" and (why := looks_like_id(text, only_damaged=True)):
            raise AmbiguousInputError(why)
        if field in ("device_name", "comment") or self.chosen or self.own_evidence or own_name(header) == field:
            return parse_option(field, text)[field]
        if field == "aad_device_id":
            return parse_entra_id(text)
        return parse_device_id(text, of_service=header in ("id", "machineId") and "computerDnsName" in self.header)


def _indexes(names: Row) -> dict[str, list[int]]:
    """The indexes of the columns with a known header, by field."""
    known = set(names)
    elsewhere = {header for beside, headers in _OTHER_MEANING if known & beside for header in headers}
    indexes: dict[str, list[int]] = {field: [] for field in FIELDS}
    for index, name in enumerate(names):
        if name in _ROLES and name not in elsewhere:
            indexes[_ROLES[name]].append(index)
    of_entra = known & _ENTRA_EXPORT or known >= {"id", "displayname"}
    if of_entra and not indexes["aad_device_id"]:
        indexes["aad_device_id"] = [index for index in indexes["device_id"] if names[index] == "deviceid"]
    return indexes


def _index(header: Row, name: str) -> int:
    """The index of the header that the user named, as written or else in another case. Raises AmbiguousInputError."""
    found = [index for index, cell in enumerate(header) if cell == name]
    found = found or [index for index, cell in enumerate(header) if equal_ignoring_case(cell, name)]
    if len(found) != 1:
        shown = ", ".join(repr(cell[:60]) for cell in header[:20])
        why = "occurs twice" if found else "is missing"
        raise AmbiguousInputError(f"the header {name[:60]!r}, which columns names, {why} in {shown}")
    return found[0]


def _is_excluded(
    index: int, names: Row, rows: t.Sequence[Row], indexes: t.Mapping[str, t.Sequence[int]], header: Row
) -> bool:
    """Whether the content of a column of IDs shows that they are not IDs of Defender."""
    cells = [row[index] for row in rows if row[index]]
    if names[index] == "id":  # the number of anything
        record = header[index] == "id" and "computerDnsName" in header and "machineid" not in names
        return not record and not any(is_device_id(cell) or looks_like_id(cell, only_damaged=True) for cell in cells)
    # Intune uses the same header for its own ID.
    other = bool(indexes["aad_device_id"]) and not own_name(header[index])
    return other and bool(cells) and all(is_guid(cell.strip("{}")) for cell in cells)
