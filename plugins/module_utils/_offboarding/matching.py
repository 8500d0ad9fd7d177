# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which record is the device that was asked for: exactly one that fits everything said, or none at all.

No wildcard, no prefix, no first hit. Pure: what has been read is given, what it means is decided here.
"""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field

from .._api.models import Machine, same
from .._errors import DeviceError, MdeError
from .._options.identifiers import DeviceRequest

# Near misses to show for a device that was not found.
_MOST_CANDIDATES = 10


@dataclass(frozen=True)
class Finding:
    """The answer for one request: a machine, or the outcome and error that stand in its place."""

    machine: Machine | None = None
    outcome: str | None = None
    candidates: tuple[Machine, ...] = ()
    error: MdeError | None = None
    warnings: tuple[str, ...] = field(default=())


def resolve(
    request: DeviceRequest, records: t.Sequence[Machine], *, match_short_names: bool = False, force: bool = False
) -> Finding:
    """Decide which of the records is meant. Pure: everything it knows is in its arguments."""
    candidates = [machine for machine in records if _fits_all(request, machine, match_short_names)]
    if not candidates:
        touched = [machine for machine in records if any(_fits(request, machine, match_short_names))]
        return _mismatch(request, touched) if touched else not_found(request, ())
    ids = {machine.id.lower() for machine in candidates}
    # A record merged into another candidate is the same device twice. Should they all point at each other, all stay.
    standing = [m for m in candidates if (m.merged_into or "").lower() not in ids] or candidates
    if len(standing) > 1:
        return _ambiguous(request, standing)
    machine = standing[0]
    if machine.merged_into and not force:
        return _merged(request, machine)
    return Finding(machine=machine, warnings=tuple(_short_name_warnings(request, machine)))


# -- fitting -----------------------------------------------------------------------------------------------------


def _fits(request: DeviceRequest, machine: Machine, match_short_names: bool) -> list[bool]:
    """For each identifier that was given, whether the record has it."""
    verdicts = []
    if request.device_id:
        verdicts.append(same(request.device_id, machine.id))
    if request.aad_device_id:
        verdicts.append(same(request.aad_device_id, machine.aad_device_id))
    if request.device_name:
        beside_an_id = bool(request.device_id or request.aad_device_id)
        verdicts.append(_name_fits(request.device_name, machine.name, match_short_names, beside_an_id))
    return verdicts


def _fits_all(request: DeviceRequest, machine: Machine, match_short_names: bool) -> bool:
    return all(_fits(request, machine, match_short_names))


def _name_fits(asked: str, name: str | None, match_short_names: bool, guards: bool) -> bool:
    """Whole and without case. A name that only guards an id, or a short one where that is allowed, by first label."""
    if name is None:
        return False
    name = name.rstrip(".")
    if same(asked, name):
        return True
    first_labels_agree = same(asked.split(".")[0], name.split(".")[0])
    if guards:
        return first_labels_agree and ("." not in asked or "." not in name)
    return match_short_names and "." not in asked and first_labels_agree


def _short_name_warnings(request: DeviceRequest, machine: Machine) -> t.Iterator[str]:
    alone = request.device_name and not (request.device_id or request.aad_device_id)
    if alone and machine.name and not same(request.device_name, machine.name.rstrip(".")):
        yield f"{request.device_name}: taken for {machine.name} (device id {machine.id}) by its first label."


# -- findings ----------------------------------------------------------------------------------------------------


def not_found(request: DeviceRequest, near: t.Sequence[Machine]) -> Finding:
    """No record fits; ``near`` are those to show, in case the request was misspelt."""
    hints = []
    if request.looks_like_guid and not request.aad_device_id:
        hints.append("device_id has the form of an Entra device id: if it is one, give it as aad_device_id.")
    if (
        request.device_name
        and "." not in request.device_name
        and any(machine.name and same(machine.name.split(".")[0], request.device_name) for machine in near)
    ):
        hints.append("A full name begins with it: give the full name, or set match_short_names.")
    hints.append(
        "Check the spelling and the tenant; records age out after 180 days without contact. "
        "Set missing_ok where an absent device is fine."
    )
    return Finding(
        outcome="not_found",
        candidates=tuple(near[:_MOST_CANDIDATES]),
        error=DeviceError(
            f"{_described(request)} was not found{_named(near, 'near it')}.", code="not_found", hint=" ".join(hints)
        ),
    )


def _ambiguous(request: DeviceRequest, machines: t.Sequence[Machine]) -> Finding:
    return Finding(
        outcome="ambiguous",
        candidates=tuple(machines),
        error=DeviceError(
            f"{_described(request)} fits {len(machines)} devices{_named(machines)}.",
            code="ambiguous",
            hint="Nothing was done. Compare candidates (last seen, Entra id) and give the device_id of the one you mean.",
        ),
    )


def _mismatch(request: DeviceRequest, machines: t.Sequence[Machine]) -> Finding:
    return Finding(
        outcome="mismatch",
        candidates=tuple(machines),
        error=DeviceError(
            f"{_described(request)}: no device fits all of it, but a part of it fits{_named(machines)}.",
            code="mismatch",
            hint="Nothing was done. Every identifier must name the same device: correct or leave out the wrong one.",
        ),
    )


def _merged(request: DeviceRequest, machine: Machine) -> Finding:
    return Finding(
        outcome="mismatch",
        candidates=(machine,),
        error=DeviceError(
            f"{_described(request)} is a record that was merged into device {machine.merged_into}.",
            code="merged_record",
            hint=f"Nothing was done. Ask for device_id {machine.merged_into}, or set force to take this record as it is.",
        ),
    )


def _described(request: DeviceRequest) -> str:
    """All identifiers as given: ``device_name pc1.corp.example and device_id 00aa``."""
    given = [(k, v) for k, v in request.as_dict().items() if v and k != "comment"]
    return " and ".join(f"{option} {value}" for option, value in given)


def _named(machines: t.Sequence[Machine], what: str = "") -> str:
    """`` (near it: ...)`` or ``: ...``; nothing for none."""
    if not machines:
        return ""
    names = ", ".join(f"{machine.name or 'unnamed'} with id {machine.id}" for machine in machines[:3])
    more = len(machines) - 3
    listed = names + (f" and {more} more" if more > 0 else "")
    return f" ({what}: {listed})" if what else f": {listed}"
