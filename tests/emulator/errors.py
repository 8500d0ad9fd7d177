# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors in the two JSON formats of the service."""

from __future__ import annotations

import secrets
import uuid
from typing import Any

from .knobs import Knobs


class ApiError(Exception):
    """An error with a code, in the format of the service."""

    def __init__(self, status: int, code: str, message: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers or {}

    def body(self, knobs: Knobs) -> dict[str, Any]:
        """Return the JSON body. A knob sets the format of the correlation ID."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        if knobs.error_target == "guid":
            error["target"] = str(uuid.uuid4())
        elif knobs.error_target == "operation":
            error["target"] = f"|{secrets.token_hex(16)}.{secrets.token_hex(8)}."
        return {"error": error}


class ODataFault(ApiError):
    """An error of the query layer: empty code, details, no target."""

    def __init__(self, message: str) -> None:
        super().__init__(400, "", message)

    def body(self, knobs: Knobs) -> dict[str, Any]:
        """Return the JSON body."""
        return {"error": {"code": "", "message": self.message, "details": []}}


class HtmlPage(Exception):
    """A response from a gateway or a web server in front of the service."""

    def __init__(self, status: int, title: str) -> None:
        super().__init__(title)
        self.status = status
        self.title = title

    def page(self) -> bytes:
        """Return the HTML."""
        return (
            f"<!DOCTYPE html>\r\n<html><head><title>{self.status} - {self.title}</title></head>\r\n"
            f"<body><h2>{self.title}</h2><p>The gateway could not serve this request.</p></body></html>\r\n"
        ).encode()


def not_found(kind: str, key: str) -> ApiError:
    """Return the HTTP 404 error of a missing device or action."""
    return ApiError(404, "ResourceNotFound", f"{kind} {key} was not found")
