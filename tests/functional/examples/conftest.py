# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The service with the devices of the examples, and the command that runs the examples."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.functional.examples.example_command import (
    CLIENT_ID,
    CLIENT_SECRET,
    ExampleCommand,
)


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    """A service in real time with the devices and the application of the examples."""
    devices = [
        Device(
            id="1e5bc9d7e413ddd7902c2932e418702b84d0cc07", name="lab-w11-07.corp.example", poll_seconds=0, ack_seconds=0
        ),
        Device(name="lab-w11-08.corp.example"),
        Device(name="pc-0101.corp.example", fate="offline"),
        Device(name="pc-0102.corp.example", fate="offline"),
        Device(name="pc-0103.corp.example", fate="offline", aad_device_id="11112222-bbbb-3333-cccc-4444dddd5555"),
    ]
    with Emulator(devices, real_time=True, app_id=CLIENT_ID, app_secret=CLIENT_SECRET) as running:
        yield running


@pytest.fixture
def stage(emulator: Emulator, tmp_path: Path) -> ExampleCommand:
    return ExampleCommand(emulator, tmp_path)
