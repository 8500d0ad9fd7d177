# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A hostile tenant from end to end: inventory with cache, offboard, evidence, all modules that read, and verify."""

from __future__ import annotations

import csv
import io
import json
import re
import typing as t
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest

from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.functional.support.ansible_command import (
    ANSIBLE_INVENTORY,
    ANSIBLE_PLAYBOOK,
    AnsibleCommand,
    CommandResult,
)
from ansible_collections.secops.mde.tests.functional.support.hostile_fleet import CANARY, REFUSED_ID, draw_fleet
from ansible_collections.secops.mde.tests.functional.support.sample_runs import COMMENT

INVENTORY: t.Final = {
    "plugin": "secops.mde.mde_machines",
    "address": "internal",
    "cache": True,
    "cache_plugin": "ansible.builtin.jsonfile",
    "cache_connection": "cache",
    "keyed_groups": [
        {"key": "osPlatform | default('none') | string", "prefix": "", "separator": ""},
        {"key": "mde_machine.rbacGroupName | string", "prefix": "group"},
    ],
    "compose": {"label": "'x' ~ (osPlatform | default('')) ~ mde_device_name"},
    "groups": {"known": "healthStatus is defined"},
}
INVENTORY_FILE: t.Final = ("-i", "fleet.mde_machines.yml")
MODULES_PLAY: t.Final = "Hostile results"
REFUSAL: t.Final = r'{"error": {"code": "\u001b[2J", "message": "no \u202e{{ 7 * 7 }}\ud83d\u0007", "target": NaN}}'
# ansible-core indents the statistics of a run with a tab.
TERMINAL: t.Final = "\n\t"
# Characters that change the direction of the text around them.
_DIRECTIONS: t.Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def raw(text: str, allowed: str = "\n") -> set[str]:
    """Return the characters that a terminal or a reader would interpret."""
    return {
        char
        for char in set(text)
        if char not in allowed and (unicodedata.category(char) in ("Cc", "Cs", "Zl", "Zp") or char in _DIRECTIONS)
    }


