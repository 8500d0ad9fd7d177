# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The identity that signs in is complete and from one source, for every combination of options and variables."""

from __future__ import annotations

import itertools
import typing as t

import pytest

from ansible_collections.secops.mde.plugins.module_utils._auth.credential_selection import (
    REQUIRED_OPTIONS,
    Identity,
    credential_sources,
    resolve_identity,
)
from ansible_collections.secops.mde.plugins.module_utils._errors import OptionError

STATES = ("unset", "empty", "set")
SOURCES = ("options", "MDE_*", "AZURE_*")
SECOND = {
    "client_secret": ("client_secret", "MDE_CLIENT_SECRET", "AZURE_CLIENT_SECRET"),
    "client_secret in the other spelling": ("client_secret", "MDE_CLIENT_SECRET", "AZURE_SECRET"),
    "certificate": ("certificate_path", "MDE_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PATH"),
    "certificate in the other spelling": ("certificate_path", "MDE_CERTIFICATE_PATH", "AZURE_X509_CERTIFICATE_PATH"),
    "workload_identity": ("federated_token_file", "MDE_FEDERATED_TOKEN_FILE", "AZURE_FEDERATED_TOKEN_FILE"),
}
FIRST = ("client_id", "MDE_CLIENT_ID", "AZURE_CLIENT_ID")
ONE: t.Final = {"MDE_TENANT_ID": "mde-tenant", "MDE_CLIENT_ID": "mde-app", "MDE_CLIENT_SECRET": "mde-secret"}
OTHER: t.Final = {"AZURE_TENANT_ID": "az-tenant", "AZURE_CLIENT_ID": "az-app", "AZURE_CLIENT_SECRET": "az-secret"}


def choose(
    given: t.Mapping[str, t.Any] | None = None,
    environ: t.Mapping[str, str] | None = None,
    auth_source: str = "auto",
) -> Identity:
    return resolve_identity(credential_sources(given or {}, environ or {}), auth_source)


def fill(place: dict[str, str], name: str, state: str, value: str) -> None:
    if state != "unset":
        place[name] = value if state == "set" else ""


@pytest.mark.parametrize("credential", SECOND)
@pytest.mark.parametrize("options", list(itertools.product(STATES, STATES)), ids="-".join)
def test_no_credential_is_ever_used_with_the_client_id_of_another_source(
    credential: str, options: tuple[str, str]
) -> None:
    """Return every combination of the three sources: 81 for each state of the options."""
    kind = credential.split(" ", maxsplit=1)[0]
    for others in itertools.product(itertools.product(STATES, STATES), repeat=2):
        states = (options, *others)
        given: dict[str, str] = {"tenant_id": "contoso.example"}
        environ: dict[str, str] = {}
        for place, source, first, second, (one, two) in zip(
            (given, environ, environ), SOURCES, FIRST, SECOND[credential], states, strict=True
        ):
            fill(place, first, one, f"{source} app")
            fill(place, second, two, f"{source} proof")
        filled = [pair.count("set") for pair in states]
        winner = next((source for source, count in zip(SOURCES, filled, strict=True) if count == 2), None)
        if winner is None or (filled[0] == 1 and winner != "options"):
            with pytest.raises(OptionError) as refused:
                choose(given, environ)
            assert refused.value.code == "credential_incomplete"
            if winner is None:
                for source, (one, two), count in zip(SOURCES, states, filled, strict=True):
                    missing = "client_id" if one != "set" else SECOND[credential][0]
                    label = source if source == "options" else f"{source} environment variables"
                    assert (f"({label}: {missing} is missing)" in refused.value.message) == (count == 1), (one, two)
        else:
            chosen = choose(given, environ)
            proof = getattr(chosen, SECOND[credential][0])
            assert (chosen.auth_source, chosen.client_id, proof) == (kind, f"{winner} app", f"{winner} proof")


