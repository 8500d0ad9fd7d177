# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A service that quotes each request in its errors gets no credential into the output of a run or into its evidence."""

from __future__ import annotations

import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.functional.support.ansible_command import AnsibleCommand
from ansible_collections.secops.mde.tests.functional.support.sample_runs import COMMENT
from ansible_collections.secops.mde.tests.unit.support.quoting import assert_hidden, credentials_sent, fault

CREDENTIALS: t.Final = ("MDE_CLIENT_ID", "MDE_CLIENT_SECRET")


def variables_of(kind: str, emulator: Emulator, folder: Path) -> dict[str, str]:
    """The variables for one kind of credential."""
    if kind == "client_secret":
        return {"MDE_CLIENT_ID": emulator.client_id, "MDE_CLIENT_SECRET": emulator.client_secret}
    if kind == "certificate":
        return {"MDE_CLIENT_ID": emulator.client_id, "MDE_CERTIFICATE_PATH": emulator.certificate_path}
    if kind == "workload_identity":
        return {"MDE_CLIENT_ID": emulator.client_id, "MDE_FEDERATED_TOKEN_FILE": emulator.federated_token_file}
    if kind == "access_token":
        return {"MDE_ACCESS_TOKEN": emulator.token()}
    if kind == "managed_identity":
        return {"MDE_AUTH_SOURCE": kind, **emulator.identity_environment("app_service")}
    (folder / "az").write_text(f'#!/bin/sh\necho \'{{"accessToken": "{emulator.token()}"}}\'\n', "utf-8")
    (folder / "az").chmod(0o755)
    return {"MDE_AUTH_SOURCE": "azure_cli", "PATH": f"{folder}:/usr/bin:/bin"}


@pytest.mark.parametrize(
    ("kind", "form", "method"),
    [
        ("client_secret", "the API's JSON", "POST"),
        ("certificate", "base64", "GET"),
        pytest.param("workload_identity", "a page", "GET", marks=pytest.mark.matrix_only),
        pytest.param("access_token", "escaped twice", "GET", marks=pytest.mark.matrix_only),
        pytest.param("managed_identity", "JSON in text", "GET", marks=pytest.mark.matrix_only),
        pytest.param("azure_cli", "in the middle of a word", "GET", marks=pytest.mark.matrix_only),
    ],
)
def test_no_credential_is_in_the_output_or_in_evidence(
    kind: str, form: str, method: str, emulator: Emulator, runbook: AnsibleCommand
) -> None:
    device = emulator.add_device(Device(name="pc-0101.corp.example"))
    emulator.fault(**fault(form, method=method))
    given = variables_of(kind, emulator, runbook.folder)
    for name in CREDENTIALS:
        del runbook.variables[name]
    runbook.variables |= given
    ran = runbook.run("offboard_list", "-vvvvv", mde_devices=[device.id], **COMMENT)
    assert ran.code == 2, ran.output
    assert emulator.calls("api", method), ran.output
    files = list((runbook.folder / "mde-evidence").iterdir())
    assert sorted(path.suffix for path in files) == [".csv", ".html", ".json"]
    evidence = "".join(path.read_text("utf-8") for path in files)
    assert "returned HTTP 40" in evidence
    sent = credentials_sent(emulator)
    assert sent
    assert_hidden(ran.output + evidence, sent)
