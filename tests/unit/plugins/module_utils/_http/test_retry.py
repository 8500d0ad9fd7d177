# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Retries: Retry-After in all forms, the time budget of a call, and which outcomes each method may repeat."""

from __future__ import annotations

import random
import time
import typing as t
from email.utils import formatdate

import pytest

from ansible_collections.secops.mde.plugins.module_utils._api.client import MdeClient
from ansible_collections.secops.mde.plugins.module_utils._api.session import ApiSession
from ansible_collections.secops.mde.plugins.module_utils._errors import (
    ApiError,
    MdeError,
    ThrottledError,
    TransportError,
)
from ansible_collections.secops.mde.plugins.module_utils._http.rate_limit import RateLimiter
from ansible_collections.secops.mde.plugins.module_utils._http.response import Response
from ansible_collections.secops.mde.plugins.module_utils._http.retry import RetryBudget, retry_after
from ansible_collections.secops.mde.plugins.module_utils._timestamps import http_date
from ansible_collections.secops.mde.tests.unit.support.module_run import ManualClock

NOW = ManualClock.START


def response(status: int, body: bytes = b"{}", **headers: str) -> Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Response(method="GET", url="https://api.example.test/api/machines", status=status, headers=named, body=body)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry_after": "120, 120"}, 120),
        ({"retry_after": "5,90 , 60"}, 90),
        ({"retry_after": "5, soon"}, None),
        ({"retry_after": ""}, None),
        ({"retry_after": "abc"}, None),
        ({"retry_after": "-5"}, None),
        ({"retry_after": "NaN"}, None),
        ({"retry_after": "0"}, 0),
        ({"retry_after": "7"}, 7),
        ({"retry_after": " 7 "}, 7),
        ({"retry_after": "1.5"}, 1.5),
        ({"retry_after": "3600"}, 3600),
        ({"retry_after": formatdate(NOW + 90, usegmt=True)}, 90),
        ({"retry_after": formatdate(NOW - 90, usegmt=True)}, 0),
        ({"retry_after": "Mon, 99 Foo 2026"}, None),
        # the local clock is wrong by ten minutes: the Date of the response counts
        ({"retry_after": formatdate(NOW + 690, usegmt=True), "date": formatdate(NOW + 600, usegmt=True)}, 90),
        ({"retry_after": formatdate(NOW - 510, usegmt=True), "date": formatdate(NOW - 600, usegmt=True)}, 90),
    ],
    ids=str,
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, t.Any], seconds: float | None) -> None:
    assert retry_after(response(429, **headers), NOW) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_an_http_date_in_any_form_is_utc_in_every_local_time_zone(
    monkeypatch: pytest.MonkeyPatch, form: str, zone: str
) -> None:
    """The formats of RFC 9110, 5.6.7. The last one has no time zone."""
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        assert http_date(time.strftime(form, time.gmtime(NOW))) == NOW
    finally:
        monkeypatch.undo()
        time.tzset()


class TestBudget:
    def budget(self, limit: float = 300.0) -> RetryBudget:
        return RetryBudget(limit=limit, clock=ManualClock(), rng=random.Random(7))

    def test_retry_after_is_never_shortened(self) -> None:
        budget = self.budget(100)
        assert budget.next_delay(100) == 100
        assert budget.next_delay(100.1) is None

    def test_waits_are_random_within_a_range_that_doubles(self) -> None:
        budget = self.budget()
        seen = []
        for _step in range(8):
            pause = budget.next_delay(None)
            assert pause is not None
            seen.append(pause)
            budget.attempts += 1
        assert all(pause <= min(30, 2**step) for step, pause in enumerate(seen))
        assert len(set(seen)) == len(seen)

    def test_the_last_wait_ends_with_the_budget(self) -> None:
        budget = self.budget(10)
        budget.spent = 9.9
        pause = budget.next_delay(None)
        assert pause is not None
        assert pause <= 0.1 + 1e-9
        budget.spent = 10
        assert budget.next_delay(None) is None


