# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The evidence of a run on disk: three files that grow with every batch, so that an aborted run leaves what it did."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import typing as t
from pathlib import Path

from .._errors import OptionError
from .._evidence_format import FORMAT
from . import csv_report as _evidence_csv
from . import page as _evidence_page
from . import report as _evidence
from .rows import Row

_SUFFIXES: t.Final = {"json": ".json", "csv": ".csv", "html": ".html"}
_COUNTS: t.Final = ("calls", "retries", "throttled_seconds")

Document = dict[str, t.Any]


def compose(
    earlier: Document | None,
    *,
    kind: str,
    prediction: bool,
    complete: bool,
    asked: int | None,
    comment: str | None,
    run: t.Mapping[str, t.Any],
    result: t.Mapping[str, t.Any],
    hosts: t.Sequence[str] = (),
    tagged: t.Mapping[str, t.Any] | None = None,
) -> Document:
    """The evidence with one more batch in it.

    ``result`` is what mde_offboard or mde_offboard_info returned for the batch, ``hosts`` the inventory hosts of its
    devices in the same order, ``tagged`` what mde_machine_tag returned, with the tag. Raises OptionError where there
    are not as many hosts as devices: evidence that names the wrong host is worse than none.
    """
    devices = [dict(device) for device in result.get("devices") or ()]
    if hosts and len(hosts) != len(devices):
        raise OptionError(f"hosts: there are {len(hosts)} of them for {len(devices)} devices.")
    tags = {device["device_id"]: device for device in (tagged or {}).get("devices") or ()}
    for number, device in enumerate(devices):
        device["host"] = hosts[number] if hosts else device.get("host")
        device["tag"] = _tag(tags.get(device.get("device_id")), tagged) if device.get("device_id") else None
    before = earlier or {}
    context = dict(result.get("context") or {})
    every = [*(before.get("devices") or ()), *devices]
    api, spent = before.get("api") or {}, (result.get("summary") or {}).get("api") or {}
    return {
        "format": FORMAT,
        "kind": kind,
        "prediction": prediction,
        "complete": complete,
        "run": {
            **run,
            "started_at": (before.get("run") or {}).get("started_at") or context.get("started_at"),
            "updated_at": context.get("finished_at"),
        },
        "comment": result.get("comment") if comment is None else comment,
        "asked": len(every) if asked is None else asked,
        "context": {key: context.get(key) for key in ("tenant_id", "client_id", "api_url", "collection_version")},
        "api": {count: (api.get(count) or 0) + (spent.get(count) or 0) for count in _COUNTS},
        "devices": every,
    }


def _tag(device: t.Mapping[str, t.Any] | None, tagged: t.Mapping[str, t.Any] | None) -> Document | None:
    """What became of the tag of a device; None where it was not asked for.

    A result without any device is that of a task that failed as a whole, whether or not the playbook let it pass.
    """
    if tagged is None or (device is None and (tagged.get("devices") or not _went_wrong(tagged))):
        return None
    error = device.get("error") if device else tagged.get("error") or {"message": tagged.get("msg")}
    return {"tag": tagged.get("tag"), "ok": error is None, "message": (error or {}).get("message")}


def _went_wrong(tagged: t.Mapping[str, t.Any]) -> bool:
    """``failed`` alone does not tell: ``failed_when`` of the task writes over it."""
    return bool(tagged.get("failed") or tagged.get("error") or not ("devices" in tagged or tagged.get("skipped")))


def lean(document: Document, count: int) -> list[Document]:
    """The last devices of the evidence in short: what a playbook branches on and hands over."""
    devices = document["devices"][-count:] if count else []
    rows = _evidence.read({**document, "devices": devices}).rows
    return [
        {
            "host": device.get("host"),
            "device_id": device.get("device_id"),
            "device_name": device.get("device_name"),
            "outcome": device.get("outcome"),
            "changed": bool(device.get("changed")),
            "failed": bool(device.get("failed")),
            "action_id": (device.get("action") or {}).get("id"),
            "status": (device.get("action") or {}).get("status"),
            "tagged": device["tag"]["ok"] if device.get("tag") else None,
            "message": _sentence(row),
        }
        for device, row in zip(devices, rows, strict=True)
    ]


def _sentence(row: Row) -> str:
    result = row.result if row.name in row.result else f"{row.name}: {row.result}"
    told = [result if result.endswith(".") else f"{result}.", row.hint]
    told += [f"To quote to support: {row.correlation_id}."] if row.correlation_id else []
    return " ".join(filter(None, [*told, row.tag if row.tag_missing else None]))


def resume(base: Path, *, kind: str, prediction: bool) -> tuple[Path, Document | None]:
    """Where to write, and the evidence of the same run that is there already, if there is one.

    Evidence that is complete, or of another kind, is never touched: the next one gets a number. Raises OptionError for
    a file that is no evidence.
    """
    numbered = (base.with_name(f"{base.name}-{number}") for number in itertools.count(2))
    for place in itertools.chain([base], numbered):
        earlier = _load(place)
        if earlier is None:
            return place, None
        if not earlier.get("complete") and (earlier.get("kind"), earlier.get("prediction")) == (kind, prediction):
            return place, earlier
    raise AssertionError("not reached")


def _load(base: Path) -> Document | None:
    path = base.with_name(base.name + _SUFFIXES["json"])
    try:
        document = json.loads(path.read_text("utf-8"))
        _evidence.read(document)
    except (FileNotFoundError, NotADirectoryError):  # of the latter, writing tells
        return None
    except (OSError, ValueError) as error:
        raise OptionError(
            f"path: {path} is there, but is no evidence to add to ({error}).", hint="Give each run a path of its own."
        ) from error
    return t.cast("Document", document)


def write(base: Path, document: Document) -> dict[str, str]:
    """Write the three files, each whole or not at all, for their owner alone; their paths by kind. Raises OptionError."""
    texts = {
        "json": json.dumps(document, ensure_ascii=False, indent=1) + "\n",
        "csv": _evidence_csv.render(document),
        "html": _evidence_page.render(document),
    }
    paths = {kind: base.with_name(base.name + suffix) for kind, suffix in _SUFFIXES.items()}
    try:
        base.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        for kind, path in paths.items():
            _replace(path, texts[kind])
    except OSError as error:
        raise OptionError(
            f"path: the evidence cannot be written to {base.parent} ({error.strerror}).",
            hint="Give a folder that may be written to. What was done so far is in the task's result.",
        ) from error
    return {kind: str(path) for kind, path in paths.items()}


def _replace(path: Path, text: str) -> None:
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="", errors="replace") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
