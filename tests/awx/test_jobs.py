# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The templates, the inventory source and the workflows of setup.yml as jobs, against the emulator."""

from __future__ import annotations

import base64
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests.awx.awx import Awx, Host, Job
from ansible_collections.secops.mde.tests.awx.conftest import connection
from ansible_collections.secops.mde.tests.emulator import Device, Emulator

LIST, TAGGED = "Defender: offboard a list", "Defender: offboard tagged devices"
SOURCE = "Devices that are tagged retire"
TICKET = {"mde_comment": "CHG-1044 retired"}
DAY = 86400.0


def fleet(emulator: Emulator, count: int, **more: t.Any) -> list[Device]:
    return [emulator.add_device(Device(name=f"pc-{n:04d}.corp.example", fate="offline", **more)) for n in range(count)]


def names(devices: t.Sequence[Device]) -> str:
    """Return a list as text for a survey."""
    return "".join(f"{device.name}\r\n" for device in devices)


def posts(emulator: Emulator) -> list[str]:
    """Return the device of each offboard request."""
    return [call.path.split("/")[3] for call in emulator.calls("api", "POST", "/offboard")]


def verified(job: Job) -> list[str]:
    """Return the outcomes that a verification publishes."""
    return sorted(job.artifacts[f"mde_verify_{job.number}"]["devices"].values())


def assert_no_secret_is_left(job: Job, *secrets: str) -> None:
    """Check that no secret is in an event, an artifact, the output, or a file of the job, in plain text or base64."""
    forms = [form for secret in secrets for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("="))]
    for path in (*job.files(), *(job.folder.parent / "home").rglob("*")):
        content = path.read_bytes() if path.is_file() else b""
        assert [form for form in forms if form.encode() in content] == [], path
    assert [form for form in forms if form in job.output + json.dumps(job.events) + str(job.stored_environment)] == []


# -- one list --


def test_a_check_job_predicts_and_a_run_job_offboards_with_every_optional_answer_empty(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any]
) -> None:
    devices = fleet(emulator, 3)
    # A comment that is passed as a number is sent as it was typed.
    answers = {"mde_devices": names(devices), "mde_comment": "20261044", "mde_tag": "", "mde_missing_ok": "no"}
    predicted = awx.launch(LIST, credential, answers=answers, job_type="check")
    assert predicted.successful, predicted.output
    assert "Prediction: 3 of 3 devices: 3 submitted." in predicted.one_line
    assert posts(emulator) == []

    job = awx.launch(LIST, credential, answers=answers)
    assert job.successful, job.output
    assert sorted(posts(emulator)) == sorted(device.id for device in devices)
    summary = job.artifacts[f"mde_offboard_list_{job.number}"]
    assert set(summary["action_ids"]) == {action["id"] for action in emulator.actions()}
    (path,) = (job.folder / "project" / "mde-evidence").glob(f"*-job{job.number}.json")
    run = json.loads(path.read_text("utf-8"))["run"]
    assert (run["operator"], run["job_id"]) == ("operator", str(job.number))
    assert run["job_url"] == f"https://awx.example.com/#/jobs/playbook/{job.number}"
    assert {action["requestorComment"] for action in emulator.actions()} == {"20261044"}
    for ended in (predicted, job):
        assert_no_secret_is_left(ended, emulator.client_secret)


@pytest.mark.matrix_only
def test_unknown_devices_are_accepted_where_the_survey_says_so(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any]
) -> None:
    devices = fleet(emulator, 1)
    answers = {"mde_devices": f"{names(devices)}pc-9999.corp.example\n", **TICKET, "mde_missing_ok": "yes"}
    job = awx.launch(LIST, credential, answers=answers)
    assert job.successful, job.output
    assert posts(emulator) == [devices[0].id]


@pytest.mark.matrix_only
def test_a_list_beyond_the_limit_of_the_template_stops_before_the_first_request(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any]
) -> None:
    text = "".join(f"pc-{number:04d}.corp.example\n" for number in range(201))
    job = awx.launch(LIST, credential, answers={"mde_devices": text, **TICKET})
    assert not job.successful
    assert "mde_max_devices" in " ".join(job.failures)
    assert emulator.calls() == []


# -- sign-in --


