# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The evidence of a run on disk: three files, each replaced in one step, so that an aborted run leaves what it did."""

from __future__ import annotations

import itertools
import json
import os
import tempfile
import typing as t
from pathlib import Path

from ...module_utils._errors import OptionError
from ...module_utils._evidence_format import EvidenceFileError, file_type, load
from . import csv_report, html_report
from .document import Document

_SUFFIXES: t.Final = {"json": ".json", "csv": ".csv", "html": ".html"}


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
    paths = _paths(base)
    try:
        texts = {
            "json": json.dumps(document, ensure_ascii=False, indent=1, allow_nan=False) + "\n",
            "csv": csv_report.render(document),
            "html": html_report.render(document),  # reads its templates
        }
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
