# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From a list to the offboard requests: only the devices in the list are offboarded."""

from __future__ import annotations

import random
import uuid

from ansible.errors import AnsibleFilterError

from ansible_collections.secops.mde.plugins.filter.parse_devices import FilterModule
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.simulated_run import SimulatedRun
from ansible_collections.secops.mde.tests.unit.support.tables import random_table
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime

parse = FilterModule().filters()["parse_devices"]
TABLES = 1000


def entra_id(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def test_a_thousand_tables_offboard_only_the_devices_in_them() -> None:
    chance = random.Random(11)
    with Emulator() as emulator:
        others = [
            emulator.add_device(Device(name=f"spare-{number}.corp.example", aad_device_id=entra_id(chance)))
            for number in range(50)
        ]
        operator = SimulatedRun(emulator, VirtualTime(emulator, random.Random(0)), fast_path=True)
        meant: dict[str, set[str]] = {}
        refused = 0
        for number in range(TABLES):
            devices = [
                emulator.add_device(Device(name=f"pc-{number}-{place}.corp.example", aad_device_id=entra_id(chance)))
                for place in range(chance.randint(1, 2))
            ]
            comment = f"CHG-{number}"
            meant[comment] = {device.id for device in devices}
            table = random_table(chance, devices, others)
            try:
                found = parse(table.text)
            except AnsibleFilterError:
                refused += 1
                continue
            operator.comment = comment
            operator.run(found)
        posted = [(action["requestorComment"], action["machineId"]) for action in emulator.actions()]
    assert [one for one in posted if one[1] not in meant[one[0]]] == []
    assert refused < TABLES // 2
    assert len({comment for comment, _device in posted}) > TABLES // 2
