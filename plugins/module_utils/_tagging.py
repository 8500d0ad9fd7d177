# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Adds or removes one tag on many devices: changes only what differs and confirms it."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, replace

from ._api.client import TAG_BATCH, MdeClient
from ._api.models import Machine
from ._auth.permissions import TAG
from ._device_changes import DEVICE_OPTIONS, DeviceChange, DeviceChanger, State, clean_device_ids
from ._errors import MdeError, OptionError
from ._options.argument_spec import Spec

TAG_OPTIONS: t.Final[Spec] = {
    **DEVICE_OPTIONS,
    "tag": {"type": "str", "required": True},
    "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
}
# The limit of the portal.
_MAX_TAG_LENGTH: t.Final = 200
_NOT_SHOWN: t.Final = "the record does not show it"


@dataclass(frozen=True)
class TagRequest:
    """Which devices should have a tag, or should not have it."""

    device_ids: tuple[str, ...]
    tag: str
    present: bool

    @classmethod
    def from_options(cls, params: t.Mapping[str, t.Any]) -> TagRequest:
        """Validate and normalize the options of ``TAG_OPTIONS``. Raises OptionError."""
        return cls(clean_device_ids(params["device_id"]), clean_tag(params["tag"]), params["state"] == "present")


class Tagger(DeviceChanger):
    """Adds or removes one tag."""

    permissions = TAG
    verb = "tag"
    batch_size = TAG_BATCH

    def __init__(self, client: MdeClient, request: TagRequest, *, warn: t.Callable[[str], None]) -> None:
        super().__init__(client, request.device_ids, warn)
        self._tag = request.tag
        self._present = request.present

    def states(self, machine: Machine | None) -> tuple[State, State]:
        tags = list(machine.tags) if machine else []
        others = [tag for tag in tags if tag != self._tag]
        has = len(others) < len(tags)
        wanted = tags if machine is None or has == self._present else [*others, self._tag] if self._present else others
        return {"tags": tags}, {"tags": wanted}

    def send(self, planned: t.Sequence[DeviceChange]) -> list[DeviceChange]:
        """Confirms the change with the records in the response, and reads those that the response does not include."""
        ids = [one.device_id for one in planned]
        returned = self._client.update_tag(ids, self._tag, "Add" if self._present else "Remove")
        records: dict[str, Machine | None] = {machine.id: machine for machine in returned}
        without_record = _NOT_SHOWN
        try:
            records.update(self.read([id_ for id_ in ids if id_ not in records]))
        except MdeError as error:
            without_record = f"the record cannot be read: {error.message}"
        return [self._confirm(one, records.get(one.device_id), without_record) for one in planned]

    def _confirm(self, planned: DeviceChange, machine: Machine | None, without_record: str) -> DeviceChange:
        if machine is not None and machine.id == planned.device_id and (self._tag in machine.tags) == self._present:
            return replace(planned, after={"tags": list(machine.tags)})
        return planned.with_error(
            MdeError(
                f"The service accepted the tag change, but {_NOT_SHOWN if machine else without_record}.",
                code="tag_not_confirmed",
                hint="Run the task again. It changes only devices that differ.",
            )
        )


def clean_tag(text: str) -> str:
    """The tag without surrounding white space. Raises OptionError for an empty one, or one the portal cannot show."""
    tag = text.strip()
    if not tag or len(tag) > _MAX_TAG_LENGTH or not tag.isprintable():
        raise OptionError(
            f"tag: {text[:60]!r} is not a valid tag.",
            hint=f"Use one line of text with at most {_MAX_TAG_LENGTH} characters.",
        )
    return tag
