# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The emulator as a program: HTTP control, command line, scenarios, start and stop."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import typing as t
from collections.abc import Callable
from pathlib import Path

import pytest
import requests
import yaml

from ansible_collections.secops.mde.tests import emulator as package
from ansible_collections.secops.mde.tests.emulator import Device, Emulator, HistoryAction, Scenario, load_scenario
from ansible_collections.secops.mde.tests.unit.emulator.client import Client

PC1 = "a1" * 20


@pytest.fixture
def control(service: Emulator) -> Callable[..., t.Any]:
    session = requests.Session()
    session.trust_env = False

    def call(method: str, route: str, body: t.Any = None, status: int = 200, **params: t.Any) -> t.Any:
        response = session.request(method, f"{service.control_url}/{route}", json=body, params=params, timeout=10)
        assert response.status_code == status, response.text
        return response.json()

    return call


def test_the_log_can_be_read_and_cleared(control: Callable[..., t.Any], client: Client) -> None:
    client.get("/machines")
    client.offboard()
    assert [item["method"] for item in control("GET", "log")] == ["GET", "POST"]
    assert [item["path"] for item in control("GET", "log", service="api", path="offboard")] == [
        f"/api/machines/{PC1}/offboard"
    ]
    control("DELETE", "log")
    assert control("GET", "log") == []


def test_knobs_can_be_read_and_changed(control: Callable[..., t.Any], service: Emulator) -> None:
    assert control("GET", "knobs")["offboard_status"] == 201
    assert control("PATCH", "knobs", {"offboard_status": 200})["offboard_status"] == 200
    assert service.knobs.offboard_status == 200
    assert "no such knob" in control("PATCH", "knobs", {"nothing": 1}, status=400)["error"]


def test_the_clock_is_advanced(control: Callable[..., t.Any], service: Emulator) -> None:
    before = service.clock.now()
    assert control("POST", "clock", {"advance": 60})["now"] == before + 60
    assert control("GET", "clock")["monotonic"] == 60
    control("POST", "clock", {}, status=400)


def test_devices_can_be_added_listed_and_changed(control: Callable[..., t.Any], client: Client) -> None:
    assert control("POST", "devices", {"id": "b2" * 20, "name": "new"}) == ["b2" * 20]
    assert len(control("POST", "devices", [{"name": "x"}, {"name": "y"}])) == 2
    shown = control("GET", "devices")
    assert [item["machine"]["computerDnsName"] for item in shown] == ["pc1.corp.example", "new", "x", "y"]
    assert control("PATCH", "devices", {"key": "new", "fate": "offline"})["fate"] == "offline"
    assert client.names("computerDnsName eq 'new'") == ["new"]
    assert "unknown key" in control("POST", "devices", {"nmae": "x"}, status=400)["error"]


def test_actions_can_be_added_listed_and_changed(control: Callable[..., t.Any], client: Client) -> None:
    old = control("POST", "actions", {"machine_id": PC1, "status": "Failed", "age": "3d"})
    new = client.offboard().json()["id"]
    assert [item["id"] for item in control("GET", "actions", machine_id=PC1)] == [new, old["id"]]
    assert control("PATCH", "actions", {"id": new, "status": "Cancelled"})["status"] == "Cancelled"


def test_faults_can_be_injected_and_removed(control: Callable[..., t.Any], client: Client) -> None:
    control("POST", "faults", {"kind": "503", "times": None})
    assert client.get("/machines").status_code == 503
    control("DELETE", "faults")
    assert client.get("/machines").status_code == 200
    control("POST", "faults", {"kind": "meteor"}, status=400)


def test_apps_and_tokens_can_be_created(control: Callable[..., t.Any], client: Client) -> None:
    app = control("POST", "apps", {"name": "reader", "roles": ["Machine.Read.All"]})
    token = control("POST", "tokens", {"client_id": app["client_id"]})["access_token"]
    client.session.headers["Authorization"] = f"Bearer {token}"
    assert client.get("/machines").status_code == 200
    assert client.offboard().status_code == 403


def test_a_reset_goes_back_to_the_start(control: Callable[..., t.Any], client: Client, service: Emulator) -> None:
    client.offboard()
    service.knobs.offboard_status = 200
    service.fault(kind="500", times=None)
    service.add_device(Device(name="new"))
    control("POST", "reset")
    assert service.log == []
    assert service.actions() == []
    assert [item["name"] for item in map(vars, service.devices)] == ["pc1.corp.example"]
    assert client.offboard().status_code == 201


