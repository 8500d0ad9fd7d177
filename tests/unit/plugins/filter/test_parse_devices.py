# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The devices or the error that parse_devices returns for texts and data."""

from __future__ import annotations

import builtins
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from jinja2 import StrictUndefined, UndefinedError

from ansible_collections.secops.mde.plugins.module_utils._offboarding.parameters import OffboardParameters
from ansible_collections.secops.mde.plugins.modules.mde_offboard import OPTIONS
from ansible_collections.secops.mde.tests.unit.support.device_lists import Devices, parse, parse_error

ID1 = "a10100000000000000000000000000000000c0de"
ID2 = "A10200000000000000000000000000000000C0DE"
GUID = "11112222-bbbb-3333-cccc-4444dddd5555"
ZEROS = "00000000-0000-0000-0000-000000000000"
PAGE = f"https://security.microsoft.com/machines/v2/{ID1}/overview?tid=7e9d3c54-1b2a-4c3d-8e4f-001122334455"


def named(*names: str) -> Devices:
    return [{"device_name": name} for name in names]


def with_id(*ids: str) -> Devices:
    return [{"device_id": device_id} for device_id in ids]


BOTH = [{"device_id": ID1, "device_name": "pc-0101.corp.example"}, {"device_id": ID2, "device_name": "pc-0102"}]

# The export of the device inventory, with many other columns.
PORTAL = (
    '"Device ID","Device name","Domain","First seen","Last device update","OS platform","OS version","Health status",'
    '"Onboarding status","Device AAD id","Managed by","Tags"\r\n'
    f'"{ID1}","pc-0101.corp.example","corp.example","2025-03-01T08:00:00Z","2026-01-31T10:11:12Z","Windows11","23H2",'
    f'"Active","Onboarded","{GUID}","Intune","wave-1, Finance"\r\n'
    f'"{ID2}","pc-0102","Workgroup","2025-03-02T08:00:00Z","2026-01-30T10:11:12Z","Windows10","22H2",'
    '"Inactive","Onboarded","","MDE",""\r\n'
)
EXCEL = (
    "\ufeffTags;Device name;OS platform;Device ID\r\n"
    f'"Owner: Sam\nRoom 3; second floor";pc-0101.corp.example;Windows11;{ID1}\r\n'
    f";pc-0102;Windows10;{ID2}\r\n"
    ";;;\r\n"
)

