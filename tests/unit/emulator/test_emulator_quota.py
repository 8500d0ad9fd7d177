# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Quotas, latency, and the clock."""

from __future__ import annotations

import time
import typing as t
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import pytest

from ansible_collections.secops.mde.tests.emulator import Clock, Emulator, Knobs
from ansible_collections.secops.mde.tests.unit.emulator.client import Client


def statuses(client: Client, count: int) -> t.Any:
    return [client.get("/machines", top=1).status_code for _number in range(count)]


def test_calls_are_unlimited_by_default(client: Client) -> None:
    assert statuses(client, 150) == [200] * 150


def test_a_minute_is_a_sliding_window(client: Client, service: Emulator) -> None:
    service.knobs.quota_per_minute = 3
    assert statuses(client, 2) == [200, 200]
    service.clock.advance(40)
    assert statuses(client, 2) == [200, 429]
    refused = client.get("/machines")
    assert refused.json()["error"]["code"] == "TooManyRequests"
    assert "3 per 00:01:00" in refused.json()["error"]["message"]
    assert refused.headers["Retry-After"] == "20"
    service.clock.advance(19.5)
    assert statuses(client, 1) == [429]
    service.clock.advance(0.6)
    assert statuses(client, 3) == [200, 200, 429]


def test_an_hour_blocks_for_longer(service: Emulator, client_of: Callable[..., Client]) -> None:
    client = client_of(service, lifetime=7200)
    service.knobs.quota_per_hour = 2
    assert statuses(client, 3) == [200, 200, 429]
    assert client.get("/machines").headers["Retry-After"] == "3600"
    service.clock.advance(3599)
    assert statuses(client, 1) == [429]
    service.clock.advance(1)
    assert statuses(client, 3) == [200, 200, 429]


def test_calls_of_other_programs_count_towards_the_quota(client: Client, service: Emulator) -> None:
    service.knobs.update({"quota_per_minute": 5, "quota_others_per_minute": 3})
    assert statuses(client, 3) == [200, 200, 429]


def test_another_program_can_use_up_the_quota(client: Client, service: Emulator) -> None:
    service.knobs.update({"quota_per_minute": 5, "quota_per_hour": 8})
    assert service.use_quota_as_other_app(3) == 3
    assert statuses(client, 3) == [200, 200, 429]
    assert service.use_quota_as_other_app(1) == 0
    service.clock.advance(61)
    assert service.use_quota_as_other_app(2) == 2
    assert statuses(client, 2) == [200, 429]
    service.clock.advance(3600 - 61)
    assert service.use_quota_as_other_app(9, service.client_id) == 5
    assert service.calls() == service.calls(method="GET")


def test_calls_of_other_apps_beyond_the_quota_are_not_counted_as_refused(service: Emulator) -> None:
    service.knobs.update({"quota_per_minute": 2, "quota_counts_refused": True})
    assert service.use_quota_as_other_app(9) == 2
    service.clock.advance(59)
    assert service.use_quota_as_other_app(9) == 0
    service.clock.advance(1)
    assert service.use_quota_as_other_app(9) == 2


def test_without_a_quota_calls_of_other_apps_are_unlimited(client: Client, service: Emulator) -> None:
    assert service.use_quota_as_other_app(10_000) == 10_000
    service.knobs.quota_per_minute = 1
    assert statuses(client, 2) == [200, 429]


def test_calls_of_another_app_do_not_count(client: Client, service: Emulator) -> None:
    service.knobs.quota_per_minute = 1
    assert service.use_quota_as_other_app(3, service.add_app("other").client_id) == 1
    assert statuses(client, 2) == [200, 429]


def test_each_app_has_its_own_quota_for_all_routes(
    client: Client, service: Emulator, client_of: Callable[..., Client]
) -> None:
    service.knobs.quota_per_minute = 2
    assert client.get("/machines").status_code == 200
    assert client.offboard().status_code == 201
    assert client.get("/machineactions").status_code == 429
    other = service.add_app("other", roles="*")
    assert client_of(service, client_id=other.client_id).get("/machines").status_code == 200


def test_refused_calls_can_extend_the_block(client: Client, service: Emulator) -> None:
    service.knobs.update({"quota_per_minute": 1, "quota_counts_refused": True})
    assert statuses(client, 1) == [200]
    service.clock.advance(50)
    assert statuses(client, 1) == [429]
    service.clock.advance(50)
    assert client.get("/machines").headers["Retry-After"] == "10"


@pytest.mark.parametrize("style", ["date", "absent"])
def test_retry_after_can_be_a_date_or_absent(client: Client, service: Emulator, style: str) -> None:
    service.knobs.update({"quota_per_minute": 1, "retry_after": style, "code_429": "429"})
    statuses(client, 1)
    refused = client.get("/machines")
    assert refused.json()["error"]["code"] == "429"
    value = refused.headers.get("Retry-After")
    if style == "absent":
        assert value is None
    else:
        assert value is not None
        assert 59 <= parsedate_to_datetime(value).timestamp() - service.clock.now() <= 62


def test_calls_can_take_virtual_time(client: Client, service: Emulator) -> None:
    service.knobs.virtual_latency = 2
    began = service.clock.now()
    statuses(client, 3)
    assert service.clock.now() - began == pytest.approx(6)


def test_calls_can_take_real_time(client: Client, service: Emulator) -> None:
    service.knobs.latency = 0.05
    began = time.perf_counter()
    statuses(client, 1)
    assert time.perf_counter() - began >= 0.05


def test_the_virtual_clock_does_not_advance_by_itself_and_never_goes_back() -> None:
    clock = Clock(start=1000.0)
    assert clock.now() == clock.now() == 1000.0
    assert clock.monotonic() == 0.0
    assert clock.advance(5) == 1005.0
    clock.sleep(-3)
    clock.sleep(2)
    assert (clock.now(), clock.monotonic()) == (1007.0, 7.0)
    with pytest.raises(ValueError, match="cannot go back"):
        clock.advance(-1)


def test_a_real_clock_follows_real_time_and_can_be_advanced() -> None:
    clock = Clock(real_time=True)
    assert abs(clock.now() - time.time()) < 1
    clock.advance(100)
    assert 99 < clock.now() - time.time() < 102


def test_a_wrong_knob_is_refused() -> None:
    knobs = Knobs(list_lag=3)
    with pytest.raises(ValueError, match="no such knob"):
        knobs.list_lagg = 3
    with pytest.raises(ValueError, match="offboard_status"):
        knobs.offboard_status = 202
    with pytest.raises(ValueError, match="date_header"):
        knobs.date_header = "sometimes"
    with pytest.raises(ValueError, match="no such knob"):
        knobs.update({"read_lag": 9, "nothing": 1})
    assert (knobs.list_lag, knobs.read_lag) == (3, 0)
