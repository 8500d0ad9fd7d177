# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Name of the evidence format; loads and checks an evidence file, and reads values of unknown type from it."""

from __future__ import annotations

import json
import math
import os
import stat
import typing as t
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

FORMAT: t.Final = "secops.mde/evidence-1"
KINDS: t.Final = ("offboard", "verify")
# Outcomes of devices in the evidence of a verification.
VERIFY_OUTCOMES: t.Final = ("done", "came_back", "pending", "failed", "timed_out", "cancelled", "no_action", "error")

# The evidence of 100,000 devices with their records has about 400 MB. Reading it needs several times that memory.
_MAX_SIZE: t.Final = 512 * 1024 * 1024
# 64-bit integers have at most 20 characters. Python needs quadratic time for long ones.
_MAX_DIGITS: t.Final = 20
# The file can be a FIFO or a terminal. Opening it must not block, and must not make it the terminal of this process.
_READ: t.Final = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class EvidenceFileError(ValueError):
    """A file is not an evidence file. The text names the file and the reason."""


def load(path: Path) -> dict[str, t.Any]:
    """The evidence document of a file: strict JSON of this format, with a list of devices.

    Raises OSError if the file cannot be opened or read, EvidenceFileError if it is not an evidence file.
    """
    try:
        document = json.loads(
            _content(path).decode("utf-8-sig"),
            object_pairs_hook=_unique_keys,
            parse_constant=_not_a_number,
            parse_int=_integer,
            parse_float=_finite,
        )
        _check(document)
    except (RecursionError, ValueError) as error:
        reasons = {
            RecursionError: "it is nested too deeply",
            UnicodeDecodeError: "it is not UTF-8",
            json.JSONDecodeError: f"it is not valid JSON ({error})",
        }
        reason = reasons.get(type(error), str(error))
        raise EvidenceFileError(f"{path} is not an evidence file: {reason}.") from error
    return t.cast("dict[str, t.Any]", document)


def file_type(mode: int) -> str | None:
    """The type of a file by its mode, for messages; None for a regular file."""
    names = {
        stat.S_IFDIR: "a directory",
        stat.S_IFLNK: "a symbolic link",
        stat.S_IFIFO: "a FIFO",
        stat.S_IFSOCK: "a socket",
    }
    return None if stat.S_ISREG(mode) else names.get(stat.S_IFMT(mode), "a device")


def _content(path: Path) -> bytes:
    descriptor = os.open(path, _READ)
    try:
        found = os.fstat(descriptor)
        if kind := file_type(found.st_mode):
            raise ValueError(f"it is {kind}")
        too_large = found.st_size > _MAX_SIZE
        with open(descriptor, "rb", closefd=False) as file:  # a descriptor
            content = b"" if too_large else file.read(_MAX_SIZE + 1)
    finally:
        os.close(descriptor)
    if too_large or len(content) > _MAX_SIZE:  # some regular files, such as those in /proc, have no size
        raise ValueError(f"it is larger than {_MAX_SIZE // 1024 // 1024} MB")
    return content


def _check(document: object) -> None:
    if not isinstance(document, dict):
        raise ValueError(f"expected an object with the format {FORMAT}")
    if document.get("format", FORMAT) != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    if document.get("kind", KINDS[0]) not in KINDS:
        raise ValueError(f"its kind is not one of {', '.join(KINDS)}")
    for key in ("prediction", "complete"):
        if not isinstance(document.get(key, False), bool):
            raise ValueError(f"{key} is not true or false")
    devices = document.get("devices")
    if not isinstance(devices, list) or not all(isinstance(device, dict) for device in devices):
        raise ValueError("it has no list of devices")
    for key in ("run", "context", "api"):
        if not isinstance(document.get(key) or {}, dict):
            raise ValueError(f"{key} is not an object")


def _unique_keys(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    """The pairs as a mapping. Raises ValueError for a duplicate key, because readers disagree on which of the values counts."""
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(key for key, count in Counter(key for key, _value in pairs).items() if count > 1)
        raise ValueError(f"duplicate key {twice[:60]!r}")
    return found


def _not_a_number(text: str) -> t.NoReturn:
    raise ValueError(f"{text} is not valid JSON")


def _integer(text: str) -> int:
    if len(text) > _MAX_DIGITS:
        raise ValueError(f"a number has {len(text):,} digits")
    return int(text)


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("a number is too large")
    return value


def device_count(document: Mapping[t.Any, t.Any]) -> int:
    """The total number of devices of the run. Files of versions before 1.0.0 have it under ``asked``."""
    return to_int(document.get("device_count", document.get("asked")))


def mapping(value: object) -> Mapping[t.Any, t.Any]:
    """The value if it is a mapping, else an empty mapping."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: object) -> Sequence[t.Any]:
    """The value if it is a list, else an empty sequence."""
    return value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else ()


def to_int(value: object) -> int:
    """The integer part of a number, 0 for other values."""
    if isinstance(value, bool):
        return 0
    return int(value) if isinstance(value, (int, float)) and abs(value) < 1e15 else 0
