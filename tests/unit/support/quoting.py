# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Errors that quote the request, and a search for the credentials of the requests in every encoding."""

from __future__ import annotations

import base64
import html
import json
import typing as t
from urllib.parse import quote, quote_plus, unquote_plus

from ansible_collections.secops.mde.tests.emulator import Emulator

# Moves the text that follows beyond the point at which messages are truncated.
FILLER = "The gateway did not understand this request, and reports it at length. " * 2


def request_text(call: t.Any) -> str:
    """Return the complete text of a request, as in the debugging page of a gateway."""
    raw = call.raw.decode()
    # Credentials first, so that they are at the point at which messages are truncated.
    headers = sorted(call.headers.items(), key=lambda header: header[0] not in ("authorization", "x-identity-header"))
    lines = "".join(f"{name}: {value}\n" for name, value in headers)
    return f"{FILLER}{call.method} {call.path}\n{unquote_plus(raw)}\n{raw}\n{lines}"


def _entra(text: str) -> str:
    return json.dumps({"error": "invalid_client", "error_description": text.replace("\n", " "), "correlation_id": text})


def _api(text: str) -> str:
    return json.dumps({"error": {"code": f"Odd {text}", "message": text, "target": text}})


# Each format of an error: the status, and a function that returns the body for the text of a request.
FORMATS: dict[str, tuple[int, t.Callable[[str], str | bytes]]] = {
    "Entra ID's JSON": (401, _entra),
    "the API's JSON": (400, _api),
    "an error that is text": (400, lambda text: json.dumps({"error": text})),
    "a page": (403, lambda text: f"<!DOCTYPE html><html><body><pre>{html.escape(text)}</pre></body></html>"),
    "a title": (403, lambda text: f"<html><head><title>{html.escape(text)}</title></head></html>"),
    "text": (400, str),
    "text that is escaped": (400, quote),
    "escaped twice": (400, lambda text: quote(quote(text, safe=""), safe="")),
    "JSON in text": (400, lambda text: "upstream returned " + json.dumps({"request": json.dumps(text)})),
    "base64": (400, lambda text: base64.b64encode(text.encode())),
    "UTF-16": (400, lambda text: text.encode("utf-16-le")),
    "in the middle of a word": (400, lambda text: "x" * 190 + text.removeprefix(FILLER).replace("\n", "")),
    "a truncated token response": (200, lambda text: '{"token_type": "Bearer", "access_token": ' + json.dumps(text)),
    "an error with status 200": (200, lambda text: json.dumps({"error": "odd", "error_description": text})),
}


# Forms of a text within JSON.
JSON_FORMS: dict[str, t.Callable[[str], str]] = {
    "plain": str,
    "with an escape": lambda text: f"\\u{ord(text[0]):04x}{text[1:]}",
    "escaped": lambda text: "".join(f"\\u{ord(character):04X}" for character in text),
}


def fault(format_name: str, **more: t.Any) -> dict[str, t.Any]:
    """Return the fault for the emulator with this format."""
    status, body = FORMATS[format_name]
    return {"kind": "body", "status": status, "body": lambda call: body(request_text(call)), "times": None, **more}


def credentials_sent(emulator: Emulator) -> set[str]:
    """Return the credentials in the logged requests."""
    found: set[str] = set()
    for call in emulator.log:
        for name in ("authorization", "x-identity-header"):
            found.add(call.headers.get(name, "").rpartition(" ")[2])
        if isinstance(call.body, dict):
            found |= {str(call.body.get(name, "")) for name in ("client_secret", "client_assertion")}
    return found - {""}


def assert_hidden(output: str, secrets: t.Iterable[str]) -> None:
    """Assert that no ten consecutive characters of a secret are in the output, in any encoding."""
    for secret in secrets:
        forms = {secret, quote(secret, safe=""), quote_plus(secret), html.escape(secret), json.dumps(secret)[1:-1]}
        forms |= {form.lower() for form in forms}
        for skipped in range(3):
            forms.add(base64.b64encode(bytes(skipped) + secret.encode()).decode()[4:-4])
        for form in forms:
            for at in range(max(1, len(form) - 9)):
                assert form[at : at + 10] not in output, (secret, form[at : at + 10])
