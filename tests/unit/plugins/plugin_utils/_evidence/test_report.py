# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The report of a run: headline, counts, and the row of each device."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._evidence_format import to_int
from ansible_collections.secops.mde.plugins.module_utils._presentable import escape_invisible, to_text
from ansible_collections.secops.mde.plugins.plugin_utils._evidence.report import parse_evidence
from ansible_collections.secops.mde.plugins.plugin_utils._evidence.rows import format_utc
from ansible_collections.secops.mde.tests.unit.support.evidence_samples import (
    Record,
    device,
    evidence,
    failure,
    machine_action,
    many_devices,
    small_office,
    verification,
)

BAD = failure("some_code", "It went wrong.", "Do this.")


def submitted(status: str = "Pending", **fields: t.Any) -> Record:
    return device("pc-1", "submitted", machine_action("pc-1", status, "04:06:07")) | fields


HEADLINES: list[tuple[str, list[Record], dict[str, t.Any], str]] = [
    ("a pending action", [submitted()], {}, "The device is being offboarded."),
    ("a succeeded action", [submitted("Succeeded")], {}, "The device is offboarded."),
    ("a failed device", [device("a", "refused", error=BAD)], {}, "The device needs attention: refused."),
    ("all equal", [submitted()] * 3, {}, "All 3 devices are being offboarded."),
    ("two kinds", [submitted("Succeeded"), submitted()], {}, "1 of 2 devices is offboarded and 1 is being offboarded."),
    (
        "failures of one kind need no number",
        [submitted(), device("a", "not_found", error=BAD), device("b", "not_found", error=BAD)],
        {},
        "1 of 3 devices is being offboarded and 2 need attention: not found.",
    ),
    (
        "a device that failed after it was submitted, while the run waited",
        [submitted("TimeOut", error=BAD | {"code": "action_timed_out"}, failed=True)],
        {},
        "The device needs attention: action timed out.",
    ),
    (
        "a missing device that missing_ok accepts",
        [device("a", "not_found"), device("b", "not_onboarded")],
        {},
        "All 2 devices needed no action.",
    ),
    (
        "a prediction",
        [submitted(action=None), device("b", "already_offboarded"), device("c", "ambiguous", error=BAD)],
        {"prediction": True},
        "Prediction: 1 of 3 devices would be offboarded, 1 is already offboarded, and 1 needs attention: ambiguous.",
    ),
    (
        "a run that was aborted",
        [submitted()] * 300,
        {"complete": False, "device_count": 500},
        "After 300 of 500 devices: all 300 devices are being offboarded.",
    ),
    ("an aborted prediction", [], {"complete": False, "device_count": 5, "prediction": True},
     "Prediction: after 0 of 5 devices: no device was processed."),
    ("an empty list", [], {"device_count": 0}, "No device was requested."),
    ("an outcome of a later version", [device("a", "new_thing"), device("b", "new_thing", error=BAD)], {},
     "1 of 2 devices has another status and 1 needs attention: new thing."),
    ("thousands", many_devices(2100)["devices"], {},
     "1,800 of 2,100 devices are being offboarded and 300 need attention: refused."),
    (
        "many reasons",
        [device(str(n), f"reason_{n}", error=BAD) for n in range(9)],
        {},
        "All 9 devices need attention: 1 reason 0, 1 reason 1, 1 reason 2, 1 reason 3, 1 reason 4, 1 reason 5, 3 for other reasons.",
    ),
]  # fmt: skip


@pytest.mark.parametrize(
    ("devices", "fields", "headline"), [case[1:] for case in HEADLINES], ids=[case[0] for case in HEADLINES]
)
def test_the_headline_shows_the_result_of_the_run(
    devices: list[Record], fields: dict[str, t.Any], headline: str
) -> None:
    assert parse_evidence(evidence(devices, **fields)).headline == headline


def test_the_headline_of_a_verification_counts_each_outcome() -> None:
    assert parse_evidence(verification()).headline == (
        "1 of 7 devices is offboarded, 1 is being offboarded, and 5 need attention: "
        "1 came back, 1 failed, 1 timed out, 1 cancelled, 1 without an action."
    )


@pytest.mark.parametrize(
    "sample", [small_office(), verification(), many_devices(50)], ids=["office", "verification", "many devices"]
)
def test_every_count_adds_up_to_all_devices(sample: Record) -> None:
    found = parse_evidence(sample)
    for counts in (found.groups, found.outcomes, found.statuses):
        assert sum(count.total for count in counts) == len(sample["devices"])
        assert all(count.total for count in counts)


def test_outcomes_are_counted_in_the_order_of_the_documentation_and_unknown_ones_last() -> None:
    devices = [device("a", "zzz"), device("b", "refused"), device("c", "submitted"), device("d", "aaa")]
    assert [count.key for count in parse_evidence(evidence(devices)).outcomes] == ["submitted", "refused", "aaa", "zzz"]


def test_an_outcome_can_be_in_two_groups() -> None:
    (count,) = parse_evidence(evidence([submitted("Succeeded"), submitted(), submitted()])).outcomes
    assert [(group.key, count) for group, count in count.by_group] == [("offboarded", 1), ("waiting", 2)]


@pytest.mark.parametrize(
    ("failed", "needs"), [(True, True), (False, False), (None, True)], ids=["failed", "did not fail", "unknown"]
)
def test_a_device_with_an_unknown_outcome_needs_attention_unless_it_did_not_fail(
    failed: bool | None, needs: bool
) -> None:
    (row,) = parse_evidence(evidence([device("a", "new_thing", failed=failed)])).rows
    assert (row.needs_attention, row.label.label) == (needs, "New thing")


