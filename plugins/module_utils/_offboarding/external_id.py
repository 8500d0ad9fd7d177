# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""ExternalId: the identity of each offboard request, and whether the service accepts the parameter.

The API's ``$metadata`` names the parameter, and Microsoft Learn, "MachineAction resource type", describes
``externalId`` as an ID that the client can send for correlation. No published response shows it. A service may
return the value, drop it, or refuse the request because of it.
"""

from __future__ import annotations

import random
import typing as t
import unicodedata
import uuid

from .._errors import ApiError, OptionError
from .._options.identifiers import HIDDEN
from .._same import comparable

_MAX_LENGTH: t.Final = 64
_UUID_LENGTH: t.Final = 36
_MAX_TEXT: t.Final = _MAX_LENGTH - _UUID_LENGTH - 1
# The first group of a UUID. A service that keeps less than that of a value has kept nothing to compare.
_MIN_PREFIX: t.Final = 8
_NOT_ALLOWED: t.Final = frozenset(("Cc", "Cs", "Zl", "Zp"))
# Microsoft Learn, "Common REST API error codes": the codes for a body that cannot be used. The OData layer sends an
# empty code.
_BODY_CODES: t.Final = frozenset(
    {"", "badrequest", "invalidinput", "invalidrequestbody", "missingrequiredparameter", "odataerror"}
)


class ExternalIds:
    """The external IDs of one run. Safe to use from several threads."""

    def __init__(self, rng: random.Random, text: str | None = None, *, enabled: bool = True) -> None:
        """``text`` follows the UUID in each value. Without ``enabled`` the run sends no external IDs."""
        self._rng = rng
        self._text = text
        self.accepted: bool | None = None if enabled else False
        """Whether the service accepts the parameter; None until it is known."""

    def create(self) -> str | None:
        """The value for one device, or None where none is sent."""
        if self.accepted is False:
            return None
        value = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        return f"{value} {self._text}" if self._text else value

    def record(self, accepted: bool) -> None:
        """Remember what an accepted offboard shows. The first lesson counts."""
        if self.accepted is None:
            self.accepted = accepted


def clean_external_id(text: str) -> str:
    """The text of the option as it is sent after the UUID. Raises OptionError."""
    cleaned = text.strip()
    if not cleaned:
        raise OptionError("external_id is empty.", hint="Set a ticket or job number, or omit the option.")
    if any(unicodedata.category(character) in _NOT_ALLOWED for character in cleaned):
        raise OptionError("external_id contains control characters or line breaks.", hint="Set one line of plain text.")
    if HIDDEN in cleaned:
        raise OptionError(
            "external_id contains a value that Ansible has masked.", hint="Set a text that contains no secret."
        )
    if len(cleaned) > _MAX_TEXT:
        raise OptionError(
            f"external_id has {len(cleaned)} characters; at most {_MAX_TEXT} are allowed.",
            hint=f"The module sends it after a UUID, {_MAX_LENGTH} characters in total.",
        )
    return cleaned


def refuses_body(error: ApiError) -> bool:
    """Whether the service itself refused the body of the request, so that nothing was carried out."""
    return error.http_status == 400 and error.by_service and str(error.service_code).lower() in _BODY_CODES


def is_same(sent: str, returned: str) -> bool:
    """Whether a value is the one that was sent, ignoring case and surrounding spaces, or that value truncated after the UUID."""
    return len(returned.strip()) >= _UUID_LENGTH and _is_cut_off(sent, returned)


def contradicts(sent: str | None, returned: str) -> bool:
    """Whether a value in the response to our own request shows that the action is of another request."""
    return sent is None or len(returned.strip()) < _MIN_PREFIX or not _is_cut_off(sent, returned)


def _is_cut_off(sent: str, returned: str) -> bool:
    return comparable(sent).startswith(comparable(returned.strip()))
