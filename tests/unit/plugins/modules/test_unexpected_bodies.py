# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After a change of a tag or a cancellation, the record is read, whatever the response is."""

from __future__ import annotations

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import RunModule, offboard_as_other_app


@pytest.fixture
def device(emulator: Emulator) -> Device:
    return emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))


@pytest.mark.parametrize("handled", [True, False])
@pytest.mark.parametrize(
    "body",
    [
        "5",
        "[]",
        "null",
        '{"value": 5}',
        '{"value": true}',
        '{"value": {"a": 1}}',
        '{"value": "text"}',
        '{"value": [5, null, [], "x"]}',
        '{"value": [{"id": 5}]}',
        "<html>",
        "",
    ],
)
def test_the_record_is_read_after_any_response_to_the_tag_request(
    emulator: Emulator, tag: RunModule, device: Device, body: str, handled: bool
) -> None:
    emulator.fault(method="POST", kind="body", body=body, handled=handled)
    emulator.grant("Machine.ReadWrite.All")
    run = tag(device_id=[device.id])
    if handled:
        assert (run.failed, run.changed) == (False, True), run.result["msg"]
    else:
        assert run.error_code == "tag_not_confirmed"


@pytest.mark.parametrize(
    "body",
    ["5", "[]", "null", '{"value": 5}', "<html>", "", '{"id": "x"}'],
)
def test_the_action_is_read_after_any_response_to_the_cancel_request(
    emulator: Emulator, cancel: RunModule, device: Device, body: str
) -> None:
    action = offboard_as_other_app(emulator, device.id)
    emulator.fault(method="POST", kind="body", body=body, handled=True)
    run = cancel(action_id=action["id"])
    assert (run.failed, run.result["cancelled"]) == (False, True), run.result["msg"]