def test_the_state_has_all_urls_and_ids(control: Callable[..., t.Any], service: Emulator) -> None:
    state = control("GET", "state")
    assert state["environment"] == service.environment()
    assert state["api_url"] == service.api_url
    control("GET", "nothing", status=404)


# --- start and stop ---


def test_a_stopped_emulator_leaves_nothing_behind() -> None:
    with Emulator() as service:
        folder = Path(service.ca_path).parent
        assert Path(service.certificate_path).exists()
    assert not folder.exists()
    with pytest.raises(requests.ConnectionError):
        requests.get(service.metadata_url + "/_emulator/log", timeout=5)


def test_a_port_that_is_taken_is_an_error(service: Emulator) -> None:
    port = int(service.api_url.rpartition(":")[2])
    with pytest.raises(OSError, match="in use"):
        Emulator(ports={"api": port}).start()


def test_several_emulators_can_run_concurrently(service: Emulator, client_of: Callable[..., Client]) -> None:
    with Emulator([Device(name="other")]) as second:
        assert client_of(second).names("id ne 'x'") == ["other"]
        assert client_of(service).names("id ne 'x'") == ["pc1.corp.example"]
        token = service.token()
        other = client_of(second)
        other.session.headers["Authorization"] = f"Bearer {token}"
        assert other.get("/machines").status_code == 401


def test_the_environment_is_complete(service: Emulator) -> None:
    assert service.environment() == {
        "MDE_TENANT_ID": service.tenant_id,
        "MDE_CLIENT_ID": service.client_id,
        "MDE_CLIENT_SECRET": service.client_secret,
        "MDE_API_URL": service.api_url,
        "MDE_AUTHORITY_HOST": service.authority_host,
        "MDE_INSTANCE_DISCOVERY": "false",
        "MDE_CA_PATH": service.ca_path,
    }
    origins = {service.api_url, service.authority_host, service.metadata_url, service.elsewhere_url}
    assert len(origins) == 4


def test_forget_keeps_devices_and_knobs(client: Client, service: Emulator) -> None:
    service.knobs.update({"machine_read_flaky": 1, "quota_per_minute": 2})
    assert [client.get(f"/machines/{PC1}").status_code for _number in range(3)] == [404, 200, 429]
    service.forget()
    assert service.log == []
    assert [client.get(f"/machines/{PC1}").status_code for _number in range(3)] == [404, 200, 429]


def test_records_can_be_changed_manually(client: Client, service: Emulator) -> None:
    service.update_machine("pc1.corp.example", healthStatus="Inactive", lastSeen="2026-01-01T00:00:00Z")
    assert client.names("healthStatus eq 'Inactive' and lastSeen eq 2026-01-01") == ["pc1.corp.example"]


# --- scenarios ---


def test_the_fleet_is_made_of_valid_devices() -> None:
    scenario = load_scenario("fleet")
    assert len(scenario.devices) >= 40
    assert all(re.fullmatch(r"[0-9a-f]{40}", device.id) for device in scenario.devices)
    assert len({device.id for device in scenario.devices}) == len(scenario.devices)
    merged = {device.merged_into for device in scenario.devices if device.merged_into}
    assert merged <= {device.id for device in scenario.devices}
    assert all(
        (device.name or "").endswith((".example", ".test")) or "." not in (device.name or "")
        for device in scenario.devices
    )


def test_the_fleet_has_a_device_in_every_state(client_of: Callable[..., Client]) -> None:
    with Emulator("fleet") as service:
        machines = client_of(service).get("/machines").json()["value"]
        statuses = {item["status"] for item in service.actions()}
        service.clock.advance(60 * 86400)
        stuck = service.actions("0f0200000000000000000000000000000000c0de")
    assert {item["onboardingStatus"] for item in machines} == {
        "Onboarded",
        "CanBeOnboarded",
        "Unsupported",
        "InsufficientInfo",
    }
    assert {"Active", "Inactive", "Unknown"} <= {item["healthStatus"] for item in machines}
    assert {"macOS", "Ubuntu", "Windows10", "Windows11", "WindowsServer2019"} <= {
        item["osPlatform"] for item in machines
    }
    assert statuses == {"Pending", "Succeeded", "Failed", "TimeOut", "Cancelled"}
    assert [item["status"] for item in stuck] == ["Pending"]