def test_a_tag_that_was_not_set_is_shown_and_is_not_a_failure() -> None:
    (row,) = parse_evidence(
        evidence([submitted(tag={"tag": "retired", "ok": False, "message": "Too many tags."})])
    ).rows
    assert (row.tag, row.tag_missing, row.needs_attention) == (
        "The tag retired was not set. Too many tags.",
        True,
        False,
    )


def test_a_tag_that_was_set_is_shown() -> None:
    (row,) = parse_evidence(evidence([submitted(tag={"tag": "retired", "ok": True, "message": None})])).rows
    assert (row.tag, row.tag_missing) == ("The tag retired was set.", False)


def test_a_prediction_does_not_state_that_a_tag_was_set() -> None:
    tags = [{"tag": "retired", "ok": ok, "message": None} for ok in (True, False)]
    rows = parse_evidence(evidence([submitted(tag=tag) for tag in tags], prediction=True)).rows
    assert [row.tag for row in rows] == ["The tag retired would be set.", "The tag retired would not be set."]


def test_a_device_has_the_name_of_the_service_and_keeps_the_requested_name() -> None:
    found = submitted() | {"device_name": "pc-1.corp.example"}
    (row,) = parse_evidence(evidence([found])).rows
    assert (row.name, row.requested_name) == ("pc-1.corp.example", "pc-1")


def test_a_device_that_was_not_found_has_the_requested_name() -> None:
    by_name = device("typo.corp.example", "not_found", error=BAD)
    by_id = device("", "not_found", error=BAD, requested={"device_id": "00ff", "aad_device_id": "11ee"}, host="pc-9")
    rows = parse_evidence(evidence([by_name, by_id])).rows
    assert [(row.name, row.requested_name, row.device_id, row.entra_id) for row in rows] == [
        ("typo.corp.example", "", "", ""),
        ("pc-9", "", "00ff", "11ee"),
    ]


def test_the_number_of_devices_is_also_read_under_its_earlier_name() -> None:
    found = evidence([submitted()], complete=False, device_count=500)
    earlier = {"asked" if key == "device_count" else key: value for key, value in found.items()}
    assert parse_evidence(earlier) == parse_evidence(found)
    assert parse_evidence(found | {"asked": 7}).device_count == 500


@pytest.mark.parametrize("empty", [None, {}, [], "", 7, True], ids=repr)
def test_every_part_can_be_missing_or_of_another_type(empty: object) -> None:
    sample = small_office()
    for key in set(sample) - {"format"}:
        assert parse_evidence(sample | {key: empty}).headline
    for key in sample["devices"][0]:
        assert parse_evidence(evidence([submitted() | {key: empty}])).headline
    assert parse_evidence(evidence([empty])).headline  # type: ignore[list-item]
    assert (
        parse_evidence({"format": "secops.mde/evidence-1"}).headline == "After 0 of 0 devices: no device was requested."
    )


@pytest.mark.parametrize(
    "other", [None, [], "text", 3, {}, {"format": "secops.mde/evidence-2"}, {"format": 1}], ids=repr
)
def test_another_document_is_an_error(other: object) -> None:
    with pytest.raises(ValueError, match="Not an evidence document"):
        parse_evidence(other)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("2026-02-03T04:05:06.1234567Z", "2026-02-03T04:05:06Z"),
        ("2026-02-03T04:05:06+00:00", "2026-02-03T04:05:06Z"),
        ("2026-02-03T04:05:06+02:00", "2026-02-03T04:05:06+02:00"),
        ("yesterday", "yesterday"),
        (None, ""),
    ],
)
def test_times_are_utc_to_the_second_and_other_text_is_unchanged(value: object, text: str) -> None:
    assert format_utc(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("pc\u202efdp.exe", "pc⟨U+202E⟩fdp.exe"),
        ("a\u200bb\ufeff", "a⟨U+200B⟩b⟨U+FEFF⟩"),
        ("a\nb", "a⟨U+000A⟩b"),
        ("half \ud800", "half ⟨U+D800⟩"),
        ("\U000e0041", "⟨U+E0041⟩"),
        ("nul\x00", "nul⟨U+0000⟩"),
        ("日本 Ünïcödé שלום ❤️", "日本 Ünïcödé שלום ❤️"),
        (None, ""),
        (True, "yes"),
        (403, "403"),
    ],
)
def test_invisible_and_reordering_characters_are_escaped(value: object, text: str) -> None:
    assert escape_invisible(value) == text


def test_line_breaks_stay_if_a_value_can_have_lines() -> None:
    assert escape_invisible("a\r\nb\rc\nd\te", lines=True) == "a\nb\nc\nd⟨U+0009⟩e"


def test_strings_of_ansible_become_plain_strings() -> None:
    class Tagged(str):
        def __str__(self) -> str:
            raise AssertionError("a subclass must not decide")

    assert to_text(Tagged("x")).__class__ is str
    assert escape_invisible(Tagged("x")).__class__ is str


@pytest.mark.parametrize(("value", "count"), [(3, 3), (2.5, 2), (float("nan"), 0), (10**400, 0), ("3", 0), (None, 0)])
def test_a_value_that_is_not_a_number_is_zero(value: object, count: int) -> None:
    assert to_int(value) == count
