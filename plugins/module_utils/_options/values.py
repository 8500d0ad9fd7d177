# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What people filter by, checked and cleaned: lists of values, raw filters."""

from __future__ import annotations

import re
import typing as t

from .._errors import OptionError
from .._same import comparable

# Text literals of a filter, a doubled quote inside them being a quote.
_LITERAL = re.compile(r"'(?:[^']|'')*'")

Value = t.TypeVar("Value")


def clean_list(
    option: str, given: t.Sequence[str | None] | None, clean: t.Callable[[str], Value | None]
) -> tuple[Value, ...] | None:
    """A list option, cleaned and each value once; None where the option was not given.

    An empty list stays one: who asks for none of something gets none. Raises OptionError for a blank value, which a
    template leaves behind that found nothing, and which must not come to mean everything.
    """
    if given is None:
        return None
    found: dict[Value, None] = {}
    for value in given:
        cleaned = clean(value) if value is not None and value.strip() else None
        if cleaned is None:
            raise OptionError(
                f"{option}: a value is blank.",
                hint="Leave the option out to not filter by it; an empty list finds nothing.",
            )
        found[cleaned] = None
    return tuple(found)


def clean_text(option: str, given: object) -> str | None:
    """The text of an option; None where it was not given. Raises OptionError for a blank one, as ``clean_list`` does."""
    text = None if given is None else str(given).strip()
    if text == "":
        raise OptionError(f"{option}: it is blank.", hint="Leave the option out to not filter by it.")
    return text


def canonical_spelling(known: t.Iterable[str]) -> t.Callable[[str], str]:
    """A cleaner that gives known words the spelling of the service, and leaves others as they are."""
    spellings = {comparable(word): word for word in known}
    return lambda text: spellings.get(comparable(text.strip()), text.strip())


def unknown_words(option: str, given: t.Iterable[str] | None, known: t.Sequence[str]) -> t.Iterator[str]:
    """A warning for values that the service's model does not have: they may be misspelt, and then find nothing."""
    unknown = [word for word in given or () if word not in known]
    if unknown:
        yield (
            f"{option}: the service is not known to have {', '.join(repr(word[:60]) for word in unknown)}, which may find "
            f"nothing. Known values are {', '.join(known)}."
        )


def clean_raw_filter(given: str | None) -> str | None:
    """A raw OData condition, in parentheses of our own, which it must not leave.

    Raises OptionError where quotes or parentheses do not match, and for a blank text.
    """
    text = clean_text("filter", given)
    if text is None:
        return None
    rest = _LITERAL.sub("", text)
    depth = 0
    for character in rest:
        depth += {"(": 1, ")": -1}.get(character, 0)
        if depth < 0:
            break
    if depth or "'" in rest:
        raise OptionError(
            f"filter: quotes or parentheses do not match in {text[:80]!r}.",
            hint="Text stands in single quotes; a quote inside it is doubled.",
        )
    return f"({text})"
