# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists: filters, options, pages, lag."""

from __future__ import annotations

import typing as t
from collections.abc import Callable, Iterator

import pytest
import requests

from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.emulator.client import Client

AAD = "0f7a2c11-5d3e-4b0c-9f61-aa00bb11cc22"
NOW = 1_800_000_000.0


@pytest.fixture
def service() -> Iterator[Emulator]:
    devices = [
        Device(
            id="a1" * 20, name="srv1.corp.example", aad_device_id=AAD, tags=["wave-1", "it's"], last_seen=NOW - 3600
        ),
        Device(id="b2" * 20, name="srv10.corp.example", os_platform="WindowsServer2019", last_seen=NOW - 7200),
        Device(id="c3" * 20, name="O'Brien & Söhne+#1", health_status="Inactive", last_seen=NOW - 30 * 86400),
        Device(
            id="d4" * 20,
            name="C-Lab-31",
            os_platform="Ubuntu",
            tags=["wave-10"],
            last_seen=NOW - 10,
            extra={"rbacGroupId": 7, "riskScore": None},
        ),
    ]
    with Emulator(devices, start=NOW) as running:
        yield running


def fault_of(response: requests.Response) -> t.Any:
    error = response.json()["error"]
    assert response.status_code == 400
    assert error["code"] == ""
    assert error["details"] == []
    assert "target" not in error
    return error["message"]


ALL = ["srv1.corp.example", "srv10.corp.example", "O'Brien & Söhne+#1", "C-Lab-31"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("computerDnsName eq 'srv1.corp.example'", [0]),
        ("computerDNSName EQ 'SRV1.corp.EXAMPLE'", [0]),
        ("ComputerDnsName eq 'O''Brien & Söhne+#1'", [2]),
        ("computerDnsName eq 'srv1'", []),
        ("startswith(computerDnsName, 'srv1')", [0, 1]),
        ("startsWith(computerDnsName,'SRV1.')", [0]),
        ("endswith(computerDnsName,'.corp.example')", [0, 1]),
        ("contains(computerDnsName,'%')", []),
        ("contains(computerDnsName,'_')", []),
        ("contains(computerDnsName,'''')", [2]),
        ("tolower(computerDnsName) eq 'c-lab-31'", [3]),
        ("id in ('" + "a1" * 20 + "')", [0]),
        ("id in ('" + "a1" * 20 + "', '" + "B2" * 20 + "')", [0, 1]),
        ("id IN ('" + "a1" * 20 + "','" + "ff" * 20 + "')", [0]),
        ("id eq '" + "A1" * 20 + "'", [0]),
        ("healthStatus eq 'Active' and osPlatform eq 'Windows11'", [0]),
        ("healthStatus eq 'Active' AND (osPlatform eq 'Ubuntu' OR osPlatform eq 'WindowsServer2019')", [1, 3]),
        ("healthStatus eq 'active'", []),
        ("healthStatus ne 'Active'", [2]),
        ("not (healthStatus eq 'Active')", [2]),
        ("not startswith(computerDnsName,'srv')", [2, 3]),
        ("riskScore ne 'Extreme'", [0, 1, 2, 3]),
        ("riskScore eq null", [3]),
        ("riskScore ne null and rbacGroupId ne 7", [0, 1, 2]),
        ("rbacGroupId eq 7", [3]),
        ("rbacGroupId eq '7'", [3]),
        ("lastSeen ge 2027-01-15T07:00:00Z", [0, 3]),
        ("lastSeen gt 2027-01-15T07:00:00Z", [3]),
        ("lastSeen gt 2027-01-15T06:59:59.9999999Z", [0, 3]),
        ("lastSeen lt 2027-01-15T07:00:00.0000001Z and lastSeen ge 2027-01-15", [0, 1]),
        ("lastSeen le 2027-01-15T08:00:00+01:00 and lastSeen ge 2027-01-15", [0, 1]),
        ("lastSeen lt 2027-01-01", [2]),
        ("machineTags/any(t: t eq 'wave-1')", [0]),
        ("machineTags/any(tag: startswith(tag,'wave-1'))", [0, 3]),
        ("machineTags/any(t: t eq 'it''s')", [0]),
        ("not machineTags/any(t: t eq 'wave-1')", [1, 2, 3]),
        ("machineTags/any()", [0, 3]),
        (f"aadDeviceId eq '{AAD}'", [0]),
        (f"aadDeviceId eq '{AAD.upper()}'", [0]),
        (" or ".join(f"id eq '{number:040x}'" for number in range(400)) + " or id eq '" + "d4" * 20 + "'", [3]),
        ("not (not (id eq '" + "d4" * 20 + "'))", [3]),
    ],
)
def test_a_filter_returns_the_records_that_match(client: Client, text: str, found: t.Any) -> None:
    assert client.names(text) == [ALL[index] for index in found]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "computerDnsName",
        "computerDnsName eq",
        "computerDnsName eq 'x",
        "computerDnsName eq x",
        "computerDnsName = 'x'",
        "computerDnsName eq 'x' and",
        "(computerDnsName eq 'x'",
        "rbacGroupName eq 'Clients'",
        "firstSeen gt 2027-01-01",
        "lastSeen gt '2027-01-01T00:00:00Z'",
        "lastSeen gt 2027-02-30",
        "lastSeen gt 2027-01-01T25:00:00Z",
        "computerDnsName gt 5",
        "computerDnsName eq true",
        "machineTags eq 'wave-1'",
        "machineTags/all(t: t eq 'wave-1')",
        "id/any(t: t eq 'x')",
        "like(computerDnsName,'x')",
        "startswith(computerDnsName)",
        "startswith(lastSeen,'2027')",
        "length(computerDnsName)",
        "concat(id,'x') eq 'x'",
        "id eq 'x\0y'",
        "-id eq 'x'",
        "'a'",
        "id in 'x'",
        f"aadDeviceId eq {AAD}",
        "id eq " + AAD,
        "computerDnsName in ('x'; drop table machines)",
    ],
)
def test_an_invalid_filter_is_refused_in_the_format_of_the_query_layer(client: Client, text: str) -> None:
    assert fault_of(client.get("/machines", filter=text))


