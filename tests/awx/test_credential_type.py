# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The credential type: AWX accepts it, and it injects a complete identity for the collection."""

from __future__ import annotations

import stat
import typing as t
from pathlib import Path

import jinja2
import jinja2.sandbox
import pytest
import yaml
from awx_plugins.credentials.injectors import azure_rm
from awx_plugins.interfaces._temporary_private_credential_api import Credential
from awx_plugins.interfaces._temporary_private_inject_api import ENV_BLOCKLIST

from ansible_collections.secops.mde.plugins.module_utils._auth.credential_selection import (
    Identity,
    credential_sources,
    resolve_identity,
)
from ansible_collections.secops.mde.plugins.module_utils._options.argument_spec import ENVIRONMENT, connection_spec
from ansible_collections.secops.mde.tests.awx.awx import inject
from ansible_collections.secops.mde.tests.awx.objects import FILES, Object

INPUTS = yaml.safe_load((FILES / "credential_type" / "inputs.yml").read_text("utf-8"))
INJECTORS = yaml.safe_load((FILES / "credential_type" / "injectors.yml").read_text("utf-8"))
FIELDS: dict[str, dict[str, t.Any]] = {field["id"]: field for field in INPUTS["fields"]}
OBJECTS: list[tuple[str, Object]] = [
    ("credential_type", {"name": "made up", "kind": "cloud", "inputs": INPUTS, "injectors": INJECTORS})
]
SECRETS = {name: f"made-up-{name}" for name, field in FIELDS.items() if field.get("secret")}
APPLICATION = {"tenant_id": "corp.example", "client_id": "7e9d3c54-1b2a-4c3d-8e4f-001122334455"}


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """The folder of a job."""
    (tmp_path / "env").mkdir()
    return tmp_path


def identity_of(environment: t.Mapping[str, str]) -> Identity:
    """Return the identity with which the collection signs in with these variables."""
    kind = environment.get("MDE_AUTH_SOURCE", "auto")
    return resolve_identity(credential_sources({}, environment), kind)


# -- AWX's rules for a credential type (its validators are not published) --


def test_only_the_kind_is_required() -> None:
    assert INPUTS["required"] == ["auth_source"]
    assert len(FIELDS) == len(INPUTS["fields"])


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_has_only_what_awx_accepts(name: str) -> None:
    field = FIELDS[name]
    assert set(field) <= {"id", "type", "label", "help_text", "secret", "multiline", "choices"}
    assert name.isidentifier()
    assert name != "tower"
    assert field["type"] in ("string", "boolean")
    assert field["type"] == "string" or not set(field) & {"secret", "multiline", "choices"}
    assert field["label"].isascii()


def test_choices_match_those_of_the_collection() -> None:
    spec = connection_spec()
    kinds = spec["auth_source"]["choices"]
    assert set(FIELDS["auth_source"]["choices"]) == set(kinds) - {"auto", "azure_cli"}
    assert FIELDS["cloud"]["choices"] == [cloud for cloud in spec["cloud"]["choices"] if cloud.islower()]
    assert FIELDS["region"]["choices"] == list(spec["region"]["choices"])


def test_injectors_set_variables_that_awx_allows_and_the_collection_reads() -> None:
    assert set(INJECTORS) == {"env", "file"}, "extra variables would show secrets"
    known = {name for names in ENVIRONMENT.values() for name in names}
    assert set(INJECTORS["env"]) <= known
    assert not set(INJECTORS["env"]) & ENV_BLOCKLIST
    assert not [name for name in INJECTORS["env"] if name.startswith("ANSIBLE_")]
    assert all(name.startswith("template.") for name in INJECTORS["file"])


def test_templates_are_ascii_and_use_fields_that_exist() -> None:
    engine = jinja2.sandbox.ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined)
    files = {name.removeprefix("template."): "/runner/env/made-up" for name in INJECTORS["file"]}
    values = {**dict.fromkeys(FIELDS, "EXAMPLE"), "tower": {"filename": files}}
    used = ""
    for template in (*INJECTORS["env"].values(), *INJECTORS["file"].values()):
        assert template.isascii()
        used += engine.from_string(template).render(values) and template
    assert [name for name in FIELDS if name not in used] == []


