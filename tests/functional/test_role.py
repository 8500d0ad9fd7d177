# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The role as a step of a play with other steps, against the emulator."""

from __future__ import annotations

import json
import re
import sys
import typing as t

import pytest
import yaml

from ansible_collections.secops.mde.plugins.filter.runbook_options import FilterModule
from ansible_collections.secops.mde.plugins.plugin_utils._host_devices import DEVICE_VARIABLES
from ansible_collections.secops.mde.plugins.plugin_utils._runbook_options import ENTRY_POINTS, misspelled
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.functional.support.ansible_command import (
    ANSIBLE_PLAYBOOK,
    COLLECTION,
    AnsibleCommand,
    CommandResult,
)
from ansible_collections.secops.mde.tests.functional.support.sample_runs import AWX, COMMENT, fleet
from ansible_collections.secops.mde.tests.unit.support.module_run import posts

ROLE = COLLECTION / "roles" / "mde"
SPEC = yaml.safe_load((ROLE / "meta" / "argument_specs.yml").read_text("utf-8"))["argument_specs"]
WINDOWS = {"ansible_connection": "winrm", "ansible_shell_type": "powershell", "ansible_become": True}
KEYS = {
    *("action", "changed", "devices", "entry_point", "evidence", "failed", "msg", "outcome", "prediction", "summary"),
}


class Site(AnsibleCommand):
    """A play of another team, with hosts that are configured for Windows."""

    def play(self, play: t.Mapping[str, t.Any], *options: str, **variables: t.Any) -> CommandResult:
        (self.folder / "site.yml").write_text(json.dumps([{"name": "Retire", "gather_facts": False, **play}]), "utf-8")
        extra = ["-e", json.dumps(variables)] if variables else []
        return self.execute(*ANSIBLE_PLAYBOOK, "site.yml", "-i", "hosts.yml", *extra, *options)

    def hosts(self, hosts: t.Mapping[str, t.Mapping[str, t.Any]]) -> None:
        named = {"localhost": {"ansible_connection": "ssh", "ansible_python_interpreter": "/nowhere/python"}, **hosts}
        (self.folder / "hosts.yml").write_text(json.dumps({"all": {"vars": WINDOWS, "hosts": named}}), "utf-8")

    def results(self) -> dict[str, dict[str, t.Any]]:
        """Return the results that the step after the role received, by host."""
        return {path.stem: json.loads(path.read_text("utf-8")) for path in self.folder.glob("seen/*.json")}


@pytest.fixture
def site(emulator: Emulator, tmp_path: t.Any) -> Site:
    (tmp_path / "seen").mkdir()
    return Site(emulator, tmp_path)


def step(entry_point: str | None = "offboard", **keywords: t.Any) -> dict[str, t.Any]:
    tasks_from = {"tasks_from": entry_point} if entry_point else {}
    apply = {"apply": keywords.pop("apply")} if "apply" in keywords else {}
    return {
        "name": "Defender",
        "ansible.builtin.include_role": {"name": "secops.mde.mde", **tasks_from, **apply},
        **keywords,
    }


# The next step of the play, on the controller. It saves mde_result.
SEE: t.Final = {
    "name": "See the result",
    "ansible.builtin.copy": {
        "dest": "{{ playbook_dir }}/seen/{{ inventory_hostname }}.json",
        "content": "{{ mde_result | to_json }}",
    },
    "delegate_to": "localhost",
    "check_mode": False,
    "vars": {
        "ansible_become": False,
        "ansible_connection": "local",
        "ansible_python_interpreter": "{{ ansible_playbook_python }}",
        "ansible_shell_type": "sh",
    },
}


def offboarded(emulator: Emulator) -> list[str]:
    return sorted(action["computerDnsName"] for action in emulator.actions())


