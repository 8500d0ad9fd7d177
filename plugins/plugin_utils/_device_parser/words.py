# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One word: which identifier of a device it is, or why it is rejected."""

from __future__ import annotations

import contextlib
import re
import typing as t
import unicodedata
from reprlib import Repr

from ...module_utils._errors import OptionError
from ...module_utils._options.identifiers import HIDDEN, NIL_GUID, DeviceRequest, is_dns_name, is_guid
from .._host_names import is_local_name
from .rows_to_keep import is_heading

# An entry of the option ``devices``, without empty keys.
Device = dict[str, str]

_DEVICE_ID = re.compile(r"[0-9A-Fa-f]{40}")
_ID = re.compile(r"[A-Za-z0-9-]+")
_URL = re.compile(r"https?://", re.IGNORECASE)
# Narrower than what the service accepts: in plain text, other words are rarely device names.
_NAME = re.compile(r"\w(?:[\w'-]*\w)?(?:\.\w(?:[\w'-]*\w)?)*\.?")
_LONG_HEX = re.compile(r"[0-9A-Fa-f-]{20,}")
_SCIENTIFIC_NOTATION = re.compile(r"[0-9]+(?:[.,][0-9]+E[+-]?|E\+)[0-9]+", re.IGNORECASE)
_MAC = re.compile(r"[0-9A-F]{2}(?:-[0-9A-F]{2}){5}", re.IGNORECASE)
# Characters without width, among them the byte order mark. Text copied from chats and mail contains them.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u202a\u202c\u2060\ufeff]")
# Letters that resemble hexadecimal digits, and dashes that resemble hyphens.
_LOOKALIKES = str.maketrans(
    "\u0410\u0430\u0412\u0421\u0441\u0415\u0435OoIl", "aabccee0011", " -\u2010\u2011\u2012\u2013\u2014\u2212"
)
_COMPLETE_HEX = re.compile(r"[0-9a-f]{32}|[0-9a-f]{40}")
_PAGE = re.compile(r"[^/\s]+/machines/(?:v2/)?[0-9A-Fa-f]{40}|=hyperlink\(|\[.*\]\(https?://", re.IGNORECASE)
# Placeholders for a missing value, and other words in lists of devices: totals, headings, exceptions.
_NO_VALUE = re.compile(
    r"""\#[A-Z/0]{2,}[!?]?|[!-/:-@\[-`{-~\s]+|n/?a|none|null|nil|nan|unknown|undefined|tbd|\((?:blank|leer|none)\)
    |(?:grand\ )?(?:total|sum|count|summe|gesamt|gesamtsumme|anzahl)\s*:?(?:\s+|(?<=:))[\d.,]*|(?:grand\ )?(?:total|summe|gesamt|gesamtsumme)
    |all|alle|but
    |\(?[\d.,]+\ (?:rows?|records?|devices?|items?|zeilen)\b.*|.*:""",
    re.IGNORECASE | re.VERBOSE,
)
# Errors of spreadsheets in several languages. A line that starts with one is a device that was lost, not a comment.
_SPREADSHEET_ERROR = re.compile(r"\#(?:N/[A-Z]!?|NV|¡?[^\W\d_a-z]+(?:/0)?[!?])(?=[\s,;|]|$)")
_QUOTES: t.Final = ('""', "''", "``", "\u201c\u201d", "\u201e\u201c", "\u2018\u2019", "\u00ab\u00bb")
_MAX_WORD: t.Final = 1000
_MAX_QUOTED: t.Final = 60
_SHORT: t.Final = Repr()
_SHORT.maxlevel, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxstring = 2, 4, 4, 60


class AmbiguousInputError(Exception):
    """The input is invalid or ambiguous. The text is the reason."""


class DeviceCollector:
    """Collects the devices of the input, and the errors in it."""

    def __init__(self, hint: str) -> None:
        self._hint = hint
        self._devices: list[Device] = []
        self._errors: list[str] = []

    def add(self, *devices: Device) -> None:
        self._devices += devices

    @contextlib.contextmanager
    def at(self, where: str, value: object) -> t.Iterator[None]:
        """Collect the error that the block raises for the value at ``where``."""
        try:
            yield
        except AmbiguousInputError as error:
            self.add_error(where, value, error)
        except OptionError as error:
            self.add_error(where, value, error.message.rstrip("."))

    def add_error(self, where: str, value: object, why: object) -> None:
        """Add an error for the value at ``where``."""
        self._errors.append(f"{where}, {quote_for_message(value)}: {why}.")

    def devices_or_raise(self) -> list[Device]:
        """All devices. Raises OptionError, quoting the first errors, if there is any."""
        if self._errors:
            raise OptionError.of(self._errors, hint=self._hint)
        return self._devices


def remove_invisible(text: str) -> str:
    """The text without characters that have no width."""
    return _INVISIBLE.sub("", text)


def is_comment(line: str) -> bool:
    """Whether a line is a comment: it starts with a number sign that does not belong to an error of a spreadsheet."""
    return line.startswith("#") and not _SPREADSHEET_ERROR.match(line)


def shorten(value: object) -> str:
    """A short representation of any value."""
    return _SHORT.repr(value)


def quote_for_message(value: object) -> str:
    """The value for a message: in quotes, shortened, with escapes for invisible characters."""
    text = value if isinstance(value, str) else shorten(value)
    return repr(text) if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]!r}..."


def unquote(text: str) -> str:
    """The text without white space and one pair of quotes around it, also in the form that keeps Excel from converting it: ="text"."""
    text = text.strip()
    if text.startswith('="') and text.endswith('"'):
        text = text[1:]
    if len(text) >= 2 and text[0] + text[-1] in _QUOTES:
        text = text[1:-1].strip()
    return text


