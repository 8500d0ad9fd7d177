# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Text and data from outside, made safe to show and to hand over: nothing invisible, nothing that an interpreter acts on.

Names, comments and messages come from the service, or from something in front of it. Ansible hands values over as
subclasses of its own, so mappings and lists are recognised by what they do, and strings leave here as plain ones.
"""

from __future__ import annotations

import math
import re
import typing as t
from collections.abc import Mapping

_INVISIBLE: t.Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls; a line break is kept where a value may have lines
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff9-\uffff\U000e0000-\U000e007f]"
)
_LINE_BREAK: t.Final = re.compile("\r\n?")
_BLANKS: t.Final = re.compile("[\t\n\r]+")
_SURROGATE: t.Final = re.compile("[\ud800-\udfff]")
# ansible-core reads these keys as its own types when it decodes JSON (2.19 and later in results, all versions in caches),
# or removes them from results (those with one underscore).
_RESERVED: t.Final = re.compile(r"_{1,2}ansible_")
# The service's records are four levels deep. Some readers of results recurse, several frames for each level.
DEEPEST_RECORD: t.Final = 20
_DEEPEST_RESULT: t.Final = 40
_TOO_DEEP: t.Final = "(nested too deeply)"
# Python refuses to print an integer of more digits than the administrator allows, 640 at least.
LONGEST_NUMBER: t.Final = 100
_LARGEST: t.Final = 10**LONGEST_NUMBER


def to_text(value: object) -> str:
    """The value as a plain string, empty for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def escape_invisible(value: object, *, lines: bool = False) -> str:
    """The value with every character to be seen: what is invisible or changes the direction stands as its number.

    ``lines`` keeps line breaks, for values that may have several lines.
    """
    text = to_text(value)
    if text.isascii() and text.isprintable():
        return text
    if lines:
        text = _LINE_BREAK.sub("\n", text)
    return _INVISIBLE.sub(lambda found: found[0] if lines and found[0] == "\n" else f"⟨U+{ord(found[0]):04X}⟩", text)


def one_line(value: object) -> str:
    """A message for a terminal: visible characters in one line."""
    return escape_invisible(_BLANKS.sub(" ", to_text(value)))


def presentable(value: t.Any, *, deepest: int = _DEEPEST_RESULT) -> t.Any:
    """The value as JSON that every version of Ansible carries, whatever it holds. Harmless values come out equal.

    Halves of a character become U+FFFD, numbers that JSON cannot carry their text, keys that ansible-core interprets
    lose their underscores, and what is nested below ``deepest`` levels becomes a note.
    """
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATE.sub("\ufffd", value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if -_LARGEST < value < _LARGEST else f"{value:#x}"
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if not isinstance(value, (Mapping, list, tuple, set, frozenset)):
        return _SURROGATE.sub("\ufffd", str(value))
    if not deepest:
        return _TOO_DEEP
    if isinstance(value, Mapping):
        found: dict[str, t.Any] = {}
        for key, item in value.items():
            found[_free_key(key, value, found)] = presentable(item, deepest=deepest - 1)
        return found
    return [presentable(item, deepest=deepest - 1) for item in value]


def _free_key(key: object, taken: Mapping[t.Any, t.Any], found: Mapping[str, t.Any]) -> str:
    """The key in a harmless spelling, different from all others."""
    if isinstance(key, str) and key.isascii() and not key.startswith("_"):
        return key
    text: str = presentable(key if isinstance(key, str) else str(key))
    if _RESERVED.match(text):
        text = text.lstrip("_")
    if text == key:  # harmless as it is
        return text
    while text in taken or text in found:
        text += "_"
    return text
