# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which record is the device that was asked for: exactly one that fits everything said, or none at all.

No wildcard, no prefix, no first hit. Pure: what has been read is given, what it means is decided here.
"""

from __future__ import annotations

import typing as t
import unicodedata
from dataclasses import dataclass, field

from .._api.models import Machine, meant
from .._errors import DeviceError, MdeError
from .._options.identifiers import DeviceRequest, is_dns_name
from .._same import equal_ignoring_case

# Near misses to show for a device that was not found.
_MOST_CANDIDATES = 10


@dataclass(frozen=True)
class Resolution:
    """The answer for one request: a machine, or the outcome and error that stand in its place."""

    machine: Machine | None = None
    outcome: str | None = None
    candidates: tuple[Machine, ...] = ()
    error: MdeError | None = None
    warnings: tuple[str, ...] = field(default=())
    near_miss: bool = False
    """Of a device that was not found: a candidate has its first label, and one of the two names is a short one."""


def resolve(
    request: DeviceRequest, records: t.Sequence[Machine], *, match_short_names: bool = False, force: bool = False
) -> Resolution:
    """Decide which of the records is meant. Pure: everything it knows is in its arguments."""
    if request.device_id:
        with_id = meant([request.device_id], records)
        records = [
            machine
            for machine in records
            if machine in with_id or not equal_ignoring_case(machine.id, request.device_id)
        ]
    candidates = [machine for machine in records if _matches_all(request, machine, match_short_names)]
    if not candidates:
        partial_matches = [machine for machine in records if any(_matches(request, machine, match_short_names))]
        return _mismatch(request, partial_matches) if partial_matches else not_found(request, ())
    ids = {machine.id for machine in candidates}
    # A record merged into another candidate is the same device twice. Should they all point at each other, all stay.
    not_merged = [m for m in candidates if m.merged_into not in ids] or candidates
    if len(not_merged) > 1:
        return _ambiguous(request, not_merged)
    machine = not_merged[0]
    if machine.merged_into and not force:
        return _merged(request, machine)
    return Resolution(machine=machine, warnings=tuple(_short_name_warnings(request, machine)))


# -- fitting -----------------------------------------------------------------------------------------------------


def _matches(request: DeviceRequest, machine: Machine, match_short_names: bool) -> list[bool]:
    """For each identifier that was given, whether the record has it."""
    matches = []
    if request.device_id:
        matches.append(equal_ignoring_case(request.device_id, machine.id))
    if request.aad_device_id:
        matches.append(equal_ignoring_case(request.aad_device_id, machine.aad_device_id))
    if request.device_name:
        beside_an_id = bool(request.device_id or request.aad_device_id)
        matches.append(_name_matches(request.device_name, machine.name, match_short_names, beside_an_id))
    return matches


def _matches_all(request: DeviceRequest, machine: Machine, match_short_names: bool) -> bool:
    return all(_matches(request, machine, match_short_names))


def _name_matches(requested: str, name: str | None, match_short_names: bool, is_safeguard: bool) -> bool:
    """Whole and without case. A name that only guards an id, or a short one where that is allowed, by first label."""
    if name is None:
        return False
    # Options lose the blanks around them. Beside an ID, a name that a record has with blanks is the same.
    name = _without_root(name.strip() if is_safeguard else name)
    if equal_ignoring_case(requested, name):
        return True
    return (is_safeguard or (match_short_names and "." not in requested)) and short_and_full(requested, name)


def short_and_full(one: str, other: str) -> bool:
    """Whether one of two different names is the first label of the other: ``pc1`` and ``pc1.corp.example``.

    Only names in the form of DNS names have labels: ``10`` is not ``10.1.2.3``.
    """
    return (
        ("." in one) != ("." in other)
        and has_labels(one)
        and has_labels(other)
        and equal_ignoring_case(first_label(one), first_label(other))
    )


def has_labels(name: str) -> bool:
    """Whether a name has the form of a DNS name. A short one may consist of digits: ``10`` is ``10.corp.example``."""
    composed = unicodedata.normalize("NFC", name)
    return is_dns_name(composed if "." in composed else f"{composed}.x")


def first_label(name: str) -> str:
    """The part of a DNS name before the first dot; of any other name, all of it."""
    return name.split(".")[0] if has_labels(name) else name


def _without_root(name: str) -> str:
    """A DNS name without the dot of the root; any other name as it is."""
    root = name.rstrip(".")
    return root if has_labels(root) else name


def _short_name_warnings(request: DeviceRequest, machine: Machine) -> t.Iterator[str]:
    alone = request.device_name and not (request.device_id or request.aad_device_id)
    if alone and machine.name and not equal_ignoring_case(request.device_name, _without_root(machine.name)):
        yield f"{request.device_name}: taken for {machine.name} (device id {machine.id}) by its first label."


# -- findings ----------------------------------------------------------------------------------------------------


def not_found(request: DeviceRequest, candidates: t.Sequence[Machine]) -> Resolution:
    """No record fits; ``candidates`` are those to show, in case the request was misspelt."""
    hints = []
    if request.looks_like_guid and not request.aad_device_id:
        hints.append("device_id has the form of an Entra device id: if it is one, give it as aad_device_id.")
    asked = request.device_name
    near_miss = asked is not None and any(
        machine.name and short_and_full(asked, _without_root(machine.name)) for machine in candidates
    )
    if near_miss and asked and "." not in asked:
        hints.append("A full name begins with it: give the full name, or set match_short_names.")
    elif near_miss:
        hints.append("A short name is its first label: give the short name, if that is the device.")
    hints.append(
        "Check the spelling and the tenant; records age out after 180 days without contact. "
        "Set missing_ok where an absent device is fine."
    )
    return Resolution(
        outcome="not_found",
        candidates=tuple(candidates[:_MOST_CANDIDATES]),
        error=DeviceError(
            f"{_describe_request(request)} was not found{_describe_machines(candidates, 'near it')}.",
            code="not_found",
            hint=" ".join(hints),
        ),
        near_miss=near_miss,
    )


def _ambiguous(request: DeviceRequest, machines: t.Sequence[Machine]) -> Resolution:
    return Resolution(
        outcome="ambiguous",
        candidates=tuple(machines),
        error=DeviceError(
            f"{_describe_request(request)} fits {len(machines)} devices{_describe_machines(machines)}.",
            code="ambiguous",
            hint="Nothing was done. Compare candidates (last seen, Entra id) and give the device_id of the one you mean.",
        ),
    )


def _mismatch(request: DeviceRequest, machines: t.Sequence[Machine]) -> Resolution:
    return Resolution(
        outcome="mismatch",
        candidates=tuple(machines),
        error=DeviceError(
            f"{_describe_request(request)}: no device fits all of it, but a part of it fits{_describe_machines(machines)}.",
            code="mismatch",
            hint="Nothing was done. Every identifier must name the same device: correct or leave out the wrong one.",
        ),
    )


def _merged(request: DeviceRequest, machine: Machine) -> Resolution:
    return Resolution(
        outcome="mismatch",
        candidates=(machine,),
        error=DeviceError(
            f"{_describe_request(request)} is a record that was merged into device {machine.merged_into}.",
            code="merged_record",
            hint=f"Nothing was done. Ask for device_id {machine.merged_into}, or set force to take this record as it is.",
        ),
    )


def _describe_request(request: DeviceRequest) -> str:
    """All identifiers as given: ``device_name pc1.corp.example and device_id 00aa``."""
    given = [(k, v) for k, v in request.as_dict().items() if v and k != "comment"]
    return " and ".join(f"{option} {value}" for option, value in given)


def _describe_machines(machines: t.Sequence[Machine], what: str = "") -> str:
    """`` (near it: ...)`` or ``: ...``; nothing for none."""
    if not machines:
        return ""
    names = ", ".join(f"{machine.name or 'unnamed'} with id {machine.id}" for machine in machines[:3])
    more = len(machines) - 3
    listed = names + (f" and {more} more" if more > 0 else "")
    return f" ({what}: {listed})" if what else f": {listed}"
