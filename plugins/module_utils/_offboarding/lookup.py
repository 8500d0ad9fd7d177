# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Read the records of all requested devices.

An empty list counts as "not found" only after a second read of another kind confirms it.
"""

from __future__ import annotations

import typing as t
from collections import defaultdict

from .._api.client import MdeClient
from .._api.models import Machine, case_variants
from .._api.odata import FilterSyntax, any_of, property_in, starts_with_any
from .._api.paging import RefusedRecord, Report
from .._errors import ApiError, UnexpectedResponseError
from .._options.identifiers import DeviceRequest, has_form_of_id
from .._same import comparable
from .matching import Resolution, first_label, has_labels, not_found, resolve, without_root


def find_machines(
    client: MdeClient, requests: t.Sequence[DeviceRequest], *, match_short_names: bool, force: bool
) -> list[Resolution]:
    """Look up all requests; one result each, in their order. Raises MdeError when a read fails: that is not an absence."""
    records = _MachineIndex()
    terms = dict.fromkeys(term for request in requests for term in _terms(request, match_short_names))
    refused = _read_terms(client, list(terms), records)

    def resolve_request(request: DeviceRequest) -> Resolution:
        if unusable := records.unusable(request):
            return Resolution(outcome="error", error=unusable)
        for term in _terms(request, match_short_names) + _label_terms(request):
            if term in refused:
                return Resolution(outcome="error", error=refused[term])
        return resolve(request, records.candidates_for(request), match_short_names=match_short_names, force=force)

    resolutions = {request: resolve_request(request) for request in requests}
    missing = [request for request, resolution in resolutions.items() if resolution.outcome == "not_found"]
    refused = {**refused, **_confirm_missing(client, missing, records)}
    for request in missing:
        resolution = resolve_request(request)
        if resolution.outcome == "not_found":
            resolution = not_found(request, records.candidates_for(request, include_prefixes=True))
        resolutions[request] = resolution
    return [resolutions[request] for request in requests]


class _SearchTerm(t.NamedTuple):
    """One condition of a filter."""

    prop: str
    value: str
    prefix: bool = False
    """The property begins with the value instead of being equal to it."""

    def matches(self, machine: Machine) -> bool:
        """Whether a record meets the condition."""
        found = comparable(str(machine.record.get(self.prop) or ""))
        value = comparable(self.value)
        return found.startswith(value) if self.prefix else found == value


class _MachineIndex:
    """The records that were read, by identifier."""

    def __init__(self) -> None:
        self._by_key: dict[tuple[str, str], dict[str, Machine]] = defaultdict(dict)
        self._refused: list[RefusedRecord] = []

    def add(self, machines: t.Iterable[Machine]) -> None:
        for machine in machines:
            name = without_root(machine.name) if machine.name else None
            for key in self._keys(machine.id, machine.aad_device_id, name):
                self._by_key[key].setdefault(machine.id, machine)

    def refuse(self, refused: RefusedRecord) -> None:
        """Remember a record that cannot be used."""
        self._refused.append(refused)

    def unusable(self, request: DeviceRequest) -> ApiError | None:
        """The error of an unusable record that may be the requested one. One without identifiers always may."""
        wanted = {*self._keys(None, request.aad_device_id, request.device_name)}
        for refused in self._refused:
            record = refused.value if isinstance(refused.value, dict) else {}
            name, entra_id = record.get("computerDnsName"), record.get("aadDeviceId")
            keys = self._keys(None, *(text if isinstance(text, str) else None for text in (entra_id, name)))
            if not keys or wanted.intersection(keys):
                return refused.error
        return None

    def candidates_for(self, request: DeviceRequest, *, include_prefixes: bool = False) -> list[Machine]:
        """The records that share an identifier or the first label of the name.

        With ``include_prefixes`` also those whose first label begins with that label.
        """
        keys = self._keys(request.device_id, request.aad_device_id, request.device_name)
        found = {id_: machine for key in keys for id_, machine in self._by_key.get(key, {}).items()}
        if include_prefixes and (name := _assumed_name(request)):
            label = comparable(first_label(name))
            for (kind, text), machines in self._by_key.items():
                if kind == "label" and text.startswith(label):
                    found.update(machines)
        return list(found.values())

    @staticmethod
    def _keys(device_id: str | None, aad_device_id: str | None, name: str | None) -> list[tuple[str, str]]:
        texts = (("id", device_id), ("aad", aad_device_id), ("label", first_label(name) if name else None))
        return [(kind, comparable(text)) for kind, text in texts if text]


def _read_terms(
    client: MdeClient, terms: t.Sequence[_SearchTerm], records: _MachineIndex
) -> t.Mapping[_SearchTerm, ApiError]:
    """Read the records that match any of the terms. Returns the terms that the service refused.

    Raises UnexpectedResponseError for the response to another request: it must not count as an absence.
    """
    batch_result = client.filter_batcher.read(
        terms, _condition, lambda text: client.list_machines(text, report=records.refuse)
    )
    machines = batch_result.records
    if machines and not any(term.matches(machine) for machine in machines for term in terms):
        raise UnexpectedResponseError(
            "GET machines: the list has only devices that were not requested.",
            http_status=200,
            hint="The response belongs to another request. Run the task again. If the error persists, check api_url and any proxy.",
        )
    records.add(machines)
    return batch_result.rejected


def _terms(request: DeviceRequest, match_short_names: bool) -> list[_SearchTerm]:
    """The terms of one request: values as typed and in lower case, for services that compare case-sensitively."""
    terms = [_SearchTerm("id", value) for value in _spellings(request.device_id)]
    terms += [_SearchTerm("computerDnsName", value) for value in _spellings(request.device_name)]
    terms += [_SearchTerm("aadDeviceId", value) for value in _spellings(request.aad_device_id)]
    name = request.device_name
    if match_short_names and name and "." not in name and has_labels(name):
        terms += [_SearchTerm("computerDnsName", f"{value}.", prefix=True) for value in _spellings(name)]
    return terms


def _condition(terms: t.Sequence[_SearchTerm], syntax: FilterSyntax) -> str:
    """One filter for all terms."""
    by_property: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for term in terms:
        by_property[term.prop, term.prefix].append(term.value)
    return any_of(
        [
            starts_with_any(prop, values)
            if prefix
            else property_in(
                prop, values, use_in=syntax.use_in, unquoted=prop == "aadDeviceId" and syntax.unquoted_guids
            )
            for (prop, prefix), values in by_property.items()
        ]
    )


def _confirm_missing(
    client: MdeClient, requests: t.Sequence[DeviceRequest], records: _MachineIndex
) -> t.Mapping[_SearchTerm, ApiError]:
    """Read again in another way, and collect similar records. Returns what ``_read_terms`` returns."""
    refused: dict[_SearchTerm, ApiError] = {}
    for request in requests:
        if request.device_id:
            try:
                single = client.get_machine(request.device_id)
            except ApiError as error:
                if not error.concerns_one_record:
                    raise
                refused[_SearchTerm("id", request.device_id)] = error
            else:
                records.add([single] if single else [])
        if request.aad_device_id:
            records.add(_read_entra_id_in_other_syntax(client, request.aad_device_id, records.refuse))
    labels = list(dict.fromkeys(term for request in requests for term in _label_terms(request)))
    return {**refused, **_read_terms(client, labels, records)}


def _assumed_name(request: DeviceRequest) -> str | None:
    """The name of the device. A ``device_id`` in another form than that of IDs is perhaps a name, too."""
    unusual = request.device_id if request.device_id and not has_form_of_id(request.device_id) else None
    return request.device_name or unusual


def _label_terms(request: DeviceRequest) -> list[_SearchTerm]:
    name = _assumed_name(request)
    labels = _spellings(first_label(name)) if name else []
    return [_SearchTerm("computerDnsName", label, prefix=True) for label in labels]


def _read_entra_id_in_other_syntax(client: MdeClient, aad_device_id: str, report: Report) -> list[Machine]:
    """Read with the other syntax of the literal; if the service refuses it, with the first one again."""
    try:
        return client.list_machines(property_in("aadDeviceId", [aad_device_id], unquoted=True), report=report)
    except ApiError as error:
        if not error.query_refused:
            raise
        return client.list_machines(property_in("aadDeviceId", [aad_device_id]), report=report)


def _spellings(value: str | None) -> list[str]:
    return case_variants([value]) if value else []
