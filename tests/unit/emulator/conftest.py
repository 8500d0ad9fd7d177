# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An emulator with one device, and a client with the library requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.emulator.client import PC1, Client


@pytest.fixture
def service() -> Iterator[Emulator]:
    """An emulator with one online device."""
    with Emulator([Device(id=PC1, name="pc1.corp.example")]) as running:
        yield running


@pytest.fixture
def client(service: Emulator) -> Client:
    """A client with the permissions to offboard and read."""
    return Client(service)


@pytest.fixture
def client_of() -> Callable[..., Client]:
    """Returns clients of other emulators or with other tokens."""
    return Client