READ: dict[str, tuple[object, Devices]] = {
    # Nothing
    "no value": (None, []),
    "text of spaces": (" \r\n\t\n\u00a0", []),
    "comments only": ("# nothing yet\n\n  # nor here", []),
    "an empty list": ([], []),
    "a list of empty values": ([None, "", []], []),
    "a response without devices": ({"value": []}, []),
    "an export without devices": (PORTAL.splitlines()[0], []),
    "a header of one column without devices": ("Hostname", []),
    "names, one of which could be a header": ("host, alpha, beta", named("host", "alpha", "beta")),
    # Plain text
    "a short name": ("pc1", named("pc1")),
    "a full name with a dot at the end": ("pc1.corp.example.", named("pc1.corp.example")),
    "names with all characters of host names": ("o'brien_pc-1\nbüro-09.corp.example", named("o'brien_pc-1", "büro-09.corp.example")),
    "a device ID": (ID1, with_id(ID1)),
    "an Entra device ID": (GUID, [{"aad_device_id": GUID}]),
    "an Entra device ID in braces": (f"{{{GUID}}}\npc1", [{"aad_device_id": GUID}, *named("pc1")]),
    "the URL of a device page": (PAGE, with_id(ID1)),
    "one per line, of all kinds": (f"pc1\n{ID1}\n{GUID}\n", [*named("pc1"), *with_id(ID1), {"aad_device_id": GUID}]),
    "line ends of Windows and classic Mac OS": ("pc1\r\npc2\rpc3", named("pc1", "pc2", "pc3")),
    "a byte order mark and other characters without width": ("\ufeffpc1\u200b\n\u200epc2", named("pc1", "pc2")),
    "no-break spaces": ("\u00a0pc1\u00a0\n\u202fpc2", named("pc1", "pc2")),
    "empty lines and comments": ("# list\n\npc1  # of Sam\n   \npc2\t#x", named("pc1", "pc2")),
    "bullets": ("- pc1\n* pc2\n• pc3\n1. pc4\n2) pc5", named("pc1", "pc2", "pc3", "pc4", "pc5")),
    "quotes": ("\"pc1\"\n'pc2'\n`pc3`\n\u201cpc4\u201d", named("pc1", "pc2", "pc3", "pc4")),
    "commas at the ends of lines": ("'pc1',\n'pc2',\npc3;", named("pc1", "pc2", "pc3")),
    "commas at the ends of lines, and an ID below a name without digits": (f"alpha,\n{ID1},", [*named("alpha"), *with_id(ID1)]),
    "the same with more separators": (f"alpha,;\n{ID1},", [*named("alpha"), *with_id(ID1)]),
    "the same with comments": (f"alpha, # Sam\n{ID1}, # Kim", [*named("alpha"), *with_id(ID1)]),
    "one line with commas": ("pc1, pc2,pc3,", named("pc1", "pc2", "pc3")),
    "one line with semicolons": (f"{ID1}; {ID2}", with_id(ID1, ID2)),
    "names without digits in a line with commas": ("alpha, beta", named("alpha", "beta")),
    "one line with spaces, each name with a digit": ("pc1 srv-02.corp.example", named("pc1", "srv-02.corp.example")),
    "one line with tabs": ("pc1\tpc2", named("pc1", "pc2")),
    "IDs on one line with spaces": (f"{GUID} {GUID[:-1]}6", [{"aad_device_id": GUID}, {"aad_device_id": f"{GUID[:-1]}6"}]),
    "a repeated name": ("pc1\nPC1.\npc2", named("pc1", "pc2")),
    # Tables
    "the export of the portal": (PORTAL, BOTH),
    "the same after a spreadsheet": (EXCEL, BOTH),
    "the same with tabs": (PORTAL.replace(",", "\t").replace("wave-1\t", "wave-1,"), BOTH),
    "with the separator line for spreadsheets": (f"sep=;\n{EXCEL[1:]}", BOTH),
    "with the type line of PowerShell": ("#TYPE Selected.Object\n" + PORTAL, BOTH),
    "rows that start with a number sign": (EXCEL.replace("\r\n;pc-0102", "\r\n#;pc-0102"), BOTH[:1]),
    "a number sign in a cell in quotes": ('Tags,Host\n"#vip",pc1\n"",pc2', named("pc1", "pc2")),
    "advanced hunting": (f"Timestamp,DeviceId,DeviceName\n2026-01-01,{ID1},pc-0101.corp.example", BOTH[:1]),
    "the field names of the service": (f"id,computerDnsName,lastSeen\n{ID1},pc-0101.corp.example,x", BOTH[:1]),
    "headers in another spelling": (f"DEVICE_ID | Device-Name\n{ID1} | pc-0101.corp.example", BOTH[:1]),
    "German headers": (f"Geräte-ID;Gerätename\n{ID1};pc-0101.corp.example", BOTH[:1]),
    "French headers": (f"ID de l'appareil;Nom de l\u2019appareil\n{ID1};pc-0101.corp.example", BOTH[:1]),
    "a name next to an ID": (f"Name,Device ID\npc1,{ID1}", [{"device_id": ID1, "device_name": "pc1"}]),
    "only a column Name": ("Name;Room\npc1;3", named("pc1")),
    "a column ID of numbers": ("ID;Hostname\n7;pc1", named("pc1")),
    "one column": ("Device name\npc1\n\npc2\n", named("pc1", "pc2")),
    "one column Device with IDs": (f"Device\n{ID1}\n{ID2}", with_id(ID1, ID2)),
    "cells that a spreadsheet does not convert": (f'Device ID,Host\n"=""{ID1}""",pc1', [{"device_id": ID1, "device_name": "pc1"}]),
    "URLs in the column of IDs": (f"Device ID,Room\n{PAGE},3", with_id(ID1)),
    "an Entra device ID in a row without a device ID": (
        f"Device ID,Device AAD id\n{ID1},{GUID}\n,{GUID}",
        [*with_id(ID1), {"aad_device_id": GUID}],
    ),
    "zeros instead of an Entra device ID": (f"Device name,Entra Device ID\npc1,{ZEROS}", named("pc1")),
    "an Entra device ID under the name of the option": (
        f"device_id,aad_device_id\n{ID1},{GUID}",
        [{"device_id": ID1, "aad_device_id": GUID}],
    ),
    "a comment for each device": ("hostname,comment\npc1,CHG-1 stolen\npc2,", [{"device_name": "pc1", "comment": "CHG-1 stolen"}, *named("pc2")]),
    "a header that is repeated": (f"{EXCEL}{EXCEL[1:]}", BOTH),
    "thumbprints": (f"Hostname,Thumbprint\npc1,{ID1}", named("pc1")),
    # JSON, YAML and data
    "a list in JSON": ('["pc1", "pc2"]', named("pc1", "pc2")),
    "a list in the notation of Python": ("['pc1', 'pc2']", named("pc1", "pc2")),
    "a list of YAML": ("---\n- pc1\n- 'pc2'  # of Sam\n", named("pc1", "pc2")),
    "the format of the option": ("devices:\n  - device_name: pc1\n    comment: CHG-1\n", [{"device_name": "pc1", "comment": "CHG-1"}]),
    "digits and words in YAML": ("- device_name: 0123e4\n- device_name: no\n  comment: ~", named("0123e4", "no")),
    "records of YAML whose first value is empty": (
        f"- device_name: ''\n  device_id: {ID1}\n- device_name: ''\n  aad_device_id: {GUID}",
        [*with_id(ID1), {"aad_device_id": GUID}],
    ),
    "a record of YAML whose first value is null": ("- device_id:\n  device_name: pc1", named("pc1")),
    "a header that ends with a colon": ("Device name:\npc1\npc2", named("pc1", "pc2")),
    "names that a comment removes": ("Device name\npc1\n#PC2\n#N/ABC\n# see wave 3!", named("pc1")),
    "a form with one device": (f"Device name: pc1\nDevice ID: {ID1}\nRoom: 3", [{"device_id": ID1, "device_name": "pc1"}]),
    "a response of the service": (
        {"@odata.context": "x", "value": [{"id": ID1, "computerDnsName": "pc-0101.corp.example", "aadDeviceId": GUID}]},
        BOTH[:1],
    ),
    "machine actions": ({"machine_actions": [{"id": GUID, "machineId": ID1, "computerDnsName": "pc-0101.corp.example"}]}, BOTH[:1]),
    "a device that an earlier run found": (
        {"devices": [{"outcome": "submitted", "requested": {"device_name": "pc-0101"}, **BOTH[0], "action": {"id": GUID}}]},
        BOTH[:1],
    ),
    "a device that an earlier run did not find": (
        [{"outcome": "not_found", "requested": {"device_name": "pc9", "device_id": None, "comment": "old"}, "device_id": None}],
        named("pc9"),
    ),
    "records and names in one list": (["pc1", {"hostname": "pc2", "rack": 7, "id": 12}], named("pc1", "pc2")),
    "keys with the names of the options": (
        {"device_id": "a1", "device_name": "pc1", "aad_device_id": GUID, "other": 1},
        [{"device_id": "a1", "device_name": "pc1", "aad_device_id": GUID}],
    ),
    "lists in lists": ([["pc1"], [["pc2"]], ("pc3",)], named("pc1", "pc2", "pc3")),
    "lines split by Ansible": (PORTAL.splitlines(), BOTH),
    "an iterator, as select returns it": (iter(["pc1", "pc2"]), named("pc1", "pc2")),
    "a repeated record, and one with another comment": (
        [{"device_name": "pc1"}, {"device_name": "PC1"}, {"device_name": "pc1", "comment": "CHG-1"}],
        [*named("pc1"), {"device_name": "pc1", "comment": "CHG-1"}],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "devices"), READ.values(), ids=READ.keys())