class FakeTransport:
    """Returns prepared responses and records the requests."""

    def __init__(self, *outcomes: Response | TransportError, responded: bool = True) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[tuple[str, str]] = []
        self.responded = responded

    def has_responded(self, url: str) -> bool:
        return self.responded

    def send(self, method: str, url: str, **_more: t.Any) -> Response:
        self.sent.append((method, url))
        result = self.outcomes.pop(0) if len(self.outcomes) > 1 else self.outcomes[0]
        if isinstance(result, TransportError):
            raise result
        return result

    def close(self) -> None:
        pass


class Tokens:
    def __init__(self) -> None:
        self.refreshed: list[str] = []

    def token(self, time_limit: float) -> str:
        return "t0"

    def refresh(self, refused: str, time_limit: float) -> str:
        self.refreshed.append(refused)
        return f"t{len(self.refreshed)}"

    def check_replaceable(self) -> None:
        pass


def make_client(
    *outcomes: Response | TransportError, retry_timeout: float = 300, responded: bool = True, seed: int = 7
) -> tuple[MdeClient, FakeTransport, ManualClock]:
    clock, transport = ManualClock(), FakeTransport(*outcomes, responded=responded)
    session = ApiSession(
        t.cast("t.Any", transport),
        t.cast("t.Any", Tokens()),
        "https://api.example.test",
        rate_limiter=RateLimiter(clock, per_minute=100, per_hour=1500),
        clock=clock,
        rng=random.Random(seed),
        retry_timeout=retry_timeout,
    )
    return MdeClient(session), transport, clock


MACHINES = response(200, b'{"value": [{"id": "a1"}]}')
ACTION = response(201, b'{"id": "x1", "type": "Offboard", "machineId": "a1", "status": "Pending"}')
REFUSED = TransportError("refused", may_have_arrived=False)
LOST = TransportError("lost", may_have_arrived=True)
UNTRUSTED = TransportError("certificate", may_have_arrived=False, retryable=False)

# the outcome, whether a read is repeated, whether an offboard request is repeated
BY_VERB = [
    (response(429, b'{"error": {"code": "TooManyRequests", "message": "slow down"}}'), True, True),
    (response(429), True, False),
    (REFUSED, True, True),
    (LOST, True, False),
    (UNTRUSTED, False, False),
    (response(408), True, False),
    (response(500), True, False),
    (response(502), True, False),
    (response(503), True, False),
    (response(504), True, False),
    (response(501), False, False),
    (response(400), False, False),
    (response(403), False, False),
    (response(404), False, False),
    (response(307), False, False),
]


@pytest.mark.parametrize(("outcome", "read", "_post"), BY_VERB, ids=str)
def test_a_read_is_repeated_after_every_temporary_failure(
    outcome: Response | TransportError, read: bool, _post: bool
) -> None:
    client, transport, _clock = make_client(outcome, MACHINES)
    if read:
        assert [machine.id for machine in client.list_machines("id eq 'a1'")] == ["a1"]
        assert client.session.statistics.retries == 1
    else:
        with pytest.raises(MdeError):
            client.list_machines("id eq 'a1'")
    assert len(transport.sent) == 1 + read


@pytest.mark.parametrize(("outcome", "_read", "post"), BY_VERB, ids=str)
def test_an_offboard_request_is_repeated_only_if_it_surely_was_not_accepted(
    outcome: Response | TransportError, _read: bool, post: bool
) -> None:
    client, transport, _clock = make_client(outcome, ACTION)
    if post:
        assert client.offboard_machine("a1", "CHG-1").id == "x1"
    else:
        with pytest.raises((ApiError, TransportError)):
            client.offboard_machine("a1", "CHG-1")
    assert len(transport.sent) == 1 + post


