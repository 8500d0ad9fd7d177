# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The variables of the runbook in every type that AWX and ansible-core pass."""

from __future__ import annotations

import typing as t
from datetime import date, datetime

import pytest
from ansible.parsing.dataloader import DataLoader

from ansible_collections.secops.mde.plugins.filter.runbook_options import FilterModule
from ansible_collections.secops.mde.plugins.module_utils._exclusion import EXCLUSION_OPTIONS
from ansible_collections.secops.mde.plugins.module_utils._options.values import EXCLUSION_REASONS
from ansible_collections.secops.mde.plugins.plugin_utils._runbook_options import _OPTIONS

OPTIONS = FilterModule().filters()["runbook_options"]
TEXTS = ("mde_comment", "mde_tag")
SWITCHES = (
    "mde_allow_empty",
    "mde_force",
    "mde_match_short_names",
    "mde_missing_ok",
    "mde_send_external_id",
    "mde_wait",
)
NUMBERS = ("mde_batch_size", "mde_max_devices", "mde_wait_timeout")
IDENTIFIERS = tuple(sorted(set(_OPTIONS) - {*TEXTS, *SWITCHES, *NUMBERS, "mde_exclude"}))
DEFAULTS = OPTIONS(dict.fromkeys(_OPTIONS))["options"]
PLAIN = (20261044, 1.5, False, date(2026, 10, 1), datetime(2026, 10, 1, 8))


def option(name: str, value: object) -> t.Any:
    found = OPTIONS({name: value})
    assert found["errors"] == []
    return found["options"][name.removeprefix("mde_")]


def error(name: str, value: object) -> str:
    found = OPTIONS({name: value})
    (only,) = found["errors"]
    assert found["warnings"] == []
    assert only.startswith(name)
    return str(only)


@pytest.mark.parametrize("empty", ["null", "''", "' '", '"\\t\\n"', "!unsafe ''", "!unsafe", "~"])
def test_null_and_empty_text_mean_unset_for_every_variable(empty: str) -> None:
    values = DataLoader().load("\n".join(f"{name}: {empty}" for name in _OPTIONS))
    assert OPTIONS(values) == {"options": DEFAULTS, "errors": [], "warnings": []}


def test_the_defaults_are_those_of_the_guide() -> None:
    assert {name: value for name, value in DEFAULTS.items() if value not in (None, False, [])} == {
        "batch_size": 100,
        "send_external_id": True,
        "max_devices": 100,
        "wait_timeout": 600,
        "fail_on": ["failed", "timed_out", "cancelled", "came_back"],
    }


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize(
    ("value", "text"),
    [(5349, "5349"), (1.1, "1.1"), (False, "false"), (True, "true"), (date(2026, 10, 1), "2026-10-01"), (0, "0")],
)
def test_a_comment_and_a_tag_take_another_type_as_text_with_a_warning(name: str, value: object, text: str) -> None:
    found = OPTIONS({name: value})
    assert found["options"] == {name.removeprefix("mde_"): text}
    assert found["errors"] == []
    (warning,) = found["warnings"]
    assert warning.startswith(f"{name} arrived as the ")
    assert f'as the text "{text}"' in warning


@pytest.mark.parametrize("name", IDENTIFIERS)
@pytest.mark.parametrize("value", PLAIN, ids=str)
def test_an_identifier_of_another_type_is_an_error_with_a_hint(name: str, value: object) -> None:
    message = error(name, value)
    assert "arrived as the " in message
    assert "begins with a letter" in message or name == "mde_columns"


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize(
    ("value", "meant"),
    [
        *[(value, True) for value in (True, 1, "true", "Yes", "on", "1", " y ", "T")],
        *[(value, False) for value in (False, 0, "false", "No", "OFF", "0", "n", "f")],
    ],
)
def test_a_switch_accepts_what_ansible_accepts(name: str, value: object, meant: bool) -> None:
    assert option(name, value) is meant


@pytest.mark.parametrize("name", SWITCHES)
@pytest.mark.parametrize("value", ["perhaps", 2, -1, 1.5, date(2026, 10, 1), ["true"], {"a": 1}, "None"], ids=str)
def test_an_invalid_switch_is_refused(name: str, value: object) -> None:
    assert error(name, value).endswith(". It must be true or false.")


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(("value", "meant"), [(1, 1), ("250", 250), (" 7 ", 7), (3.0, 3), (999999, 999999)])
def test_a_number_accepts_its_text(name: str, value: object, meant: int) -> None:
    assert option(name, value) == meant


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize(
    "value", [0, -1, 1.5, "1e3", "007", True, False, "ten", 1_000_000, "\u0663", date(2026, 10, 1), [1]], ids=str
)
def test_an_invalid_number_is_refused(name: str, value: object) -> None:
    assert "It must be a whole number from 1 to 999999" in error(name, value)


