# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The API below ``/api``: authentication, routes, and responses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

from . import roles
from .errors import ApiError, HtmlPage, not_found
from .fleet import Fleet
from .knobs import Knobs
from .listing import Lister
from .messages import Call, Reply, html_reply, json_reply
from .quota import Quota
from .store import ACTIONS, MACHINES, Record
from .times import DAY, MINUTE, TICKS, parse_iso, to_ticks
from .tokens import TokenRefused, Tokens

_CONTEXT = "https://api.securitycenter.microsoft.com/api/$metadata"
_PREFIX = re.compile(r"/api(?:/v1\.0)?(?=/|$)", re.IGNORECASE)
_VALUES = ("Normal", "Low", "High")
_BATCH = 500
_ISOLATION = ("Full", "Selective", "UnManagedDevice")
EXCLUSION_REASONS = ("Other", "InactiveDevice", "DuplicateDevice", "DeviceDoesNotExist", "DeviceOutOfScope")

Handler = Callable[..., Reply]


class Api:
    """Handles requests, independent of connections."""

    def __init__(self, fleet: Fleet, knobs: Knobs, tokens: Tokens, elsewhere_url: str) -> None:
        self._fleet = fleet
        self._store = fleet.store
        self._knobs = knobs
        self._tokens = tokens
        self.quota = Quota(knobs)
        self.lists = Lister(fleet.store, knobs, elsewhere_url)
        self._reads: dict[str, int] = {}
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = [
            (method, re.compile(pattern, re.IGNORECASE), handler)
            for method, pattern, handler in (
                ("POST", r"/machines/([^/]+)/offboard", self._offboard),
                ("POST", r"/machines/([^/]+)/(isolate|unisolate)", self._isolate),
                ("GET", r"/machineactions?", self._list_actions),
                ("GET", r"/machineactions?/([^/]+)", self._read_action),
                ("POST", r"/machineactions?/([^/]+)/cancel", self._cancel),
                ("GET", r"/machines/([^/]+)/machineactions", self._list_actions_of),
                ("GET", r"/machines/([^/]+)/availableMachineActions", self._list_available),
                ("POST", r"/machines/([^/]+)/setExclusion", self._exclude),
                ("GET", r"/machines", self._list_machines),
                ("GET", r"/alerts", self._list_alerts),
                ("GET", r"/machines/findbyip\((.*)\)", self._find_by_ip),
                ("GET", r"/machines/findbytag", self._find_by_tag),
                ("GET", r"/machines/([^/]+)", self._read_machine),
                ("PATCH", r"/machines/([^/]+)", self._patch),
                ("POST", r"/machines/AddOrRemoveTagForMultipleMachines", self._tag_many),
                ("POST", r"/machines/([^/]+)/tags", self._tag),
                ("POST", r"/machines/([^/]+)/setDeviceValue", self._set_value),
            )
        ]

    def respond(self, call: Call) -> Reply:
        """Return the response to a request. Never raises for anything that a client can send."""
        try:
            return self._dispatch(call)
        except HtmlPage as page:
            return html_reply(page.status, page.page())
        except ApiError as error:
            return json_reply(error.status, error.body(self._knobs), error.headers)

    def forget(self) -> None:
        """Reset the read counters and the quotas."""
        self._reads.clear()
        self.quota.clear()

    def _dispatch(self, call: Call) -> Reply:
        prefix = _PREFIX.match(call.path)
        if not prefix:
            raise HtmlPage(404, "File or directory not found.")
        claims = self._authenticate(call)
        path = call.path[prefix.end() :].rstrip("/")
        wrong_method = False
        for method, pattern, handler in self._routes:
            found = pattern.fullmatch(path)
            if found and method == call.method:
                with self._fleet.lock:
                    self._fleet.apply_due_events()
                    return handler(call, claims, *found.groups())
            wrong_method = wrong_method or bool(found)
        if wrong_method:
            raise ApiError(405, "MethodNotAllowed", f"The method {call.method} is not allowed here")
        raise ApiError(404, "NotFound", "The requested resource was not found")

    # --- authentication ---

    def _authenticate(self, call: Call) -> dict[str, Any]:
        try:
            claims = self._tokens.check(call.header("authorization"))
        except TokenRefused as error:
            raise ApiError(401, "Unauthorized", f"Invalid or expired authorization: {error}") from error
        now = self._fleet.clock.now()
        self.quota.take(f"{claims.get('appid')}|{claims.get('tid')}", now)
        return claims

    def _require_role(self, claims: dict[str, Any], required: tuple[str, ...]) -> None:
        """Require at least one of these roles."""
        granted = roles.granted(claims)
        if not set(granted) & set(required):
            raise ApiError(
                403,
                "Forbidden",
                "The application does not have any of the required application permissions. Missing application "
                f"roles. API required roles: {', '.join(required)}, application roles: {', '.join(granted) or 'none'}.",
            )

    @staticmethod
    def _requestor(claims: dict[str, Any]) -> str:
        """The requestor: the app of the token or its user, never a value of the body."""
        return str(claims.get("upn") or claims.get("appid"))

    @staticmethod
    def _body(call: Call) -> dict[str, Any]:
        if "json" not in call.header("content-type").lower():
            raise ApiError(400, "InvalidRequestBody", "The request body must be JSON with its Content-Type")
        try:
            body = call.json()
        except ValueError as error:
            raise ApiError(400, "InvalidRequestBody", "Request body is not valid JSON") from error
        if not isinstance(body, dict):
            raise ApiError(400, "InvalidRequestBody", "Request body must be a JSON object")
        return body

    @staticmethod
    def _text(body: dict[str, Any], key: str) -> str:
        value = body.get(key)
        if value is None or value == "" or (isinstance(value, str) and not value.strip()):
            raise ApiError(400, "MissingRequiredParameter", f"Required parameter '{key}' is missing")
        if not isinstance(value, str):
            raise ApiError(400, "InvalidRequestBody", f"Parameter '{key}' must be a string")
        return value

    # --- actions ---

    def _offboard(self, call: Call, claims: dict[str, Any], machine_id: str) -> Reply:
        self._require_role(claims, roles.OFFBOARD)
        if self._knobs.offboard_needs_read:
            self._require_role(claims, roles.READ)
        action = self._fleet.offboard(machine_id, self._requestor(claims), **self._parameters(self._body(call)))
        return self._entity(action, "MachineActions", self._knobs.offboard_status)

    def _isolate(self, call: Call, claims: dict[str, Any], machine_id: str, kind: str) -> Reply:
        self._require_role(claims, roles.ISOLATE)
        body = self._body(call)
        if kind.lower() == "isolate" and body.get("IsolationType", "Full") not in _ISOLATION:
            raise ApiError(400, "InvalidInput", f"Parameter 'IsolationType' is one of {', '.join(_ISOLATION)}")
        values = {"type": kind.capitalize(), **self._parameters(body)}
        return self._entity(self._fleet.act(machine_id, self._requestor(claims), **values), "MachineActions", 201)

    def _parameters(self, body: dict[str, Any]) -> Record:
        """Return the parameters of a request as fields of an action, with the names of the service's $metadata."""
        values: Record = {"requestorComment": self._text(body, "Comment"), "title": self._optional_text(body, "Title")}
        external_id = self._optional_text(body, "ExternalId")
        if external_id is not None and self._knobs.external_id == "refuse":
            raise ApiError(
                400, "InvalidRequestBody", "The parameter 'ExternalId' is not a valid parameter for this operation"
            )
        if external_id is not None and self._knobs.external_id == "echo":
            values["externalId"] = self._as_returned(external_id)
        return values

    def _as_returned(self, external_id: str) -> str:
        text = external_id[: self._knobs.external_id_length]
        return {"sent": text, "swapped": text.swapcase(), "padded": f"  {text} "}[self._knobs.external_id_form]

    @staticmethod
    def _optional_text(body: dict[str, Any], key: str) -> str | None:
        value = body.get(key)
        if value is not None and not isinstance(value, str):
            raise ApiError(400, "InvalidRequestBody", f"Parameter '{key}' must be a string")
        return value

    def _list_actions_of(self, call: Call, claims: dict[str, Any], machine_id: str) -> Reply:
        text = self._store.machine_text(machine_id)
        if text is None:
            raise not_found("Machine", machine_id)
        quoted = str(json.loads(text)["id"]).replace("'", "''")
        return self._list_actions(call, claims, f"machineId = '{quoted}'")

    def _list_alerts(self, call: Call, claims: dict[str, Any]) -> Reply:
        self._require_role(claims, roles.ALERTS)
        return json_reply(200, {"@odata.context": f"{_CONTEXT}#Alerts", "value": []})

    def _list_available(self, call: Call, claims: dict[str, Any], machine_id: str) -> Reply:
        self._require_role(claims, roles.READ)
        self._unpublished(self._knobs.available_actions)
        found = self._fleet.available_actions(machine_id)
        return json_reply(
            200,
            {
                "@odata.context": f"{_CONTEXT}#Collection(microsoft.windowsDefenderATP.api.AvailableMachineAction)",
                "value": found,
            },
        )

    def _exclude(self, call: Call, claims: dict[str, Any], machine_id: str) -> Reply:
        self._require_role(claims, roles.WRITE)
        self._unpublished(self._knobs.exclusion)
        body = self._body(call)
        excluded, reason = body.get("IsExcluded"), body.get("ExclusionReason", "Other")
        if not isinstance(excluded, bool):
            raise ApiError(400, "InvalidRequestBody", "Parameter 'IsExcluded' must be a boolean")
        if reason not in EXCLUSION_REASONS:
            raise ApiError(400, "InvalidInput", f"Parameter 'ExclusionReason' is one of {', '.join(EXCLUSION_REASONS)}")
        return self._entity(self._fleet.exclude(machine_id, excluded, reason), "Machines")

    @staticmethod
    def _unpublished(knob: str) -> None:
        """Raise ApiError if the knob disables an undocumented route, which can be missing in some tenants."""
        if knob == "forbidden":
            raise ApiError(403, "Forbidden", "The application is not authorized to use this operation")
        if knob == "missing":
            raise ApiError(404, "NotFound", "The requested resource was not found")

    def _list_actions(self, call: Call, claims: dict[str, Any], condition: str = "") -> Reply:
        self._require_role(claims, roles.READ)
        if self._knobs.list_lag > 0:
            newest = to_ticks(self._fleet.clock.now() - self._knobs.list_lag)
            visible = f"(posted = 0 OR creationDateTimeUtc <= {newest})"
            condition = f"{condition} AND {visible}" if condition else visible
        text, _context = self.lists.respond(
            call, ACTIONS, f"{_CONTEXT}#MachineActions", condition, "creationDateTimeUtc DESC, seq DESC"
        )
        return json_reply(200, text)

    def _read_action(self, call: Call, claims: dict[str, Any], action_id: str) -> Reply:
        self._require_role(claims, roles.READ)
        row = self._store.one("SELECT json, posted, creationDateTimeUtc FROM actions WHERE id = ?", (action_id,))
        newest = to_ticks(self._fleet.clock.now() - self._knobs.read_lag)
        if row is None or (self._knobs.read_lag > 0 and row[1] and row[2] > newest):
            raise not_found("MachineAction", action_id)
        return self._entity(row[0], "MachineActions")

    def _cancel(self, call: Call, claims: dict[str, Any], action_id: str) -> Reply:
        self._require_role(claims, roles.CANCEL)
        comment = None
        if call.raw.strip():
            value = self._body(call).get("Comment")
            if value is not None and not isinstance(value, str):
                raise ApiError(400, "InvalidRequestBody", "Parameter 'Comment' must be a string")
            comment = value
        return self._entity(self._fleet.cancel(action_id, comment, self._requestor(claims)), "MachineActions")

    # --- machines ---

    def _list_machines(self, call: Call, claims: dict[str, Any]) -> Reply:
        self._require_role(claims, roles.READ)
        order = "lastSeen DESC, seq" if self._knobs.machine_order == "last_seen" else "seq"
        text, count = self.lists.respond(call, MACHINES, f"{_CONTEXT}#Machines", "listed = 1", order)
        if count == 0 and self._knobs.empty_list_404:
            raise ApiError(404, "ResourceNotFound", "No recent machine was found")
        return json_reply(200, text)

    def _read_machine(self, call: Call, claims: dict[str, Any], key: str) -> Reply:
        self._require_role(claims, roles.READ)
        text = self._store.machine_text(key)
        if text is None and self._knobs.machine_by_name:
            row = self._store.one("SELECT json FROM machines WHERE computerDnsName = ? AND readable", (key,))
            text = row[0] if row else None
        if text is None:
            raise not_found("Machine", key)
        count = self._reads[key.lower()] = self._reads.get(key.lower(), 0) + 1
        if count <= self._knobs.machine_read_flaky:
            raise not_found("Machine", key)
        return self._entity(text, "Machines")

    def _find_by_ip(self, call: Call, claims: dict[str, Any], arguments: str) -> Reply:
        self._require_role(claims, roles.READ)
        found = re.fullmatch(r"\s*ip\s*=\s*'([^']*)'\s*,\s*timestamp\s*=\s*([^,]+?)\s*", arguments, re.IGNORECASE)
        try:
            address, ticks = (found.group(1), parse_iso(found.group(2))) if found else ("", 0)
        except ValueError as error:
            raise ApiError(400, "InvalidInput", str(error)) from error
        if not found:
            raise ApiError(400, "InvalidInput", "findbyip needs ip='...' and timestamp=...")
        if ticks < to_ticks(self._fleet.clock.now() - 30 * DAY):
            raise ApiError(400, "InvalidInput", "The timestamp must be within the last 30 days")
        around = int(15 * MINUTE) * TICKS
        rows = self._store.all(
            "SELECT json FROM machines WHERE listed AND seq IN (SELECT machine FROM addresses WHERE address = ?) "
            "AND lastSeen BETWEEN ? AND ? ORDER BY seq",
            (address, ticks - around, ticks + around),
        )
        return self._envelope([row[0] for row in rows])

    def _find_by_tag(self, call: Call, claims: dict[str, Any]) -> Reply:
        self._require_role(claims, roles.WRITE if self._knobs.findbytag_needs_write else roles.READ)
        tag = call.first("tag")
        if not tag:
            raise ApiError(400, "MissingRequiredParameter", "Required parameter 'tag' is missing")
        prefix = (call.first("useStartsWithFilter") or "false").lower() == "true"
        test = "SUBSTR(tag, 1, LENGTH(?1)) = ?1" if prefix else "tag = ?1"
        rows = self._store.all(
            f"SELECT json FROM machines WHERE listed AND seq IN (SELECT machine FROM tags WHERE {test}) ORDER BY seq",
            (tag,),
        )
        return self._envelope([row[0] for row in rows])

    def _tag(self, call: Call, claims: dict[str, Any], machine_id: str) -> Reply:
        self._require_role(claims, roles.WRITE)
        value, action = self._tag_body(self._body(call))
        return self._entity(self._retag(machine_id, value, action), "Machines")

    def _tag_many(self, call: Call, claims: dict[str, Any]) -> Reply:
        self._require_role(claims, roles.WRITE)
        body = self._body(call)
        value, action = self._tag_body(body)
        ids = body.get("MachineIds")
        if not ids:
            raise ApiError(400, "MissingRequiredParameter", "Required parameter 'MachineIds' is missing")
        if not isinstance(ids, list) or not all(isinstance(item, str) for item in ids):
            raise ApiError(400, "InvalidRequestBody", "Parameter 'MachineIds' must be a list of strings")
        if len(ids) > _BATCH:
            raise ApiError(400, "MaximumBatchSizeExceeded", f"The maximum batch size is {_BATCH}, it was {len(ids)}")
        for machine_id in ids:
            if self._store.machine_text(machine_id) is None:
                raise not_found("Machine", machine_id)
        return self._envelope([json.dumps(self._retag(item, value, action), ensure_ascii=False) for item in ids])

    def _tag_body(self, body: dict[str, Any]) -> tuple[str, str]:
        value, action = self._text(body, "Value"), self._text(body, "Action")
        if action not in ("Add", "Remove"):
            raise ApiError(400, "InvalidInput", "Parameter 'Action' is 'Add' or 'Remove'")
        return value, action

    def _retag(self, machine_id: str, value: str, action: str) -> Record:
        record = self._writable(machine_id)
        tags = [tag for tag in record["machineTags"] if tag != value]
        if action == "Add":
            tags = record["machineTags"] if value in record["machineTags"] else [*tags, value]
        return self._store.change_machine(machine_id, {"machineTags": tags}) or record

    def _set_value(self, call: Call, claims: dict[str, Any], machine_id: str) -> Reply:
        self._require_role(claims, roles.WRITE)
        value = self._device_value(self._text(self._body(call), "DeviceValue"))
        self._writable(machine_id)
        return self._entity(self._store.change_machine(machine_id, {"deviceValue": value}) or {}, "Machines")

    def _patch(self, call: Call, claims: dict[str, Any], machine_id: str) -> Reply:
        self._require_role(claims, roles.WRITE)
        body = self._body(call)
        changes: Record = {}
        if "deviceValue" in body:
            changes["deviceValue"] = self._device_value(body["deviceValue"])
        if "machineTags" in body:
            if not isinstance(body["machineTags"], list):
                raise ApiError(400, "InvalidRequestBody", "Parameter 'machineTags' must be a list")
            changes["machineTags"] = [str(tag) for tag in body["machineTags"]]
        self._writable(machine_id)
        return self._entity(self._store.change_machine(machine_id, changes) or {}, "Machines")

    @staticmethod
    def _device_value(value: Any) -> str:
        if value not in _VALUES:
            raise ApiError(400, "InvalidInput", f"Parameter 'DeviceValue' is one of {', '.join(_VALUES)}")
        return str(value)

    def _writable(self, machine_id: str) -> Record:
        text = self._store.machine_text(machine_id)
        if text is None:
            raise not_found("Machine", machine_id)
        record: Record = json.loads(text)
        return record

    # --- responses ---

    @staticmethod
    def _entity(value: Record | str, kind: str, status: int = 200) -> Reply:
        text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        return json_reply(status, f'{{"@odata.context": "{_CONTEXT}#{kind}/$entity", {text[1:]}')

    @staticmethod
    def _envelope(texts: list[str]) -> Reply:
        return json_reply(200, f'{{"@odata.context": "{_CONTEXT}#Machines", "value": [{", ".join(texts)}]}}')
