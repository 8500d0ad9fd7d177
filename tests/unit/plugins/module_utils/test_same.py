# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Which IDs and names are equal."""

from __future__ import annotations

import sys
import unicodedata
from collections import defaultdict

import pytest

from ansible_collections.secops.mde.plugins.module_utils._same import comparable, equal_ignoring_case

# All characters that a change of case or normalization changes.
CHANGING = [
    letter
    for letter in map(chr, range(sys.maxunicode + 1))
    if letter.lower() != letter or letter.upper() != letter or unicodedata.decomposition(letter)
]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("PC-0101.Corp.Example", "pc-0101.corp.example"),
        ("BÜRO-09", "büro-09"),
        ("bu\u0308ro", "b\u00fcro"),
        ("BU\u0308RO", "b\u00fcro"),
        ("e\u0323\u0302", "\u1ec7"),
        ("J\u030c", "\u01f0"),
        ("ПК-1", "пк-1"),
        ("\ud83d\ude00", "\ud83d\ude00"),
    ],
)
def test_case_and_the_encoding_of_accents_make_no_difference(one: str, other: str) -> None:
    for pair in ((one, other), (other, one)):
        assert equal_ignoring_case(*pair)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("voss-mac", "vo\u00df-mac"),
        ("VOSS-MAC", "vo\u00df-mac"),
        ("\u212a1", "k1"),  # Kelvin sign
        ("\u212b1", "\u00e51"),  # Angstrom sign
        ("\u2126", "\u03c9"),  # Ohm sign
        ("\u017fam", "sam"),  # long s
        ("\u0131d", "id"),  # dotless i
        ("\u0130d", "id"),  # I with a dot
        ("\ufb01x", "fix"),  # ligature
        ("\u00b5pc", "\u03bcpc"),  # micro sign
        ("\uff41", "a"),  # full width
        ("b\u00fcro", "buro"),
        ("pc1", "pc1 "),
        (None, None),
        (None, "pc1"),
    ],
)
def test_different_letters_are_not_the_same(one: str | None, other: str | None) -> None:
    for pair in ((one, other), (other, one)):
        assert not equal_ignoring_case(*pair)


def test_no_two_small_letters_are_the_same() -> None:
    sharing: dict[str, set[str]] = defaultdict(set)
    for letter in CHANGING:
        sharing[comparable(letter)].add(letter)
    for letters in sharing.values():
        assert len({letter for letter in letters if letter.lower() == letter}) <= 1, letters
        assert len(letters) <= 2, letters


def test_the_comparable_format_is_stable() -> None:
    for letter in CHANGING:
        assert comparable(comparable(letter)) == comparable(letter)
        if len(unicodedata.decomposition(letter).split()) != 1:
            assert equal_ignoring_case(unicodedata.normalize("NFC", letter), unicodedata.normalize("NFD", letter))


def test_a_surrogate_is_compared_like_any_other_character() -> None:
    assert equal_ignoring_case("\ud800PC", "\ud800pc")
    assert not equal_ignoring_case("\ud800", "\ud801")
