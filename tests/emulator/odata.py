# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Translates ``$filter`` and ``$orderby`` to SQL for SQLite. odata-query parses them; this adds the service's rules."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import Any

from odata_query import ast
from odata_query.exceptions import ODataException
from odata_query.grammar import ODataLexer, ODataParser
from odata_query.sql.sqlite import AstToSqliteSqlVisitor

from .errors import ODataFault
from .times import parse_iso

_LITERALS = {
    "String": "string",
    "GUID": "guid",
    "DateTime": "date",
    "Date": "date",
    "Integer": "number",
    "Float": "number",
    "Boolean": "bool",
    "Null": "null",
}
_CALLS = {
    "startswith": "bool",
    "endswith": "bool",
    "contains": "bool",
    "tolower": "string",
    "toupper": "string",
    "trim": "string",
    "length": "number",
}
_EDM = {
    "string": "Edm.String",
    "guid": "Edm.Guid",
    "date": "Edm.DateTimeOffset",
    "number": "Edm.Int32",
    "bool": "Edm.Boolean",
    "tags": "Collection(Edm.String)",
}


_GUID_LITERALS = {"string": ("string",), "guid": ("guid",), "both": ("string", "guid")}


@dataclass(frozen=True)
class Property:
    """A property that can be used in a filter: its column, type, and whether case matters in comparisons."""

    column: str
    kind: str = "string"
    any_case: bool = False
    literals: str = "guid_literal"
    """For a GUID: the field of Rules with its accepted literals."""


@dataclass(frozen=True)
class Entity:
    """The type, table and properties of a list."""

    type_name: str
    table: str
    properties: dict[str, Property]

    def find(self, name: str) -> Property:
        """Return a property by its name (case-insensitive)."""
        found = self.properties.get(name.lower())
        if found is None:
            raise ODataFault(f"Could not find a property named '{name}' on type '{self.type_name}'.")
        return found


@dataclass(frozen=True)
class Rules:
    """The knobs that affect filters."""

    case_sensitive: bool = False
    in_refused: bool = False
    max_nodes: int | None = None
    guid_literal: str = "string"
    action_id_literal: str = "both"


