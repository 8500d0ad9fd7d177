# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Finds, loads and writes the files of the evidence. Each is replaced in one step, so that an aborted run leaves its evidence."""

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

_KINDS: t.Final = ("json", "csv", "html")


def find_or_create(base: Path, *, kind: str, prediction: bool) -> tuple[Path, Document | None]:
    """The path to write to, without extension, and the existing evidence of the same run, if there is one.

    Complete evidence and evidence of another kind never changes: the new evidence gets a number in its name. Raises
    OptionError for a file that is not evidence.
    """
    index, number = base, 1
    while (earlier := _load(index)) is not None:
        if not earlier.get("complete") and (earlier.get("kind"), bool(earlier.get("prediction"))) == (kind, prediction):
            break
        number += 1
        index = base.with_name(f"{base.name}-{number}")
    return index, earlier


def _load(base: Path) -> Document | None:
    paths = _paths(base)
    try:
        for path in paths.values():
            _check_is_regular(path)
        return load(paths["json"])
    except (FileNotFoundError, NotADirectoryError):  # in the second case, writing fails
        return None
    except OSError as error:
        raise OptionError(f"path: Cannot read {paths['json']} ({error.strerror}).") from error
    except EvidenceFileError as error:
        raise OptionError(f"path: {error}", hint="Use a different path for each run.") from error


def _check_is_regular(path: Path) -> None:
    """Raise OptionError if the path is anything but a regular file, for example a link to the file of another run."""
    try:
        kind = file_type(path.lstat().st_mode)
    except FileNotFoundError:
        return
    if kind:
        raise OptionError(
            f"path: {path} is {kind}. Evidence is written to regular files only.",
            hint="Use a different path for each run.",
        )


def make_directory(directory: Path) -> None:
    """Create a directory and its missing parents, each for its owner only with any umask. Raises OptionError."""
    try:
        missing = itertools.takewhile(lambda parent: not parent.exists(), (directory, *directory.parents))
        for parent in reversed(list(missing)):
            parent.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise _not_written(directory, error) from error


def write(base: Path, document: Document) -> dict[str, str]:
    """Write the three files, each completely or not at all, for their owner only. Returns their paths by kind. Raises OptionError."""
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
    return {kind: base.with_name(f"{base.name}.{kind}") for kind in _KINDS}


def _not_written(directory: Path, error: OSError) -> OptionError:
    return OptionError(
        f"path: Cannot write evidence to {directory} ({error.strerror}).",
        hint="Choose a writable directory.",
    )


def _write_atomically(path: Path, text: str) -> None:
    """Replace a file in one step. A link or a FIFO at this path is replaced, and never written to."""
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
