# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The inventory plugin with ansible-inventory: hosts, variables, groups, cache, errors."""

from __future__ import annotations

import base64
import json
import re
import typing as t
from pathlib import Path

import pytest
import yaml

from ansible_collections.secops.mde.plugins.inventory import mde_machines
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.functional.support.ansible_command import (
    ANSIBLE_INVENTORY,
    AnsibleCommand,
    CommandResult,
)
from ansible_collections.secops.mde.tests.unit.support.module_run import sign_ins
from ansible_collections.secops.mde.tests.unit.support.quoting import assert_hidden, credentials_sent, fault

GUID = "11112222-bbbb-3333-cccc-4444dddd5555"


class InventoryCommand(AnsibleCommand):
    """Runs ansible-inventory with an inventory file of the plugin."""

    def list(self, *arguments: str, drop: t.Container[str] = (), **options: t.Any) -> CommandResult:
        """List the inventory with these options in its file; ``drop`` are variables to leave out."""
        path = self.folder / "devices.mde_machines.yml"
        given = {"plugin": "secops.mde.mde_machines", **options}
        path.write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in given.items()), "utf-8")
        return self.execute(
            *ANSIBLE_INVENTORY, "-i", str(path), *(arguments or ("--list",)), without=drop, separate=True
        )


@pytest.fixture
def inventory(emulator: Emulator, tmp_path: Path) -> InventoryCommand:
    return InventoryCommand(emulator, tmp_path, ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED="true")


def test_each_device_is_a_host_with_its_ids_and_its_record(emulator: Emulator, inventory: InventoryCommand) -> None:
    device = emulator.add_device(Device(name="pc-0101.corp.example", aad_device_id=GUID))
    hosts = inventory.list().hosts
    assert list(hosts) == ["pc-0101.corp.example"]
    variables = hosts["pc-0101.corp.example"]
    record = variables.pop("mde_machine")
    assert variables == {
        "mde_device_id": device.id,
        "mde_device_name": "pc-0101.corp.example",
        "mde_aad_device_id": GUID,
    }
    assert record["onboardingStatus"] == "Onboarded"
    assert {call.method for call in emulator.calls("api")} == {"GET"}


def test_the_graph_shows_the_constructed_groups(emulator: Emulator, inventory: InventoryCommand) -> None:
    emulator.add_device(Device(name="pc-0101.corp.example", tags=["CHG-1042", "retire"]))
    emulator.add_device(Device(name="pc-0102.corp.example"))
    graph = inventory.list(
        "--graph",
        "--vars",
        keyed_groups=[{"key": "osPlatform | lower", "prefix": "os"}],
        groups={"marked": "'retire' in machineTags", "ticketed": "ticket | length > 0"},
        compose={"ticket": "machineTags | select('match', 'CHG-') | first | default('')"},
    )
    assert graph.code == 0, graph.errors
    lines = [line.strip(" |-") for line in graph.output.splitlines()]
    assert {"@os_windows11:", "@marked:", "@ticketed:", "{ticket = CHG-1042}"} <= set(lines)
    assert lines.count("pc-0101.corp.example") == 3
    assert lines.count("pc-0102.corp.example") == 1


@pytest.mark.parametrize(
    ("option", "value", "found"),
    [
        ("device_name", ["PC-1.corp.example", "pc-2.corp.example"], ["pc-1.corp.example", "pc-2.corp.example"]),
        ("device_name", [], []),
        ("tag", "retire", ["pc-2.corp.example"]),
        ("last_seen_before", 30, ["pc-3.corp.example"]),
        ("limit", 1, ["pc-1.corp.example"]),
        ("tag", "x') or true or ('", []),
        ("tag", "{{ mark }}", ["pc-2.corp.example"]),
    ],
)
def test_the_filters_are_those_of_the_module(
    emulator: Emulator, inventory: InventoryCommand, option: str, value: t.Any, found: list[str]
) -> None:
    emulator.add_device(Device(name="pc-1.corp.example", os_platform="WindowsServer2019"))
    emulator.add_device(Device(name="pc-2.corp.example", tags=["retire"]))
    emulator.add_device(Device(name="pc-3.corp.example", last_seen="40d", fate="offline"))
    assert sorted(inventory.list("--list", "-e", "mark=retire", **{option: value}).hosts) == found


