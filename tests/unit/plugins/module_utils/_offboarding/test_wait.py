# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Waiting for many actions with lists from replicas of different ages."""

from __future__ import annotations

import types
import typing as t
from datetime import datetime

from ansible_collections.secops.mde.plugins.module_utils._api.models import MachineAction
from ansible_collections.secops.mde.plugins.module_utils._offboarding.wait import WaitOptions, wait_for_actions
from ansible_collections.secops.mde.tests.unit.support.module_run import ManualClock


def action(name: str, status: str) -> MachineAction:
    record = {"id": name, "type": "Offboard", "machineId": f"m-{name}", "status": status}
    made = MachineAction.from_json({**record, "creationDateTimeUtc": "2026-02-03T04:05:06Z"})
    assert made is not None
    return made


class ListClient:
    """A client with prepared lists of actions. The last list is returned repeatedly."""

    def __init__(self, *lists: list[MachineAction]) -> None:
        self._lists = list(lists)
        self.session = types.SimpleNamespace(clock=ManualClock())
        self.filter_batcher = types.SimpleNamespace(
            capacity=lambda _length: 0
        )  # so that they are read by creation time

    def list_offboard_actions_since(self, _created: datetime, *, allowance: object) -> list[MachineAction]:
        return self._lists.pop(0) if len(self._lists) > 1 else self._lists[0]


def test_a_final_action_stays_final_when_a_later_list_lags_behind() -> None:
    older = [action("a", "Pending"), action("b", "Pending")]
    newer = [action("a", "Succeeded"), action("b", "InProgress")]
    done, pending = wait_for_actions(
        t.cast("t.Any", ListClient(newer, older)), older, WaitOptions(timeout=60, sleep=10)
    )
    assert (done.action.status, done.error) == ("Succeeded", None)
    assert pending.error is not None
    assert pending.error.code == "wait_timeout"
