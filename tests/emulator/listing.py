# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Lists: query options, pages, and the JSON around them."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from .errors import HtmlPage, ODataFault
from .knobs import Knobs
from .messages import Call
from .odata import Entity, Rules, order, where
from .store import Store

_OPTIONS = ("$filter", "$top", "$skip", "$orderby", "$count", "$select")


class Lister:
    """Handles list requests for one store."""

    def __init__(self, store: Store, knobs: Knobs, elsewhere_url: str) -> None:
        self._store = store
        self._knobs = knobs
        self._elsewhere_url = elsewhere_url
        self._conditions: dict[tuple[str, str, Rules], str] = {}
        self.before_page: Callable[[int], None] = lambda _skip: None
        """Called with ``$skip`` before each page of a list is read, so that a test can change the tenant."""

    def respond(self, call: Call, entity: Entity, context: str, condition: str, default_order: str) -> tuple[str, int]:
        """Return the JSON text of a page and its number of records. Raises ODataFault or HtmlPage."""
        knobs = self._knobs
        if knobs.max_query_length is not None and call.query_length > knobs.max_query_length:
            if knobs.long_query == "html_404":
                raise HtmlPage(404, "File or directory not found.")
            raise HtmlPage(414, "Request-URI Too Long")
        options = self._options(call)
        parts = [condition] if condition else []
        if "$filter" in options:
            parts.append(f"({self._where(options['$filter'], entity)})")
        test = f"WHERE {' AND '.join(parts)}" if parts else ""
        ordering = order(options["$orderby"], entity) + ", " if "$orderby" in options else ""
        top = self._number(options, "$top")
        skip = self._number(options, "$skip") or 0
        if top is not None and top > knobs.max_page:
            raise ODataFault(f"The limit of '{knobs.max_page}' for the Top query has been exceeded. It was '{top}'.")
        self.before_page(skip)
        size = min(value for value in (top, knobs.max_page, knobs.page_cap) if value is not None)
        start = 0 if knobs.repeat_page else skip
        try:
            rows = self._store.all(
                f"SELECT json FROM {entity.table} {test} ORDER BY {ordering}{default_order} LIMIT ? OFFSET ?",
                (size + 1, start),
            )
        except (sqlite3.Error, ValueError, OverflowError) as error:
            raise ODataFault(f"The query specified in the URI is not valid. {error}") from error
        more = len(rows) > size
        texts = [row[0] for row in rows[:size]]
        if "$select" in options:
            texts = self._select(texts, options["$select"], entity)
        head = f'{{"@odata.context": "{context}"'
        if self._counted(options):
            total = self._store.one(f"SELECT COUNT(*) FROM {entity.table} {test}")[0]
            head += f', "@odata.count": {total}'
        link = self._link(call, options, top, skip, size) if more else None
        if link:
            head += f', "@odata.nextLink": {json.dumps(link)}'
        return f'{head}, "value": [{", ".join(texts)}]}}', len(texts)

    def _options(self, call: Call) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, value in call.query:
            key = name.lower()
            if not key.startswith("$"):
                continue
            if key not in _OPTIONS:
                raise ODataFault(f"The query parameter '{name}' is not supported.")
            if key in found:
                raise ODataFault(f"Query option '{name}' was specified more than once.")
            found[key] = value
        return found

    def _counted(self, options: dict[str, str]) -> bool:
        value = options.get("$count", "false").lower()
        if value not in ("true", "false"):
            raise ODataFault("The value of $count is 'true' or 'false'.")
        if "$count" in options and self._knobs.count == "refused":
            raise ODataFault("The query option '$count' is not allowed.")
        return value == "true" and self._knobs.count == "taken"

    @staticmethod
    def _number(options: dict[str, str], name: str) -> int | None:
        if name not in options:
            return None
        if not options[name].strip().isdecimal():
            raise ODataFault(f"Invalid value '{options[name]}' for the {name} query option.")
        return int(options[name])

    def _where(self, text: str, entity: Entity) -> str:
        knobs = self._knobs
        rules = Rules(
            knobs.filter_case_sensitive,
            knobs.in_refused,
            knobs.max_filter_nodes,
            knobs.guid_literal,
            knobs.action_id_literal,
        )
        key = (entity.table, text, rules)
        if key not in self._conditions:
            if len(self._conditions) > 2000:
                self._conditions.clear()
            self._conditions[key] = where(text, entity, rules)
        return self._conditions[key]

    def _select(self, texts: list[str], names: str, entity: Entity) -> list[str]:
        selected = [name.strip().lower() for name in names.split(",") if name.strip()]
        records: list[dict[str, Any]] = [json.loads(text) for text in texts]
        for name in selected:
            known = name in entity.properties or any(name == key.lower() for item in records[:1] for key in item)
            if not known or (name == "onboardingstatus" and self._knobs.select_refused):
                raise ODataFault(f"Could not find a property named '{name}' on type '{entity.type_name}'.")
        return [
            json.dumps({key: value for key, value in item.items() if key.lower() in selected}, ensure_ascii=False)
            for item in records
        ]

    def _link(self, call: Call, options: dict[str, str], top: int | None, skip: int, size: int) -> str | None:
        """Return the nextLink of a page that is not the last one, or None, as set by the knobs."""
        kind = self._knobs.next_link
        capped = self._knobs.page_cap is not None and (top is None or size < top)
        if kind in ("none", "normal") and not capped and (top is not None or kind == "none"):
            return None
        following = {**options, "$skip": str(skip + size)}
        if top is not None:
            following["$top"] = str(max(0, top - size)) if capped else str(top)
        if kind == "loses_filter":
            following.pop("$filter", None)
        base = self._elsewhere_url + call.path if kind == "foreign" else call.base_url + call.path
        return f"{base}?{urlencode(following, quote_via=quote, safe='$')}"
