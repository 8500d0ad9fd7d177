# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Records, and values next to a list, that say that devices are not to be offboarded."""

from __future__ import annotations

import typing as t
from collections import defaultdict
from collections.abc import Mapping, Sequence

from ...module_utils._errors import OptionError
from ...module_utils._same import comparable
from .columns import IDENTIFIERS, header_role
from .documents import HINT
from .rows_to_keep import asks_to_keep, kept_values, reason_to_keep
from .words import Device


def kept_by_key(records: Sequence[Mapping[t.Any, t.Any]]) -> dict[str, frozenset[str]]:
    """The values that say that a device is not to be offboarded, by the key that has such values."""
    found: dict[str, set[str]] = defaultdict(set)
    for record in records:
        for key, value in record.items() if not is_module_result(record) else ():
            if isinstance(key, str) and header_role(key) not in IDENTIFIERS:
                found[key].add(_answer(value))
    return {key: kept for key, values in found.items() if (kept := kept_values(key, values))}


def reason_to_keep_record(
    record: Mapping[t.Any, t.Any], kept: Mapping[str, frozenset[str]], expected: Sequence[str] = ()
) -> str:
    """Why the device of the record may not be meant, or empty. ``expected`` are the keys whose absence says so."""
    keys = (key for key in (*expected, *record) if key in kept)
    return reason_to_keep((key, _answer(record.get(key)), kept[key]) for key in keys)


def check_beside(beside: Mapping[str, t.Any], name: str, devices: Sequence[Device]) -> None:
    """Raise OptionError if a value next to the list called ``name`` says that devices of the list are to be kept."""
    if why := reason_to_keep_record(beside, kept_by_key([beside])):
        raise OptionError(f"{why[0].upper()}{why[1:]}.", hint=HINT)
    texts = {comparable(text) for device in devices for text in device.values()}
    for key, item in beside.items():
        repeats = isinstance(item, (list, tuple)) and any(isinstance(x, str) and comparable(x) in texts for x in item)
        if repeats or (item and asks_to_keep(key)):
            raise OptionError(
                f"The input has two lists, {name} and {key[:60]}.",
                hint="Pass only one list, without the devices that are not to be offboarded.",
            )


def _answer(value: object) -> str:
    """The value of a key as a table would show it; empty for a value of several parts."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip() if isinstance(value, (str, int)) else ""


def is_module_result(record: Mapping[t.Any, t.Any]) -> bool:
    """Whether a record is the result of a device in a result of mde_offboard, or in evidence."""
    return "requested" in record and "outcome" in record
