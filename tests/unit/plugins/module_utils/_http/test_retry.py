# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""When to ask again: Retry-After in all its forms, the budget of a call, and what each verb may repeat."""

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
from ansible_collections.secops.mde.plugins.module_utils._http.retry import RetryBudget, retry_after
from ansible_collections.secops.mde.plugins.module_utils._http.transport import Response
from ansible_collections.secops.mde.plugins.module_utils._timestamps import http_date
from ansible_collections.secops.mde.tests.unit.module_run import ManualClock

NOW = ManualClock.START


def answer(status: int, body: bytes = b"{}", **headers: str) -> Response:
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
        # our clock is ten minutes off: the answer's own Date counts
        ({"retry_after": formatdate(NOW + 690, usegmt=True), "date": formatdate(NOW + 600, usegmt=True)}, 90),
        ({"retry_after": formatdate(NOW - 510, usegmt=True), "date": formatdate(NOW - 600, usegmt=True)}, 90),
    ],
    ids=str,
)
def test_retry_after_is_read_in_both_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(answer(429, **headers), NOW) == (None if seconds is None else pytest.approx(seconds))


@pytest.mark.parametrize("form", ["%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT", "%a %b %d %H:%M:%S %Y"])
@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_a_date_means_utc_in_all_forms_of_http_wherever_this_machine_is(
    monkeypatch: pytest.MonkeyPatch, form: str, zone: str
) -> None:
    """The forms of RFC 9110, 5.6.7: the last one names no zone."""
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

    def test_what_the_service_asks_is_never_shortened(self) -> None:
        budget = self.budget(100)
        assert budget.next_delay(100) == 100
        assert budget.next_delay(100.1) is None

    def test_pauses_jitter_within_a_window_that_doubles(self) -> None:
        budget = self.budget()
        seen = []
        for _step in range(8):
            pause = budget.next_delay(None)
            assert pause is not None
            seen.append(pause)
            budget.attempts += 1
        assert all(pause <= min(30, 2**step) for step, pause in enumerate(seen))
        assert len(set(seen)) == len(seen)

    def test_the_last_pause_ends_with_the_budget(self) -> None:
        budget = self.budget(10)
        budget.spent = 9.9
        pause = budget.next_delay(None)
        assert pause is not None
        assert pause <= 0.1 + 1e-9
        budget.spent = 10
        assert budget.next_delay(None) is None


class FakeTransport:
    """The wire: hands out prepared answers and keeps what was sent."""

    def __init__(self, *answers: Response | TransportError, reached: bool = True) -> None:
        self.answers = list(answers)
        self.sent: list[tuple[str, str]] = []
        self.reached = reached

    def has_responded(self, url: str) -> bool:
        return self.reached

    def send(self, method: str, url: str, **_more: t.Any) -> Response:
        self.sent.append((method, url))
        result = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(result, TransportError):
            raise result
        return result

    def close(self) -> None:
        pass


class Tokens:
    def __init__(self) -> None:
        self.refreshed: list[str] = []

    def token(self, patience: float) -> str:
        return "t0"

    def refresh(self, refused: str, patience: float) -> str:
        self.refreshed.append(refused)
        return f"t{len(self.refreshed)}"


def client(
    *answers: Response | TransportError, retry_timeout: float = 300, reached: bool = True
) -> tuple[MdeClient, FakeTransport, ManualClock]:
    clock, session = ManualClock(), FakeTransport(*answers, reached=reached)
    made = ApiSession(
        t.cast("t.Any", session),
        Tokens(),
        "https://api.example.test",
        rate_limiter=RateLimiter(clock, per_minute=100, per_hour=1500),
        clock=clock,
        rng=random.Random(7),
        retry_timeout=retry_timeout,
    )
    return MdeClient(made), session, clock


MACHINES = answer(200, b'{"value": [{"id": "a1"}]}')
ACTION = answer(201, b'{"id": "x1", "type": "Offboard", "machineId": "a1", "status": "Pending"}')
REFUSED = TransportError("refused", may_have_arrived=False)
LOST = TransportError("lost", may_have_arrived=True)
UNTRUSTED = TransportError("certificate", may_have_arrived=False, retryable=False)

# what comes back, whether a read is asked again, whether an offboard is
BY_VERB = [
    (answer(429, b'{"error": {"code": "TooManyRequests", "message": "slow down"}}'), True, True),
    (answer(429), True, False),
    (REFUSED, True, True),
    (LOST, True, False),
    (UNTRUSTED, False, False),
    (answer(408), True, False),
    (answer(500), True, False),
    (answer(502), True, False),
    (answer(503), True, False),
    (answer(504), True, False),
    (answer(501), False, False),
    (answer(400), False, False),
    (answer(403), False, False),
    (answer(404), False, False),
    (answer(307), False, False),
]