@pytest.mark.parametrize(
    ("given", "environ", "chosen"),
    [
        pytest.param({}, {**ONE, **OTHER}, ("mde-tenant", "mde-app", "mde-secret"), id="MDE before AZURE"),
        pytest.param(
            {"tenant_id": "t", "client_id": "a", "client_secret": "s"}, {**ONE, **OTHER}, ("t", "a", "s"), id="options"
        ),
        pytest.param(
            {"client_id": "a", "client_secret": "s"}, ONE, ("mde-tenant", "a", "s"), id="tenant from the next source"
        ),
        pytest.param(
            {"tenant_id": "t"},
            ONE,
            ("t", "mde-app", "mde-secret"),
            id="a tenant option takes precedence over that of the source",
        ),
        pytest.param(
            {},
            {"MDE_CLIENT_ID": "mde-app", "MDE_CLIENT_SECRET": "mde-secret", **OTHER},
            ("az-tenant", "mde-app", "mde-secret"),
            id="tenant from AZURE",
        ),
        pytest.param(
            {},
            {"MDE_TENANT_ID": "mde-tenant", "AZURE_CLIENT_ID": "az-app", "AZURE_SECRET": "x", "AZURE_TENANT": "az"},
            ("az", "az-app", "x"),
            id="a complete source keeps its own tenant",
        ),
        pytest.param(
            {},
            {**OTHER, "AZURE_CLIENT_SECRET": "", "AZURE_SECRET": "x", "AZURE_TENANT_ID": " ", "AZURE_TENANT": "az"},
            ("az", "az-app", "x"),
            id="the first spelling that is not empty",
        ),
        pytest.param({}, {**OTHER, "AZURE_SECRET": "x"}, ("az-tenant", "az-app", "az-secret"), id="the first spelling"),
        pytest.param(
            {},
            {**ONE, "AZURE_SUBSCRIPTION_ID": "", "AZURE_SECRET": "", "AZURE_CLIENT_ID": "", "AZURE_TENANT": ""},
            ("mde-tenant", "mde-app", "mde-secret"),
            id="an Azure credential of AWX with empty fields",
        ),
        pytest.param(
            {}, {**OTHER, "MDE_CLIENT_ID": "mde-app"}, ("az-tenant", "az-app", "az-secret"), id="half MDE gives way"
        ),
        pytest.param(
            {"client_id": "mde-app"}, ONE, ("mde-tenant", "mde-app", "mde-secret"), id="an option with the same value"
        ),
        pytest.param(
            {"client_id": " ", "client_secret": None}, ONE, ("mde-tenant", "mde-app", "mde-secret"), id="empty options"
        ),
        pytest.param(
            {"tenant_id": "t", "client_id": 42, "client_secret": 7}, {}, ("t", "42", "7"), id="numbers become text"
        ),
    ],
)
def test_the_first_complete_source_signs_in(
    given: dict[str, t.Any], environ: dict[str, str], chosen: tuple[str, str, str]
) -> None:
    found = choose(given, environ)
    assert (found.tenant_id, found.client_id, found.client_secret) == chosen


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"client_id": "mine"}, "client_id"),
        ({"client_secret": "mine"}, "client_secret"),
        ({"client_secret": "mine", "certificate_path": "/c.pem"}, "certificate_path, client_secret"),
        ({"client_id": "mde-app", "certificate_path": "/c.pem"}, None),
    ],
)
def test_incomplete_options_are_never_ignored_in_favor_of_the_environment(
    given: dict[str, str], named: str | None
) -> None:
    if named is None:  # with a client ID this credential is complete and requires only a tenant
        assert choose(given, ONE).auth_source == "certificate"
        return
    with pytest.raises(OptionError) as refused:
        choose(given, ONE)
    assert refused.value.message.startswith(f"The options set {named} but no complete credential, and the MDE_*")
    assert refused.value.hint == "Set all credential options or none."


def test_a_client_id_next_to_an_access_token_is_not_a_conflict() -> None:
    assert choose({"client_id": "app"}, {"MDE_ACCESS_TOKEN": "abc"}).auth_source == "access_token"


def test_within_a_source_the_order_of_auth_source_decides() -> None:
    everything = {
        "access_token": "token",
        "tenant_id": "t",
        "client_id": "app",
        "client_secret": "s",
        "certificate_path": "/c.pem",
        "federated_token_file": "/f",
    }
    for kind in ("access_token", "client_secret", "certificate", "workload_identity"):
        assert choose(everything).auth_source == kind
        del everything[REQUIRED_OPTIONS[kind][-1]]
    with pytest.raises(OptionError):
        choose(everything)


@pytest.mark.parametrize(
    ("auth_source", "option"), [(kind, needs[-1]) for kind, needs in REQUIRED_OPTIONS.items() if kind != "access_token"]
)
def test_a_named_kind_is_the_only_one_considered_even_in_a_later_source(auth_source: str, option: str) -> None:
    variables = {"certificate_path": "MDE_CERTIFICATE_PATH", "federated_token_file": "MDE_FEDERATED_TOKEN_FILE"}
    environ = {
        "MDE_ACCESS_TOKEN": "token",
        "MDE_TENANT_ID": "t",
        "MDE_CLIENT_ID": "app",
        variables.get(option, "MDE_CLIENT_SECRET"): "proof",
    }
    found = choose({"access_token": "mine"}, environ, auth_source)
    assert (found.auth_source, found.client_id, getattr(found, option)) == (auth_source, "app", "proof")
    assert found.access_token is None
    with pytest.raises(OptionError, match=f"{auth_source} requires client_id and {option}"):
        choose({"access_token": "mine"}, {}, auth_source)