def test_a_scenario_file_sets_knobs_apps_faults_and_defaults(tmp_path: Path, client_of: Callable[..., Client]) -> None:
    path = tmp_path / "own.yml"
    values = {
        "description": "one",
        "defaults": {"os_platform": "Windows10", "last_seen": "2d 4h"},
        "knobs": {"offboard_status": 200},
        "apps": [
            {"name": "reader", "client_id": "11111111-2222-4333-8444-555555555555", "roles": ["Machine.Read.All"]}
        ],
        "faults": [{"kind": "500", "path": "/machineactions"}],
        "devices": [
            {"id": PC1, "history": [{"status": "Failed", "age": "9d"}, "TimeOut"], "record": {"riskScore": "High"}}
        ],
    }
    path.write_text(yaml.safe_dump(values), encoding="utf-8")
    with Emulator(path) as service:
        reader = client_of(service, client_id="11111111-2222-4333-8444-555555555555")
        assert reader.get("/machineactions").status_code == 500
        machine = reader.get(f"/machines/{PC1}").json()
        assert (machine["osPlatform"], machine["riskScore"]) == ("Windows10", "High")
        assert [item["status"] for item in service.actions()] == ["TimeOut", "Failed"]
        assert service.knobs.offboard_status == 200


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "mapping"),
        ("devicez: []", "devicez"),
        ("devices: [{nmae: x}]", "nmae"),
        ("devices: [{history: [{statuz: x}]}]", "statuz"),
        ("devices: [{fate: gone}]", "fate"),
    ],
)
def test_a_wrong_scenario_is_refused(tmp_path: Path, text: str, reason: str) -> None:
    path = tmp_path / "wrong.yml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=reason):
        load_scenario(path)


def test_a_scenario_can_be_created_in_python() -> None:
    device = Device(history=[HistoryAction(status="Failed", age=10), ("Succeeded", 5, 1)])
    with Emulator(Scenario(devices=[device])) as service:
        assert [item["status"] for item in service.actions()] == ["Succeeded", "Failed"]
    with pytest.raises(ValueError, match="status"):
        Emulator([Device(history=["Offboarded"])])


# --- command line ---


def test_the_program_starts_prints_its_usage_and_cleans_up(tmp_path: Path) -> None:
    env_file, state_file = tmp_path / "run.env", tmp_path / "state.json"
    root = Path(package.__file__).resolve().parents[2]
    command = [
        sys.executable,
        "-m",
        "tests.emulator",
        "--frozen",
        "--env-file",
        str(env_file),
        "--state-file",
        str(state_file),
    ]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    with subprocess.Popen(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            first = "".join(process.stdout.readline() for _number in range(10))
            state = json.loads(state_file.read_text(encoding="utf-8"))
            variables = dict(re.findall(r"^export (\w+)='(.*)'$", env_file.read_text(encoding="utf-8"), re.MULTILINE))
            with requests.Session() as session:
                session.trust_env = False
                session.verify = variables["MDE_CA_PATH"]
                form = {
                    "grant_type": "client_credentials",
                    "client_id": variables["MDE_CLIENT_ID"],
                    "client_secret": variables["MDE_CLIENT_SECRET"],
                    "scope": "https://api.securitycenter.microsoft.com/.default",
                }
                url = f"{variables['MDE_AUTHORITY_HOST']}/{variables['MDE_TENANT_ID']}/oauth2/v2.0/token"
                token = session.post(url, data=form).json()["access_token"]
                headers = {"Authorization": f"Bearer {token}"}
                found = session.get(variables["MDE_API_URL"] + "/api/machines", headers=headers).json()["value"]
                clock = session.get(state["control_url"] + "/clock").json()
            mode = env_file.stat().st_mode & 0o777
        finally:
            process.send_signal(signal.SIGTERM)
            rest = process.communicate(timeout=20)[0]
    assert "ready" in first
    assert len(found) >= 40
    assert clock["real_time"] is False
    assert mode == 0o600
    assert state["environment"] == {name: value for name, value in variables.items() if name != "MDE_EMULATOR_CONTROL"}
    assert f". {env_file}" in first
    assert "stopped" in rest
    assert process.returncode == 0
    assert list(tmp_path.iterdir()) == []
    assert not Path(state["ca_path"]).exists()


def test_the_program_reports_the_error_in_a_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    from ansible_collections.secops.mde.tests.emulator.cli import main

    assert main(["--scenario", "/nowhere/at/all.yml"]) == 2
    assert "/nowhere/at/all.yml" in capsys.readouterr().err
