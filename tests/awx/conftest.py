# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An AWX with the objects of setup.yml, and an emulator in real time."""

from __future__ import annotations

import os
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.secops.mde.tests.awx.awx import Awx
from ansible_collections.secops.mde.tests.awx.objects import FILES, Object, SetUp
from ansible_collections.secops.mde.tests.awx.programs import base_environment
from ansible_collections.secops.mde.tests.emulator import Emulator


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Keep only the variables of a container, because ansible-runner passes all variables to its jobs."""
    home = tmp_path / "home"
    home.mkdir()
    wanted = base_environment(home)
    for name in set(os.environ) - set(wanted) - {"PYTEST_CURRENT_TEST"}:
        monkeypatch.delenv(name)
    for name, value in wanted.items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def objects(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, Object]]:
    """The objects of setup.yml with unchanged settings, by module."""
    return SetUp(tmp_path_factory.mktemp("setup")).run()


@pytest.fixture
def emulator() -> t.Iterator[Emulator]:
    with Emulator(real_time=True) as running:
        yield running


@pytest.fixture
def awx(objects: list[tuple[str, Object]], tmp_path: Path) -> Awx:
    return Awx(objects, FILES / "project", tmp_path)


@pytest.fixture
def credential(emulator: Emulator) -> dict[str, t.Any]:
    """A credential of the kind client_secret. All other fields are empty."""
    inputs = yaml.safe_load((FILES / "credential_type" / "inputs.yml").read_text("utf-8"))
    empty = {field["id"]: "" for field in inputs["fields"] if field["type"] == "string"}
    return {**empty, **connection(emulator), "client_secret": emulator.client_secret}


def connection(emulator: Emulator, kind: str = "client_secret") -> dict[str, t.Any]:
    """Return the fields of a credential for the emulator, without its secret."""
    return {
        "auth_source": kind,
        "tenant_id": emulator.tenant_id,
        "client_id": emulator.client_id,
        "api_url": emulator.api_url,
        "authority_host": emulator.authority_host,
        "private_authority": True,
        "ca_certificates": Path(emulator.ca_path).read_text("ascii"),
    }
