# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors of the sign-in service: seven keys. The description contains an AADSTS number and ends with IDs."""

from __future__ import annotations

import uuid
from typing import Any

from .times import iso, to_ticks


class SignInRefused(Exception):
    """An OAuth error with its AADSTS number."""

    def __init__(self, status: int, error: str, number: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error = error
        self.number = number
        self.message = message

    def body(self, now: float, endpoint: str) -> dict[str, Any]:
        """Return the JSON body."""
        trace, correlation = str(uuid.uuid4()), str(uuid.uuid4())
        stamp = iso(to_ticks(int(now))).replace("T", " ")
        return {
            "error": self.error,
            "error_description": (
                f"AADSTS{self.number}: {self.message}\r\nTrace ID: {trace}\r\n"
                f"Correlation ID: {correlation}\r\nTimestamp: {stamp}"
            ),
            "error_codes": [self.number],
            "timestamp": stamp,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{endpoint}/error?code={self.number}",
        }
