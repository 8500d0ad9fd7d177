# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Whatever people paste: a table of texts and data, and what devices they give, or why none."""

from __future__ import annotations

import builtins
import typing as t

import pytest
from ansible.errors import AnsibleFilterError
from jinja2 import StrictUndefined, UndefinedError

from ansible_collections.secops.mde.plugins.filter.parse_devices import FilterModule
from ansible_collections.secops.mde.plugins.module_utils._offboarding.parameters import OffboardParameters
from ansible_collections.secops.mde.plugins.modules.mde_offboard import OPTIONS

parse = FilterModule().filters()["parse_devices"]

ID1 = "a10100000000000000000000000000000000c0de"
ID2 = "A10200000000000000000000000000000000C0DE"
GUID = "11112222-bbbb-3333-cccc-4444dddd5555"
ZEROS = "00000000-0000-0000-0000-000000000000"
PAGE = f"https://security.microsoft.com/machines/v2/{ID1}/overview?tid=7e9d3c54-1b2a-4c3d-8e4f-001122334455"

Devices = list[dict[str, str]]


def named(*names: str) -> Devices:
    return [{"device_name": name} for name in names]


def with_id(*ids: str) -> Devices:
    return [{"device_id": device_id} for device_id in ids]


BOTH = [{"device_id": ID1, "device_name": "pc-0101.corp.example"}, {"device_id": ID2, "device_name": "pc-0102"}]

