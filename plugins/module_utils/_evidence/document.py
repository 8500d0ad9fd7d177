# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The evidence of a run on disk: three files that grow with every batch, so that an aborted run leaves what it did."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import tempfile
import typing as t
from pathlib import Path

from .._errors import OptionError
from .._evidence_format import FORMAT, EvidenceFileError, file_type, load, mapping, sequence
from . import csv_report as _evidence_csv
from . import page as _evidence_page
from . import report as _evidence
from .rows import Row

_SUFFIXES: t.Final = {"json": ".json", "csv": ".csv", "html": ".html"}
_COUNTS: t.Final = ("calls", "retries", "throttled_seconds")
_SURROGATE: t.Final = re.compile("[\ud800-\udfff]")
# Readers of JSON take whole numbers of 64 bits at most, and a reader in C recurses.
_MAX_BITS: t.Final = 63
_MAX_DEPTH: t.Final = 64

Document = dict[str, t.Any]


def merge_batch(
    existing: Document | None,
    *,
    kind: str,
    prediction: bool,
    complete: bool,
    device_count: int | None,
    comment: str | None,
    run: t.Mapping[str, t.Any],
    result: t.Mapping[str, t.Any],
    hosts: t.Sequence[str] = (),
    tag_result: t.Mapping[str, t.Any] | None = None,
) -> Document:
    """The evidence with one more batch in it.

    ``result`` is what mde_offboard or mde_offboard_info returned for the batch, ``hosts`` the inventory hosts of its
    devices in the same order, ``tag_result`` what mde_machine_tag returned, with the tag. Raises OptionError where there
    are not as many hosts as devices: evidence that names the wrong host is worse than none.
    """
    found = result.get("devices") or []
    if not isinstance(found, list) or not all(isinstance(device, dict) for device in found):
        raise OptionError(
            "result: its devices are not a list of dictionaries.",
            hint="Give the result of mde_offboard or mde_offboard_info.",
        )
    devices = [dict(device) for device in found]
    if hosts and len(hosts) != len(devices):
        raise OptionError(f"hosts: there are {len(hosts)} of them for {len(devices)} devices.")
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
            **run,
            "started_at": (before.get("run") or {}).get("started_at") or context.get("started_at"),
            "updated_at": context.get("finished_at"),
        },
        "comment": result.get("comment") if comment is None else comment,
        "asked": len(every) if device_count is None else device_count,
        "context": {key: context.get(key) for key in ("tenant_id", "client_id", "api_url", "collection_version")},
        "api": {count: _amount(api.get(count)) + _amount(spent.get(count)) for count in _COUNTS},
        "devices": every,
    }
    return t.cast("Document", strict_json(document))


def strict_json(value: t.Any) -> t.Any:
    """The value as JSON that every reader understands alike: its text in UTF-8, its numbers finite and of usual size.

    What is not stands there in words, so that no value of a device can lose the evidence of a run.
    """
    return _strict(value, _MAX_DEPTH)


def _strict(value: t.Any, depth: int) -> t.Any:
    if isinstance(value, str):
        return _SURROGATE.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", str(value))
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if value.bit_length() <= _MAX_BITS else f"⟨a number of {value.bit_length()} bits⟩"
    if isinstance(value, float):
        return value if math.isfinite(value) else f"⟨{value}⟩"
    if depth == 0:
        return "⟨nested too deeply⟩"
    if isinstance(value, t.Mapping):
        return {_strict(str(key), 0): _strict(item, depth - 1) for key, item in value.items()}
    if isinstance(value, t.Sequence):
        return [_strict(item, depth - 1) for item in value]
    return _strict(str(value), 0)


def _amount(value: object) -> float:
    return value if isinstance(value, (int, float)) else 0


def _tag(device: t.Mapping[str, t.Any] | None, tag_result: t.Mapping[str, t.Any] | None) -> Document | None:
    """What became of the tag of a device; None where it was not asked for.

    A result without any device is that of a task that failed as a whole, whether or not the playbook let it pass.
    """
    if tag_result is None or (device is None and (tag_result.get("devices") or not _tagging_failed(tag_result))):
        return None
    error = device.get("error") if device else tag_result.get("error") or {"message": tag_result.get("msg")}
    return {"tag": tag_result.get("tag"), "ok": error is None, "message": (error or {}).get("message")}


