# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Adds or removes one tag on many devices: changes only what differs and confirms it."""

from __future__ import annotations

import typing as t
from dataclasses import replace

from ._api.client import MdeClient
from ._api.models import Machine
from ._auth.permissions import TAG
from ._device_changes import DEVICE_OPTIONS, DeviceChange, DeviceChanger, State, read_machines
from ._errors import MdeError
from ._options.argument_spec import Spec
from ._options.identifiers import clean_tag

TAG_OPTIONS: t.Final[Spec] = {
    **DEVICE_OPTIONS,
    "tag": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
_NOT_SHOWN: t.Final = "the record does not show it"


class Tagger(DeviceChanger):
    """Adds or removes one tag."""

    permissions = TAG
    verb = "tag"
    batch_size = 500  # Microsoft Learn, "Add or remove a tag for multiple machines"

    def __init__(self, params: t.Mapping[str, t.Any]) -> None:
        super().__init__(params)
        self._tag = clean_tag(params["tag"])
        self._present = params["state"] == "present"

    def states(self, machine: Machine | None) -> tuple[State, State]:
        tags = list(machine.tags) if machine else []
        others = [tag for tag in tags if tag != self._tag]
        has = len(others) < len(tags)
        wanted = tags if machine is None or has == self._present else [*others, self._tag] if self._present else others
        return {"tags": tags}, {"tags": wanted}

    def send(self, client: MdeClient, planned: t.Sequence[DeviceChange]) -> list[DeviceChange]:
        """Confirms the change with the records in the response, and reads those that the response does not include."""
        ids = [one.device_id for one in planned]
        returned = client.update_tag(ids, self._tag, "Add" if self._present else "Remove")
        records: dict[str, Machine | None] = {machine.id: machine for machine in returned}
        without_record = _NOT_SHOWN
        try:
            records.update(read_machines(client, [id_ for id_ in ids if id_ not in records]))
        except MdeError as error:
            without_record = f"the record cannot be read: {error.message}"
        return [self._confirm(one, records.get(one.device_id), without_record) for one in planned]

    def _confirm(self, planned: DeviceChange, machine: Machine | None, without_record: str) -> DeviceChange:
        if machine is not None and machine.id == planned.device_id and (self._tag in machine.tags) == self._present:
            return replace(planned, after={"tags": list(machine.tags)})
        error = MdeError(
            f"The service accepted the tag change, but {_NOT_SHOWN if machine else without_record}.",
            code="tag_not_confirmed",
            hint="Run the task again. It changes only devices that differ." if machine else None,
        )
        return planned.with_error(error) if machine else planned.in_doubt(error)