@pytest.mark.matrix_only
def test_a_step_of_a_play_offboards_its_hosts_and_the_next_step_uses_the_results(
    emulator: Emulator, site: Site
) -> None:
    """Use serial, when, rescue, variables of the step, a host that failed earlier, and hosts configured for Windows."""
    devices = fleet(emulator, 7)
    emulator.update_device(devices[3].id, fate="unsupported_os", os_platform="macOS")
    names = [device.name or "" for device in devices]
    site.hosts({name: {"retire": number != 1} for number, name in enumerate(names[:6])})
    tasks = [
        {"name": "AD", "ansible.builtin.debug": {"msg": "AD"}, "failed_when": f"inventory_hostname == '{names[0]}'"},
        {
            "name": "Try",
            "block": [
                step(
                    when="retire",
                    vars={
                        "mde_device_id": "{{ cmdb_id if inventory_hostname == '" + names[2] + "' else none }}",
                        "mde_wait": "",
                    },
                )
            ],
            "rescue": [SEE, {"name": "Go on", "ansible.builtin.debug": {"msg": "rescued {{ mde_result.outcome }}"}}],
        },
        {
            **SEE,
            "when": ["mde_result is defined", "mde_result.outcome == 'submitted'"],
        },
    ]
    play = {"hosts": "all:!localhost", "serial": 2, "become": True, "tasks": tasks}
    given: dict[str, t.Any] = {"cmdb_id": devices[6].id, **AWX, **COMMENT}

    predicted = site.play(play, "--check", **given)
    assert predicted.code == 2
    assert posts(emulator) == 0
    assert {result["prediction"] for result in site.results().values()} == {True}

    completed = site.play(play, **given)
    assert completed.code == 2  # the host for which the AD step failed
    assert [host for host, counts in completed.recap.items() if counts["failed"]] == [names[0]]
    assert offboarded(emulator) == sorted([names[6], names[4], names[5]])
    assert posts(emulator) == 4
    results = site.results()
    assert {name: result["outcome"] for name, result in results.items()} == {
        names[2]: "submitted",
        names[3]: "refused",
        names[4]: "submitted",
        names[5]: "submitted",
    }
    assert {frozenset(result) for result in results.values()} == {frozenset(KEYS)}
    assert "OsPlatformNotSupported" in results[names[3]]["msg"]
    assert results[names[4]]["action"]["computerDnsName"] == names[4]
    assert results[names[4]]["action"]["id"] == results[names[4]]["devices"][0]["action_id"]
    assert results[names[4]]["devices"][0]["host"] == names[4]
    assert all(result["evidence"]["json"].endswith(f"-{name}.json") for name, result in results.items())
    # Each host is in the artifacts of the job.
    summaries = completed.summaries["mde_role_4711"]
    handed = [identity for summary in summaries.values() for identity in summary["action_ids"]]
    assert sorted(handed) == sorted(action["id"] for action in emulator.actions())


@pytest.mark.parametrize("predicted", [pytest.param(True, marks=pytest.mark.matrix_only), False])
def test_the_check_mode_of_a_block_decides_what_is_a_prediction(
    emulator: Emulator, site: Site, predicted: bool
) -> None:
    """``ansible_check_mode`` is that of the command line, and a workflow verifies no actions of a prediction."""
    (device,) = fleet(emulator, 1)
    site.hosts({})
    block = {"name": "Defender", "block": [step()], "check_mode": predicted}
    completed = site.play(
        {"hosts": "localhost", "tasks": [block, SEE]},
        *([] if predicted else ["--check"]),
        mde_devices=[{"device_id": device.id}],
        **COMMENT,
    )
    assert completed.code == 0, completed.output
    assert posts(emulator) == (0 if predicted else 1)
    result = site.results()["localhost"]
    assert (result["outcome"], result["prediction"]) == ("submitted", predicted)
    (summary,) = completed.summaries["mde_role"].values()
    assert summary["prediction"] is predicted
    assert ("Prediction: 1 of 1 devices" in completed.one_line) is predicted
    assert ("secops.mde.verify -e mde_evidence=" in completed.one_line) is not predicted


def test_the_tags_of_other_steps_skip_the_role(emulator: Emulator, site: Site) -> None:
    names = [device.name or "" for device in fleet(emulator, 2)]
    site.hosts({name: {} for name in names})
    static = step(vars={"mde_devices": "{{ result_of_a_skipped_task.devices }}"})
    static["ansible.builtin.import_role"] = {**static.pop("ansible.builtin.include_role"), "rolespec_validate": False}
    tasks = [step(tags=["mde"]), static, {"name": "CMDB", "ansible.builtin.debug": {"msg": "cmdb"}, "tags": ["cmdb"]}]
    completed = site.play({"hosts": "all:!localhost", "tasks": tasks}, "--tags", "cmdb", **COMMENT)
    assert completed.code == 0, completed.output
    assert completed.times('"cmdb"') == 2
    assert emulator.calls() == []
    assert not (site.folder / "mde-evidence").exists()


