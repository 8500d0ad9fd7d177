# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An emulator in real time, because Ansible runs in separate processes, and the command that runs playbooks."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.functional.support.ansible_command import AnsibleCommand


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator(real_time=True) as running:
        yield running


@pytest.fixture
def runbook(emulator: Emulator, tmp_path: Path) -> AnsibleCommand:
    return AnsibleCommand(emulator, tmp_path)
