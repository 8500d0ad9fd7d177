# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The claims of a token, and how long a token is cached."""

from __future__ import annotations

import base64
import json
import threading
import typing as t
from concurrent.futures import ThreadPoolExecutor

import pytest

from ansible_collections.secops.mde.plugins.module_utils._auth.token import Token, TokenCache, TokenClaims, read_claims
from ansible_collections.secops.mde.plugins.module_utils._errors import SignInError

TIME_LIMIT = 300.0


def jwt(claims: t.Any) -> str:
    return "e30." + base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=") + ".c2ln"


class TokenClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class SignIns:
    """Returns tokens ``t1``, ``t2``... with this lifetime."""

    def __init__(self, clock: TokenClock, lifetime: float | None) -> None:
        self.clock = clock
        self.lifetime = lifetime
        self.registered: list[str] = []
        self.count = 0

    def acquire_token(self, time_limit: float) -> Token:
        self.count += 1
        return Token(f"t{self.count}", None if self.lifetime is None else self.clock.now + self.lifetime)

    def cache(self) -> TokenCache:
        return TokenCache(self.acquire_token, self.clock, on_token=self.registered.append)


@pytest.mark.parametrize(
    ("claims", "read"),
    [
        (
            {"roles": ["Machine.Read.All", "Machine.Offboard"], "tid": "t", "appid": "a"},
            TokenClaims(frozenset({"Machine.Read.All", "Machine.Offboard"}), "t", "a"),
        ),
        (
            {"scp": "Machine.Read Machine.Offboard", "azp": "b"},
            TokenClaims(frozenset({"Machine.Read", "Machine.Offboard"}), None, "b"),
        ),
        ({"roles": ["A"], "scp": "B"}, TokenClaims(frozenset({"A", "B"}), None, None)),
        ({}, TokenClaims(frozenset(), None, None)),
        ({"roles": "Machine.Offboard", "scp": ["x"], "tid": 5, "appid": ""}, TokenClaims(frozenset(), None, None)),
        ({"roles": ["A", 5, None]}, TokenClaims(frozenset({"A"}), None, None)),
    ],
)
def test_the_permissions_of_applications_and_of_users_are_read(claims: t.Any, read: TokenClaims) -> None:
    assert read_claims(jwt(claims)) == read


@pytest.mark.parametrize(
    "token",
    [
        "",
        "opaque",
        "a.b.c",
        "e30.é.x",
        jwt(["a", "list"]),
        jwt(None),
        "e30." + base64.urlsafe_b64encode(b"\xff\xfe").decode(),
        "e30." + base64.urlsafe_b64encode(b"[" * 100_000).decode(),
    ],
    ids=["empty", "opaque", "not base64", "not ascii", "a list", "null", "not text", "deep"],
)
def test_a_token_that_cannot_be_decoded_is_not_an_error(token: str) -> None:
    assert read_claims(token) is None


@pytest.mark.parametrize(
    ("lifetime", "good_for"),
    [(3600, 3300), (86400, 86100), (700, 400), (600, 300), (100, 50), (0, 0)],
)
def test_a_token_is_replaced_five_minutes_before_its_expiry_or_after_half_of_a_short_lifetime(
    lifetime: float, good_for: float
) -> None:
    clock = TokenClock()
    sign_ins = SignIns(clock, lifetime)
    cache = sign_ins.cache()
    assert cache.token(TIME_LIMIT) == "t1"
    if good_for:
        clock.now += good_for - 1
        assert cache.token(TIME_LIMIT) == "t1"
        clock.now += 1
    assert cache.token(TIME_LIMIT) == "t2"
    assert sign_ins.registered == ["t1", "t2"]


def test_a_token_of_unknown_expiry_is_kept() -> None:
    clock = TokenClock()
    cache = SignIns(clock, None).cache()
    cache.token(TIME_LIMIT)
    clock.now += 10_000_000
    assert cache.token(TIME_LIMIT) == "t1"


def test_the_cache_signs_in_only_when_a_token_is_requested() -> None:
    sign_ins = SignIns(TokenClock(), 3600)
    sign_ins.cache()
    assert sign_ins.count == 0


def test_a_rejected_token_is_replaced_and_the_next_caller_gets_the_new_one() -> None:
    sign_ins = SignIns(TokenClock(), 3600)
    cache = sign_ins.cache()
    refused = cache.token(TIME_LIMIT)
    assert cache.refresh(refused, TIME_LIMIT) == "t2"
    assert cache.refresh(refused, TIME_LIMIT) == "t2"
    assert cache.token(TIME_LIMIT) == "t2"
    assert sign_ins.count == 2


def test_if_many_threads_were_rejected_one_signs_in() -> None:
    sign_ins = SignIns(TokenClock(), 3600)
    cache = sign_ins.cache()
    refused = cache.token(TIME_LIMIT)
    barrier = threading.Barrier(8)

    def refresh(_call: int) -> str:
        barrier.wait()
        return cache.refresh(refused, TIME_LIMIT)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(refresh, range(8))) == {"t2"}
    assert sign_ins.count == 2


def test_the_same_token_again_means_that_no_other_is_available() -> None:
    cache = TokenCache(lambda _time_limit: Token("ready"), TokenClock(), on_token=lambda _: None)
    refused = cache.token(TIME_LIMIT)
    with pytest.raises(SignInError) as failed:
        cache.refresh(refused, TIME_LIMIT)
    assert (failed.value.code, failed.value.http_status) == ("unauthorized", 401)
    assert "access_token" in str(failed.value.hint)


def test_a_rejected_sign_in_is_not_repeated_by_any_thread() -> None:
    attempts = []

    def sign_in(time_limit: float) -> Token:
        attempts.append(time_limit)
        raise SignInError("AADSTS7000215: wrong", final=True)

    cache = TokenCache(sign_in, TokenClock(), on_token=lambda _: None)

    def rejected_message(_call: int) -> str:
        with pytest.raises(SignInError) as refused:
            cache.token(TIME_LIMIT)
        return refused.value.message

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(rejected_message, range(40))) == {"AADSTS7000215: wrong"}
    with pytest.raises(SignInError, match="AADSTS7000215"):
        cache.refresh("t0", TIME_LIMIT)
    assert len(attempts) == 1


def test_after_a_failed_sign_in_the_cache_can_try_again() -> None:
    attempts = iter(range(2))

    def sign_in(time_limit: float) -> Token:
        assert time_limit == TIME_LIMIT
        if next(attempts) == 0:
            raise SignInError("no")
        return Token("late")

    cache = TokenCache(sign_in, TokenClock(), on_token=lambda _: None)
    with pytest.raises(SignInError):
        cache.token(TIME_LIMIT)
    assert cache.token(TIME_LIMIT) == "late"