@pytest.mark.parametrize(
    ("value", "part"),
    [("CHG\n1044", "control characters"), ("x" * 28, "28 characters"), ("\x1b[2J", "control characters")],
)
def test_an_external_id_that_cannot_be_sent_is_refused(value: str, part: str) -> None:
    assert part in error("mde_external_id", value)
    assert option("mde_external_id", " CHG-1044 ") == "CHG-1044"


@pytest.mark.parametrize("value", ["a\nb", "retired\u00a02026", "x" * 201, "\u202eretired"])
def test_a_tag_that_the_module_refuses_is_refused_before_the_run(value: str) -> None:
    assert "one line of at most 200 characters" in error("mde_tag", value)


@pytest.mark.parametrize(("value", "meant"), [("Other", "Other"), (" inactivedevice ", "InactiveDevice")])
def test_a_reason_to_exclude_is_one_of_the_service(value: str, meant: str) -> None:
    assert option("mde_exclude", value) == meant
    assert list(EXCLUSION_REASONS) == EXCLUSION_OPTIONS["reason"]["choices"]


@pytest.mark.parametrize("value", ["retired", True, 7, "Inactive Device"], ids=str)
def test_another_reason_to_exclude_is_refused(value: object) -> None:
    assert "The reasons are InactiveDevice, DuplicateDevice" in error("mde_exclude", value)


@pytest.mark.parametrize("value", [["a"], {"a": "b"}, [], {}], ids=str)
@pytest.mark.parametrize("name", [*TEXTS, "mde_devices_file", "mde_evidence", "mde_evidence_dir", "mde_exclude"])
def test_a_list_is_not_text(name: str, value: object) -> None:
    assert "list or a mapping" in error(name, value)


@pytest.mark.parametrize("value", ["two\nlines", "x" * 201, "a\u2028b", "a\x85b"])
def test_a_tag_is_one_line(value: str) -> None:
    assert "mde_tag must be one line" in error("mde_tag", value)


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("a, b;c\nd", ["a", "b", "c", "d"]),
        (["a", " b ", None, ""], ["a", "b"]),
        ([], []),
        ([None, ""], []),
        (" , ", []),
    ],
)
def test_action_ids_are_a_list_or_text(value: object, meant: list[str]) -> None:
    assert option("mde_action_ids", value) == meant


@pytest.mark.parametrize("name", ["mde_action_ids", "mde_hosts", "mde_fail_on"])
@pytest.mark.parametrize("entry", [5349, True, date(2026, 10, 1), ["a"]], ids=str)
def test_an_entry_that_is_not_text_is_named_by_its_position(name: str, entry: object) -> None:
    assert "as entry 2" in error(name, ["done", entry])


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ([], []),
        ("failed", ["failed"]),
        ("Failed, PENDING", ["failed", "pending"]),
        (["", None], DEFAULTS["fail_on"]),
        (",", DEFAULTS["fail_on"]),
    ],
)
def test_only_an_empty_list_accepts_every_outcome(value: object, meant: list[str]) -> None:
    assert option("mde_fail_on", value) == meant


@pytest.mark.parametrize("value", ["lost", ["done", "lost"], "none", "false"])
def test_an_outcome_that_does_not_exist_is_refused(value: object) -> None:
    assert "The outcomes are done, came_back, pending" in error("mde_fail_on", value)


@pytest.mark.parametrize("value", ["a:&b,!c", "all", ["a", "b:!c"]])
def test_host_patterns_are_not_split(value: object) -> None:
    assert option("mde_hosts", value) == ([value] if isinstance(value, str) else value)


@pytest.mark.parametrize("value", [["pc-1"], "pc-1", [], {"devices": []}, [20261044]], ids=str)
def test_devices_are_not_parsed_here(value: object) -> None:
    assert option("mde_devices", value) is True


@pytest.mark.parametrize("value", ["{device_name: Computer}", {"device_name": "Computer"}], ids=str)
def test_columns_are_a_mapping_or_its_text(value: object) -> None:
    assert option("mde_columns", value) == value


@pytest.mark.parametrize("value", [["Computer"], {"device_name": 1}, {1: "Computer"}, {"device_name": None}], ids=str)
def test_columns_of_other_types_are_refused(value: object) -> None:
    assert "must map device_id, device_name" in error("mde_columns", value)


def test_a_missing_variable_is_an_error_beside_all_others() -> None:
    found = OPTIONS({"mde_comment": " ", "mde_wait": "perhaps", "mde_batch_size": 0}, ["mde_comment"])
    assert [message.split()[0] for message in found["errors"]] == ["mde_comment", "mde_wait", "mde_batch_size"]
    assert "mde_comment is missing. State the reason" in found["errors"][0]