def is_device_id(text: str) -> bool:
    """Whether this is a complete device ID or the URL of a device page."""
    try:
        return bool(parse_device_id(text))
    except AmbiguousInputError:
        return False


def parse_word(text: str, *, in_quotes: bool = False) -> Device:
    """The device for a word of any kind. Raises AmbiguousInputError.

    A word without quotes must have the form of a host name, because it could be part of a sentence.
    """
    bare = text.strip() if in_quotes else unquote(text)
    in_quotes = in_quotes or bare != text.strip()
    word = remove_invisible(bare)
    if _URL.match(word) or _DEVICE_ID.fullmatch(word):
        return {"device_id": parse_device_id(word)}
    if is_guid(word.strip("{}")):
        return {"aad_device_id": parse_entra_id(word)}
    why = "" if in_quotes else _why_no_word(word)
    if in_quotes and re.search("[,;\t]", bare):
        why = "a name in quotes cannot contain commas, semicolons or tabs, because it could be several names; write it as a record"
    if why:
        raise AmbiguousInputError(why)
    return {"device_name": parse_name(bare if in_quotes else word)}


def parse_name(text: str) -> str:
    """A name that is the only identifier of a device. A DNS name loses its invisible characters. Raises AmbiguousInputError."""
    text = parse_option("device_name", text)["device_name"]
    if why := looks_like_id(text):
        raise AmbiguousInputError(why)
    if _NO_VALUE.fullmatch(text) or is_heading(text) or _SPREADSHEET_ERROR.fullmatch(text):
        raise AmbiguousInputError(
            "is not a device name, but a word about the list, a total, or a placeholder for a missing value"
        )
    if is_local_name(text):
        raise AmbiguousInputError("is a name that every device has for itself; use the device ID")
    visible = remove_invisible(text)
    return visible if is_dns_name(visible) else text


def parse_device_id(text: str, *, of_service: bool = False) -> str:
    """A device ID of 40 digits, or the ID in the URL of a device page. Raises AmbiguousInputError.

    With ``of_service``, any ID that the service can assign is accepted, unless it looks damaged.
    """
    text = remove_invisible(text).strip()
    if _DEVICE_ID.fullmatch(text):
        return text
    if not _URL.match(text):
        if is_guid(text.strip("{}")):
            raise AmbiguousInputError(
                "is a GUID, which is an ID of Entra or Intune and not of Defender; if it is the Entra device ID, name its column aad_device_id"
            )
        why = looks_like_id(text, only_damaged=True)
        if of_service and not why and _ID.fullmatch(text):
            return text
        raise AmbiguousInputError(why or "is not a device ID, which has 40 hexadecimal digits")
    found = parse_option("device_id", text)["device_id"]
    if not _DEVICE_ID.fullmatch(found):
        raise AmbiguousInputError("is not the URL of a device page in the portal")
    return found


def parse_entra_id(text: str) -> str:
    """An Entra device ID. Raises AmbiguousInputError."""
    text = remove_invisible(text).strip()
    if not is_guid(text.strip("{}")) or is_nil_guid(text):
        raise AmbiguousInputError("is not an Entra device ID, which is a GUID and not all zeros")
    return parse_option("aad_device_id", text)["aad_device_id"]


def is_nil_guid(text: str) -> bool:
    """Whether this is the GUID of zeros that exports contain for a device that is not registered."""
    return text.strip("{}") == NIL_GUID


def parse_option(field: str, text: str) -> Device:
    """The text, validated and normalized by the module's own rules for this option. Raises AmbiguousInputError."""
    try:
        request = DeviceRequest.from_options(**{"device_name": "any", "comment": "any", field: text})
    except OptionError as error:
        raise AmbiguousInputError(f"{error.message.rstrip('.')}. {error.hint}".rstrip(".")) from error
    return {field: request.as_dict()[field]}


def looks_like_id(text: str, *, only_damaged: bool = False) -> str:
    """Why a text is an ID or a damaged ID, and not a name. Empty if it can be a name.

    With ``only_damaged``, complete IDs are not reported.
    """
    if _URL.match(text) or _PAGE.match(text) or _DEVICE_ID.fullmatch(text) or is_guid(text.strip("{}")):
        return "" if only_damaged else "is an ID or URL where a device name is expected"
    if len(text) > _MAX_WORD:
        return ""
    plain = unicodedata.normalize("NFKC", remove_invisible(text)).translate(_LOOKALIKES).lower()
    if _COMPLETE_HEX.fullmatch(plain):
        return "looks like an ID, but contains characters that do not belong in one, or lacks the hyphens of a GUID"
    if _SCIENTIFIC_NOTATION.fullmatch(text):
        return "is an ID that a spreadsheet converted to a number; export the column as text"
    if _LONG_HEX.fullmatch(text):
        digits = sum(c != "-" for c in text)
        return f"looks like a damaged ID: it has {digits} digits, a device ID has 40 and a GUID has 32"
    return ""


def _why_no_word(text: str) -> str:
    if HIDDEN in text:
        return ""  # the option rejects it
    if _SCIENTIFIC_NOTATION.fullmatch(text):
        return looks_like_id(text)
    if not _NAME.fullmatch(text):
        strange = min((c for c in text[:_MAX_WORD] if not (c.isalnum() or c in "_-.'")), default="")
        return f"{strange!r} is not allowed in a device name without quotes" if strange else "is not a device name"
    if _MAC.fullmatch(text):
        return "is a MAC address, not a device name"
    if any(c.isalpha() for c in text):
        return ""
    return "numbers, dates and IP addresses are not device names; if it is a name, put it in quotes"
