# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters are as large as the service accepts, and every value is requested, whatever the service rejects."""

from __future__ import annotations

import typing as t

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._api.filter_batches import (
    INITIAL_FILTER_LENGTH,
    MAX_FILTER_LENGTH,
    FilterBatcher,
)
from ansible_collections.secops.mde.plugins.module_utils._api.odata import (
    FilterSyntax,
    action_id_in,
    property_in,
    url_encode,
)
from ansible_collections.secops.mde.plugins.module_utils._errors import ApiError
from ansible_collections.secops.mde.tests.unit.support.module_run import ManualClock


def condition(values: t.Sequence[str], syntax: FilterSyntax) -> str:
    return property_in("id", values, use_in=syntax.use_in)


def by_size() -> ApiError:
    return ApiError("too many nodes", http_status=400, service_code="")


def by_length() -> ApiError:
    return ApiError("URI too long", http_status=414)


class Service:
    """A service that accepts the filters that its rules allow, and returns the requested values."""

    def __init__(
        self,
        *,
        most: int = 10**6,
        longest: int = 10**6,
        lists: bool = True,
        poison: t.Container[str] = (),
        down: int = 10**6,
    ) -> None:
        self.most, self.longest, self.lists, self.poison, self.down = most, longest, lists, poison, down
        self.requested: list[str] = []
        self.refused = 0

    def __call__(self, text: str) -> list[str]:
        self.requested.append(text)
        values = text.split("'")[1::2]
        self.refused += 1
        if len(url_encode(text)) > self.longest or len(self.requested) > self.down:
            raise by_length()
        refused = len(values) > self.most or any(value in self.poison for value in values)
        if refused or (not self.lists and " in (" in text):
            raise by_size()
        self.refused -= 1
        return values


def ids(count: int) -> list[str]:
    return [f"{number:040x}" for number in range(count)]


def test_one_value_is_requested_with_eq() -> None:
    service = Service()
    assert FilterBatcher(ManualClock()).read(["00aa"], condition, service).records == ["00aa"]
    assert service.requested == ["id eq '00aa'"]


def test_no_value_sends_nothing() -> None:
    service = Service()
    assert FilterBatcher(ManualClock()).read([], condition, service).records == []
    assert service.requested == []


def test_filters_begin_small_and_grow_to_the_maximum() -> None:
    service = Service()
    assert FilterBatcher(ManualClock()).read(ids(400), condition, service).records == ids(400)
    lengths = [len(url_encode(text)) for text in service.requested]
    assert lengths[0] <= INITIAL_FILTER_LENGTH
    assert INITIAL_FILTER_LENGTH < max(lengths) <= MAX_FILTER_LENGTH
    assert len(lengths) == 5


def test_a_short_filter_that_is_accepted_does_not_raise_the_limits() -> None:
    service = Service(longest=INITIAL_FILTER_LENGTH)
    batches = FilterBatcher(ManualClock())
    for few in (ids(3), ids(10)):
        batches.read(few, condition, service)
    assert batches.capacity(40) == 50
    assert batches.read(ids(50), condition, service).records == ids(50)
    assert batches.capacity(40) > 50


@pytest.mark.parametrize(
    "rules",
    [{"most": 7}, {"longest": 600}, {"lists": False}, {"lists": False, "most": 9}, {"lists": False, "longest": 900}],
    ids=str,
)
def test_learned_limits_apply_to_the_next_read(rules: dict[str, t.Any]) -> None:
    service = Service(**rules)
    batches = FilterBatcher(ManualClock())
    assert batches.read(ids(100), condition, service).records == ids(100)
    assert 0 < service.refused <= 8
    service.refused = 0
    assert batches.read(ids(100), condition, service).records == ids(100)
    assert service.refused == 0


def test_another_syntax_is_not_tried_in_a_filter_that_would_be_too_long() -> None:
    service = Service(lists=False)
    names = [f"pc{number}" for number in range(200)]
    assert FilterBatcher(ManualClock()).read(names, condition, service).records == names
    assert max(len(url_encode(text)) for text in service.requested) <= MAX_FILTER_LENGTH


