# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Only a complete rejection by the service itself is a rejection. After all other responses, the actions are read."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import RunModule, api_calls, offboards, posts

JSON = {"Content-Type": "application/json"}
HIDDEN: dict[str, dict[str, t.Any]] = {
    "a page with 429": {"status": 429, "body": "<html><title>Too many</title></html>"},
    "a page with 429 and Retry-After": {"status": 429, "body": "<html>Busy</html>", "headers": {"Retry-After": "3"}},
    "an empty 429": {"status": 429, "body": ""},
    "a 429 with half of its JSON": {"status": 429, "body": '{"error": {"code": "TooManyReq', "headers": JSON},
    "a 429 with JSON of a gateway": {"status": 429, "body": '{"statusCode": 429, "message": "slow"}', "headers": JSON},
    "a 407 page": {"status": 407, "body": "<html>proxy</html>"},
    "a 407 that is empty": {"status": 407, "body": ""},
    "a 403 with JSON whose code is a number": {"status": 403, "body": '{"error": {"code": 403, "message": "blocked"}}'},
    "a 400 with JSON of a gateway": {"status": 400, "body": '{"error": "invalid_request"}'},
    "a 409 with JSON of a gateway": {"status": 409, "body": '{"error": {"message": "conflict"}}'},
    "a 200 with the error": {"status": 200, "body": '{"error": {"code": "BadRequest", "message": "no"}}'},
    "a 200 with a list of an action": {"status": 200, "body": '[{"id": "1", "type": "Offboard", "machineId": "x"}]'},
    "a 204": {"status": 204, "body": ""},
    "a 200 with null": {"status": 200, "body": "null"},
    "a 200 with a number": {"status": 200, "body": "1"},
}


@pytest.mark.parametrize("duplicate", ["grace", "create", "refuse"])
@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
def test_an_accepted_post_is_found_whatever_the_gateway_returns(
    emulator: Emulator, offboard: RunModule, hidden: dict[str, t.Any], duplicate: str
) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    emulator.knobs.duplicate_mode = duplicate
    emulator.fault(method="POST", path="/offboard", kind="body", handled=True, **hidden)
    run = offboard(device_id=device.id)
    assert (run.outcome, run.changed, run.failed, posts(emulator)) == ("submitted", True, False, 1)
    assert len(offboards(emulator, device.id)) == 1


def test_reconciliation_waits_for_the_retry_after_of_a_gateway(emulator: Emulator, offboard: RunModule) -> None:
    device = emulator.add_device(Device(name="lab-w11-07.corp.example", fate="offline"))
    emulator.fault(
        method="POST",
        path="/offboard",
        kind="body",
        handled=True,
        status=429,
        body="<html>Busy</html>",
        headers={"Retry-After": "40"},
    )
    run = offboard(device_id=device.id)
    assert (run.outcome, api_calls(emulator)[2:]) == ("submitted", ["POST offboard", "GET machineactions"])
    post, read = emulator.calls("api")[-2:]
    assert read.at - post.at >= 40
