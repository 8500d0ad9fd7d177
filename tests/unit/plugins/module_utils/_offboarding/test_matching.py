# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The record that is the device: a table of requests and small inventories."""

from __future__ import annotations

import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._api.models import Machine
from ansible_collections.secops.mde.plugins.module_utils._offboarding.matching import resolve
from ansible_collections.secops.mde.plugins.module_utils._options.identifiers import DeviceRequest

GUID = "11112222-bbbb-3333-cccc-4444dddd5555"


def record(device_id: str, name: str | None = None, aad: str | None = None, merged: str | None = None) -> Machine:
    found = Machine.from_json(
        {"id": device_id, "computerDnsName": name, "aadDeviceId": aad, "mergedIntoMachineId": merged}
    )
    assert found is not None
    return found


PC1 = record("a1", "pc1.corp.example", GUID)
PC10 = record("a10", "pc10.corp.example")
SHORT = record("b1", "pc1")
DUPLICATE = record("c1", "PC1.corp.example")
OLD = record("d1", "pc2.corp.example", merged="d2")
NEW = record("d2", "pc2.corp.example")
NAMELESS = record("e1")
ROUND = [record("f1", "pc3", merged="f2"), record("f2", "pc3", merged="f1")]
PADDED = record("k1", "\u2003pc5 ")
SELF = record("g1", "pc4", merged="g1")

