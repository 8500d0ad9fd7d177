# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Values of filter options: accepted values, and values that are rejected because they could match everything."""

from __future__ import annotations

import typing as t
from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._api.odata import time_literal, time_literal_rounded_up
from ansible_collections.secops.mde.plugins.module_utils._errors import OptionError
from ansible_collections.secops.mde.plugins.module_utils._options.values import (
    canonical_spelling,
    clean_list,
    clean_raw_filter,
    clean_text,
    clean_time,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=timezone.utc)  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        ("0", NOW),
        (7, NOW - timedelta(days=7)),
        ("7", NOW - timedelta(days=7)),
        (" 1.5 ", NOW - timedelta(days=1.5)),
        ("30d", NOW - timedelta(days=30)),
        ("30 Days", NOW - timedelta(days=30)),
        ("1 day", NOW - timedelta(days=1)),
        ("2026-01-31", utc(2026, 1, 31)),
        ("2026-01-31T08:00:00", utc(2026, 1, 31, 8)),
        ("2026-01-31 08:00:00", utc(2026, 1, 31, 8)),
        ("2026-01-31T08:00:00Z", utc(2026, 1, 31, 8)),
        ("2026-01-31t08:00:00z", utc(2026, 1, 31, 8)),
        ("2026-01-31T08:00:00+02:00", utc(2026, 1, 31, 6)),
        ("2026-01-31T23:30:00-01:00", utc(2026, 2, 1, 0, 30)),
        ("2026-01-31T08:00:00.1234567Z", utc(2026, 1, 31, 8, 0, 0, 123456)),
    ],
)
def test_a_point_in_time_is_a_time_a_date_or_days_before_now(given: object, meant: datetime | None) -> None:
    found = clean_time("last_seen_before", given)
    assert (found and found.resolve(NOW)) == meant


@pytest.mark.parametrize(
    "given",
    [
        "", "  ", "soon", "true", True, False, "-3", "7 weeks", "1e3", "2026-13-01", "2026-02-30", "2026-1-1", "31.01.2026",
        "2026-01-31T25:00:00Z", "2026-01-31T08:00:00+0100", "999999999", "9" * 400, "0000-01-01",
    ],
)  # fmt: skip
def test_an_invalid_time_is_rejected_with_the_name_of_the_option(given: object) -> None:
    with pytest.raises(OptionError, match=r"^last_seen_before(:| is empty)"):
        clean_time("last_seen_before", given)


@pytest.mark.parametrize(
    ("when", "at", "above"),
    [
        (utc(2026, 1, 31, 8, 0, 0, 999999), "2026-01-31T08:00:00Z", "2026-01-31T08:00:01Z"),
        (utc(33, 4, 3), "0033-04-03T00:00:00Z", "0033-04-03T00:00:01Z"),
        (datetime.max.replace(tzinfo=timezone.utc), "9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z"),
    ],
    ids=["a fraction", "an early year", "the end of time"],
)
def test_a_time_in_a_query_has_full_seconds_and_a_four_digit_year(when: datetime, at: str, above: str) -> None:
    assert (time_literal(when), time_literal_rounded_up(when)) == (at, above)


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, None),
        ([], ()),
        (["b", " a ", "b"], ("b", "a")),
    ],
)
def test_values_are_stripped_and_without_duplicates(given: list[str | None] | None, meant: t.Any) -> None:
    assert clean_list("device_id", given, str.strip) == meant


@pytest.mark.parametrize("given", [[""], ["a", " "], ["a", None], ["\t\n"]])
def test_an_empty_value_is_rejected(given: list[str | None]) -> None:
    with pytest.raises(OptionError, match=r"^device_id contains an empty value"):
        clean_list("device_id", given, str.strip)


def test_text_that_is_set_must_not_be_empty() -> None:
    assert clean_text("tag", None) is None
    assert clean_text("tag", " x ") == "x"
    for empty in ("", " \n"):
        with pytest.raises(OptionError, match=r"^tag is empty"):
            clean_text("tag", empty)


def test_known_words_get_the_spelling_of_the_service_and_others_are_unchanged() -> None:
    spell = canonical_spelling(("Onboarded", "TimeOut"))
    assert [spell(word) for word in ("onboarded", " TIMEOUT ", "New")] == ["Onboarded", "TimeOut", "New"]


@pytest.mark.parametrize(
    "given",
    [
        "osPlatform eq 'Windows10'",
        "a eq 'it''s' or (b eq ')' and c eq '(')",
        "startswith(computerDnsName,'pc')",
        "a eq ''''",
        "  a eq 1\n",
    ],
)
def test_a_raw_filter_is_kept_in_parentheses(given: str) -> None:
    assert clean_raw_filter(given) == f"({given.strip()})"


@pytest.mark.parametrize(
    "given",
    [
        "", " ", "a eq 'b", "a eq b'", "a eq '''", "a eq 'it's'", "(a eq 1", "a eq 1)", "a eq 1) or (true", ") or (", "')' (",
        "x') or true or (true", "true) or true or (true",
    ],
)  # fmt: skip
def test_a_raw_filter_that_could_close_its_parentheses_is_rejected(given: str) -> None:
    with pytest.raises(OptionError, match=r"^(filter is empty|Unbalanced quotes or parentheses in filter)"):
        clean_raw_filter(given)


@settings(max_examples=settings().max_examples * 3)
@given(st.text(alphabet="()' ax", max_size=14))
def test_the_parentheses_around_any_raw_filter_close_at_its_end(text: str) -> None:
    """Parse as OData does, character by character. A doubled quote in a literal is a quote."""
    try:
        kept = clean_raw_filter(text)
    except OptionError:
        return
    assert kept is not None
    depth, inside = 0, False
    for place, character in enumerate(kept):
        inside ^= character == "'"
        depth += 0 if inside else {"(": 1, ")": -1}.get(character, 0)
        assert (depth == 0 and not inside) == (place == len(kept) - 1)