@pytest.mark.parametrize(
    "options",
    [
        {"$stop": "2"},
        {"$expand": "x"},
        {"$search": "x"},
        {"$select": "nothing"},
        {"$top": "-1"},
        {"$top": "x"},
        {"$top": "10001"},
        {"$skip": "1.5"},
        {"$count": "yes"},
        {"$orderby": "nothing desc"},
        {"$orderby": "lastSeen down"},
        {"$orderby": "machineTags"},
        [("$top", "1"), ("$top", "2")],
    ],
)
def test_an_unknown_or_invalid_query_option_is_refused(client: Client, options: t.Any) -> None:
    assert fault_of(client.call("GET", "/machines", params=options))


def test_the_onboarding_status_can_be_selected_unless_the_knob_says_otherwise(
    service: Emulator, client: Client
) -> None:
    response = client.get("/machines", select="id,onboardingStatus").json()["value"]
    assert {tuple(item) for item in response} == {("id", "onboardingStatus")}
    service.knobs.select_refused = True
    assert fault_of(client.get("/machines", select="id,onboardingStatus"))


def test_query_parameters_without_a_dollar_sign_are_ignored(client: Client) -> None:
    assert len(client.call("GET", "/machines", params={"filter": "garbage", "x": "y"}).json()["value"]) == 4


def test_a_plus_in_the_query_is_a_space(client: Client) -> None:
    path = "/machines?$filter=computerDnsName+eq+'srv1.corp.example'"
    assert len(client.call("GET", path).json()["value"]) == 1


def test_lists_support_order_skip_top_count_and_select(client: Client) -> None:
    response = client.get(
        "/machines", orderby="lastSeen desc", top=2, skip=1, count="true", select="id,lastSeen"
    ).json()
    assert response["@odata.count"] == 4
    assert response["@odata.context"].endswith("#Machines")
    assert [item["id"][:2] for item in response["value"]] == ["a1", "b2"]
    assert all(list(item) == ["id", "lastSeen"] for item in response["value"])
    assert "@odata.nextLink" not in response


