# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options and their environment variables: set, empty, documented, and rejected before anything is sent."""

from __future__ import annotations

import re
import typing as t

import pytest
import yaml

from ansible_collections.secops.mde.plugins.doc_fragments.connection import ModuleDocFragment
from ansible_collections.secops.mde.plugins.module_utils._connection import passwords_in_urls
from ansible_collections.secops.mde.plugins.module_utils._errors import OptionError
from ansible_collections.secops.mde.plugins.module_utils._module import MdeModule
from ansible_collections.secops.mde.plugins.module_utils._options.argument_spec import (
    ENVIRONMENT,
    connection_spec,
    first_nonempty_variable,
    require_positive,
    secret_values,
)
from ansible_collections.secops.mde.tests.emulator import Emulator
from ansible_collections.secops.mde.tests.unit.conftest import run_module
from ansible_collections.secops.mde.tests.unit.support.module_run import ModuleRun, RunModule

DOCUMENTED: dict[str, dict[str, t.Any]] = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]
SPEC = connection_spec()
# A value of each option as text of a variable, and the resulting value.
SAMPLES: dict[str, tuple[str, t.Any]] = {
    "auth_source": ("azure_cli", "azure_cli"),
    "tenant_id": ("corp.example", "corp.example"),
    "client_id": ("0a1b2c3d-0000-4000-8000-000000000001", "0a1b2c3d-0000-4000-8000-000000000001"),
    "client_secret": ("made-up-secret", "made-up-secret"),
    "certificate_path": ("/made/up.pem", "/made/up.pem"),
    "certificate_password": ("made-up-password", "made-up-password"),
    "federated_token_file": ("/made/up/token", "/made/up/token"),
    "access_token": ("made-up-token", "made-up-token"),
    "cloud": ("AzureUSGovernment", "AzureUSGovernment"),
    "region": ("eu", "eu"),
    "api_url": ("https://mde.corp.example", "https://mde.corp.example"),
    "authority_host": ("login.corp.example", "login.corp.example"),
    "scope": ("api://made-up/.default", "api://made-up/.default"),
    "instance_discovery": ("no", False),
    "ca_path": ("/made/up/ca.pem", "/made/up/ca.pem"),
    "validate_certs": ("false", False),
    "proxy": ("http://proxy.corp.example:8080", "http://proxy.corp.example:8080"),
}
VARIABLES = [(option, name) for option, names in ENVIRONMENT.items() for name in names]


def resolve(options: t.Mapping[str, t.Any] | None = None) -> tuple[dict[str, t.Any], ModuleRun]:
    """Return the resolved options of a module, and its result with the warnings."""
    seen: dict[str, t.Any] = {}

    def main() -> None:
        module = MdeModule(options={})
        seen.update(module.params)
        module.exit_json()

    run = run_module(main, options or {})
    return seen, run


# -- the documentation ---------------------------------------------------------------------------------------


def test_the_fragment_and_the_spec_have_the_same_options() -> None:
    assert list(DOCUMENTED) == list(SPEC)


@pytest.mark.parametrize("option", SPEC)
def test_the_documentation_matches_the_spec(option: str) -> None:
    documented, spec = DOCUMENTED[option], SPEC[option]
    for key in ("type", "default", "choices", "aliases"):
        assert documented.get(key) == spec.get(key), key


@pytest.mark.parametrize("option", SPEC)
def test_the_variables_that_are_documented_are_the_ones_that_are_read_in_that_order(option: str) -> None:
    sentences = [line for line in DOCUMENTED[option]["description"] if line.startswith("If not set, ")]
    named = re.findall(r"E\((\w+)\)", " ".join(sentences))
    assert len(sentences) == (option in ENVIRONMENT)
    assert named == list(ENVIRONMENT.get(option, ()))
    if option in ENVIRONMENT:
        assert SPEC[option]["fallback"] == (first_nonempty_variable, named)
    else:
        assert "fallback" not in SPEC[option]


def test_no_variable_is_one_of_ansibles_and_ours_come_first() -> None:
    for names in ENVIRONMENT.values():
        assert names[0].startswith("MDE_")
        assert all(name.startswith("AZURE_") for name in names[1:])


