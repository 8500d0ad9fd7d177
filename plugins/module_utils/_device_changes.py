# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One change to many devices, a tag or an exclusion: reads the records, changes only what differs; results and diff."""

from __future__ import annotations

import abc
import typing as t
from dataclasses import dataclass, replace

from ._api.client import MdeClient
from ._api.models import Machine, meant
from ._auth.permissions import predicted_refusal
from ._errors import ApiError, MdeError
from ._options.argument_spec import Spec
from ._options.identifiers import clean_device_id
from ._options.values import clean_list
from ._results import DeviceEntry, DeviceResults, difference
from ._same import comparable

DEVICE_OPTIONS: t.Final[Spec] = {"device_id": {"type": "list", "elements": "str", "required": True}}
MAX_SINGLE_REFUSALS: t.Final = 3
_IN_DOUBT_HINT: t.Final = (
    "The device may or may not be changed. Run the task again. It reads first, and changes only what differs."
)

State = t.Mapping[str, t.Any]
"""State of a device: the keys of its result that a change is about, for example ``{"tags": ["retired"]}``."""


@dataclass(frozen=True)
class DeviceChange(DeviceEntry):
    """Result of one device, or what is planned for it."""

    device_id: str
    before: State
    after: State
    machine: Machine | None = None

    @property
    def changed(self) -> bool:
        return self.error is None and self.before != self.after

    @property
    def name(self) -> str:
        return (self.machine.name if self.machine else None) or self.device_id

    def with_error(self, error: MdeError) -> DeviceChange:
        """The result of a device that was not changed."""
        return replace(self, after=self.before, error=error)

    def in_doubt(self, error: MdeError) -> DeviceChange:
        """The result of a device for which it is not known whether it was changed."""
        hint = f"{error.hint} {_IN_DOUBT_HINT}" if error.hint else _IN_DOUBT_HINT
        return replace(self, after=dict.fromkeys(self.before), error=error.restate(hint=hint))

    def as_dict(self) -> dict[str, t.Any]:
        name = self.machine.name if self.machine else None
        return {"device_id": self.device_id, "device_name": name, **super().as_dict(), **self.after}

    def difference(self) -> dict[str, t.Any]:
        before, after = ({"device": self.name, **state} for state in (self.before, self.after))
        return difference(self.device_id, before, after)


@dataclass(frozen=True)
class DeviceChanges(DeviceResults[DeviceChange]):
    """Result of a run, in the order requested."""

    predicted: bool = False

    def success_message(self) -> str:
        does = "would change" if self.predicted else "changed"
        return f"{sum(device.changed for device in self.devices)} of {len(self.devices)} devices {does}"