def test_a_misspelled_filter_is_an_error(emulator: Emulator, inventory: InventoryCommand) -> None:
    emulator.add_device(Device(name="pc-1.corp.example"))
    assert "Unsupported option: tags." in inventory.list(tags="retire").error
    assert emulator.calls() == []


@pytest.mark.parametrize(
    ("option", "value", "known"),
    [("health_status", "sleeping", "Inactive"), ("onboarding_status", ["Onboarded", "offboarded"], "CanBeOnboarded")],
)
def test_a_value_that_the_service_does_not_have_is_a_warning_with_the_known_ones(
    emulator: Emulator, inventory: InventoryCommand, option: str, value: t.Any, known: str
) -> None:
    emulator.add_device(Device(name="pc-1.corp.example"))
    listed = inventory.list(**{option: value})
    assert len(listed.hosts) == isinstance(value, list)
    warning = " ".join(listed.errors.split())
    assert f"{option}: " in warning
    assert known in warning


@pytest.mark.parametrize(("option", "empty"), [("tag", None), ("device_name", None), ("tag", "")])
def test_an_empty_template_never_selects_all_devices(
    emulator: Emulator, inventory: InventoryCommand, option: str, empty: str | None
) -> None:
    emulator.add_device(Device(name="pc-1.corp.example"))
    listed = inventory.list("--list", "-e", json.dumps({"wanted": empty}), **{option: "{{ wanted }}"})
    assert f"{option} {'is empty' if option == 'tag' else 'contains an empty value'}" in listed.error
    assert emulator.calls() == []


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"tag": " ", "device_name": [" "]}, "device_name contains an empty value"),
        ({"tag": None}, "tag is empty"),
        ({"hostname": "serial"}, "hostname"),
        ({"client_secret": {"not": "made-up-text"}}, "client_secret"),
        ({"cloud": "sky"}, "cloud must be one of"),
    ],
)
def test_invalid_options_are_an_error_before_any_request(
    emulator: Emulator, inventory: InventoryCommand, options: dict[str, t.Any], part: str
) -> None:
    listed = inventory.list(**options)
    assert part in listed.error
    assert "made-up" not in listed.error
    assert emulator.calls() == []


def test_a_missing_permission_is_named(emulator: Emulator, inventory: InventoryCommand) -> None:
    app = emulator.add_app("no reader", roles=["Machine.Offboard"], secret="made-up-of-no-reader")
    listed = inventory.list(client_id=app.client_id, client_secret="made-up-of-no-reader", tenant_id=emulator.tenant_id)
    assert "Machine.Read.All is required. The token has Machine.Offboard" in listed.error
    assert "made-up-of-no-reader" not in listed.error + listed.output


def test_a_page_that_fails_fails_the_inventory(emulator: Emulator, inventory: InventoryCommand) -> None:
    emulator.add_devices(Device(name=f"pc-{number}.corp.example") for number in range(5))
    emulator.knobs.page_cap = 2
    emulator.fault(kind="html_404", method="GET", path="/machines", after=1, times=None)
    assert "returned HTTP 404" in inventory.list().error


@pytest.mark.parametrize(
    ("number", "hosts"),
    [(0, ["silent.corp.example"]), (1, ["marked.corp.example"]), (2, None)],
    ids=["inactive", "retire", "cached"],
)
def test_the_documented_examples_work(
    emulator: Emulator, inventory: InventoryCommand, number: int, hosts: list[str] | None
) -> None:
    emulator.add_device(Device(name="silent.corp.example", last_seen="40d"))
    emulator.add_device(Device(name="marked.corp.example", tags=["retire", "CHG-1042"], last_seen="1d"))
    emulator.add_device(Device(name="gone.corp.example", last_seen="40d", not_onboarded=True))
    # EXAMPLES can only be one document, so all examples except the first are commented out below their titles.
    _title, *lines = mde_machines.EXAMPLES.strip().split("\n\n")[number].splitlines()
    listed = inventory.list(**yaml.safe_load("\n".join(line.removeprefix("# ") for line in lines)))
    assert sorted(listed.hosts) == (hosts or sorted(listed.hosts))
    assert len(listed.hosts) == (1 if hosts else 3)
    if number == 1:
        assert listed.hosts["marked.corp.example"]["ticket"] == "CHG-1042"
        assert listed.document["os_windows11"]["hosts"] == ["marked.corp.example"]


# -- names ---------------------------------------------------------------------------------------------------