def test_a_value_that_is_rejected_alone_does_not_affect_others() -> None:
    service = Service(poison={ids(100)[42]})
    batches = FilterBatcher(ManualClock())
    batch_result = batches.read(ids(100), condition, service)
    assert list(batch_result.rejected) == [ids(100)[42]]
    assert sorted(batch_result.records) == sorted(set(ids(100)) - set(batch_result.rejected))
    assert batches.capacity(40) >= 20  # the filters become large again


def test_a_single_value_that_is_rejected_first_is_an_error() -> None:
    with pytest.raises(ApiError, match="too many nodes"):
        FilterBatcher(ManualClock()).read(["x"], condition, Service(poison={"x"}))


def test_an_outage_that_resembles_a_rejection_is_not_tried_value_by_value() -> None:
    service = Service(down=1)
    batches = FilterBatcher(ManualClock())
    batches.read(ids(30), condition, service)
    with pytest.raises(ApiError, match="too long"):
        batches.read(ids(80), condition, service)
    assert len(service.requested) < 16
    assert batches.capacity(40) >= 50  # the limits are unchanged


def guids(count: int) -> list[str]:
    return [f"{number:08x}-0000-4000-8000-00000000000a" for number in range(count)]


def entra_id_in(values: t.Sequence[str], syntax: FilterSyntax) -> str:
    return property_in("aadDeviceId", values, use_in=syntax.use_in, unquoted=syntax.unquoted_guids)


@pytest.mark.parametrize("quoted_property", ["id", "aadDeviceId", None])
@pytest.mark.parametrize("lists", [True, False])
def test_quotes_are_learned_once_for_action_ids_and_once_for_entra_ids(
    quoted_property: str | None, lists: bool
) -> None:
    requested: list[str] = []
    rejected: list[str] = []

    def fetch(text: str) -> list[str]:
        requested.append(text)
        if ("'" in text) != text.startswith(f"{quoted_property} ") or (not lists and " in (" in text):
            rejected.append(text)
            raise by_size()
        return [value for value in guids(9) if value in text]

    batches = FilterBatcher(ManualClock())
    for condition_of in (action_id_in, entra_id_in):
        assert batches.read(guids(9), condition_of, fetch).records == guids(9)
        assert len(requested) <= 4
        requested.clear()
    rejected.clear()
    for condition_of in (action_id_in, entra_id_in):
        for values in (guids(9), guids(1)):
            assert batches.read(values, condition_of, fetch).records == values
    assert rejected == []


def test_a_service_that_accepts_quoted_action_ids_gets_no_other_filter() -> None:
    for lists in (True, False):
        service = Service(lists=lists)
        assert FilterBatcher(ManualClock()).read(guids(30), action_id_in, service).records == guids(30)
        assert service.refused == (not lists)
        assert all("'" in text for text in service.requested)


@pytest.mark.parametrize("action_id", ["0-0", "a1", guids(1)[0][:-1], f"{guids(1)[0]}0", "g" + guids(1)[0][1:], ""])
def test_an_action_id_that_is_not_a_guid_is_quoted_in_every_syntax(action_id: str) -> None:
    for use_in in (True, False):
        syntax = FilterSyntax(use_in=use_in, unquoted_action_ids=True)
        assert action_id_in([action_id], syntax) == f"id eq '{action_id}'"
        assert action_id_in([guids(1)[0]], syntax) == f"id eq {guids(1)[0]}"


def test_other_errors_are_raised() -> None:
    def fetch(_text: str) -> list[str]:
        raise ApiError("no", http_status=403, service_code="Forbidden")

    with pytest.raises(ApiError, match="no"):
        FilterBatcher(ManualClock()).read(ids(10), condition, fetch)


def test_a_read_is_as_old_as_its_first_response() -> None:
    clock = ManualClock()

    def fetch(text: str) -> list[str]:
        clock.sleep(10)
        return []

    assert FilterBatcher(clock).read(ids(200), condition, fetch).read_at == 10


@given(
    count=st.integers(0, 300),
    most=st.integers(1, 200),
    longest=st.integers(60, 5000),
    lists=st.booleans(),
)
def test_every_value_is_accepted_once(count: int, most: int, longest: int, lists: bool) -> None:
    service = Service(most=most, longest=longest, lists=lists)
    batch_result = FilterBatcher(ManualClock()).read(ids(count), condition, service)
    assert batch_result.records == ids(count)
    assert not batch_result.rejected
    assert service.refused <= 24