def test_secrets_are_marked_and_identifiers_are_not() -> None:
    marked = {option for option, spec in SPEC.items() if spec.get("no_log")}
    assert marked == {"client_secret", "certificate_password", "access_token"}


def test_plugins_document_the_same_variables_and_convert_nothing() -> None:
    for option, documented in yaml.safe_load(ModuleDocFragment.PLUGINS)["options"].items():
        names = [variable["name"] for variable in documented.get("env", ())]
        assert names == list(ENVIRONMENT.get(option, ()))
        if names:
            assert documented["type"] == ("raw" if SPEC[option].get("no_log") else "str")
            assert not documented.keys() & {"default", "choices"}
        assert documented.get("aliases") == SPEC[option].get("aliases")


# -- the environment -----------------------------------------------------------------------------------------


def test_there_is_a_sample_for_each_option_with_a_variable() -> None:
    assert list(SAMPLES) == list(ENVIRONMENT)


@pytest.mark.parametrize(("option", "name"), VARIABLES)
def test_each_variable_sets_its_option(option: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SAMPLES[option][0])
    assert resolve()[0][option] == SAMPLES[option][1]


@pytest.mark.parametrize("empty", ["", "  "], ids=["empty", "spaces"])
@pytest.mark.parametrize("option", ENVIRONMENT)
def test_variables_that_are_set_but_empty_count_as_unset(
    option: str, empty: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    default = resolve()[0][option]
    for name in ENVIRONMENT[option]:
        monkeypatch.setenv(name, empty)
    assert resolve()[0][option] == default == SPEC[option].get("default")
    monkeypatch.setenv(ENVIRONMENT[option][-1], SAMPLES[option][0])
    assert resolve()[0][option] == SAMPLES[option][1]


@pytest.mark.parametrize("around", ["{}\n", " {}", "{}\r\n", "\t{} "], ids=ascii)
@pytest.mark.parametrize("option", ENVIRONMENT)
def test_white_space_around_a_variable_is_ignored(option: str, around: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENVIRONMENT[option][0], around.format(SAMPLES[option][0]))
    assert resolve()[0][option] == SAMPLES[option][1]


@pytest.mark.parametrize("option", [option for option, names in ENVIRONMENT.items() if len(names) > 1])
def test_the_first_nonempty_variable_wins(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    *others, last = ENVIRONMENT[option]
    monkeypatch.setenv(last, "commercial")
    for name in others:
        monkeypatch.setenv(name, SAMPLES[option][0])
    assert resolve()[0][option] == SAMPLES[option][1]


@pytest.mark.parametrize("option", ENVIRONMENT)
def test_an_option_takes_precedence_over_its_variables(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT[option]:
        monkeypatch.setenv(name, "nonsense that would be refused")
    assert resolve({option: SAMPLES[option][0]})[0][option] == SAMPLES[option][1]


@pytest.mark.parametrize("option", ENVIRONMENT)
def test_an_empty_option_counts_as_not_set(option: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for empty in (None, "", " "):
        assert resolve({option: empty})[0][option] == SPEC[option].get("default")
    monkeypatch.setenv(ENVIRONMENT[option][0], SAMPLES[option][0])
    for empty in (None, "", " "):
        assert resolve({option: empty})[0][option] == SAMPLES[option][1]


@pytest.mark.parametrize("option", [option for option, spec in SPEC.items() if "aliases" in spec])
def test_an_alias_works_and_does_not_warn_next_to_variables_of_its_option(
    option: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (alias,) = SPEC[option]["aliases"]
    for name in ENVIRONMENT[option]:
        monkeypatch.setenv(name, "commercial")
    params, run = resolve({alias: SAMPLES[option][0]})
    assert params[option] == SAMPLES[option][1]
    assert run.warnings == []


@pytest.mark.parametrize("option", [option for option, spec in SPEC.items() if "aliases" in spec])
def test_an_empty_option_gives_way_to_its_alias_and_vice_versa(option: str) -> None:
    (alias,) = SPEC[option]["aliases"]
    for given in ({option: SAMPLES[option][0], alias: ""}, {option: "", alias: SAMPLES[option][0]}):
        params, run = resolve(given)
        assert params[option] == SAMPLES[option][1]
        assert run.warnings == []


def test_a_secret_set_by_its_alias_signs_in_although_the_option_is_empty(
    emulator: Emulator, offboard: RunModule
) -> None:
    run = offboard(
        device_id="a" * 40,
        missing_ok=True,
        client_id=emulator.client_id,
        client_secret="",
        secret=emulator.client_secret,
    )
    assert not run.failed


# -- what is rejected -----------------------------------------------------------------------------------------

REFUSED: list[tuple[dict[str, t.Any], str, str]] = [
    *(
        ({option: value}, f"{option} must be at least 1, not {value}.", "integer")
        for option in ("timeout", "retry_timeout", "calls_per_minute", "calls_per_hour", "wait_timeout", "wait_sleep")
        for value in (0, -1)
    ),
    *(
        ({option: 10**30}, f"{option} must be at most 31,536,000, not {10**30}.", "integer")
        for option in ("timeout", "wait_timeout")
    ),
    (
        {"api_url": "http://mde.corp.example"},
        "api_url: 'http://mde.corp.example' would send",
        "http is allowed on loop",
    ),
    ({"api_url": "mde.corp.example"}, "api_url: 'mde.corp.example' is not an https URL.", "https://api.security."),
    ({"api_url": "https://user:pw@mde.corp.example"}, "api_url must be a URL without user, password", "https://api."),
    ({"api_url": "https://mde.corp.example?a=b"}, "api_url must be a URL without user, password", "https://api."),
    ({"authority_host": "http://127.0.0.1:1"}, "authority_host: 'http://127.0.0.1:1' would send", "https://login."),
    ({"authority_host": "https://login.corp.example/x"}, "authority_host: ", "https://login."),
    ({"cloud": "gcc", "region": "eu"}, "Region 'eu' does not exist in cloud 'gcc'.", "set cloud to commercial"),
    ({"ca_path": "/nowhere/ca.pem"}, "Cannot load certificates from ca_path /nowhere/ca.pem (No such", "PEM format"),
    ({"ca_path": __file__}, f"Cannot load certificates from ca_path {__file__}", "PEM format"),
    ({"proxy": "proxy.corp.example:8080"}, "proxy is not a valid URL.", "http://proxy.corp.example:8080"),
    ({"proxy": "socks5://proxy.corp.example"}, "proxy is not a valid URL.", "http://proxy.corp.example:8080"),
    ({"proxy": "http://proxy.corp.example:port"}, "proxy is not a valid URL.", "http://proxy.corp.example:8080"),
    ({"proxy": "http://"}, "proxy is not a valid URL.", "http://proxy.corp.example:8080"),
    ({"access_token": "Bearer abc"}, "access_token contains white space", 'without "Bearer"'),
    ({"access_token": "abc\ndef"}, "access_token contains white space", "line breaks"),
    (
        {"access_token": "abc€"},
        "access_token contains white space or characters that are not allowed in a token.",
        "only",
    ),
    (
        {"auth_source": "access_token"},
        "No complete credential found: access_token requires access_token.",
        "the MDE_* variables",
    ),
    (
        {"auth_source": "certificate"},
        "No complete credential found: certificate requires client_id and certificate_path "
        "(MDE_* environment variables: certificate_path is missing).",
        "the MDE_* variables",
    ),
]


@pytest.mark.parametrize(("options", "expected", "hint"), REFUSED, ids=lambda value: str(value)[:60])
def test_an_invalid_option_fails_by_name_and_nothing_is_sent(
    options: dict[str, t.Any], expected: str, hint: str, emulator: Emulator, offboard: RunModule
) -> None:
    good = offboard(device_id="a" * 40, missing_ok=True)
    emulator.forget()
    run = offboard(device_id="a" * 40, **options)
    assert run.failed
    assert run.result["error"]["message"].startswith(expected)
    assert hint in run.result["error"]["hint"]
    assert run.error_code in ("invalid_option", "credential_incomplete")
    assert expected in run.result["msg"]
    assert set(run.result) - {"failed"} == set(good.result)
    assert set(run.result["summary"]) == set(good.result["summary"])
    assert set(run.result["context"]) == set(good.result["context"])
    assert emulator.log == []


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        ("MDE_CLOUD", "cloud must be one of"),
        ("MDE_REGION", "region must be one of"),
        ("MDE_AUTH_SOURCE", "auth_source"),
    ],
)
def test_a_variable_outside_the_choices_is_rejected_like_an_option(
    variable: str, expected: str, emulator: Emulator, offboard: RunModule, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, "mars")
    run = offboard(device_id="a" * 40)
    assert run.failed
    assert expected in run.result["msg"]
    assert "mars" in run.result["msg"]
    assert emulator.log == []


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan"), "inf", " -Infinity "])
def test_a_number_that_is_not_finite_is_rejected_with_the_name_of_the_option(
    value: object, emulator: Emulator, offboard: RunModule
) -> None:
    run = offboard(device_id="a" * 40, timeout=value)
    assert run.failed
    assert "timeout" in run.result["msg"]
    assert "int" in run.result["msg"]
    assert emulator.log == []


def test_numbers_are_checked_individually_and_missing_ones_are_ignored() -> None:
    require_positive({"a": 1, "b": None}, "a", "b", "c")
    with pytest.raises(OptionError, match="b must be at least 1, not 0"):
        require_positive({"a": 1, "b": 0}, "a", "b")


# -- what stays out of all output ----------------------------------------------------------------------------


def test_every_secret_in_options_and_environment_is_known_used_or_not() -> None:
    environ = {
        "MDE_CLIENT_SECRET": "s1",
        "AZURE_CLIENT_SECRET": "s2",
        "AZURE_SECRET": "s3",
        "MDE_CERTIFICATE_PASSWORD": "s4",
        "AZURE_CLIENT_CERTIFICATE_PASSWORD": "s5",
        "MDE_ACCESS_TOKEN": "s6",
        "MDE_CLIENT_ID": "visible",
    }
    params = {"client_secret": "s7", "certificate_password": "", "access_token": None, "client_id": "visible"}
    assert secret_values(params, environ) == {f"s{number}" for number in range(1, 8)}


def test_a_secret_is_known_as_set_and_as_used() -> None:
    environ = {"MDE_CLIENT_SECRET": " s1\n", "MDE_CERTIFICATE_PASSWORD": " s2 \r\n"}
    assert {" s1\n", "s1", " s2 \r\n", " s2 "} <= secret_values({"access_token": "s3\n"}, environ)
    assert {"s3\n", "s3"} <= secret_values({"access_token": "s3\n"}, environ)


@pytest.mark.parametrize(
    ("address", "passwords"),
    [
        ("http://user:hunter2@proxy.corp.example:8080", {"hunter2"}),
        ("http://user:hunter%212@proxy.corp.example:8080", {"hunter%212", "hunter!2"}),
        ("https://user:hunter2@[::1]:8080", {"hunter2"}),
        ("user:hunter2@proxy.corp.example:8080", {"hunter2"}),
        ("http://user:hun/ter#2?@proxy.corp.example", {"hun/ter#2?"}),
        ("http://user:hun@ter:2@proxy.corp.example", {"hun@ter:2"}),
        ("http://user@proxy.corp.example", set()),
        ("http://proxy.corp.example:8080", set()),
        ("proxy.corp.example:8080", set()),
        ("", set()),
    ],
)
def test_the_password_of_a_url_is_found_in_every_notation(address: str, passwords: set[str]) -> None:
    for option in ("proxy", "api_url", "authority_host"):
        assert passwords_in_urls({option: address}, {}) == passwords
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy", "MDE_PROXY"):
        assert passwords_in_urls({"proxy": None}, {name: address}) == passwords
    for name in ("MDE_API_URL", "MDE_AUTHORITY_HOST", "AZURE_AUTHORITY_HOST"):
        assert passwords_in_urls({}, {name: address}) == passwords