def test_no_device_is_lost_and_every_host_is_one_device(emulator: Emulator, inventory: InventoryCommand) -> None:
    names = ["same.corp.example", "SAME.corp.example", None, "localhost", "{{ 7 * 6 }}", "a,b", "alone.corp.example"]
    devices = [emulator.add_device(Device(name=name)) for name in names]
    listed = inventory.list()
    ids = [device.id for device in devices]
    assert {host: variables["mde_device_id"] for host, variables in listed.hosts.items()} == {
        f"same.corp.example_{ids[0]}": ids[0],
        f"SAME.corp.example_{ids[1]}": ids[1],
        **{id_: id_ for id_ in ids[2:6]},
        "alone.corp.example": ids[6],
    }
    assert listed.hosts[ids[4]]["mde_device_name"] == "{{ 7 * 6 }}"
    messages = " ".join(listed.errors.split())
    assert (
        "2 devices share their name with another device and get a host name of the form name_id, for example"
        in messages
    )
    assert "; 4 devices have no name that is valid in an inventory and are named by their ID, for example" in messages
    assert messages.count("share their name") == 1


def test_a_name_is_never_evaluated_as_a_template(emulator: Emulator, inventory: InventoryCommand) -> None:
    emulator.add_device(
        Device(name="pc.corp.example", tags=["{{ lookup('ansible.builtin.env', 'MDE_CLIENT_SECRET') }}"])
    )
    listed = inventory.list(compose={"first": "machineTags | first"})
    assert listed.hosts["pc.corp.example"]["first"].startswith("{{ lookup(")
    assert inventory.variables["MDE_CLIENT_SECRET"] not in listed.output + listed.errors


@pytest.mark.parametrize("platform", ["Windows11", "WindowsServer2019"], ids=["its own", "another"])
def test_a_device_with_the_name_of_a_group_adds_no_other_host(
    emulator: Emulator, inventory: InventoryCommand, platform: str
) -> None:
    emulator.add_device(Device(name="pc_1"))
    device = emulator.add_device(Device(name="os_windows11", os_platform=platform, tags=["retire"]))
    listed = inventory.list(
        keyed_groups=[{"key": "osPlatform | lower", "prefix": "os"}], groups={"marked": "'retire' in machineTags"}
    )
    assert listed.document["marked"] == {"hosts": [device.id]}
    assert {host: variables["mde_device_id"] for host, variables in listed.hosts.items()}[device.id] == device.id
    assert set(listed.hosts) == {"pc_1", device.id}


# -- values of the service --------------------------------------------------------------------------

OPTION = "-oProxyCommand=touch ran;"


@pytest.mark.parametrize("address", ["internal", "external"])
def test_ansible_host_is_an_address_of_the_device_or_is_not_set(
    emulator: Emulator, inventory: InventoryCommand, address: str
) -> None:
    addresses = [OPTION, "{{ 7 * 6 }}", "127.0.0.1", "0.0.0.0", "::1", "::ffff:127.0.0.1", "fe80::1%-oProxyCommand=x",
                 "169.254.169.254", "10.1.2.3 -x", "pc.corp.example", "", None, 7, "10.1.2.3", "2001:DB8::5"]  # fmt: skip
    field = mde_machines.ADDRESSES[address]
    emulator.add_devices(Device(name=f"pc-{n}", extra={field: value}) for n, value in enumerate(addresses))
    # The same applies to constructed variables.
    listed = inventory.list(address=address, compose={"ansible_ssh_host": field})
    for name in ("ansible_host", "ansible_ssh_host"):
        found = {host: variables[name] for host, variables in listed.hosts.items() if name in variables}
        found = {host: value for host, value in found.items() if value != "pc.corp.example"}
        assert {host: value.lower() for host, value in found.items()} == {"pc-13": "10.1.2.3", "pc-14": "2001:db8::5"}
    assert len(listed.hosts) == len(addresses)
    assert f"13 of 15 devices have no {field} that can be used as ansible_host" in " ".join(listed.errors.split())


def test_a_record_with_an_invalid_id_is_reported_and_is_not_a_host(
    emulator: Emulator, inventory: InventoryCommand
) -> None:
    emulator.add_device(Device(name="pc-1"))
    emulator.add_device(Device(id=OPTION, name=None))
    listed = inventory.list()
    assert "letters, digits and hyphens" in " ".join((listed.output + listed.errors).split())
    assert listed.code != 0 or list(listed.hosts) == ["pc-1"]


