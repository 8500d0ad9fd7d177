# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Properties of every module: options and results are as documented, and every outcome has the same keys."""

from __future__ import annotations

import importlib
import types
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.secops.mde.plugins import modules as package
from ansible_collections.secops.mde.plugins.module_utils._evidence_format import VERIFY_OUTCOMES
from ansible_collections.secops.mde.plugins.module_utils._offboarding.results import OUTCOMES as OUTCOMES_OF_OFFBOARD
from ansible_collections.secops.mde.plugins.module_utils._options.argument_spec import connection_spec
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.module_run import ModuleRun, RunModule

NAMES = sorted(path.stem for folder in package.__path__ for path in Path(folder).glob("mde_*.py"))
# The modules that call the service. The other module is the documentation of an action plugin.
SERVICE_MODULES = [name for name in NAMES if name != "mde_evidence"]
FRAGMENTS = "ansible_collections.secops.mde.plugins.doc_fragments"
TYPES = {"str": str, "bool": bool, "int": int, "dict": dict, "list": list, "float": float}
# The keys that Ansible adds to a result.
KEYS_OF_ANSIBLE = {"changed", "failed", "invocation", "warnings", "deprecations", "diff", "exception"}


def module(name: str) -> types.ModuleType:
    return importlib.import_module(f"{package.__name__}.{name}")


class _SpecCaptured(Exception):
    """Raised with the arguments with which a module creates its MdeModule."""

    def __init__(self, **arguments: t.Any) -> None:
        self.spec = {**connection_spec(), **arguments["options"], **(arguments.get("filters") or {})}


