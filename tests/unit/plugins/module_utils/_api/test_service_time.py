# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The current time is decided by a majority of Date headers, local clock, and times of the service."""

from __future__ import annotations

import typing as t
from email.utils import formatdate

import jwt
import pytest

from ansible_collections.secops.mde.plugins.module_utils._api.service_time import ServiceTime
from ansible_collections.secops.mde.plugins.module_utils._http.response import Response
from ansible_collections.secops.mde.plugins.module_utils._timestamps import format_time
from ansible_collections.secops.mde.tests.unit.support.module_run import ManualClock

NOW = ManualClock.START
MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0


class SkewedClock(ManualClock):
    def __init__(self, skew: float) -> None:
        super().__init__()
        self.skew = skew

    def time(self) -> float:
        return super().time() + self.skew


def response(at: float | None) -> Response:
    headers = {} if at is None else {"date": formatdate(at, usegmt=True)}
    return Response(method="GET", url="https://api.example.test/api/machines", status=200, headers=headers)


def token(issued: float = NOW - MINUTE, lifetime: float = HOUR, **claims: t.Any) -> str:
    return jwt.encode({"iat": issued, "exp": issued + lifetime, **claims}, "k" * 32)


def record(at: float) -> dict[str, str]:
    return {"lastSeen": format_time(at)}


# error of the local clock, error of the headers, readable token, age of the newest record, trusted time, warning
CASES: t.Final = {
    "all agree": (0, 0, True, MINUTE, "headers", False),
    "some minutes apart": (240, 0, True, MINUTE, "headers", False),
    "the token contradicts the headers": (0, 10 * DAY, True, MINUTE, "ours", True),
    "the token contradicts late headers": (0, -10 * DAY, True, MINUTE, "ours", True),
    "the token contradicts our clock": (40 * DAY, 0, True, MINUTE, "headers", False),
    "the token contradicts our slow clock": (-40 * DAY, 0, True, MINUTE, "headers", False),
    "records contradict late headers": (0, -10 * DAY, False, MINUTE, "ours", True),
    "records contradict our slow clock": (-40 * DAY, 0, False, MINUTE, "headers", False),
    "no majority: the earlier time is that of the headers": (40 * DAY, 0, False, 90 * DAY, "headers", False),
    "no majority: the earlier time is ours": (0, 10 * DAY, False, 90 * DAY, "ours", True),
    "both within the token's lifetime": (20 * MINUTE, 0, True, 90 * DAY, "headers", False),
    "a date out of range": (0, 200_000 * DAY, True, MINUTE, "ours", True),
}


@pytest.mark.parametrize(("ours", "headers", "readable", "age", "trusted", "warns"), CASES.values(), ids=CASES)
def test_one_source_never_decides_against_two(
    ours: float, headers: float, readable: bool, age: float, trusted: str, warns: bool
) -> None:
    time = ServiceTime(SkewedClock(ours))
    time.observe_token(token() if readable else "opaque")
    time.observe_records([record(NOW - age)])
    time.observe(response(NOW + headers))
    expected = NOW + (ours if trusted == "ours" else headers)
    for _again in range(2):
        assert time.now().timestamp() == expected
        assert (time.by_headers() is None) == (trusted == "ours")
    assert len(time.warnings()) == warns
    assert all("Date header" in warning for warning in time.warnings())


def test_one_header_of_several_does_not_count() -> None:
    time = ServiceTime(ManualClock())
    for error in (0, 0, 10 * DAY, -10 * DAY, 0, 10 * DAY):
        time.observe(response(NOW + error))
    assert time.now().timestamp() == NOW
    assert time.warnings() == []


def test_the_token_alone_shows_that_our_clock_is_wrong_before_the_first_response() -> None:
    time = ServiceTime(SkewedClock(40 * DAY))
    time.observe_token(token())
    assert time.now().timestamp() == NOW - MINUTE


@pytest.mark.parametrize("value", ["opaque", "a.b.c", token(exp="soon"), token(exp=True), token(exp=1e300)])
def test_a_token_without_readable_times_decides_nothing(value: str) -> None:
    time = ServiceTime(SkewedClock(DAY))
    time.observe_token(value)
    assert time.now().timestamp() == NOW + DAY


@pytest.mark.parametrize("records", [[], [None], [{"lastSeen": 7}], [{"lastSeen": "~"}], [{"lastSeen": "9999"}]])
def test_records_without_a_time_decide_nothing(records: list[object]) -> None:
    time = ServiceTime(ManualClock())
    time.observe_records(records)
    time.observe(response(NOW - 10 * DAY))
    assert time.now().timestamp() == NOW - 10 * DAY


def test_a_long_date_takes_no_time_to_read() -> None:
    time = ServiceTime(ManualClock())
    time.observe(Response(method="GET", url="https://x", status=200, headers={"date": "1 " * 100_000}))
    assert time.by_headers() is None
