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
    """abmelden ausmustern ausmusterung stilllegen stilllegung entfernen entsorgen entsorgung löschen verschrotten retirer supprimer réformer
    offboard offboarding retire retirement decommission decommissioning decom dispose disposal discard scrap remove removal delete
    deletion deprovision eol life retirar eliminar baja remover dismettere rimuovere eliminare ritirare verwijderen afvoeren afmelden"""
)
_APPROVE: t.Final = split_words(
    "approve approved approval include included scope selected freigabe freigegeben genehmigt"
)
# Words that can also mean that it has happened: with "Retired", the devices to offboard can be those with "no".
_RETIRED: t.Final = split_words(
    """ausgemustert ausgesondert stillgelegt entsorgt verschrottet réformé retirado dismesso afgevoerd
    offboarded retired decommissioned disposed discarded scrapped deprovisioned"""
)
# Answers only: such a header can be about a disk or an account.
_GONE: t.Final = split_words("gelöscht eliminado absent archived deleted obsolete removed")
_KEEP: t.Final = split_words(
    """behalten bleiben bleibt ausnahme ausnahmen ausnehmen ausgenommen ausschließen ausgeschlossen außer ausser ohne garder conserver
    exclu exclus excluido excluído excepción exceções keep keeping kept retain retained stay stays staying remain remains remaining except
    excepted exception exceptions exclude excluded excludes excluding exclusion exclusions exempt exempted exemption exemptions without
    skip skipped ignore hold whitelist allowlist sauf exclure mantener conservar excepto excepciones excluir manter mantenere conservare
    escludere escluso eccezioni behouden blijft uitsluiten uitzondering uitzonderingen"""
)
_NOT: t.Final = split_words("not nicht ne pas non niet don dont never")
_TO_BE: t.Final = split_words("to be should will soll")
# Words beside them: "Ready to be retired?", "Retire this device (y/n)", "Do not offboard".
_BESIDE: t.Final = split_words(
    """à de zu gerät a an and can dar do end endpoint for from in list mde must now of ok on out ready service t the this y n yn yes no
    defender device devices computer computers machine machines host hosts pc pcs laptop laptops asset assets touch"""
).union(_TO_BE)
_DECISIONS: t.Final = split_words("aktion entscheidung action decision disposition plan recommendation")
_YES: t.Final = split_words("yes y true wahr vrai 1 x ok ja j oui o si sí sì s sim tak はい ✓ ✔ ☑ ✅ + done")
_NO: t.Final = split_words(
    """no n false falsch faux falso 0 nope never none n/a na nein non não nao nie nee nej いいえ not ✗ ✘ ❌ ✖ ☐ ⬜ abgelehnt
    pending rejected declined denied waiting postponed later tbd"""
) | {"not yet", "no action", "not required", "do not"}
_USED: t.Final = split_words("needed used").union(
    (
        "in use",
        "in service",
        "in production",
        "in operation",
        "in betrieb",
        "in nutzung",
        "im einsatz",
        "in verwendung",
    ),
    ("in gebrauch", "en service", "en uso", "em uso", "in uso", "in gebruik"),
)
_IN_USE: t.Final = _USED | split_words(
    "aktiv active present live current deployed operational production operating produktiv actif activo ativo attivo actief"
)
_OUT_OF_USE: t.Final = frozenset(
    ("out of service", "out of use", "not in use", "hors service", "außer betrieb", "written off")
)
_STILL: t.Final = split_words("still noch encore toujours nog ancora ainda currently")
_KEEP_CELL = re.compile(
    r"(?:(?:please|to|to be|must|should|will|needs to|bitte|soll|à|da) )?"
    r"(?:keep|kept|retain|retained|skip|exclude|ignore|hold|on hold|stays?|remains?|leave|behalten|bleibt|bleiben|garder|conserver|mantener"
    r"|conservar|manter|mantenere|conservare|behouden|blijft|hands off)"
    r"(?: (?:it|this|this one|as is|as .*|alone|in use|in service|active|device|this device|for (?!pickup|collection|parts|disposal).*"
    r"|(?:until|till|bis) .*))?"
)
_STILL_CELL = re.compile(
    rf"(?:.* )?(?:{'|'.join(sorted(_STILL))}) (?:{'|'.join(sorted(_USED))}|required|benötigt|gebraucht|genutzt|nodig)(?: (?:for|by|in|von|für) .*)?"
)
_NOT_TO_CELL = re.compile(
    r"(?:.* (?:[,;:(]|[-\u2013\u2014]|but) )?(?:please |bitte )?"
    r"(?:(?:do|must|should|may|can) not|cannot|dont|not(?: in| to| for)?|never|nicht|ne pas|no|não|non|niet) (?:be )?(?P<what>\w+)"
    r"(?: (?:it|this|this one|yet|now|please|device|this device|the device|werden|until .*|before .*))?"
)
_NOT_WHAT: t.Final = _RETIRE.union(_APPROVE, _RETIRED, split_words("anfassen toucher tocar toccare touch"))
_HEADINGS: t.Final = _RETIRE.union(_RETIRED, _KEEP, split_words("not nicht yes no true false")) - {"life", "hold"}
_IN_HEADINGS: t.Final = _HEADINGS.union(_APPROVE, _NOT, split_words("life hold use"))
_BETWEEN_LETTERS = re.compile(r"(?<=[^\W\d_])[-_](?=[^\W\d_])")
_NUMBERS = re.compile(r"(?:[0-9]+ ?[-.):] )+")
_SEPARATOR = re.compile(r"[,;:(/]|[.!?](?=\s)")
_REASON = re.compile(r" (?:[,;:(/.!?]|[-\u2013\u2014] |because ).*")
_SPLIT = re.compile(r"\b(off|de)[- ](?=board|commission)", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+")
# A value without these words is no answer.
_SIGNALS: t.Final = _IN_HEADINGS.union(
    _GONE,
    _STILL,
    _YES,
    split_words(" ".join(_NO | _IN_USE)),
    split_words("leave hands cannot written hors außer tocar aankomen"),
)
_LONGEST: t.Final = 200


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
    texts = {value: _normalize(value) if _is_signal(value) else "other" for value in values}
    answers = {text: _without_reason(text) for text in texts.values()}
    if question is _Question.KEEP:
        return frozenset(value for value, text in texts.items() if text and answers[text] not in _NO)
    given = frozenset(answers.values())
    some_retired = any(map(_says_retire, given))
    some_marked = some_retired or not given.isdisjoint(_YES)
    kept = {text for text, answer in answers.items() if _says_keep(text, answer)}
    if some_retired:
        kept |= {text for text, answer in answers.items() if _without_still(answer) in _IN_USE}
    if question is _Question.RETIRE or (question is _Question.RETIRED and some_marked):
        kept |= {text for text, answer in answers.items() if answer in _NO}
    elif question is _Question.IN_USE and not given.isdisjoint(_NO):
        kept |= {text for text, answer in answers.items() if answer in _YES}
    if question is _Question.RETIRE and some_marked:
        kept.add("")
    found = frozenset(value for value, text in texts.items() if text in kept)
    return found | {""} if "" in kept else found


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
    """Whether a header, a key or a heading is that of devices to keep."""
    return _question(header) in (_Question.KEEP, _Question.IN_USE)


def is_heading(text: str) -> bool:
    """Whether a text is not a name, but a heading or an answer: "To keep", "Exceptions", "Do not offboard", "no"."""
    words = frozenset(_without_reason(_normalize(text)).split())
    if len(words) == 1:
        return words <= _HEADINGS
    return words <= _IN_HEADINGS | _BESIDE and not words.isdisjoint(_IN_HEADINGS)


def says_keep(text: str) -> bool:
    """Whether a text says, under any header, that the device stays."""
    normalized = _normalize(text)
    return _says_keep(normalized, _without_reason(normalized))


def _says_keep(text: str, answer: str) -> bool:
    """The same for a normalized text, and for it without its reason."""
    for part in (text, answer):
        not_to = _NOT_TO_CELL.fullmatch(part)
        if _KEEP_CELL.fullmatch(part) or _STILL_CELL.fullmatch(part) or (not_to and not_to["what"] in _NOT_WHAT):
            return True
    return False


def _question(header: str) -> _Question | None:
    words = words_of(_SPLIT.sub(r"\1", header))
    if _without_still(" ".join(words)) in _USED:
        return _Question.IN_USE
    found = frozenset(words)
    for vocabulary in (_KEEP, _RETIRE | _APPROVE, _RETIRED):
        if found & vocabulary and found <= vocabulary | _BESIDE | _NOT:
            if vocabulary is _RETIRED and not found & _TO_BE:
                return None if "offboarded" in found or found & _NOT else _Question.RETIRED
            return _Question.KEEP if (vocabulary is _KEEP) != bool(found & _NOT) else _Question.RETIRE
    return _Question.RETIRED if words and words[-1] in _DECISIONS else None


def _is_signal(value: str) -> bool:
    """Whether a value can be an answer, or is empty apart from punctuation."""
    words = _WORD.findall(value[:_LONGEST].lower())
    return not words or not _SIGNALS.isdisjoint(words)


def _normalize(value: str) -> str:
    """The start of a value in lower case, as words and separators with a space between them, without punctuation around them."""
    text = value[:_LONGEST].lower().replace("'", "").replace("\u2019", "").strip(" .!?*=<>~_-()[]:|\u2192\ufe0f")
    if numbers := _NUMBERS.match(text):  # "7 - Retired"
        text = text[numbers.end() :]
    return " ".join(_SEPARATOR.sub(r" \g<0> ", _BETWEEN_LETTERS.sub(" ", text)).split())


def _without_reason(text: str) -> str:
    """The answer alone: ``no`` for ``no - spare``, ``no, spare`` and ``no (spare)``."""
    return text if text in _NO else _REASON.sub("", text)


def _without_still(text: str) -> str:
    return " ".join(word for word in text.split() if word not in _STILL)


def _says_retire(answer: str) -> bool:
    """Whether an answer says, under any header, that the device is retired."""
    if answer in _OUT_OF_USE:
        return True
    words = frozenset(answer.split())
    allowed = _RETIRE.union(_RETIRED, _GONE)
    return not words.isdisjoint(allowed) and words <= allowed.union(_BESIDE, {"pending"})