def spec_of(name: str) -> dict[str, dict[str, t.Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module(name), "MdeModule", _raise_spec_captured)
        with pytest.raises(_SpecCaptured) as captured:
            module(name).main()
    return captured.value.spec


def _raise_spec_captured(**arguments: t.Any) -> t.NoReturn:
    raise _SpecCaptured(**arguments)


def documented_options(name: str) -> dict[str, dict[str, t.Any]]:
    """Return the options of a module, including those of its fragments."""
    own = yaml.safe_load(module(name).DOCUMENTATION)
    found: dict[str, dict[str, t.Any]] = {}
    for fragment in own.get("extends_documentation_fragment", ()):
        file, _dot, part = fragment.removeprefix("secops.mde.").partition(".")
        source = importlib.import_module(f"{FRAGMENTS}.{file}").ModuleDocFragment
        found |= yaml.safe_load(getattr(source, part.upper() or "DOCUMENTATION")).get("options", {})
    options: dict[str, dict[str, t.Any]] = own.get("options", {})
    return found | options


def comparable_spec(options: dict[str, dict[str, t.Any]]) -> dict[str, dict[str, t.Any]]:
    """Return the part of a specification that its documentation also has."""
    return {
        option: {
            "type": spec.get("type", "str"),
            "required": spec.get("required", False),
            **{key: spec.get(key) for key in ("elements", "default", "choices", "aliases")},
            "options": comparable_spec(spec.get("options") or spec.get("suboptions") or {}),
        }
        for option, spec in options.items()
    }


@pytest.mark.parametrize("name", SERVICE_MODULES)
def test_every_option_is_documented_as_it_is(name: str) -> None:
    assert comparable_spec(documented_options(name)) == comparable_spec(spec_of(name))


@pytest.mark.parametrize("name", NAMES)
def test_every_option_is_described_in_sentences(name: str) -> None:
    for option, spec in documented_options(name).items():
        lines = spec["description"] if isinstance(spec["description"], list) else [spec["description"]]
        assert all(line[0].isupper() and line.rstrip().endswith(".") for line in lines), option


@pytest.mark.parametrize("name", SERVICE_MODULES)
def test_documentation_names_the_module_and_how_to_reach_the_service(name: str) -> None:
    own = yaml.safe_load(module(name).DOCUMENTATION)
    assert own["module"] == name
    assert {"secops.mde.connection", "secops.mde.attributes"} <= set(own["extends_documentation_fragment"])


# -- results -----------------------------------------------------------------------------------------------------

ID, ACTION = "a" * 40, "0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22"
ENDED = "0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc23"
VALID_OPTIONS: dict[str, dict[str, t.Any]] = {
    "mde_offboard": {"device_id": ID},
    "mde_machine_info": {"device_id": ID},
    "mde_machine_action_info": {"action_id": ACTION},
    "mde_machine_action_cancel": {"action_id": ACTION},
    "mde_machine_tag": {"device_id": ID},
    "mde_machine_exclusion": {"device_id": ID},
    "mde_offboard_info": {"device_id": ID},
}
# Additional or other options, and whether the task fails. Options that a module does not have are omitted.
OUTCOMES: dict[str, tuple[dict[str, t.Any], bool | None]] = {
    "success": ({}, False),
    "nothing found": ({"device_id": "e" * 40, "action_id": "0-0"}, None),
    "too late": ({"action_id": ENDED}, None),
    "no sign-in": ({"client_id": "7e9d3c54-1b2a-4c3d-8e4f-001122334455", "client_secret": "wrong"}, True),
    "no server": ({"api_url": "https://localhost:1"}, True),
    "an invalid option": ({"calls_per_hour": 1}, True),
    "an incomplete credential": (
        {"auth_source": "certificate", "client_id": "7e9d3c54-1b2a-4c3d-8e4f-001122334455"},
        True,
    ),
}


@pytest.fixture
def modules(
    offboard: RunModule,
    offboard_info: RunModule,
    machine_info: RunModule,
    action_info: RunModule,
    cancel: RunModule,
    tag: RunModule,
    exclude: RunModule,
) -> dict[str, RunModule]:
    """All modules by name."""
    return {
        "mde_offboard": offboard,
        "mde_machine_info": machine_info,
        "mde_machine_action_info": action_info,
        "mde_machine_action_cancel": cancel,
        "mde_machine_tag": tag,
        "mde_machine_exclusion": exclude,
        "mde_offboard_info": offboard_info,
    }


def test_the_tables_have_every_module(modules: dict[str, RunModule]) -> None:
    assert sorted(modules) == sorted(VALID_OPTIONS) == SERVICE_MODULES


@pytest.mark.parametrize("check", [False, True], ids=["run", "check mode"])
@pytest.mark.parametrize("outcome", OUTCOMES)
@pytest.mark.parametrize("name", SERVICE_MODULES)
def test_the_keys_are_those_documented_in_every_outcome(
    emulator: Emulator, modules: dict[str, RunModule], name: str, outcome: str, check: bool
) -> None:
    emulator.grant("Machine.ReadWrite.All")
    emulator.add_device(Device(id=ID, fate="offline"))
    emulator.add_action(ID, "Isolate", "Pending", 60, id=ACTION)
    emulator.add_action(ID, "Isolate", "Succeeded", 60, id=ENDED)
    additional, fails = OUTCOMES[outcome]
    spec = spec_of(name)
    options = {**VALID_OPTIONS[name], **{option: value for option, value in additional.items() if option in spec}}
    run = modules[name](check=check, **options)
    assert fails is None or run.failed == fails
    assert run.failed == (run.result["error"] is not None)
    assert run.result["msg"]
    _assert_documented(name, run)


def _assert_documented(name: str, run: ModuleRun) -> None:
    documented = yaml.safe_load(module(name).RETURN)
    assert set(run.result) - KEYS_OF_ANSIBLE == set(documented) - KEYS_OF_ANSIBLE
    for key, entry in documented.items():
        _assert_matches(entry, run.result[key], key)
    context = {"tenant_id", "client_id", "api_url", "collection_version", "started_at", "finished_at"}
    assert set(run.result["context"]) == context
    assert set(run.result["summary"]["api"]) == {"calls", "retries", "throttled_seconds"}


def _assert_matches(entry: dict[str, t.Any], value: t.Any, where: str) -> None:
    """Check that a value is null or has the documented type and keys."""
    if value is None:
        return
    assert isinstance(value, TYPES[entry["type"]]), where
    items: list[t.Any] = value if isinstance(value, list) else [value]
    for item in items:
        if "contains" in entry and item:
            outcomes = (
                {*OUTCOMES_OF_OFFBOARD, *VERIFY_OUTCOMES} if where == "summary" else set()
            )  # documented in one sentence
            assert set(item) - (outcomes - set(entry["contains"])) == set(entry["contains"]), where
            for key, inner in entry["contains"].items():
                _assert_matches(inner, item[key], f"{where}.{key}")
