# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which device is meant, as people write it: cleaned, checked, and refused where it could mean another."""

from __future__ import annotations

import re
import typing as t
import unicodedata
from dataclasses import dataclass

from .._errors import OptionError

_ID = re.compile(r"[A-Za-z0-9-]+")
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# The address of a device's page in the portal, of whatever host and cloud; one that ends before the id holds none. An address
# with another one in it may be the way to the other, or be two.
_PORTAL_URL = re.compile(
    r"https?://[^/\s]+/machines/(?:v2/)?(?!v2(?:[/?#]|$))([A-Za-z0-9-]+)(?:[/?#](?:(?!https?(?::|%3a))\S)*)?",
    re.IGNORECASE,
)
# More than any DNS name: such a text is something else.
_MAX_NAME_LENGTH = 255
_MAX_QUOTED = 60
# Control characters, halves of characters, and line breaks. All else is in names that the service itself writes: blanks
# that do not break, and the joiners of emoji.
_NOT_IN_NAMES = frozenset(("Cc", "Cs", "Zl", "Zp"))
_DNS_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")
# What Ansible puts in the place of secrets, in whole values and in parts of them.
HIDDEN = "********"
_HIDDEN_WHOLE = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


@dataclass(frozen=True)
class DeviceRequest:
    """One device as asked for: every identifier that is given must name the same device."""

    device_id: str | None = None
    device_name: str | None = None
    aad_device_id: str | None = None
    comment: str | None = None

    @classmethod
    def from_options(
        cls,
        device_id: str | None = None,
        device_name: str | None = None,
        aad_device_id: str | None = None,
        comment: str | None = None,
    ) -> DeviceRequest:
        """Check and clean what the user gave; a blank identifier counts as not given.

        Raises OptionError, naming the option and what is allowed.
        """
        request = cls(
            device_id=_clean_optional(device_id, clean_device_id),
            device_name=_clean_optional(device_name, clean_device_name),
            aad_device_id=_clean_optional(aad_device_id, clean_aad_device_id),
            comment=clean_comment(comment),
        )
        if not (request.device_id or request.device_name or request.aad_device_id):
            raise OptionError(
                "No device is named.", hint="Give device_id, device_name or aad_device_id; blank ones do not count."
            )
        return request

    @property
    def display_name(self) -> str:
        """How messages call this device."""
        return self.device_name or self.device_id or self.aad_device_id or "?"

    @property
    def looks_like_guid(self) -> bool:
        """Whether ``device_id`` has the form of an Entra device id, which the service never gives its own ids."""
        return self.device_id is not None and is_guid(self.device_id)

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "device_id": self.device_id,
            "device_name": self.device_name,
            "aad_device_id": self.aad_device_id,
            "comment": self.comment,
        }


def is_guid(text: str) -> bool:
    return _GUID.fullmatch(text) is not None


def clean_comment(comment: str | None) -> str:
    """The comment as it is sent; raises OptionError for a blank one: it is what an auditor reads later."""
    text = (comment or "").strip()
    if not text:
        raise OptionError("comment: it is blank.", hint="Say why this is done, for example with the ticket's number.")
    if any(map(_is_half, text)):
        raise OptionError(
            f"comment: {text[:_MAX_QUOTED]!r} holds half a character.", hint="Give it as valid Unicode text."
        )
    return text


def is_dns_name(text: str) -> bool:
    """Whether a name has the form of a DNS name, short or full, so that it has a first label; an IP address has none."""
    labels = text.split(".")
    return all(map(_DNS_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def _is_half(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"


def _refuse_hidden(option: str, text: str) -> None:
    """Raise OptionError for what Ansible leaves of a value that it takes for a secret, or that holds one."""
    if HIDDEN in text or _HIDDEN_WHOLE in text:
        raise OptionError(
            f"{option}: {text[:_MAX_QUOTED]!r} is what Ansible shows in the place of a secret, and not the value.",
            hint="A password, token or other secret of an earlier task is part of the value, so Ansible hid it there:"
            " take the value from its source, or use a secret that is in no name or ID.",
        )


def _clean_optional(value: str | None, clean: t.Callable[[str], str]) -> str | None:
    text = (value or "").strip()
    return clean(text) if text else None


def clean_device_id(value: str) -> str:
    """An id, or that of a page's address in the portal. Raises OptionError for what cannot be one."""
    value = value.strip()
    _refuse_hidden("device_id", value)
    portal = _PORTAL_URL.fullmatch(value)
    if portal:
        return portal.group(1)
    if not _ID.fullmatch(value):
        raise OptionError(
            f"device_id: {value[:_MAX_QUOTED]!r} is not a device id.",
            hint="Allowed are letters, digits and hyphens, or the whole address of one device's page in the portal.",
        )
    return value


def clean_device_name(value: str) -> str:
    """A whole name, without the dot of DNS's root. Raises OptionError for what cannot be one.

    It is any text, as Defender's own records have such names. A domain alone is refused, which is what an empty
    variable before it leaves: no device has that name, and an absence is not to be concluded from it.
    """
    name = value.strip()
    _refuse_hidden("device_name", name)
    root = name.rstrip(".")  # as some tools print it
    name = root if is_dns_name(root) else name
    odd = any(unicodedata.category(character) in _NOT_IN_NAMES for character in name)
    alone = name.startswith(".") and is_dns_name(name.lstrip("."))
    if not name.strip(".") or alone or len(name) > _MAX_NAME_LENGTH or odd:
        raise OptionError(
            f"device_name: {value[:_MAX_QUOTED]!r} is not a name.",
            hint=f"Give one name, short or full, of at most {_MAX_NAME_LENGTH} characters, without control characters and line"
            " breaks, and with something before its first dot.",
        )
    return name


def clean_aad_device_id(value: str) -> str:
    """A GUID, in braces or without. Raises OptionError for anything else."""
    value = value.strip()
    _refuse_hidden("aad_device_id", value)
    guid = value[1:-1] if value.startswith("{") and value.endswith("}") else value
    if not is_guid(guid):
        raise OptionError(
            f"aad_device_id: {value[:_MAX_QUOTED]!r} is not an Entra device id.",
            hint="It is a GUID such as 11112222-bbbb-3333-cccc-4444dddd5555; the device's object id is another one.",
        )
    return guid


def clean_action_id(value: str) -> str:
    """The id of a machine action. Raises OptionError for what cannot be one."""
    action_id = value.strip()
    _refuse_hidden("action_id", action_id)
    if not _ID.fullmatch(action_id):
        raise OptionError(
            f"action_id: {value[:_MAX_QUOTED]!r} is not the id of a machine action.",
            hint="It is a GUID, and stands in the action that an offboard returned, as action.id.",
        )
    return action_id
