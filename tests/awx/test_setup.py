# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""setup.yml: awx.awx accepts its objects, and they match each other, the files and the runbook."""

from __future__ import annotations

import re
import subprocess
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.secops.mde.tests.awx.objects import FILES, Object, SetUp
from ansible_collections.secops.mde.tests.awx.programs import COLLECTION

SETTINGS = yaml.safe_load((FILES / "settings.yml").read_text("utf-8"))
RUNBOOK = yaml.safe_load((COLLECTION / "roles" / "mde" / "meta" / "argument_specs.yml").read_text("utf-8"))[
    "argument_specs"
]
VARIABLES = {name for entry_point in RUNBOOK.values() for name in entry_point["options"]}

# The options of an object that name another object, with the module of that object.
REFERENCES = {
    "project": "project",
    "source_project": "project",
    "inventory": "inventory",
    "execution_environment": "execution_environment",
    "default_environment": "execution_environment",
}


def of_kind(objects: t.Sequence[tuple[str, Object]], *kinds: str) -> list[Object]:
    return [given for kind, given in objects if kind in kinds]


def test_an_object_is_created_before_others_refer_to_it(objects: list[tuple[str, Object]]) -> None:
    known = {("credential", SETTINGS["setup_credential"])}
    for kind, given in objects:
        wanted = {(REFERENCES[option], given[option]) for option in REFERENCES.keys() & given.keys()}
        wanted |= {("credential", name) for name in given.get("credentials", [])}
        wanted |= {("credential", given["credential"])} if "credential" in given else set()
        wanted |= {("template", given["unified_job_template"])} if "unified_job_template" in given else set()
        for node in given.get("schema", []):
            target = node["unified_job_template"]
            if target["type"] != "workflow_approval":
                wanted.add((target["type"].replace("job_template", "template"), target["name"]))
        assert wanted <= known, given["name"]
        assert (kind, given["name"]) not in known
        known |= {(kind, given["name"]), ("template" if kind.endswith("job_template") else kind, given["name"])}


def test_names_of_approvals_are_unique(objects: list[tuple[str, Object]]) -> None:
    nodes = [node for given in of_kind(objects, "workflow_job_template") for node in given["schema"]]
    names = [
        node["unified_job_template"]["name"]
        for node in nodes
        if node["unified_job_template"]["type"] == "workflow_approval"
    ]
    assert len(names) == 3 == len(set(names))


def test_the_project_has_every_file_that_is_named(objects: list[tuple[str, Object]]) -> None:
    named = {given["playbook"] for given in of_kind(objects, "job_template")}
    named |= {given["source_path"] for given in of_kind(objects, "inventory_source")}
    project = FILES / "project"
    assert named == {path.name for path in project.glob("*.yml")}
    assert (project / "collections" / "requirements.yml").exists()


def test_nodes_of_a_workflow_lead_to_nodes_that_exist_and_prompts_are_allowed(
    objects: list[tuple[str, Object]],
) -> None:
    templates = {given["name"]: given for given in of_kind(objects, "job_template")}
    for workflow in of_kind(objects, "workflow_job_template"):
        nodes = {node["identifier"]: node for node in workflow["schema"]}
        assert len(nodes) == len(workflow["schema"])
        for node in nodes.values():
            targets = [target for related in node.get("related", {}).values() for target in related]
            assert {target["identifier"] for target in targets} <= set(nodes)
            assert set(node.get("related", {})) <= {"always_nodes", "success_nodes", "failure_nodes"}
            if "job_type" in node:
                assert templates[node["unified_job_template"]["name"]]["ask_job_type_on_launch"]


def test_verification_follows_whatever_the_wait_ends_with_after_more_than_four_days(
    objects: list[tuple[str, Object]],
) -> None:
    for workflow in of_kind(objects, "workflow_job_template"):
        nodes = {node["identifier"]: node for node in workflow["schema"]}
        assert nodes["offboard"]["related"]["always_nodes"] == [{"identifier": "wait"}]
        assert nodes["wait"]["related"] == {"always_nodes": [{"identifier": "verify"}]}
        assert nodes["wait"]["unified_job_template"]["timeout"] > 4 * 86400
        assert "related" not in nodes["verify"]


