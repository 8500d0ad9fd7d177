# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Device ID, name, Entra device ID, action ID, comment and tag: validated and normalized."""

from __future__ import annotations

import re
import typing as t
import unicodedata
from dataclasses import dataclass

from .._errors import OptionError

_ID = re.compile(r"[A-Za-z0-9-]+")
_DEVICE_ID = re.compile(r"[0-9A-Fa-f]{40}")
NIL_GUID: t.Final = "00000000-0000-0000-0000-000000000000"
"""In exports and records, the Entra device ID of each device that is not registered: it identifies none of them."""
_GUID = re.compile(r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")
# The URL of a device page in the portal, for any host and cloud. A URL that ends before the ID has none. A URL that contains
# another one may redirect to it, or be two URLs.
_PORTAL_URL = re.compile(
    r"https?://[^/\s]+/machines/(?:v2/)?(?!v2(?:[/?#]|$))([A-Za-z0-9-]+)(?:[/?#](?:(?!https?(?::|%3a))\S)*)?",
    re.IGNORECASE,
)
# Longer than any DNS name.
_MAX_NAME_LENGTH = 255
_MAX_QUOTED = 60
# The limit of the portal.
MAX_TAG_LENGTH = 200
# Control characters, surrogates and line breaks. Names in the service have all others, such as no-break spaces and the joiners
# of emoji.
_NOT_IN_NAMES = frozenset(("Cc", "Cs", "Zl", "Zp"))
_DNS_LABEL = re.compile(r"(?!-)[\w-]{1,63}(?<!-)")
# What Ansible shows instead of secrets: in a part of a value, and instead of a complete value.
HIDDEN = "********"
_HIDDEN_WHOLE = "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"


@dataclass(frozen=True)
class DeviceRequest:
    """A requested device. All identifiers that are set must identify the same device."""

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
        """Validate and normalize the options of one device. An empty identifier counts as not set.

        Raises OptionError with the option and the values that are allowed.
        """
        request = cls(
            device_id=_clean_optional(device_id, clean_device_id),
            device_name=_clean_optional(device_name, clean_device_name),
            aad_device_id=_clean_optional(aad_device_id, clean_aad_device_id),
            comment=clean_comment(comment),
        )
        if not (request.device_id or request.device_name or request.aad_device_id):
            raise OptionError(
                "No device specified.", hint="Set device_id, device_name or aad_device_id. Empty values are ignored."
            )
        return request

    @property
    def display_name(self) -> str:
        """The name of this device in messages."""
        return self.device_name or self.device_id or self.aad_device_id or "?"

    @property
    def looks_like_guid(self) -> bool:
        """Whether ``device_id`` is a GUID, as Entra device IDs are. Device IDs of the service never are."""
        return self.device_id is not None and is_guid(self.device_id)

    def as_dict(self) -> dict[str, t.Any]:
        return dict(vars(self))


def is_guid(text: str) -> bool:
    return _GUID.fullmatch(text) is not None


def has_form_of_id(text: str) -> bool:
    """Whether a text has the usual form of a device ID, or is a GUID."""
    return is_guid(text) or _DEVICE_ID.fullmatch(text) is not None


def is_visible(character: str) -> bool:
    """Whether a character is neither a blank, nor a control character, nor without width."""
    return unicodedata.category(character) not in ("Cc", "Cf", "Zs")


def clean_comment(comment: str | None) -> str:
    """The comment as it is sent. Raises OptionError for one without a visible character: auditors read it later."""
    text = (comment or "").strip()
    if not any(map(is_visible, text)):
        raise OptionError("comment is empty.", hint="State the reason, for example the ticket number.")
    if any(unicodedata.category(character) == "Cs" for character in text):
        raise OptionError(
            f"comment: {text[:_MAX_QUOTED]!r} contains half of a surrogate pair.", hint="Use valid Unicode text."
        )
    return text


def clean_tag(text: str) -> str:
    """The tag without surrounding white space. Raises OptionError for an empty one, or one the portal cannot show."""
    tag = text.strip()
    if not tag or len(tag) > MAX_TAG_LENGTH or not tag.isprintable():
        raise OptionError(
            f"tag: {text[:60]!r} is not a valid tag.",
            hint=f"Use one line of text with at most {MAX_TAG_LENGTH} characters.",
        )
    return tag


def is_dns_name(text: str) -> bool:
    """Whether a name is a short or full DNS name, which has a first label. An IP address is not."""
    labels = text.split(".")
    return all(map(_DNS_LABEL.fullmatch, labels)) and not labels[-1].isdigit()


def _refuse_hidden(option: str, text: str) -> None:
    """Raise OptionError for a value in which Ansible has masked a secret."""
    if HIDDEN in text or _HIDDEN_WHOLE in text:
        raise OptionError(
            f"{option}: {text[:_MAX_QUOTED]!r} is what Ansible shows instead of a secret, not the value.",
            hint="A password, token or other secret of an earlier task is part of the value, so Ansible masked it. "
            "Take the value from its source, or use a secret that is not part of a name or ID.",
        )


def _clean_optional(value: str | None, clean: t.Callable[[str], str]) -> str | None:
    text = (value or "").strip()
    return clean(text) if text else None


def clean_device_id(value: str) -> str:
    """A device ID, also from the URL of its page in the portal. Raises OptionError for anything else."""
    value = value.strip()
    _refuse_hidden("device_id", value)
    portal = _PORTAL_URL.fullmatch(value)
    if portal:
        return portal.group(1)
    if not _ID.fullmatch(value):
        raise OptionError(
            f"device_id: {value[:_MAX_QUOTED]!r} is not a device ID.",
            hint="Use letters, digits and hyphens, or the URL of the device page in the portal.",
        )
    return value


def clean_device_name(value: str) -> str:
    """A complete name, without the trailing dot of a DNS name. Raises OptionError for an invalid one.

    It can be almost any text, because Defender's records have such names. A domain alone, such as ``.corp.example``, is
    rejected: it is what an empty variable before it leaves. Not finding such a name would say nothing about the device.
    """
    name = value.strip()
    _refuse_hidden("device_name", name)
    root = name.rstrip(".")  # some tools print the trailing dot
    name = root if is_dns_name(root) else name
    odd = any(unicodedata.category(character) in _NOT_IN_NAMES for character in name)
    alone = name.startswith(".") and is_dns_name(name.lstrip("."))
    if not name.strip(".") or alone or len(name) > _MAX_NAME_LENGTH or odd:
        raise OptionError(
            f"device_name: {value[:_MAX_QUOTED]!r} is not a valid device name.",
            hint=f"Use one short or full name of at most {_MAX_NAME_LENGTH} characters, without control characters and line "
            "breaks, and with text before the first dot.",
        )
    return name


def clean_aad_device_id(value: str) -> str:
    """A GUID, with or without braces. Raises OptionError for anything else, and for the one that means "not registered"."""
    value = value.strip()
    _refuse_hidden("aad_device_id", value)
    guid = value[1:-1] if value.startswith("{") and value.endswith("}") else value
    if not is_guid(guid) or guid == NIL_GUID:
        raise OptionError(
            f"aad_device_id: {value[:_MAX_QUOTED]!r} is not an Entra device ID.",
            hint="Use a GUID such as 11112222-bbbb-3333-cccc-4444dddd5555, not the object ID of the device, and not all zeros.",
        )
    return guid


def clean_action_id(value: str) -> str:
    """The ID of a machine action. Raises OptionError for anything else."""
    action_id = value.strip()
    _refuse_hidden("action_id", action_id)
    if not _ID.fullmatch(action_id):
        raise OptionError(
            f"action_id: {value[:_MAX_QUOTED]!r} is not the ID of a machine action.",
            hint="Use action.id (a GUID) from the result of mde_offboard.",
        )
    return action_id