# -- what is injected --


@pytest.mark.parametrize("empty", [{}, dict.fromkeys(FIELDS, "")], ids=["absent", "empty"])
@pytest.mark.parametrize(
    ("kind", "filled"),
    [
        ("client_secret", {**APPLICATION, "client_secret": "made-up-secret"}),
        ("certificate", {**APPLICATION, "certificate": "made-up-certificate"}),
        ("certificate", {**APPLICATION, "certificate": "made-up-certificate", "certificate_password": "made-up"}),
        ("workload_identity", {**APPLICATION, "federated_token": "made-up-token"}),
        ("workload_identity", {**APPLICATION, "federated_token_file": "/var/run/secrets/tokens/mde"}),
        ("managed_identity", {}),
        ("managed_identity", {"client_id": APPLICATION["client_id"]}),
        ("access_token", {"access_token": "made-up-token"}),
    ],
)
def test_each_credential_kind_is_complete_and_its_empty_fields_have_no_effect(
    job: Path, kind: str, filled: dict[str, str], empty: dict[str, str]
) -> None:
    environment, _stored, arguments = inject(OBJECTS, {**empty, "auth_source": kind, **filled}, job)
    assert set(environment) == set(INJECTORS["env"])
    assert arguments == []
    identity = identity_of(environment)
    assert identity.auth_source == kind
    assert identity.client_id == filled.get("client_id")
    for name in ("certificate", "federated_token"):
        path = {"certificate": identity.certificate_path, "federated_token": identity.federated_token_file}[name]
        if name in filled:
            assert Path(str(path)).read_text("ascii") == filled[name]
            assert stat.S_IMODE(Path(str(path)).stat().st_mode) == 0o600
        else:
            assert path == filled.get("federated_token_file" if name == "federated_token" else "")


def test_a_pod_with_workload_identity_keeps_its_own_variables(job: Path) -> None:
    pod = {
        "AZURE_TENANT_ID": "corp.example",
        "AZURE_CLIENT_ID": APPLICATION["client_id"],
        "AZURE_FEDERATED_TOKEN_FILE": "/var/run/secrets/azure/tokens/azure-identity-token",
    }
    environment, _stored, _arguments = inject(OBJECTS, {"auth_source": "workload_identity"}, job)
    identity = identity_of({**pod, **environment})
    assert (identity.client_id, identity.federated_token_file) == (
        pod["AZURE_CLIENT_ID"],
        pod["AZURE_FEDERATED_TOKEN_FILE"],
    )


def test_the_environment_that_awx_stores_has_no_secret(job: Path) -> None:
    values = {"auth_source": "certificate", **APPLICATION, "private_authority": True, **SECRETS}
    environment, stored, _arguments = inject(OBJECTS, values, job)
    assert environment["MDE_CLIENT_SECRET"] == SECRETS["client_secret"]
    assert stored["MDE_CLIENT_ID"] == APPLICATION["client_id"]
    assert [secret for secret in SECRETS.values() if secret in str(stored)] == []
    assert environment["MDE_INSTANCE_DISCOVERY"] == "false"


def test_the_credential_of_awx_for_azure_works_too_and_ours_comes_first(job: Path) -> None:
    environment: dict[str, t.Any] = {}
    inputs = {"subscription": "", "client": "azure-client", "secret": "azure-secret", "tenant": "azure.example"}
    azure_rm(Credential(dict(inputs)), environment, str(job))
    identity = identity_of(environment)
    assert (identity.auth_source, identity.client_id) == ("client_secret", "azure-client")
    ours = {**APPLICATION, "auth_source": "client_secret", "client_secret": "made-up-secret"}
    both, _stored, _arguments = inject(OBJECTS, ours, job)
    assert identity_of({**environment, **both}).client_id == APPLICATION["client_id"]
