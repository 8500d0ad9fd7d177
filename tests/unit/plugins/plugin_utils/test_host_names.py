# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Host names are unique and stable, and no device can pretend to be another one."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._api.models import Machine
from ansible_collections.secops.mde.plugins.module_utils._options.identifiers import (
    clean_aad_device_id,
    clean_device_name,
)
from ansible_collections.secops.mde.plugins.plugin_utils._host_names import (
    HOSTNAMES,
    assign_host_names,
    group_name,
    host_address,
    identifying,
)

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
    ids=["plain", "same name", "no name", "reserved", "ID of another", "its own ID", "name in the form name_id"],
)
def test_each_machine_has_a_unique_name(named: list[tuple[str, str | None]], names: list[str]) -> None:
    assert list(assign_host_names(machines(*named), "name").names) == names


@pytest.mark.parametrize(
    ("name", "host"),
    [("pc1.corp.example", "pc1"), ("pc1", "pc1"), ("v1.2 kiosk", A), ("10.1.2.3", "10.1.2.3"), ("lab.7+8", A)],
)
def test_only_a_dns_name_has_a_short_name(name: str, host: str) -> None:
    assert assign_host_names(machines((A, name)), "short_name").names == (host,)


def test_a_device_does_not_get_the_name_of_a_group() -> None:
    fleet = machines((A, "retire"), (B, "pc1"), (C, "PC1"))
    assert assign_host_names(fleet, "name", ["all", "Retire", f"pc1_{B}"]).names == (A, B, f"PC1_{C}")


NAMES = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(["pc1", "PC1", "pc2", A, B, f"pc1_{A}", f"pc1_{B}"]))


@given(st.lists(NAMES, max_size=3), st.sampled_from(sorted(HOSTNAMES)))
def test_no_two_machines_share_a_host(names: list[str | None], hostname: str) -> None:
    fleet = machines(*zip((A, B, C), names, strict=False))
    hosts = assign_host_names(fleet, hostname).names
    assert len(hosts) == len(fleet)
    assert len({host.lower() for host in hosts}) == len(fleet)
    ids = {machine.id for machine in fleet}
    assert all(host == machine.id or host not in ids for host, machine in zip(hosts, fleet, strict=True))


@given(st.lists(NAMES, min_size=2, max_size=3))
def test_names_do_not_depend_on_the_order(names: list[str | None]) -> None:
    fleet = machines(*zip((A, B, C), names, strict=False))
    forward = dict(zip((m.id for m in fleet), assign_host_names(fleet, "name").names, strict=True))
    backward = dict(zip((m.id for m in fleet[::-1]), assign_host_names(fleet[::-1], "name").names, strict=True))
    assert forward == backward


@pytest.mark.parametrize(
    "name",
    ["0", "127.1", "2130706433", "0x7f000001", "127.0.0.2", "localhost.", "LOCALHOST.localdomain", "pc.localhost",
     "ip6-loopback", "localhost6", "a" * 254, "-oX", "a b", "a%b", "x;y", "\u00e9"],
)  # fmt: skip
def test_a_name_that_ssh_would_use_as_the_controller_or_as_an_option_is_replaced(name: str) -> None:
    assert assign_host_names(machines((A, name)), "name").names == (A,)


@pytest.mark.parametrize("name", ["10.1.2.3", "pc1", "pc_1", "localhosts", "my-localhost-pc", "20261044x", "a" * 253])
def test_other_names_are_kept(name: str) -> None:
    assert assign_host_names(machines((A, name)), "name").names == (name,)


@pytest.mark.parametrize("id_", ["all", "localhost", "ungrouped", "-oX", "-", "0", "Retired"])
def test_an_id_with_a_meaning_for_ansible_or_ssh_gets_a_prefix(id_: str) -> None:
    assert assign_host_names(machines((id_, None)), "name", ["retired"]).names == (f"device_{id_}",)


def test_no_device_gets_a_name_that_another_device_gets_by_its_id() -> None:
    fleet = machines(("all", None), (A, "device_all"), (B, "device_device_all"))
    assert assign_host_names(fleet, "name").names == ("device_all", A, "device_device_all")
    assert assign_host_names(fleet, "name", ["device_all"]).names == ("device_device_all", A, B)


@pytest.mark.parametrize("id_", ["", ".", "..", "a/b", "{{ 1 }}", "-oProxyCommand=x", "a\n", "\u00e9"])
def test_an_id_with_other_characters_is_an_error(id_: str) -> None:
    with pytest.raises(ValueError, match="letters, digits and hyphens"):
        assign_host_names(machines((id_, "pc1")), "name")


@pytest.mark.parametrize(
    ("value", "address"),
    [
        ("10.1.2.3", "10.1.2.3"),
        ("2001:DB8::0005", "2001:db8::5"),
        ("::ffff:10.1.2.3", "::ffff:a01:203"),
        ("-oProxyCommand=x", None),
        ("10.1.2.3\n", None),
        (" 10.1.2.3", None),
        ("10.1.2.3/24", None),
        ("010.1.2.3", None),
        ("\uff11.2.3.4", None),
        ("fe80::1%eth0", None),
        ("2001:db8::5%-oProxyCommand=x", None),
        ("127.8.8.8", None),
        ("::1", None),
        ("::ffff:127.0.0.1", None),
        ("0.0.0.0", None),
        ("::", None),
        ("224.0.0.1", None),
        ("255.255.255.255", None),
        ("169.254.169.254", None),
        (167838211, None),
        (None, None),
        (["10.1.2.3"], None),
    ],
)
def test_host_address_returns_an_address_of_a_device_or_none(value: object, address: str | None) -> None:
    found = host_address(value)
    assert found in (address, "::ffff:10.1.2.3" if address == "::ffff:a01:203" else address)


@given(st.text())
def test_the_name_of_a_group_consists_of_letters_digits_and_underscores(name: str) -> None:
    found = group_name(name)
    assert not name or re.fullmatch(r"[^\W\d]\w*", found)
    assert found.lower() not in ("all", "ungrouped", "localhost")


@pytest.mark.parametrize("name", ["...", ".corp.example", "pc-********", "a\nb", "pc\u2028x", "x" * 256, "\u00a0 ."])
def test_a_name_that_the_module_rejects_is_not_passed_to_playbooks(name: str) -> None:
    assert identifying(name, clean_device_name) is None
    for accepted in ("pc1.corp.example", "Kim\u00a0Phone", "\U0001f469\u200d\U0001f4bb", "10.1.2.3"):
        assert identifying(accepted, clean_device_name) == accepted


@pytest.mark.parametrize("text", ["N/A", "unknown", "11112222-bbbb-3333-cccc-4444dddd555", "a" * 32, ""])
def test_an_entra_device_id_that_the_module_rejects_is_not_passed_to_playbooks(text: str) -> None:
    assert identifying(text, clean_aad_device_id) is None
    accepted = "11112222-bbbb-3333-cccc-4444dddd5555"
    assert identifying(accepted, clean_aad_device_id) == accepted
    assert identifying(None, clean_aad_device_id) is None