def test_a_named_access_token_is_used_instead_of_a_complete_secret() -> None:
    found = choose(
        {"client_id": "a", "client_secret": "s", "tenant_id": "t"}, {"MDE_ACCESS_TOKEN": "x"}, "access_token"
    )
    assert (found.auth_source, found.access_token, found.client_secret) == ("access_token", "x", None)


@pytest.mark.parametrize(("auth_source", "client_id"), [("managed_identity", "mde-app"), ("azure_cli", None)])
def test_ambient_identities_are_used_if_named_and_use_no_secret(auth_source: str, client_id: str | None) -> None:
    found = choose({}, {**ONE, **OTHER}, auth_source)
    assert found == Identity(auth_source, tenant_id="mde-tenant", client_id=client_id)
    assert choose({}, {}, auth_source) == Identity(auth_source)


def test_without_credentials_the_error_lists_every_kind_and_how_to_use_ambient_ones() -> None:
    with pytest.raises(OptionError) as refused:
        choose()
    for kind, needs in REQUIRED_OPTIONS.items():
        assert f"{kind} requires {' and '.join(needs)}" in refused.value.message
    assert "only if auth_source names them" in str(refused.value)


@pytest.mark.parametrize(
    ("option", "kind"),
    [
        ("client_secret", "client_secret"),
        ("certificate_path", "certificate"),
        ("federated_token_file", "workload_identity"),
    ],
)
def test_a_credential_without_any_tenant_is_rejected_by_name(option: str, kind: str) -> None:
    with pytest.raises(OptionError) as refused:
        choose({"client_id": "a", option: "b"})
    assert refused.value.message == f"tenant_id is missing: the {kind} credential from the options requires it."
    assert "MDE_TENANT_ID" in str(refused.value.hint)


def test_an_access_token_needs_no_tenant() -> None:
    assert choose({"access_token": "abc"}) == Identity("access_token", access_token="abc")


@pytest.mark.parametrize(
    ("environ", "password"),
    [
        ({"AZURE_CLIENT_CERTIFICATE_PASSWORD": "theirs"}, ""),
        ({"MDE_CERTIFICATE_PASSWORD": "ours", "AZURE_CLIENT_CERTIFICATE_PASSWORD": "theirs"}, "ours"),
    ],
)
def test_a_certificate_uses_the_password_of_its_own_source_only(environ: dict[str, str], password: str) -> None:
    own = {"MDE_TENANT_ID": "t", "MDE_CLIENT_ID": "a", "MDE_CERTIFICATE_PATH": "/c.pem"}
    assert choose({}, {**own, **environ}).certificate_password == password


@pytest.mark.parametrize("around", ["{}\n", " {} ", "\t{}\r\n"], ids=ascii)
@pytest.mark.parametrize("place", ["options", "environment"])
def test_ids_secrets_and_tokens_are_stripped_of_surrounding_white_space(place: str, around: str) -> None:
    values = {"MDE_TENANT_ID": "t", "MDE_CLIENT_ID": "app", "MDE_CLIENT_SECRET": "s e c", "MDE_ACCESS_TOKEN": "token"}
    values = {name: around.format(value) for name, value in values.items()}
    options = {name.removeprefix("MDE_").lower(): value for name, value in values.items()}
    given, environ = (options, {}) if place == "options" else ({}, values)
    found = choose(given, environ, "client_secret")
    assert (found.tenant_id, found.client_id, found.client_secret) == ("t", "app", "s e c")
    assert choose(given, environ, "access_token").access_token == "token"


@pytest.mark.parametrize(
    ("given", "used"),
    [
        (" pass word \n", " pass word "),
        ("word\r\n", "word"),
        ("word\n\n", "word\n"),
        ("word ", "word "),
        ("\nword", "\nword"),
    ],
)
def test_a_password_loses_a_trailing_line_break_only(given: str, used: str) -> None:
    own = {"MDE_TENANT_ID": "t", "MDE_CLIENT_ID": "a", "MDE_CERTIFICATE_PATH": "/c.pem"}
    assert choose({}, {**own, "MDE_CERTIFICATE_PASSWORD": given}).certificate_password == used


def test_an_unknown_auth_source_is_rejected_with_the_list() -> None:
    with pytest.raises(OptionError, match="Unknown auth_source 'magic'") as refused:
        choose({}, ONE, "magic")
    assert "azure_cli" in str(refused.value.hint)
