# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists that change while they are read are complete, or the read fails. They are never short without an error."""

from __future__ import annotations

import io
import itertools
import random
import typing as t
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.secops.mde.plugins.module_utils._api.client import MdeClient
from ansible_collections.secops.mde.plugins.module_utils._errors import UnexpectedResponseError
from ansible_collections.secops.mde.plugins.module_utils._timestamps import format_time
from ansible_collections.secops.mde.tests.emulator import Device, Emulator
from ansible_collections.secops.mde.tests.unit.support.simulated_run import SimulatedRun
from ansible_collections.secops.mde.tests.unit.support.virtual_time import VirtualTime


class Tenant:
    """Devices that arrive, leave and move while their list is read."""

    def __init__(self, emulator: Emulator, devices: int, **knobs: t.Any) -> None:
        emulator.knobs.update(knobs)
        self.emulator = emulator
        self._names = itertools.count()
        self.ids: list[str] = []
        """The IDs, in reverse order of the list if the list begins with the device seen last."""
        self.always: set[str] = set()
        """The IDs that exist since the first page was read."""
        self.pages: list[int] = []
        """The start of each page."""
        self.arrive(devices)
        self.always = set(self.ids)

    def arrive(self, count: int = 1, *, oldest: bool = False) -> None:
        """Add devices that were seen after all others, or before them if ``oldest``."""
        numbers = [next(self._names) for _device in range(count)]
        ids = [f"{number:040x}" for number in numbers]
        self.emulator.add_devices(
            Device(id=id_, name=f"pc{number}.corp.example", last_seen=86400.0 * 20 + (number if oldest else -number))
            for id_, number in zip(ids, numbers, strict=True)
        )
        self.ids = [*ids[::-1], *self.ids] if oldest else [*self.ids, *ids]

    def remove(self, *indexes: int) -> None:
        """Remove devices by their index in ``ids``."""
        for id_ in [self.ids[index] for index in indexes]:
            self.emulator.remove_device(id_)
            self.ids.remove(id_)
            self.always.discard(id_)

    def report(self, index: int) -> None:
        """Let a device report. It is then the first one, if the list begins with the device seen last."""
        self.ids.append(self.ids.pop(index))
        seen = self.emulator.clock.now() + next(self._names)
        self.emulator.update_machine(self.ids[-1], lastSeen=format_time(seen))

    def read(self, change: t.Callable[[int], None] = lambda skip: None, **options: t.Any) -> set[str]:
        """Read all IDs, which must be unique. ``change`` is called before each page after the first."""

        def before(skip: int) -> None:
            if self.pages:
                change(skip)
            self.pages.append(skip)

        self.emulator.before_page(before)
        client = SimulatedRun(self.emulator, VirtualTime(self.emulator)).client()
        found = [machine.id for page in client.iter_machine_pages("", count=True, **options) for machine in page]
        assert len(found) == len(set(found))
        return set(found)


def before_second_page(change: t.Callable[[], None]) -> t.Callable[[int], None]:
    """Return a change that occurs before the second page only."""
    left = iter([change])
    return lambda _skip: next(left, lambda: None)()


def client_of(emulator: Emulator) -> MdeClient:
    return SimulatedRun(emulator, VirtualTime(emulator)).client()


def test_a_quiet_list_is_read_once_with_pages_that_share_records_and_its_first_page_again(emulator: Emulator) -> None:
    tenant = Tenant(emulator, 500, page_cap=250)
    assert tenant.read() == tenant.always
    assert tenant.pages == [0, 150, 300, 0]


def test_small_pages_share_half(emulator: Emulator) -> None:
    tenant = Tenant(emulator, 10, page_cap=4)
    assert tenant.read() == tenant.always
    assert tenant.pages == [0, 2, 4, 6, 0]


@pytest.mark.parametrize("removed", [0, 199, 249, 250, 399])
def test_a_device_that_leaves_between_two_pages_hides_no_other(emulator: Emulator, removed: int) -> None:
    tenant = Tenant(emulator, 600, page_cap=250)
    assert tenant.read(before_second_page(lambda: tenant.remove(removed))) >= tenant.always


def test_a_device_that_leaves_after_the_first_page_hides_no_other_although_nothing_is_counted(
    emulator: Emulator,
) -> None:
    tenant = Tenant(emulator, 600, page_cap=250, count="ignored")
    pages = itertools.count(2)

    def change(_skip: int) -> None:
        if next(pages) == 3:
            tenant.remove(260)

    assert tenant.read(change) >= tenant.always


def test_more_devices_leave_than_pages_share(emulator: Emulator) -> None:
    tenant = Tenant(emulator, 900, page_cap=250)
    assert tenant.read(before_second_page(lambda: tenant.remove(*range(110)))) >= tenant.always
    assert 25 in tenant.pages  # half a page before 150


def test_a_list_that_changes_too_fast_is_a_failed_read(emulator: Emulator) -> None:
    tenant = Tenant(emulator, 3000, page_cap=250)
    with pytest.raises(UnexpectedResponseError, match="changes faster"):
        tenant.read(lambda skip: tenant.remove(*range(240)))
    assert len(tenant.pages) < 20


@pytest.mark.parametrize("count", [0, 1, 9_999, 10_000, 10_001])
def test_a_list_around_the_largest_page_is_complete(emulator: Emulator, count: int) -> None:
    tenant = Tenant(emulator, count)
    assert tenant.read() == tenant.always
    assert tenant.pages == ([0] if count < 10_000 else [0, 9_900] if count == 10_000 else [0, 9_900, 0])


def test_a_device_that_moves_to_a_page_that_was_already_read_is_found_in_another_pass(emulator: Emulator) -> None:
    tenant = Tenant(emulator, 600, page_cap=250, machine_order="last_seen")
    assert tenant.read(before_second_page(lambda: tenant.report(5))) == tenant.always