def test_a_record_without_a_name_is_a_host_even_if_its_id_has_a_meaning_for_ansible(
    emulator: Emulator, inventory: InventoryCommand
) -> None:
    ids = ["all", "ungrouped", "localhost", "-oX", "0", "2130706433", "ab12"]
    for id_ in ids:
        emulator.add_device(Device(id=id_, name=None))
    hosts = inventory.list().hosts
    assert {host: variables["mde_device_id"] for host, variables in hosts.items()} == {
        **{f"device_{id_}": id_ for id_ in ids[:-1]},
        "ab12": "ab12",
    }


def test_values_of_the_service_become_safe_group_names(emulator: Emulator, inventory: InventoryCommand) -> None:
    tags = [
        "{{ lookup('pipe', 'touch ran') }}",
        "all",
        "localhost",
        "pc-2.corp.example",
        "a:b,!c",
        "\u001b[2J",
        "7",
        "CHG-1",
    ]
    emulator.add_device(Device(name="pc-1.corp.example", tags=tags))
    emulator.add_device(Device(name="pc-2.corp.example"))
    listed = inventory.list(
        keyed_groups=[{"key": "machineTags", "prefix": "", "separator": ""}],
        groups={"of-mine": "machineTags | length > 0"},
    )
    groups = {name for name, group in listed.document.items() if group.get("hosts") == ["pc-1.corp.example"]}
    assert groups == {
        "___lookup__pipe____touch_ran_____", "all_", "localhost_", "pc_2_corp_example", "a_b__c", "__2J", "_7", "CHG_1", "of-mine",
    }  # fmt: skip


@pytest.mark.parametrize("own", [False, True], ids=["keyed", "of the file"])
def test_a_device_with_the_name_of_a_constructed_group_is_named_by_its_id(
    emulator: Emulator, inventory: InventoryCommand, own: bool
) -> None:
    device = emulator.add_device(Device(name="to-retire" if own else "retire", tags=["retire"]))
    groups: dict[str, t.Any] = {"groups": {"to-retire": "true"}} if own else {"keyed_groups": [{"key": "machineTags"}]}
    groups = groups if own else {"keyed_groups": [{"key": "machineTags", "separator": ""}]}
    assert list(inventory.list(**groups).hosts) == [device.id]


def test_only_harmless_text_is_exported_without_a_mark(emulator: Emulator, inventory: InventoryCommand) -> None:
    tags = ["retire", "CHG-1042", "a b", "{{ 7 * 6 }}", "lookup('pipe', 'touch ran')", "my_password", "a|b"]
    emulator.add_device(Device(name="pc-1.corp.example", aad_device_id=GUID, tags=tags))
    listed = inventory.list("--list", "--export", compose={"os": "osPlatform", "both": "'x ' ~ machineTags[3]"})
    raw = json.loads(listed.output)["_meta"]["hostvars"]["pc-1.corp.example"]
    assert (raw["mde_device_name"], raw["mde_aad_device_id"], raw["os"]) == ("pc-1.corp.example", GUID, "Windows11")
    assert (raw["mde_machine"]["healthStatus"], raw["mde_machine"]["onboardingStatus"]) == ("Active", "Onboarded")
    assert raw["mde_machine"]["machineTags"] == [*tags[:3], *({"__ansible_unsafe": tag} for tag in tags[3:])]
    assert raw["both"] == {"__ansible_unsafe": "x {{ 7 * 6 }}"}


def test_names_that_the_modules_reject_are_null_and_in_the_record(
    emulator: Emulator, inventory: InventoryCommand
) -> None:
    names = [
        "two\nlines",
        "escape\u001b]0;x\u0007",
        "n" * 256,
        " ",
        None,
        7,
        "Sam's MacBook \u2013 lab/7+8",
        "10.1.2.3",
    ]
    devices = [emulator.add_device(Device(name="pc", extra={"computerDnsName": name})) for name in names]
    hosts = {variables["mde_device_id"]: variables for variables in inventory.list().hosts.values()}
    assert [hosts[device.id]["mde_device_name"] for device in devices] == [None] * 6 + names[6:]
    assert [hosts[device.id]["mde_machine"]["computerDnsName"] for device in devices] == names


# -- connection ----------------------------------------------------------------------------------------------


