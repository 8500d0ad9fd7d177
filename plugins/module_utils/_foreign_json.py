# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Strict parser for JSON from outside: what JSON does not define never decides anything.

RFC 8259 does not define the meaning of a duplicate key, and has neither NaN nor Infinity. Python's parser accepts all of
these, and uses the last value of a duplicate key.
"""

from __future__ import annotations

import json
import math
import typing as t
from collections import Counter

from ._presentable import LONGEST_NUMBER

# Keys that identify a record, and those that a list needs to be complete.
IDENTIFIERS: t.Final = frozenset(
    {
        *("id", "machineId", "computerDnsName", "aadDeviceId", "mergedIntoMachineId", "type", "externalId"),
        *("value", "@odata.nextLink", "@odata.count"),
    }
)


def parse_json(body: bytes) -> t.Any:
    """Parse a body in UTF-8, with or without a byte order mark.

    A number that JSON or Python cannot represent becomes its text. A duplicate key with different values becomes null, as
    if it had not been sent. Raises ValueError with the reason if the body is not valid JSON, has a duplicate identifier with
    different values, or is nested too deeply.
    """
    try:
        return _DECODER.decode(body.decode("utf-8-sig"))
    except RecursionError as error:
        raise ValueError("the JSON is nested too deeply") from error


def _object(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    count = Counter(key for key, _value in pairs)
    texts: dict[str, str] = {}
    for key, value in pairs:
        if count[key] == 1:  # its value can be the rest of the document
            continue
        text = json.dumps(value, sort_keys=True)  # in Python, 1 == True
        if texts.setdefault(key, text) != text:
            if key in IDENTIFIERS:
                raise ValueError(f"duplicate key {key} with different values")
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
