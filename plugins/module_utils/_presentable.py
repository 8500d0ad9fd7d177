# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Makes text and data from outside safe to display and to return: nothing invisible, nothing that an interpreter acts on.

Names, comments and messages come from the service, or from a gateway in front of it. Ansible passes values as subclasses of
its own. Mappings are therefore recognized by their abstract class, and strings are returned as plain ``str``.
"""

from __future__ import annotations

import math
import re
import typing as t
from collections.abc import Mapping

_INVISIBLE: t.Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # control characters; line breaks stay in values of several lines
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff9-\uffff\U000e0000-\U000e007f]"
)
_LINE_BREAK: t.Final = re.compile("\r\n?")
_BLANKS: t.Final = re.compile("[\t\n\r]+")
_SURROGATE: t.Final = re.compile("[\ud800-\udfff]")
# ansible-core decodes these keys of JSON as its own types (2.19 and later in results, all versions in caches), or removes
# them from results (those with one underscore).
_RESERVED: t.Final = re.compile(r"_{1,2}ansible_")
# The service's records have four levels. Some readers of results recurse, with several frames for each level.
DEEPEST_RECORD: t.Final = 20
_DEEPEST_RESULT: t.Final = 40
_TOO_DEEP: t.Final = "(nested too deeply)"
# Python can be set to refuse to print an integer of more digits than a limit, which is at least 640.
LONGEST_NUMBER: t.Final = 100
_LARGEST: t.Final = 10**LONGEST_NUMBER


def to_text(value: object) -> str:
    """The value as a plain string, empty for None."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def escape_invisible(value: object, *, lines: bool = False) -> str:
    """The value as text, with the code point of each invisible character and each one that changes the text direction.

    ``lines`` keeps line breaks, for values of several lines.
    """
    text = to_text(value)
    if text.isascii() and text.isprintable():
        return text
    if lines:
        text = _LINE_BREAK.sub("\n", text)
    return _INVISIBLE.sub(lambda found: found[0] if lines and found[0] == "\n" else f"⟨U+{ord(found[0]):04X}⟩", text)


def one_line(value: object) -> str:
    """The value as one line of visible characters, for a terminal."""
    return escape_invisible(_BLANKS.sub(" ", to_text(value)))


def presentable(value: t.Any, *, deepest: int = _DEEPEST_RESULT) -> t.Any:
    """The value as JSON that every version of Ansible can return. Harmless values do not change.

    Lone surrogates become U+FFFD. Numbers that JSON cannot represent become text. Keys that ansible-core interprets lose
    their underscores. Values below ``deepest`` levels are replaced by a note.
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
        tried: dict[str, int] = {}
        for key, item in value.items():
            found[_free_key(key, value, found, tried)] = presentable(item, deepest=deepest - 1)
        return found
    return [presentable(item, deepest=deepest - 1) for item in value]


def _free_key(key: object, taken: Mapping[t.Any, t.Any], found: Mapping[str, t.Any], tried: dict[str, int]) -> str:
    """The key in a harmless and unique form. ``tried`` counts the forms of each text that were tried before."""
    if isinstance(key, str) and key.isascii() and not key.startswith("_"):
        return key
    text: str = presentable(key if isinstance(key, str) else str(key))
    if _RESERVED.match(text):
        text = text.lstrip("_")
    if text == key:  # harmless as it is
        return text
    free = text
    while free in taken or free in found:
        tried[text] = tried.get(text, 0) + 1
        free = f"{text}_{tried[text]}"
    return free
