# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Exceptions of the collection. Each one knows its dict and its consequences.

Utilities raise them. Only ``main()`` of a module turns them into a failed task. ``code`` is for conditionals in playbooks,
``message`` says what happened, and ``hint`` how to fix it.

    MdeError
      OptionError                    nothing was sent
      LibraryError
      SignInError                    no token
      TransportError                 no response
      ApiError                       a response that is not a success
        ThrottledError
        UnexpectedResponseError
      DeviceError                    about one device
      DeadlineExceededError          nothing was sent
      InternalError
"""

from __future__ import annotations

import traceback
import typing as t

from ._presentable import escape_invisible, one_line

# Invalid entries of a list that one error names. A hundred of them would hide the first.
_MAX_REPORTED: t.Final = 5


class MdeError(Exception):
    """Base class. ``str()`` returns the message, the correlation ID and the hint in one line."""

    code = "error"
    earlier_try_in_doubt = False
    """Whether an earlier try of the same POST may have been carried out, whatever this error says about the last one."""

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        http_status: int | None = None,
        correlation_id: str | None = None,
    ) -> None:
        # Text from the service becomes safe to print here: terminal escapes are shown as code points.
        self.message = one_line(message)
        super().__init__(self.message)
        self.code = code or self.code
        self.hint = hint
        self.http_status = http_status
        self.correlation_id = None if correlation_id is None else one_line(correlation_id)

    def __str__(self) -> str:
        message = self.message if self.message.endswith(".") else f"{self.message}."
        support = f"Correlation ID for Microsoft support: {self.correlation_id}." if self.correlation_id else None
        return one_line(" ".join(part for part in (message, support, self.hint) if part))

    @property
    def fatal_for_run(self) -> bool:
        """Whether the error affects every request: token, connection or quota, not one device.

        All retries are used up by then, so the rest of a list is not tried.
        """
        return False

    @property
    def outcome_in_doubt(self) -> bool:
        """Whether a POST that failed with this error may have been carried out. It may, with three exceptions.

        No byte of it was written to a connection. Or the time for retries was used up after a 429. Or the service itself
        refused it in a complete response (``ApiError.by_service``). Everything else can hide a success, for example a
        redirect or a page of a gateway, whatever its status.
        """
        return True

    @property
    def any_try_in_doubt(self) -> bool:
        """Whether the last try of a POST, or an earlier one, may have been carried out."""
        return self.outcome_in_doubt or self.earlier_try_in_doubt

    def restate(self, *, message: str | None = None, code: str | None = None, hint: str | None = None) -> MdeError:
        """The same error with another message, code or hint."""
        return MdeError(
            message or self.message,
            code=code or self.code,
            hint=hint or self.hint,
            http_status=self.http_status,
            correlation_id=self.correlation_id,
        )

    def for_skipped_devices(self) -> MdeError:
        """The same error for the devices that were skipped because of it."""
        return self.restate(message=f"Skipped because of an earlier error: {self.message}")

    def as_dict(self) -> dict[str, t.Any]:
        """The same five keys for every error; values that are not known are null."""
        return {
            "code": self.code,
            "message": self.message,
            "http_status": self.http_status,
            "correlation_id": self.correlation_id,
            "hint": None if self.hint is None else one_line(self.hint),
        }


class OptionError(MdeError):
    """The input is invalid; nothing was sent."""

    code = "invalid_option"
    outcome_in_doubt = False

    @classmethod
    def of(cls, lines: t.Sequence[str], *, hint: str) -> OptionError:
        """One error for the invalid entries of a list. ``lines`` has one sentence per entry; the first five are shown."""
        more = [f"And {len(lines) - _MAX_REPORTED} more."] if len(lines) > _MAX_REPORTED else []
        return cls(" ".join([*lines[:_MAX_REPORTED], *more]), hint=hint)


class LibraryError(MdeError):
    """A Python library is missing or too old."""

    code = "library_missing"
    outcome_in_doubt = False


class SignInError(MdeError):
    """No token: Microsoft Entra ID, a metadata endpoint or the Azure CLI refused, or did not respond."""

    code = "sign_in_failed"
    fatal_for_run = True
    outcome_in_doubt = False

    def __init__(self, message: str, *, final: bool = False, **details: t.Any) -> None:
        super().__init__(message, **details)
        self.final = final
        """The credential itself was rejected. The same credential would be rejected again."""


class TransportError(MdeError):
    """No response. ``may_have_arrived`` is false only if the request certainly did not reach the service."""

    code = "no_answer"
    fatal_for_run = True

    def __init__(self, message: str, *, may_have_arrived: bool, retryable: bool = True, **details: t.Any) -> None:
        super().__init__(message, **details)
        self.may_have_arrived = may_have_arrived
        self.retryable = retryable
        """False if a retry cannot succeed, for example after a certificate that is not trusted."""

    @property
    def outcome_in_doubt(self) -> bool:
        return self.may_have_arrived


class ApiError(MdeError):
    """The service, or a gateway in front of it, returned something other than a success."""

    code = "request_refused"
    http_status: int

    def __init__(
        self,
        message: str,
        *,
        http_status: int,
        service_code: str | None = None,
        by_service: bool = False,
        **details: t.Any,
    ) -> None:
        super().__init__(message, http_status=http_status, **details)
        self.service_code = service_code
        """``error.code`` in the JSON of the service; None if a gateway wrote the response."""
        self.by_service = by_service
        """Whether the service wrote the response, as far as its format shows."""

    @property
    def fatal_for_run(self) -> bool:
        return self.http_status in (401, 403, 408) or self.http_status >= 500

    @property
    def outcome_in_doubt(self) -> bool:
        return not (400 <= self.http_status < 500 and self.http_status != 408 and self.by_service)

    @property
    def concerns_one_record(self) -> bool:
        """Whether a failed read concerns only the record that it requested, if reads of other records have just succeeded.

        For example, a device outside the device groups of a user's token returns 403. Other devices are not affected.
        """
        return 400 <= self.http_status < 500 and self.http_status not in (401, 408, 429)

    @property
    def resource_not_found(self) -> bool:
        """Whether the service itself reports that the machine or action does not exist.

        Any other 404 (a page, an empty body, the code NotFound) means a wrong URL, never an absence.
        """
        return self.http_status == 404 and self.service_code == "ResourceNotFound"

    @property
    def query_refused(self) -> bool:
        """Whether the service rejected the syntax of the query. Its OData layer sends an empty code."""
        return self.http_status == 400 and self.service_code in ("", "ODataError", "BadRequest")

    @property
    def too_long(self) -> bool:
        """Whether the URL may have been too long. Gateways in front of the service report that in different ways."""
        return self.http_status in (413, 414, 431) or (self.http_status in (400, 404) and self.service_code is None)


class ThrottledError(ApiError):
    """The service asks to wait, for longer than the time left for retries."""

    code = "throttled"
    fatal_for_run = True

    @property
    def outcome_in_doubt(self) -> bool:
        return self.http_status != 429  # which is a refusal of the request


class UnexpectedResponseError(ApiError):
    """The status is a success, but the body is not one that the service sends."""

    code = "unexpected_response"


class DeviceError(MdeError):
    """This device cannot be offboarded, or its outcome is unknown."""

    code = "device_error"


class DeadlineExceededError(MdeError):
    """A request was delayed so long that its basis must be read again. It was not sent."""

    code = "too_late"
    outcome_in_doubt = False

    def __init__(self, message: str, *, unauthorized: MdeError | None = None, hint: str | None = None) -> None:
        """``unauthorized`` is the error of an earlier try in the same call, if the API rejected its token."""
        super().__init__(message, hint=hint)
        self.unauthorized = unauthorized


class InternalError(MdeError):
    """A bug in this collection."""

    code = "internal_error"

    def __init__(self, cause: Exception) -> None:
        super().__init__(
            f"Unexpected {type(cause).__name__}: {cause}",
            hint="This is a bug in the collection. Please report it with the traceback.",
        )
        trace = "".join(traceback.format_exception(cause))
        self.traceback = escape_invisible(trace, lines=True)
