# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The request log that tests read."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Exchange:
    """One request and its response. ``status`` is None while no response has been sent."""

    service: str
    method: str
    path: str
    query: dict[str, str] = field(default_factory=dict)
    url_length: int = 0
    status: int | None = None
    at: float = 0.0
    wall: float = 0.0
    app: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    fault: str | None = None
    credential: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return the fields as a dict, for the HTTP control."""
        return asdict(self)
