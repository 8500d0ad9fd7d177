# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def listed(*files: str) -> set[str]:
    lines = (line.strip() for file in files for line in (ROOT / file).read_text("utf-8").splitlines())
    return {line for line in lines if line and not line.startswith("#")}


def test_the_lists_that_ansible_test_reads_hold_what_the_collection_and_the_emulator_need() -> None:
    needed = listed("requirements.txt", "tests/emulator/requirements.txt")
    assert listed("tests/integration/requirements.txt") == needed
    assert listed("tests/unit/requirements.txt") > needed