def test_an_empty_list_is_empty(client: Client) -> None:
    response = client.get("/machines", filter="id eq 'x'")
    assert (response.status_code, response.json()["value"]) == (200, [])


def test_an_empty_machine_list_can_be_a_404(client: Client, service: Emulator) -> None:
    service.knobs.empty_list_404 = True
    response = client.get("/machines", filter="id eq 'x'")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "ResourceNotFound")
    assert client.get("/machineactions").status_code == 200


def test_actions_are_listed_newest_first(client: Client, service: Emulator) -> None:
    ids = [service.add_action("a1" * 20, age=age)["id"] for age in (100, 300, 200)]
    found = [item["id"] for item in client.get("/machineactions").json()["value"]]
    assert found == [ids[0], ids[2], ids[1]]
    assert [item["id"] for item in client.get("/machineactions", top=1).json()["value"]] == [ids[0]]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("type eq 'Offboard'", 2),
        ("Type eq 'Offboard' and Status in ('Pending','InProgress')", 1),
        ("status eq 'Succeeded'", 2),
        ("machineId eq '" + "A1" * 20 + "'", 2),
        ("requestor eq 'sam'", 1),
        ("creationDateTimeUtc ge 2027-01-15T07:58:20Z", 2),
        ("creationDateTimeUtc gt 2027-01-15T07:58:20Z", 1),
        ("lastUpdateDateTimeUtc gt 2027-01-15T07:58:00.0000001Z", 3),
        ("contains(requestor,'a') and startswith(type,'Off')", 1),
    ],
)
def test_actions_are_filtered(client: Client, service: Emulator, text: str, count: int) -> None:
    service.update_device("b2" * 20, fate="offline")
    service.add_action("a1" * 20, status="Succeeded", age=100, ended_age=90, requestor="sam")
    service.add_action("a1" * 20, type="Isolate", status="Succeeded", age=200, ended_age=10, requestor="0")
    service.add_action("b2" * 20, status="Pending", age=50, requestor="0")
    assert len(client.get("/machineactions", filter=text).json()["value"]) == count


@pytest.mark.parametrize("text", ["computerDnsName eq 'x'", "lastUpdateTimeUtc gt 2027-01-01", "errorHResult eq 0"])
def test_actions_have_their_own_filterable_properties(client: Client, text: str) -> None:
    assert fault_of(client.get("/machineactions", filter=text))


# --- knobs ---


def test_comparisons_can_be_case_sensitive(client: Client, service: Emulator) -> None:
    service.knobs.filter_case_sensitive = True
    assert client.names("computerDnsName eq 'c-lab-31'") == []
    assert client.names("computerDnsName in ('C-Lab-31')") == ["C-Lab-31"]
    assert client.names("startswith(computerDnsName,'c-')") == []


def test_in_can_be_refused(client: Client, service: Emulator) -> None:
    service.knobs.in_refused = True
    assert fault_of(client.get("/machines", filter="id in ('a','b')"))
    assert client.names("id eq 'a' or id eq 'b'") == []


def test_a_filter_with_too_many_nodes_is_refused(client: Client, service: Emulator) -> None:
    service.knobs.max_filter_nodes = 20
    assert client.names(" or ".join(["id eq 'a'"] * 5)) == []
    assert "20" in fault_of(client.get("/machines", filter=" or ".join(["id eq 'a'"] * 6)))


@pytest.mark.parametrize(("style", "status"), [("414", 414), ("html_404", 404)])
def test_a_query_may_be_too_long(client: Client, service: Emulator, style: str, status: int) -> None:
    service.knobs.update({"max_query_length": 100, "long_query": style})
    response = client.get("/machines", filter="id in ('" + "a" * 90 + "')")
    assert response.status_code == status
    assert response.headers["Content-Type"].startswith("text/html")
    assert client.get("/machines", filter="id eq 'a'").status_code == 200


def test_a_very_long_query_is_accepted(client: Client) -> None:
    text = "id in (" + ",".join(f"'{number:040x}'" for number in range(2000)) + ")"
    assert client.names(text) == []