@pytest.mark.parametrize(
    "shared", [pytest.param(True, id="apply"), pytest.param(False, id="keyword", marks=pytest.mark.matrix_only)]
)
def test_a_list_is_processed_once_and_every_host_has_the_result(emulator: Emulator, site: Site, shared: bool) -> None:
    names = [device.name or "" for device in fleet(emulator, 5)]
    site.hosts({name: {} for name in names})
    devices = "{{ ansible_play_hosts | secops.mde.host_devices(hostvars) }}"
    once: dict[str, t.Any] = {"apply": {"run_once": True}} if shared else {}
    tasks = [
        {"name": "AD", "ansible.builtin.debug": {"msg": "AD"}, "failed_when": f"inventory_hostname == '{names[1]}'"},
        step(run_once=True, vars={"mde_devices": devices, "mde_batch_size": 2}, **once),
        SEE,
    ]
    completed = site.play({"hosts": "all:!localhost", "tasks": tasks}, **COMMENT)
    assert completed.code == 2
    assert offboarded(emulator) == sorted({*names} - {names[1]})
    assert len(site.evidence()) == 1
    results = site.results()
    assert set(results) == {*names} - {names[1]}
    assert {frozenset(result) for result in results.values()} == {frozenset(KEYS)}
    for result in results.values():
        assert (result["outcome"], result["action"], result["changed"], result["failed"]) == (None, None, True, False)
        assert result["summary"] == {"total": 4, "changed": 4, "failed": 0, "outcomes": {"submitted": 4}}


def test_the_play_ends_for_all_hosts_if_a_device_of_the_list_failed(emulator: Emulator, site: Site) -> None:
    names = [device.name or "" for device in fleet(emulator, 2)]
    site.hosts({name: {} for name in [*names, "gone.corp.example"]})
    devices = "{{ ansible_play_hosts | secops.mde.host_devices(hostvars) }}"
    deleted = {"name": "Delete in AD", "ansible.builtin.debug": {"msg": "deleted {{ inventory_hostname }}"}}
    tasks = [step(run_once=True, vars={"mde_devices": devices}), deleted]
    completed = site.play({"hosts": "all:!localhost", "tasks": tasks}, **COMMENT)
    assert completed.code == 2
    assert "1 of 3 devices failed." in completed.one_line
    assert "deleted" not in completed.output
    assert offboarded(emulator) == sorted(names)


def test_a_refused_sign_in_leaves_a_row_for_every_device_and_verify_fails_where_an_action_did(
    emulator: Emulator, site: Site
) -> None:
    devices = fleet(emulator, 3)
    site.hosts({})
    action = emulator.add_action(devices[0].id, status="TimeOut", age="3d")
    wrong: dict[str, t.Any] = {"environment": {"MDE_CLIENT_SECRET": "made-up-and-wrong"}}
    given = {"mde_devices": [device.name for device in devices], "mde_batch_size": 1}
    tasks = [
        {"block": [step(vars=given, **wrong)], "rescue": [SEE, show("mde_result.msg")]},
        {"block": [step("verify", vars={"mde_action_ids": action["id"]})], "rescue": [show("mde_result.outcome")]},
        step("verify", vars={"mde_action_ids": [action["id"]], "mde_fail_on": []}),
        show("mde_result.action.id"),
    ]
    del tasks[0]["block"][0]["environment"]
    tasks[0]["environment"] = wrong["environment"]
    completed = site.play({"hosts": "localhost", "tasks": tasks}, **COMMENT)
    assert completed.code == 0, completed.output
    (result,) = site.results().values()
    assert (result["outcome"], result["failed"], result["summary"]["failed"]) == (None, True, 3)
    assert [row["device_name"] for row in result["devices"]] == [device.name for device in devices]
    assert [("AADSTS7000215" in row["message"]) for row in result["devices"]] == [True, False, False]
    assert "AADSTS7000215" in shown(completed)[0]
    assert shown(completed)[1:] == ["timed_out", action["id"]]
    assert posts(emulator) == 0


