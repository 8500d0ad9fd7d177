# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What one word says: which identifier of a device it is, or why it is none that can be trusted."""

from __future__ import annotations

import re
import typing as t
import unicodedata

from ...module_utils._errors import OptionError
from ...module_utils._options.identifiers import HIDDEN, DeviceRequest, is_dns_name, is_guid
from .._host_names import is_local_name

# One device as the option ``devices`` takes it, with the keys that are filled.
Device = dict[str, str]

_DEVICE_ID = re.compile(r"[0-9A-Fa-f]{40}")
_ID = re.compile(r"[A-Za-z0-9-]+")
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
# Narrower than what the service accepts: in plain text, anything else is more likely no name at all.
_NAME = re.compile(r"\w(?:[\w'-]*\w)?(?:\.\w(?:[\w'-]*\w)?)*\.?")
_LONG_HEX = re.compile(r"[0-9A-Fa-f-]{20,}")
_SCIENTIFIC_NOTATION = re.compile(r"[0-9]+(?:[.,][0-9]+E[+-]?|E\+)[0-9]+", re.IGNORECASE)
_MAC = re.compile(r"[0-9A-F]{2}(?:-[0-9A-F]{2}){5}", re.IGNORECASE)
# Marks without width, among them the byte order mark: they come with what is copied from chats and mail.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a\u202c\u2060\ufeff]")
# Letters that look like, or are typed for, hexadecimal digits, and dashes that look like hyphens.
_LOOK_ALIKES = str.maketrans(
    "\u0410\u0430\u0412\u0421\u0441\u0415\u0435OoIl", "aabccee0011", " -\u2010\u2011\u2012\u2013\u2014\u2212"
)
_WHOLE_HEX = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}")
_PAGE = re.compile(r"[^/\s]+/machines/(?:v2/)?[0-9A-Fa-f]{40}|=hyperlink\(|\[.*\]\(https?://", re.IGNORECASE)
# What people and spreadsheets write where there is no value, and above, between and below the devices of a list.
_NO_VALUE = re.compile(
    r"""\#[A-Z/0]{2,}[!?]?|[!-/:-@\[-`{-~\s]+|n/?a|none|null|nil|nan|unknown|undefined|tbd|\((?:blank|leer|none)\)
    |(?:grand\ )?(?:total|sum|count|summe|gesamt|gesamtsumme|anzahl)\s*:?(?:\s+|(?<=:))[\d.,]*|(?:grand\ )?(?:total|summe|gesamt|gesamtsumme)
    |all|yes|no|true|false|not|but|except|exclude|excluding|keep|ignore|without|alle|nicht|außer|ausser|ohne|behalten|sauf|excepto
    |\(?[\d.,]+\ (?:rows?|records?|devices?|items?|zeilen)\b.*""",
    re.IGNORECASE | re.VERBOSE,
)
_QUOTES: t.Final = {
    '"': '"',
    "'": "'",
    "`": "`",
    "\u201c": "\u201d",
    "\u201e": "\u201c",
    "\u2018": "\u2019",
    "\u00ab": "\u00bb",
}
_NIL_GUID: t.Final = "00000000-0000-0000-0000-000000000000"
_MAX_WORD: t.Final = 1000
_MAX_QUOTED: t.Final = 60
# Mistakes of a text that are told at once; a hundred of them help nobody.
_MAX_REPORTED: t.Final = 5


class AmbiguousInputError(Exception):
    """A piece of the input cannot be meant, or could mean two things. The text says why."""


class DeviceCollector:
    """The devices found so far, and what could not be understood."""

    def __init__(self, hint: str) -> None:
        self._hint = hint
        self._devices: list[Device] = []
        self._errors: list[str] = []
        self._count = 0

    def add(self, *devices: Device) -> None:
        self._devices += devices

    def take(self, where: str, text: str, read: t.Callable[[], t.Iterable[Device]]) -> None:
        """Add what ``read`` gives for ``text``, which stands at ``where``, or remember why it is not clear."""
        try:
            self._devices += read()
        except AmbiguousInputError as unclear:
            self.add_error(where, text, unclear)

    def add_error(self, where: str, text: str, why: object) -> None:
        """Remember that ``text``, which stands at ``where``, cannot be understood."""
        self._count += 1
        if self._count <= _MAX_REPORTED:
            self._errors.append(f"{where}, {quote_for_message(text)}: {why}.")

    def devices_or_raise(self) -> list[Device]:
        """All devices; raises OptionError, quoting the first places, when a single one was refused."""
        if self._errors:
            more = [f"And {self._count - _MAX_REPORTED} more."] if self._count > _MAX_REPORTED else []
            raise OptionError(" ".join(self._errors + more), hint=self._hint)
        return self._devices


def quote_for_message(text: str) -> str:
    """The text as messages show it: in quotes, shortened, and with what cannot be seen written out."""
    return repr(text) if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]!r}..."


def unquote(text: str) -> str:
    """The text without white space and one pair of quotes around it, also as Excel keeps text: ="text"."""
    text = text.strip()
    if text.startswith('="') and text.endswith('"'):
        text = text[1:]
    if len(text) >= 2 and _QUOTES.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text


def is_device_id(text: str) -> bool:
    """Whether this is a whole device ID or the URL of a device's page, without doubt."""
    try:
        return bool(parse_device_id(text))
    except AmbiguousInputError:
        return False


