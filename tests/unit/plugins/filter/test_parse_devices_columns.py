# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The column that identifies the device: headers decide, content excludes, safeguards are kept, columns overrides."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import time
import typing as t
from pathlib import Path

import pytest
from ansible.errors import AnsibleFilterError
from ansible.parsing.dataloader import DataLoader
from ansible.plugins.loader import lookup_loader
from jinja2 import StrictUndefined, UndefinedError

from ansible_collections.secops.mde.plugins.plugin_utils._evidence.csv_report import render
from ansible_collections.secops.mde.tests.unit.support.device_lists import Devices, parse, parse_error
from ansible_collections.secops.mde.tests.unit.support.evidence_samples import evidence

A, B = "a1" * 20, "b2" * 20
GA, GB = "11112222-bbbb-3333-cccc-4444dddd5555", "11112222-bbbb-3333-cccc-4444dddd6666"
PAGE_OF_B = f"https://security.microsoft.com/machines/v2/{B}/overview"
FULL = "pc-0101.corp.example"


@pytest.mark.parametrize(
    "header",
    [
        "Replaced by", "Successor", "Successor ID", "New device ID", "VmId", "UUID", "Recovery key ID", "Ticket",
        "Serial number", "Thumbprint", "Certificate thumbprint", "SHA1", "User ID", "Owner ID", "Owner", "Object ID",
        "Intune device ID", "Tenant ID", "Asset tag", "Correlation ID", "Primary user UPN", "Management ID", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("decoy", [B, GB, PAGE_OF_B, f"{{{GB}}}"])
@pytest.mark.parametrize("name", ["Computer", "Name", "Device name", "Hostname"])
def test_a_column_with_another_header_never_supplies_an_id(header: str, decoy: str, name: str) -> None:
    assert parse(f"{name};{header}\n{FULL};{decoy}\n") == [{"device_name": FULL}]
    assert parse(f"{header};{name}\n{decoy};{FULL}\n") == [{"device_name": FULL}]
    assert parse([{name: FULL, header: decoy}]) == [{"device_name": FULL}]
    assert parse(json.dumps({"value": [{name: FULL, header: decoy}]})) == [{"device_name": FULL}]
    assert header in parse_error(f"{header};Room\n{decoy};3\n")


UNDERSTOOD: dict[str, tuple[object, Devices]] = {
    "an ID and its safeguard": (f"Computer,Device ID\npc-0101,{A}", [{"device_id": A, "device_name": "pc-0101"}]),
    "an Active Directory computer": (
        f"DistinguishedName,DNSHostName,Enabled,Name,ObjectClass,ObjectGUID,SamAccountName,SID,UserPrincipalName\n"
        f'"CN=PC-0101,DC=corp,DC=example",{FULL},True,PC-0101,computer,{GB},PC-0101$,S-1-5-21-1,\n',
        [{"device_name": FULL}],
    ),
    "a short name after the full name": (f"fqdn,hostname\n{FULL},PC-0101", [{"device_name": FULL}]),
    "a short name of digits": ("Name,DNSHostName\n4711,4711.corp.example", [{"device_name": "4711.corp.example"}]),
    "a short name in another encoding": (
        "Name,DNSHostName\nbu\u0308ro,büro.corp.example", [{"device_name": "büro.corp.example"}]
    ),
    "a full name without the short name": (f"Name,DNSHostName\n,{FULL}\npc2,", [{"device_name": FULL}, {"device_name": "pc2"}]),
    "names that differ in case only": ("hostname,computer\npc1,PC1", [{"device_name": "pc1"}]),
    "a row without its comment": ("hostname,comment\npc1,CHG-1\npc2", [{"device_name": "pc1", "comment": "CHG-1"}, {"device_name": "pc2"}]),
    "a row without cells after its name": ("hostname,room,comment\npc1,3,x\npc2", [{"device_name": "pc1", "comment": "x"}, {"device_name": "pc2"}]),
    "Intune": (
        "Device ID,Device name,Managed by,Azure AD Device ID,OS,Serial number,Primary user UPN\n"
        f"{GB},pc-0101,Intune,{GA},Windows,1234,sam@corp.example\n",
        [{"aad_device_id": GA, "device_name": "pc-0101"}],
    ),
    "Intune in Graph": (
        {"value": [{"id": GB, "userId": GB, "deviceName": "pc-0101", "azureADDeviceId": GA, "serialNumber": "1"}]},
        [{"aad_device_id": GA, "device_name": "pc-0101"}],
    ),
    "the CSV of the Entra admin center": (
        "displayName,accountEnabled,operatingSystem,joinType (trustType),registeredOwners,isCompliant,deviceId,objectId,profileType\n"
        f"PC-0101,True,Windows,Azure AD joined,sam,True,{GA},{GB},RegisteredDevice\n",
        [{"aad_device_id": GA, "device_name": "PC-0101"}],
    ),
    "Get-MgDevice": (
        f"Id,DeviceId,DisplayName,TrustType\n{GB},{GA},PC-0101,AzureAd", [{"aad_device_id": GA, "device_name": "PC-0101"}]
    ),
    "Get-MgDevice with its default columns": (
        f"Id,DeviceId,DisplayName\n{GB},{GA},PC-0101", [{"aad_device_id": GA, "device_name": "PC-0101"}]
    ),
    "Get-AzureADDevice": (
        f"ObjectId,DeviceId,DisplayName\n{GB},{GA},PC-0101", [{"aad_device_id": GA, "device_name": "PC-0101"}]
    ),
    "devices of Graph": (
        {"value": [{"id": GB, "deviceId": GA, "displayName": "PC-0101", "trustType": "AzureAd", "physicalIds": []}]},
        [{"aad_device_id": GA, "device_name": "PC-0101"}],
    ),
    "hunting in Defender": (
        {"Stats": {}, "Schema": [{"Name": "DeviceId"}], "Results": [{"DeviceId": A, "DeviceName": FULL, "ReportId": 7}]},
        [{"device_id": A, "device_name": FULL}],
    ),
    "hunting in Graph": (
        json.dumps({"schema": [{"name": "DeviceId"}], "results": [{"DeviceId": A, "DeviceName": FULL}]}),
        [{"device_id": A, "device_name": FULL}],
    ),
    "device evidence of an alert": (
        [{"hostName": "pc-0101", "deviceDnsName": FULL, "mdeDeviceId": A, "azureAdDeviceId": GA}],
        [{"device_id": A, "device_name": FULL}],
    ),
    "a result of uri": (
        {"json": {"@odata.context": "x", "value": [{"id": A, "computerDnsName": FULL}]}, "status": 200, "url": "https://x.example"},
        [{"device_id": A, "device_name": FULL}],
    ),
    "results of uri in a loop": (
        {"results": [{"item": 1, "json": {"value": [{"id": A}]}}, {"item": 2, "json": {"id": B, "computerDnsName": "b"}}]},
        [{"device_id": A}, {"device_id": B, "device_name": "b"}],
    ),
    "any ID in a record of the service": ([{"id": "dev-7", "computerDnsName": "lab/7+8"}], [{"device_id": "dev-7", "device_name": "lab/7+8"}]),
    "the ID of an action": (
        f"id,type,machineId,computerDnsName\n{GB},Offboard,{A},{FULL}", [{"device_id": A, "device_name": FULL}]
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "devices"), UNDERSTOOD.values(), ids=UNDERSTOOD.keys())
def test_all_headers_of_an_export_together_decide(given: object, devices: Devices) -> None:
    assert parse(given) == devices


REFUSED: dict[str, tuple[object, tuple[str, ...]]] = {
    "GUIDs under Device ID, without an Entra column": (f"Device ID,Device name\n{GA},pc1", ("line 2", "Entra or Intune")),
    "different names": ("Name,DNSHostName\npc1,pc2.corp.example", ("line 2", "'pc1' (Name)", "columns")),
    "two full names": ("hostname,fqdn\npc1.a,pc1.b", ("line 2", "conflicting")),
    "an IP address has no first label": ("hostname,dnsname\n10,10.1.2.3", ("line 2", "conflicting")),
    "a row without the cell of its last identifier": (f"Device name,Device ID\npc1,{A}\npc2", ("line 3", "found 1")),
    "an unquoted separator in a cell": ("Owner,Computer,Note\nDoe, John,pc1,", ("line 2", "found 4")),
    "a table without a known header": (f"Asset;Guid\npc1;{GA}", ("line 1", "'Asset', 'Guid'", "columns", "mde_columns")),
    "the same in tabs": (f"Asset\tRoom\npc1\t{A}", ("line 1", "'Asset', 'Room'")),
    "records without a known key": ([{"asset": "pc1", "guid": GA}], ("entry 1", "'asset', 'guid'", "no device")),
    "an ID of 40 digits in an Entra export": (f"deviceId,objectId\n{A},{GA}", ("line 2", "Entra device ID")),
    "two different IDs under known headers": (f"Device ID,MDE device ID\n{A},{B}", ("line 2", "conflicting")),
    "an ID as name": (f"Computer,Room\n{GA},3", ("line 2", "name is expected")),
    "an unknown header of one column": (f"Successor\n{A}\n{B}", ("line 1", "'Successor'", "header or a device")),
    "the same above full names": ("Manager\npc1.corp.example", ("line 1", "header or a device", "comma")),
    "the same above names with digits": ("\n Owner\npc1\npc2", ("line 2", "header or a device")),
    "the same in quotes above IDs": (f'"Replaced by"\n"{A}"', ("line 1", "header or a device")),
    "the same with a digit": (f"SHA1\n{A}", ("line 1", "header or a device")),
    "a hidden name": ("Device name,Room\npc-********,3", ("line 2", "secret")),
    "a hidden ID": ([{"device_id": "********"}], ("entry 1", "secret")),
    "a hidden word": ("pc1\n********", ("line 2", "secret")),
    "half a character in a name": ('[{"device_name": "pc\\ud83d"}]', ("entry 1", "device_name", "\\ud83d")),
    "half a character in a comment": ('[{"device_name": "pc1", "comment": "\\ud83d"}]', ("entry 1", "comment")),
    "a control character in a name": ([{"device_name": "pc\x071"}], ("entry 1", "control characters")),
    "an ID as a number": ([{"id": int("1" * 40), "computerDnsName": "pc1"}], ("entry 1", "quotes")),
}  # fmt: skip


@pytest.mark.parametrize(("given", "parts"), REFUSED.values(), ids=REFUSED.keys())
def test_columns_that_the_headers_do_not_identify_are_an_error_with_a_solution(
    given: object, parts: tuple[str, ...]
) -> None:
    message = parse_error(given)
    assert [part for part in parts if part not in message] == [], message


CHOSEN = [
    {"device_name": "Rechner"},
    '{"device_name": "Rechner"}',
    "{device_name: Rechner}",
    "device_name: Rechner",
    "device_name=Rechner",
    " device_name : 'Rechner' ; ",
    "device_name: rechner\n",
]


@pytest.mark.parametrize("columns", CHOSEN, ids=str)
def test_only_the_columns_that_the_user_names_are_used(columns: object) -> None:
    text = f"Name;Rechner;Device ID\nSam;{FULL};{A}\n"
    assert parse(text, columns=columns) == [{"device_name": FULL}]
    record = {"Name": "Sam", "Rechner": FULL, "Device ID": A, "n": 7}
    if columns != CHOSEN[-1]:
        assert parse([record], columns) == parse(json.dumps({"value": [record]}), columns) == [{"device_name": FULL}]


def test_columns_can_name_every_field() -> None:
    columns = "device_id=Kennung, device_name=Rechner, aad_device_id=Entra, comment=Grund"
    text = f"Grund|Entra|Rechner|Kennung\nalt|{GA}|Sam's Mac|{A}\n|||{B}"
    assert parse(text, columns) == [
        {"device_id": A, "aad_device_id": GA, "device_name": "Sam's Mac", "comment": "alt"},
        {"device_id": B},
    ]


def test_a_column_that_the_user_names_can_have_its_accents_in_another_encoding() -> None:
    text = "Grund; Ticket,Gera\u0308t\nalt; 7,pc1"
    assert parse(text, columns={"device_name": "gerät"}) == [{"device_name": "pc1"}]


def test_empty_columns_select_nothing() -> None:
    for columns in (None, "", "  ", {}, {"device_id": None, "comment": ""}):
        assert parse("hostname\npc1", columns=columns) == [{"device_name": "pc1"}]


@pytest.mark.parametrize(
    ("given", "columns", "parts"),
    [
        ("Host;Room\npc1;3", "device_name=Rechner", ("'Rechner'", "missing", "'Host', 'Room'")),
        ("Host;Host\npc1;3", "device_name=Host", ("'Host'", "occurs twice")),
        ("host;HOST\npc1;3", "device_name=Host", ("'Host'", "occurs twice")),
        ([{"Host": "pc1"}, {"Host": "pc2"}], "device_name=Rechner", ("entry 1", "'Rechner'", "missing")),
        ("pc1\npc2", "device_name=Rechner", ("line 1", "'Rechner'", "missing", "'pc1'")),
        ("Host\npc1", "name=Host", ("'name'", "device_name")),
        ("Host\npc1", "comment=Host", ("no field that identifies", "device_name")),
        ("Host\npc1", "device_id=Host,device_name=Host", ("same header",)),
        ("Host\npc1", "Host", ("columns", "not a mapping")),
        ("Host\npc1", ["Host"], ("columns", "not a mapping")),
        ("Host\npc1", 7, ("columns", "7")),
        ("Host\npc1", {"device_name": 7}, ("columns", "device_name", "7")),
        ("Host\npc1", "{device_name: [", ("cannot be parsed",)),
        ("Host\npc1", "device_name=Host,device_name=Room", ("Duplicate key",)),
        (f"Host\n{A}", "device_name=Host", ("line 2", "name is expected")),
        ("Id\nx y", "device_id=Id", ("line 2", "device_id")),
    ],
)
def test_invalid_columns_are_an_error(given: object, columns: object, parts: tuple[str, ...]) -> None:
    message = parse_error(given, columns=columns)
    assert [part for part in parts if part not in message] == [], message


def test_a_key_that_only_some_records_have_is_not_missing() -> None:
    given = [{"pc": "pc1", "why": "CHG-1"}, {"pc": "pc2"}]
    assert parse(given, {"device_name": "pc", "comment": "why"}) == [
        {"device_name": "pc1", "comment": "CHG-1"},
        {"device_name": "pc2"},
    ]


def test_ansible_reports_undefined_columns() -> None:
    with pytest.raises(UndefinedError, match="mapping"):
        parse("pc1", columns=StrictUndefined(name="mapping"))


NAMES = [
    "Sam Example iPad Air 17zoll (2ndgeneration)",
    "Sam\u2019s MacBook",
    "Sam's MacBook",
    "lab/7+8",
    "10.1.2.3",
    "4711",
    "2026-01-31",
    "00-1A-2B-3C-4D-5E",
    "Kim\u00a0Phone",
    "\U0001f469\u200d\U0001f4bb phone",
    'a "quoted" name',
    "'x'",
    '"y"',
    "# 7",
    "a, b; c|d",
    "=1+1",
    "{{ braces }}",
    "caf\u00e9",
    "cafe\u0301",
    "Sam Inc.",
    "x" * 255,
]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_that_the_service_can_write_is_accepted(name: str) -> None:
    wanted = [{"device_id": A, "device_name": name}]
    record = {"id": A, "computerDnsName": name}
    assert parse([record]) == parse(json.dumps({"value": [record]})) == wanted
    assert parse([{"device_name": name}]) == [{"device_name": name}]
    assert parse({"device_id": A, "device_name": name}) == wanted
    for delimiter in ",;\t|":
        text = io.StringIO()
        csv.writer(text, delimiter=delimiter).writerows([["Device ID", "Device name"], [A, name]])
        assert parse(text.getvalue()) == wanted
    if not any(c in name for c in ",;\t"):
        assert parse(json.dumps([name, "pc1"])) == [{"device_name": name}, {"device_name": "pc1"}]


def test_json_and_csv_evidence_return_its_devices_with_their_names() -> None:
    ids = [f"{number:040x}" for number in range(len(NAMES))]
    rows = [
        {
            "requested": {"device_id": one},
            "outcome": "submitted",
            "device_id": one,
            "device_name": name,
            "comment": "old",
        }
        for one, name in zip(ids, NAMES, strict=True)
    ]
    document = evidence(rows)
    wanted = [{"device_id": one, "device_name": name} for one, name in zip(ids, NAMES, strict=True)]
    assert parse(json.dumps(document)) == wanted
    assert parse(render(document)) == wanted


def test_a_name_in_quotes_can_have_spaces_and_a_word_without_quotes_cannot() -> None:
    assert parse('"Sam iPad"\npc1') == [{"device_name": "Sam iPad"}, {"device_name": "pc1"}]
    assert parse("'Sam iPad', \"10.1.2.3\"") == [{"device_name": "Sam iPad"}, {"device_name": "10.1.2.3"}]
    assert parse("\u201cSam\u2019s iPad\u201d") == [{"device_name": "Sam\u2019s iPad"}]
    for bare in ("Sam iPad", "10.1.2.3", "lab/7+8"):
        assert "line 1" in parse_error(f"{bare}\npc1")
    for several in ('"pc1, pc2"\npc3', '"pc1" "pc2"\npc3', '"pc1;pc2"'):
        assert "line 1" in parse_error(several)


def test_a_name_without_digits_is_a_device_if_it_cannot_be_a_header() -> None:
    for text in ("kiosk,\npc1,", "- kiosk\n- pc1", "pc1\nkiosk", "kiosk\nfront\npc1", "kiosk"):
        assert {"device_name": "kiosk"} in parse(text)


def test_names_that_differ_in_a_letter_are_two_devices_and_other_encodings_of_a_name_are_one() -> None:
    for one, other in (("voss-mac", "vo\u00df-mac"), ("k1", "\u212a1"), ("\u00e51", "\u212b1"), ("\u03c9", "\u2126")):
        assert len(parse([{"device_name": one}, {"device_name": other}])) == 2
    assert len(parse([{"device_name": "caf\u00e9"}, {"device_name": "CAFE\u0301"}])) == 1
    assert len(parse([{"device_id": A}, {"device_id": A.upper()}, {"device_id": A}])) == 2


@pytest.mark.parametrize("rstrip", [True, False])
@pytest.mark.parametrize("end", ["\r\n", "\n", ""])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_a_file_can_be_utf_8_or_utf_16_with_a_byte_order_mark(
    tmp_path: Path, encoding: str, end: str, rstrip: bool
) -> None:
    text = f"Gerätename;Grund\r\nbüro-09.corp.example;x\r\nsrv-2;{'ö' * 9}{end}"
    mark = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff"}.get(encoding, b"")
    file = tmp_path / "list.csv"
    file.write_bytes(mark + text.encode(encoding))
    assert parse(file_lookup(file, rstrip)) == [{"device_name": "büro-09.corp.example"}, {"device_name": "srv-2"}]


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "utf-16-be", "utf-32", "latin-1"])
def test_a_file_in_another_encoding_is_an_error_with_a_solution(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "list.csv"
    file.write_bytes("pc1\nbüro-09\n".encode(encoding))
    message = parse_error(file_lookup(file))
    assert "Save the file as UTF-8" in message
    assert "line " in message
    file.write_bytes(b"\xff\xfep\x00c\x001")  # half of the last character is missing
    assert "Save the file as UTF-8" in parse_error(file_lookup(file))


def file_lookup(file: Path, rstrip: bool = True) -> str:
    """Return the text that the lookup of the documented example returns."""
    lookup = lookup_loader.get("file", loader=DataLoader())
    [text] = lookup.run([str(file)], variables={}, rstrip=rstrip)
    return t.cast("str", text)


FOREIGN: dict[str, t.Callable[[int], object]] = {
    "a line of dashes with a letter": lambda size: f"Computer;A\n{'-' * size}x;b",
    "combining characters": lambda size: "Computer;A\npc-1;a" + "\u0301\u0316" * size,
    "combining characters in a header": lambda size: "Computer;A" + "\u0301\u0316" * size + "\npc-1;a",
    "an object of many keys": lambda n: "{" + ",".join(f'"k{i}": 1' for i in range(n)) + ', "k0": 2}',
    "a record of many keys": lambda n: {f"k{i}": "x" for i in range(n)},
    "lists in lists": lambda n: [[f"a b {i}"] for i in range(n // 10)],
    "a row of many cells": lambda n: "hostname" + "," * n + "\npc1" + "," * n,
    "many headers of one field": lambda n: "hostname," * n + "x\n" + "pc1," * n + "y",
    "a long line": lambda n: "a " * n,
    "many dots": lambda n: "a." * n + "!",
    "many bullets": lambda n: "- " * n,
    "many invalid rows": lambda n: "Device ID\n" + "x\n" * n,
    "many quotes": lambda n: '"' * n,
    "many surrogates": lambda n: "\udce9" * n,
    "a long number": lambda n: "1" * n + "E+",
    "a long URL": lambda n: "https://x.example/machines/" * n,
}


@pytest.mark.parametrize("make", FOREIGN.values(), ids=FOREIGN.keys())
def test_the_time_is_linear_in_the_size_of_the_text(make: t.Callable[[int], object]) -> None:
    def cost(size: int) -> float:
        given, began = make(size), time.process_time()
        with contextlib.suppress(AnsibleFilterError):
            parse(given)
        return time.process_time() - began

    cost(100)
    assert cost(20_000) < 40 * cost(2_000) + 0.5
