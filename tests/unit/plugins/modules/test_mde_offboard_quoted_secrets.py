# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""If a server quotes the request in an error of any format, no secret is in the output of a module."""

from __future__ import annotations

import contextlib
import io
import json
import typing as t
from pathlib import Path

import pytest

from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import ModuleRun, RunModule
from ansible_collections.secops.mde.tests.unit.support.quoting import (
    FORMATS,
    JSON_FORMS,
    assert_hidden,
    credentials_sent,
    fault,
)

ID = "4a" * 20
# Every encoding changes this secret.
SECRET = "a8Q~hush/&\"+<%41>\\x 'Zq9.0123456789_-"
KINDS = ("client_secret", "certificate", "workload_identity", "access_token", "managed_identity")


def options_of(kind: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, t.Any]:
    """Return the variables of one kind of credential only."""
    app = emulator.add_app("quoted", roles="*", secret=SECRET)
    if kind == "client_secret":
        return {"client_id": app.client_id, "client_secret": SECRET}
    if kind == "certificate":
        return {"client_id": emulator.client_id, "certificate_path": emulator.certificate_path}
    if kind == "workload_identity":
        return {"client_id": emulator.client_id, "federated_token_file": emulator.federated_token_file}
    if kind == "access_token":
        return {"access_token": emulator.token()}
    for name, value in emulator.identity_environment("app_service").items():
        monkeypatch.setenv(name, value)
    return {"auth_source": "managed_identity"}


@pytest.fixture
def printed(offboard: RunModule) -> t.Callable[..., tuple[ModuleRun, str]]:
    """Run the module, and return its output, including standard error."""

    def run(**options: t.Any) -> tuple[ModuleRun, str]:
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            done = offboard(device_id=ID, **options)
        return done, json.dumps(done.result, ensure_ascii=False) + done.output + errors.getvalue()

    return run


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "access_token"])
def test_a_sign_in_host_that_quotes_the_request_gets_no_secret_into_the_output(
    kind: str,
    format_name: str,
    emulator: Emulator,
    printed: t.Callable[..., tuple[ModuleRun, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = options_of(kind, emulator, monkeypatch)
    service = "metadata" if kind == "managed_identity" else "entra"
    emulator.fault(**fault(format_name, service=service, method=None if kind == "managed_identity" else "POST"))
    run, output = printed(**given)
    assert run.error_code == "sign_in_failed"
    sent = credentials_sent(emulator)
    assert sent
    assert_hidden(output, sent)


@pytest.mark.parametrize("format_name", FORMATS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_api_that_quotes_the_request_gets_no_token_into_the_output(
    kind: str,
    format_name: str,
    emulator: Emulator,
    printed: t.Callable[..., tuple[ModuleRun, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = options_of(kind, emulator, monkeypatch)
    emulator.fault(**fault(format_name))
    run, output = printed(**given)
    assert run.failed
    sent = credentials_sent(emulator)
    assert sent
    assert_hidden(output, sent)


def test_a_redirect_that_quotes_the_request_gets_no_token_into_the_output(
    emulator: Emulator, printed: t.Callable[..., tuple[ModuleRun, str]]
) -> None:
    token = emulator.token()
    location = f"https://login.example.test/?token={token}&x"
    emulator.fault(kind="body", status=302, headers={"Location": location}, times=None)
    run, output = printed(access_token=token)
    assert run.error_code == "redirected"
    assert_hidden(output, [token])


@pytest.mark.parametrize("written", JSON_FORMS.values(), ids=JSON_FORMS)
def test_a_record_that_quotes_the_token_gets_no_token_into_the_output(
    emulator: Emulator, machine_info: RunModule, written: t.Callable[[str], str]
) -> None:
    token = emulator.token()
    record = {"id": ID, "computerDnsName": "pc-0101.corp.example", "osVersion": "TOKEN", "machineTags": ["xTOKEN"]}
    refused = {"id": "/TOKEN"}
    body = json.dumps({"value": [record, refused]}).replace("TOKEN", written(token))
    emulator.fault(kind="body", body=body, times=None)
    run = machine_info(access_token=token)
    assert run.names == ["pc-0101.corp.example"]
    assert "its id is" in str(run.warnings)
    assert_hidden(run.output, [token])


@pytest.mark.parametrize("format_name", ["text", "a page", "Entra ID's JSON"])
def test_an_azure_cli_that_quotes_its_token_gets_none_into_the_output(
    format_name: str, emulator: Emulator, offboard: RunModule, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = emulator.token()
    printed = {
        "text": f"{'x' * 380}{token}",
        "a page": f"<p>{token}</p>",
        "Entra ID's JSON": f'{{"accessToken": "{token}"',
    }
    (tmp_path / "printed").write_text(printed[format_name], "utf-8")
    (tmp_path / "az").write_text(
        f"#!/bin/sh\ncat '{tmp_path}/printed' >&2\ncat '{tmp_path}/printed'\nexit 1\n", "utf-8"
    )
    (tmp_path / "az").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    run = offboard(device_id=ID, auth_source="azure_cli")
    assert run.error_code == "sign_in_failed"
    assert_hidden(run.output, [token])