def parse_word(text: str, *, in_quotes: bool = False) -> Device:
    """The device that a word of a text names, of whatever kind. Raises AmbiguousInputError.

    A bare word is held to the form of a host name, as it may be part of a sentence; a name in quotes is not.
    """
    bare = text.strip() if in_quotes else unquote(text)
    in_quotes = in_quotes or bare != text.strip()
    word = _INVISIBLE.sub("", bare)
    if _ADDRESS.match(word) or _DEVICE_ID.fullmatch(word):
        return {"device_id": parse_device_id(word)}
    if is_guid(_without_braces(word)):
        return {"aad_device_id": parse_entra_id(word)}
    why = "" if in_quotes else _why_no_word(word)
    if in_quotes and re.search("[,;\t]", bare):
        why = "a name in quotes has no comma, semicolon or tab here, as it may be several; give it as a record"
    if why:
        raise AmbiguousInputError(why)
    return {"device_name": parse_name(bare if in_quotes else word)}


def parse_name(text: str) -> str:
    """A name that nothing but itself identifies, without marks that cannot be seen. Raises AmbiguousInputError."""
    text = parse_option("device_name", text)["device_name"]
    why = looks_like_id(text)
    if not why and _NO_VALUE.fullmatch(text):
        why = "it names no device: it is a word about the list, a total, or what stands for a missing value"
    elif not why and is_local_name(text):
        why = "every device calls itself so; give the device id"
    if why:
        raise AmbiguousInputError(why)
    visible = _INVISIBLE.sub("", text)
    return visible if is_dns_name(visible) else text


def parse_device_id(text: str, *, of_service: bool = False) -> str:
    """A device ID of 40 digits, also that of a page in the portal. Raises AmbiguousInputError.

    ``of_service`` takes any ID that the service could have given, as long as it is not damaged.
    """
    text = _INVISIBLE.sub("", text).strip()
    if _DEVICE_ID.fullmatch(text):
        return text
    if not _ADDRESS.match(text):
        if is_guid(_without_braces(text)):
            raise AmbiguousInputError(
                "a GUID is an id of Entra or Intune, and not the device id in Defender; name its column aad_device_id if it is Entra's"
            )
        why = looks_like_id(text, cut_off=True)
        if of_service and not why and _ID.fullmatch(text):
            return text
        raise AmbiguousInputError(why or "it is not a device id, which has 40 hexadecimal digits")
    found = parse_option("device_id", text)["device_id"]
    if not _DEVICE_ID.fullmatch(found):
        raise AmbiguousInputError("it is not the address of one device's page in the portal")
    return found


def parse_entra_id(text: str) -> str:
    """An Entra device ID. Raises AmbiguousInputError."""
    text = _INVISIBLE.sub("", text).strip()
    if not is_guid(_without_braces(text)) or is_nil_guid(text):
        raise AmbiguousInputError("it is not an Entra device id, which is a GUID and not all zeros")
    return parse_option("aad_device_id", text)["aad_device_id"]


def is_nil_guid(text: str) -> bool:
    """Whether these are the zeros that exports show for a device that is not registered."""
    return _without_braces(text) == _NIL_GUID


def parse_option(field: str, text: str) -> Device:
    """What the option of this name makes of the text: the module's own rules have the last word. Raises AmbiguousInputError."""
    try:
        request = DeviceRequest.from_options(**{"device_name": "any", "comment": "any", field: text})
    except OptionError as error:
        raise AmbiguousInputError(f"{error.message.rstrip('.')}. {error.hint}".rstrip(".")) from error
    return {field: request.as_dict()[field]}


def looks_like_id(text: str, *, cut_off: bool = False) -> str:
    """Why a text is, or was before it was damaged, an ID rather than a name; blank where it is not.

    With ``cut_off`` only damaged ones count.
    """
    if not cut_off and (
        _ADDRESS.match(text) or _PAGE.match(text) or _DEVICE_ID.fullmatch(text) or is_guid(_without_braces(text))
    ):
        return "it stands where a name is expected"
    plain = unicodedata.normalize("NFKC", _INVISIBLE.sub("", text)).translate(_LOOK_ALIKES).lower()
    if _WHOLE_HEX.fullmatch(plain) and not is_guid(text) and not _DEVICE_ID.fullmatch(text):
        return "it looks like an id, but with signs in it that do not belong there, or without the hyphens of a GUID"
    if _SCIENTIFIC_NOTATION.fullmatch(text):
        return "it is an id that a spreadsheet took for a number and damaged; export the column as text"
    if _LONG_HEX.fullmatch(text) and not is_guid(text) and not _DEVICE_ID.fullmatch(text):
        digits = sum(c != "-" for c in text)
        return f"it looks like an id but has {digits} digits where a device id has 40, as if it were cut off"
    return ""


def _without_braces(text: str) -> str:
    return text[1:-1] if text.startswith("{") and text.endswith("}") else text


def _why_no_word(text: str) -> str:
    if HIDDEN in text:
        return ""  # said by the option
    if _SCIENTIFIC_NOTATION.fullmatch(text):
        return looks_like_id(text)
    if len(text) > _MAX_WORD or not _NAME.fullmatch(text):
        strange = sorted({c for c in text[:_MAX_WORD] if not (c.isalnum() or c in "_-.'")})
        if not strange:
            return "it is not a device's name"
        return f"a bare word has no {strange[0]!r} in it; put a name that has it in quotes"
    if _MAC.fullmatch(text):
        return "it is a network address and not a name"
    if not any(c.isalpha() for c in text):
        return "a number, a date or an IP address does not name a device; put a name that looks so in quotes"
    return ""
