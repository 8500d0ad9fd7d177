# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Accepted IDs, names and comments, and names in DNS format."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._errors import OptionError
from ansible_collections.secops.mde.plugins.module_utils._options.identifiers import (
    clean_aad_device_id,
    clean_action_id,
    clean_comment,
    clean_device_id,
    clean_device_name,
    is_dns_name,
)
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import RunModule

OF_THE_SERVICE = [
    "Sam Example iPad Air 17zoll (2ndgeneration)",
    "Sam\u2019s MacBook",
    "lab/7+8",
    "10.1.2.3",
    "Kim\u00a0Phone",
    "\U0001f469\u200d\U0001f4bb phone",
    "a\u202eb",
    "{{ 7 * 7 }}",
    "a .b",
    ". a",
    "Sam Inc.",
    "*",
    "x" * 255,
]


@pytest.mark.parametrize("name", OF_THE_SERVICE)
def test_a_name_can_be_any_text_that_the_service_uses(name: str) -> None:
    assert clean_device_name(f" {name} ") == name


@pytest.mark.parametrize("name", [name for name in OF_THE_SERVICE if "." not in name or name[-1].isdigit()])
def test_a_device_with_such_a_name_is_offboarded_by_its_name(
    emulator: Emulator, offboard: RunModule, name: str
) -> None:
    device = emulator.add_device(Device(name=name))
    run = offboard(device_name=name, comment="CHG-1")
    assert (run.failed, run.device["device_id"], run.device["outcome"]) == (False, device.id, "submitted")


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "...",
        ".corp.example",
        "a\nb",
        "a\x00b",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "a\u2029b",
        "pc\ud83d",
        "x" * 256,
    ],
)
def test_a_name_has_no_control_characters_line_breaks_or_surrogates(name: str) -> None:
    with pytest.raises(OptionError, match=r"^device_name: ") as refusal:
        clean_device_name(name)
    str(refusal.value).encode()
    assert "at most 255 characters" in str(refusal.value)


@pytest.mark.parametrize(
    ("written", "name"), [("pc1.corp.example.", "pc1.corp.example"), ("pc1..", "pc1"), ("10.", "10.")]
)
def test_only_a_dns_name_loses_its_trailing_dot(written: str, name: str) -> None:
    assert clean_device_name(written) == name


@pytest.mark.parametrize("hidden", ["********", "pc-********.corp.example", "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER"])
@pytest.mark.parametrize("clean", [clean_device_id, clean_device_name, clean_aad_device_id, clean_action_id])
def test_a_masked_secret_is_never_an_id_or_a_name(clean: t.Callable[[str], str], hidden: str) -> None:
    with pytest.raises(OptionError) as refusal:
        clean(hidden)
    assert "instead of a secret" in refusal.value.message
    assert "masked it" in str(refusal.value.hint)


@pytest.mark.parametrize("clean", [clean_device_id, clean_device_name, clean_aad_device_id, clean_action_id])
def test_an_error_is_short_whatever_the_input(clean: t.Callable[[str], str]) -> None:
    for text in ("?\n" * 50_000, "\ud800" * 50_000, "https://x.example/machines/" * 5_000 + "?"):
        with pytest.raises(OptionError) as refusal:
            clean(text)
        assert len(str(refusal.value).encode()) < 1000


@pytest.mark.parametrize("text", ["", " ", "\n\t", "\u200b", "\u00a0\u2060\ufeff", None])
def test_a_comment_without_a_visible_character_is_empty(text: str | None) -> None:
    with pytest.raises(OptionError, match=r"^comment is empty"):
        clean_comment(text)


def test_a_comment_with_a_surrogate_is_rejected() -> None:
    assert clean_comment(" CHG-1 \u00e4\n2 ") == "CHG-1 \u00e4\n2"
    with pytest.raises(OptionError, match=r"^comment: "):
        clean_comment("CHG-1 \ud83d")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("pc1", True),
        ("pc1.corp.example", True),
        ("PC_1.corp.example", True),
        ("b\u00fcro-09.corp.example", True),
        ("10.1.2.3", False),
        ("10", False),
        ("1.2", False),
        ("fe80::1", False),
        ("2026.corp.example", True),
        ("Sam\u2019s MacBook", False),
        ("Sam Inc.", False),
        ("lab/7+8", False),
        ("pc1.", False),
        ("pc1..corp", False),
        ("", False),
        ("-pc1", False),
        ("pc1-", False),
        ("x" * 64, False),
        ("\u0661\u0662", False),
        ("pc1\n", False),
    ],
)
def test_a_dns_name_has_labels_and_is_not_an_ip_address(text: str, is_one: bool) -> None:
    assert is_dns_name(text) is is_one, json.dumps(text)
