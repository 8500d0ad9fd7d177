# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Values of evidence as plain text that people can trust: nothing invisible, nothing that reorders what they read.

Names and comments come from outside. Ansible hands them over as subclasses of its own, so that mappings and lists are told
by what they do, and strings leave here as plain ones.
"""

from __future__ import annotations

import re
import typing as t

_UNSEEN: t.Final = re.compile(
    "[\x00-\x1f\x7f-\x9f"  # controls; a line break is kept where a value may have lines
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164"
    "\ud800-\udfff\ufdd0-\ufdef\ufeff\uffa0\ufff9-\uffff\U000e0000-\U000e007f]"
)
_LINE_BREAK: t.Final = re.compile("\r\n?")
_UTC: t.Final = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.\d+)?(?:Z|\+00:00)", re.ASCII)


def plain(value: object) -> str:
    """The value as a plain string, empty for null."""
    if value is None:
        return ""
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def visible(value: object, *, lines: bool = False) -> str:
    """The value with every character to be seen: what is invisible or changes the direction stands as its number.

    ``lines`` keeps line breaks, for values that may have several lines.
    """
    text = plain(value)
    if text.isascii() and text.isprintable():
        return text
    if lines:
        text = _LINE_BREAK.sub("\n", text)
    return _UNSEEN.sub(lambda found: found[0] if lines and found[0] == "\n" else f"⟨U+{ord(found[0]):04X}⟩", text)


def moment(value: object) -> str:
    """A time in UTC to the second; what is no such time as it came."""
    text = visible(value)
    found = _UTC.fullmatch(text)
    return f"{found[1]}Z" if found else text