@pytest.mark.parametrize(("trouble", "read", "_post"), BY_VERB, ids=str)
def test_a_read_is_repeated_after_everything_that_passes(
    trouble: Response | TransportError, read: bool, _post: bool
) -> None:
    made, session, _clock = client(trouble, MACHINES)
    if read:
        assert [machine.id for machine in made.list_machines("id eq 'a1'")] == ["a1"]
        assert made.session.statistics.retries == 1
    else:
        with pytest.raises(MdeError):
            made.list_machines("id eq 'a1'")
    assert len(session.sent) == 1 + read


@pytest.mark.parametrize(("trouble", "_read", "post"), BY_VERB, ids=str)
def test_an_offboard_is_repeated_only_when_it_surely_was_not_taken(
    trouble: Response | TransportError, _read: bool, post: bool
) -> None:
    made, session, _clock = client(trouble, ACTION)
    if post:
        assert made.offboard_machine("a1", "CHG-1").id == "x1"
    else:
        with pytest.raises((ApiError, TransportError)):
            made.offboard_machine("a1", "CHG-1")
    assert len(session.sent) == 1 + post


def test_reads_go_on_until_the_time_for_retries_is_over() -> None:
    made, session, clock = client(answer(503), retry_timeout=120)
    with pytest.raises(ApiError) as failure:
        made.list_machines("id eq 'a1'")
    assert failure.value.code == "service_error"
    assert clock.passed == pytest.approx(120)
    assert len(session.sent) > 5


def test_a_host_that_never_answered_is_given_up_sooner() -> None:
    made, _session, clock = client(REFUSED, reached=False)
    with pytest.raises(TransportError):
        made.list_machines("id eq 'a1'")
    assert clock.passed == pytest.approx(60)


def test_throttling_beyond_the_time_left_fails_at_once_and_says_when_to_come_back() -> None:
    made, session, clock = client(answer(429, retry_after="301"))
    with pytest.raises(ThrottledError) as failure:
        made.list_machines("id eq 'a1'")
    assert clock.passed == 0
    assert len(session.sent) == 1
    assert "Come back after 2026-" in str(failure.value)
    assert "retry_timeout" in str(failure.value)


@pytest.mark.parametrize("wish", ["99999999999999", "9" * 400, "Fri, 31 Dec 9999 23:59:59 GMT"])
def test_throttling_until_the_end_of_time_is_throttling_too(wish: str) -> None:
    made, session, clock = client(
        answer(200, b"{}", date="Fri, 31 Dec 9999 23:59:58 GMT"), answer(429, retry_after=wish)
    )
    with pytest.raises(ApiError):  # the answer itself is nonsense, its date sets the service's clock
        made.list_machines("id eq 'a1'")
    clock.sleep(5)
    with pytest.raises(ThrottledError) as failure:
        made.list_machines("id eq 'a1'")
    assert len(session.sent) == 2
    assert "retry_timeout" in str(failure.value)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("wish", ["0", "0.01", formatdate(NOW - 90, usegmt=True)])
def test_a_service_that_always_asks_for_no_pause_is_given_up_in_time_and_not_hammered(status: int, wish: str) -> None:
    made, _session, clock = client(*[answer(status, retry_after=wish)] * 60, MACHINES, retry_timeout=120)
    with pytest.raises(ApiError):
        made.list_machines("id eq 'a1'")
    assert clock.passed <= 180  # some pauses are those of the pace


def test_throttling_that_adds_up_ends_too() -> None:
    made, session, clock = client(answer(429, retry_after="100"))
    with pytest.raises(ThrottledError):
        made.list_machines("id eq 'a1'")
    assert clock.sleeps == [100, 100, 100]
    assert made.session.statistics.as_dict() == {"calls": 4, "retries": 3, "throttled_seconds": 300}
    assert len(session.sent) == 4


def test_a_refused_token_is_renewed_once() -> None:
    made, session, _clock = client(answer(401), MACHINES)
    assert made.list_machines("id eq 'a1'")
    assert len(session.sent) == 2
    made, session, _clock = client(answer(401))
    with pytest.raises(ApiError) as failure:
        made.list_machines("id eq 'a1'")
    assert failure.value.code == "unauthorized"
    assert len(session.sent) == 2


def test_a_query_is_encoded_once_and_without_plus_signs() -> None:
    made, session, _clock = client(MACHINES)
    made.list_machines("computerDnsName eq 'r&d +1#o''b%25'")
    (_method, url), *_rest = session.sent
    assert url.startswith("https://api.example.test/api/machines?$filter=computerDnsName%20eq%20'r%26d%20%2B1%23")
    assert "''b%2525'" in url
    assert url.endswith("&$top=10000")