def show(expression: str) -> dict[str, t.Any]:
    return {"name": "Show", "ansible.builtin.debug": {"msg": "SHOWN {{ " + expression + " }} END"}}


def shown(completed: CommandResult) -> list[str]:
    return re.findall(r'"SHOWN (.*?) END"', completed.one_line)


REASON: t.Final = "ansible_failed_result.msg ~ ' / ' ~ (mde_result | default({})).outcome | default('unset', true)"
LIST: t.Final = {"mde_devices": ["pc-0000.corp.example"]}


def refused(*steps: dict[str, t.Any]) -> list[dict[str, t.Any]]:
    return [{"name": "Try", "block": [one], "rescue": [show(REASON)]} for one in steps]


def test_invalid_input_is_an_error_before_the_first_request(emulator: Emulator, site: Site) -> None:
    names = [device.name or "" for device in fleet(emulator, 2)]
    site.hosts({name: {} for name in names})
    stale = {"name": "Earlier", "ansible.builtin.set_fact": {"mde_result": {"outcome": "submitted"}}}
    on_hosts = refused(
        step(None),
        step(vars=LIST),
        step(vars={"mde_devices": "{{ cmdb.devices }}"}),
        step(vars={"mde_device_name": "{{ cmdb.name }}"}),
        step(vars={"mde_force": "{{ cmdb.force }}"}),
        step(run_once=True, vars={"mde_devices": ""}),
        step(vars={"mde_comments": "CHG-1", "mde_device": ["pc-1"], "mde_ticket": "CHG-1"}),
        step(vars={"mde_device_name": 20261044}),
        step("verify"),
    )
    on_localhost = refused(
        step(),
        step(vars={**LIST, "mde_device_name": "pc-0001.corp.example"}),
        step(vars={**LIST, "mde_devices_file": "x.csv"}),
        step(vars={"mde_devices": []}),
        step(vars={**LIST, "mde_comment": ""}),
    )
    site.hosts({names[0]: {}, names[1]: {}})
    plays = [
        {"name": "Hosts", "hosts": f"{names[0]}:{names[1]}", "gather_facts": False, "tasks": [stale, *on_hosts]},
        {"name": "Localhost", "hosts": "localhost", "gather_facts": False, "tasks": [stale, *on_localhost]},
        {
            "name": "Free",
            "hosts": f"{names[0]}:{names[1]}",
            "gather_facts": False,
            "strategy": "free",
            "tasks": refused(step(run_once=True, vars=LIST)),
        },
    ]
    for play in plays:
        play["vars"] = COMMENT
    (site.folder / "site.yml").write_text(json.dumps(plays), "utf-8")
    completed = site.execute(*ANSIBLE_PLAYBOOK, "site.yml", "-i", "hosts.yml")
    assert completed.code == 0, completed.output
    assert emulator.calls() == []
    assert not (site.folder / "mde-evidence").exists()
    # Each host has the same message except for its name, in any order.
    found = list(dict.fromkeys(re.sub(r"pc-000\d\.corp\.example", "HOST", line) for line in shown(completed)))
    expected = [
        "requires an entry point, and nothing was done",
        "the host HOST or the list. This play has 2 host",
        "'cmdb' is undefined",  # Ansible reads the variables of the spec before the role does
        "requires a list: it never takes one host for all",
        "mde_comments is not a variable of the runbook. Did you mean mde_comment?",
        "mde_device_name of host HOST must be a string",
        "Nothing to verify",
        "localhost is the controller",
        "the list or the device of mde_device_name",
        "Both mde_devices and mde_devices_file are set",
        "The list has no devices",
        "mde_comment is missing",
        "The strategy free ignores run_once",
    ]
    assert [next((part for part in expected if part in line), line) for line in found] == expected
    assert "mde_device is not a variable of the runbook. Did you mean mde_devices?" in found[4]
    assert "mde_ticket" not in found[4]
    # Without an entry point, the earlier result stays. In all other cases, it is reset.
    assert [line.rpartition(" / ")[2] for line in found[:2]] == ["submitted", "unset"]
    assert {line.rpartition(" / ")[2] for line in found[1:]} == {"unset"}


