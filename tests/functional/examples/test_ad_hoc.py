# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Ansible at the highest verbosity shows no secret, wherever the secrets are set and however the task ends."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.secops.mde.tests.functional.examples.example_command import (
    CLIENT_ID,
    CLIENT_SECRET,
    ExampleCommand,
)

NAME = "lab-w11-07.corp.example"
# The variables of all sources, all in the environment. Requests to the loopback interface do not use the proxy.
SECRETS = {
    "MDE_CERTIFICATE_PASSWORD": "made-up-mde-certificate-password",
    "AZURE_CLIENT_SECRET": "made-up-azure-client-secret",
    "AZURE_SECRET": "made-up-azure-secret",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD": "made-up-azure-certificate-password",
}
PROXY_PASSWORD = "made-up-proxy-password"
PROXIES = {"MDE_PROXY": f"http://operator:{PROXY_PASSWORD}@proxy.example:8080"}


def ad_hoc(stage: ExampleCommand, *options: str, **arguments: t.Any) -> str:
    """Run the module with one command at the highest verbosity, and check its output and exit status."""
    arguments = {"device_name": NAME, "comment": "CHG-1042 retired", **arguments}
    command = ["ansible", "localhost", "-m", "secops.mde.mde_offboard", "-vvvvv", "-a", json.dumps(arguments), *options]
    run = stage.execute(*command, environment={"ANSIBLE_DEBUG": "1", **SECRETS, **PROXIES})
    assert "secops.mde.mde_offboard" in run.output
    return f"{run.code} {run.output}"


def shown(stage: ExampleCommand, output: str) -> set[str]:
    """Return the secrets in an output."""
    tokens = {call.headers["authorization"].split()[1] for call in stage.emulator.calls("api")}
    return {secret for secret in {CLIENT_SECRET, PROXY_PASSWORD, *SECRETS.values(), *tokens} if secret in output}


def test_a_success_shows_no_secrets_of_the_environment(stage: ExampleCommand) -> None:
    output = ad_hoc(stage)
    assert output.startswith("0 ")
    assert CLIENT_ID in output
    assert len(stage.emulator.actions()) == 1
    assert shown(stage, output) == set()


@pytest.mark.parametrize(
    "arguments",
    [{"device_name": "missing.corp.example"}, {"tenant_id": "nowhere"}, {"wait": "perhaps"}],
    ids=["not found", "no sign-in", "refused by Ansible"],
)
def test_a_failure_shows_no_secrets_of_the_environment(stage: ExampleCommand, arguments: dict[str, t.Any]) -> None:
    output = ad_hoc(stage, **arguments)
    assert output.startswith("2 ")
    assert stage.emulator.actions() == []
    assert shown(stage, output) == set()
