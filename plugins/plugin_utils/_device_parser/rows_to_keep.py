# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Parts of a list that say that devices are not to be offboarded.

A list can have more devices than those to offboard, and a column that says which: "Offboard" with "no" in some rows,
"Keep" with an x, or a status that is "retired" in some rows and "in use" in others. Or it has headings, such as "To keep".
"""

from __future__ import annotations

import enum
import re
import typing as t

from .headers import split_words, words_of

# Words for what happens to a device to offboard. A header of these words asks whether it happens.
_RETIRE: t.Final = split_words(
    """ausmustern ausmusterung stilllegen stilllegung entfernen entsorgen entsorgung löschen verschrotten retirer supprimer réformer
    offboard offboarding retire retirement decommission decommissioning decom dispose disposal discard scrap remove removal delete
    deletion deprovision eol life retirar eliminar baja remover dismettere rimuovere eliminare ritirare verwijderen afvoeren"""
)
_APPROVE: t.Final = split_words(
    "approve approved approval include included scope selected freigabe freigegeben genehmigt"
)
# Words that can also mean that it has happened.
_RETIRED: t.Final = split_words(
    """ausgemustert stillgelegt entsorgt gelöscht verschrottet réformé retirado eliminado dismesso
    retired decommissioned disposed discarded scrapped removed deleted deprovisioned obsolete"""
)
_KEEP: t.Final = split_words(
    """keep keeping kept retain retained stay stays except excepted exception exceptions exclude excluded excluding exclusion exclusions
    exempt exempted exemption exemptions without skip ignore hold whitelist allowlist behalten bleibt ausnahme ausnahmen ausnehmen
    ausschließen ausgeschlossen außer ausser ohne garder conserver sauf exclure exclu mantener conservar excepto excluir manter
    mantenere conservare escludere behouden uitsluiten uitzondering"""
)
_NOT: t.Final = split_words("not nicht pas don never")
# Words beside them: "Ready to be retired?", "Retire this device (y/n)", "Do not offboard".
_BESIDE: t.Final = split_words(
    """à de ne zu gerät a an and be do end for from in list mde now of ok on out ready service t the this to y n yes no
    defender device devices computer computers machine machines host hosts pc pcs laptop asset"""
)
_YES: t.Final = split_words("yes y true 1 x ok ja j oui o si sí sì s sim tak はい ✓ ✔ ☑ ✅")
_NO: t.Final = split_words(
    "no n false 0 never none n/a na nein non não nao nie nee nej いいえ not ✗ ✘ ❌ ☐ pending rejected declined denied waiting later tbd"
) | {"not yet"}
_IN_USE: t.Final = split_words(
    "active live current deployed operational production operating aktiv produktiv actif activo ativo attivo actief"
).union(
    ("in use", "in service", "in production", "in operation", "in betrieb", "in nutzung"),
    ("en service", "en uso", "em uso", "in uso", "in gebruik"),
)
_KEEP_CELL = re.compile(
    r"(?:please |to )?(?:keep|retain|skip|exclude|ignore|hold|on hold|stays?|leave|behalten|bleibt|garder|conserver|mantener|conservar|manter|mantenere"
    r"|conservare|behouden)(?: (?:it|this|as is|in use|active|device|this device|for .*|until .*))?"
)
_NOT_TO_CELL = re.compile(
    r"(?:.* [:,;] )?(?:(?:do|must|should|may) not|dont|not(?: in| to)?(?: be)?|never|nicht|ne pas) (?:be )?(?P<what>\w+)"
    r"(?: (?:it|this|yet|now|please|device|this device|the device|until .*|before .*))?"
)
_ANSWERS: t.Final = (
    _RETIRE | _APPROVE | _RETIRED | _KEEP | _NOT | _YES | _NO | split_words(" ".join(_IN_USE)) | {"dont", "leave"}
)
_HEADINGS: t.Final = _RETIRE.union(_RETIRED, _KEEP, split_words("not nicht yes no true false")) - {"life", "hold"}
_SEPARATOR = re.compile(r"[,;:(]")
_REASON = re.compile(r" (?:[,;:(]|[-\u2013\u2014] ).*")
_LONGEST_CELL: t.Final = 60


class _Question(enum.Enum):
    """What the header of a column asks about each device."""

    RETIRE = enum.auto()
    RETIRED = enum.auto()
    KEEP = enum.auto()
    IN_USE = enum.auto()


def kept_values(header: str, values: t.Iterable[str]) -> frozenset[str]:
    """The values in a column that say that a device is not to be offboarded.

    ``values`` are all values in the column. An empty one counts if others say that their devices are to be offboarded.
    """
    question = _question(header)
    if question is _Question.KEEP:
        return frozenset(value for value in values if (text := _normalize(value)) and _answer(text) not in _NO)
    texts = {value: text for value in values if not _ANSWERS.isdisjoint((text := _normalize(value)).split())}
    answers = {value: _answer(text) for value, text in texts.items()}
    given = frozenset(answers.values())
    some_retired = any(map(_says_retire, given))
    kept_answers = _IN_USE if some_retired else frozenset[str]()
    if question is _Question.RETIRE or (question is _Question.RETIRED and (some_retired or given & _YES)):
        kept_answers |= _NO
    elif question is _Question.IN_USE and given & _NO:
        kept_answers |= _YES
    kept = {value for value, text in texts.items() if answers[value] in kept_answers or _says_keep(text)}
    some_marked = question is _Question.RETIRE and (some_retired or given & _YES)
    return frozenset(kept | {""} if some_marked else kept)


def _question(header: str) -> _Question | None:
    words = words_of(header)
    if " ".join(words) in _IN_USE:
        return _Question.IN_USE
    found = frozenset(words)
    for vocabulary in (_KEEP, _RETIRE | _APPROVE, _RETIRED):
        if found & vocabulary and found <= vocabulary | _BESIDE | _NOT:
            if vocabulary is _RETIRED and "to" not in found:  # "Retired", but "To be retired"
                return None if found & _NOT else _Question.RETIRED
            return _Question.KEEP if (vocabulary is _KEEP) != bool(found & _NOT) else _Question.RETIRE
    return None


def reason_to_keep(cells: t.Iterable[tuple[str, str, frozenset[str]]]) -> str:
    """Why the device of a row may not be meant, or empty. Each cell has its header, its text and the kept values of its column."""
    for header, cell, kept in cells:
        if cell in kept:
            return (
                f"the column {header[:60]!r} says {cell[:60]!r}, so the device may not be meant; remove the rows of devices that are not"
                " to be offboarded, or set columns (mde_columns in the playbook) to ignore all other columns"
            )
    return ""


def asks_to_keep(header: str) -> bool:
    """Whether a header or key is that of devices to keep."""
    return _question(header) is _Question.KEEP


def is_heading(text: str) -> bool:
    """Whether a text is not a name, but a heading or an answer: "To keep", "Exceptions", "Do not offboard", "no"."""
    words = frozenset(_answer(_normalize(text)).split())
    if len(words) == 1:
        return words <= _HEADINGS
    return words <= _ANSWERS | _BESIDE and not words.isdisjoint(_ANSWERS)


def _normalize(value: str) -> str:
    """The words of a value in lower case, with a space before each separator. A long value is no answer, but not empty."""
    if len(value) > _LONGEST_CELL:
        return "-"
    text = value.casefold().replace("'", "").replace("\u2019", "").strip(" .!-()[]:")
    return " ".join(_SEPARATOR.sub(r" \g<0> ", text).split())


def _answer(text: str) -> str:
    """The answer without its reason: ``no`` for ``no - spare``, ``no, spare`` and ``no (spare)``."""
    return _REASON.sub("", text)


def _says_keep(text: str) -> bool:
    """Whether a value says, under any header, that the device stays."""
    if _KEEP_CELL.fullmatch(text) or _KEEP_CELL.fullmatch(_answer(text)):
        return True
    not_to = _NOT_TO_CELL.fullmatch(text) or _NOT_TO_CELL.fullmatch(_answer(text))
    return not_to is not None and not_to["what"] in _RETIRE | _APPROVE | _RETIRED | {"touch"}


def _says_retire(answer: str) -> bool:
    """Whether an answer says, under any header, that the device is retired."""
    words = frozenset(answer.split())
    return bool(words & (_RETIRE | _RETIRED)) and words <= _RETIRE | _RETIRED | _BESIDE
