# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Throttled calls that are in flight at the same time."""

from __future__ import annotations

import re

import pytest

from ansible_collections.secops.mde.plugins.module_utils._errors import ThrottledError
from ansible_collections.secops.mde.plugins.module_utils._timestamps import parse_time
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.support.simulated_run import SimulatedRun
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime


@pytest.mark.parametrize("status", ["429", "503"])
@pytest.mark.parametrize("pauses", [(7200, 4000), (4000, 7200)])
def test_of_two_pauses_for_which_no_call_has_time_the_next_call_keeps_the_longer_one(
    emulator: Emulator, pauses: tuple[int, int], status: str
) -> None:
    for pause in pauses:
        emulator.fault(method="GET", kind=status, retry_after=pause)
    time = VirtualTime(emulator)
    client = SimulatedRun(emulator, time, retry_timeout=60).client()
    hints = []

    def read(machine_id: str) -> None:
        with pytest.raises(ThrottledError) as error:
            client.get_machine(machine_id)
        hints.append(error.value.hint or "")

    time.worker_pool(2).for_each(read, iter(["1" * 40, "2" * 40]))
    assert [str(call.status) for call in emulator.calls("api")] == [status, status]
    read("3" * 40)
    assert len(emulator.calls("api")) == 2
    times = [parse_time(re.findall(r"Retry after (\S+?),", hint)[0]) for hint in hints]
    waits = [round(at.timestamp() - emulator.clock.now(), -1) for at in times if at]
    assert waits == [*pauses, 7200]
