# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Arbitrary device names from end to end: inventory, offboard, evidence, verify, and parse_devices."""

from __future__ import annotations

import itertools
import json
import re
import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.plugins.filter.parse_devices import FilterModule
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.functional.support.ansible_command import ANSIBLE_PLAYBOOK, AnsibleCommand
from ansible_collections.secops.mde.tests.functional.support.sample_runs import COMMENT
from ansible_collections.secops.mde.tests.unit.support.module_run import posts

NAMES = (
    "Sam Example iPad Air 17zoll (2ndgeneration)",
    "Sam\u2019s MacBook",
    "phone\u00a0of\u00a0Sam",
    "\U0001f468\u200d\U0001f469\u200d\U0001f467 phone",
    "n" * 255,
    "\U0001f4bb" * 255,
    "lab/7+8",
    "10.1.2.3",
    "2001:db8::5",
    "127.0.0.1",
    "same-name.corp.example",
    "SAME-NAME.corp.example",
    "same-name",
    "all",
    "ungrouped",
    "localhost",
    "retired",
    'says "hello"',
    "it's 'fine'",
    "{{ lookup('pipe', 'touch ran') }}",
    "{% set x = 1 %}",
    "lookup('pipe', 'touch ran')",
    "\u05e9\u05dc\u05d5\u05dd",
    "=1+1",
    "-oProxyCommand=touch ran",
    "a,b;c\\d",
    "null",
    "N/A",
    "20261044",
    "0xdeadbeef",
    "#comment",
    "- item",
    "key: value",
    "<b>bold</b>",
)


@pytest.fixture
def runbook(emulator: Emulator, tmp_path: Path) -> AnsibleCommand:
    found = AnsibleCommand(emulator, tmp_path)
    options = {"plugin": "secops.mde.mde_machines", "keyed_groups": [{"key": "machineTags", "separator": ""}]}
    (tmp_path / "fleet.mde_machines.yml").write_text(json.dumps(options), "utf-8")
    return found


INVENTORY = ("-i", "fleet.mde_machines.yml")