def test_it_connects_with_options_only(emulator: Emulator, inventory: InventoryCommand) -> None:
    emulator.add_device(Device(name="pc.corp.example"))
    options = {name.removeprefix("MDE_").lower(): value for name, value in emulator.environment().items()}
    drop = list(emulator.environment())
    assert list(inventory.list(drop=drop, **options).hosts) == ["pc.corp.example"]


def test_empty_variables_count_as_unset_and_mde_variables_come_before_azure_variables(
    emulator: Emulator, inventory: InventoryCommand
) -> None:
    emulator.add_device(Device(name="pc.corp.example"))
    settings = emulator.environment()
    inventory.variables.update(
        {
            "MDE_VALIDATE_CERTS": "",
            "MDE_CLOUD": "",
            "MDE_REGION": "",
            "MDE_PROXY": "",
            "MDE_TENANT_ID": "",
            "AZURE_TENANT_ID": "",
            "AZURE_TENANT": settings["MDE_TENANT_ID"],
            "AZURE_CLIENT_ID": "0c0ffee0-0000-4000-8000-00000000dead",
            "AZURE_SECRET": "made-up-of-azure",
            "AZURE_CLIENT_SECRET": "",
        }
    )
    listed = inventory.list()
    assert list(listed.hosts) == ["pc.corp.example"]
    secrets = {settings["MDE_CLIENT_SECRET"], "made-up-of-azure"}
    assert not {secret for secret in secrets if secret in listed.output + listed.errors}


def test_a_missing_credential_is_named(emulator: Emulator, inventory: InventoryCommand) -> None:
    listed = inventory.list(drop=["MDE_CLIENT_SECRET"])
    assert "client_secret" in listed.error
    assert emulator.calls() == []


# -- cache ---------------------------------------------------------------------------------------------------


def test_the_cache_needs_no_request_and_contains_no_secret(emulator: Emulator, inventory: InventoryCommand) -> None:
    emulator.add_device(Device(name="pc.corp.example", tags=["{{ 7 * 6 }}"]))
    folder = inventory.folder / "cache"
    cache: dict[str, t.Any] = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(folder),
    }
    first = inventory.list(**cache)
    assert (sign_ins(emulator), len(emulator.calls("api"))) == (1, 1)
    second = inventory.list(**cache, drop=["MDE_CLIENT_SECRET"])
    assert second.hosts == first.hosts
    assert (sign_ins(emulator), len(emulator.calls("api"))) == (1, 1)
    text = "".join(path.read_text("utf-8") for path in folder.iterdir())
    assert "pc.corp.example" in text
    assert inventory.variables["MDE_CLIENT_SECRET"] not in text


def test_other_filters_do_not_use_the_cached_list(emulator: Emulator, inventory: InventoryCommand) -> None:
    emulator.add_device(Device(name="pc-1.corp.example"))
    emulator.add_device(Device(name="pc-2.corp.example", tags=["retire"]))
    cache: dict[str, t.Any] = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(inventory.folder / "cache"),
    }
    assert len(inventory.list(**cache).hosts) == 2
    assert list(inventory.list(**cache, tag="retire").hosts) == ["pc-2.corp.example"]


def test_a_damaged_cache_is_replaced_and_loses_no_device(emulator: Emulator, inventory: InventoryCommand) -> None:
    emulator.add_device(Device(name="pc-1.corp.example"))
    emulator.add_device(Device(name="pc-2.corp.example"))
    folder = inventory.folder / "cache"
    cache: dict[str, t.Any] = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(folder),
    }
    assert len(inventory.list(**cache).hosts) == 2
    (file,) = folder.iterdir()
    # Damage an ID, in the format of any version of the cache.
    text = file.read_text("utf-8")
    damaged = re.sub(r'(\\?"id\\?": )(\\?")', r"\g<1>\g<2>\g<2>, \g<2>x\g<2>: \g<2>", text, count=1)
    assert damaged != text
    file.write_text(damaged, "utf-8")
    assert len(inventory.list(**cache).hosts) == 2
    assert len(emulator.calls("api")) == 2


