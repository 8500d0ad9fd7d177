# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host names: one device each, stable, and never one that a device could choose to pass for another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._api.models import Machine
from ansible_collections.secops.mde.plugins.plugin_utils._hosts import HOSTNAMES, name_hosts

A, B, C = (letter * 40 for letter in "abc")


def machines(*named: tuple[str, str | None]) -> list[Machine]:
    return [Machine(record={"id": id_, "computerDnsName": name}, id=id_) for id_, name in named]


@pytest.mark.parametrize(
    ("named", "names"),
    [
        ([(A, "pc1"), (B, "pc2")], ["pc1", "pc2"]),
        ([(A, "pc1"), (B, "PC1"), (C, "pc2")], [f"pc1_{A}", f"PC1_{B}", "pc2"]),
        ([(A, None), (B, ""), (C, "pc 1")], [A, B, C]),
        ([(A, "localhost"), (B, "-x"), (C, "a:b")], [A, B, C]),
        ([(A, B), (B, None)], [A, B]),
        ([(A, A), (B, "pc1")], [A, "pc1"]),
        ([(A, "pc1"), (B, "pc1"), (C, f"pc1_{A}")], [A, f"pc1_{B}", C]),
    ],
    ids=["plain", "twins", "nameless", "of Ansible", "of another's id", "of its own id", "as if by name and id"],
)
def test_each_machine_has_a_name_of_its_own(named: list[tuple[str, str | None]], names: list[str]) -> None:
    assert list(name_hosts(machines(*named), "name").names) == names


def test_a_device_does_not_get_the_name_of_a_group() -> None:
    fleet = machines((A, "retire"), (B, "pc1"), (C, "PC1"))
    assert name_hosts(fleet, "name", ["all", "Retire", f"pc1_{B}"]).names == (A, B, f"PC1_{C}")


NAMES = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["pc1", "PC1", "pc2", A, B, f"pc1_{A}", f"pc1_{B}"]))


@given(st.lists(NAMES, max_size=3), st.sampled_from(sorted(HOSTNAMES)))
def test_no_two_machines_share_a_host(names: list[str | None], hostname: str) -> None:
    fleet = machines(*zip((A, B, C), names, strict=False))
    hosts = name_hosts(fleet, hostname).names
    assert len(hosts) == len(fleet)
    assert len({host.lower() for host in hosts}) == len(fleet)
    ids = {machine.id for machine in fleet}
    assert all(host == machine.id or host not in ids for host, machine in zip(hosts, fleet, strict=True))


@given(st.lists(NAMES, min_size=2, max_size=3))
def test_names_do_not_depend_on_the_order(names: list[str | None]) -> None:
    fleet = machines(*zip((A, B, C), names, strict=False))
    there = dict(zip((m.id for m in fleet), name_hosts(fleet, "name").names, strict=True))
    back = dict(zip((m.id for m in fleet[::-1]), name_hosts(fleet[::-1], "name").names, strict=True))
    assert there == back
