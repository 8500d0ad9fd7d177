# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Input of the playbooks that many tests use: a comment, the variables of AWX, and devices."""

from __future__ import annotations

import typing as t

from ansible_collections.secops.mde.tests.emulator import Device, Emulator

COMMENT: t.Final = {"mde_comment": "CHG-1044 retired"}
# Extra variables of a job, and of each slice of a job.
AWX: t.Final[dict[str, t.Any]] = {"awx_job_id": 4711, "awx_user_name": "operator"}


def fleet(emulator: Emulator, count: int) -> list[Device]:
    """Add devices that are offline."""
    return [emulator.add_device(Device(name=f"pc-{n:04d}.corp.example", fate="offline")) for n in range(count)]
