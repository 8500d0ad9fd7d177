# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Columns of replaced devices: next to them, a known column such as *Computer* identifies the devices that stay in use.

A header can show this. There are more words for it than a list can have, so the cells under an unknown header can show it, too.
"""

from __future__ import annotations

import enum
import re
import typing as t
import unicodedata
from functools import lru_cache

from ...module_utils._options.identifiers import is_dns_name, is_guid
from ...module_utils._same import comparable
from .headers import normalize_header, split_words, words_of
from .words import Device, remove_invisible

# Words of a header for a replaced device, and words of which the header must have one as well: "Replacement for", "Retired
# device", "Device to retire". The other columns then identify the device that is in use.
_DEVICE: t.Final = split_words(
    """device devicename computer computername machine machinename host hostname name id pc laptop notebook gerät gerätename
    rechner asset client server appareil ordinateur nom dispositivo equipo ordenador nombre nome apparaat"""
)
_REPLACED: t.Final[tuple[tuple[frozenset[str], ...], ...]] = (
    (
        split_words(
            """old previous former prior predecessor replaces supersedes legacy alt alte alter altes bisheriger bisheriges
            vorheriger vorheriges vorgänger ersetzt ancien ancienne précédent remplace antiguo antigo anterior reemplaza sustituye substitui
            vecchio precedente sostituisce oud oude vorige vervangt"""
        ),
    ),
    (split_words("replacement successor ersatz nachfolger"), split_words("for of für von")),
    (
        split_words(
            "replaced retired retiring returned superseded outgoing decommissioned current ausgemustertes ausgemusterter"
        ),
        _DEVICE,
    ),
    (split_words("replace retire decommission offboard"), split_words("to"), _DEVICE),
)
_REPLACED_WORDS: t.Final = _DEVICE.union(
    split_words("the a an be serial number tag entra aad azure ad mde defender microsoft"),
    *(words for rule in _REPLACED for words in rule),
)
# Two words written as one: "Altgerät", "oldhostname".
_COMPOUND = re.compile(
    f"({'|'.join(sorted(_REPLACED[0][0]))})((?:{'|'.join(sorted(_DEVICE, key=len, reverse=True))}){{1,3}})"
)


@lru_cache(maxsize=10_000)
def is_for_replaced_device(header: str) -> bool:
    """Whether the header is that of a column of replaced devices."""
    words: set[str] = set()
    for word in words_of(header):
        compound = _COMPOUND.fullmatch(word)
        words |= {compound[1], "device"} if compound else {word}
    return words <= _REPLACED_WORDS and any(all(words & some for some in rule) for rule in _REPLACED)


# The devices that replace those to offboard: "New device", "Replaced by".
_NEW: t.Final = split_words(
    """new replacement successor neu neue neuer neues ersatz ersatzgerät nachfolger nachfolgegerät nouveau nouvel nouvelle remplacement
    nuevo nueva reemplazo novo nova substituto nuovo nuova sostituto nieuw nieuwe vervanger nytt nowy"""
)
_REPLACED_BY: t.Final = frozenset(
    split_words(text)
    for text in (
        *("replaced by", "replaced with", "ersetzt durch", "remplacé par"),
        *("reemplazado por", "substituído por", "sostituito da", "vervangen door"),
    )
)
# Headers of exports, normalized: other machines, and other IDs of the device.
_KNOWN: t.Final = split_words(
    """asset backupserver cluster dhcpserver distributionpoint dnsserver domaincontroller esxhost esxihost gateway hostdeviceid hostingserver
    hostingservername hypervisor intunedeviceid inventoryhost inventoryhostname lastmpservername logonserver managementpoint managementserver
    mergeddeviceids mergedintomachineid mergedtodeviceid physicalhost printserver proxyserver remotedevicename scanserver virtualhost
    visdkserver vmhost vmid wsusserver"""
)
# Words of a header for a property of the device, whose values can resemble its name.
_PROPERTIES: t.Final = split_words(
    """gebäude modèle ubicación account address build building catalog center certificate city comment cost cpu department description domain
    fingerprint floor group hash image ip location mac model note number office os owner platform port room serial sha site sku state status
    subnet tag tenant thumbprint ticket type user version vlan abteilung benutzer gruppe inventarnummer modell raum seriennummer standort typ
    emplacement groupe utilisateur grupo modelo usuario gruppo modello posizione utente gebruiker locatie"""
)
# Nouns for a device: English ones end a header, others can also begin it ("Ordinateur à retirer"), and German ones end compounds.
_LAST_NOUNS: t.Final = split_words(
    "device computer machine host hostname pc laptop notebook workstation server client endpoint asset vm desktop gerät rechner"
)
_FIRST_NOUNS: t.Final = split_words(
    "appareil ordinateur équipement dispositivo equipo ordenador apparaat enhet enhed urządzenie"
)
_ENDINGS: t.Final = ("gerät", "rechner", "server", "laptop", "notebook", "computer")
_APPENDED: t.Final = split_words("name fqdn id code upn")
_IN_PARENTHESES = re.compile(r"\([^()]*\)")
_DEVICE_ID = re.compile(r"(?<![^\W_])[0-9A-Fa-f]{40}(?![^\W_])")
_DASHES: t.Final = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2212"), "-")
_NAME = re.compile(r"\w[\w.-]*\w")
_HEX = re.compile(r"[0-9a-f]{12,}|[0-9a-f]{2}(?:-[0-9a-f]{2}){5}")
_PREFIX = re.compile(r"([^\W\d_]{2,})(?=[\d_-])")
_NETBIOS_LENGTH: t.Final = 15
_LONGEST_CELL: t.Final = 1000


class Below(enum.Enum):
    """What can be in the cells below an unknown header."""

    DEVICES = enum.auto()
    ANYTHING = enum.auto()
    NO_REPLACED_DEVICE = enum.auto()
    """A property of the device, a device that replaces it, or another machine."""


@lru_cache(maxsize=10_000)
def below(header: str) -> Below:
    """What an unknown header says about the cells below it."""
    words = frozenset(words_of(header))
    is_new = bool(words & _NEW) and words <= _NEW | _DEVICE
    if is_new or words - _DEVICE in _REPLACED_BY or normalize_header(header) in _KNOWN:
        return Below.NO_REPLACED_DEVICE
    main = [word for word in words_of(_IN_PARENTHESES.sub("", header)) if word not in _APPENDED] or [""]
    first, last = ({word, word.removesuffix("s")} for word in (main[0], main[-1]))
    if (first | last) & _PROPERTIES and not words & _REPLACED[0][0]:
        return Below.NO_REPLACED_DEVICE
    is_to_do = "to" in words and bool(words & _LAST_NOUNS)  # "PC to scrap"
    if is_to_do or (first | last) & _FIRST_NOUNS or last & _LAST_NOUNS or main[-1].endswith(_ENDINGS):
        return Below.DEVICES
    return Below.ANYTHING


def is_other_device(cell: str, device: Device, *, of_devices: bool) -> bool:
    """Whether a cell identifies another device, of which ``device`` can be the successor.

    It does if it has another device ID, or one name in the same domain or of the same form. In a column ``of_devices``, it
    does if it has any other name.
    """
    if len(cell) > _LONGEST_CELL:  # to normalize many combining characters takes quadratic time
        return of_devices
    if not cell.isascii():
        cell = remove_invisible(unicodedata.normalize("NFKC", cell)).translate(_DASHES)
    if found := _DEVICE_ID.search(cell):
        own_id = device.get("device_id")
        differs = own_id is not None and comparable(found[0]) != comparable(own_id)
        return differs or (own_id is None and of_devices)
    own = comparable(device.get("device_name", ""))
    names = [comparable(name) for name in _NAME.findall(cell) if is_dns_name(name) and not is_guid(name)]
    if not own or (not of_devices and len(names) > 1 + ("\\" in cell)):
        return False  # a sentence
    own_label, _dot, own_domain = own.partition(".")
    split = [(label, domain) for label, _dot, domain in (name.partition(".") for name in names)]
    if of_devices:
        return any(
            bool(domain and own_domain) and domain != own_domain if label == own_label else _is_name(label)
            for label, domain in split
        )
    if any(label in (own_label, own_label[:_NETBIOS_LENGTH]) for label, _domain in split):
        return False
    return any(
        _is_similar(label, own_label, in_domain=bool(domain) and domain == own_domain) for label, domain in split
    )


def _is_name(label: str) -> bool:
    """Whether a word is rather the name of a device than another word."""
    is_hex = _HEX.fullmatch(label) is not None
    return not is_hex and any(map(str.isalpha, label)) and ("-" in label or any(map(str.isdigit, label)))


def _is_similar(label: str, own_label: str, *, in_domain: bool) -> bool:
    """Whether a label is the name of a device in the same domain, or has the same form."""
    if _HEX.fullmatch(label) or not any(map(str.isalpha, label)):
        return False
    is_numbered = any(map(str.isdigit, label))
    if is_numbered and in_domain:
        return True
    if own_label.startswith(label) and not own_label[len(label)].isdigit():  # the site can be a part of the name
        return False
    prefix, own_prefix = _PREFIX.match(label), _PREFIX.match(own_label)
    if prefix and own_prefix and prefix[1] == own_prefix[1]:
        return True
    similar = label[:3] == own_label[:3] or re.sub(r"\d", "9", label) == re.sub(r"\d", "9", own_label)
    return is_numbered and len(label) == len(own_label) and similar
