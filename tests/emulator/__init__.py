# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A local Microsoft Defender for Endpoint API with its sign-in service, for tests, demos and rehearsals."""

from __future__ import annotations

from .apps import App, Federated
from .clock import Clock
from .devices import Device, HistoryAction
from .emulator import Emulator
from .faults import Fault
from .knobs import Knobs
from .log import Exchange
from .scenario import Scenario, load_scenario

__all__ = [
    "App",
    "Clock",
    "Device",
    "Emulator",
    "Exchange",
    "Fault",
    "Federated",
    "HistoryAction",
    "Knobs",
    "Scenario",
    "load_scenario",
]