# request, records, options, outcome ("found <id>" or another), candidates
Case = tuple[str, dict[str, str], list[Machine], dict[str, bool], str, set[str]]
CASES: list[Case] = [
    ("by id", {"device_id": "a1"}, [PC1], {}, "found a1", set()),
    ("by id in capitals", {"device_id": "A1"}, [PC1], {}, "found a1", set()),
    ("by name", {"device_name": "pc1.corp.example"}, [PC1, PC10], {}, "found a1", set()),
    ("by name in capitals", {"device_name": "PC1.CORP.EXAMPLE"}, [PC1, PC10], {}, "found a1", set()),
    ("by name with a trailing dot", {"device_name": "pc1.corp.example."}, [PC1], {}, "found a1", set()),
    ("by Entra id", {"aad_device_id": GUID.upper()}, [PC1, PC10], {}, "found a1", set()),
    ("by all three", {"device_id": "a1", "device_name": "pc1.corp.example", "aad_device_id": GUID}, [PC1], {}, "found a1", set()),
    ("never by a prefix", {"device_name": "pc1"}, [PC10], {"match_short_names": True}, "not_found", set()),
    ("a short name does not match a full one", {"device_name": "pc1"}, [PC1], {}, "not_found", set()),
    ("a short name matches a full one if allowed", {"device_name": "pc1"}, [PC1, PC10], {"match_short_names": True}, "found a1", set()),
    ("a full name does not match a short one", {"device_name": "pc1.corp.example"}, [SHORT], {"match_short_names": True}, "not_found", set()),
    ("a full name does not match another domain", {"device_name": "pc1.home.example"}, [PC1], {"match_short_names": True}, "not_found", set()),
    ("a short and a full name are two devices", {"device_name": "pc1"}, [PC1, SHORT], {"match_short_names": True}, "ambiguous", {"a1", "b1"}),
    ("two devices with one name", {"device_name": "pc1.corp.example"}, [PC1, DUPLICATE], {}, "ambiguous", {"a1", "c1"}),
    ("two devices with one name, and an id", {"device_name": "pc1.corp.example", "device_id": "c1"}, [PC1, DUPLICATE], {}, "found c1", set()),
    ("two devices with one Entra id", {"aad_device_id": GUID}, [PC1, record("h1", aad=GUID)], {}, "ambiguous", {"a1", "h1"}),
    ("a short name as the safeguard of an id", {"device_id": "a1", "device_name": "pc1"}, [PC1], {}, "found a1", set()),
    ("a full name as the safeguard of an id with a short name", {"device_id": "b1", "device_name": "pc1.corp.example"}, [SHORT], {}, "found b1", set()),
    ("a short name as the safeguard of an Entra id", {"aad_device_id": GUID, "device_name": "pc1"}, [PC1], {}, "found a1", set()),
    ("a name with spaces around it as the safeguard of an id", {"device_id": "k1", "device_name": "pc5"}, [PADDED], {}, "found k1", set()),
    ("a name with spaces around it without an id does not match", {"device_name": "pc5"}, [PADDED], {}, "not_found", set()),
    ("another name as the safeguard", {"device_id": "a1", "device_name": "pc9"}, [PC1], {}, "mismatch", {"a1"}),
    ("another domain as the safeguard", {"device_id": "a1", "device_name": "pc1.home.example"}, [PC1], {}, "mismatch", {"a1"}),
    ("a record without a name does not match the safeguard", {"device_id": "e1", "device_name": "pc1"}, [NAMELESS], {}, "mismatch", {"e1"}),
    ("id and name of two devices", {"device_id": "a10", "device_name": "pc1.corp.example"}, [PC1, PC10], {}, "mismatch", {"a1", "a10"}),
    ("the id is unknown, the name is not", {"device_id": "zz", "device_name": "pc1.corp.example"}, [PC1], {}, "mismatch", {"a1"}),
    ("another Entra id", {"device_id": "a10", "aad_device_id": GUID}, [PC10], {}, "mismatch", {"a10"}),
    ("no records", {"device_name": "pc1"}, [], {}, "not_found", set()),
    ("a record that was not requested does not count", {"device_name": "pc9"}, [PC1, PC10], {}, "not_found", set()),
    ("merged into another device with the same name", {"device_name": "pc2.corp.example"}, [OLD, NEW], {}, "found d2", set()),
    ("merged into a device that was not requested", {"device_id": "d1"}, [OLD], {}, "mismatch", {"d1"}),
    ("merged into a device that was not requested, with force", {"device_id": "d1"}, [OLD], {"force": True}, "found d1", set()),
    ("merged into another device with the same name, with force", {"device_name": "pc2.corp.example"}, [OLD, NEW], {"force": True}, "found d2", set()),
    ("merged into each other", {"device_name": "pc3"}, ROUND, {}, "ambiguous", {"f1", "f2"}),
    ("merged into itself", {"device_name": "pc4"}, [SELF], {}, "found g1", set()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("requested", "records", "options", "outcome", "candidates"),
    [case[1:] for case in CASES],
    ids=[c[0] for c in CASES],
)
def test_exactly_one_record_matches_all_identifiers_or_none(
    requested: dict[str, str], records: list[Machine], options: dict[str, bool], outcome: str, candidates: set[str]
) -> None:
    request = DeviceRequest.from_options(**requested, comment="CHG-1")
    for order in (records, records[::-1]):
        resolution = resolve(request, order, **options)
        found = f"found {resolution.machine.id}" if resolution.machine else resolution.outcome
        assert found == outcome
        assert {candidate.id for candidate in resolution.candidates} == candidates
        assert (resolution.error is None) == (resolution.machine is not None)


def test_a_merged_record_names_the_survivor_and_has_a_code_of_its_own() -> None:
    resolution = resolve(DeviceRequest.from_options(device_id="d1", comment="CHG-1"), [OLD])
    assert resolution.error is not None
    assert resolution.error.code == "merged_record"
    assert "d2" in str(resolution.error)


def test_a_match_by_short_name_has_a_warning() -> None:
    request = DeviceRequest.from_options(device_name="pc1", comment="CHG-1")
    (warning,) = resolve(request, [PC1], match_short_names=True).warnings
    assert "pc1.corp.example" in warning
    assert "a1" in warning


def test_a_guid_as_device_id_that_finds_nothing_points_to_the_other_option() -> None:
    resolution = resolve(DeviceRequest.from_options(device_id=GUID, comment="CHG-1"), [])
    assert resolution.error is not None
    assert "aad_device_id" in (resolution.error.hint or "")


@pytest.mark.parametrize(
    ("written", "cleaned"),
    [
        (" a1b2 ", "a1b2"),
        ("https://security.microsoft.com/machines/v2/00aa11bb/overview?tid=x", "00aa11bb"),
        ("https://security.microsoft.com/machines/00aa11bb", "00aa11bb"),
        ("https://security.microsoft.us/machines/v2/00aa11bb?tid=1#top", "00aa11bb"),
    ],
)
def test_a_device_id_is_extracted_from_pasted_text(written: str, cleaned: str) -> None:
    assert DeviceRequest.from_options(device_id=written, comment="c").device_id == cleaned


BAD: list[tuple[dict[str, t.Any], str]] = [
    ({"device_id": "a1' or '1' eq '1"}, "device_id"),
    ({"device_id": "../machineactions"}, "device_id"),
    ({"device_id": "a1/offboard"}, "device_id"),
    ({"device_id": "a1%2f"}, "device_id"),
    ({"device_id": "gerät"}, "device_id"),
    ({"device_id": "https://security.microsoft.com/alerts/00aa"}, "device_id"),
    ({"device_name": "two\nlines"}, "device_name"),
    ({"device_name": "pc1\x00"}, "device_name"),
    ({"device_name": "x" * 256}, "device_name"),
    ({"device_name": "."}, "device_name"),
    ({"device_name": ".corp.example"}, "device_name"),
    ({"device_id": "https://security.microsoft.com/machines/v2/?tid=x"}, "device_id"),
    ({"device_id": "https://security.microsoft.com/machines/v2"}, "device_id"),
    ({"aad_device_id": "not-a-guid"}, "aad_device_id"),
    ({"aad_device_id": GUID + "' or true"}, "aad_device_id"),
    ({}, "device_id"),
    ({"device_id": "  ", "device_name": "", "aad_device_id": "\t"}, "device_id"),
    ({"device_id": "a1", "comment": "  "}, "comment"),
]


@pytest.mark.parametrize(("given", "names"), BAD, ids=repr)
def test_an_identifier_that_cannot_be_one_device_is_rejected_by_name(given: dict[str, t.Any], names: str) -> None:
    from ansible_collections.secops.mde.plugins.module_utils._errors import OptionError

    with pytest.raises(OptionError) as refusal:
        DeviceRequest.from_options(**{"comment": "CHG-1", **given})
    assert names in str(refusal.value)
    assert refusal.value.hint
