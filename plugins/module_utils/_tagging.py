# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""One tag on many devices, or off them: read first, touch only what differs, believe only what is shown."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ._api.client import TAG_BATCH, MdeClient
from ._api.models import Machine, meant
from ._auth.permissions import TAG, predicted_refusal
from ._errors import ApiError, MdeError, OptionError
from ._options.argument_spec import Spec
from ._options.identifiers import clean_device_id
from ._options.values import clean_list
from ._results import DeviceEntry, DeviceResults, difference
from ._same import comparable

TAG_OPTIONS: t.Final[Spec] = {
    "device_id": {"type": "list", "elements": "str", "required": True},
    "tag": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
# The portal takes no more.
_MAX_TAG_LENGTH: t.Final = 200
# So many devices refused by themselves, and none taken, tell that the tag is the trouble, and no device.
_MAX_SINGLE_REFUSALS: t.Final = 3


@dataclass(frozen=True)
class TagRequest:
    """Which devices are to have a tag, or not to have it."""

    device_ids: tuple[str, ...]
    tag: str
    present: bool

    @classmethod
    def from_options(cls, params: t.Mapping[str, t.Any]) -> TagRequest:
        """Check and clean the options of ``TAG_OPTIONS``. Raises OptionError."""
        return cls(
            device_ids=clean_list("device_id", params["device_id"], clean_device_id) or (),
            tag=clean_tag(params["tag"]),
            present=params["state"] == "present",
        )


@dataclass(frozen=True)
class TagResult(DeviceEntry):
    """The tags of one device."""

    device_id: str
    machine: Machine | None = None
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @property
    def changed(self) -> bool:
        return self.before != self.after

    @property
    def name(self) -> str:
        return (self.machine.name if self.machine else None) or self.device_id

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "device_id": self.machine.id if self.machine else self.device_id,
            "device_name": self.machine.name if self.machine else None,
            **super().as_dict(),
            "tags": list(self.after),
        }

    def difference(self) -> dict[str, t.Any]:
        before, after = ({"device": self.name, "tags": list(tags)} for tags in (self.before, self.after))
        return difference(self.device_id, before, after)


@dataclass(frozen=True)
class TagResults(DeviceResults[TagResult]):
    """The whole run, in the order asked."""

    predicted: bool = False

    def success_message(self) -> str:
        does = "would change" if self.predicted else "changed"
        return f"{sum(device.changed for device in self.devices)} of {len(self.devices)} devices {does}"


