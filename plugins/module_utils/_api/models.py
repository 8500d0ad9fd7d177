# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Machine and MachineAction records: frozen, typed, tolerant of missing and unknown values.

Every record enters here, whether from the service, a cache or a file. Its identifiers are checked, because they become part
of paths. The rest is made safe, so that Ansible can return every record.

Fields and spellings: Microsoft Learn, "Machine resource type" and "MachineAction resource type". Enum values are compared
case-insensitively, and unknown ones are kept. A time that is not readable is None.
"""

from __future__ import annotations

import re
import typing as t
import unicodedata
from dataclasses import dataclass
from datetime import datetime, timezone

from .._presentable import DEEPEST_RECORD, presentable
from .._same import comparable
from .._timestamps import parse_time

# Excludes "." and "..", which have a meaning in a path.
_ID: t.Final = re.compile(r"[A-Za-z0-9-]{1,255}", re.ASCII)
_MAX_EXCERPT: t.Final = 80

ACTIVE_STATUSES: t.Final = frozenset({"pending", "inprogress"})
_SPELLINGS: t.Final = {"canceled": "cancelled"}
FINAL_STATUSES: t.Final = frozenset({"succeeded", "failed", "timeout", "cancelled"})
_NOT_ONBOARDED: t.Final = frozenset({"canbeonboarded", "unsupported", "insufficientinfo"})


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


class RecordError(ValueError):
    """The value is not a usable record; the text says why."""


class NoRecordError(RecordError):
    """The value has no ID, so that it is not a record: the response is not what the service sends."""


def _record(value: object) -> dict[str, t.Any]:
    """The value as a record that is safe to return. Raises RecordError."""
    if not isinstance(value, dict):
        raise NoRecordError(f"it is not an object, but {_excerpt(value)}")
    record: dict[str, t.Any] = presentable(value, deepest=DEEPEST_RECORD)
    return record


def is_record_id(text: str) -> bool:
    """Whether a text can be the ID of a machine or an action, and is safe in a path."""
    return _ID.fullmatch(text) is not None


def _identifier(record: t.Mapping[str, t.Any], key: str) -> str:
    value = _text(record.get(key))
    if value is None:
        raise NoRecordError(f"it has no {key}")
    if not is_record_id(value):
        raise RecordError(f"its {key} is {_excerpt(value)}, not letters, digits and hyphens")
    return value


def _excerpt(value: object) -> str:
    return repr(value[:_MAX_EXCERPT]) if isinstance(value, str) else f"of type {type(value).__name__}"


Found = t.TypeVar("Found", bound="Record")


@dataclass(frozen=True)
class Record:
    """A record of the service. ``record`` is its JSON, except for values that Ansible cannot return."""

    record: dict[str, t.Any]
    id: str

    @classmethod
    def checked(cls: type[Found], value: object) -> Found:
        """The record. Raises RecordError if it is not an object, or an ID does not consist of letters, digits and hyphens."""
        record = _record(value)
        return cls(record, _identifier(record, "id"))

    @classmethod
    def from_json(cls: type[Found], value: object) -> Found | None:
        """The record, or None if ``checked`` raises."""
        try:
            return cls.checked(value)
        except RecordError:
            return None


@dataclass(frozen=True)
class Machine(Record):
    """A device record."""

    @property
    def name(self) -> str | None:
        return _text(self.record.get("computerDnsName"))

    @property
    def aad_device_id(self) -> str | None:
        return _text(self.record.get("aadDeviceId"))

    @property
    def os_platform(self) -> str | None:
        return _text(self.record.get("osPlatform"))

    @property
    def last_seen(self) -> datetime | None:
        """Last full report of the device, which it sends about once in 24 h: it can be a day old."""
        return parse_time(self.record.get("lastSeen"))

    @property
    def tags(self) -> tuple[str, ...]:
        tags = self.record.get("machineTags")
        return tuple(str(tag) for tag in tags) if isinstance(tags, list) else ()

    @property
    def health(self) -> str | None:
        return _text(self.record.get("healthStatus"))

    @property
    def onboarding(self) -> str | None:
        return _text(self.record.get("onboardingStatus"))

    @property
    def merged_into(self) -> str | None:
        """ID of the record that this one was merged into."""
        survivor = _text(self.record.get("mergedIntoMachineId"))
        return None if survivor == self.id else survivor

    @property
    def onboarded(self) -> bool:
        """False for three known values only. A missing or unknown value must not hide a device."""
        return str(self.record.get("onboardingStatus")).lower() not in _NOT_ONBOARDED

    def as_candidate(self) -> dict[str, t.Any]:
        """What a user needs to tell candidates apart."""
        return {
            "device_id": self.id,
            "device_name": self.name,
            "aad_device_id": self.aad_device_id,
            "last_seen": _text(self.record.get("lastSeen")),
            "health_status": self.health,
            "onboarding_status": self.onboarding,
        }


@dataclass(frozen=True)
class MachineAction(Record):
    """An action on a device."""

    machine_id: str

    @classmethod
    def checked(cls, value: object) -> MachineAction:
        """The action, with the ID of its machine."""
        record = _record(value)
        return cls(record, _identifier(record, "id"), _identifier(record, "machineId"))

    @property
    def type(self) -> str:
        return str(self.record.get("type"))

    @property
    def status(self) -> str:
        """As the service spells it."""
        return str(self.record.get("status"))

    @property
    def normalized_status(self) -> str:
        """The status for comparison; see ``normalize_status``."""
        return normalize_status(self.status)

    @property
    def device_name(self) -> str | None:
        return _text(self.record.get("computerDnsName"))

    @property
    def comment(self) -> str | None:
        return _text(self.record.get("requestorComment"))

    @property
    def external_id(self) -> str | None:
        """The ID that a client sent with the request; an empty one counts as none."""
        return _text(self.record.get("externalId"))

    @property
    def created(self) -> datetime | None:
        return parse_time(self.record.get("creationDateTimeUtc"))

    @property
    def updated(self) -> datetime | None:
        """Time of the last change, which is the end of a finished action. One sample of the docs has a shorter key."""
        return parse_time(self.record.get("lastUpdateDateTimeUtc") or self.record.get("lastUpdateTimeUtc"))

    @property
    def is_active(self) -> bool:
        """Whether the status is a known one of a queued or running action."""
        return self.normalized_status in ACTIVE_STATUSES

    @property
    def is_final(self) -> bool:
        """Whether the status never changes again; an unknown status is not final."""
        return self.normalized_status in FINAL_STATUSES

    @property
    def is_offboard(self) -> bool:
        return self.type.lower() == "offboard"

    def is_offboard_of(self, machine_id: str) -> bool:
        return self.is_offboard and self.machine_id == machine_id


_MIN_TIME: t.Final = datetime.min.replace(tzinfo=timezone.utc)


def newest_first(actions: t.Iterable[MachineAction]) -> list[MachineAction]:
    """Sort by creation; actions without a readable time come last."""
    return sorted(actions, key=lambda action: action.created or _MIN_TIME, reverse=True)


def meant(
    requested: t.Collection[str], records: t.Sequence[Found], id_of: t.Callable[[Found], str] = lambda record: record.id
) -> list[Found]:
    """The records that IDs from a user mean: those with exactly the same ID, otherwise those whose ID differs only in case.

    The service's device ID is a string (``Edm.String``), so two IDs that differ only in case are two devices. But users
    and other tools change the case of an ID.
    """
    exact = {id_of(record) for record in records}.intersection(requested)
    settled = set(map(comparable, exact))
    loose = {text for text in map(comparable, requested) if text not in settled}
    return [record for record in records if id_of(record) in exact or comparable(id_of(record)) in loose]


def comparables(texts: t.Iterable[str] | None) -> frozenset[str] | None:
    """Texts for comparison, or None without any, which means that everything matches."""
    return frozenset(map(comparable, texts)) if texts else None


def case_variants(texts: t.Iterable[str]) -> list[str]:
    """Values for a filter: each text as typed and in lowercase, with its accents in both encodings."""
    forms: dict[str, None] = {}
    for text in texts:
        for cased in (text, text.lower()):
            for spelling in (cased, *(unicodedata.normalize(form, cased) for form in ("NFC", "NFD"))):
                forms[spelling] = None
    return list(forms)


def normalize_status(text: str) -> str:
    """A status for comparison: in lowercase, with two l's in cancelled."""
    return _SPELLINGS.get(text.lower(), text.lower())


# The fields of an action, in the service's order, for predictions.
ACTION_FIELDS: t.Final = (
    "id", "type", "title", "requestor", "requestorComment", "status", "machineId", "computerDnsName",
    "creationDateTimeUtc", "lastUpdateDateTimeUtc", "cancellationRequestor", "cancellationComment",
    "cancellationDateTimeUtc", "errorHResult", "scope", "externalId", "requestSource", "relatedFileInfo",
    "commands", "troubleshootInfo",
)  # fmt: skip


def predicted_offboard(machine: Machine, comment: str, requestor: str | None) -> dict[str, t.Any]:
    """The action that a real run would create, with None for what only the service knows."""
    known: dict[str, t.Any] = {
        "type": "Offboard",
        "requestor": requestor,
        "requestorComment": comment,
        "status": "Pending",
        "machineId": machine.id,
        "computerDnsName": machine.name,
        "commands": [],
    }
    return {field: known.get(field) for field in ACTION_FIELDS}
