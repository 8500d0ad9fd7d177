# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The parts of the device parser: words, columns, documents."""

from __future__ import annotations

import pytest

from ansible_collections.secops.mde.plugins.module_utils._errors import OptionError
from ansible_collections.secops.mde.plugins.plugin_utils._device_parser import columns as _device_columns
from ansible_collections.secops.mde.plugins.plugin_utils._device_parser.columns import Columns, header_role
from ansible_collections.secops.mde.plugins.plugin_utils._device_parser.documents import (
    load_document,
    looks_like_flow,
    looks_like_yaml,
)
from ansible_collections.secops.mde.plugins.plugin_utils._device_parser.headers import normalize_header
from ansible_collections.secops.mde.plugins.plugin_utils._device_parser.words import (
    AmbiguousInputError,
    DeviceCollector,
    parse_word,
    quote_for_message,
    unquote,
)

ID1, ID2 = "a1" * 20, "b2" * 20
GUID = "11112222-bbbb-3333-cccc-4444dddd5555"


@pytest.mark.parametrize(
    ("word", "field"),
    [(ID1, "device_id"), (ID1.upper(), "device_id"), (GUID, "aad_device_id"), ("pc1", "device_name")],
)
def test_the_format_of_a_word_shows_which_identifier_it_is(word: str, field: str) -> None:
    assert parse_word(word) == parse_word(f'"{word}"') == {field: word}


@pytest.mark.parametrize(
    ("text", "bare"),
    [(' "a" ', "a"), ('="a"', "a"), ("'a\"", "'a\""), ('"', '"'), ('""', ""), ("\u00aba\u00bb", "a"), ("=a", "=a")],
)
def test_only_one_pair_of_quotes_is_removed(text: str, bare: str) -> None:
    assert unquote(text) == bare


def test_a_quoted_text_is_short_and_visible() -> None:
    assert quote_for_message("pc\u200b1") == "'pc\\u200b1'"
    assert quote_for_message("x" * 61) == f"'{'x' * 60}'..."


def test_one_error_fails_all_and_the_message_shows_five() -> None:
    collector = DeviceCollector("Fix it.")
    collector.add({"device_name": "pc1"})
    assert collector.devices_or_raise() == [{"device_name": "pc1"}]
    for number in range(7):
        collector.add_error(f"line {number}", "?", "it is a question")
    with pytest.raises(OptionError, match=r"line 0, '\?': it is a question\. .*line 4.* And 2 more\. Fix it\."):
        collector.devices_or_raise()


def test_no_header_has_two_meanings() -> None:
    headers = [header for text in _device_columns._HEADERS.values() for header in text.split()]
    assert len(headers) == len(set(headers))
    assert [header for header in headers if normalize_header(header) != header] == []


@pytest.mark.parametrize(
    ("header", "known"),
    [
        ("Device ID", "device_id"),
        ("mde_device_id", "device_id"),
        ("Device AAD id", "aad_device_id"),
        ("Microsoft Entra Device ID", "aad_device_id"),
        ("computerDnsName", "device_name"),
        ("GERÄTENAME", "device_name"),
        ("Name", "device_name"),
        ("Device type", None),
        ("Object ID", None),
        ("New device ID", None),
        ("", None),
    ],
)
def test_a_header_is_compared_in_full_without_case_spaces_and_punctuation(header: str, known: str | None) -> None:
    assert header_role(header) == known


def test_content_excludes_a_column_and_selects_none() -> None:
    def indexes(header: list[str], *rows: list[str]) -> dict[str, list[int]]:
        found = Columns.of(header, rows).indexes
        return {field: list(found[field]) for field in found if found[field]}

    assert indexes(["Checksum", "Device ID"], [ID2, ID1]) == {"device_id": [1]}
    assert indexes(["Device ID", "Entra device ID"], [GUID, GUID]) == {"aad_device_id": [1]}
    assert indexes(["Device ID", "Entra device ID"], [ID1, GUID]) == {"device_id": [0], "aad_device_id": [1]}
    assert indexes(["Id", "Host"], ["7", "pc1"]) == {"device_name": [1]}
    assert indexes(["Id", "Host"], ["7", "pc1"], [ID1, "pc2"]) == {"device_id": [0], "device_name": [1]}
    for header in ("Checksum", "Object ID", "Id"):
        with pytest.raises(AmbiguousInputError, match="none of the columns or keys"):
            indexes([header, "Owner"], [GUID, "Sam"])


@pytest.mark.parametrize(
    ("text", "flow", "yaml"),
    [
        ('["pc1"]', True, False),
        ('{"a": 1}', True, False),
        (f"{{{GUID}}}", False, False),
        ("# x\n---\ndevices:\n- pc1", False, True),
        ("- Device name: pc1", False, True),
        ("- pc1", False, False),
        ("https://security.microsoft.com/machines/v2/x", False, False),
    ],
)
def test_the_start_of_a_text_identifies_its_format(text: str, flow: bool, yaml: bool) -> None:
    assert (looks_like_flow(text), looks_like_yaml(text)) == (flow, yaml)


def test_yaml_scalars_stay_as_written() -> None:
    assert load_document("{a: 0123, b: no, c: 2026-01-31, d: 1e5, e: ~, f: , g: ''}") == {
        "a": "0123",
        "b": "no",
        "c": "2026-01-31",
        "d": "1e5",
        "e": None,
        "f": None,
        "g": "",
    }