# -- documentation of the role ------------------------------------------------------------------------------


def described(entry_point: str, name: str) -> str:
    option = SPEC[entry_point]["options"][name]
    assert option.keys() == {"description", "type"}
    assert option["type"] == "raw"  # a typed option refuses null and empty text
    return " ".join(option["description"])


def test_the_spec_has_every_variable_with_type_default_and_choices() -> None:
    own = {"offboard": {"mde_hosts", *DEVICE_VARIABLES.values()}, "verify": set()}
    assert SPEC.keys() == ENTRY_POINTS.keys()
    for entry_point, names in ENTRY_POINTS.items():
        assert SPEC[entry_point]["options"].keys() == {*names, *own[entry_point]}
        values = FilterModule().filters()["runbook_options"](dict.fromkeys(names))["options"]
        for name in SPEC[entry_point]["options"]:
            text = described(entry_point, name)
            assert "Type " in text
            default = values.get(name.removeprefix("mde_"))
            shown_default = {"mde_devices": None, "mde_evidence_dir": "mde-evidence"}.get(name, default)
            if shown_default in (None, []):
                assert "default is" not in text
            else:
                found = re.search(r"The default is V\((.*?)\)\.", text)
                assert found
                assert yaml.safe_load(found[1]) == shown_default
    for outcome in ("done", "came_back", "pending", "failed", "timed_out", "cancelled", "no_action"):
        assert outcome in described("verify", "mde_fail_on").partition("choices")[2]


def test_ansible_doc_and_the_readme_have_every_variable_and_every_key_of_the_result(site: Site) -> None:
    shown_spec = site.execute(sys.executable, "-m", "ansible.cli.doc", "-t", "role", "--json", "secops.mde.mde")
    assert shown_spec.code == 0, shown_spec.output
    document = shown_spec.output[shown_spec.output.index("{\n") :]  # after warnings
    entry_points = json.JSONDecoder().raw_decode(document)[0]["secops.mde.mde"]["entry_points"]
    readme = (ROLE / "README.md").read_text("utf-8")
    rows = set(re.findall(r"^\| `(\w+)` ", readme, re.MULTILINE))
    for name, default in re.findall(r"^\| `(\w+)` \| [^|]+ \| (.*?) \| .* \|$", readme, re.MULTILINE):
        text = " ".join(described(entry_point, name) for entry_point in SPEC if name in SPEC[entry_point]["options"])
        assert re.findall(r"The default is V\((.*?)\)\.", text)[:1] == ([default.strip("`")] if default else []), name
    names = {name for spec in SPEC.values() for name in spec["options"]}
    assert {name for spec in entry_points.values() for name in spec["options"]} == names
    assert rows == names | KEYS


def test_no_task_of_the_role_has_a_tag() -> None:
    for path in (ROLE / "tasks").glob("*.yml"):
        assert not re.search(r"^\s*(?:- )?tags:", path.read_text("utf-8"), re.MULTILINE)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mde_comments", "mde_comment"),
        ("mde_coment", "mde_comment"),
        ("mde_Comment", "mde_comment"),
        ("mde_device", "mde_devices"),
        ("mde_device_file", "mde_devices_file"),
        ("mde_missingok", "mde_missing_ok"),
        ("mde_max_device", "mde_max_devices"),
        ("mde_devcie_id", "mde_device_id"),
        ("mde_host", "mde_hosts"),
        ("mde_tags", "mde_tag"),
    ],
)
def test_a_misspelled_variable_is_named_with_the_correct_one(name: str, meant: str) -> None:
    (sentence,) = misspelled([name, "mde_comment"])
    assert sentence.startswith(f"{name} is not a variable of the runbook. Did you mean {meant}?")


@pytest.mark.parametrize(
    "name",
    [
        *("mde_offboard_4711", "mde_offboard_list_4711", "mde_verify_4711", "mde_role_4711"),
        *("mde_ticket", "mde_result", "mde_machine", "mde_machines", "mde_offboard", "mde_device_list", "mde_owner"),
        *("mde_device_count", "mde_evidence_path", "comments", "mde", "mdecomment", "mde_site"),
    ],
)
def test_other_variables_are_ignored(name: str) -> None:
    assert misspelled([name]) == []