@pytest.mark.parametrize(("mode", "quoted", "unquoted"), [("string", 200, 400), ("guid", 400, 200), ("both", 200, 200)])
def test_the_literal_of_an_entra_id_follows_its_knob(
    client: Client, service: Emulator, mode: str, quoted: int, unquoted: int
) -> None:
    service.knobs.guid_literal = mode
    assert client.get("/machines", filter=f"aadDeviceId eq '{AAD}'").status_code == quoted
    assert client.get("/machines", filter=f"aadDeviceId eq {AAD}").status_code == unquoted
    assert client.get("/machines", filter=f"aadDeviceId in ('{AAD}')").status_code == quoted


def test_a_next_link_is_returned_only_without_top(client: Client, service: Emulator) -> None:
    service.knobs.max_page = 3
    assert "@odata.nextLink" not in client.get("/machines", top=3).json()
    first = client.get("/machines", filter="id ne 'x'").json()
    assert len(first["value"]) == 3
    second = client.session.get(first["@odata.nextLink"]).json()
    assert [item["computerDnsName"] for item in second["value"]] == ["C-Lab-31"]
    assert "@odata.nextLink" not in second
    service.knobs.next_link = "none"
    assert "@odata.nextLink" not in client.get("/machines").json()


def test_a_next_link_can_lose_the_filter(client: Client, service: Emulator) -> None:
    service.knobs.next_link = "loses_filter"
    page = client.get("/machines", filter="startswith(computerDnsName,'srv')", top=1).json()
    assert "filter" not in page["@odata.nextLink"]
    assert page["@odata.nextLink"].startswith(service.api_url)
    assert "@odata.nextLink" not in client.get("/machines", top=4).json()


def test_a_next_link_can_point_to_another_origin(client: Client, service: Emulator) -> None:
    service.knobs.next_link = "foreign"
    page = client.get("/machines", top=1).json()
    assert page["@odata.nextLink"].startswith(service.elsewhere_url + "/api/machines?")


def test_the_service_can_return_fewer_records_than_requested(client: Client, service: Emulator) -> None:
    service.knobs.page_cap = 2
    page = client.get("/machines", top=3, filter="id ne 'x'").json()
    assert len(page["value"]) == 2
    rest = client.session.get(page["@odata.nextLink"]).json()
    assert [item["computerDnsName"] for item in rest["value"]] == [ALL[2]]


def test_pages_can_repeat(client: Client, service: Emulator) -> None:
    service.knobs.repeat_page = True
    pages = [client.get("/machines", top=2, skip=skip).json()["value"] for skip in (0, 2, 4)]
    assert pages[0] == pages[1] == pages[2]


def test_a_new_action_appears_in_lists_after_the_list_lag(client: Client, service: Emulator) -> None:
    service.knobs.list_lag = 5
    old = service.add_action("b2" * 20, age=1)
    new = client.offboard("a1" * 20).json()
    assert [item["id"] for item in client.get("/machineactions").json()["value"]] == [old["id"]]
    assert client.get(f"/machineactions/{new['id']}").status_code == 200
    service.clock.advance(5.1)
    assert len(client.get("/machineactions").json()["value"]) == 2


def test_a_new_action_can_be_read_by_id_after_the_read_lag(client: Client, service: Emulator) -> None:
    service.knobs.read_lag = 5
    new = client.offboard("a1" * 20).json()
    response = client.get(f"/machineactions/{new['id']}")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "ResourceNotFound")
    assert len(client.get("/machineactions").json()["value"]) == 1
    service.clock.advance(5.1)
    assert client.get(f"/machineactions/{new['id'].upper()}").json()["id"] == new["id"]


def test_an_unknown_action_is_not_found(client: Client) -> None:
    assert client.get("/machineactions/nothing").json()["error"]["code"] == "ResourceNotFound"


def test_a_device_is_found_by_name_in_a_large_tenant(client_of: Callable[..., Client]) -> None:
    with Emulator([Device(name=f"pc{number}.corp.example") for number in range(5_000)]) as large:
        client = client_of(large)
        for number in range(0, 5_000, 500):
            assert client.names(f"computerDnsName eq 'PC{number}.corp.example'") == [f"pc{number}.corp.example"]