def test_values_from_the_cache_are_checked_like_those_of_the_service(
    emulator: Emulator, inventory: InventoryCommand
) -> None:
    device = emulator.add_device(Device(name="pc-1.corp.example", extra={"lastIpAddress": "10.1.2.3"}))
    folder = inventory.folder / "cache"
    cache: dict[str, t.Any] = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(folder),
    }
    inventory.list(**cache, address="internal")
    (file,) = folder.iterdir()
    text = file.read_text("utf-8")
    file.write_text(text.replace("10.1.2.3", OPTION), "utf-8")
    listed = inventory.list(**cache, address="internal")
    assert len(emulator.calls("api")) == 1
    assert "ansible_host" not in listed.hosts["pc-1.corp.example"]
    file.write_text(text.replace(device.id, OPTION), "utf-8")
    listed = inventory.list(**cache, address="internal")
    assert listed.code != 0 or listed.hosts["pc-1.corp.example"]["mde_device_id"] == device.id


def test_the_token_of_another_tenant_does_not_use_the_cached_list(
    emulator: Emulator, inventory: InventoryCommand
) -> None:
    emulator.add_device(Device(name="pc.corp.example"))
    cache: dict[str, t.Any] = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(inventory.folder / "cache"),
    }
    drop = ["MDE_TENANT_ID", "MDE_CLIENT_ID", "MDE_CLIENT_SECRET"]
    for _run in ("sends a request", "uses the cache"):
        inventory.variables["MDE_ACCESS_TOKEN"] = emulator.token()
        assert len(inventory.list(**cache, drop=drop).hosts) == 1
    assert len(emulator.calls("api")) == 1
    claims = base64.urlsafe_b64encode(json.dumps({"tid": GUID}).encode()).decode()
    inventory.variables["MDE_ACCESS_TOKEN"] = f"made-up.{claims}.token"
    assert "The API rejected the token" in inventory.list(**cache, drop=drop).error


def test_the_address_and_another_host_name_can_be_selected(emulator: Emulator, inventory: InventoryCommand) -> None:
    emulator.add_device(Device(name="pc.corp.example"))
    ((host, variables),) = inventory.list(address="external", hostname="short_name").hosts.items()
    assert host == "pc"
    assert variables["ansible_host"] == variables["mde_machine"]["lastExternalIpAddress"]


@pytest.mark.parametrize(
    ("kind", "form", "service"),
    [
        ("client_secret", "a page", "entra"),
        ("client_secret", "a truncated token response", "entra"),
        ("certificate", "Entra ID's JSON", "entra"),
        ("workload_identity", "base64", "entra"),
        ("client_secret", "the API's JSON", "api"),
        ("access_token", "in the middle of a word", "api"),
    ],
)
def test_a_server_that_quotes_the_request_shows_no_secret_on_the_console(
    kind: str, form: str, service: str, emulator: Emulator, inventory: InventoryCommand
) -> None:
    credentials = {
        "client_secret": {"client_id": emulator.client_id, "client_secret": emulator.client_secret},
        "certificate": {"client_id": emulator.client_id, "certificate_path": emulator.certificate_path},
        "workload_identity": {"client_id": emulator.client_id, "federated_token_file": emulator.federated_token_file},
        "access_token": {"access_token": emulator.token()},
    }
    emulator.fault(**fault(form, service=service, method="POST" if service == "entra" else "GET"))
    listed = inventory.list("--list", "-vvvvv", **credentials[kind])
    assert "failed" in listed.error or "returned HTTP 400" in listed.error
    sent = credentials_sent(emulator)
    assert sent
    assert_hidden(listed.output + listed.errors, sent)


def test_a_record_that_quotes_the_token_shows_it_neither_on_the_console_nor_in_the_cache(
    emulator: Emulator, inventory: InventoryCommand, tmp_path: Path
) -> None:
    token = emulator.token()
    record = {
        "id": "a" * 40,
        "computerDnsName": "pc-0101.corp.example",
        "osVersion": token,
        "machineTags": [f"x{token}"],
    }
    emulator.fault(kind="body", body=json.dumps({"value": [record]}), times=None)
    cache: dict[str, t.Any] = {
        "cache": True,
        "cache_plugin": "ansible.builtin.jsonfile",
        "cache_connection": str(tmp_path / "cache"),
    }
    listed = inventory.list(access_token=token, **cache)
    assert list(listed.hosts) == ["pc-0101.corp.example"]
    kept = "".join(path.read_text("utf-8") for path in (tmp_path / "cache").iterdir())
    assert "pc-0101.corp.example" in kept
    assert_hidden(listed.output + listed.errors + kept, [token])
