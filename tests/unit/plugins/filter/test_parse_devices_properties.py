# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Properties of parse_devices for any list of devices in any format, and for any text."""

from __future__ import annotations

import csv
import io
import json
import random
import typing as t
from dataclasses import dataclass

import yaml
from ansible.errors import AnsibleFilterError
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._options.identifiers import clean_device_name
from ansible_collections.secops.mde.plugins.module_utils._same import equal_ignoring_case
from ansible_collections.secops.mde.tests.unit.support.device_lists import parse
from ansible_collections.secops.mde.tests.unit.support.tables import random_table

SETTINGS = settings(
    max_examples=settings().max_examples * 2 // 5,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

Device = dict[str, str]
HEX = "0123456789abcdef"
IDS = st.text(HEX, min_size=40, max_size=40)
GUIDS = st.uuids(version=4).map(str)
LABELS = st.from_regex(r"[a-z]{2}([a-z0-9-]{0,8}[a-z0-9])?[0-9]", fullmatch=True)
NAMES = st.lists(LABELS, min_size=1, max_size=3).map(".".join).filter(lambda name: set(name) - set(HEX + "-."))
COMMENTS = st.text("abc 123,;\"'\t\n", max_size=12).map(str.strip)
KINDS = {"device_id": IDS, "device_name": NAMES, "aad_device_id": GUIDS}
SINGLE = st.sampled_from(sorted(KINDS)).flatmap(lambda field: st.fixed_dictionaries({field: KINDS[field]}))
HEADERS = {
    "device_id": ["Device ID", "deviceId", "DEVICE_ID", "machine id"],
    "device_name": ["Device name", "computerDnsName", "Hostname"],
    "aad_device_id": ["aad_device_id"],
    "comment": ["comment", "Comment"],
    "other": ["Tags", "OS platform", "Room"],
}


def first_of_each(devices: t.Iterable[Device]) -> list[Device]:
    seen: dict[str, Device] = {}
    for device in devices:
        seen.setdefault(json.dumps(device, sort_keys=True), device)
    return list(seen.values())


@SETTINGS
@given(st.lists(SINGLE), st.sampled_from(["\n", "\r\n", "\n\n", ",\n", "\n# x\n- "]), st.sampled_from(["", "\ufeff"]))
def test_devices_of_all_kinds_one_per_line_are_read_back(devices: list[Device], end: str, mark: str) -> None:
    text = mark + end.join(value for device in devices for value in device.values())
    assert parse(text) == first_of_each(devices)


@SETTINGS
@given(st.sampled_from(sorted(KINDS)), st.data(), st.sampled_from([",", ", ", ";", " ; ", " ", "\t"]))
def test_devices_of_one_kind_on_one_line_are_read_back(field: str, data: st.DataObject, between: str) -> None:
    values = data.draw(st.lists(KINDS[field]))
    # Words separated by spaces need a digit. Nearly every ID has one.
    values = [value for value in values if any(c.isdigit() for c in value)]
    assert parse(between.join(values)) == first_of_each({field: value} for value in values)


@SETTINGS
@given(
    st.lists(st.fixed_dictionaries({**KINDS, "comment": COMMENTS, "other": COMMENTS}), min_size=1),
    st.sampled_from(
        [["device_id"], ["device_name"], ["device_id", "device_name"], ["aad_device_id"], [*KINDS, "comment"]]
    ),
    st.sampled_from([",", ";", "\t", "|"]),
    st.randoms(use_true_random=False),
    st.booleans(),
)
def test_a_table_is_read_back_with_any_columns_and_delimiter(
    devices: list[Device], fields: list[str], delimiter: str, rng: random.Random, all_quoted: bool
) -> None:
    columns = [*fields, "other"]
    rng.shuffle(columns)
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, quoting=csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL)
    writer.writerow([rng.choice(HEADERS[column]) for column in columns])
    writer.writerows([device[column] for column in columns] for device in devices)
    found = parse(text.getvalue())
    wanted = [{field: device[field] for field in fields if device[field]} for device in devices]
    kept = [{**device, "comment": _unquoted(device["comment"])} if "comment" in device else device for device in wanted]
    assert found == first_of_each({key: value for key, value in device.items() if value} for device in kept)


def _unquoted(comment: str) -> str:
    """Return the comment without one pair of quotes around it."""
    if len(comment) >= 2 and comment[0] == comment[-1] and comment[0] in "\"'":
        return comment[1:-1].strip()
    return comment