def strict(text: str) -> t.Any:
    """Return the value of strict JSON (RFC 8259) with unique keys."""

    def unique(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
        assert len({key for key, _value in pairs}) == len(pairs), pairs
        return dict(pairs)

    document = json.loads(
        text, object_pairs_hook=unique, parse_constant=lambda name: pytest.fail(f"{name} is not JSON")
    )
    json.dumps(document, ensure_ascii=False).encode("utf-8")  # no surrogates
    return document


def read_modules(ids: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """Return a play that shows and stores the result of each module that reads, and selects the evidence for verify."""
    modules: dict[str, dict[str, t.Any]] = {
        "mde_machine_info": {},
        "mde_machine_action_info": {},
        "mde_machine_tag": {"device_id": list(ids), "tag": "retired"},
        "mde_offboard_info": {"device_id": list(ids)},
    }
    tasks: list[dict[str, t.Any]] = []
    for name, options in modules.items():
        tasks += [
            {f"secops.mde.{name}": options, "register": name, "ignore_errors": True},
            {"ansible.builtin.debug": {"var": name}},
            {"ansible.builtin.debug": {"msg": f"{{{{ {name} }}}}"}},
            {"ansible.builtin.copy": {"content": f"{{{{ {name} | to_json }}}}", "dest": f"{{{{ playbook_dir }}}}/{name}.json"}},
        ]  # fmt: skip
    found = "{{ query('ansible.builtin.fileglob', playbook_dir ~ '/mde-evidence/*.json') | first }}"
    tasks.append({"ansible.builtin.set_fact": {"mde_evidence": found}})
    return [{"name": MODULES_PLAY, "hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]


class Tenant:
    """Runs Ansible commands in a directory with the inventory of a hostile tenant."""

    def __init__(self, emulator: Emulator, folder: Path) -> None:
        self.ansible = AnsibleCommand(emulator, folder)
        self.folder = folder
        (folder / "fleet.mde_machines.yml").write_text(json.dumps(INVENTORY), "utf-8")

    def inventory(self, *options: str) -> tuple[dict[str, t.Any], str]:
        """Return the JSON output of ansible-inventory, and its messages."""
        ended = self.ansible.execute(*ANSIBLE_INVENTORY, *INVENTORY_FILE, "--list", *options, separate=True)
        assert ended.code == 0, ended.errors
        return strict(ended.output), ended.errors

    def run(self, *options: str) -> CommandResult:
        variables = json.dumps({"mde_hosts": "all", "mde_tag": "retired", **COMMENT})
        return self.ansible.execute(*ANSIBLE_PLAYBOOK, *INVENTORY_FILE, *options, "-e", variables)

    def module(self, name: str) -> dict[str, t.Any]:
        return dict(strict((self.folder / f"{name}.json").read_text("utf-8")))


def own_output(output: str) -> str:
    """Return the output without the play that prints complete records, which ansible-core prints unescaped."""
    plays = re.split(r"(?m)^(?=PLAY )", output)
    assert any(play.startswith(f"PLAY [{MODULES_PLAY}]") for play in plays)
    return "".join(play for play in plays if not play.startswith(f"PLAY [{MODULES_PLAY}]"))


def assert_evidence(tenant: Tenant, ids: set[str], *, kind: str, number: int = -1) -> dict[str, dict[str, t.Any]]:
    """Check that all three files have each device once, without dangerous characters. Returns the devices."""
    path = sorted((tenant.folder / "mde-evidence").glob(f"mde-{kind}-*.json"))[number]
    document = strict(path.read_text("utf-8"))
    devices = {device["device_id"] or device["requested"]["device_id"]: device for device in document["devices"]}
    assert set(devices) == ids
    assert len(document["devices"]) == len(ids)
    assert document["complete"] is True
    with path.with_suffix(".csv").open(encoding="utf-8-sig", newline="") as file:
        table = file.read()
    rows = list(csv.DictReader(io.StringIO(table)))
    assert sorted(row["Device ID"] for row in rows) == sorted(ids)
    assert raw(table, "\r\n") == set()
    assert [cell for row in rows for cell in row.values() if cell[:1] in tuple("=+-@")] == []
    page = path.with_suffix(".html").read_text("utf-8")
    assert raw(page) == set()
    assert [device_id for device_id in ids if device_id not in page] == []
    assert "<img" not in page
    assert "<script src" not in page
    return devices


@pytest.mark.matrix_only
@pytest.mark.parametrize("seed", [1, 2])
def test_a_hostile_tenant_loses_no_device_runs_nothing_and_prints_no_control_character(
    tmp_path: Path, seed: int
) -> None:
    fleet = draw_fleet(seed, 24)
    ids = set(fleet.machines)
    with Emulator(real_time=True) as emulator:
        emulator.grant("Machine.ReadWrite.All")
        fleet.serve(emulator)
        tenant = Tenant(emulator, tmp_path)

        listed, messages = tenant.inventory()
        cached, _messages = tenant.inventory("--export")
        assert len(emulator.calls("api", "GET", "/machines")) == 1
        assert raw(messages) == set()
        assert f"its id is '{REFUSED_ID}'" in " ".join(messages.split())
        for found in (listed, cached):
            hosts = found["_meta"]["hostvars"]
            assert sorted(variables["mde_device_id"] for variables in hosts.values()) == sorted(ids)
            assert [host for host in hosts if not re.fullmatch(r"[\w.-]+", host, re.ASCII)] == []
        assert list(listed["_meta"]["hostvars"]) == list(cached["_meta"]["hostvars"])

        predicted = tenant.run("secops.mde.offboard", "--check")
        assert emulator.calls("api", "POST") == [], predicted.output
        assert raw(predicted.output, TERMINAL) == set()
        prediction = assert_evidence(tenant, ids, kind="offboard")

        # One process for all plays, because each process takes a second.
        offboard, verify = ([{"import_playbook": f"secops.mde.{name}"}] for name in ("offboard", "verify"))
        plays = [*offboard, *read_modules(sorted(ids)), *verify]
        (tmp_path / "all.yml").write_text(json.dumps(plays), "utf-8")
        for path in (tmp_path / "mde-evidence").iterdir():
            path.unlink()
        emulator.fault(method="POST", path="/AddOrRemoveTag", kind="body", status=400, body=REFUSAL)
        completed = tenant.run("all.yml")
        assert "Not tagged: " in completed.output
        assert raw(own_output(completed.output), TERMINAL) == set()
        devices = assert_evidence(tenant, ids, kind="offboard")
        assert {
            id_ for id_ in ids - fleet.contradictory - fleet.refused if devices[id_]["outcome"] != "submitted"
        } == set(), completed.output
        assert {id_ for id_ in fleet.refused if devices[id_]["outcome"] != "refused"} == set()
        assert {id_ for id_ in ids if prediction[id_]["failed"] and not devices[id_]["failed"]} == set()
        # Each device is a host of the recap, which failed if its device failed.
        failed = {id_ for id_, device in devices.items() if device["failed"]}
        recap = {
            listed["_meta"]["hostvars"][host]["mde_device_id"]: counts
            for host, counts in completed.recap.items()
            if host != "localhost"
        }
        assert set(recap) == ids
        assert {id_ for id_, counts in recap.items() if counts["failed"]} == failed

        posted_to = [unquote(call.path).split("/")[-2] for call in emulator.calls("api", "POST", "/offboard")]
        assert len(set(posted_to)) == len(posted_to)
        sent = {id_ for id_, device in devices.items() if device["outcome"] in ("submitted", "refused")}
        assert set(posted_to) == sent

        verified = assert_evidence(tenant, ids, kind="verify")
        assert {
            id_ for id_ in ids - fleet.contradictory - fleet.refused if verified[id_]["outcome"] != "pending"
        } == set(), completed.output

        machines = tenant.module("mde_machine_info")["machines"]
        assert sorted(machine["id"] for machine in machines) == sorted(ids)
        actions = tenant.module("mde_machine_action_info")["machine_actions"]
        assert sorted(action["machineId"] for action in actions) == sorted(set(posted_to) - fleet.refused)
        for name in ("mde_machine_info", "mde_machine_action_info"):
            assert f" is '{REFUSED_ID}'" in str(tenant.module(name)["warnings"])
        for name in ("mde_machine_tag", "mde_offboard_info"):
            assert sorted(device["device_id"] for device in tenant.module(name)["devices"]) == sorted(ids), name
    assert [path.name for path in tmp_path.rglob(f"{CANARY}*")] == []
