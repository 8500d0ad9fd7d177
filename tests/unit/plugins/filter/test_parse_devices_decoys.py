# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists that seem clear, but identify other or fewer devices."""

from __future__ import annotations

import json
import re

import pytest

from ansible_collections.secops.mde.tests.unit.support.device_lists import Devices, parse, parse_error

A, B = "a1" * 20, "b2" * 20
GA, GB = "11112222-bbbb-3333-cccc-4444dddd5555", "11112222-bbbb-3333-cccc-4444dddd6666"
PAGE = f"https://security.microsoft.com/machines/v2/{B}/overview"


@pytest.mark.parametrize(
    "header",
    [
        "Old", "Old device", "Old device ID", "OldDeviceName", "Device name (old)", "Previous hostname", "Former PC", "Predecessor",
        "Replaces", "Replaces device", "Replacement for", "Replacement for the laptop", "replaced_device", "Retired computer",
        "Successor of", "Supersedes", "Altes Gerät", "Alter Rechner", "Vorgänger", "Ersetzt", "Ersatz für", "Ancien appareil",
        "Altgerät", "Altgera\u0308t", "ALTGERÄT", "ALTES GERÄT", "Altrechner", "Ausgemustertes Gerät", "oldhostname", "OldPC",
        "oldcomputername", "Old computername", "Old serial number", "Replaces asset tag", "Device to retire", "PC to be replaced",
        "Computer to decommission", "Retiring device", "Legacy hostname", "Current device", "Returned laptop",
        "Remplace", "Anterior", "Dispositivo antiguo", "Reemplaza a", "Sustituye a", "Substitui", "Vecchio computer", "Vervangt",
    ],
)  # fmt: skip
def test_a_column_of_replaced_devices_is_an_error_because_the_others_can_be_in_use(header: str) -> None:
    for known, cell in (("Computer", "pc-0102"), ("Device ID", B), ("Entra device ID", GB)):
        assert header in parse_error(f"{header};{known}\npc-0101;{cell}\n")
        assert header in parse_error([{known: cell, header: A}])
    assert parse(f"{header};Computer\npc-0101;pc-0102", columns={"device_name": header}) == [{"device_name": "pc-0101"}]


@pytest.mark.parametrize(
    "header",
    ["Old owner", "Previous user", "Replaced on", "Retired", "Threshold", "Golden", "To be retired", "To retire", "Alternative",
     "Altitude", "Oldest", "Altersteilzeit", "Offboard device", "Current user", "Returned"],
)  # fmt: skip
def test_similar_headers_are_ignored(header: str) -> None:
    for cell in ("", "yes", "s.example", "2026-10-01", "Sam Example"):
        assert parse(f"Computer;{header}\npc-0101.corp.example;{cell}") == [{"device_name": "pc-0101.corp.example"}]


@pytest.mark.parametrize(
    ("header", "cell"),
    [
        ("User", "u1001"), ("Operating system version", "10.0.19045.4291"), ("Room", "R4.11"), ("Ticket", "CHG-1042"),
        ("Domain", "corp.example"), ("Domain", "emea2.corp.example"), ("AD domain", "ad.corp.example"), ("Site", "BER01"),
        ("Serial number", "5CG1234XYZ"), ("Asset tag", "IT-0123"), ("Logon server", "dc01.corp.example"), ("Device model", "G8"),
        ("Management name", "sam_Windows_10"), ("Last MP server name", "CM01"), ("Cluster", "cl01.corp.example"),
        ("Account", "BER01-PC-0101$"), ("FQDN of the site", "ber-pc-0101"), ("Tag", "ber01-pc-0101.old.example"),
    ],
)  # fmt: skip
def test_other_properties_of_the_device_are_ignored(header: str, cell: str) -> None:
    for name in ("BER01-PC-0101", "ber01-pc-0101.corp.example", "5CG9876ABC"):
        assert parse(f"Computer;{header}\n{name};{cell}") == [{"device_name": name}]


@pytest.mark.parametrize(
    "header",
    ["Replaced by", "Ersetzt durch", "Remplacé par", "New device", "NEW PC", "newHostname", "Successor", "Replacement", "Neues Gerät",
     "Nouvel appareil", "Ersatzgerät", "Nuevo dispositivo", "Nieuwe laptop"],
)  # fmt: skip
def test_the_devices_that_replace_those_in_the_list_are_ignored(header: str) -> None:
    for own, other in (("pc-0101", "pc-0102"), ("pc-0101.corp.example", "nb-7.corp.example")):
        assert parse(f"Computer;{header}\n{own};{other}") == [{"device_name": own}]
    assert parse(f"Device ID;{header}\n{A};{B}") == [{"device_id": A}]


