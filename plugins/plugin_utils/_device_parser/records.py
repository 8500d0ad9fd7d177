# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Devices in records: of the service, of this collection's results, and as people write them."""

from __future__ import annotations

import typing as t

from .columns import role
from .words import (
    Device,
    Unclear,
    by_entra_id,
    by_id,
    by_name,
    by_option,
    is_device_id,
    is_long_hex,
    is_no_entra_id,
)

IDENTIFIERS: t.Final = ("device_id", "device_name", "aad_device_id")
OPTIONS: t.Final = (*IDENTIFIERS, "comment")


def combine(*, device_id: str, device_name: str, aad_device_id: str, comment: str, insists: bool) -> Device:
    """One device of what stands beside each other; raises Unclear for what is not clear, or names none.

    The device id names the device, and the name is a safeguard. The Entra id of an export is used where there is no
    device id; ``insists`` gives it along in any case.
    """
    device: Device = {}
    if device_id:
        device |= by_id(device_id)
    if device_name:
        device |= by_name(device_name)
    if aad_device_id and not is_no_entra_id(aad_device_id) and (insists or not device_id):
        device |= by_entra_id(aad_device_id)
    if not device:
        raise Unclear("no device is named")
    return device | ({"comment": comment} if comment else {})


def from_record(record: t.Mapping[t.Any, t.Any]) -> Device:
    """The device of a record. Raises Unclear."""
    if "requested" in record and "outcome" in record:  # a result of mde_offboard
        return _from_result(record)
    fields = {}
    for key, value in record.items():
        known = role(str(key))
        # A key that may be anything may also hold anything.
        if known and (known[1] or isinstance(value, str)):
            fields[str(key)] = _text(key, value)
    fields = {key: value for key, value in fields.items() if value}
    if any(key in IDENTIFIERS for key in fields):
        return _as_options({key: value for key, value in fields.items() if key in OPTIONS})
    device_id = _only(fields, "device_id", sure=True) or _of_service(fields)
    name, entra_id = _only(fields, "device_name", sure=True), _only(fields, "aad_device_id", sure=True)
    if not (device_id or name or entra_id):
        name = _only(fields, "device_name", sure=False)
    return combine(
        device_id=device_id,
        device_name=name,
        aad_device_id=entra_id,
        comment=_only(fields, "comment", sure=True),
        insists=False,
    )


def _from_result(result: t.Mapping[t.Any, t.Any]) -> Device:
    """The device that was found, else what was asked for. The comment was that of the earlier run."""
    requested = result["requested"]
    source = result if result.get("device_id") or not isinstance(requested, t.Mapping) else requested
    fields = {key: _text(key, source.get(key)) for key in IDENTIFIERS}
    return _as_options({key: value for key, value in fields.items() if value})


def _as_options(fields: t.Mapping[str, str]) -> Device:
    """What stands under the options' own names is checked as the options are."""
    device: Device = {}
    for field in IDENTIFIERS:
        if field in fields:
            device |= by_option(field, fields[field])
    if not device:
        raise Unclear("no device is named")
    return device | ({"comment": fields["comment"]} if "comment" in fields else {})


def _only(fields: t.Mapping[str, str], field: str, *, sure: bool) -> str:
    """The value of the keys that say this field, blank where there is none; raises Unclear where they differ."""
    values = {value.casefold(): value for key, value in fields.items() if role(key) == (field, sure)}
    if len(values) > 1:
        raise Unclear(f"it gives {field} twice, and not the same: {' and '.join(sorted(values.values())[:3])}")
    return next(iter(values.values()), "")


def _of_service(fields: t.Mapping[str, str]) -> str:
    """The value of ``id`` where it is a device's; elsewhere it may number anything."""
    value = _only(fields, "device_id", sure=False)
    return value if is_device_id(value) or is_long_hex(value) else ""


def _text(key: object, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise Unclear(f"{key} is not text; a number has to be put in quotes to keep every digit")
    return str.__str__(value).strip()