# What the inventory exports: the columns that matter stand among many others.
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
    "nothing gives no devices": (None, []),
    "blank text gives no devices": (" \r\n\t\n\u00a0", []),
    "comments alone give no devices": ("# nothing yet\n\n  # nor here", []),
    "an empty list gives no devices": ([], []),
    "a list of nothing gives no devices": ([None, "", []], []),
    "the answer of a search without devices gives none": ({"value": []}, []),
    "an export without devices gives none": (PORTAL.splitlines()[0], []),
    "a header of one column without devices gives none": ("Hostname", []),
    "names of which one could be a header": ("host, alpha, beta", named("host", "alpha", "beta")),
    # Plain text
    "a short name": ("pc1", named("pc1")),
    "a full name with DNS's root": ("pc1.corp.example.", named("pc1.corp.example")),
    "names with signs that hosts have": ("o'brien_pc-1\nbüro-09.corp.example", named("o'brien_pc-1", "büro-09.corp.example")),
    "a device id": (ID1, with_id(ID1)),
    "an Entra id": (GUID, [{"aad_device_id": GUID}]),
    "an Entra id in braces": (f"{{{GUID}}}\npc1", [{"aad_device_id": GUID}, *named("pc1")]),
    "the address of a page in the portal": (PAGE, with_id(ID1)),
    "one a line, of all kinds": (f"pc1\n{ID1}\n{GUID}\n", [*named("pc1"), *with_id(ID1), {"aad_device_id": GUID}]),
    "line ends of Windows and of old Macs": ("pc1\r\npc2\rpc3", named("pc1", "pc2", "pc3")),
    "a byte order mark and marks without width": ("\ufeffpc1\u200b\n\u200epc2", named("pc1", "pc2")),
    "spaces that do not break": ("\u00a0pc1\u00a0\n\u202fpc2", named("pc1", "pc2")),
    "blank lines and comments": ("# list\n\npc1  # of Sam\n   \npc2\t#x", named("pc1", "pc2")),
    "bullets": ("- pc1\n* pc2\n• pc3\n1. pc4\n2) pc5", named("pc1", "pc2", "pc3", "pc4", "pc5")),
    "quotes": ("\"pc1\"\n'pc2'\n`pc3`\n\u201cpc4\u201d", named("pc1", "pc2", "pc3", "pc4")),
    "commas at the ends of lines": ("'pc1',\n'pc2',\npc3;", named("pc1", "pc2", "pc3")),
    "commas at the ends of lines, and an id below a name without digits": (f"alpha,\n{ID1},", [*named("alpha"), *with_id(ID1)]),
    "the same with more separators": (f"alpha,;\n{ID1},", [*named("alpha"), *with_id(ID1)]),
    "the same with comments": (f"alpha, # Sam\n{ID1}, # Kim", [*named("alpha"), *with_id(ID1)]),
    "one line with commas": ("pc1, pc2,pc3,", named("pc1", "pc2", "pc3")),
    "one line with semicolons": (f"{ID1}; {ID2}", with_id(ID1, ID2)),
    "names without digits in a line with commas": ("alpha, beta", named("alpha", "beta")),
    "one line with spaces, where every name has a digit": ("pc1 srv-02.corp.example", named("pc1", "srv-02.corp.example")),
    "one line with tabs": ("pc1\tpc2", named("pc1", "pc2")),
    "ids in a line with spaces": (f"{GUID} {GUID[:-1]}6", [{"aad_device_id": GUID}, {"aad_device_id": f"{GUID[:-1]}6"}]),
    "a name that is there twice is there once": ("pc1\nPC1.\npc2", named("pc1", "pc2")),
    # Tables
    "the export of the portal": (PORTAL, BOTH),
    "the same after a spreadsheet": (EXCEL, BOTH),
    "the same with tabs": (PORTAL.replace(",", "\t").replace("wave-1\t", "wave-1,"), BOTH),
    "with the line that tells a spreadsheet the separator": (f"sep=;\n{EXCEL[1:]}", BOTH),
    "with the line that PowerShell writes above": ("#TYPE Selected.Object\n" + PORTAL, BOTH),
    "rows behind a number sign are left out": (EXCEL.replace("\r\n;pc-0102", "\r\n#;pc-0102"), BOTH[:1]),
    "a number sign in a quoted cell is no comment": ('Tags,Host\n"#vip",pc1\n"",pc2', named("pc1", "pc2")),
    "advanced hunting": (f"Timestamp,DeviceId,DeviceName\n2026-01-01,{ID1},pc-0101.corp.example", BOTH[:1]),
    "the service's own field names": (f"id,computerDnsName,lastSeen\n{ID1},pc-0101.corp.example,x", BOTH[:1]),
    "headers however they are spelled": (f"DEVICE_ID | Device-Name\n{ID1} | pc-0101.corp.example", BOTH[:1]),
    "German headers": (f"Geräte-ID;Gerätename\n{ID1};pc-0101.corp.example", BOTH[:1]),
    "French headers": (f"ID de l'appareil;Nom de l\u2019appareil\n{ID1};pc-0101.corp.example", BOTH[:1]),
    "a name beside an id is a safeguard": (f"Name,Device ID\npc1,{ID1}", [{"device_id": ID1, "device_name": "pc1"}]),
    "a column called name, when there is nothing else": ("Name;Room\npc1;3", named("pc1")),
    "a number in a column called id is no device id": ("ID;Hostname\n7;pc1", named("pc1")),
    "one column": ("Device name\npc1\n\npc2\n", named("pc1", "pc2")),
    "one column called device that holds ids": (f"Device\n{ID1}\n{ID2}", with_id(ID1, ID2)),
    "cells that a spreadsheet must not touch": (f'Device ID,Host\n"=""{ID1}""",pc1', [{"device_id": ID1, "device_name": "pc1"}]),
    "addresses in the column of ids": (f"Device ID,Room\n{PAGE},3", with_id(ID1)),
    "an Entra id where a row has no device id": (
        f"Device ID,Device AAD id\n{ID1},{GUID}\n,{GUID}",
        [*with_id(ID1), {"aad_device_id": GUID}],
    ),
    "zeros for no Entra id": (f"Device name,Entra Device ID\npc1,{ZEROS}", named("pc1")),
    "an Entra id under the option's own name is kept": (
        f"device_id,aad_device_id\n{ID1},{GUID}",
        [{"device_id": ID1, "aad_device_id": GUID}],
    ),
    "a comment for each": ("hostname,comment\npc1,CHG-1 stolen\npc2,", [{"device_name": "pc1", "comment": "CHG-1 stolen"}, *named("pc2")]),
    "a header that is repeated": (f"{EXCEL}{EXCEL[1:]}", BOTH),
    "thumbprints are no ids": (f"Hostname,Thumbprint\npc1,{ID1}", named("pc1")),
    # JSON, YAML and data
    "a list in JSON": ('["pc1", "pc2"]', named("pc1", "pc2")),
    "a list as Python shows it": ("['pc1', 'pc2']", named("pc1", "pc2")),
    "a list of YAML": ("---\n- pc1\n- 'pc2'  # of Sam\n", named("pc1", "pc2")),
    "devices as the option takes them": ("devices:\n  - device_name: pc1\n    comment: CHG-1\n", [{"device_name": "pc1", "comment": "CHG-1"}]),
    "YAML keeps digits and words": ("- device_name: 0123e4\n- device_name: no\n  comment: ~", named("0123e4", "no")),
    "a form with one device": (f"Device name: pc1\nDevice ID: {ID1}\nRoom: 3", [{"device_id": ID1, "device_name": "pc1"}]),
    "an answer of the service": (
        {"@odata.context": "x", "value": [{"id": ID1, "computerDnsName": "pc-0101.corp.example", "aadDeviceId": GUID}]},
        BOTH[:1],
    ),
    "machine actions": ({"machine_actions": [{"id": GUID, "machineId": ID1, "computerDnsName": "pc-0101.corp.example"}]}, BOTH[:1]),
    "what was found in an earlier run": (
        {"devices": [{"outcome": "submitted", "requested": {"device_name": "pc-0101"}, **BOTH[0], "action": {"id": GUID}}]},
        BOTH[:1],
    ),
    "what was asked for in an earlier run": (
        [{"outcome": "not_found", "requested": {"device_name": "pc9", "device_id": None, "comment": "old"}, "device_id": None}],
        named("pc9"),
    ),
    "records and names beside each other": (["pc1", {"hostname": "pc2", "rack": 7, "id": 12}], named("pc1", "pc2")),
    "the options' own names are taken as the options are": (
        {"device_id": "a1", "device_name": "pc1", "aad_device_id": GUID, "other": 1},
        [{"device_id": "a1", "device_name": "pc1", "aad_device_id": GUID}],
    ),
    "lists in lists": ([["pc1"], [["pc2"]], ("pc3",)], named("pc1", "pc2", "pc3")),
    "lines that Ansible has split": (PORTAL.splitlines(), BOTH),
    "what select gives, without list": (iter(["pc1", "pc2"]), named("pc1", "pc2")),
    "the same record is there once, and another comment is another": (
        [{"device_name": "pc1"}, {"device_name": "PC1"}, {"device_name": "pc1", "comment": "CHG-1"}],
        [*named("pc1"), {"device_name": "pc1", "comment": "CHG-1"}],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("given", "devices"), READ.values(), ids=READ.keys())