@pytest.mark.parametrize(
    "line_end", [pytest.param("\n", id="lf", marks=pytest.mark.matrix_only), pytest.param("\r\n", id="crlf")]
)
def test_a_certificate_pasted_into_a_form_signs_in(emulator: Emulator, awx: Awx, line_end: str) -> None:
    pem = Path(emulator.certificate_path).read_text("ascii")
    filled = {**connection(emulator, "certificate"), "certificate": pem.replace("\n", line_end)}
    filled["ca_certificates"] = filled["ca_certificates"].replace("\n", line_end)
    fleet(emulator, 1)
    job = awx.ad_hoc("secops.mde.mde_machine_info", "device_name=pc-0000.corp.example", filled)
    assert job.successful, job.output
    assert_no_secret_is_left(job, *[line for line in pem.splitlines() if len(line) == 64])


@pytest.mark.matrix_only
def test_a_pfx_file_in_base64_signs_in_with_its_password(emulator: Emulator, awx: Awx) -> None:
    pfx = base64.encodebytes(Path(emulator.certificate_pfx_path).read_bytes()).decode()
    filled = {"certificate": pfx, "certificate_password": emulator.certificate_password}
    _certificate = emulator.certificate_path
    job = awx.ad_hoc("secops.mde.mde_machine_info", "limit=1", {**connection(emulator, "certificate"), **filled})
    assert job.successful, job.output
    assert_no_secret_is_left(job, emulator.certificate_password)


@pytest.mark.matrix_only
def test_the_other_kinds_sign_in_too(emulator: Emulator, awx: Awx) -> None:
    token = Path(emulator.federated_token_file).read_text("ascii")
    awx.container = emulator.identity_environment("app_service")
    identity = {**connection(emulator, "managed_identity"), "client_id": "", "tenant_id": ""}
    for filled, secret in (
        ({**connection(emulator, "workload_identity"), "federated_token": f"{token}\r\n"}, token),
        ({**connection(emulator, "access_token"), "access_token": emulator.token()}, None),
        (identity, emulator.identity_header),
    ):
        job = awx.ad_hoc("secops.mde.mde_machine_info", "limit=1", filled)
        assert job.successful, job.output
        assert_no_secret_is_left(job, *filter(None, [secret, filled.get("access_token")]))


def test_a_wrong_secret_fails_each_job_in_one_line(emulator: Emulator, awx: Awx, credential: dict[str, t.Any]) -> None:
    hosts = [Host(device.name or "", {"mde_device_id": device.id}) for device in fleet(emulator, 2)]
    jobs = awx.slices(TAGGED, {**credential, "client_secret": "made-up-and-wrong"}, hosts, answers=TICKET)
    assert len(jobs) == 2
    for job in jobs:
        assert not job.successful
        assert sum("AADSTS7000215" in failure for failure in job.failures) == 1, job.output
        assert_no_secret_is_left(job, "made-up-and-wrong")
    assert emulator.calls("api") == []


# -- inventory and slices --


def test_an_inventory_update_reads_the_tagged_devices_and_disables_those_that_are_offboarded(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any]
) -> None:
    fleet(emulator, 2)
    emulator.add_device(Device(name="retired.corp.example", tags=["retire"]))
    emulator.add_device(Device(name="gone.corp.example", tags=["retire"]))
    emulator.update_machine("gone.corp.example", onboardingStatus="CanBeOnboarded")
    job, hosts = awx.update(SOURCE, credential)
    assert job.successful, job.output
    assert {host.name: host.enabled for host in hosts} == {"retired.corp.example": True, "gone.corp.example": False}
    assert_no_secret_is_left(job, emulator.client_secret)
    failed, none = awx.update(SOURCE, {**credential, "client_secret": "made-up-and-wrong"})
    assert (failed.successful, none) == (False, [])
    assert "AADSTS7000215" in failed.output
    assert "made-up-and-wrong" not in failed.output


def test_slices_offboard_each_device_once_and_leave_artifacts_of_their_own(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any]
) -> None:
    devices = fleet(emulator, 10, tags=["retire"])
    _update, hosts = awx.update(SOURCE, credential)
    jobs = awx.slices(TAGGED, credential, hosts, answers=TICKET)
    assert [job.successful for job in jobs] == [True] * 4, "".join(job.output for job in jobs)
    assert sorted(posts(emulator)) == sorted(device.id for device in devices)
    together = {key: summary for job in jobs for key, summary in job.artifacts.items()}
    assert len(together) == 4
    found = [action for summary in together.values() for action in summary["action_ids"]]
    assert sorted(found) == sorted(action["id"] for action in emulator.actions())
    for job in jobs:
        assert_no_secret_is_left(job, emulator.client_secret)