@pytest.mark.parametrize(
    "header",
    ["EOL device", "Dead PC", "Broken device", "Decom host", "defekter Rechner", "Swap", "Outgoing", "Retired", "To retire", "Retiring",
     "Scrap", "Ausgemustert", "From", "Source", "Lease end", "Leaver", "x", "Rückläufer", "Obsoleto", "廃棄"],
)  # fmt: skip
def test_other_devices_under_an_unknown_header_are_an_error_because_they_can_be_meant(header: str) -> None:
    for known, own, other in (
        ("Computer", "pc-0102", "PC-0101"),
        ("Name", "NB-7.corp.example", "pc-0101.corp.example"),
        ("Hostname", "w11-0102.corp.example", "w7-0101.CORP.EXAMPLE"),
    ):
        message = parse_error(f"{header};{known};Room\n;{own};4\n{other};{own};4\n")
        assert f"the columns '{known}' and '{header}' name different devices; set columns" in message
        assert header in parse_error([{known: own, header: other}])
    table = f"{header};Computer\npc-0101;pc-0102"
    assert parse(table, columns={"device_name": header}) == [{"device_name": "pc-0101"}]
    assert parse(table, columns={"device_name": "Computer"}) == [{"device_name": "pc-0102"}]


@pytest.mark.parametrize(
    "table",
    [
        *(f"{header};Computer\nPC-0101;PC-0102" for header in (
            "To switch off", "Due for replacement", "Replacement due", "Zum Ersatz vorgesehen", "Ersatzgerät für", "Remplacement de",
            "PC remplacé", "Te vervangen laptop", "Offboard by 2026-06-30", "Return by", "Old PC (replaced by new)",
        )),
        *(f"{header};Computer\nWKS-MUC-1;NB-0102" for header in (
            "EOL PC name", "EOL_PC_NAME", "Device (EOL)", "Old PC (Win10)", "EOL devices", "EOL PCs", "EOL client", "EOL asset",
            "EOLDevice", "OldPCName", "Equipo a retirar", "Ordinateur à retirer", "In te leveren apparaat", "Enhet som avvecklas",
            "Decom VM", "Rückbauserver", "eol_host_fqdn",
        )),
        *(f"EOL device;Computer\n{cell};PC-0102" for cell in (
            "PC-0101 (Müller)", "CORP\\PC-0101", "PC-0101$", '"PC-0101, PC-0103"', '"PC-0101\nPC-0103"', "~~PC-0101~~", "PC\u20110101",
            "PC-0101\u200b", f"https://security.microsoft.com/machines/v2/{A}/overview",
        )),
        "To retire;Computer\nDESKTOP-GH3K2L9;DESKTOP-4F7K2J1", "Scrap;Computer\nDESKTOP-GHKLQWE;DESKTOP-4F7K2J1",
        "Decommission;Computer\n5CG0123ABC;5CG4567DEF", "Retire;Computer\nPC-0101;PC-0102-NEW", "Wipe;Computer\nPC0101;PC-0102",
        "EOL device;Computer\nKIOSK-BERLIN;KIOSK-MUNICH", "User's old PC;Computer\nPC-0101;PC-0102", "Trade-in;Computer\nPC-1;PC-10",
        "EOL device;Computer\nberlin-office-1;berlin-office-12", "EOL device;Computer\npc-0101 (now pc-0102);pc-0102",
        "PC to scrap;Computer\nWS-0017;LT-0231", "Owner's previous laptop;Computer\nPC-0101;PC-0102",
        "EOL device;Computer\npc-0101.corp.example.;pc-0102.corp.example",
        "Decom host;Hostname\nSRV01.legacy.example;SRV01.corp.example", "Old domain controller;Hostname\nDC01;DC11",
        "Retired hypervisor;Hostname\nESX01;ESX11", f"Old Entra device ID;Entra device ID\n{GA};{GB}", f"EOL IDs;Device ID\n{A};{B}",
        f"Retire;Device ID\n{A};{B}", f"OldMDEID;Device ID\n{A};{B}", f"EOL device ID (MDE);Device ID\n{A};{B}",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_row_of_an_old_and_a_new_device_is_an_error(table: str) -> None:
    assert parse_error(table)


@pytest.mark.parametrize(
    "table",
    [
        "Name,VI SDK Server\nsrv-0101.corp.example,vcenter01.corp.example", "Name,VMHost\nsrv-0101.corp.example,esx01.corp.example",
        "Name,LastMPServerName\nsrv-0101.corp.example,cm01.corp.example", "Name,Inventory number,Status\nPC-0101,PC-000731,In use",
        "DeviceName,RemoteDeviceName\npc-0101.corp.example,pc-0102.corp.example", f"DeviceId,DeviceName,HostDeviceId\n{A},pc-0101,{B}",
        f"Device ID,Device name,Inventory host,Outcome\n{A},srv-0101,web01,done", "Name,Asset Tag\nPC-0101,PC-00731",
        "Name,Location\nMUC0123,MUC02", "Name,Room\nR101,R2", f"Device ID,Device name,Tags\n{A},srv-0101.corp.example,SRV-2019",
        "Computer,OSPlatform\nwindows10,Windows11", "Computer,Image\nW11-0101,W11-23H2", "Hostname;User\nA123456;A654321",
        "Name,Serial number\nC1234,C02XG2JHJG5J", "Device name,Wi-Fi MAC\nC1234,C0FFEE123456", "Hostname;Cost center\nK1234;K5678",
        "Name,NetBIOS\nMUNICH-LAPTOP-00123,MUNICH-LAPTOP-0", f"Device ID;Device name;Machine link device\n{A};pc-0101;{A}",
        f"Device ID;Certificate thumbprint\n{A};{B}", "Computer;Notes\nPC-0101;replaced by PC-0102", f"Computer;VmId\npc-0101;{GA}",
        'Name;DistinguishedName\nPC-0101;"CN=PC-0101,OU=PC,DC=corp,DC=example"', "Computer;Remark\nPC-0101;swap with PC-0102 later",
    ],
    ids=ascii,
)  # fmt: skip
def test_a_row_with_other_machines_and_properties_of_the_device_has_one_device(table: str) -> None:
    (device,) = parse(table)
    first_cell = re.split("[,;]", table.splitlines()[1])[0]
    assert first_cell in device.values()
    assert B not in device.values()


@pytest.mark.parametrize("header", ["EOL ID", "EOL device ID", "decomMachineId", "EOL_ID"])
def test_other_device_ids_under_a_header_that_ends_with_id_are_an_error(header: str) -> None:
    assert header in parse_error(f"{header};Device ID\n{A};{B}")
    assert header in parse_error([{"Device ID": B, header: A}])
    assert parse(f"{header};Device ID\n{A.upper()};{A}") == [{"device_id": A}]
    for other in ("Thumbprint", "SHA1", "mergedIntoMachineId"):
        assert parse(f"{other};Device ID\n{A};{B}") == [{"device_id": B}]


@pytest.mark.parametrize(
    "header",
    ["EOL device", "DEAD PC", "decomHost", "Leaver laptop", "Laptop", "defekter Rechner", "Altes defektes Gerät"],
)
def test_a_header_that_ends_with_a_noun_for_a_device_is_that_of_devices_with_any_names(header: str) -> None:
    assert header in parse_error(f"{header};Computer\nlaptop-7gh32k;desktop-9ab12c")
    assert parse(f"{header};Computer\ndesktop-9ab12c.corp.example;DESKTOP-9AB12C") == [
        {"device_name": "DESKTOP-9AB12C"}
    ]
    assert parse(f"{header} owner;Computer\nlaptop-7gh32k;desktop-9ab12c") == [{"device_name": "desktop-9ab12c"}]


@pytest.mark.parametrize(
    ("header", "row"),
    [
        ("VM,Host", "vm1,esx1"),
        ("VM name;Cluster;Host", "vm1;c;esx1"),
        ("Guest\tHost", "vm1\tesx1"),
        ("Name,Laptop", "Sam,pc1"),
        ("Display name;PC", "Sam;pc1"),
        ("id,displayName,givenName,surname", f"{GB},Sam Example,Sam,Example"),
        ("displayName,sAMAccountName,mail", "Sam Example,sam,sam@corp.example"),
    ],
)
def test_a_hypervisor_and_the_name_of_a_person_are_not_devices(header: str, row: str) -> None:
    assert "no device identifier" in parse_error(f"{header}\n{row}")


TAKEN: dict[str, tuple[object, Devices]] = {
    "virtual machines with their DNS names": ("VM,DNS Name,Host\nvm1,vm1.corp.example,esx1", [{"device_name": "vm1.corp.example"}]),
    "an ID of a virtual machine": (f"Hostname,VM ID\npc1,{GB}", [{"device_name": "pc1"}]),
    "every property of Active Directory": (
        '#TYPE Microsoft.ActiveDirectory.Management.ADComputer\n"DisplayName","DistinguishedName","DNSHostName","Name","ObjectGUID","SamAccountName","SID"\n'
        f'"PC-0101$","CN=PC-0101,DC=corp,DC=example","pc-0101.corp.example","PC-0101","{GB}","PC-0101$","S-1-5-21-1"',
        [{"device_name": "pc-0101.corp.example"}],
    ),
    "a Markdown table": ("| Device name | Owner |\n|:---|---:|\n| pc1 | Sam |\n", [{"device_name": "pc1"}]),
    "IDs in Markdown": (f"|Device ID|\n|-----|\n|{A}|", [{"device_id": A}]),
    "Markdown without outer bars": ("Computer | Owner\n--- | ---\npc1 | Sam", [{"device_name": "pc1"}]),
    "a column in the output of PowerShell": ("Name\n----\npc1\npc2", [{"device_name": "pc1"}, {"device_name": "pc2"}]),
    "a table in the output of psql": (" name | room \n------+------\n pc1  | 3\n", [{"device_name": "pc1"}]),
    "JSON Lines": (f'{{"DeviceId":"{A}"}}\r\n{{"DeviceId":"{B}"}}\n', [{"device_id": A}, {"device_id": B}]),
    "a separator in a cell in quotes": ('Device name\n"a, b"', [{"device_name": "a, b"}]),
    "characters without width in a table": ("Device name,Room\n\u202apc1\u200b,3", [{"device_name": "pc1"}]),
    "characters without width in a record": ([{"hostname": "pc\u00ad1\u200b.corp.example"}], [{"device_name": "pc1.corp.example"}]),
    "characters without width in a name of the service": ([{"id": A, "computerDnsName": "pc1\u200b"}], [{"device_id": A, "device_name": "pc1\u200b"}]),
    "localhost as a safeguard": (f"Device ID,Device name\n{A},localhost", [{"device_id": A, "device_name": "localhost"}]),
    "a kind of device": ("Name,Type,Matched by\npc1,Computer,host", [{"device_name": "pc1"}]),
    "the last page of a list": ({"value": [{"id": A}], "@odata.nextLink": None}, [{"device_id": A}]),
    "a device with lists of its own": (
        {"name": "pc1", "machineTags": ["x"], "ipAddresses": [{"ipAddress": "10.1.2.3"}]}, [{"device_name": "pc1"}]
    ),
    "an empty header": ("Host;\npc1;x", [{"device_name": "pc1"}]),
}  # fmt: skip


@pytest.mark.parametrize(("given", "devices"), TAKEN.values(), ids=TAKEN.keys())
def test_text_around_a_device_is_not_a_device(given: object, devices: Devices) -> None:
    assert parse(given) == devices


REFUSED: dict[str, tuple[object, tuple[str, ...]]] = {
    "a title that is a known header": ("Device,,\nOwner,Hostname,\nSam,pc1,", ("line 2", "another table")),
    "a title over a table with other columns": (f"Computer\nName,Device ID\npc1,{A}", ("line 2", "several cells")),
    "a form above the table": ("Name,Wave 3\nOwner,Sam\n\nDevice name,Room\npc1,3", ("line 4", "another table")),
    "a second table with other columns": ("Device name,Room\npc1,3\n\nReplacement,Device name\npc9,pc1", ("line 4", "another table")),
    "a transposed table": ("Device name,pc1,pc2\nOwner,Sam,Kim\nDevice ID,x,y", ("line 3", "another table")),
    "rows with another separator": (f"Computer\npc1;{B}", ("line 2", "several cells")),
    "rows with another separator than the header": ("Device name,Owner\npc1;Sam", ("line 2", "several cells")),
    "a total": ("Device name,Room\npc1,3\nTotal: 1,", ("line 3", "total")),
    "a total in words": ("Device name\npc1\nTotal", ("line 3", "total")),
    "a sum in German": ("Gerätename;Preis\npc1;3\nGesamtsumme;25", ("line 3", "total")),
    "a count of rows": ("Device name\npc1\n(1 row affected)", ("line 3", "total")),
    "a dash": ("Device name,Room\n-,3", ("line 2", "missing value")),
    "a placeholder for no value": ("Device name,Room\nN/A,3", ("line 2", "missing value")),
    "the word none": ("none", ("line 1", "missing value")),
    "an error of a spreadsheet": ('Device name\n"#REF!"', ("line 2", "missing value")),
    "an error of a German spreadsheet": ('Raum;Device name\n3;#NV', ("line 2", "missing value")),
    "errors of spreadsheets at the start of rows": (
        "Device name,Room\npc1,3\n#N/A,4\n#REF!,5\n#ÜBERLAUF!,6\n#¡REF!,7\n#DIV/0!,8",
        ("line 3", "line 4", "line 5", "line 6", "line 7"),
    ),
    "errors of spreadsheets in a list": ("pc1\n#NV\n#NAME?\npc2", ("line 2, '#NV'", "line 3, '#NAME?'")),
    "a list under a key of YAML": ("Device name:\n- pc1\n- pc2", ("entry 1", "not a string")),
    "a record of YAML without a value": ("- device_name:\n  comment: x\n", ("entry 1", "no device identifier")),
    "localhost": ("pc1\nlocalhost", ("line 2", "device ID")),
    "localhost with its domain": ([{"hostname": "localhost.localdomain"}], ("entry 1", "device ID")),
    "another name of the machine itself": ("ip6-loopback", ("line 1", "device ID")),
    "a record without keys": ([{}], ("entry 1", "the record is empty")),
    "a placeholder for an unknown name": ("Device name\nunknown", ("line 2", "missing value")),
    "an ID in groups": (" ".join([A[:8], A[8:16], A[16:24], A[24:32], A[32:]]), ("line 1", "looks like an ID")),
    "an ID in groups in a table": (f"Device name,Room\n{A[:20]} {A[20:]},3", ("line 2", "looks like an ID")),
    "a mistyped ID": (A.replace("1", "l"), ("line 1", "looks like an ID")),
    "a list in two parts": ("pc1\nexcept\npc2", ("line 2", "word about the list")),
    "a list in two parts with headings": ("KEEP\npc3\nRETIRE\npc1", ("line 1", "word about the list")),
    "the word all": ("all", ("line 1", "word about the list")),
    "an ID with hyphens": (f"{A[:20]}-{A[20:]}", ("line 1", "looks like an ID")),
    "an ID in full-width characters": (A.translate({48 + n: 0xFF10 + n for n in range(10)}), ("line 1", "looks like an ID")),
    "an ID with Cyrillic letters": (A.replace("a", "\u0430"), ("line 1", "looks like an ID")),
    "a GUID with other hyphens": (f"Device name\n{GA.replace('-', chr(0x2010))}", ("line 2", "looks like an ID")),
    "a GUID without hyphens": (GA.replace("-", ""), ("line 1", "hyphens of a GUID")),
    "a URL without its scheme": (f"Device name\n{PAGE[8:]}", ("line 2", "name is expected")),
    "a Markdown link to a device page": (f"| Device | Room |\n|---|---|\n| [pc1]({PAGE}) | 3 |", ("line 3", "name is expected")),
    "a formula with a link": (f'Device name\n"=HYPERLINK(""{PAGE}"",""pc1"")"', ("line 2", "name is expected")),
    "rows as lists": ([["Computer", "Replaced by"], ["pc-0101", B]], ("entry 1", "entry 2", "row of a table")),
    "rows as lists in JSON": (json.dumps([["Device name", "Owner"], ["pc1", "sam1"]]), ("entry 1", "row of a table")),
    "a named list of computers": ({"name": "wave 1", "computers": ["pc1", "pc2"]}, ("computers", "list")),
    "a named list in YAML": ("name: wave 1\nhosts:\n- pc1\n- pc2", ("hosts", "list")),
    "a result with rows": ({"name": "PrimaryResult", "columns": [], "rows": [["pc1"]]}, ("rows", "list")),
    "one page of a list": ({"value": [{"id": A}], "@odata.nextLink": "https://x.example"}, ("@odata.nextLink", "all pages")),
    "one page of a list from uri": ({"json": {"value": [{"id": A}], "@odata.nextLink": "x"}}, ("@odata.nextLink",)),
}  # fmt: skip


@pytest.mark.parametrize(("given", "parts"), REFUSED.values(), ids=REFUSED.keys())
def test_text_that_can_be_another_device_or_part_of_the_list_is_an_error(given: object, parts: tuple[str, ...]) -> None:
    message = parse_error(given)
    assert [part for part in parts if part not in message] == [], message


def test_the_message_has_each_error_once() -> None:
    assert parse_error("Host;Room\npc1;3", columns="device_name=Rechner").count("'Rechner'") == 1
    assert parse_error("a: [").count("cannot be parsed") == 1


@pytest.mark.parametrize("cell", [A[:-1], "1.23E+39"])
def test_a_damaged_id_in_a_named_column_is_an_error(cell: str) -> None:
    assert "line 2" in parse_error(f"Host;Kennung\npc1;{cell}", columns="device_name=Host,device_id=Kennung")


def test_an_empty_header_in_columns_is_ignored() -> None:
    assert parse("Host;\npc1;x", columns={"device_name": "Host", "device_id": " "}) == [{"device_name": "pc1"}]