class DeviceChanger(abc.ABC):
    """Changes the state of devices, or predicts it. A subclass knows the state and the call that changes it."""

    permissions: t.ClassVar[t.Sequence[str]]
    verb: t.ClassVar[str]
    """What the permissions allow, for messages."""
    batch_size: t.ClassVar[int]
    """Maximum number of devices in one call."""

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        """Validate and normalize the options of the module. Raises OptionError."""
        self._device_ids = clean_list("device_id", params["device_id"], clean_device_id) or ()
        self._stopped_by: MdeError | None = None
        self._any_accepted = False
        self._single_refusals = 0

    @abc.abstractmethod
    def states(self, machine: Machine | None) -> tuple[State, State]:
        """The state now and the requested one. They are equal if nothing differs, and without a record."""

    @abc.abstractmethod
    def send(self, client: MdeClient, planned: t.Sequence[DeviceChange]) -> list[DeviceChange]:
        """Change up to ``batch_size`` devices with one call; their results. Raises MdeError if the call fails."""

    def explain(self, error: MdeError) -> MdeError:
        """The error of a call as the user gets it."""
        return error

    def stops_run(self, error: MdeError) -> bool:
        """Whether the call would fail for the other devices, too."""
        return error.fatal_for_run

    def run(self, client: MdeClient, warn: t.Callable[[str], None], *, check_mode: bool) -> DeviceChanges:
        """Change the devices, or predict it; ``warn`` shows a line to the user.

        Raises MdeError if the first read fails. Nothing has been sent then.
        """
        results: dict[str, DeviceChange] = {}
        for id_, machine in read_machines(client, self._device_ids).items():  # one device in two spellings is one
            results.setdefault(machine.id if machine else comparable(id_), self._plan(id_, machine))
        to_change = [result for result in results.values() if result.changed]
        refusal = None
        if check_mode and to_change:
            refusal = predicted_refusal(client.session.claims, self.permissions, self.verb, warn)
        if refusal:
            to_change = [one.with_error(self.explain(refusal)) for one in to_change]
        elif not check_mode:
            starts = range(0, len(to_change), self.batch_size)
            to_change = [one for at in starts for one in self._send(client, to_change[at : at + self.batch_size])]
        results.update((result.device_id, result) for result in to_change)
        return DeviceChanges(devices=tuple(results.values()), predicted=check_mode)

    def _plan(self, device_id: str, machine: Machine | None) -> DeviceChange:
        before, after = self.states(machine)
        if machine is not None:
            return DeviceChange(machine.id, before, after, machine)
        missing = MdeError(
            f"The device {device_id} was not found.",
            code="not_found",
            hint="Check the ID. Records expire after the retention period of the tenant, at most 180 days.",
        )
        return DeviceChange(device_id, before, before, error=missing)

    def _send(self, client: MdeClient, batch: t.Sequence[DeviceChange]) -> t.Sequence[DeviceChange]:
        """Change the devices of a batch. If one of them may be the reason for a refusal, send parts of the batch."""
        if self._stopped_by:
            return [one.with_error(self._stopped_by.for_skipped_devices()) for one in batch]
        try:
            done = self.send(client, batch)
        except MdeError as error:
            explained = self.explain(error)
            failed = [one.in_doubt(explained) if error.any_try_in_doubt else one.with_error(explained) for one in batch]
            if len(batch) > 1 and _is_rejected(error):
                return self._send_parts(client, batch, failed)
            self._single_refusals += len(batch) == 1
            self._stopped_by = explained if self.stops_run(error) else None
            return failed
        self._any_accepted = True
        return done

    def _send_parts(
        self, client: MdeClient, batch: t.Sequence[DeviceChange], failed: t.Sequence[DeviceChange]
    ) -> list[DeviceChange]:
        """Find the devices of a rejected batch that are the reason, and change the others; ``failed`` are those not sent again.

        After several devices were refused, each alone, and none was accepted, the reason is probably not one device. The
        last one decides: if it is refused as well, the others are not sent again.
        """
        if self._any_accepted or self._single_refusals < MAX_SINGLE_REFUSALS:
            half = len(batch) // 2
            return [*self._send(client, batch[:half]), *self._send(client, batch[half:])]
        *others, last = batch
        decisive = self._send(client, [last])
        return [*(self._send(client, others) if self._any_accepted else failed[:-1]), *decisive]


def _is_rejected(error: MdeError) -> bool:
    """Whether the service rejected the call, perhaps because of one of its devices."""
    return isinstance(error, ApiError) and error.service_code is not None and error.http_status in (400, 404)


def read_machines(client: MdeClient, device_ids: t.Sequence[str]) -> dict[str, Machine | None]:
    """The records by requested ID. Raises MdeError.

    None if the read of the single record finds nothing either, or if several IDs differ from the requested one only in
    case, so that it is not known which device is meant.
    """
    machines = client.machines_by_id(device_ids)
    found = {id_: meant([id_], machines) for id_ in device_ids}
    return {
        id_: client.get_machine(id_) if not some else some[0] if len(some) == 1 else None for id_, some in found.items()
    }