@pytest.mark.parametrize("count", ["taken", "ignored"])
def test_a_jump_that_neither_overlaps_nor_counts_show_is_found_on_the_first_page(
    emulator: Emulator, count: str
) -> None:
    tenant = Tenant(emulator, 600, page_cap=250, machine_order="last_seen", count=count)

    def change() -> None:
        tenant.remove(595)
        tenant.report(5)
        tenant.arrive(oldest=True)

    assert tenant.read(before_second_page(change)) >= tenant.always
    assert tenant.pages == [0, 150, 300, 450] * 2 + [0]  # the first page showed a change, so all pages were read again


@pytest.mark.parametrize("order", ["added", "last_seen"])
def test_steady_ageing_does_not_keep_a_large_tenant_from_being_read(emulator: Emulator, order: str) -> None:
    tenant = Tenant(emulator, 2000, page_cap=250, machine_order=order)
    chance = random.Random(7)

    def change(skip: int) -> None:
        tenant.remove(chance.randrange(len(tenant.ids)))
        tenant.arrive(2)

    assert tenant.read(change) >= tenant.always
    assert len(tenant.pages) <= 3 * 14


@pytest.mark.parametrize("count", ["refused", "ignored"])
def test_a_service_that_does_not_count_is_read_too(emulator: Emulator, count: str) -> None:
    tenant = Tenant(emulator, 600, page_cap=250, count=count)
    emulator.log.clear()
    assert tenant.read(before_second_page(lambda: tenant.remove(3))) >= tenant.always
    refused = [call for call in emulator.calls("api") if call.status == 400]
    assert len(refused) == (count == "refused")  # it is not sent again


def test_fewer_records_than_the_service_counts_is_a_failed_read(emulator: Emulator) -> None:
    records = ", ".join(f'{{"id": "a{number}"}}' for number in range(3))
    emulator.fault(path="/machines", kind="body", body=f'{{"@odata.count": 4, "value": [{records}]}}', times=None)
    try:
        with pytest.raises(UnexpectedResponseError, match="1 of 4 records are missing"):
            list(client_of(emulator).iter_machine_pages("", count=True))
    finally:
        emulator.clear_faults()


@given(seed=st.integers(0, 2**32))
@settings(max_examples=25)
def test_a_list_in_which_records_move_is_complete_or_a_failed_read(seed: int) -> None:
    chance = random.Random(seed)
    with Emulator() as emulator:
        order = chance.choice(["added", "last_seen"])
        cap = chance.choice([7, 20, 60])
        tenant = Tenant(emulator, chance.randrange(30, 200), page_cap=cap, machine_order=order)
        rate = chance.choice([1, 2, 3])
        events = (tenant.remove, lambda _place: tenant.arrive(), tenant.report)

        def change(_skip: int) -> None:
            for _event in range(chance.randrange(rate + 1)):
                chance.choice(events)(chance.randrange(len(tenant.ids)))

        try:
            found = tenant.read(change)
        except UnexpectedResponseError:
            return
        assert found >= tenant.always


@given(seed=st.integers(0, 2**32))
@settings(max_examples=40)
def test_a_list_is_complete_if_each_device_reports_at_most_once(seed: int) -> None:
    """Events that compensate each other: equal numbers of devices leave the part that was read and move to it."""
    chance = random.Random(seed)
    with Emulator() as emulator:
        cap = chance.choice([4, 7, 12])
        count = chance.choice(["taken", "taken", "ignored"])
        tenant = Tenant(emulator, chance.randrange(15, 60), page_cap=cap, machine_order="last_seen", count=count)
        reported: set[str] = set()
        gaps = chance.choice([0.2, 0.5, 1.0])

        def change(skip: int) -> None:
            if chance.random() > gaps or len(tenant.ids) < 5:
                return
            hidden = chance.randrange(3)
            for _event in range(hidden):
                tenant.remove(-1 - chance.randrange(max(1, min(skip, len(tenant.ids)))))
            unread = [id_ for id_ in tenant.ids[: max(0, len(tenant.ids) - skip - cap // 2)] if id_ not in reported]
            for id_ in chance.sample(unread, min(hidden, len(unread))):
                reported.add(id_)
                tenant.report(tenant.ids.index(id_))
            tenant.arrive(chance.choice([hidden, chance.randrange(3)]), oldest=chance.random() < 0.8)

        try:
            found = tenant.read(change)
        except UnexpectedResponseError:
            return
        assert found >= tenant.always


def test_25000_devices_are_complete_whichever_leave_arrive_or_move(emulator: Emulator) -> None:
    tenant = Tenant(emulator, 25_000, machine_order="last_seen")
    chance = random.Random(25)

    def change(skip: int) -> None:
        tenant.remove(*(chance.randrange(len(tenant.ids) - 9) for _leaver in range(9)))
        tenant.arrive(5)
        for _jumper in range(7):
            tenant.report(chance.randrange(len(tenant.ids)))

    assert tenant.read(change) >= tenant.always


def test_pages_that_never_end_are_a_failed_read(emulator: Emulator) -> None:
    endless = client_of(emulator)
    adapter: t.Any = endless.session._transport._session.get_adapter("https://x")
    numbers = itertools.count()
    send_request = adapter.send_request

    def one_more(*call: t.Any) -> t.Any:
        body = f'{{"value": [{{"id": "a{next(numbers)}"}}], "@odata.nextLink": "x"}}'.encode()
        response = send_request(*call)
        return replace(response, raw=io.BytesIO(body), headers={**response.headers, "Content-Length": str(len(body))})

    adapter.send_request = one_more
    with pytest.raises(UnexpectedResponseError, match="does not end after"):
        list(endless.iter_machine_pages(""))
