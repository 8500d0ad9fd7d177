# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A device: its properties, its behavior, and the record that the service returns for it."""

from __future__ import annotations

import hashlib
import secrets
import uuid
from dataclasses import dataclass, field, fields
from typing import Any

from .times import DAY, HOUR, TICKS, Span, age_to_ticks, iso, to_epoch

FATES = ("online", "offline", "never_answers", "fails", "unsupported_os", "old_client")

_VERSIONS = {
    "Windows10": ("22H2", 19045),
    "Windows11": ("24H2", 26100),
    "WindowsServer2012R2": ("6.3", 9600),
    "WindowsServer2016": ("1607", 14393),
    "WindowsServer2019": ("1809", 17763),
    "WindowsServer2022": ("21H2", 20348),
    "WindowsServer2025": ("24H2", 26100),
    "macOS": ("15.5", None),
    "Ubuntu": ("24.4", None),
    "RedHatEnterpriseLinux": ("9.5", None),
}


@dataclass
class HistoryAction:
    """An action from before the start of the emulator. Times are ages, epoch times or ISO 8601 times."""

    status: str = "Succeeded"
    age: Span = DAY
    ended_age: Span | None = None
    type: str = "Offboard"
    comment: str = "CHG-0001 decommission"
    requestor: str | None = None
    request_source: str = "PublicApi"
    id: str | None = None
    error_hresult: int | None = None
    external_id: str | None = None


@dataclass
class Device:
    """A device of the emulated tenant.

    ``last_seen`` is an age in seconds (or text such as ``3w``, or a timedelta), an epoch time, or an ISO 8601 time.

    ``fate`` decides how an offboard action ends. An ``online`` device finishes it within seconds. An ``offline`` device
    leaves it queued until the action times out, or until ``online_at`` seconds after the start. ``never_answers`` picks
    the action up and never reports a result. ``fails`` reports a failure. The service refuses the request for
    ``unsupported_os`` and ``old_client``. By default a Windows device is ``online`` (``offline`` if it was last seen
    more than a week ago), and every other device is ``unsupported_os``.
    """

    id: str = field(default_factory=lambda: secrets.token_hex(20))
    name: str | None = "pc.corp.example"
    aad_device_id: str | None = None
    os_platform: str | None = "Windows11"
    onboarding_status: str | None = "Onboarded"
    health_status: str | None = None
    last_seen: Span | None = None
    fate: str | None = None
    online_at: float | None = None
    poll_seconds: float = 4.0
    ack_seconds: float = 6.0
    reonboard_after: float | None = None
    merged_into: str | None = None
    not_onboarded: bool = False
    tags: list[str] = field(default_factory=list)
    history: list[Any] = field(default_factory=list)
    listed: bool = True
    readable: bool = True
    error_hresult: int = -2147024891
    extra: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fate is not None and self.fate not in FATES:
            raise ValueError(f"fate is one of {', '.join(FATES)}, not {self.fate!r}")
        if self.not_onboarded and self.onboarding_status == "Onboarded":
            self.onboarding_status = "CanBeOnboarded"
        self.history = [history_action(item) for item in self.history]

    def seen_at(self, now: float) -> float:
        """Return the time of the last report if the emulator starts at ``now``, in epoch seconds."""
        if self.last_seen is None:
            return now - (21 * DAY if self.fate == "offline" and self.online_at is None else 3 * HOUR)
        return to_epoch(self.last_seen, now)

    def resolved_fate(self, now: float) -> str:
        """Return the fate. If none is set, platform and age decide."""
        if self.fate is not None:
            return self.fate
        if self.os_platform and not self.os_platform.lower().startswith("windows"):
            return "unsupported_os"
        return "offline" if now - self.seen_at(now) > 7 * DAY else "online"


def history_action(item: Any) -> HistoryAction:
    """Convert a history entry: a HistoryAction, a mapping, a status, or (status, age[, ended_age])."""
    if isinstance(item, HistoryAction):
        return item
    if isinstance(item, dict):
        known = {entry.name for entry in fields(HistoryAction)}
        unknown = sorted(set(item) - known)
        if unknown:
            raise ValueError(f"unknown key of a history entry: {', '.join(unknown)}")
        return HistoryAction(**item)
    if isinstance(item, str):
        return HistoryAction(status=item)
    return HistoryAction(*item)