@pytest.mark.matrix_only
def test_a_slice_without_hosts_and_a_schedule_without_devices_are_green_and_send_nothing(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any]
) -> None:
    disabled = [Host("pc-1.corp.example", {}, enabled=False), Host("pc-2.corp.example", {}, enabled=False)]
    for job in (
        *awx.slices(TAGGED, credential, disabled, answers=TICKET),
        awx.launch(TAGGED, credential, answers=TICKET),
    ):
        assert job.successful, job.output
    (schedule,) = (given for kind, given in awx.objects if kind == "schedule")
    workflow, answers = schedule["unified_job_template"], schedule["extra_data"]
    jobs = awx.run_workflow(workflow, credential, answers, lambda _node: False, schedule=schedule["name"])
    assert {node: [job.successful for job in node_jobs] for node, node_jobs in jobs.items()} == {
        "read": [True],
        "offboard": [True],
        "wait": [],
        "verify": [True],
    }
    assert posts(emulator) == []


def test_the_name_of_a_device_is_never_a_template_on_its_way_through_awx(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any], tmp_path: Path
) -> None:
    mark = tmp_path / "evaluated"
    device = emulator.add_device(Device(name=f"{{{{ lookup('pipe', 'touch {mark}') }}}}", tags=["retire"]))
    _update, hosts = awx.update(SOURCE, credential)
    job = awx.launch(TAGGED, credential, hosts=hosts, answers=TICKET)
    assert job.successful, job.output
    assert posts(emulator) == [device.id]
    assert not mark.exists()


# -- workflows --


@pytest.mark.matrix_only
def test_a_denied_list_is_not_offboarded(emulator: Emulator, awx: Awx, credential: dict[str, t.Any]) -> None:
    answers = {"mde_devices": names(fleet(emulator, 2)), **TICKET}
    jobs = awx.run_workflow("Defender: offboard a list with approval", credential, answers, lambda _node: False)
    assert list(jobs) == ["predict", "approve"]
    assert posts(emulator) == []


def test_an_approved_list_is_verified_after_five_days_by_the_artifacts_alone(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any]
) -> None:
    devices = [emulator.add_device(Device(name=f"on-{n}.corp.example", poll_seconds=0)) for n in range(2)]

    def decide(node: str) -> bool:
        if node == "wait":
            emulator.advance(5 * DAY)
        return node == "approve"

    answers = {"mde_devices": names(devices), **TICKET, "mde_tag": ""}
    jobs = awx.run_workflow("Defender: offboard a list with approval", credential, answers, decide)
    assert list(jobs) == ["predict", "approve", "offboard", "wait", "verify"]
    (job,) = jobs["verify"]
    assert job.successful, job.output
    assert verified(job) == ["done"] * 2
    assert sorted(posts(emulator)) == sorted(device.id for device in devices)


@pytest.mark.matrix_only
def test_a_workflow_whose_offboarding_failed_fails_and_verifies_the_other_devices(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any]
) -> None:
    device = emulator.add_device(Device(name="on-1.corp.example", poll_seconds=0))

    def decide(node: str) -> bool:
        if node == "wait":
            emulator.advance(5 * DAY)
        return True

    answers = {"mde_devices": f"{device.name}\npc-9999.corp.example\n", **TICKET}
    jobs = awx.run_workflow("Defender: offboard a list with approval", credential, answers, decide)
    assert {node: [job.successful for job in node_jobs] for node, node_jobs in jobs.items()} == {
        "predict": [False],
        "approve": [],
        "offboard": [False],
        "wait": [],
        "report": [False],
        "verify": [True],
    }
    assert "Failed devices: 1." in " ".join(jobs["report"][0].failures)
    assert verified(jobs["verify"][0]) == ["done"]


@pytest.mark.matrix_only
def test_slices_are_verified_together_and_a_device_that_stayed_off_fails_the_verification(
    emulator: Emulator, awx: Awx, credential: dict[str, t.Any]
) -> None:
    fleet(emulator, 4, tags=["retire"])
    emulator.add_device(Device(name="on.corp.example", tags=["retire"], poll_seconds=0))

    def decide(_node: str) -> bool:
        emulator.advance(5 * DAY)
        return False

    workflow = "Defender: retire tagged devices"
    jobs = awx.run_workflow(workflow, credential, TICKET, decide, schedule="every Monday")
    assert [job.successful for job in jobs["offboard"]] == [True] * 4
    for job in jobs["offboard"]:
        (path,) = (job.folder / "project" / "mde-evidence").glob("*.json")
        assert json.loads(path.read_text("utf-8"))["run"]["operator"] == "schedule every Monday"
    (job,) = jobs["verify"]
    assert not job.successful
    assert verified(job) == ["done", *["timed_out"] * 4]
    assert len(job.artifacts[f"mde_verify_{job.number}"]["retry"]) == 4
