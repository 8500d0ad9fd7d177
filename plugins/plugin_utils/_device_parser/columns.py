# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which columns of a table, or keys of a record, identify a device, and the device of a row.

Headers decide, each as a whole. Content can rule a column out; it never makes a column one that identifies devices.
"""

from __future__ import annotations

import re
import typing as t
import unicodedata
from dataclasses import dataclass
from functools import lru_cache

from ...module_utils._options.identifiers import is_dns_name, is_guid
from ...module_utils._same import comparable, equal_ignoring_case
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
"""Fields and the headers that the user named for them."""

IDENTIFIERS: t.Final = ("device_id", "device_name", "aad_device_id")
FIELDS: t.Final = (*IDENTIFIERS, "comment")
COLUMNS_HINT: t.Final = (
    "Headers such as Device ID, Device name and Entra device ID are known; for others, or to use only some, set columns"
    " (mde_columns of the playbook), for example {device_name: Hostname, comment: Ticket}."
)
# Headers as they are compared: letters and digits alone, without case. English, German, French, Spanish, Portuguese,
# Italian, Dutch, Swedish, Danish, Norwegian, Polish and Japanese, as far as they cannot mean anything else.
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
# In records these may hold something else than text, and a list may have them too: they are common words.
GENERIC: t.Final = frozenset(("id", "name", "device", "computer", "machine", "displayname"))
# Of exports of Microsoft Entra ID, whose deviceId is the Entra device ID: "device resource type" of Microsoft Graph, the
# CSV of the Entra admin center, Get-MgDevice and Get-AzureADDevice.
_ENTRA_EXPORT: t.Final = frozenset(
    ("objectid", "trusttype", "devicetrusttype", "profiletype", "accountenabled", "approximatelastsignindatetime")
)
# Headers that name something else beside others: the hypervisor of a virtual machine, the user of a laptop, a person, and in
# exports of Active Directory a description, or the account with its dollar sign.
_ELSEWHERE: t.Final[tuple[tuple[frozenset[str], frozenset[str]], ...]] = tuple(
    (frozenset(beside.split()), frozenset(headers.split()))
    for beside, headers in (
        ("vm vmname virtualmachine virtualmachinename guest guestname", "host"),
        ("laptop pc notebook workstation desktop", "name displayname"),
        ("samaccountname distinguishedname mail givenname surname jobtitle", "displayname"),
    )
)
# Words of a header for the device before, and those of which one has to be beside them: "Replacement for", "Retired device".
# The other columns are then those of the device that takes its place.
_DEVICE: t.Final = """device computer machine host hostname name id pc laptop notebook asset client server gerät gerätename rechner
    appareil ordinateur nom dispositivo equipo ordenador nombre nome apparaat"""
_FORMER: t.Final[tuple[tuple[frozenset[str], frozenset[str]], ...]] = tuple(
    (frozenset(words.split()), frozenset(beside.split()))
    for words, beside in (
        (
            """old previous former prior predecessor replaces supersedes alt alte alter altes bisheriger bisheriges vorheriger
            vorheriges vorgänger ersetzt ancien ancienne précédent remplace antiguo antigo anterior reemplaza sustituye substitui
            vecchio precedente sostituisce oud oude vorige vervangt""",
            "",
        ),
        ("replacement successor ersatz nachfolger", "for of für von"),
        ("replaced retired superseded outgoing decommissioned", _DEVICE),
    )
)
_FORMER_WORDS: t.Final = frozenset(("the", "a", "an", *_DEVICE.split())).union(
    *(words for pair in _FORMER for words in pair)
)
_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+")
# Of the CSV evidence of this collection, which writes cells so that a spreadsheet takes them for text.
_OWN_EVIDENCE: t.Final = frozenset(("inventoryhost", "collectionversion", "prediction"))
_DEFUSED = re.compile(
    r"""(?:^|(?<=[;\n]))'(?=(?:[^\S\n]|['"`\u00ab\u00b4\u00bb\u2018-\u201f])*[=+\-@\u2212\ufe62\ufe63\ufe66\ufe6b\uff0b\uff0d\uff1d\uff20])"""
)
_WRITTEN_OUT = re.compile("⟨U\\+([0-9A-F]{4,6})⟩")


@lru_cache(maxsize=10_000)
def normalize_header(header: str) -> str:
    """The header as it is compared."""
    return "".join(c for c in unicodedata.normalize("NFKC", header).casefold() if c.isalnum())


def header_role(header: str) -> str | None:
    """The field that a header or a key names, if it is known."""
    return _ROLES.get(normalize_header(header))


def is_former(header: str) -> bool:
    """Whether a header says that the device of its column is the one that another device replaces."""
    words = {word.lower() for word in _WORD.findall(header)}
    return words <= _FORMER_WORDS and any(
        words & former and (words & needed or not needed) for former, needed in _FORMER
    )


def own_name(header: str) -> str:
    """The option that a header is called after, with or without the prefix of the variables; blank for others."""
    name = header.removeprefix("mde_")
    return name if name in IDENTIFIERS else ""


