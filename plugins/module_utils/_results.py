# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What every module returns, whatever it is for: who asked whom and when, and the error in one shape."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field

from ._api.paging import RefusedRecord, Report
from ._errors import MdeError


@dataclass(frozen=True)
class RunContext:
    """Who asked whom and when: what evidence needs."""

    tenant_id: str | None = None
    client_id: str | None = None
    api_url: str | None = None
    collection_version: str | None = None
    started_at: str | None = None
    finished_at: str | None = None

    def as_dict(self) -> dict[str, t.Any]:
        return dict(vars(self))


@dataclass(frozen=True)
class Result:
    """What a module has to say at its end. The task fails exactly when there is an error."""

    failure: MdeError | None = field(default=None, kw_only=True)
    """What kept the run from its devices or records, if something did."""

    @property
    def error(self) -> MdeError | None:
        """The error of the run."""
        return self.failure

    def errors(self) -> list[MdeError]:
        """All of them, those of single devices too."""
        return [self.failure] if self.failure else []

    def as_dict(self) -> dict[str, t.Any]:
        """The keys of this module, with ``changed``, ``msg`` and ``summary``; the same ones in every outcome."""
        raise NotImplementedError

    def diff(self) -> list[dict[str, t.Any]]:
        """Before and after of what changes, as Ansible shows them."""
        return []


@dataclass(frozen=True)
class DeviceEntry:
    """What became of one device. It failed exactly when it has an error."""

    error: MdeError | None = field(default=None, kw_only=True)

    @property
    def name(self) -> str:
        """How messages call this device."""
        raise NotImplementedError

    @property
    def changed(self) -> bool:
        return False

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "changed": self.changed,
            "failed": self.error is not None,
            "error": self.error.as_dict() if self.error else None,
        }

    def difference(self) -> dict[str, t.Any]:
        """Before and after, as ``difference`` writes them."""
        raise NotImplementedError


Device = t.TypeVar("Device", bound=DeviceEntry)


@dataclass(frozen=True)
class DeviceResults(Result, t.Generic[Device]):
    """The whole run, in the order asked."""

    devices: tuple[Device, ...] = ()

    @property
    def error(self) -> MdeError | None:
        """The error of the run: its own, that of the one device that failed, or one for several."""
        failed = [(device.name, device.error) for device in self.devices if device.error is not None]
        return self.failure or _combine_errors(failed, len(self.devices))

    def errors(self) -> list[MdeError]:
        return [*super().errors(), *(device.error for device in self.devices if device.error is not None)]

    def as_dict(self) -> dict[str, t.Any]:
        return {
            "changed": any(device.changed for device in self.devices),
            "msg": self.message(),
            "devices": [device.as_dict() for device in self.devices],
            "summary": self.summary(),
        }

    def message(self) -> str:
        """One line for the person who reads the task's output."""
        return str(self.error) if self.error else self.success_message()

    def success_message(self) -> str:
        """The same where nothing failed."""
        raise NotImplementedError

    def summary(self) -> dict[str, int]:
        """How many devices changed, and how many failed."""
        return {
            "total": len(self.devices),
            "changed": sum(device.changed for device in self.devices),
            "failed": sum(device.error is not None for device in self.devices),
        }

    def diff(self) -> list[dict[str, t.Any]]:
        return [device.difference() for device in self.devices if device.changed]


def to_module_result(result: Result, context: RunContext, api: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The keys of a result, and those that all modules have."""
    document = result.as_dict()
    document["summary"] = {**document["summary"], "api": dict(api)}
    error = result.error
    return {**document, "context": context.as_dict(), "error": error.as_dict() if error else None}


def difference(id_: str | None, before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Before and after of one device or action, as Ansible shows them."""
    return {"before_header": id_, "after_header": id_, "before": before, "after": after}


def count_outcomes(outcomes: t.Iterable[str], known: t.Sequence[str]) -> dict[str, int]:
    """How often each of the known outcomes is there, in their order."""
    counted = Counter(outcomes)
    return {outcome: counted[outcome] for outcome in known}


def _combine_errors(failed: t.Sequence[tuple[str, MdeError]], total: int) -> MdeError | None:
    """One error for the devices that failed, as pairs of name and error, out of ``total``: the only one as it is;
    of several the first ones by name and code, and the very first told in full."""
    if len(failed) <= 1:
        return failed[0][1] if failed else None
    names = ", ".join(f"{name} ({error.code})" for name, error in failed[:3])
    return MdeError(
        f"{len(failed)} of {total} devices failed: {names}{', ...' if len(failed) > 3 else ''}. "
        f"The first: {failed[0][1]}",
        code="devices_failed",
        hint="Each has its own error in devices. The others were carried out; run the task again for the rest.",
    )


def reporting(warn: t.Callable[[str], None] | None) -> Report | None:
    """How a list that goes on without a record says so: never a list that is shorter than the service's in silence."""
    if warn is None:
        return None

    def report(refused: RefusedRecord) -> None:
        warn(f"Left out of the result: {refused.error}")

    return report


@dataclass(frozen=True)
class ListResult(Result):
    """Records under the plural of their kind."""

    key: str
    """Of the result: ``machines`` or ``machine_actions``."""
    records: tuple[dict[str, t.Any], ...] = ()

    def as_dict(self) -> dict[str, t.Any]:
        count = len(self.records)
        noun = self.key.replace("_", " ")
        return {
            "changed": False,
            "msg": str(self.failure) if self.failure else f"{count} {noun if count != 1 else noun[:-1]}",
            self.key: list(self.records),
            "summary": {"total": count},
        }
