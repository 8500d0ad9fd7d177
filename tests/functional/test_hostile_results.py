# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hostile records in a real play: what the modules return, the controller reads, and nothing in it acts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.functional.support.ansible_command import ANSIBLE_PLAYBOOK, AnsibleCommand

A = "a" * 40
ACTION_ID = "11112222-bbbb-3333-cccc-4444dddd5555"
# As JSON writes them: fields of every record, each of which Ansible or a reader of its results has fallen over.
FIELDS = r"""
    "osPlatform": "\ud83d", "\ude00": 1, "riskScore": NaN, "osBuild": MANY_DIGITS, "rbacGroupId": 1e999,
    "__ansible_type": "EncryptedString", "vmMetadata": {"__ansible_unsafe": 1, "__ansible_vault": {}},
    "requestor": "\u001b]0;owned\u0007\u202e", "exposureLevel": "a", "exposureLevel": "b",
    "managedBy": "{{ lookup('pipe', 'touch ' ~ playbook_dir ~ '/owned') }}", "lastIpAddress": "-oProxyCommand=touch owned",
    "_ansible_no_log": true, "scope": DEEP, "title": "\r\n{\"failed\": false}"
""".replace("MANY_DIGITS", "9" * 6000).replace("DEEP", '{"a": ' * 200 + "1" + "}" * 200)
MODULES = {
    "mde_machine_info": {},
    "mde_machine_action_info": {},
    "mde_offboard": {"device_id": A, "comment": "CHG-1042 retired", "force": True},
    "mde_offboard_info": {"device_id": [A]},
    "mde_machine_tag": {"device_id": [A], "tag": "x"},
    "mde_machine_exclusion": {"device_id": [A]},
    "mde_machine_action_cancel": {"action_id": ACTION_ID, "comment": "CHG-1042 withdrawn"},
}


def serve(emulator: Emulator) -> None:
    machine = f'{{"id": "{A}", "computerDnsName": "{{{{ 7 * 7 }}}}", {FIELDS}}}'
    action = f'{{"id": "{ACTION_ID}", "machineId": "{A}", "type": "Offboard", "status": "Failed", {FIELDS}}}'
    refusal = r'{"error": {"code": "X", "message": "no \u001b]0;owned\u0007\u202e\ud83d", "target": null}}'
    for method, path, body in (
        ("POST", "/offboard", ""),
        ("POST", "/AddOrRemoveTag", f'{{"value": [{machine}]}}'),
        ("POST", "/setExclusion", machine),
        ("POST", "/cancel", action),
        ("GET", "/machines/", machine),
        ("GET", "/machineactions/", action),
        ("GET", "/machineactions", f'{{"value": [{action}]}}'),
        ("GET", "/machines", f'{{"value": [{{"id": "..", "computerDnsName": "x\\u202e"}}, {machine}]}}'),
    ):
        own = body or refusal
        emulator.fault(method=method, path=path, kind="body", status=200 if body else 400, body=own, times=None)


@pytest.mark.matrix_only
def test_no_result_is_lost_on_the_way_to_the_controller_and_nothing_in_it_runs(tmp_path: Path) -> None:
    tasks: list[dict[str, object]] = [
        {"name": name, f"secops.mde.{name}": options, "register": name, "ignore_errors": True}
        for name, options in MODULES.items()
    ]
    names = ", ".join(f"'{name}': {name}" for name in MODULES)
    tasks += [
        {"ansible.builtin.debug": {"msg": f"{{{{ {{{names}}} }}}}"}},
        {"ansible.builtin.copy": {"content": f"{{{{ {{{names}}} | to_json }}}}", "dest": f"{tmp_path}/results.json"}},
    ]
    play = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(yaml.safe_dump(play, sort_keys=False), "utf-8")
    with Emulator([Device(id=A, name="pc-a")], real_time=True) as emulator:
        emulator.grant("Machine.ReadWrite.All")
        serve(emulator)
        ended = AnsibleCommand(emulator, tmp_path).execute(*ANSIBLE_PLAYBOOK, "play.yml")
    output = ended.output
    assert ended.code == 0, output
    results = json.loads((tmp_path / "results.json").read_text("utf-8"))
    assert [name for name in MODULES if "summary" not in results[name]] == [], output
    assert [machine["id"] for machine in results["mde_machine_info"]["machines"]] == [A]
    assert "record 1 of the list" in str(results["mde_machine_info"]["warnings"])
    assert "no ⟨U+001B⟩]0;owned⟨U+0007⟩⟨U+202E⟩" in results["mde_offboard"]["msg"]
    assert not list(tmp_path.glob("owned*"))
    assert not set(output) & {"\x1b", "\x07"}