@dataclass(frozen=True)
class Columns:
    """The places that count, by field."""

    header: Row
    places: t.Mapping[str, t.Sequence[int]]
    chosen: bool = False
    own_evidence: bool = False

    @classmethod
    def of(cls, header: Row, rows: t.Sequence[Row], chosen: Chosen | None = None) -> Columns:
        """The columns of a table; raises AmbiguousInputError where none identifies a device, or a chosen one is not there once."""
        if chosen is not None:
            return cls(header, {field: [_place(header, name)] for field, name in chosen.items()}, chosen=True)
        names = [normalize_header(name) for name in header]
        places = _places(names)
        if former := next(filter(is_former, header), ""):
            raise AmbiguousInputError(
                f"the header {former[:60]!r} names a device that was replaced, so that the others may name the one in use"
            )
        candidates = [place for place in places["device_id"] if place not in places["aad_device_id"]]
        ids = [place for place in candidates if not _ruled_out(place, names, rows, places, header)]
        for place in [place for place in places["device_name"] if names[place] == "device"]:
            cells = [row[place] for row in rows if row[place]]
            if cells and all(map(is_device_id, cells)):  # the header says that it is the device, by whatever
                places["device_name"].remove(place)
                ids.append(place)
        places["device_id"] = ids
        if not any(places[field] for field in IDENTIFIERS):
            told = ", ".join(repr(name[:60]) for name in header[:8]) or "an empty record"
            raise AmbiguousInputError(f"no device is named, as no column or key of {told} is known to do so")
        own_evidence = _OWN_EVIDENCE.issubset(names)
        if own_evidence:
            places["comment"] = []  # that of an earlier run
        return cls(header, places, own_evidence=own_evidence)

    @property
    def last_identifier(self) -> int:
        """The place of the last column that identifies."""
        return max(place for field in IDENTIFIERS for place in self.places.get(field, ()))

    def devices(self, row: Row) -> list[Device]:
        """The device of a row, as a list; raises AmbiguousInputError for what is not clear, or names none.

        The device ID names the device, and the name is a safeguard. The Entra ID of an export is used where there is
        no device ID; under the name of the option it is used always.
        """
        device: Device = {}
        device |= self._agreeing("device_id", row)
        entra = self.places.get("aad_device_id", ())
        if not device or self.chosen or any(self.header[place] == "aad_device_id" for place in entra):
            device |= self._agreeing("aad_device_id", row)
        name = self._agreeing("device_name", row)
        if not device and name and not self._is_own("device_name"):
            name = {"device_name": parse_name(name["device_name"])}
        device |= name
        if not device:
            raise AmbiguousInputError("no device is named")
        return [device | self._agreeing("comment", row)]

    def _is_own(self, field: str) -> bool:
        return any(own_name(self.header[place]) == field for place in self.places[field])

    def _agreeing(self, field: str, row: Row) -> Device:
        """The field of the row, from every column that is one of it; raises AmbiguousInputError where they differ."""
        found: dict[str, tuple[str, int]] = {}
        for place in self.places.get(field, ()):
            text = row[place]
            if text and not (field == "aad_device_id" and is_nil_guid(text)):
                value = self._value(field, place, text)
                found.setdefault(comparable(value), (value, place))
        if not found:
            return {}
        longest = max((value for value, _place in found.values()), key=len)
        for value, _place in found.values():
            if value != longest and not (field == "device_name" and _is_short_for(value, longest)):
                shown = list(found.values())[:3]
                told = " and ".join(f"{text[:60]!r} ({self.header[place][:60]})" for text, place in shown)
                raise AmbiguousInputError(f"it gives {field} twice, and not the same: {told}")
        return {field: longest}

    def _value(self, field: str, place: int, text: str) -> str:
        if self.own_evidence:
            text = _WRITTEN_OUT.sub(lambda found: chr(int(found[1], 16)), _DEFUSED.sub("", text))
        header = self.header[place]
        if self.chosen and field == "device_id" and (why := looks_like_id(text, cut_off=True)):
            raise AmbiguousInputError(why)
        if field in ("device_name", "comment") or self.chosen or self.own_evidence or own_name(header) == field:
            return parse_option(field, text)[field]
        if field == "aad_device_id":
            return parse_entra_id(text)
        return parse_device_id(text, of_service=header in ("id", "machineId") and "computerDnsName" in self.header)


def _places(names: Row) -> dict[str, list[int]]:
    """The columns whose headers are known, by field."""
    known = set(names)
    elsewhere = {header for beside, headers in _ELSEWHERE if known & beside for header in headers}
    places: dict[str, list[int]] = {field: [] for field in FIELDS}
    for place, name in enumerate(names):
        if name in _ROLES and name not in elsewhere:
            places[_ROLES[name]].append(place)
    of_entra = known & _ENTRA_EXPORT or known >= {"id", "displayname"}
    if of_entra and not places["aad_device_id"]:
        places["aad_device_id"] = [place for place in places["device_id"] if names[place] == "deviceid"]
    return places


def _place(header: Row, name: str) -> int:
    """The place of the header that the user named, as written or else without case. Raises AmbiguousInputError."""
    found = [place for place, cell in enumerate(header) if cell == name]
    found = found or [place for place, cell in enumerate(header) if equal_ignoring_case(cell, name)]
    if len(found) != 1:
        told = ", ".join(repr(cell[:60]) for cell in header[:20])
        raise AmbiguousInputError(
            f"the header {name[:60]!r} of columns is {'there twice' if found else 'missing'} in {told}"
        )
    return found[0]


def _ruled_out(
    place: int, names: Row, rows: t.Sequence[Row], places: t.Mapping[str, t.Sequence[int]], header: Row
) -> bool:
    """Whether the content of a column shows that its IDs are others than Defender's."""
    cells = [row[place] for row in rows if row[place]]
    if names[place] == "id":  # numbers anything
        record = header[place] == "id" and "computerDnsName" in header and "machineid" not in names
        return not record and not any(is_device_id(cell) or looks_like_id(cell, cut_off=True) for cell in cells)
    # Intune calls its own ID so.
    other = bool(places["aad_device_id"]) and not own_name(header[place])
    return other and bool(cells) and all(is_guid(cell.strip("{}")) for cell in cells)


def _is_short_for(name: str, full: str) -> bool:
    return (
        "." not in name
        and is_dns_name(name)
        and is_dns_name(full)
        and equal_ignoring_case(full.partition(".")[0], name)
    )
