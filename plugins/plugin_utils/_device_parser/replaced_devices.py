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
_NOUNS: t.Final = split_words("device computer machine host hostname pc laptop notebook workstation gerät rechner")
# Words of a header for the devices that replace those to offboard.
_REPLACING: t.Final = split_words(
    """new replacement successor by merged neu neue neuer neues ersatz ersatzgerät nachfolger durch nouveau nouvel nouvelle
    remplacement remplacé nuevo nueva reemplazo novo nova substituto nuovo nuova sostituto nieuw nieuwe vervanger vervangen nytt nowy"""
)
_DEVICE_ID = re.compile(r"[0-9A-Fa-f]{40}")
_LETTER = re.compile(r"[^\W\d_]")
_SERIES = re.compile(r"([^\W\d_]{2,}[-_]?)\d")


def is_other_device(header: str, cell: str, device: Device) -> bool:
    """Whether a cell under an unknown header identifies another device, of which ``device`` can be the successor.

    It does if it has a name of the same series. Under a header that ends with a noun for a device, it does if it has any other
    host name with a digit, and under one that ends with "ID", if it has another device ID.
    """
    words = _words_of(header)
    if _REPLACING.intersection(words):
        return False
    if "device_id" in device and words[-1:] == ["id"] and _DEVICE_ID.fullmatch(cell):
        return comparable(cell) != comparable(device["device_id"])
    name = device.get("device_name", "")
    if not name or not is_dns_name(cell) or _first_label(cell) == _first_label(name):
        return False
    if _NOUNS.intersection(words[-1:]) and _LETTER.search(cell) and any(map(str.isdigit, cell)):
        return True
    return is_dns_name(name) and not _series(name).isdisjoint(_series(cell))


def _first_label(name: str) -> str:
    return comparable(name).partition(".")[0]


def _series(name: str) -> set[str]:
    """What the names of devices of one organization share: the domain, or the letters before the number."""
    label, _dot, domain = comparable(name).partition(".")
    letters = _SERIES.match(label)
    return {part for part in (f".{domain}" if domain else "", letters[1] if letters else "") if part}


@lru_cache(maxsize=10_000)
def _words_of(header: str) -> list[str]:
    text = unicodedata.normalize("NFKC", header)
    return [word.lower() for word in _WORD.findall(text.lower() if text.isupper() else text)]
