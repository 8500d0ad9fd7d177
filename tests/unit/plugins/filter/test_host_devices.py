# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Devices of inventory hosts."""

from __future__ import annotations

import re
import typing as t
from datetime import date

import pytest
from ansible import template
from ansible.errors import AnsibleFilterError
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.utils.unsafe_proxy import wrap_var
from ansible.vars.hostvars import HostVars
from ansible.vars.manager import VariableManager

from ansible_collections.secops.mde.plugins.filter.host_devices import FilterModule

HOST_DEVICES = FilterModule().filters()["host_devices"]
ID, GUID = "a" * 40, "11112222-bbbb-3333-cccc-4444dddd5555"


@pytest.mark.parametrize(
    ("variables", "device"),
    [
        ({}, {"device_name": "host"}),
        ({"mde_device_id": ID}, {"device_id": ID}),
        ({"mde_device_name": "pc.corp.example"}, {"device_name": "pc.corp.example"}),
        ({"mde_aad_device_id": GUID}, {"aad_device_id": GUID}),
        ({"mde_device_id": ID, "mde_device_name": "pc"}, {"device_id": ID, "device_name": "pc"}),
        ({"mde_device_id": " ", "mde_device_name": None, "mde_aad_device_id": ""}, {"device_name": "host"}),
        ({"mde_machine": {"id": ID}}, {"device_name": "host"}),
    ],
)
def test_the_variables_of_a_host_identify_its_device(variables: dict[str, t.Any], device: dict[str, str]) -> None:
    assert HOST_DEVICES(["host"], {"host": variables}) == [device]


def test_there_is_one_device_for_each_host_in_their_order() -> None:
    hosts = [f"pc-{number}" for number in range(5)]
    assert [device["device_name"] for device in HOST_DEVICES(hosts, {host: {} for host in hosts})] == hosts


@pytest.mark.parametrize("value", [1e39, 20261044, True, date(2026, 10, 1), ["a"]], ids=str)
@pytest.mark.parametrize("name", ["mde_device_id", "mde_device_name", "mde_aad_device_id"])
def test_a_value_that_is_not_a_string_is_an_error(name: str, value: object) -> None:
    with pytest.raises(AnsibleFilterError, match=rf"{name} of host pc must be a string\. Put the value in quotes"):
        HOST_DEVICES(["pc"], {"pc": {name: value}})


@pytest.mark.parametrize(
    ("variables", "wrong"),
    [
        ({"mde_device_id": "not/an/id"}, "mde_device_id: device_id: 'not/an/id' is not a device id"),
        ({"mde_device_name": ".corp.example"}, "mde_device_name: device_name: '.corp.example' is not a name"),
        ({"mde_device_name": "pc\n1"}, "mde_device_name: device_name"),
        ({"mde_aad_device_id": "N/A"}, "mde_aad_device_id: aad_device_id: 'N/A' is not an Entra device id"),
        ({"mde_device_id": ID, "mde_aad_device_id": "N/A"}, "mde_aad_device_id: aad_device_id: 'N/A'"),
    ],
)
def test_a_host_is_checked_by_the_rules_of_the_module(variables: dict[str, str], wrong: str) -> None:
    with pytest.raises(AnsibleFilterError) as refused:
        HOST_DEVICES(["good", "pc2"], {"good": {}, "pc2": variables})
    assert f"host pc2, {wrong}" in str(refused.value)
    assert "good" not in str(refused.value)


def test_all_hosts_are_checked_and_the_first_five_invalid_ones_are_named() -> None:
    hosts = {f"pc-{n}": {"mde_aad_device_id": "N/A"} if n % 3 == 0 else {} for n in range(30)}
    with pytest.raises(AnsibleFilterError) as refused:
        HOST_DEVICES(list(hosts), hosts)
    message = str(refused.value)
    assert [name for name in hosts if f"host {name}," in message] == ["pc-0", "pc-3", "pc-6", "pc-9", "pc-12"]
    assert message.endswith(" 5 more hosts have errors.")
    assert "Nothing" not in message


@pytest.mark.parametrize(
    "host",
    [
        "localhost",
        "127.0.0.1",
        "::1",
        "LOCALHOST",
        "localhost.localdomain",
        "ip6-localhost",
        "127.0.1.1",
        "[::1]",
        "localhost4",
        "ip6-loopback",
        "pc.localhost",
        "127.1",
        "0x7f000001",
        "::ffff:127.0.0.1",
        "0.0.0.0",
    ],
)
def test_the_controller_is_a_device_only_with_a_variable(host: str) -> None:
    with pytest.raises(AnsibleFilterError, match=rf"host {re.escape(host)} is the controller, not a device"):
        HOST_DEVICES(["pc", host], {"pc": {}, host: {"mde_device_id": " "}})
    assert HOST_DEVICES([host], {host: {"mde_device_id": ID}}) == [{"device_id": ID}]


@pytest.mark.parametrize("host", ["localhost-7", "pc.localhost.example", "10.1.2.3", "128.0.0.1"])
def test_a_name_similar_to_that_of_the_controller_is_a_device(host: str) -> None:
    assert HOST_DEVICES([host], {host: {}}) == [{"device_name": host}]


@pytest.mark.parametrize("host", [ID, "11112222-bbbb-3333-cccc-4444dddd5555"])
def test_a_host_whose_name_is_an_id_needs_a_variable(host: str) -> None:
    with pytest.raises(
        AnsibleFilterError, match=rf"the name of host {host} is an ID, not a device name\. Set mde_device_id"
    ):
        HOST_DEVICES([host], {host: {}})
    assert HOST_DEVICES([host], {host: {"mde_device_id": ID}}) == [{"device_id": ID}]


def test_a_variable_with_an_undefined_variable_is_an_error() -> None:
    loader = DataLoader()
    inventory = InventoryManager(loader, sources=None, parse=False)
    manager = VariableManager(loader, inventory)
    for name in ("pc1", "pc2"):
        inventory.add_host(name)
    text = "{{ nowhere }}.corp.example"
    text = template.trust_as_template(text) if hasattr(template, "trust_as_template") else text
    inventory.get_host("pc2").set_variable("mde_device_name", text)
    with pytest.raises(AnsibleFilterError, match="host pc2: mde_device_name"):
        HOST_DEVICES(["pc1", "pc2"], HostVars(inventory, manager, loader))


@pytest.mark.skipif(hasattr(template, "trust_as_template"), reason="from ansible-core 2.19 on no text is marked")
def test_a_name_from_the_service_can_contain_braces() -> None:
    name = wrap_var("{{braces}}")
    assert HOST_DEVICES(["pc"], {"pc": {"mde_device_name": name}}) == [{"device_name": "{{braces}}"}]