def _tagging_failed(tag_result: t.Mapping[str, t.Any]) -> bool:
    """``failed`` alone does not tell: ``failed_when`` of the task writes over it."""
    return bool(
        tag_result.get("failed")
        or tag_result.get("error")
        or not ("devices" in tag_result or tag_result.get("skipped"))
    )


def summarize_batch(document: Document, count: int) -> list[Document]:
    """The last devices of the evidence in short: what a playbook branches on and hands over."""
    devices = document["devices"][-count:] if count else []
    rows = _evidence.parse_evidence({**document, "devices": devices}).rows
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


def unwritten(*, result: t.Mapping[str, t.Any], hosts: t.Sequence[str], **batch: t.Any) -> list[Document]:
    """The devices of a batch in short where its evidence could not be written; none where they cannot be read."""
    count = len(sequence(result.get("devices")))
    try:
        return summarize_batch(
            merge_batch(None, result=result, hosts=hosts if len(hosts) == count else (), **batch), count
        )
    except OptionError:
        return []


def _sentence(row: Row) -> str:
    result = row.result if row.name in row.result else f"{row.name}: {row.result}"
    labels = [result if result.endswith(".") else f"{result}.", row.hint]
    labels += [f"To quote to support: {row.correlation_id}."] if row.correlation_id else []
    return " ".join(filter(None, [*labels, row.tag if row.tag_missing else None]))


def find_or_create(base: Path, *, kind: str, prediction: bool) -> tuple[Path, Document | None]:
    """Where to write, and the evidence of the same run that is there already, if there is one.

    Evidence that is complete, or of another kind, is never touched: the next one gets a number. Raises OptionError for
    a file that is no evidence.
    """
    numbered = (base.with_name(f"{base.name}-{number}") for number in itertools.count(2))
    for index in itertools.chain([base], numbered):
        earlier = _load(index)
        if earlier is None:
            return index, None
        if not earlier.get("complete") and (earlier.get("kind"), bool(earlier.get("prediction"))) == (kind, prediction):
            return index, earlier
    raise AssertionError("not reached")


def _load(base: Path) -> Document | None:
    paths = _paths(base)
    try:
        for path in paths.values():
            _check_is_regular(path)
        return load(paths["json"])
    except (FileNotFoundError, NotADirectoryError):  # of the latter, writing tells
        return None
    except OSError as error:
        raise OptionError(f"path: {paths['json']} cannot be read ({error.strerror}).") from error
    except EvidenceFileError as error:
        raise OptionError(
            f"path: {paths['json']} is there, but is no evidence to add to ({error}).",
            hint="Give each run a path of its own.",
        ) from error


def _check_is_regular(path: Path) -> None:
    """Raise OptionError for anything else that has the name of the file, as a link to the file of another run."""
    try:
        kind = file_type(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if kind:
        raise OptionError(
            f"path: {path} is {kind}. Evidence is written to regular files only.",
            hint="Give each run a path of its own.",
        )


def make_folder(folder: Path) -> None:
    """Make a folder and its missing parents, each for its owner alone whatever the umask is. Raises OptionError."""
    try:
        missing = itertools.takewhile(lambda parent: not parent.exists(), (folder, *folder.parents))
        for parent in reversed(list(missing)):
            parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _not_written(folder, error) from error


def write(base: Path, document: Document) -> dict[str, str]:
    """Write the three files, each whole or not at all, for their owner alone; their paths by kind. Raises OptionError."""
    texts = {
        "json": json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n",
        "csv": _evidence_csv.render(document),
        "html": _evidence_page.render(document),
    }
    paths = _paths(base)
    try:
        for kind, path in paths.items():
            _write_atomically(path, texts[kind])
    except OSError as error:
        raise _not_written(base.parent, error) from error
    return {kind: str(path) for kind, path in paths.items()}


def _paths(base: Path) -> dict[str, Path]:
    return {kind: base.with_name(base.name + suffix) for kind, suffix in _SUFFIXES.items()}


def _not_written(folder: Path, error: OSError) -> OptionError:
    return OptionError(
        f"path: the evidence cannot be written to {folder} ({error.strerror}).",
        hint="Give a folder that may be written to.",
    )


def _write_atomically(path: Path, text: str) -> None:
    """Put a file in the place of another in one step. A link or a FIFO there is replaced and never written to."""
    handle, draft = tempfile.mkstemp(prefix=f".{path.name[:40]}.", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(draft).replace(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