@SETTINGS
@given(
    st.lists(
        SINGLE
        | st.fixed_dictionaries({**KINDS, "comment": st.text("abc 12", min_size=1).map("c".__add__).map(str.strip)})
    ),
    st.sampled_from(["json", "yaml", "flow", "data", "object"]),
)
def test_records_are_read_back(devices: list[Device], form: str) -> None:
    forms: dict[str, t.Callable[[], t.Any]] = {
        "json": lambda: json.dumps(devices),
        "yaml": lambda: yaml.safe_dump({"devices": devices}),
        "flow": lambda: yaml.safe_dump(devices, default_flow_style=True, width=10**9),
        "data": lambda: devices,
        "object": lambda: {"machines": devices},
    }
    assert parse(forms[form]()) == first_of_each(devices)


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=8) | IDS | NAMES,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["device_id", "id", "devices", "value", "hostname", "requested", "outcome", "x"]), inner
        )
    ),
    max_leaves=8,
)
PARTS = st.lists(
    st.sampled_from(
        [
            *"\n\n,;\t| -#:\"'[]{}&*!=%@\\\0\u2028\ufeff",
            "Device ID",
            "name",
            "id",
            "pc1",
            "a" * 40,
            "---",
            "sep=;",
            "? ",
            "!!",
        ]
    )
).map("".join)


@SETTINGS
@example("!!int ''")
@example("a: !!binary x")
@example('"\n')
@given(st.text() | PARTS | JSON | JSON.map(json.dumps))
def test_any_input_returns_devices_or_raises_the_documented_error(given: t.Any) -> None:
    try:
        devices = parse(given)
    except AnsibleFilterError:
        return
    for device in devices:
        assert device.keys() <= {"device_id", "device_name", "aad_device_id", "comment"}
        assert device.keys() & KINDS.keys()
        assert all(isinstance(value, str) and value for value in device.values())
    assert parse(devices) == devices


@SETTINGS
@given(st.lists(st.text("abcdefgh .,", min_size=1), min_size=1, max_size=6))
def test_each_of_several_lines_returns_at_most_one_device(lines: list[str]) -> None:
    text = "\n".join(lines)
    try:
        devices = parse(text)
    except AnsibleFilterError:
        return
    filled = [line for line in lines if line.strip(" .,")]
    assert len(devices) <= len(filled) or len(filled) == 1


@dataclass(frozen=True)
class ExpectedDevice:
    id: str
    name: str | None
    aad_device_id: str | None


DEVICES = st.builds(ExpectedDevice, id=IDS, name=LABELS.map("{}.corp.example".format), aad_device_id=GUIDS)


@SETTINGS
@given(
    st.lists(DEVICES, min_size=1, max_size=4),
    st.lists(DEVICES, min_size=1, max_size=3),
    st.randoms(use_true_random=False),
)
def test_a_table_returns_the_devices_of_the_known_column_or_is_an_error(
    devices: list[ExpectedDevice], others: list[ExpectedDevice], rng: random.Random
) -> None:
    table = random_table(rng, devices, others)
    try:
        found = parse(table.text)
    except AnsibleFilterError:
        return
    assert table.fields, table.text
    identity = next(field for field in ("device_id", "aad_device_id", "device_name") if field in table.fields)
    values: dict[str, list[t.Any]] = {
        "device_id": [m.id for m in devices],
        "aad_device_id": [m.aad_device_id for m in devices],
    }
    values["device_name"] = [m.name for m in devices]
    assert [device[identity] for device in found] == list(dict.fromkeys(values[identity]))
    if "device_name" in table.fields:  # the safeguard is complete
        assert {device["device_name"] for device in found} <= set(values["device_name"])
    allowed = {value for field in table.fields for value in values[field]}
    assert {value for device in found for value in device.values()} <= allowed


SERVICE_NAMES = st.text(st.characters(exclude_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=255).filter(
    lambda name: name == name.strip() and name.strip(".") and not name.startswith(".") and "*" not in name
)
ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=4,
)
RECORDS = st.fixed_dictionaries(
    {"id": IDS | st.from_regex(r"[a-z][A-Za-z0-9-]{0,18}", fullmatch=True), "computerDnsName": SERVICE_NAMES},
    optional={
        "aadDeviceId": st.none() | GUIDS,
        "mergedIntoMachineId": st.none() | IDS,
        "lastIpAddress": ANY_JSON,
        "machineTags": ANY_JSON,
        "ipAddresses": ANY_JSON,
        "vmMetadata": st.none() | st.fixed_dictionaries({"vmId": GUIDS}),
        "healthStatus": st.none() | st.text(max_size=8),
    },
)


@SETTINGS
@given(st.lists(RECORDS, max_size=5), st.sampled_from(["data", "response", "json", "registered", "escaped"]))
def test_every_record_of_the_service_is_read_back_with_its_id_and_name(
    records: list[dict[str, t.Any]], form: str
) -> None:
    forms: dict[str, t.Callable[[], t.Any]] = {
        "data": lambda: records,
        "response": lambda: {"@odata.context": "x", "value": records},
        "json": lambda: json.dumps(records, ensure_ascii=False),
        "registered": lambda: {"changed": False, "machines": records},
        "escaped": lambda: json.dumps({"value": records}),
    }
    found = parse(forms[form]())
    assert len(found) <= len(records)
    for record in records:
        name = clean_device_name(record["computerDnsName"])
        assert any(
            one["device_id"] == record["id"] and equal_ignoring_case(one["device_name"], name) for one in found
        ), record