def device_from(values: dict[str, Any]) -> Device:
    """Create a device from a mapping (scenario file, HTTP control). An unknown key raises ValueError."""
    known = {entry.name for entry in fields(Device)}
    values = dict(values)
    if "record" in values:
        values["extra"] = values.pop("record")
    unknown = sorted(set(values) - known)
    if unknown:
        raise ValueError(f"unknown key of a device: {', '.join(unknown)}")
    return Device(**values)


def record(device: Device, now: float) -> dict[str, Any]:
    """Return the service's record of a device: all fields, in the order of the real service."""
    seed = hashlib.sha256(f"{device.id}{device.name}".encode()).digest()
    seen = device.seen_at(now)
    age = device.last_seen if device.last_seen is not None else f"{now - seen:.0f}s"
    seen_ticks = age_to_ticks(age, now, device.id)
    first_ticks = seen_ticks - (120 + seed[4]) * 86_400 * TICKS - int.from_bytes(seed[:2], "big")
    version, build = _VERSIONS.get(device.os_platform or "", (None, None))
    windows = (device.os_platform or "").lower().startswith("windows")
    server = "server" in (device.os_platform or "").lower()
    inner, outer = f"10.{seed[5] % 64}.{seed[6]}.{1 + seed[7] % 254}", f"203.0.113.{1 + seed[8] % 254}"
    health = device.health_status
    if health is None and "health_status" not in device.extra:
        health = "Inactive" if now - seen > 7 * DAY else "Active"
    aad = device.aad_device_id
    values: dict[str, Any] = {
        "id": device.id,
        "mergedIntoMachineId": device.merged_into,
        "isPotentialDuplication": False,
        "isExcluded": False,
        "exclusionReason": None,
        "computerDnsName": device.name,
        "firstSeen": iso(first_ticks),
        "lastSeen": iso(seen_ticks),
        "osPlatform": device.os_platform,
        "osVersion": None,
        "osProcessor": "arm64" if device.os_platform == "macOS" else "x64",
        "version": version,
        "lastIpAddress": inner,
        "lastExternalIpAddress": outer,
        "agentVersion": f"10.8{seed[9] % 10}60.2{seed[10] % 10}100.{1000 + seed[11]}" if windows else "101.25042.0002",
        "osBuild": build,
        "healthStatus": health,
        "deviceValue": "Normal",
        "rbacGroupId": 100 + seed[12] % 4,
        "rbacGroupName": ("Clients", "Servers", "Branch offices", "Laboratory")[seed[12] % 4],
        "riskScore": ("None", "None", "Informational", "Low", "Medium")[seed[13] % 5],
        "exposureLevel": ("None", "Low", "Low", "Medium", "High")[seed[14] % 5],
        "isAadJoined": (aad is not None) if windows else None,
        "aadDeviceId": aad,
        "machineTags": list(device.tags),
        "onboardingStatus": device.onboarding_status,
        "osArchitecture": "64-bit",
        "managedBy": "MicrosoftDefenderForEndpoint" if server or not windows else "Intune",
        "managedByStatus": "Success" if device.onboarding_status == "Onboarded" else "Unknown",
        "ipAddresses": [
            {
                "ipAddress": inner,
                "macAddress": "02" + seed[15:20].hex().upper(),
                "type": "Ethernet",
                "operationalStatus": "Up",
            },
            {
                "ipAddress": "127.0.0.1",
                "macAddress": "000000000000",
                "type": "SoftwareLoopback",
                "operationalStatus": "Up",
            },
        ],
        "vmMetadata": None,
    }
    values.update(device.extra)
    return values


def made_up_guid(*parts: Any) -> str:
    """Return a GUID that depends on the given values only."""
    return str(uuid.UUID(bytes=hashlib.sha256("|".join(map(str, parts)).encode()).digest()[:16], version=4))
