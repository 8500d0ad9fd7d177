# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What every module returns: the context of the run, results of devices, lists of records, combined errors."""

from __future__ import annotations

import typing as t
from collections import Counter
from dataclasses import dataclass, field

from ._errors import MdeError


@dataclass(frozen=True)
class Result:
    """Result of a module. The task fails if and only if there is an error."""

    failure: MdeError | None = field(default=None, kw_only=True)
    """The error that ended the run, if there was one."""

    @property
    def error(self) -> MdeError | None:
        """The error of the run."""
        return self.failure

    def errors(self) -> list[MdeError]:
        """All errors, including those of single devices."""
        return [self.failure] if self.failure else []

    def as_dict(self) -> dict[str, t.Any]:
        """The keys of this module, the same in every outcome, with ``changed``, ``msg`` and ``summary``."""
        raise NotImplementedError

    def diff(self) -> list[dict[str, t.Any]]:
        """Before and after of each change, in the form that Ansible shows."""
        return []


@dataclass(frozen=True)
class DeviceEntry:
    """Result of one device. It failed if and only if it has an error."""

    error: MdeError | None = field(default=None, kw_only=True)

    @property
    def name(self) -> str:
        """Name of the device in messages."""
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
        """Before and after, see ``difference``."""
        raise NotImplementedError


Device = t.TypeVar("Device", bound=DeviceEntry)


@dataclass(frozen=True)
class DeviceResults(Result, t.Generic[Device]):
    """Results of a run, in the order requested."""

    devices: tuple[Device, ...] = ()

    @property
    def error(self) -> MdeError | None:
        """The error of the run: its own, that of the only device that failed, or one for several devices."""
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
        """One line of text for the user."""
        return str(self.error) if self.error else self.success_message()

    def success_message(self) -> str:
        """The same if nothing failed."""
        raise NotImplementedError

    def summary(self) -> dict[str, int]:
        """Number of devices: total, changed and failed."""
        return {
            "total": len(self.devices),
            "changed": sum(device.changed for device in self.devices),
            "failed": sum(device.error is not None for device in self.devices),
        }

    def diff(self) -> list[dict[str, t.Any]]:
        return [device.difference() for device in self.devices if device.changed]


def to_module_result(result: Result, context: t.Mapping[str, t.Any], api: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The keys of a result, and the keys of all modules. ``api`` are the statistics of the calls."""
    document = result.as_dict()
    document["summary"] = {**document["summary"], "api": api}
    error = result.error
    return {**document, "context": context, "error": error.as_dict() if error else None}


def difference(id_: str | None, before: t.Mapping[str, t.Any], after: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """Before and after of one device or action, in the form that Ansible shows."""
    return {"before_header": id_, "after_header": id_, "before": before, "after": after}


def count_outcomes(outcomes: t.Iterable[str], known: t.Sequence[str]) -> dict[str, int]:
    """Number of times that each known outcome occurs, in the order of ``known``."""
    counted = Counter(outcomes)
    return {outcome: counted[outcome] for outcome in known}


def _combine_errors(failed: t.Sequence[tuple[str, MdeError]], total: int) -> MdeError | None:
    """One error for the devices that failed (name and error) out of ``total``: a single error unchanged, for several
    devices the names and codes of three and the first error in full."""
    if len(failed) <= 1:
        return failed[0][1] if failed else None
    names = ", ".join(f"{name} ({error.code})" for name, error in failed[:3])
    return MdeError(
        f"{len(failed)} of {total} devices failed: {names}{', ...' if len(failed) > 3 else ''}. "
        f"First error: {failed[0][1]}",
        code="devices_failed",
        hint="See devices for the error of each device. Run the task again for "
        + ("the failed ones. The other devices were processed." if len(failed) < total else "all devices."),
    )


@dataclass(frozen=True)
class ListResult(Result):
    """A list of records."""

    key: str
    """Key of the list in the result: ``machines`` or ``machine_actions``."""
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