def test_a_read_is_repeated_until_the_budget_is_used_up() -> None:
    client, transport, clock = make_client(response(503), retry_timeout=120)
    with pytest.raises(ApiError) as failure:
        client.list_machines("id eq 'a1'")
    assert failure.value.code == "service_error"
    assert clock.passed == pytest.approx(120)
    assert len(transport.sent) > 5


def test_a_host_that_never_responded_is_abandoned_sooner() -> None:
    client, _transport, clock = make_client(REFUSED, responded=False)
    with pytest.raises(TransportError):
        client.list_machines("id eq 'a1'")
    assert clock.passed == pytest.approx(60)


def test_throttling_beyond_the_budget_fails_at_once_and_says_when_to_retry() -> None:
    client, transport, clock = make_client(response(429, retry_after="301"))
    with pytest.raises(ThrottledError) as failure:
        client.list_machines("id eq 'a1'")
    assert clock.passed == 0
    assert len(transport.sent) == 1
    assert "Retry after 2026-" in str(failure.value)
    assert "retry_timeout" in str(failure.value)


@pytest.mark.parametrize("value", ["99999999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_throttling_beyond_the_calendar_is_throttling_too(value: str) -> None:
    client, transport, clock = make_client(
        response(200, b"{}", date="Fri, 31 Dec 9999 23:59:58 GMT"), response(429, retry_after=value)
    )
    with pytest.raises(ApiError):  # the body is invalid; its Date header sets the service time
        client.list_machines("id eq 'a1'")
    clock.sleep(5)
    with pytest.raises(ThrottledError) as failure:
        client.list_machines("id eq 'a1'")
    assert len(transport.sent) == 2
    assert "retry_timeout" in str(failure.value)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("value", ["0", "0.01", formatdate(NOW - 90, usegmt=True)])
def test_a_service_that_never_asks_for_a_wait_is_abandoned_in_time_and_not_flooded(status: int, value: str) -> None:
    client, _transport, clock = make_client(*[response(status, retry_after=value)] * 60, MACHINES, retry_timeout=120)
    with pytest.raises(ApiError):
        client.list_machines("id eq 'a1'")
    assert clock.passed <= 180  # some of the waits are those of the rate limiter


def test_repeated_throttling_ends_with_the_budget() -> None:
    client, transport, clock = make_client(response(429, retry_after="100"))
    with pytest.raises(ThrottledError):
        client.list_machines("id eq 'a1'")
    assert clock.sleeps == [100, 100, 100]
    assert client.session.statistics.as_dict() == {"calls": 4, "retries": 3, "throttled_seconds": 300}
    assert len(transport.sent) == 4


@pytest.mark.parametrize("seed", range(20))
def test_random_waits_for_other_jobs_count_towards_the_budget_and_never_exceed_it(seed: int) -> None:
    client, _transport, clock = make_client(response(429, retry_after="30"), retry_timeout=300, seed=seed)
    with pytest.raises(ThrottledError):
        client.list_machines("id eq 'a1'")
    assert 270 < clock.passed <= 300
    assert min(clock.sleeps) >= 30
    assert clock.passed == sum(clock.sleeps)
    assert client.session.statistics.throttled_seconds == pytest.approx(clock.passed)


def test_a_rejected_token_is_refreshed_once() -> None:
    client, transport, _clock = make_client(response(401), MACHINES)
    assert client.list_machines("id eq 'a1'")
    assert len(transport.sent) == 2
    client, transport, _clock = make_client(response(401))
    with pytest.raises(ApiError) as failure:
        client.list_machines("id eq 'a1'")
    assert failure.value.code == "unauthorized"
    assert len(transport.sent) == 2


def test_a_query_is_encoded_once_and_without_plus_signs() -> None:
    client, transport, _clock = make_client(MACHINES)
    client.list_machines("computerDnsName eq 'r&d +1#o''b%25'")
    (_method, url), *_rest = transport.sent
    assert url.startswith("https://api.example.test/api/machines?$filter=computerDnsName%20eq%20'r%26d%20%2B1%23")
    assert "''b%2525'" in url
    assert url.endswith("&$top=10000")
