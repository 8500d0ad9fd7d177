# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Decodes the text of a file that Ansible has read as UTF-8: UTF-16 with a byte order mark, or UTF-8."""

from __future__ import annotations

import codecs
import re

from ...module_utils._errors import OptionError

HINT = "Save the file as UTF-8 text."
_SURROGATE = re.compile("[\ud800-\udfff]")
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decode(text: str) -> str:
    """The text, decoded from UTF-16 if it has a byte order mark of UTF-16.

    Lookups of Ansible decode UTF-8 with ``surrogateescape``, which keeps each byte that is not UTF-8. Raises OptionError
    for other encodings.
    """
    wrong = _SURROGATE.search(text)
    if wrong is None:
        return text.removeprefix("\ufeff")
    try:
        data = text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        data = b""
    if data.startswith(_MARKS):
        return _utf16(data)
    line = text.count("\n", 0, wrong.start()) + 1
    piece = text[: wrong.end() + 20].split("\n")[line - 1].strip()[-60:]
    raise OptionError(f"line {line}, {piece!r}: not valid UTF-8.", hint=HINT)


def _utf16(data: bytes) -> str:
    if len(data) % 2 and data.endswith(b"\0"):  # the lookup strips white space, here half of the last line break
        data = data[:-1]
    try:
        return data.decode("utf-16")  # finds the byte order by the mark
    except UnicodeDecodeError as error:
        raise OptionError(f"The file is not valid UTF-16: {error.reason}.", hint=HINT) from error
