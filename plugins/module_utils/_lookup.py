# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which record is the device that was asked for: exactly one that fits everything said, or none at all.

No wildcard, no prefix, no first hit. A list that comes back empty is believed only after a second, different
read says the same.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict
from dataclasses import dataclass, field

from ._client import Client
from ._errors import ApiError, DeviceError, MdeError
from ._models import Machine, same
from ._odata import Form, any_of, equals_any, starts_with_any
from ._requested import DeviceRequest

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


def find_machines(
    client: Client, requests: t.Sequence[DeviceRequest], *, match_short_names: bool, force: bool
) -> list[Finding]:
    """Look up all requests, in their order. Raises MdeError when a read fails: that is never an absence."""
    records = _Records()
    refused = _read(client, requests, records, match_short_names)

    def judge(request: DeviceRequest) -> Finding:
        for term in _terms(request, match_short_names) + _label_terms(request):
            if term in refused:
                return Finding(outcome="error", error=refused[term])
        return resolve(request, records.near(request), match_short_names=match_short_names, force=force)

    findings = {request: judge(request) for request in requests}
    doubtful = [request for request, finding in findings.items() if finding.outcome == "not_found"]
    refused = {**refused, **_look_again(client, doubtful, records)}
    for request in doubtful:
        finding = judge(request)
        if finding.outcome == "not_found":
            finding = _not_found(request, records.near(request, loosely=True))
        findings[request] = finding
    return [findings[request] for request in requests]


def resolve(
    request: DeviceRequest, records: t.Sequence[Machine], *, match_short_names: bool = False, force: bool = False
) -> Finding:
    """Decide which of the records is meant. Pure: everything it knows is in its arguments."""
    candidates = [machine for machine in records if _fits_all(request, machine, match_short_names)]
    if not candidates:
        touched = [machine for machine in records if any(_fits(request, machine, match_short_names))]
        return _mismatch(request, touched) if touched else _not_found(request, ())
    ids = {machine.id.lower() for machine in candidates}
    # A record merged into another candidate is the same device twice. Should they all point at each other, all stay.
    standing = [m for m in candidates if (m.merged_into or "").lower() not in ids] or candidates
    if len(standing) > 1:
        return _ambiguous(request, standing)
    machine = standing[0]
    if machine.merged_into and not force:
        return _merged(request, machine)
    return Finding(machine=machine, warnings=tuple(_short_name_warnings(request, machine)))


# -- reading -----------------------------------------------------------------------------------------------------


class _Term(t.NamedTuple):
    """One thing to ask for."""

    prop: str
    value: str
    prefix: bool = False
    """The property begins with the value, instead of being it."""


class _Records:
    """What has been read, and which of it has to do with a request."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], dict[str, Machine]] = defaultdict(dict)

    def add(self, machines: t.Iterable[Machine]) -> None:
        for machine in machines:
            for key in self._keys(machine.id, machine.aad_device_id, machine.name):
                self._by_key[key].setdefault(machine.id.lower(), machine)

    def near(self, request: DeviceRequest, *, loosely: bool = False) -> list[Machine]:
        """All that share an identifier, or the first label of the name; ``loosely`` also what begins with that label."""
        keys = self._keys(request.device_id, request.aad_device_id, request.device_name)
        found = {id_: machine for key in keys for id_, machine in self._by_key.get(key, {}).items()}
        if loosely and request.device_name:
            label = _first_label(request.device_name)
            for (kind, text), machines in self._by_key.items():
                if kind == "label" and text.startswith(label):
                    found.update(machines)
        return list(found.values())

    @staticmethod
    def _keys(device_id: str | None, aad_device_id: str | None, name: str | None) -> list[tuple[str, str]]:
        texts = (("id", device_id), ("aad", aad_device_id), ("label", _first_label(name) if name else None))
        return [(kind, text.lower()) for kind, text in texts if text]


def _read(
    client: Client, requests: t.Sequence[DeviceRequest], records: _Records, match_short_names: bool
) -> t.Mapping[_Term, ApiError]:
    """Read every record that fits one of the identifiers; what comes back is what the service did not take."""
    terms = list(dict.fromkeys(term for request in requests for term in _terms(request, match_short_names)))
    reading = client.batches.read(terms, _condition, client.machines)
    records.add(reading.records)
    return reading.refused


def _terms(request: DeviceRequest, match_short_names: bool) -> list[_Term]:
    """What to ask for: as typed and in lower case, for services that tell them apart."""
    terms = [_Term("id", value) for value in _spellings(request.device_id)]
    terms += [_Term("computerDnsName", value) for value in _spellings(request.device_name)]
    terms += [_Term("aadDeviceId", value) for value in _spellings(request.aad_device_id)]
    if match_short_names and request.device_name and "." not in request.device_name:
        terms += [_Term("computerDnsName", f"{value}.", prefix=True) for value in _spellings(request.device_name)]
    return terms


def _condition(terms: t.Sequence[_Term], form: Form) -> str:
    """One filter for everything that was asked."""
    by_property: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for term in terms:
        by_property[term.prop, term.prefix].append(term.value)
    return any_of(
        [
            starts_with_any(prop, values)
            if prefix
            else equals_any(prop, values, lists=form.lists, bare=prop == "aadDeviceId" and form.bare_guids)
            for (prop, prefix), values in by_property.items()
        ]
    )


def _look_again(client: Client, requests: t.Sequence[DeviceRequest], records: _Records) -> t.Mapping[_Term, ApiError]:
    """Ask once more in another way, and collect near misses on the way; comes back as ``_read`` does."""
    for request in requests:
        if request.device_id:
            single = client.machine(request.device_id)
            records.add([single] if single else [])
        if request.aad_device_id:
            records.add(_read_entra_id_otherwise(client, request.aad_device_id))
    labels = list(dict.fromkeys(term for request in requests for term in _label_terms(request)))
    reading = client.batches.read(labels, _condition, client.machines)
    records.add(reading.records)
    return reading.refused


def _label_terms(request: DeviceRequest) -> list[_Term]:
    labels = _spellings(request.device_name.split(".")[0]) if request.device_name else []
    return [_Term("computerDnsName", label, prefix=True) for label in labels]


def _read_entra_id_otherwise(client: Client, aad_device_id: str) -> list[Machine]:
    """The other form of the literal; where the service does not take it, the first one again."""
    try:
        return client.machines(equals_any("aadDeviceId", [aad_device_id], bare=True))
    except ApiError as error:
        if not error.query_refused:
            raise
        return client.machines(equals_any("aadDeviceId", [aad_device_id]))


def _spellings(value: str | None) -> list[str]:
    """As typed, then in lower case where that differs."""
    return list(dict.fromkeys((value, value.lower()))) if value else []


def _first_label(name: str) -> str:
    return name.split(".")[0].lower()


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


def _not_found(request: DeviceRequest, near: t.Sequence[Machine]) -> Finding:
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
