# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What one word says: which identifier of a device it is, or why it is none that can be trusted."""

from __future__ import annotations

import re
import typing as t

from ...module_utils._errors import OptionError
from ...module_utils._options.identifiers import DeviceRequest, is_guid

# One device as the option ``devices`` takes it, with the keys that are filled.
Device = dict[str, str]

_DEVICE_ID = re.compile(r"[0-9A-Fa-f]{40}")
_ADDRESS = re.compile(r"https?://", re.IGNORECASE)
# Narrower than what the service accepts: in a text, anything else is more likely no name at all.
_NAME = re.compile(r"\w(?:[\w'-]*\w)?(?:\.\w(?:[\w'-]*\w)?)*\.?")
_LONG_HEX = re.compile(r"[0-9A-Fa-f-]{20,}")
_DAMAGED = re.compile(r"[0-9]+(?:[.,][0-9]+E[+-]?|E\+)[0-9]+", re.IGNORECASE)
_MAC = re.compile(r"[0-9A-F]{2}(?:-[0-9A-F]{2}){5}", re.IGNORECASE)
_QUOTES: t.Final = {
    '"': '"',
    "'": "'",
    "`": "`",
    "\u201c": "\u201d",
    "\u201e": "\u201c",
    "\u2018": "\u2019",
    "\u00ab": "\u00bb",
}
_NO_ENTRA_ID: t.Final = "00000000-0000-0000-0000-000000000000"
_LONGEST: t.Final = 1000
_SHOWN: t.Final = 60
# Mistakes of a text that are told at once; a hundred of them help nobody.
_MOST_TOLD: t.Final = 5


class Unclear(Exception):
    """A piece of the input cannot be meant, or could mean two things. The text says why."""


class Findings:
    """The devices found so far, and what could not be understood."""

    def __init__(self, hint: str) -> None:
        self._hint = hint
        self._devices: list[Device] = []
        self._wrong: list[str] = []

    def add(self, *devices: Device) -> None:
        self._devices += devices

    def refuse(self, where: str, text: str, why: object) -> None:
        """Remember that ``text``, which stands at ``where``, cannot be understood."""
        self._wrong.append(f"{where}, {quoted(text)}: {why}.")

    def result(self) -> list[Device]:
        """All devices; raises OptionError, quoting the first places, when a single one was refused."""
        if self._wrong:
            more = [f"And {len(self._wrong) - _MOST_TOLD} more."] if len(self._wrong) > _MOST_TOLD else []
            raise OptionError(" ".join(self._wrong[:_MOST_TOLD] + more), hint=self._hint)
        return self._devices


def quoted(text: str) -> str:
    """The text as messages show it: in quotes, shortened, and with what cannot be seen written out."""
    return repr(text) if len(text) <= _SHOWN else f"{text[:_SHOWN]!r}..."


def unquote(text: str) -> str:
    """The text without white space and one pair of quotes around it, also as Excel keeps text: ="text"."""
    text = text.strip()
    if text.startswith('="') and text.endswith('"'):
        text = text[1:]
    if len(text) >= 2 and _QUOTES.get(text[0]) == text[-1]:
        text = text[1:-1].strip()
    return text


def is_device_id(text: str) -> bool:
    """Whether this is a whole device id or the address of a device's page, without doubt."""
    try:
        return bool(by_id(text))
    except Unclear:
        return False


def is_entra_id(text: str) -> bool:
    """Whether this is a GUID, in braces or not."""
    return is_guid(_without_braces(text))


def is_long_hex(text: str) -> bool:
    """Whether this is, or was before it was damaged, some long id."""
    return _LONG_HEX.fullmatch(text) is not None and not is_guid(text)


def by_word(text: str) -> Device:
    """The device that a word of a text names, of whatever kind. Raises Unclear."""
    text = unquote(text)
    if _ADDRESS.match(text) or _DEVICE_ID.fullmatch(text):
        return by_id(text)
    if is_entra_id(text):
        return by_entra_id(text)
    return by_name(text)


def by_id(text: str) -> Device:
    """A device by its id of 40 digits or its page in the portal. Raises Unclear."""
    if _DEVICE_ID.fullmatch(text):
        return {"device_id": text}
    if not _ADDRESS.match(text):
        raise Unclear(_why_no_id(text))
    # Two addresses in one cell would otherwise be taken for a long one.
    found = None if re.search(r"[\s,;]", text) else _checked("device_id", text)
    if found is None or not _DEVICE_ID.fullmatch(found["device_id"]):
        raise Unclear("it is not the address of one device's page in the portal")
    return found


def by_entra_id(text: str) -> Device:
    """A device by its Entra id. Raises Unclear."""
    if not is_entra_id(text) or is_no_entra_id(text):
        raise Unclear("it is not an Entra device id, which is a GUID and not all zeros")
    return _checked("aad_device_id", text)


def is_no_entra_id(text: str) -> bool:
    """Whether these are the zeros that exports show for a device that is not registered."""
    return _without_braces(text) == _NO_ENTRA_ID


def by_name(text: str) -> Device:
    """A device by its name, short or full. Raises Unclear."""
    why = _why_no_name(text)
    if why:
        raise Unclear(why)
    return _checked("device_name", text)


def by_option(field: str, text: str) -> Device:
    """What the option of this name makes of the text. Raises Unclear."""
    return _checked(field, text)


def _checked(field: str, text: str) -> Device:
    """The module's own rules have the last word."""
    try:
        request = DeviceRequest.from_options(**{"comment": "any", field: text})
    except OptionError as error:
        raise Unclear(f"it is no {field}. {error.hint}".rstrip(".")) from error
    return {field: request.as_dict()[field]}


def _without_braces(text: str) -> str:
    return text[1:-1] if text.startswith("{") and text.endswith("}") else text


def _why_no_id(text: str) -> str:
    if is_entra_id(text):
        return "a GUID is an id of Entra or Intune, and not the device id in Defender"
    return _look_alike(text) or "it is not a device id, which has 40 hexadecimal digits"


def _why_no_name(text: str) -> str | None:
    if _ADDRESS.match(text) or _DEVICE_ID.fullmatch(text) or is_entra_id(text):
        return "it stands where a name is expected"
    if _DAMAGED.fullmatch(text):
        return _look_alike(text)
    if len(text) > _LONGEST or not _NAME.fullmatch(text):
        strange = sorted({c for c in text[:_LONGEST] if not (c.isalnum() or c in "_-.'")})
        return f"no device has a name with {strange[0]!r} in it" if strange else "it is not a device's name"
    return _look_alike(text)


def _look_alike(text: str) -> str | None:
    """Why this is something else than it seems, if so."""
    if _DAMAGED.fullmatch(text):
        return "it is an id that a spreadsheet took for a number and damaged; export it anew as text"
    if is_long_hex(text):
        digits = sum(c != "-" for c in text)
        return f"it looks like an id but has {digits} digits where a device id has 40, as if it were cut off"
    if _MAC.fullmatch(text):
        return "it is a network address and not a name"
    if not any(c.isalpha() for c in text):
        return "a number, a date or an IP address does not name a device"
    return None