def test_what_is_clear_gives_the_devices(given: object, devices: Devices) -> None:
    assert parse(given) == devices


@pytest.mark.parametrize(("given", "devices"), [v for k, v in READ.items() if "select gives" not in k])
def test_the_module_takes_every_list_and_the_filter_takes_it_again(given: object, devices: Devices) -> None:
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
    "an id beside a name": (f"{ID1}, pc1", ("line 1", "one device or several")),
    "a title in the style of YAML": ("Devices to retire:\npc1", ("YAML",)),
    "an id that lost a digit": (ID1[:-1], ("line 1", "39 digits")),
    "an id with a digit too many": (f"pc1\n{ID1}0", ("line 2", "41 digits")),
    "a GUID that lost a digit": (GUID[:-1], ("line 1", "cut off")),
    "an id that a spreadsheet damaged": ("1.23E+39", ("line 1", "damaged")),
    "an id that a German spreadsheet damaged": ("Device ID;Host\n1,23E+39;pc1", ("line 2", "damaged")),
    "a name that is cut off": ("pc-01...", ("line 1", "'pc-01...'")),
    "a name that is cut off by typography": ("pc-01…", ("line 1", "'…'")),
    "a name that is broken over two lines": ("pc-\n01", ("line 1", "line 2")),
    "a wildcard": ("pc*", ("line 1", "'*'")),
    "an IP address": ("10.1.2.3", ("line 1", "IP address")),
    "a network card": ("00-1A-2B-3C-4D-5E", ("line 1", "network address")),
    "a number": ("4711", ("line 1", "number")),
    "a date": ("2026-01-31", ("line 1", "date")),
    "an address of mail": ("sam@corp.example", ("line 1", "'@'")),
    "a domain in front": ("CORP\\pc1", ("line 1", "in it")),
    "a dash that is no hyphen": ("pc\u20131", ("line 1", "\u2013")),
    "an address of another page": ("https://security.microsoft.com/alerts/da6", ("line 1", "portal")),
    "an address with a short id": ("https://security.microsoft.com/machines/v2/a1", ("line 1", "portal")),
    "an Entra id of zeros": (ZEROS, ("line 1", "zeros")),
    "a quote that is not closed": ('"pc1', ("line 1",)),
    "a formula": ("=HYPERLINK(1)", ("line 1", "in it")),
    "text in UTF-16": ("p\x00c\x001\x00", ("line 1", "control character", "UTF-8")),
    "a long word": ("x" * 300, ("line 1", "255")),
    "a very long word": ("x" * 5000, ("line 1",)),
    "a very long text": ("pc1\n" * 5_000_001, ("longer",)),
    "many lines tell of the first": ("?\n" * 20, ("line 5", "15 more")),
    # Tables
    "two ids in a row": (f"Device ID,Machine ID\n{ID1},{ID2}", ("line 2", "twice", "(Device ID)", "(Machine ID)")),
    "two names in a row": ("Name,Computer\nSam,pc1", ("line 2", "'Sam' (Name) and 'pc1' (Computer)", "set columns")),
    "a table in an unknown language": (f"Ένα;Δύο\n{ID1};pc1", ("line 1", "none of the headers 'Ένα', 'Δύο'", "set columns")),
    "a header that is a device too": (f"Device ID,{GUID}\n{ID1},x", ("line 1", "header or a device")),
    "no column that counts": ("id;room\n1;2\n", ("no column",)),
    "a row with more cells than the header": ("Device name,Room\npc1,3\npc2,4,5", ("line 3", "3 cells")),
    "a row that is too long by a blank cell": ("Device name,Room\npc1,3\npc2,4,", ("line 3", "3 cells")),
    "a row that ends before an identifier": (f"Device name,Room,Device ID\npc1,3,{ID1}\npc2,4", ("line 3", "2 cells")),
    "a row without a device": ("Device name,Room\n,3", ("line 2", "no device is named")),
    "a damaged id in the column of ids": (f"id,name\n{ID1},pc1\n{ID2[:-1]},pc2", ("line 3", "39 digits")),
    "a name in the column of ids": ("Device ID,Owner\npc1,Sam", ("line 2", "40 hexadecimal digits")),
    "ids of Intune in the column of ids": (f"Device name,Device ID\npc1,{GUID}", ("line 2", "Intune")),
    "an id in the column of names": (f"Device name,Room\n{ID1},3", ("line 2", "name is expected")),
    "two devices in a cell": (f"Device ID,Room\n{PAGE} {PAGE},3", ("line 2", "one device's page")),
    "two lines in a cell": ('Device name,Room\n"pc1\npc2",3', ("line 2", "line breaks")),
    "the line is that of the file, in spite of line breaks in cells": (
        EXCEL.replace(ID2, ID2[:-1]), ("line 4", "39 digits")
    ),
    "a table that breaks off": ('Device name,Room\npc1,"3', ("breaks off",)),
    "an Entra id that is none": ("Device name,Entra device ID\npc1,x", ("line 2", "Entra device id")),
    # Data
    "what is neither JSON nor YAML": ('{"devices": [', ("cannot be read",)),
    "a number for a device": ('["pc1", 4711]', ("entry 2", "4711", "quotes")),
    "a number for an id": ({"deviceId": 10**39}, ("entry 1", "quotes")),
    "a bare number": (4711, ("4711",)),
    "bytes": (b"pc1", ("neither text",)),
    "a record without a device": ([{"rack": 7}], ("entry 1", "rack", "no device is named")),
    "a record of Intune": ([{"deviceId": GUID, "deviceName": "pc1"}], ("entry 1", "Intune")),
    "a record whose names differ": ([{"hostname": "pc1", "computerDnsName": "pc2"}], ("entry 1", "twice")),
    "a record with an id that is cut off": ({"id": ID1[1:], "computerDnsName": "pc1"}, ("entry 1", "39 digits")),
    "an option that the module would refuse": ({"aad_device_id": "x"}, ("entry 1", "GUID")),
    "a comment alone": ({"device_id": " ", "comment": "CHG-1"}, ("entry 1", "no device is named")),
    "a comment that is no device": ([{"device_name": "", "aad_device_id": ZEROS[:-1]}], ("entry 1", "GUID")),
    "a text among records that is not clear": ([{"hostname": "pc1"}, "a b"], ("entry 2", "sentence")),
    "a result without a device": ([{"outcome": "error", "requested": {}}], ("entry 1", "no device is named")),
    "a device that has devices": ({"hostname": "pc1", "devices": ["sda1"]}, ("hostname", "devices")),
    "two lists": ({"devices": ["pc1"], "machines": ["pc2"]}, ("devices, machines",)),
    "a key that is there twice": ('{"device_name": "pc1", "device_name": "pc2"}', ("'device_name'", "twice")),
    "a key that is there twice in YAML": ("device_name: pc1\ndevice_name: pc2", ("'device_name'", "twice")),
    "aliases that stand for millions": ("a: &a [x]\nb: [*a, *a]", ("aliases",)),
    "tags": ("devices: !!python/name:os.system", ("tags",)),
    "lists without end": ("[" * 50_000, ("nested too deeply",)),
    "mappings without end": ("- " * 5000 + "a: b", ("nested too deeply",)),
    "a long text that is no JSON": ("[" + "x" * 1_000_001, ("not JSON",)),
}  # fmt: skip


