# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""OData filters: values always quoted, so that text from a ticket can never become part of a query.

Syntax: OData 4, "URL Conventions". The service takes ``eq``, ``in``, ``and``, ``or`` and ``startswith``;
dates stand without quotes.
"""

from __future__ import annotations

import typing as t


def quoted(value: str) -> str:
    """A string literal; a quote inside is doubled, as OData wants it. URL encoding comes later, once."""
    return "'" + value.replace("'", "''") + "'"


def equals_any(prop: str, values: t.Sequence[str], *, bare: bool = False) -> str:
    """``prop`` has one of the values: ``eq`` for one, ``in (...)`` for several.

    ``bare`` leaves out the quotes, as OData writes GUIDs; only for values that were checked to be one.
    """
    literals = list(values) if bare else [quoted(value) for value in values]
    return f"{prop} eq {literals[0]}" if len(literals) == 1 else f"{prop} in ({','.join(literals)})"


def starts_with_any(prop: str, values: t.Sequence[str]) -> str:
    """``prop`` begins with one of the values."""
    return any_of([f"startswith({prop},{quoted(value)})" for value in values])


def any_of(conditions: t.Sequence[str]) -> str:
    """The conditions joined by ``or``."""
    return " or ".join(conditions)


def all_of(conditions: t.Sequence[str]) -> str:
    """The conditions joined by ``and``; one that holds an ``or`` is put in parentheses."""
    return " and ".join(f"({part})" if " or " in part else part for part in conditions)
