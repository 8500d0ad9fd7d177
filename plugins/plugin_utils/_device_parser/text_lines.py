# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Devices in plain text: one a line, or all on one line."""

from __future__ import annotations

import re
import typing as t

from .words import Device, Findings, Unclear, by_word

HINT: t.Final = (
    "Give one device a line: a name, a device id, an Entra device id, or the address of the device's page in the portal."
    " A table needs a header line with a name such as Device ID or Device name."
)
_BULLET = re.compile(r"(?:[-*+\u2022\u2013]|[0-9]{1,4}[.)])\s+")
_COMMENT = re.compile(r"(?:^|\s)#.*")


def from_lines(text: str) -> list[Device]:
    """The devices of a text without structure; raises OptionError for every line that is not clear."""
    lines = [(number, _bare(line)) for number, line in enumerate(text.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line]
    findings = Findings(HINT)
    for number, line in lines:
        try:
            findings.add(*_of_line(line, alone=len(lines) == 1))
        except Unclear as unclear:
            findings.refuse(f"line {number}", line, unclear)
    return findings.result()


def _bare(line: str) -> str:
    """The line without a comment, a bullet, and separators at its ends."""
    line = _COMMENT.sub("", line).strip()
    if line == "---":  # a list in YAML may begin so
        return ""
    return _BULLET.sub("", line, count=1).strip(" \t,;") if _BULLET.match(line) else line.strip(" \t,;")


def _of_line(line: str, *, alone: bool) -> list[Device]:
    """The devices of one line. Raises Unclear.

    Several are accepted on a line that is the only one: two on each of many lines may as well be an old and a new
    device, or a device and its owner.
    """
    by_sign = [part.strip() for part in re.split("[,;]", line)]
    by_space = line.split()
    if len(by_sign) == len(by_space) == 1:
        return [by_word(line)]
    if not alone:
        raise Unclear("it is more than one word, and each of several lines must name one device")
    if len(by_sign) > 1:
        devices = [by_word(part) for part in by_sign if part]
    elif all(re.search("[0-9]", part) for part in by_space):
        devices = [by_word(part) for part in by_space]
    else:
        raise Unclear("it reads like a sentence; names without a digit have to be separated by commas")
    if len({next(iter(device)) for device in devices}) > 1:
        raise Unclear("ids and names on one line may be one device or several")
    return devices
