# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What to verify: action IDs, device IDs, or the evidence of an earlier run."""

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

# Evidence of offboarding and of verification.
_EVIDENCE_OUTCOMES: t.Final = tuple(dict.fromkeys((*results.OUTCOMES, *VERIFY_OUTCOMES)))

VERIFY_OPTIONS: t.Final[Spec] = {
    "action_id": {"type": "list", "elements": "str"},
    "device_id": {"type": "list", "elements": "str"},
    "evidence": {"type": "path"},
}


@dataclass(frozen=True)
class Target:
    """A device to verify, by its ID or by that of an action. Neither is known if the earlier run did not find it."""

    device_id: str | None = None
    action_id: str | None = None
    device_name: str | None = None
    host: str | None = None
    requested: t.Mapping[str, t.Any] = field(default_factory=dict)


@dataclass(frozen=True)
class VerificationRequest:
    """What to verify, in the order requested, and what is known of the earlier run."""

    targets: tuple[Target, ...] = ()
    comment: str | None = None
    tenant_id: str | None = None
    prediction: bool = False
    """Whether the evidence is of check mode."""
    warnings: tuple[str, ...] = ()
    """Why the evidence may be incomplete or outdated."""

    def check_tenant(self, current: str | None) -> None:
        """Raise OptionError if the evidence is from another tenant than the current one, which does not know its devices."""
        ids = (self.tenant_id or "", current or "")
        if all(map(is_guid, ids)) and not equal_ignoring_case(*ids):
            raise OptionError(
                f"The evidence is from tenant {ids[0]}, but this run signed in to tenant {ids[1]}.",
                hint=f"Sign in to tenant {ids[0]}.",
            )


def parse_targets(params: t.Mapping[str, t.Any]) -> VerificationRequest:
    """Validate the options of ``VERIFY_OPTIONS`` and read the evidence. Raises OptionError."""
    if params["action_id"] is None and params["device_id"] is None and not params["evidence"]:
        raise OptionError(
            "Nothing to verify: action_id, device_id and evidence are all empty.",
            hint="Set one of them. An empty list of IDs is accepted.",
        )
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
        raise OptionError(f"Cannot read evidence {path} ({error.strerror}).") from error
    except EvidenceFileError as error:
        raise OptionError(f"evidence: {error}", hint="Use the .json file of an earlier run.") from error
    devices = document["devices"]
    return VerificationRequest(
        targets=_each(path, devices),
        comment=_text(document.get("comment")),
        tenant_id=_text(mapping(document.get("context")).get("tenant_id")),
        prediction=document.get("prediction") is True,
        warnings=tuple(_warnings(document, len(devices))),
    )


def _warnings(document: t.Mapping[str, t.Any], count: int) -> t.Iterator[str]:
    if document.get("prediction") is True:
        yield "The evidence is a check mode prediction. That run sent nothing that can be verified."
    if document.get("complete") is False:
        yield (
            f"The run that wrote this evidence did not finish: it covers {count} of {max(device_count(document), count)} "
            "devices. Run it again for the rest; finished devices are recognized."
        )
    for index, device in enumerate(document["devices"]):
        status = mapping(device.get("action")).get("status")
        if isinstance(status, str) and normalize_status(status) not in ACTIVE_STATUSES | FINAL_STATUSES:
            yield f"devices[{index}] of the evidence has the unknown action status {status[:60]!r}."


def _each(path: Path, devices: t.Sequence[t.Mapping[str, t.Any]]) -> tuple[Target, ...]:
    """The entries of a file. Raises OptionError, which names the invalid entries by their index."""
    targets, invalid = [], []
    for index, device in enumerate(devices):
        try:
            targets.append(_target(device))
        except OptionError as error:
            invalid.append(f"devices[{index}]: {error.message} {error.hint or ''}".strip())
    if invalid:
        invalid[0] = f"evidence: {path} has invalid entries. {invalid[0]}"
        raise OptionError.of(invalid, hint="Nothing was verified. Use the file as the run wrote it.")
    return tuple(targets)


def _target(device: t.Mapping[str, t.Any]) -> Target:
    """An entry of evidence, validated like an option. Raises OptionError."""
    action, requested = (mapping(device.get(key)) for key in ("action", "requested"))
    outcome, status = device.get("outcome"), action.get("status")
    if outcome is not None and outcome not in _EVIDENCE_OUTCOMES:
        raise OptionError(
            f"outcome: {str(outcome)[:60]!r} is not an outcome.", hint=f"Use one of {', '.join(_EVIDENCE_OUTCOMES)}."
        )
    if status is not None and not isinstance(status, str):
        raise OptionError(f"action.status: {str(status)[:60]!r} is not a string.")
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
        raise OptionError(f"{key}: {str(value)[:60]!r} is not a string.")
    return clean(value)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
