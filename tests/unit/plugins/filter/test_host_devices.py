# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Inventory hosts as devices."""

from __future__ import annotations

import typing as t

import pytest
from ansible.errors import AnsibleFilterError

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
def test_a_host_is_the_device_that_its_variables_say(variables: dict[str, t.Any], device: dict[str, str]) -> None:
    assert HOST_DEVICES(["host"], {"host": variables}) == [device]


def test_there_is_one_device_for_each_host_in_their_order() -> None:
    hosts = [f"pc-{number}" for number in range(5)]
    assert [device["device_name"] for device in HOST_DEVICES(hosts, {host: {} for host in hosts})] == hosts


def test_a_number_is_refused_as_it_may_have_lost_digits() -> None:
    with pytest.raises(AnsibleFilterError, match="mde_device_id of host pc is no text; put it in quotes"):
        HOST_DEVICES(["pc"], {"pc": {"mde_device_id": 1e39}})
