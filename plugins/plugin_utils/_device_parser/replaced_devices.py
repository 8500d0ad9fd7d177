# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Columns of replaced devices: next to them, a known column such as *Computer* identifies the devices that stay in use.

A header can show this. There are more words for it than a list can have, so the cells under an unknown header can show it, too.
"""

from __future__ import annotations

import re
import typing as t
import unicodedata
from functools import lru_cache

from ...module_utils._options.identifiers import is_dns_name
from ...module_utils._same import comparable
from .words import Device


def split_words(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


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
    split_words("the a an to be serial number tag"), *(words for rule in _REPLACED for words in rule)
)
_WORD = re.compile(r"[A-Z]?[^\W\d_A-Z]+|[A-Z]+")
# Two words written as one: "Altgerät", "oldhostname".
_COMPOUND = re.compile(
    f"({'|'.join(sorted(_REPLACED[0][0]))})((?:{'|'.join(sorted(_DEVICE, key=len, reverse=True))}){{1,3}})"
)


@lru_cache(maxsize=10_000)
def is_for_replaced_device(header: str) -> bool:
    """Whether the header is that of a column of replaced devices."""
    words: set[str] = set()
    for word in _words_of(header):
        compound = _COMPOUND.fullmatch(word)
        words |= {compound[1], "device"} if compound else {word}
    return words <= _REPLACED_WORDS and any(all(words & some for some in rule) for rule in _REPLACED)


# Nouns for a device. A header that ends with one is that of devices: "EOL device", and not "Device owner".
_NOUNS: t.Final = split_words(
    "device computer machine host hostname pc laptop notebook workstation server gerät rechner"
)
# Words of a header for the devices that replace those to offboard, or for a part of the infrastructure.
_NOT_REPLACED: t.Final = split_words(
    """new replacement successor by merged neu neue neuer neues ersatz ersatzgerät nachfolger durch nouveau nouvel nouvelle remplacement
    remplacé nuevo nueva reemplazo novo nova substituto nuovo nuova sostituto nieuw nieuwe vervanger vervangen nytt nowy
    domain controller cluster hypervisor gateway logon dhcp dns management switch"""
)
_DEVICE_ID = re.compile(r"[0-9A-Fa-f]{40}")
# The letters before the first digit in a part of a name.
_PART = re.compile(r"([^\W\d_]*)([^-_]*)[-_]*")


def is_other_device(header: str, cell: str, device: Device) -> bool:
    """Whether a cell under an unknown header identifies another device, of which ``device`` can be the successor.

    It does if it is a host name with a number, in the same domain or of the same form, or, under a header that ends with a noun
    for a device, of any form. Under a header that ends with "ID", it does if it is another device ID.
    """
    words = _words_of(header)
    if _NOT_REPLACED.intersection(words):
        return False
    if "device_id" in device and words[-1:] == ["id"] and _DEVICE_ID.fullmatch(cell):
        return comparable(cell) != comparable(device["device_id"])
    label, _dot, domain = comparable(cell).partition(".")
    own_label, _dot, own_domain = comparable(device.get("device_name", "")).partition(".")
    if not own_label or label == own_label or not _is_numbered(label) or not is_dns_name(cell):
        return False
    if _NOUNS.intersection(words[-1:]) or (domain and domain == own_domain):
        return True
    form = _form(label)
    return form == _form(own_label) and any(part.strip("9") for part in form)


def _is_numbered(label: str) -> bool:
    """Whether a label has letters and digits. The names of most devices do, and few other words."""
    return any(map(str.isdigit, label)) and any(map(str.isalpha, label))


def _form(label: str) -> list[str]:
    """The letters before the first digit of each part: ``["pc", "9"]`` for PC-0101 and pc-7b2, ``["9"]`` for a serial number."""
    return [f"{letters}{'9' * any(map(str.isdigit, rest))}" for letters, rest in _PART.findall(label)]


@lru_cache(maxsize=10_000)
def _words_of(header: str) -> list[str]:
    text = unicodedata.normalize("NFKC", header)
    return [word.lower() for word in _WORD.findall(text.lower() if text.isupper() else text)]
