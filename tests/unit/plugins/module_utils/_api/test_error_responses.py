# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Error responses with any body: each becomes one exception with a code, a message and a correlation ID."""

from __future__ import annotations

import pytest

from ansible_collections.secops.mde.plugins.module_utils._api.error_responses import error_from_response
from ansible_collections.secops.mde.plugins.module_utils._errors import SignInError, ThrottledError, TransportError
from ansible_collections.secops.mde.plugins.module_utils._http.response import Response

URL = "https://api.example.test/api/machines?$filter=x"


def response(status: int, body: str) -> Response:
    headers = {"content-length": str(len(body.encode()))}
    return Response(method="GET", url=URL, status=status, headers=headers, body=body.encode())


def service(code: str, message: str = "the reason") -> str:
    return f'{{"error": {{"code": "{code}", "message": "{message}", "target": "9b1d8e70-0000"}}}}'


# status, body, error code, text in the message, correlation ID
CASES = [
    (400, service("BadRequest"), "request_refused", "BadRequest: the reason", "9b1d8e70-0000"),
    (400, service("OsPlatformNotSupported"), "os_not_supported", "OsPlatformNotSupported", "9b1d8e70-0000"),
    (400, service("ActiveRequestAlreadyExists"), "already_active", "ActiveRequest", "9b1d8e70-0000"),
    (
        400,
        '{"error": {"code": "", "message": "no such property", "details": []}}',
        "request_refused",
        "no such property",
        None,
    ),
    (400, '{"error": {"code": "X"}}', "request_refused", "(no message)", None),
    (400, '{"error": {"code": "X", "message": null, "target": 7}}', "request_refused", "(no message)", None),
    (401, "", "unauthorized", "an empty response", None),
    (403, service("Forbidden"), "permission_missing", "Forbidden", "9b1d8e70-0000"),
    (403, "", "permission_missing", "an empty response", None),
    (403, service("DisabledFeature"), "disallowed", "DisabledFeature", "9b1d8e70-0000"),
    (404, service("ResourceNotFound"), "unknown_to_service", "ResourceNotFound", "9b1d8e70-0000"),
    (404, service("NotFound"), "wrong_address", "NotFound", "9b1d8e70-0000"),
    (404, "<html><head><title>Not\n here</title></head></html>", "wrong_address", "an HTML page: Not here", None),
    (404, "", "wrong_address", "api.example.test", None),
    (429, '{"error": {"code": 429, "message": "slow down"}}', "throttled", "slow down", None),
    (500, "null", "service_error", "not JSON from the service: null", None),
    (502, "<p>Bad<br>gateway</p><script>x()</script>", "service_error", "Bad gateway", None),
    (503, "[]", "service_error", "[]", None),
    (504, '{"error": "text"}', "service_error", "text", None),
    (500, '{"error": []}', "service_error", "error", None),
    (307, "", "redirected", "redirect to nowhere", None),
    (418, "\ufeff" + service("X"), "request_refused", "X: the reason", "9b1d8e70-0000"),
    (500, "\udcff" * 3, "service_error", "returned HTTP 500", None),
]


@pytest.mark.parametrize(
    ("status", "body", "code", "words", "target"), CASES, ids=[f"{c[0]} {c[1][:40]}" for c in CASES]
)
def test_each_body_becomes_an_actionable_error(
    status: int, body: str, code: str, words: str, target: str | None
) -> None:
    error = error_from_response(
        Response(method="GET", url=URL, status=status, body=body.encode("utf-8", "surrogateescape"))
    )
    assert error.code == code
    assert words in error.message
    assert error.as_dict() == {
        "code": code,
        "message": error.message,
        "http_status": status,
        "correlation_id": target,
        "hint": error.hint,
    }
    assert "\n" not in str(error)
    assert "$filter" not in str(error)


def test_a_long_page_is_truncated() -> None:
    assert len(error_from_response(response(500, "x" * 100_000)).message) < 400


@pytest.mark.parametrize(
    ("status", "body", "missing"),
    [
        (404, service("ResourceNotFound"), True),
        (404, service("NotFound"), False),
        (404, "", False),
        (404, "<html></html>", False),
        (404, "{}", False),
        (400, service("ResourceNotFound"), False),
        (200, service("ResourceNotFound"), False),
    ],
)
def test_only_the_service_itself_can_report_that_a_record_does_not_exist(status: int, body: str, missing: bool) -> None:
    assert error_from_response(response(status, body)).resource_not_found is missing


@pytest.mark.parametrize(
    ("status", "body", "unclear"),
    [
        (400, service("X"), False),
        (404, service("ResourceNotFound"), False),
        (400, "<html></html>", True),
        (404, "", True),
        (401, "", False),
        (403, "", False),
        (401, "<html></html>", True),
        (403, "<html></html>", True),
        (403, service("Forbidden"), False),
        (403, service("Forbidden")[:-1], True),
        (409, '{"error": "text"}', True),
        (408, service("X"), True),
        (429, "", True),
        (429, "<html></html>", True),
        (429, service("TooManyRequests"), False),
        (403, '{"error": {"code": 403, "message": "blocked"}}', True),
        (500, service("InternalServerError"), True),
        (502, "<html></html>", True),
        (301, service("X"), True),
        (303, "", True),
        (304, "", True),
        (307, "", True),
        (399, "", True),
        (600, service("X"), True),
        (999, "", True),
    ],
)
def test_only_a_rejection_by_the_service_itself_settles_an_offboard_request(
    status: int, body: str, unclear: bool
) -> None:
    assert error_from_response(response(status, body)).outcome_in_doubt is unclear


@pytest.mark.parametrize("status", [401, 403])
def test_an_empty_rejection_that_ends_with_its_connection_is_not_known_to_be_complete(status: int) -> None:
    assert error_from_response(Response(method="POST", url=URL, status=status)).outcome_in_doubt


def test_other_errors_are_not_in_doubt_if_nothing_was_sent() -> None:
    assert TransportError("lost", may_have_arrived=True).outcome_in_doubt
    assert not TransportError("refused", may_have_arrived=False).outcome_in_doubt
    assert not SignInError("no token").outcome_in_doubt
    assert not ThrottledError("busy", http_status=429).outcome_in_doubt
