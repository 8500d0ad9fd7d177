# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What every module returns, whatever it is for: who asked whom and when, and the error in one shape."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

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


class Result(t.Protocol):
    """What a module has to say at its end. The task fails exactly when there is an error."""

    @property
    def error(self) -> MdeError | None:
        """The error of the run."""

    def errors(self) -> list[MdeError]:
        """All of them, those of single devices too."""

    def as_dict(self) -> dict[str, t.Any]:
        """The keys of this module, with ``changed``, ``msg`` and ``summary``; the same ones in every outcome."""

    def diff(self) -> list[dict[str, t.Any]]:
        """Before and after of what changes, as Ansible shows them."""


def to_module_result(result: Result, context: RunContext, api: t.Mapping[str, t.Any]) -> dict[str, t.Any]:
    """The keys of a result, and those that all modules have."""
    document = result.as_dict()
    document["summary"] = {**document["summary"], "api": dict(api)}
    error = result.error
    return {**document, "context": context.as_dict(), "error": error.as_dict() if error else None}


def combine_errors(failed: t.Sequence[tuple[str, MdeError]], total: int) -> MdeError | None:
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
class ListResult:
    """Records under the plural of their kind."""

    key: str
    """Of the result: ``machines`` or ``machine_actions``."""
    records: tuple[dict[str, t.Any], ...] = ()
    failure: MdeError | None = None

    @property
    def error(self) -> MdeError | None:
        return self.failure

    def errors(self) -> list[MdeError]:
        return [self.failure] if self.failure else []

    def as_dict(self) -> dict[str, t.Any]:
        count = len(self.records)
        noun = self.key.replace("_", " ")
        return {
            "changed": False,
            "msg": str(self.failure) if self.failure else f"{count} {noun if count != 1 else noun[:-1]}",
            self.key: list(self.records),
            "summary": {"total": count},
        }

    def diff(self) -> list[dict[str, t.Any]]:
        return []