class _Visitor(AstToSqliteSqlVisitor):
    """Adds types, case-insensitive names, dates as ticks, and long chains without recursion."""

    def __init__(self, entity: Entity, rules: Rules) -> None:
        super().__init__()
        self._entity = entity
        self._rules = rules
        self._variables: dict[str, Property] = {}

    def visit_Identifier(self, node: ast.Identifier) -> str:
        """Return a column, or the variable of a lambda."""
        found = self._property(node)
        if found.kind == "tags":
            raise ODataFault(f"The property '{node.name}' is a collection and needs 'any'.")
        if self._rules.case_sensitive and found.kind in ("string", "guid"):
            return f'"{found.column}" COLLATE BINARY'
        return f'"{found.column}"'

    def visit_DateTime(self, node: ast.DateTime) -> str:
        """Convert a time to ticks."""
        return _ticks(node.val)

    def visit_Date(self, node: ast.Date) -> str:
        """Convert a date, which means midnight, to ticks."""
        return _ticks(node.val)

    def visit_Attribute(self, node: ast.Attribute) -> str:
        """Refuse a path: no property of these entities has properties."""
        raise ODataFault(f"The property path '{node.attr}' cannot be used in a filter here.")

    def visit_Compare(self, node: ast.Compare) -> str:
        """Compare values of the same type. Comparisons with null follow OData."""
        if isinstance(node.comparator, ast.In):
            if self._rules.in_refused:
                raise ODataFault("The query specified in the URI is not valid. The operator 'in' is not supported.")
            items = _unpacked(node.right)
            for item in {type(item): item for item in items.val}.values():
                self._same_type(node.left, item)
            return f"{self.visit(node.left)} IN {self.visit(items)}"
        self._same_type(node.left, node.right)
        left, right = self.visit(node.left), self.visit(node.right)
        null = isinstance(node.left, ast.Null) or isinstance(node.right, ast.Null)
        if isinstance(node.comparator, ast.NotEq):
            return f"({left} IS NOT {right})"
        if isinstance(node.comparator, ast.Eq) and null:
            return f"({left} IS {right})"
        return f"({left} {self.visit(node.comparator)} {right})"

    def visit_BoolOp(self, node: ast.BoolOp) -> str:
        """Convert a chain of one operator to a balanced tree: Python and SQLite limit the depth."""
        terms: list[str] = []
        stack: list[Any] = [node]
        while stack:
            current = stack.pop()
            if isinstance(current, ast.BoolOp) and type(current.op) is type(node.op):
                stack.extend((current.right, current.left))
            else:
                self._must_be_bool(current)
                terms.append(self.visit(current))
        word = " AND " if isinstance(node.op, ast.And) else " OR "
        while len(terms) > 1:
            terms = [word.join(terms[at : at + 8]) for at in range(0, len(terms), 8)]
            if len(terms) > 1:
                terms = [f"({term})" for term in terms]
        return f"({terms[0]})"

    def visit_UnaryOp(self, node: ast.UnaryOp) -> str:
        """Convert ``not``, the only unary operator. NULL counts as false."""
        if not isinstance(node.op, ast.Not):
            raise ODataFault("The operator '-' is not supported here.")
        self._must_be_bool(node.operand)
        return f"(({self.visit(node.operand)}) IS NOT TRUE)"

    def visit_Call(self, node: ast.Call) -> str:
        """Convert a call of a function that the service supports."""
        name = node.func.name.lower()
        if name not in _CALLS:
            raise ODataFault(f"An unknown function with name '{node.func.name}' was found.")
        for argument in node.args:
            if self._kind(argument) not in ("string", "null"):
                raise ODataFault(f"No function signature for the function with name '{name}' matches its arguments.")
        values = [self.visit(argument) for argument in node.args]
        if name == "tolower":
            return f"LOWER({values[0]})"
        if name == "toupper":
            return f"UPPER({values[0]})"
        if name in ("trim", "length"):
            return f"{name.upper()}({values[0]})"
        text, part = values
        if self._without_case(node.args[0]):
            text, part = f"LOWER({text})", f"LOWER({part})"
        if name == "startswith":
            return f"(SUBSTR({text}, 1, LENGTH({part})) = {part})"
        if name == "endswith":
            return (
                f"(LENGTH({text}) >= LENGTH({part}) AND SUBSTR({text}, LENGTH({text}) - LENGTH({part}) + 1) = {part})"
            )
        return f"(INSTR({text}, {part}) > 0)"

    def visit_CollectionLambda(self, node: ast.CollectionLambda) -> str:
        """Convert ``machineTags/any(t: t eq 'x')``."""
        owner = node.owner
        if not isinstance(owner, ast.Identifier) or self._property(owner).kind != "tags":
            raise ODataFault("'any' needs a collection.")
        if not isinstance(node.operator, ast.Any):
            raise ODataFault("'all' is not supported here.")
        condition = "1"
        if node.lambda_ is not None:
            variable = node.lambda_.identifier.name
            self._variables[variable] = Property("tag")
            self._must_be_bool(node.lambda_.expression)
            condition = self.visit(node.lambda_.expression)
            del self._variables[variable]
        return f'"seq" IN (SELECT machine FROM tags WHERE {condition})'

    def _property(self, node: ast.Identifier) -> Property:
        if node.namespace:
            raise ODataFault(f"Could not find a property named '{'.'.join((*node.namespace, node.name))}'.")
        return self._variables.get(node.name) or self._entity.find(node.name)

    def _without_case(self, node: Any) -> bool:
        return isinstance(node, ast.Identifier) and self._property(node).any_case and not self._rules.case_sensitive

    def _kind(self, node: Any) -> str:
        if isinstance(node, ast.Identifier):
            return self._property(node).kind
        if isinstance(node, ast.Call):
            return _CALLS.get(node.func.name.lower(), "unknown")
        if isinstance(node, (ast.Compare, ast.BoolOp, ast.CollectionLambda)):
            return "bool"
        if isinstance(node, ast.UnaryOp):
            return "bool" if isinstance(node.op, ast.Not) else "unknown"
        return _LITERALS.get(type(node).__name__, "unknown")

    def _same_type(self, left: Any, right: Any) -> None:
        one, other = self._kind(left), self._kind(right)
        if "null" in (one, other) and "unknown" not in (one, other):
            return
        kinds = {one, other}
        property_first = isinstance(left, ast.Identifier)
        column, literal = (one, other) if property_first else (other, one)
        if column == "guid":
            node = left if property_first else right
            accepted = (
                getattr(self._rules, self._property(node).literals) if isinstance(node, ast.Identifier) else "both"
            )
            if literal in _GUID_LITERALS[accepted]:
                return
            column = "string" if accepted == "string" else "guid"
        elif (kinds <= {"group", "number", "string"} and "group" in kinds) or (one == other and one != "unknown"):
            return
        raise ODataFault(
            "A binary operator with incompatible types was detected. Found operand types "
            f"'{_EDM.get(column, column)}' and '{_EDM.get(literal, literal)}'."
        )

    def _must_be_bool(self, node: Any) -> None:
        if self._kind(node) != "bool":
            raise ODataFault("The filter expression must evaluate to a single boolean value.")


