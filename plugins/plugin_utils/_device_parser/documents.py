# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""JSON and YAML as plain objects. Unquoted YAML scalars stay strings as written."""

from __future__ import annotations

import json
import re
import typing as t
from collections import Counter

from ...module_utils._errors import LibraryError, OptionError
from .words import unquote

HINT: t.Final = "Use a list of names, IDs or records, or a mapping with such a list under devices, machines or value."
# The YAML parser is slow, and lists of this size are exports, which are JSON or CSV.
_MAX_YAML: t.Final = 1_000_000
_KEY = re.compile(r"(?:- +)*[\"']?[\w@.][\w@. -]*[\"']?:(?:\s|$)")
_GUID_IN_BRACES = re.compile(r"\{[0-9A-Fa-f-]{36}\}")


def looks_like_flow(text: str) -> bool:
    """Whether the text starts like JSON or a YAML flow collection."""
    return text.startswith(("[", "{")) and not _GUID_IN_BRACES.match(text)


def looks_like_yaml(text: str) -> bool:
    """Whether the first line with content is a YAML key. A device name without quotes has no colon."""
    return _KEY.match(next(_content(text), "")) is not None


def has_yaml_entries(text: str) -> bool:
    """Whether a text that looks like YAML is a list, or has another entry after the first key. A header can end with a colon, too."""
    lines = _content(text)
    first, second = next(lines), next(lines, "")
    return first.startswith("- ") or second.startswith("- ") or _KEY.match(second) is not None


def _content(text: str) -> t.Iterator[str]:
    """The lines of YAML that are not empty, a comment or the start of a document, without surrounding spaces."""
    lines = (line.strip() for line in text.split("\n"))
    return (line for line in lines if line and not line.startswith("#") and line != "---")


def load_document(text: str) -> object:
    """The value of the JSON or YAML text. Raises OptionError if it cannot be parsed, RecursionError, LibraryError without PyYAML."""
    try:
        return json.loads(text, object_pairs_hook=_reject_duplicate_keys)
    except ValueError as error:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > 1 and all(line.startswith("{") and line.rstrip().endswith("}") for line in lines):
            return [load_document(line) for line in lines]  # JSON Lines
        return _load_yaml(text, json_error=str(error))


def _reject_duplicate_keys(pairs: list[tuple[str, t.Any]]) -> dict[str, t.Any]:
    """The pairs as a mapping. Raises OptionError for a duplicate key, which would hide a value."""
    found = dict(pairs)
    if len(found) < len(pairs):
        twice = next(key for key, count in Counter(key for key, _value in pairs).items() if count > 1)
        raise OptionError(f"Duplicate key {twice[:60]!r}.", hint=HINT)
    return found


def _load_yaml(text: str, *, json_error: str) -> object:
    if len(text) > _MAX_YAML:
        raise OptionError(f"The input is not valid JSON ({json_error}), and too large to be parsed as YAML.", hint=HINT)
    try:
        import yaml
    except ImportError as error:
        raise LibraryError(
            "PyYAML is missing.", hint="Install it for Ansible, or write the devices as JSON."
        ) from error

    class Loader(yaml.SafeLoader):
        """Loads every scalar but null as a string: an ID of digits is not a number, and a device called no is not false."""

        def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
            event = t.cast("t.Any", self).peek_event()
            # A few aliases can expand to millions of devices, and tags construct other types than strings.
            if isinstance(event, yaml.AliasEvent) or getattr(event, "tag", None):
                raise yaml.YAMLError("aliases and tags are not allowed")
            return super().compose_node(parent, index)

        def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[t.Any, t.Any]:
            _reject_duplicate_keys([(str(self.construct_object(key, deep=True)), None) for key, _value in node.value])
            return super().construct_mapping(node, deep=deep)

    Loader.yaml_implicit_resolvers = {
        first: [(tag, form) for tag, form in resolvers if tag == "tag:yaml.org,2002:null"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    try:
        return yaml.load(text, Loader=Loader)
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())[:300]
        raise OptionError(f"The input looks like JSON or YAML, but cannot be parsed: {reason}.", hint=HINT) from error


def parse_pairs(text: str) -> object:
    """The mapping of a text from a survey: JSON or YAML in braces, or ``field: header`` (or ``=``) separated by commas or lines."""
    if not text.strip():
        return None
    if text.lstrip().startswith("{"):
        return load_document(text)
    found = [re.split("[:=]", part, maxsplit=1) for part in re.split("[,;\n]", text) if part.strip()]
    if any(len(pair) < 2 for pair in found):
        raise OptionError(f"columns: {text[:60]!r} is not a mapping.", hint="For example: device_name: Hostname.")
    return _reject_duplicate_keys([(unquote(field), unquote(header)) for field, header in found])
