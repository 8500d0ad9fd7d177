# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Which offboards are to be looked at: by ids of actions or devices, or all of an earlier run by its evidence."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass, field, replace
from pathlib import Path

from .._api.models import ACTIVE_STATUSES, FINAL_STATUSES, normalize_status
from .._errors import OptionError
from .._evidence_format import VERIFY_OUTCOMES, EvidenceFileError, device_count, load, mapping
from .._offboarding import results
from .._options.argument_spec import Spec
from .._options.identifiers import clean_action_id, clean_device_id, is_guid
from .._options.values import clean_list
from .._same import equal_ignoring_case

# Of both kinds of evidence.
_EVIDENCE_OUTCOMES: t.Final = tuple(dict.fromkeys((*results.OUTCOMES, *VERIFY_OUTCOMES)))

VERIFY_OPTIONS: t.Final[Spec] = {
    "action_id": {"type": "list", "elements": "str"},
    "device_id": {"type": "list", "elements": "str"},
    "evidence": {"type": "path"},
}


@dataclass(frozen=True)
class Target:
    """A device to look at, by its id or by that of an action; by neither where an earlier run had found none."""

    device_id: str | None = None
    action_id: str | None = None
    device_name: str | None = None
    host: str | None = None
    requested: t.Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VerificationRequest:
    """All of them in the order asked, and what there is to know of the earlier run."""

    targets: tuple[Target, ...] = ()
    comment: str | None = None
    tenant_id: str | None = None
    warnings: tuple[str, ...] = ()
    """What keeps a look back from telling the whole truth, for people."""

    def check_tenant(self, current: str | None) -> None:
        """Raise OptionError where the devices are of another tenant than this one: there, nothing is known of them."""
        ids = (self.tenant_id or "", current or "")
        if all(map(is_guid, ids)) and not equal_ignoring_case(*ids):
            raise OptionError(
                f"evidence: it is of a run in tenant {ids[0]}, and this one has signed in to tenant {ids[1]}.",
                hint="Sign in to the tenant of the evidence: of another one's devices this one knows nothing.",
            )


def parse_targets(params: t.Mapping[str, t.Any]) -> VerificationRequest:
    """What the options of ``VERIFY_OPTIONS`` name. Raises OptionError."""
    actions = clean_list("action_id", params["action_id"], clean_action_id) or ()
    devices = clean_list("device_id", params["device_id"], clean_device_id) or ()
    found = [Target(action_id=action_id) for action_id in actions]
    found += [Target(device_id=device_id) for device_id in devices]
    earlier = _of_evidence(Path(params["evidence"])) if params["evidence"] else VerificationRequest()
    return replace(earlier, targets=(*found, *earlier.targets))


def _of_evidence(path: Path) -> VerificationRequest:
    try:
        document = load(path)
    except OSError as error:
        raise OptionError(f"evidence: {path} cannot be read ({error.strerror}).") from error
    except EvidenceFileError as error:
        raise OptionError(f"evidence: {error}", hint="Give the file of an earlier run that ends in .json.") from error
    devices = document["devices"]
    return VerificationRequest(
        targets=_each(path, devices),
        comment=_text(document.get("comment")),
        tenant_id=_text(mapping(document.get("context")).get("tenant_id")),
        warnings=tuple(_warnings(document, len(devices))),
    )


def _warnings(document: t.Mapping[str, t.Any], count: int) -> t.Iterator[str]:
    if document.get("prediction") is True:
        yield "The evidence is a prediction of check mode: that run has sent nothing that could be verified."
    if document.get("complete") is False:
        yield (
            f"The run of the evidence has not come to its end: it tells of {count} of {max(device_count(document), count)} devices. "
            "Run it again for the others; what it has done is found."
        )
    for place, device in enumerate(document["devices"]):
        status = mapping(device.get("action")).get("status")
        if isinstance(status, str) and normalize_status(status) not in ACTIVE_STATUSES | FINAL_STATUSES:
            yield f"devices[{place}] of the evidence has the action status {status[:60]!r}, which is not known here."


def _each(path: Path, devices: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[Target, ...]:
    """All entries of a file. Raises OptionError, which names those that are wrong by their place."""
    subjects, wrong = [], []
    for place, device in enumerate(devices):
        try:
            subjects.append(_target(device))
        except OptionError as error:
            wrong.append(f"devices[{place}]: {error.message} {error.hint or ''}".strip())
    if wrong:
        wrong[0] = f"evidence: {path} has entries that are no evidence. {wrong[0]}"
        raise OptionError.of(wrong, hint="Nothing was verified. Give the file as the run has written it.")
    return tuple(subjects)


def _target(device: t.Mapping[str, t.Any]) -> Target:
    """An entry of evidence, checked as input is. Raises OptionError."""
    action, requested = (mapping(device.get(key)) for key in ("action", "requested"))
    outcome, status = device.get("outcome"), action.get("status")
    if outcome is not None and outcome not in _EVIDENCE_OUTCOMES:
        raise OptionError(
            f"outcome: {str(outcome)[:60]!r} is not one.", hint=f"Allowed are {', '.join(_EVIDENCE_OUTCOMES)}."
        )
    if status is not None and not isinstance(status, str):
        raise OptionError(f"action.status: {str(status)[:60]!r} is not text.")
    return Target(
        device_id=_identifier("device_id", device.get("device_id"), clean_device_id),
        action_id=_identifier("action.id", action.get("id"), clean_action_id),
        device_name=_text(device.get("device_name")) or _text(requested.get("device_name")),
        host=_text(device.get("host")),
        requested=requested,
    )


def _identifier(key: str, value: object, clean: t.Callable[[str], str]) -> str | None:
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise OptionError(f"{key}: {str(value)[:60]!r} is not text.")
    return clean(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
