# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""JSON from outside, read strictly: what JSON does not define never decides anything.

RFC 8259 leaves open what a key means that an object has twice, and has neither NaN nor Infinity; Python's own reader takes
the last value, and all of these.
"""

from __future__ import annotations

import json
import math
import typing as t

from ._presentable import LONGEST_NUMBER

# Keys that say which record this is, and those of an answer that say where it ends.
IDENTIFIERS: t.Final = frozenset(
    {
        *("id", "machineId", "computerDnsName", "aadDeviceId", "mergedIntoMachineId", "type", "externalId"),
        *("value", "@odata.nextLink", "@odata.count"),
    }
)


def parse_json(body: bytes) -> t.Any:
    """The document in a body of UTF-8, with or without a byte order mark.

    A number that JSON or Python cannot carry stands as its text, and a key that stands twice with different values as
    null: as if it had not been sent. Raises ValueError, with the reason, for what is no JSON, for an identifier that
    stands twice with different values, and for a document that nests too deeply to be read.
    """
    try:
        return _DECODER.decode(body.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("the JSON nests too deeply") from error


def _object(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    texts: dict[str, str] = {}
    for key, value in pairs:
        text = json.dumps(value, sort_keys=True)  # for Python, 1 equals true
        if texts.setdefault(key, text) != text:
            if key in IDENTIFIERS:
                raise ValueError(f"the key {key} stands twice, with different values")
            found[key] = None
    return found


def _integer(text: str) -> int | str:
    return int(text) if len(text) <= LONGEST_NUMBER else text


def _float(text: str) -> float | str:
    number = float(text)
    return number if math.isfinite(number) else text


_DECODER: t.Final = json.JSONDecoder(
    object_pairs_hook=_object, parse_int=_integer, parse_float=_float, parse_constant=str
)
