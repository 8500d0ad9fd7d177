# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""The words of a header."""

from __future__ import annotations

import re
import typing as t
import unicodedata
from functools import lru_cache

_WORD = re.compile(r"[A-Z]+(?![^\W\d_A-Z])|[A-Z]?[^\W\d_A-Z]+")
# Longer text is no header that is known. To normalize many combining characters takes quadratic time.
_LONGEST: t.Final = 200
_PLURAL = re.compile(r"(?<=[A-Z]{2})s\b")


def split_words(text: str) -> frozenset[str]:
    """The words between white space."""
    return frozenset(text.split())


@lru_cache(maxsize=10_000)
def normalize_header(header: str) -> str:
    """The letters and digits of a header in lower case, for comparison. Empty for a long one."""
    if len(header) > _LONGEST:
        return ""
    return "".join(c for c in unicodedata.normalize("NFKC", header).casefold() if c.isalnum())


@lru_cache(maxsize=10_000)
def words_of(header: str) -> tuple[str, ...]:
    """The words of a header in lower case. A capital in a word starts the next one: ``old``, ``pc`` and ``name`` for OldPCName."""
    if len(header) > _LONGEST:
        return ()
    text = _PLURAL.sub("", unicodedata.normalize("NFKC", header))
    return tuple(word.lower() for word in _WORD.findall(text.lower() if text.isupper() else text))