@pytest.mark.matrix_only
def test_hosts_of_the_inventory_are_offboarded_verified_and_parsed_from_the_evidence(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    devices = [emulator.add_device(Device(name=name, fate="offline", tags=["retired"])) for name in NAMES]
    expected = {device.id: device.name for device in devices}

    completed = runbook.run("offboard", *INVENTORY, mde_hosts="all", **COMMENT)
    assert completed.code == 0, completed.output
    (evidence,) = runbook.evidence()
    assert {device["device_id"]: device["device_name"] for device in evidence["devices"]} == expected
    assert {device["outcome"] for device in evidence["devices"]} == {"submitted"}
    assert len(emulator.actions()) == posts(emulator) == len(NAMES)

    path = next((runbook.folder / "mde-evidence").glob("*.json"))
    verified = runbook.run("verify", mde_evidence=str(path))
    assert verified.code == 0, verified.output
    assert {device["outcome"] for device in runbook.evidence("verify")[0]["devices"]} == {"pending"}

    parse = FilterModule().filters()["parse_devices"]
    assert {device["device_id"]: device["device_name"] for device in parse(path.read_text("utf-8"))} == expected
    # The CSV file: names that could be formulas are escaped, IDs are not.
    table = parse(path.with_suffix(".csv").read_text("utf-8-sig"))
    assert {device["device_id"] for device in table} == set(expected)
    assert not (runbook.folder / "ran").exists()


@pytest.mark.matrix_only
def test_every_device_of_the_sample_fleet_keeps_its_id_and_name_from_the_inventory_to_the_list(tmp_path: Path) -> None:
    with Emulator("fleet", real_time=True) as emulator:
        runbook = AnsibleCommand(emulator, tmp_path)
        (tmp_path / "fleet.mde_machines.yml").write_text("plugin: secops.mde.mde_machines\n", "utf-8")
        expected = {device.id: device.name for device in emulator.devices if device.listed}
        assert len(expected) > 40
        ran = runbook.run("offboard", *INVENTORY, mde_hosts="all", **COMMENT)
        (evidence,) = runbook.evidence()
        asked = {one["requested"]["device_id"]: one["requested"]["device_name"] for one in evidence["devices"]}
        assert (asked, len(evidence["devices"])) == (expected, len(expected)), ran.output
        found = {device["device_id"]: device["device_name"] for device in evidence["devices"] if device["device_id"]}
        assert found.items() <= expected.items()
        assert {action["machineId"] for action in emulator.actions()} <= expected.keys()
        path = next((tmp_path / "mde-evidence").glob("*.json"))
        runbook.run("verify", mde_evidence=str(path))
        (verified,) = runbook.evidence("verify")
        again = {device["device_id"]: device["device_name"] for device in verified["devices"] if device["device_id"]}
        assert again.items() >= found.items()
        parse = FilterModule().filters()["parse_devices"]
        for text in (path.read_text("utf-8"), path.with_suffix(".csv").read_text("utf-8-sig")):
            listed = {device["device_id"]: device["device_name"] for device in parse(text)}
            assert listed.items() >= found.items()


RUNS = (
    "lookup('pipe', 'touch ran-{}')",
    "{{{{ lookup('pipe', 'touch ran-{}') }}}}",
    "{{% if lookup('pipe', 'touch ran-{}') %}}{{% endif %}}",
    "query('pipe', 'touch ran-{}') | first",
)
FIELDS = ("computerDnsName", "osPlatform", "osVersion", "healthStatus", "lastIpAddress", "rbacGroupName", "managedBy", "aadDeviceId")  # fmt: skip
TEXTS: t.Final[dict[str, str]] = {
    "inventory": "hostvars | dict2items | map(attribute='value.mde_machine') | map('dict2items') | flatten"
    " | map(attribute='value') | select('string') | list + hostvars | dict2items | map(attribute='value.mde_device_name')"
    " | select('string') | list + hostvars | dict2items | map(attribute='value.label') | list + groups.keys() | list",
    "results": "read.machines | map('dict2items') | flatten | map(attribute='value') | select('string') | list",
    "evidence": "(written.devices | map('dict2items') | flatten | map(attribute='value') | select('string') | list) + [written.msg]",
}


def test_text_with_a_lookup_or_a_template_runs_nothing_in_any_place(
    emulator: Emulator, runbook: AnsibleCommand
) -> None:
    for number, text in enumerate(RUNS):
        fields = {field: text.format(f"{number}-{field}") for field in FIELDS}
        tags = [text.format(f"{number}-tag")]
        name = fields.pop("computerDnsName")
        emulator.add_device(Device(name=name, tags=tags, fate="offline", extra=fields))
    (runbook.folder / "fleet.mde_machines.yml").write_text(
        json.dumps(
            {
                "plugin": "secops.mde.mde_machines",
                "address": "internal",
                "keyed_groups": [{"key": "machineTags", "prefix": ""}],
                "compose": {"label": "'x' ~ rbacGroupName"},
            }
        ),
        "utf-8",
    )
    each = {"loop": "{{ texts }}", "ignore_errors": True, "no_log": False}
    uses: list[dict[str, t.Any]] = [
        {"ansible.builtin.debug": {"var": "{{ item }}"}},
        {"ansible.builtin.debug": {"var": "item"}},
        {"ansible.builtin.assert": {"that": "{{ item }}"}},
        {"ansible.builtin.assert": {"that": "item"}},
        {"ansible.builtin.debug": {"msg": "{{ item }}"}, "when": "{{ item }}"},
        {"ansible.builtin.debug": {"msg": "{{ item }}"}, "when": "item"},
        {"ansible.builtin.set_fact": {"kept": "{{ item }}"}},
        {"ansible.builtin.debug": {"msg": "{{ kept }}"}},
    ]
    tasks: list[dict[str, t.Any]] = [
        {"secops.mde.mde_machine_info": {}, "register": "read"},
        {"secops.mde.mde_evidence": {"path": str(runbook.folder / "e"), "result": {"devices": "{{ found }}"}},
         "vars": {"found": "{{ read.machines | map('dict2items') | map('selectattr', 'key', 'in', ['computerDnsName', 'osPlatform'])"
                           " | map('items2dict', key_name='key', value_name='value') | list }}"},
         "register": "written"},
    ]  # fmt: skip
    for texts in TEXTS.values():
        tasks += [{**use, **each, "vars": {"texts": f"{{{{ {texts} }}}}"}} for use in uses]
    # Without a loop, because some versions of Ansible protect loop items.
    direct = [
        {**json.loads(json.dumps(use).replace("item", name)), "ignore_errors": True}
        for name in ("mde_device_name", "mde_machine.osPlatform", "label", "group_names")
        for use in uses[:6]
    ]
    plays = [{"hosts": "localhost", "tasks": tasks}, {"hosts": "all", "tasks": direct}]
    (runbook.folder / "play.yml").write_text(json.dumps([{**play, "gather_facts": False} for play in plays]), "utf-8")
    ended = runbook.execute(*ANSIBLE_PLAYBOOK, *INVENTORY, "play.yml", separate=True)
    assert "touch ran-3-rbacGroupName" in ended.output, ended.output + ended.errors
    assert ended.output.count("TASK [") == len(tasks + direct), ended.output[-3000:] + ended.errors
    assert not list(runbook.folder.glob("ran*"))


# -- every text of every record --------------------------------------------------------------------------------

KEPT: t.Final = frozenset({"id", "machineId", "type"})  # otherwise, the record is that of nothing
VM: t.Final = dict.fromkeys(("vmId", "cloudProvider", "resourceId", "subscriptionId"), "x")


def with_text(value: t.Any, counter: t.Iterator[int], key: str = "") -> t.Any:
    """The value with a text that would run in the place of each text."""
    if isinstance(value, dict):
        return {name: with_text(item, counter, name) for name, item in value.items()}
    if isinstance(value, list):
        return [with_text(item, counter) for item in value]
    if not isinstance(value, str) or key in KEPT or key.startswith("@"):
        return value
    number = next(counter)
    return RUNS[number % 2].format(f"{number}-{key}")


def served(body: bytes, counter: t.Iterator[int]) -> bytes:
    document = json.loads(body)
    for record in document.get("value", ()):
        record.update({"vmMetadata": VM} if "vmMetadata" in record else {})
        record.update({name: "x" for name in record if record[name] is None and name != "mergedIntoMachineId"})
    return json.dumps(with_text(document, counter)).encode()


def texts_of(records: str) -> str:
    """An expression for the texts of records, of the records in them, and of lists in both."""
    values = "map('dict2items') | flatten | map(attribute='value') | list | flatten"
    first = f"({records}) | {values}"
    second = f"({first}) | select('mapping') | {values}"
    every = f"({first}) + ({second}) + (({second}) | select('mapping') | {values})"
    return f"({every}) | select('string') | select('search', 'touch ran') | list"


@pytest.mark.matrix_only
def test_no_text_of_any_record_runs_in_any_place(emulator: Emulator, runbook: AnsibleCommand) -> None:
    """In an inventory, results and evidence. Devices and actions have one such text in each field that has a text."""
    devices = [emulator.add_device(Device(name=f"pc-{number}", tags=["a", "b"], fate="offline")) for number in (1, 2)]
    for device in devices:
        emulator.add_action(device.id, status="Succeeded", age="2d")
    counter = itertools.count()
    emulator.rewrite_responses(lambda body: served(body, counter))
    ids = [{"device_id": device.id} for device in devices]
    reads: dict[str, dict[str, t.Any]] = {
        "mde_machine_info": {},
        "mde_machine_action_info": {},
        "mde_offboard": {"devices": ids, "comment": "CHG-1", "force": True},
        "mde_offboard_info": {"device_id": [device.id for device in devices]},
        "mde_evidence": {"path": str(runbook.folder / "e"), "result": "{{ mde_offboard }}"},
    }
    sources = {
        "inventory": "hostvars | dict2items | map(attribute='value.mde_machine') | select('defined') | list",
        "mde_machine_info": "mde_machine_info.machines",
        "mde_machine_action_info": "mde_machine_action_info.machine_actions",
        "mde_offboard": "mde_offboard.devices",
        "mde_offboard_info": "mde_offboard_info.devices",
        "mde_evidence": "mde_evidence.devices",
    }
    tasks: list[dict[str, t.Any]] = [
        {f"secops.mde.{name}": options, "register": name, "ignore_errors": True, "check_mode": name == "mde_offboard"}
        for name, options in reads.items()
    ]
    for name, records in sources.items():
        each = {"loop": "{{ texts }}", "ignore_errors": True, "vars": {"texts": f"{{{{ {texts_of(records)} }}}}"}}
        tasks += [
            {"name": f"Show {name}", "ansible.builtin.debug": {"var": "{{ item }}"}, **each},
            {"name": f"Assert {name}", "ansible.builtin.assert": {"that": "{{ item }}"}, **each},
            {"name": f"Ask {name}", "ansible.builtin.debug": {"msg": "{{ item }}"}, "when": "{{ item }}", **each},
        ]
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    (runbook.folder / "play.yml").write_text(json.dumps(play), "utf-8")
    ended = runbook.execute(*ANSIBLE_PLAYBOOK, *INVENTORY, "play.yml")
    for name in sources:
        shown = ended.output.partition(f"TASK [Show {name}]")[2].partition("TASK [")[0]
        assert shown.count("touch ran-") >= (4 if name == "mde_evidence" else 20), ended.output[-3000:]
    # Each field that the emulator's records have is among those that were used.
    for record in (emulator.machine(devices[0].id), emulator.actions()[0]):
        fields = {key for key in record if isinstance(record[key], str) and key not in KEPT}
        assert [key for key in fields if not re.search(rf"touch ran-[0-9]+-{key}", ended.output)] == []
    assert not list(runbook.folder.glob("ran*"))