def test_a_failed_job_fails_the_workflow_although_others_follow(objects: list[tuple[str, Object]]) -> None:
    for workflow in of_kind(objects, "workflow_job_template"):
        nodes = {node["identifier"]: node for node in workflow["schema"]}
        assert nodes["offboard"]["related"]["failure_nodes"] == [{"identifier": "report"}]
        assert "related" not in nodes["report"]


def test_surveys_have_the_format_of_awx_and_ask_for_variables_of_the_runbook(objects: list[tuple[str, Object]]) -> None:
    surveys = [
        given["survey_spec"]
        for given in of_kind(objects, "job_template", "workflow_job_template")
        if "survey_spec" in given
    ]
    assert len(surveys) == 4
    for survey in surveys:
        assert set(survey) == {"name", "description", "spec"}
        for question in survey["spec"]:
            assert question["variable"] in VARIABLES
            assert {"question_name", "question_description", "type", "required", "default"} <= set(question)
            if question["type"] == "multiplechoice":
                assert question["default"] in question["choices"]
                assert all(isinstance(choice, str) for choice in question["choices"])
            else:
                # An empty list of a multiple selection counts as an answer: mde_fail_on would accept every outcome.
                assert question["type"] in ("text", "textarea")
                assert 0 <= question["min"] <= question["max"]
                assert question["required"] == (question["min"] > 0)


def test_template_variables_are_those_of_the_runbook_and_hold_no_secret(objects: list[tuple[str, Object]]) -> None:
    for given in of_kind(objects, "job_template"):
        assert set(given["extra_vars"]) <= VARIABLES


def test_only_devices_that_are_hosts_are_divided_into_slices(objects: list[tuple[str, Object]]) -> None:
    sliced = [given for given in of_kind(objects, "job_template") if "job_slice_count" in given]
    (tagged,) = sliced
    assert tagged["playbook"] == "offboard.yml"
    assert (tagged["job_slice_count"], tagged["extra_vars"]["mde_hosts"]) == (SETTINGS["setup_slices"], "all")
    assert "ask_limit_on_launch" not in tagged, "a limit leaves slices without hosts, which AWX fails"


def test_the_schedule_is_disabled_and_answers_what_the_survey_requires(objects: list[tuple[str, Object]]) -> None:
    (schedule,) = of_kind(objects, "schedule")
    (workflow,) = (
        given
        for given in of_kind(objects, "workflow_job_template")
        if given["name"] == schedule["unified_job_template"]
    )
    required = {question["variable"] for question in workflow["survey_spec"]["spec"] if question["required"]}
    assert set(schedule["extra_data"]) == required
    assert schedule["enabled"] is False
    assert re.fullmatch(r"DTSTART:\d{8}T\d{6}Z RRULE:FREQ=\w+;INTERVAL=\d+", schedule["rrule"])


def test_an_option_that_awx_does_not_have_is_refused(tmp_path: Path) -> None:
    set_up = SetUp(tmp_path)
    playbook = set_up.folder / "setup.yml"
    playbook.write_text(
        playbook.read_text("utf-8").replace("update_on_launch: true", "update_at_launch: true"), "utf-8"
    )
    with pytest.raises(subprocess.CalledProcessError) as failed:
        set_up.run()
    assert "update_at_launch" in failed.value.stdout


def test_settings_are_all_used_and_each_setting_that_is_used_exists() -> None:
    text = (FILES / "setup.yml").read_text("utf-8")
    own = {"setup_files", "setup_verify_variables", "setup_follow_up", "setup_nodes", "setup_what", "setup_surveys"}
    used = set(re.findall(r"\bsetup_\w+", text)) - own
    assert used <= set(SETTINGS)
    assert set(SETTINGS) - used == set()
