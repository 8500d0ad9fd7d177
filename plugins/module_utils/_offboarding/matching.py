# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which record is the device (pure): exactly one record that matches all identifiers, or why not.

No wildcard, no prefix, no first hit.
"""

from __future__ import annotations

import re
import typing as t
import unicodedata
from dataclasses import dataclass

from .._api.models import Machine, meant
from .._errors import DeviceError, MdeError
from .._options.identifiers import DeviceRequest, has_form_of_id, is_dns_name, is_visible
from .._same import equal_ignoring_case

# Similar records to return for a device that was not found.
_MOST_CANDIDATES = 10
# What templates, spreadsheets and other tools write for a missing value. A device can have such a name, and is then found.
_PLACEHOLDER: t.Final = re.compile(
    r"n/?a|none|null|nil|nan|undefined|unknown|[\W_]+|__omit_place_holder__\w*", re.IGNORECASE
)


@dataclass(frozen=True)
class Resolution:
    """The result for one request: a machine, or an outcome and an error."""

    machine: Machine | None = None
    outcome: str | None = None
    candidates: tuple[Machine, ...] = ()
    error: MdeError | None = None
    warnings: tuple[str, ...] = ()
    near_miss: bool = False
    """Of a device that was not found: the request looks like a mistake, not like a device that is gone. A candidate has the same first
    label, and one of the two names is short; or the names differ in blanks or invisible characters; or an identifier of another kind,
    or a placeholder, was set."""


def resolve(
    request: DeviceRequest, records: t.Sequence[Machine], *, match_short_names: bool = False, force: bool = False
) -> Resolution:
    """Decide which of the records is the requested device."""
    if request.device_id:
        with_id = meant([request.device_id], records)
        records = [
            machine
            for machine in records
            if machine in with_id or not equal_ignoring_case(machine.id, request.device_id)
        ]
    matches = {machine.id: _matches(request, machine, match_short_names) for machine in records}
    candidates = [machine for machine in records if all(matches[machine.id])]
    if not candidates:
        partial_matches = [machine for machine in records if any(matches[machine.id])]
        return _mismatch(request, partial_matches) if partial_matches else not_found(request, ())
    ids = {machine.id for machine in candidates}
    # A record merged into another candidate is the same device. If all of them point at each other, all are kept.
    not_merged = [m for m in candidates if m.merged_into not in ids] or candidates
    if len(not_merged) > 1:
        return _ambiguous(request, not_merged)
    machine = not_merged[0]
    if machine.merged_into and not force:
        return _merged(request, machine)
    return Resolution(machine=machine, warnings=tuple(_short_name_warnings(request, machine)))


# -- comparing ---------------------------------------------------------------------------------------------------


def _matches(request: DeviceRequest, machine: Machine, match_short_names: bool) -> list[bool]:
    """For each identifier of the request, whether the record has it."""
    matches = []
    if request.device_id:
        matches.append(equal_ignoring_case(request.device_id, machine.id))
    if request.aad_device_id:
        matches.append(equal_ignoring_case(request.aad_device_id, machine.aad_device_id))
    if request.device_name:
        beside_an_id = bool(request.device_id or request.aad_device_id)
        matches.append(_name_matches(request.device_name, machine.name, match_short_names, beside_an_id))
    return matches


def _name_matches(requested: str, name: str | None, match_short_names: bool, is_safeguard: bool) -> bool:
    """Compare in full and case-insensitively.

    A name that is only a safeguard, and a short name where that is allowed, also match by first label.
    """
    if name is None:
        return False
    # Options are stripped. As a safeguard, a name with surrounding spaces in the record is the same name.
    name = without_root(name.strip() if is_safeguard else name)
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
    """Whether a name has the form of a DNS name. A short one may consist of digits: ``10`` of ``10.corp.example``."""
    composed = unicodedata.normalize("NFC", name)
    return is_dns_name(composed if "." in composed else f"{composed}.x")


def first_label(name: str) -> str:
    """The part of a DNS name before the first dot; any other name unchanged."""
    return name.split(".")[0] if has_labels(without_root(name)) else name


def without_root(name: str) -> str:
    """A DNS name without the trailing dot; any other name unchanged."""
    root = name.rstrip(".")
    return root if has_labels(root) else name


def _short_name_warnings(request: DeviceRequest, machine: Machine) -> t.Iterator[str]:
    alone = request.device_name and not (request.device_id or request.aad_device_id)
    if alone and machine.name and not equal_ignoring_case(request.device_name, without_root(machine.name)):
        yield f"{request.device_name} was matched to {machine.name} (device ID {machine.id}) by its short name."


# -- results -----------------------------------------------------------------------------------------------------


def not_found(request: DeviceRequest, candidates: t.Sequence[Machine]) -> Resolution:
    """No record matches. ``candidates`` are similar records, in case the request is misspelled."""
    hints = list(_other_kind(request, candidates))
    name = request.device_name or ""
    other_kind = bool(hints)
    near_miss = any(machine.name and short_and_full(name, without_root(machine.name)) for machine in candidates)
    if near_miss and "." not in name:
        hints.append("A device with this short name exists. Use its full name, or set match_short_names.")
    elif near_miss:
        hints.append("A device has the short form of this name. If it is the device, use the short name.")
    elif _has_invisible_characters(request):
        near_miss = True
        hints.append("The name contains invisible characters, for example from a chat. Type it again.")
    elif any(machine.name and _looks_equal(name, machine.name) for machine in candidates):
        near_miss = True
        hints.append("The name of a device differs only in blanks or invisible characters. Use its device_id.")
    hints.append(
        "Check the spelling and the tenant. Records expire after 180 days without contact. "
        "Set missing_ok to accept missing devices."
    )
    return Resolution(
        outcome="not_found",
        candidates=tuple(candidates[:_MOST_CANDIDATES]),
        error=DeviceError(
            f"{_describe_request(request)} was not found{_describe_machines(candidates, 'similar')}.",
            code="not_found",
            hint=" ".join(hints),
        ),
        near_miss=near_miss or other_kind,
    )


def _other_kind(request: DeviceRequest, candidates: t.Sequence[Machine]) -> t.Iterator[str]:
    """A hint for each identifier that is probably one of another kind, or none."""
    if request.looks_like_guid and not request.aad_device_id:
        yield "device_id looks like an Entra device ID. If it is one, set it as aad_device_id."
    names = (first_label(without_root(machine.name)) for machine in candidates if machine.name)
    if any(equal_ignoring_case(request.device_id, name) for name in names):
        yield "device_id is the name of a device. If you mean that device, set its name as device_name."
    for option in ("device_id", "device_name"):
        if _PLACEHOLDER.fullmatch(getattr(request, option) or "any"):
            yield f"{option} looks like a placeholder for a missing value. Check where it comes from."
    if request.device_name and has_form_of_id(request.device_name) and not (request.device_id or request.aad_device_id):
        yield "device_name looks like an ID. If it is one, set it as device_id or aad_device_id."


def _looks_equal(one: str, other: str) -> bool:
    """Whether two names are the same apart from blanks and invisible characters."""
    return equal_ignoring_case(*("".join(filter(is_visible, name)) for name in (one, other)))


def _has_invisible_characters(request: DeviceRequest) -> bool:
    """Whether a device was requested only by a name that, without its invisible characters, is a DNS name."""
    name = request.device_name or ""
    visible = "".join(character for character in name if unicodedata.category(character) != "Cf")
    return (
        request == DeviceRequest(device_name=name, comment=request.comment) and visible != name and has_labels(visible)
    )


def _ambiguous(request: DeviceRequest, machines: t.Sequence[Machine]) -> Resolution:
    message = f"{_describe_request(request)} matches {len(machines)} devices{_describe_machines(machines)}."
    return _refused("ambiguous", machines, message, "Compare the candidates and set device_id.")


def _mismatch(request: DeviceRequest, machines: t.Sequence[Machine]) -> Resolution:
    message = (
        f"{_describe_request(request)}: no device matches all identifiers; some match{_describe_machines(machines)}."
    )
    hint = "All identifiers must identify the same device. Correct or remove the wrong one."
    return _refused("mismatch", machines, message, hint)


def _merged(request: DeviceRequest, machine: Machine) -> Resolution:
    message = f"{_describe_request(request)} is a record that was merged into device {machine.merged_into}."
    hint = f"Use device_id {machine.merged_into}, or set force to offboard this record."
    return _refused("mismatch", [machine], message, hint, code="merged_record")


def _refused(
    outcome: str, machines: t.Sequence[Machine], message: str, hint: str, *, code: str | None = None
) -> Resolution:
    error = DeviceError(message, code=code or outcome, hint=f"Nothing was sent for this device. {hint}")
    return Resolution(outcome=outcome, candidates=tuple(machines), error=error)


def _describe_request(request: DeviceRequest) -> str:
    """All identifiers: ``device_name pc1.corp.example and device_id 00aa``."""
    return " and ".join(
        f"{option} {value}" for option, value in request.as_dict().items() if value and option != "comment"
    )


def _describe_machines(machines: t.Sequence[Machine], what: str = "") -> str:
    """`` (similar: ...)`` or ``: ...``; empty for no machines."""
    if not machines:
        return ""
    names = ", ".join(f"{machine.name or 'unnamed'} with ID {machine.id}" for machine in machines[:3])
    more = len(machines) - 3
    listed = names + (f" and {more} more" if more > 0 else "")
    return f" ({what}: {listed})" if what else f": {listed}"
