# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Everything that can go wrong, as exceptions that know their own dict and their consequences.

Utilities raise these; only ``main()`` of a module turns them into a failed task. ``code`` is for playbooks
to branch on, ``message`` says what happened, ``hint`` what to do about it.

    MdeError
      OptionError                    nothing was sent
      LibraryError
      SignInError                    no token
      TransportError                 no response
      ApiError                       a response that is not the one requested
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

# Wrong entries of a list that one error names; a hundred of them help nobody.
_MAX_REPORTED: t.Final = 5


class MdeError(Exception):
    """Base of all of them. ``str()`` gives the message and the hint: one line that is enough to act on."""

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        hint: str | None = None,
        http_status: int | None = None,
        correlation_id: str | None = None,
    ) -> None:
        # Foreign text ends here, before anything can print it: escapes of a terminal stand as their numbers.
        self.message = one_line(message)
        super().__init__(self.message)
        self.code = code or self.code
        self.hint = hint
        self.http_status = http_status
        self.correlation_id = None if correlation_id is None else one_line(correlation_id)

    def __str__(self) -> str:
        message = self.message if self.message.endswith(".") else f"{self.message}."
        quote = f"To quote to support: {self.correlation_id}." if self.correlation_id else None
        return one_line(" ".join(part for part in (message, quote, self.hint) if part))

    @property
    def fatal_for_run(self) -> bool:
        """Whether nothing else would get through either: a matter of token, connection or quota, not of one device.

        By then all patience is used up, so what is left of a list need not be tried one by one.
        """
        return False

    @property
    def outcome_in_doubt(self) -> bool:
        """Whether a POST that ended so may have been carried out all the same: always, but for three ends.

        No byte of it was written to a connection. The time for waiting was used up after a 429 of the service. Or the
        service itself refused it, in a complete response (``ApiError.by_service``): a page of a gateway, whatever its
        status, a redirect, anything else can hide a success.
        """
        return True

    def for_skipped_devices(self) -> MdeError:
        """The same error for devices that were not tried any more because of it."""
        return MdeError(
            f"Not tried, because this came before: {self.message}",
            code=self.code,
            hint=self.hint,
            http_status=self.http_status,
            correlation_id=self.correlation_id,
        )

    def as_dict(self) -> dict[str, t.Any]:
        """The same five keys for every error, null where there is nothing to say."""
        return {
            "code": self.code,
            "message": self.message,
            "http_status": self.http_status,
            "correlation_id": self.correlation_id,
            "hint": None if self.hint is None else one_line(self.hint),
        }


class OptionError(MdeError):
    """The input is wrong; nothing was sent."""

    code = "invalid_option"
    outcome_in_doubt = False

    @classmethod
    def of(cls, lines: t.Sequence[str], *, hint: str) -> OptionError:
        """One error for the entries of a list that are wrong, a line each."""
        more = [f"And {len(lines) - _MAX_REPORTED} more."] if len(lines) > _MAX_REPORTED else []
        return cls(" ".join([*lines[:_MAX_REPORTED], *more]), hint=hint)


class LibraryError(MdeError):
    """A Python library is missing or too old."""

    code = "library_missing"
    outcome_in_doubt = False


class SignInError(MdeError):
    """No token: Microsoft Entra ID, a metadata endpoint or the Azure CLI said no, or did not answer."""

    code = "sign_in_failed"
    fatal_for_run = True
    outcome_in_doubt = False

    def __init__(self, message: str, *, final: bool = False, **details: t.Any) -> None:
        super().__init__(message, **details)
        self.final = final
        """The other side understood and said no: the same credential would get the same answer."""


class TransportError(MdeError):
    """There is no answer. ``may_have_arrived`` is false only when the request surely did not reach the service."""

    code = "no_answer"
    fatal_for_run = True

    def __init__(self, message: str, *, may_have_arrived: bool, retryable: bool = True, **details: t.Any) -> None:
        super().__init__(message, **details)
        self.may_have_arrived = may_have_arrived
        self.retryable = retryable
        """False where sending again is pointless, as after a certificate that is not trusted."""

    @property
    def outcome_in_doubt(self) -> bool:
        return self.may_have_arrived


class ApiError(MdeError):
    """The service, or something in front of it, answered with anything but what was asked for."""

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
        """``error.code`` of the service's own JSON; None when somebody else wrote the answer."""
        self.by_service = by_service
        """Whether the service wrote the response, as far as its form shows."""

    @property
    def fatal_for_run(self) -> bool:
        return self.http_status in (401, 403, 408) or self.http_status >= 500

    @property
    def outcome_in_doubt(self) -> bool:
        return not (400 <= self.http_status < 500 and self.http_status != 408 and self.by_service)

    @property
    def concerns_one_record(self) -> bool:
        """Whether a read of one thing was refused for what it asked for, where reads of others have just been answered.

        A device outside the groups of a user's token answers 403, for example, and no other device is hit by that.
        """
        return 400 <= self.http_status < 500 and self.http_status not in (401, 408, 429)

    @property
    def resource_not_found(self) -> bool:
        """Whether this is the service itself saying that there is no such machine or action.

        Anything else with 404 (a page, an empty body, the code NotFound) is a wrong address, and never an absence.
        """
        return self.http_status == 404 and self.service_code == "ResourceNotFound"

    @property
    def query_refused(self) -> bool:
        """Whether the service did not like the form of the query; its OData layer sends an empty code."""
        return self.http_status == 400 and self.service_code in ("", "ODataError", "BadRequest")

    @property
    def too_long(self) -> bool:
        """Whether the address may have been too long: what is in front of the service says so in ways of its own."""
        return self.http_status in (413, 414, 431) or (self.http_status in (400, 404) and self.service_code is None)


class ThrottledError(ApiError):
    """Over the quota, and the time allowed for waiting is used up. The request was not carried out."""

    code = "throttled"
    fatal_for_run = True

    @property
    def outcome_in_doubt(self) -> bool:
        return False


class UnexpectedResponseError(ApiError):
    """A success by its status, but the body is not what the service sends."""

    code = "unexpected_response"


class DeviceError(MdeError):
    """This device cannot be offboarded, or its end is not known: the verdict, not the transport."""

    code = "device_error"


class DeadlineExceededError(MdeError):
    """A request was held back for so long that what it rests on has to be read again. It was not sent."""

    code = "too_late"
    outcome_in_doubt = False


class InternalError(MdeError):
    """A mistake in this collection."""

    code = "internal_error"

    def __init__(self, cause: Exception) -> None:
        super().__init__(
            f"Unexpected {type(cause).__name__}: {cause}",
            hint="This is a mistake in the collection: please report it with the traceback.",
        )
        trace = "".join(traceback.format_exception(type(cause), cause, cause.__traceback__))
        self.traceback = escape_invisible(trace, lines=True)
