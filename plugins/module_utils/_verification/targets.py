# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which offboards are to be looked at: by ids of actions or devices, or all of an earlier run by its evidence."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass, field, replace
from pathlib import Path

from .._errors import OptionError
from .._evidence_format import mapping
from .._options.argument_spec import Spec
from .._options.identifiers import clean_action_id, clean_device_id, is_guid
from .._options.values import values

VERIFY: t.Final[Spec] = {
    "action_id": {"type": "list", "elements": "str"},
    "device_id": {"type": "list", "elements": "str"},
    "evidence": {"type": "path"},
}


@dataclass(frozen=True)
class Subject:
    """A device to look at, by its id or by that of an action; by neither where an earlier run had found none."""

    device_id: str | None = None
    action_id: str | None = None
    device_name: str | None = None
    host: str | None = None
    requested: t.Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Subjects:
    """All of them in the order asked, and what there is to know of the earlier run."""

    each: tuple[Subject, ...] = ()
    comment: str | None = None
    tenant_id: str | None = None
    notes: tuple[str, ...] = ()
    """What keeps a look back from telling the whole truth, for people."""

    def insist_on_tenant(self, current: str | None) -> None:
        """Raise OptionError where the devices are of another tenant than this one: there, nothing is known of them."""
        ids = (self.tenant_id or "", current or "")
        if all(map(is_guid, ids)) and ids[0].lower() != ids[1].lower():
            raise OptionError(
                f"evidence: it is of a run in tenant {ids[0]}, and this one has signed in to tenant {ids[1]}.",
                hint="Sign in to the tenant of the evidence: of another one's devices this one knows nothing.",
            )


def subjects_of(params: t.Mapping[str, t.Any]) -> Subjects:
    """What the options of ``VERIFY`` name. Raises OptionError."""
    actions = values("action_id", params["action_id"], clean_action_id) or ()
    devices = values("device_id", params["device_id"], clean_device_id) or ()
    found = [Subject(action_id=action_id) for action_id in actions]
    found += [Subject(device_id=device_id) for device_id in devices]
    earlier = _of_evidence(Path(params["evidence"])) if params["evidence"] else Subjects()
    return replace(earlier, each=(*found, *earlier.each))


def _of_evidence(path: Path) -> Subjects:
    try:
        document = json.loads(path.read_text("utf-8-sig"))
    except OSError as error:
        raise OptionError(f"evidence: {path} cannot be read ({error.strerror}).") from error
    except ValueError as error:
        raise OptionError(
            f"evidence: {path} is not JSON ({error}).", hint="Give the file of an earlier run that ends in .json."
        ) from error
    devices = document.get("devices") if isinstance(document, dict) else None
    if not isinstance(devices, list) or not all(isinstance(device, dict) for device in devices):
        raise OptionError(f"evidence: {path} is no evidence of a run: it has no list of devices.")
    return Subjects(
        each=tuple(_subject(device) for device in devices),
        comment=_text(document.get("comment")),
        tenant_id=_text(mapping(document.get("context")).get("tenant_id")),
        notes=tuple(_notes(document, len(devices))),
    )


def _notes(document: t.Mapping[str, t.Any], count: int) -> t.Iterator[str]:
    if document.get("prediction") is True:
        yield "The evidence is a prediction of check mode: that run has sent nothing that could be verified."
    if document.get("complete") is False:
        yield (
            f"The run of the evidence has not come to its end: it tells of {count} of {document.get('asked')} devices. "
            "Run it again for the others; what it has done is found."
        )


def _subject(device: t.Mapping[str, t.Any]) -> Subject:
    action, requested = (mapping(device.get(key)) for key in ("action", "requested"))
    return Subject(
        device_id=_text(device.get("device_id")),
        action_id=_text(action.get("id")),
        device_name=_text(device.get("device_name")) or _text(requested.get("device_name")),
        host=_text(device.get("host")),
        requested=requested,
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
