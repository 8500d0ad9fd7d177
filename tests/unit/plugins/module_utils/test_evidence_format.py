# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Reading an evidence file: anything but strict JSON of the known format is an error with the path."""

from __future__ import annotations

import json
import os
import socket
import stat
import time
import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.plugins.module_utils import _evidence_format
from ansible_collections.secops.mde.plugins.module_utils._evidence_format import EvidenceFileError, file_type, load
from ansible_collections.secops.mde.tests.unit.support.evidence_samples import small_office, verification

START = '{"format": "secops.mde/evidence-1", "kind": "offboard", "complete": false, '


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "run.json"


@pytest.mark.parametrize("document", [small_office(), verification()], ids=["offboard", "verify"])
@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["", "byte order mark"])
def test_evidence_is_read_as_it_was_written(path: Path, document: dict[str, t.Any], mark: str) -> None:
    path.write_text(mark + json.dumps(document), "utf-8")
    assert load(path) == document


def test_a_missing_file_is_an_os_error(path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (START + '"devices": [{"device_id": "a", "device_id": "b"}]}', "duplicate key 'device_id'"),
        (START + '"devices": [], "devices": [{}]}', "duplicate key 'devices'"),
        (START + '"devices": [{"x": NaN}]}', "NaN is not valid JSON"),
        (START + '"devices": [{"x": -Infinity}]}', "-Infinity is not valid JSON"),
        (START + '"devices": [{"x": 1e999}]}', "a number is too large"),
        (START + '"devices": [], "device_count": ' + "9" * 5000 + "}", "a number has 5,000 digits"),
        (START + '"devices": ' + "[" * 200_000 + "]" * 200_000 + "}", "it is nested too deeply"),
        (START + '"devices": [', "Expecting value"),
        (START + '"devices": {}}', "it has no list of devices"),
        (START + '"devices": ["pc-1"]}', "it has no list of devices"),
        (START + '"devices": [], "prediction": "no"}', "prediction is not true or false"),
        (START + '"devices": [], "run": [1]}', "run is not an object"),
        ('{"format": "secops.mde/evidence-2", "devices": []}', "its format is not secops.mde/evidence-1"),
        ('{"format": "secops.mde/evidence-1", "kind": ["offboard"], "devices": []}', "its kind is not one of offboard, verify"),
        ("[]", "expected an object with the format secops.mde/evidence-1"),
        ("", "Expecting value"),
        (b"\xff\xfe{", "it is not UTF-8"),
    ],
    ids=lambda value: None if isinstance(value, bytes) or len(value) > 60 else value,
)  # fmt: skip
def test_another_file_is_an_error_with_its_path_and_the_reason(path: Path, content: str | bytes, reason: str) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(EvidenceFileError) as error:
        load(path)
    assert str(error.value).startswith(f"{path} is not an evidence file: ")
    assert reason in str(error.value)
    assert len(str(error.value)) < len(str(path)) + 200


def test_the_time_for_a_duplicate_key_is_linear_in_the_number_of_keys(path: Path) -> None:
    def cost(count: int) -> float:
        keys = ", ".join(f'"k{number}": 1' for number in range(count))
        path.write_text(f'{START}"devices": [{{{keys}, "k{count - 1}": 2}}]}}', "utf-8")
        began = time.process_time()
        with pytest.raises(EvidenceFileError, match="duplicate key"):
            load(path)
        return time.process_time() - began

    cost(100)
    assert cost(40_000) < 40 * cost(4_000) + 0.5


def make_socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as bound:  # the path of a socket has at most about a hundred characters
        bound.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


@pytest.mark.parametrize(
    ("make", "kind"), [(os.mkfifo, "a FIFO"), (os.mkdir, "a directory")], ids=["FIFO", "directory"]
)
def test_a_fifo_or_a_directory_is_an_error_without_delay(path: Path, make: t.Callable[[Path], None], kind: str) -> None:
    make(path)
    with pytest.raises(EvidenceFileError, match=f"run.json is not an evidence file: it is {kind}"):
        load(path)


@pytest.mark.parametrize("device", ["/dev/zero", "/dev/null", "/dev/tty"])
def test_a_device_is_never_read(path: Path, device: str) -> None:
    path.symlink_to(device)
    with pytest.raises((EvidenceFileError, OSError)):  # a process without a terminal cannot open /dev/tty
        load(path)


def test_a_socket_cannot_be_opened(path: Path) -> None:
    make_socket(path)
    with pytest.raises(OSError):  # noqa: PT011  # the number differs between systems
        load(path)
    assert file_type(path.stat().st_mode) == "a socket"


def test_a_file_that_is_too_large_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_evidence_format, "_MAX_SIZE", 1024 * 1024)
    with path.open("wb") as file:
        file.truncate(1024 * 1024 + 1)
    with pytest.raises(EvidenceFileError, match="it is larger than 1 MB"):
        load(path)


def test_a_regular_file_has_no_special_type() -> None:
    assert file_type(stat.S_IFREG) is None
    assert file_type(stat.S_IFBLK) == "a device"
