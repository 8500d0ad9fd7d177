# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Compares IDs and names: equal except for case and the encoding of accents.

Different letters are never equal. ``str.casefold`` merges some of them (``voss`` and ``voß``), as do ``str.lower`` and
Unicode normalization (the Kelvin sign and ``k``). Merged letters would hide one of two devices.
"""

from __future__ import annotations

import unicodedata
from itertools import groupby


def comparable(text: str) -> str:
    """The text in a form for comparison and lookup, never for a request.

    Accents are decomposed (NFD). An uppercase letter becomes lowercase if the lowercase letter has no other uppercase form.
    Characters that Unicode merely replaces by another one, such as the Kelvin, Angstrom and Ohm signs, stay.
    """
    if text.isascii():
        return text.lower()
    runs = ("".join(run) if replaced else _lowered("".join(run)) for replaced, run in groupby(text, _is_replaced))
    return "".join(runs)


def equal_ignoring_case(one: str | None, other: str | None) -> bool:
    """Whether two IDs or names are equal; None equals nothing."""
    return one is not None and other is not None and comparable(one) == comparable(other)


def _is_replaced(character: str) -> bool:
    """Whether Unicode normalization replaces the character by a single other one."""
    decomposition = unicodedata.decomposition(character)
    return bool(decomposition) and not decomposition.startswith("<") and " " not in decomposition


def _lowered(text: str) -> str:
    return "".join(
        small if (small := letter.lower()).upper() == letter else letter
        for letter in unicodedata.normalize("NFD", text)
    )
