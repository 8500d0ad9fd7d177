# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Adds a batch to the evidence on disk and builds the result of the task mde_evidence."""

from __future__ import annotations

import typing as t
from pathlib import Path

from ...module_utils._clock import Clock
from ...module_utils._errors import InternalError, MdeError, OptionError
from ...module_utils._presentable import to_text
from .document import Document, merge_batch, summarize_batch, unwritten
from .files import find_or_create, make_directory, write
from .lock import locked
from .report import parse_evidence

# The default batch size of the playbooks.
_MAX_IDS: t.Final = 100


def add_batch(options: t.Mapping[str, t.Any], *, prediction: bool, clock: Clock) -> Document:
    """The result of a task with these options, which have passed the argument spec.

    Raises nothing. The result of a failure has ``failed``, and the devices of the batch with the IDs of their actions,
    because the files can lack them.
    """
    batch = {
        **{name: options[name] for name in ("kind", "complete", "device_count", "comment", "result", "run")},
        "prediction": prediction,
        "hosts": options["hosts"] or (),
        "tag_result": {**options["tagged"], "tag": options["tag"]} if options["tagged"] else None,
    }
    try:
        base = _base(to_text(options["path"]))
        make_directory(base.parent)
        with locked(base.parent, clock) as warning:
            base, existing = find_or_create(base, kind=options["kind"], prediction=prediction)
            document = merge_batch(existing, **batch)
            paths = write(base, document)
    except Exception as error:
        failure = error if isinstance(error, MdeError) else InternalError(error)
        trace = {"exception": failure.traceback} if isinstance(failure, InternalError) else {}
        return {**_failure(str(failure), unwritten(**batch)), **trace}
    devices = summarize_batch(document, len(options["result"].get("devices") or ()))
    return {
        "changed": False,
        "msg": parse_evidence(document).headline,
        "paths": paths,
        "devices": devices,
        "summary": {"total": len(document["devices"]), "added": len(devices)},
        **({"warnings": [warning]} if warning else {}),
    }


def refuse(message: str, result: object, *, prediction: bool) -> Document:
    """The result of a task with invalid options, with the devices if they can be read."""
    return _failure(message, unwritten(result=result, prediction=prediction))


def _base(path: str) -> Path:
    base = Path(path).absolute()
    if not path.strip() or not base.name:
        raise OptionError(
            f"path: {path!r} has no file name.", hint="Set a directory and a file name without extension."
        )
    return base


def _failure(message: str, devices: list[Document]) -> Document:
    ids = [to_text(device["action_id"]) for device in devices if device["action_id"]]
    if ids:
        more = f" and {len(ids) - _MAX_IDS} more, in devices of this result" if len(ids) > _MAX_IDS else ""
        message += "" if message.endswith(".") else "."
        message += f" Keep the action IDs of this batch, because the evidence can lack them: {', '.join(ids[:_MAX_IDS])}{more}."
    return {"failed": True, "changed": False, "msg": message, "devices": devices}