def _ticks(literal: str) -> str:
    try:
        return str(parse_iso(literal))
    except ValueError as error:
        raise ODataFault(f"The literal '{literal}' is not a valid Edm.DateTimeOffset.") from error


def _tokens(text: str) -> Iterator[Any]:
    """Yield the lexer's tokens, with function names in lowercase and each list of literals as one token.

    Unlike OData, the parser accepts a list of one item only with a trailing comma, and it is slow on long lists.
    """
    found = list(ODataLexer().tokenize(text))
    at = 0
    while at < len(found):
        token = found[at]
        if token.type == "ODATA_IDENTIFIER" and at + 1 < len(found) and found[at + 1].type == "(":
            token.value = ast.Identifier(token.value.name.lower(), token.value.namespace)
        yield token
        if token.type == "IN" and at + 1 < len(found) and found[at + 1].type == "(":
            inside = list(itertools.takewhile(lambda item: item.type != ")", found[at + 2 :]))
            words = [item for item in inside if item.type != "WS"]
            items, commas = words[::2], [item.type for item in words[1::2]]
            many = len(items) > 1 and all(isinstance(item.value, ast._Literal) for item in items)
            if (many and commas == [","] * (len(items) - 1)) or (len(items) == 1 and commas in ([], [","])):
                packed = copy(items[0])
                if many:
                    packed.value = ast.List([item.value for item in items])
                yield from (found[at + 1], packed, _like(packed, ","))
                at += 1 + len(inside)
        at += 1


def _unpacked(node: Any) -> Any:
    """Return the original list, whether or not ``_tokens`` packed it into one token."""
    packed = len(node.val) == 1 and isinstance(node.val[0], ast.List)
    return node.val[0] if packed else node


def _like(token: Any, kind: str) -> Any:
    """Return a punctuation token at the position of another token."""
    made = copy(token)
    made.type = made.value = kind
    return made


def _size(node: Any) -> int:
    """Return the number of nodes of a filter."""
    count, stack = 0, [node]
    while stack:
        current = stack.pop()
        if not isinstance(current, ast._Node):
            continue
        count += type(current).__name__ not in (
            "And",
            "Or",
            "Eq",
            "NotEq",
            "Lt",
            "LtE",
            "Gt",
            "GtE",
            "In",
            "Not",
            "List",
        )
        for value in vars(current).values():
            stack.extend(value if isinstance(value, list) else [value])
    return count


def where(text: str, entity: Entity, rules: Rules) -> str:
    """Return the SQL condition of a filter. Raises ODataFault."""
    try:
        tree = ODataParser().parse(_tokens(text.strip()))
    except ODataException as error:
        raise ODataFault(f"Invalid filter clause. Syntax error in '{text}'.") from error
    if tree is None:
        raise ODataFault("Invalid filter clause. The expression is empty.")
    if rules.max_nodes is not None and _size(tree) > rules.max_nodes:
        raise ODataFault(f"The query is not valid: the filter exceeds the limit of {rules.max_nodes} nodes.")
    visitor = _Visitor(entity, rules)
    visitor._must_be_bool(tree)
    try:
        return str(visitor.visit(tree))
    except (ODataException, ValueError, RecursionError) as error:
        raise ODataFault(f"Invalid filter clause. {error}") from error


def order(text: str, entity: Entity) -> str:
    """Return the SQL of an ``$orderby``. Raises ODataFault."""
    terms: list[str] = []
    for part in text.split(","):
        words = part.split()
        if not words or len(words) > 2 or (len(words) == 2 and words[1].lower() not in ("asc", "desc")):
            raise ODataFault(f"Syntax error in the $orderby expression '{text}'.")
        found = entity.find(words[0])
        if found.kind == "tags":
            raise ODataFault(f"The property '{words[0]}' cannot be used in $orderby.")
        terms.append(f'"{found.column}" {words[1].upper() if len(words) == 2 else "ASC"}')
    return ", ".join(terms)