class Tagger:
    """Sets or removes one tag."""

    def __init__(
        self,
        client: MdeClient,
        request: TagRequest,
        *,
        warn: t.Callable[[str], None],
    ) -> None:
        self._client = client
        self._device_ids = request.device_ids
        self._tag = request.tag
        self._present = request.present
        self._warn = warn
        self._stopped_by: MdeError | None = None
        self._any_accepted = False
        self._single_refusals = 0

    def run(self, *, check_mode: bool) -> list[TagResult]:
        """Tag the devices, or predict it; the results in the order asked. Raises MdeError when the reads fail."""
        results: dict[str, TagResult] = {}
        for id_, machine in self._records(self._device_ids).items():  # one device in two spellings is one
            results.setdefault(machine.id if machine else comparable(id_), self._plan(id_, machine))
        to_change = [result for result in results.values() if result.changed]
        if check_mode:
            changed = self._predict(to_change)
        else:
            changed = [done for batch in _batches(to_change, TAG_BATCH) for done in self._send(batch)]
        results.update((result.device_id, result) for result in changed)
        return list(results.values())

    def _records(self, device_ids: t.Sequence[str]) -> dict[str, Machine | None]:
        """The records by id as asked. One is missing only when its own read says so as well."""
        machines = self._client.machines_by_id(device_ids)
        found = {id_: meant([id_], machines) for id_ in device_ids}
        # None too where several IDs differ from the one asked for in case alone: nobody knows which is meant.
        return {
            id_: self._client.get_machine(id_) if not some else some[0] if len(some) == 1 else None
            for id_, some in found.items()
        }

    def _plan(self, device_id: str, machine: Machine | None) -> TagResult:
        if machine is None:
            return TagResult(
                device_id,
                error=MdeError(
                    f"The device {device_id} was not found.",
                    code="not_found",
                    hint="Check the id. A record is kept for as long as the tenant's retention, 180 days at most.",
                ),
            )
        others = tuple(tag for tag in machine.tags if tag != self._tag)
        has = len(others) < len(machine.tags)
        wanted = machine.tags if has == self._present else (*others, self._tag) if self._present else others
        return TagResult(machine.id, machine, machine.tags, wanted)

    def _predict(self, planned: t.Sequence[TagResult]) -> list[TagResult]:
        refusal = predicted_refusal(self._client.session.claims, TAG, "tag", self._warn) if planned else None
        return [_unchanged(one, refusal) if refusal else one for one in planned]

    def _send(self, batch: t.Sequence[TagResult]) -> list[TagResult]:
        """One call; where the service takes offence at one of many, halves of it, down to the one."""
        if self._stopped_by:
            return [_unchanged(one, self._stopped_by) for one in batch]
        ids = [one.machine.id for one in batch if one.machine]
        try:
            returned = self._client.update_tag(ids, self._tag, "Add" if self._present else "Remove")
        except MdeError as error:
            if len(batch) > 1 and self._may_concern_one_device(error):
                half = len(batch) // 2
                return [*self._send(batch[:half]), *self._send(batch[half:])]
            self._single_refusals += len(batch) == 1
            self._stopped_by = error if error.fatal_for_run else None
            return [_unchanged(one, error) for one in batch]
        self._any_accepted = True
        records: dict[str, Machine | None] = {machine.id: machine for machine in returned}
        missing = [one.device_id for one in batch if one.device_id not in records]
        try:
            records.update(self._records(missing))
        except MdeError as error:
            unread = _unconfirmed(f"the record cannot be read: {error.message}")
            return [
                replace(one, error=unread) if one.device_id in missing else self._confirm(one, records) for one in batch
            ]
        return [self._confirm(one, records) for one in batch]

    def _may_concern_one_device(self, error: MdeError) -> bool:
        """Whether one device of many can be what the service said no to: not where it refuses whatever it is sent."""
        rejected = isinstance(error, ApiError) and error.service_code is not None and error.http_status in (400, 404)
        return rejected and (self._any_accepted or self._single_refusals < _MAX_SINGLE_REFUSALS)

    def _confirm(self, planned: TagResult, records: t.Mapping[str, Machine | None]) -> TagResult:
        """The record of the answer shows the tag, or the lack of it; where the answer left it out it was read."""
        returned = records.get(planned.device_id)
        if returned is None or returned.id != planned.device_id or (self._tag in returned.tags) != self._present:
            return _unchanged(planned, _unconfirmed("its record does not show it"))
        return replace(planned, after=returned.tags)


def clean_tag(text: str) -> str:
    """The tag as it is sent. Raises OptionError for a blank one, or what the portal could not show."""
    tag = text.strip()
    if not tag or len(tag) > _MAX_TAG_LENGTH or not tag.isprintable():
        raise OptionError(
            f"tag: {text[:60]!r} is not a tag.",
            hint=f"Give one line of text with at most {_MAX_TAG_LENGTH} characters.",
        )
    return tag


def _unchanged(planned: TagResult, error: MdeError) -> TagResult:
    return replace(planned, after=planned.before, error=error)


def _unconfirmed(why: str) -> MdeError:
    return MdeError(
        f"The service took the change of the tag, but {why}.",
        code="tag_not_confirmed",
        hint="Run the task again: it looks first, and changes only what differs.",
    )


def _batches(planned: t.Sequence[TagResult], size: int) -> t.Iterator[t.Sequence[TagResult]]:
    for start in range(0, len(planned), size):
        yield planned[start : start + size]
