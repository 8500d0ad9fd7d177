# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Adds a batch to the JSON document of a run, and summarizes a batch."""

from __future__ import annotations

import math
import re
import typing as t
from datetime import date

from ...module_utils._errors import OptionError
from ...module_utils._evidence_format import FORMAT, mapping, sequence
from ...module_utils._presentable import to_text
from .report import parse_evidence
from .rows import Row

_COUNTS: t.Final = ("calls", "retries", "throttled_seconds")
_SURROGATE: t.Final = re.compile("[\ud800-\udfff]")
# Readers of JSON accept integers of at most 64 bits, and a reader in C recurses.
_MAX_BITS: t.Final = 63
_MAX_DEPTH: t.Final = 64

Document = dict[str, t.Any]


def merge_batch(
    existing: Document | None,
    *,
    result: t.Mapping[str, t.Any],
    prediction: bool,
    kind: str = "offboard",
    complete: bool = True,
    device_count: int | None = None,
    comment: str | None = None,
    run: t.Mapping[str, t.Any] | None = None,
    hosts: t.Sequence[str] = (),
    tag_result: t.Mapping[str, t.Any] | None = None,
) -> Document:
    """The document ``existing`` with one more batch, or a new document.

    ``result`` is the result of mde_offboard or mde_offboard_info for the batch, ``hosts`` are the inventory hosts of its
    devices in the same order, ``tag_result`` is the result of mde_machine_tag, with the tag. Raises OptionError if the
    numbers of hosts and devices differ, because evidence must not name the wrong host.
    """
    found = (result.get("devices") or []) if isinstance(result, t.Mapping) else None
    if not isinstance(found, list) or not all(isinstance(device, dict) for device in found):
        raise OptionError(
            "result: devices must be a list of dictionaries.",
            hint="Use the result of mde_offboard or mde_offboard_info.",
        )
    devices = [dict(device) for device in found]
    if hosts and len(hosts) != len(devices):
        raise OptionError(f"hosts has {len(hosts)} entries for {len(devices)} devices.")
    tags = {
        str(device.get("device_id")): device for device in map(mapping, sequence(mapping(tag_result).get("devices")))
    }
    for number, device in enumerate(devices):
        device["host"] = hosts[number] if hosts else device.get("host")
        device["tag"] = _tag(tags.get(str(device["device_id"])), tag_result) if device.get("device_id") else None
    before = existing or {}
    context = mapping(result.get("context"))
    every = [*(before.get("devices") or ()), *devices]
    api, spent = mapping(before.get("api")), mapping(mapping(result.get("summary")).get("api"))
    document = {
        "format": FORMAT,
        "kind": kind,
        "prediction": prediction,
        "complete": complete,
        "run": {
            **(run or {}),
            "started_at": (before.get("run") or {}).get("started_at") or context.get("started_at"),
            "updated_at": context.get("finished_at"),
        },
        "comment": result.get("comment") if comment is None else comment,
        "device_count": len(every) if device_count is None else device_count,
        "context": {key: context.get(key) for key in ("tenant_id", "client_id", "api_url", "collection_version")},
        "api": {count: _amount(api.get(count)) + _amount(spent.get(count)) for count in _COUNTS},
        "devices": every,
    }
    return t.cast("Document", strict_json(document))


def strict_json(value: t.Any, depth: int = _MAX_DEPTH) -> t.Any:
    """The value as JSON that every reader interprets in the same way: text in UTF-8, finite numbers of common size.

    Other values, and those below ``depth`` levels, become a description, so that no value of a device can lose the evidence
    of a run. The values that Ansible passes are subclasses, for example for the origin of a string. The result has plain
    types only.
    """
    if isinstance(value, str):
        return _SURROGATE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", to_text(value))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if value.bit_length() <= _MAX_BITS else f"⟨a number of {value.bit_length()} bits⟩"
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else f"⟨{value}⟩"
    if isinstance(value, date):  # YAML has dates
        return value.isoformat()
    if depth == 0:
        return "⟨nested too deeply⟩"
    if isinstance(value, t.Mapping):
        return {strict_json(str(key)): strict_json(item, depth - 1) for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [strict_json(item, depth - 1) for item in value]
    return strict_json(str(value))


def _amount(value: object) -> float:
    return value if isinstance(value, (int, float)) else 0


def _tag(device: t.Mapping[str, t.Any] | None, tag_result: t.Mapping[str, t.Any] | None) -> Document | None:
    """The result of tagging a device; None if it was not requested.

    If the result has no devices, the task failed for all of them, even if the playbook ignored it.
    """
    if tag_result is None or (device is None and (tag_result.get("devices") or not _tagging_failed(tag_result))):
        return None
    error = device.get("error") if device else tag_result.get("error") or {"message": tag_result.get("msg")}
    return {"tag": tag_result.get("tag"), "ok": error is None, "message": (error or {}).get("message")}


def _tagging_failed(tag_result: t.Mapping[str, t.Any]) -> bool:
    """Whether the task failed. ``failed`` alone is not enough, because ``failed_when`` overwrites it."""
    return bool(
        tag_result.get("failed")
        or tag_result.get("error")
        or not ("devices" in tag_result or tag_result.get("skipped"))
    )


def summarize_batch(document: Document, count: int) -> list[Document]:
    """A summary of the last ``count`` devices, for conditionals of a playbook and for job artifacts."""
    devices = document["devices"][-count:] if count else []
    rows = parse_evidence({**document, "devices": devices}).rows
    return [
        {
            "host": device.get("host"),
            "device_id": device.get("device_id"),
            "device_name": device.get("device_name"),
            "outcome": device.get("outcome"),
            "changed": bool(device.get("changed")),
            "failed": bool(device.get("failed")),
            "action_id": mapping(device.get("action")).get("id"),
            "status": mapping(device.get("action")).get("status"),
            "tagged": device["tag"]["ok"] if device.get("tag") else None,
            "message": _sentence(row),
        }
        for device, row in zip(devices, rows, strict=True)
    ]


def unwritten(*, result: object, prediction: bool, hosts: t.Sequence[str] = (), **batch: t.Any) -> list[Document]:
    """A summary of a batch whose evidence could not be written. Empty if its devices cannot be read."""
    found = mapping(result)
    count = len(sequence(found.get("devices")))
    hosts = hosts if len(hosts) == count else ()
    try:
        return summarize_batch(merge_batch(None, result=found, prediction=prediction, hosts=hosts, **batch), count)
    except OptionError:
        return []


def _sentence(row: Row) -> str:
    result = row.result if row.name in row.result else f"{row.name}: {row.result}"
    parts = [result if result.endswith(".") else f"{result}.", row.hint]
    parts += [f"Correlation ID for Microsoft support: {row.correlation_id}."] if row.correlation_id else []
    return " ".join(filter(None, [*parts, row.tag if row.tag_missing else None]))