@pytest.mark.parametrize(("given", "told"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_clear_is_an_error_that_says_where_and_why(given: object, told: tuple[str, ...]) -> None:
    with pytest.raises(AnsibleFilterError) as refusal:
        parse(given)
    message = str(refusal.value)
    assert message.startswith("secops.mde.parse_devices: ")
    assert [part for part in told if part not in message] == [], message
    assert len(message) < 1500


def test_data_that_contains_itself_is_refused() -> None:
    endless: list[t.Any] = [{"device_name": "pc1"}]
    endless.append(endless)
    with pytest.raises(AnsibleFilterError, match="nested too deeply"):
        parse(endless)


def test_an_undefined_variable_is_told_by_ansible_itself() -> None:
    with pytest.raises(UndefinedError, match="survey"):
        parse(StrictUndefined(name="survey"))


def test_text_of_ansible_becomes_plain_text() -> None:
    class Tagged(str):
        """As Ansible marks where a text comes from."""

        __slots__ = ()

    for given in (Tagged("pc1"), [Tagged("pc1")], [{Tagged("device_name"): Tagged("pc1")}], Tagged('["pc1"]')):
        assert [{type(key): type(value)} for device in parse(given) for key, value in device.items()] == [{str: str}]


def test_without_pyyaml_json_still_works_and_yaml_says_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def missing(name: str, *args: t.Any, **kwargs: t.Any) -> t.Any:
        if name == "yaml":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", missing)
    assert parse('["pc1"]') == named("pc1")
    with pytest.raises(AnsibleFilterError, match="PyYAML is missing"):
        parse("devices:\n  - device_name: pc1")