def test_clear_input_returns_the_devices(given: object, devices: Devices) -> None:
    assert parse(given) == devices


@pytest.mark.parametrize(("given", "devices"), [v for k, v in READ.items() if "an iterator" not in k])
def test_the_module_and_the_filter_accept_every_returned_list(given: object, devices: Devices) -> None:
    found = parse(given)
    assert parse(found) == found
    absent = dict.fromkeys(OPTIONS) | {"wait_timeout": 1, "wait_sleep": 1, "concurrency": 1}
    parameters = OffboardParameters.from_options({**absent, "devices": found, "comment": "CHG-1"}, check_mode=True)
    assert len(parameters.requests) == len(devices)


REFUSED: dict[str, tuple[object, tuple[str, ...]]] = {
    # Text
    "a sentence": ("please retire the following", ("line 1", "'please retire the following'", "sentence")),
    "a sentence with a device": ("do not retire pc-0101", ("line 1", "sentence")),
    "a sentence with commas": ("Keep pc1, retire pc2", ("line 1", "' '")),
    "a sentence above the devices": ("Dear all, please retire\npc1", ("line 1", "Dear all")),
    "an old and a new device on each line": ("pc1 pc2\npc3 pc4", ("line 1", "line 2", "more than one word")),
    "a table without a header": ("pc1;Sam\npc2;Kim", ("line 1", "header")),
    "an ID and a name on one line": (f"{ID1}, pc1", ("line 1", "mixed on one line")),
    "a title in the style of YAML": ("Devices to retire:\npc1", ("YAML",)),
    "an ID without its last digit": (ID1[:-1], ("line 1", "39 digits")),
    "an ID with an additional digit": (f"pc1\n{ID1}0", ("line 2", "41 digits")),
    "a GUID without one of its braces": (f'["{{{GUID}"]', ("entry 1", "Entra device ID")),
    "a GUID without its last digit": (GUID[:-1], ("line 1", "31 digits")),
    "an ID that a spreadsheet converted": ("1.23E+39", ("line 1", "spreadsheet")),
    "an ID that a German spreadsheet converted": ("Device ID;Host\n1,23E+39;pc1", ("line 2", "spreadsheet")),
    "a truncated name": ("pc-01...", ("line 1", "'pc-01...'")),
    "a truncated name with an ellipsis": ("pc-01…", ("line 1", "'…'")),
    "a name on two lines": ("pc-\n01", ("line 1", "line 2")),
    "a wildcard": ("pc*", ("line 1", "'*'")),
    "an IP address": ("10.1.2.3", ("line 1", "IP address")),
    "a MAC address": ("00-1A-2B-3C-4D-5E", ("line 1", "MAC address")),
    "a number": ("4711", ("line 1", "number")),
    "a date": ("2026-01-31", ("line 1", "date")),
    "an email address": ("sam@corp.example", ("line 1", "'@'")),
    "a name with a Windows domain": ("CORP\\pc1", ("line 1", "not allowed")),
    "a dash instead of a hyphen": ("pc\u20131", ("line 1", "\u2013")),
    "the URL of another page": ("https://security.microsoft.com/alerts/da6", ("line 1", "portal")),
    "a URL with a short ID": ("https://security.microsoft.com/machines/v2/a1", ("line 1", "portal")),
    "an Entra device ID of zeros": (ZEROS, ("line 1", "zeros")),
    "an unclosed quote": ('"pc1', ("line 1",)),
    "a formula": ("=HYPERLINK(1)", ("line 1", "not allowed")),
    "text in UTF-16": ("p\x00c\x001\x00", ("line 1", "control character", "UTF-8")),
    "a long word": ("x" * 300, ("line 1", "255")),
    "a very long word": ("x" * 5000, ("line 1", "255")),
    "a very long text": ("pc1\n" * 5_000_001, ("exceeds",)),
    "many invalid lines": ("?\n" * 20, ("line 5", "15 more")),
    # Tables
    "two IDs in a row": (f"Device ID,Machine ID\n{ID1},{ID2}", ("line 2", "conflicting", "(Device ID)", "(Machine ID)")),
    "two names in a row": ("Name,Computer\nSam,pc1", ("line 2", "'Sam' (Name) and 'pc1' (Computer)", "set columns")),
    "a table in an unknown language": (f"Ένα;Δύο\n{ID1};pc1", ("line 1", "none of the headers 'Ένα', 'Δύο'", "set columns")),
    "a header with a device": (f"Device ID,{GUID}\n{ID1},x", ("line 1", "header or a device")),
    "no column that identifies a device": ("id;room\n1;2\n", ("none of the columns",)),
    "a row with more cells than the header": ("Device name,Room\npc1,3\npc2,4,5", ("line 3", "found 3")),
    "a row with an additional empty cell": ("Device name,Room\npc1,3\npc2,4,", ("line 3", "found 3")),
    "a row without the cell of an identifier": (f"Device name,Room,Device ID\npc1,3,{ID1}\npc2,4", ("line 3", "found 2")),
    "a row without a device": ("Device name,Room\n,3", ("line 2", "no device identifier")),
    "a damaged ID in the column of IDs": (f"id,name\n{ID1},pc1\n{ID2[:-1]},pc2", ("line 3", "39 digits")),
    "a name in the column of IDs": ("Device ID,Owner\npc1,Sam", ("line 2", "40 hexadecimal digits")),
    "Intune IDs in the column of IDs": (f"Device name,Device ID\npc1,{GUID}", ("line 2", "Intune")),
    "an ID in the column of names": (f"Device name,Room\n{ID1},3", ("line 2", "name is expected")),
    "two devices in a cell": (f"Device ID,Room\n{PAGE} {PAGE},3", ("line 2", "page in the portal")),
    "two lines in a cell": ('Device name,Room\n"pc1\npc2",3', ("line 2", "line breaks")),
    "the line number of the file, despite line breaks in cells": (
        EXCEL.replace(ID2, ID2[:-1]), ("line 4", "39 digits")
    ),
    "an incomplete table": ('Device name,Room\npc1,"3', ("is incomplete",)),
    "an invalid Entra device ID": ("Device name,Entra device ID\npc1,x", ("line 2", "Entra device ID")),
    # Data
    "neither JSON nor YAML": ('{"devices": [', ("cannot be parsed",)),
    "a number instead of a device": ('["pc1", 4711]', ("entry 2", "4711", "quotes")),
    "a number instead of an ID": ({"deviceId": 10**39}, ("entry 1", "quotes")),
    "a bare number": (4711, ("4711",)),
    "bytes": (b"pc1", ("not a string",)),
    "a record without a device": ([{"rack": 7}], ("entry 1", "rack", "no device identifier")),
    "an Intune record": ([{"deviceId": GUID, "deviceName": "pc1"}], ("entry 1", "Intune")),
    "a record with two names": ([{"hostname": "pc1", "computerDnsName": "pc2"}], ("entry 1", "conflicting")),
    "a record with a truncated ID": ({"id": ID1[1:], "computerDnsName": "pc1"}, ("entry 1", "39 digits")),
    "a value that the module rejects": ({"aad_device_id": "x"}, ("entry 1", "GUID")),
    "a comment without a device": ({"device_id": " ", "comment": "CHG-1"}, ("entry 1", "no device identifier")),
    "an invalid Entra device ID and an empty name": ([{"device_name": "", "aad_device_id": ZEROS[:-1]}], ("entry 1", "GUID")),
    "an ambiguous string among records": ([{"hostname": "pc1"}, "a b"], ("entry 2", "sentence")),
    "a result without a device": ([{"outcome": "error", "requested": {}}], ("entry 1", "no device identifier")),
    "a device with a list of devices": ({"hostname": "pc1", "devices": ["sda1"]}, ("hostname", "devices")),
    "two lists": ({"devices": ["pc1"], "machines": ["pc2"]}, ("devices, machines",)),
    "a duplicate key": ('{"device_name": "pc1", "device_name": "pc2"}', ("Duplicate key 'device_name'",)),
    "a duplicate key in YAML": ("device_name: pc1\ndevice_name: pc2", ("Duplicate key 'device_name'",)),
    "YAML aliases": ("a: &a [x]\nb: [*a, *a]", ("aliases",)),
    "YAML tags": ("devices: !!python/name:os.system", ("tags",)),
    "deeply nested lists": ("[" * 50_000, ("nested too deeply",)),
    "deeply nested mappings": ("- " * 5000 + "a: b", ("nested too deeply",)),
    "a long text that is not JSON": ("[" + "x" * 1_000_001, ("not valid JSON",)),
}  # fmt: skip


@pytest.mark.parametrize(("given", "parts"), REFUSED.values(), ids=REFUSED.keys())
def test_invalid_or_ambiguous_input_is_an_error_with_place_and_reason(given: object, parts: tuple[str, ...]) -> None:
    message = parse_error(given)
    assert [part for part in parts if part not in message] == [], message


def test_data_that_contains_itself_is_an_error() -> None:
    recursive: list[t.Any] = [{"device_name": "pc1"}]
    recursive.append(recursive)
    with pytest.raises(AnsibleFilterError, match="nested too deeply"):
        parse(recursive)


def test_ansible_reports_an_undefined_variable() -> None:
    with pytest.raises(UndefinedError, match="survey"):
        parse(StrictUndefined(name="survey"))


def test_strings_of_ansible_become_plain_strings() -> None:
    class Tagged(str):
        """A string subclass like those with which Ansible marks the origin of a string."""

        __slots__ = ()

    for given in (Tagged("pc1"), [Tagged("pc1")], [{Tagged("device_name"): Tagged("pc1")}], Tagged('["pc1"]')):
        assert [{type(key): type(value)} for device in parse(given) for key, value in device.items()] == [{str: str}]


def test_without_pyyaml_json_works_and_yaml_is_an_error_that_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: t.Any, **kwargs: t.Any) -> t.Any:
        if name == "yaml":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert parse('["pc1"]') == named("pc1")
    with pytest.raises(AnsibleFilterError, match="PyYAML is missing"):
        parse("devices:\n  - device_name: pc1")
