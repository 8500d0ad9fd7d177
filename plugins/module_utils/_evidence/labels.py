# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What evidence calls things: the outcomes of a run and of a verification, and the groups that a reader looks for."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """What an outcome means to the reader."""

    key: str
    label: str
    glyph: str
    """Stands beside the colour, which never tells alone."""
    one: str
    """Ends a sentence about one device."""
    many: str


OFFBOARDED: t.Final = Group("offboarded", "Offboarded", "✓", "is offboarded", "are offboarded")
PLANNED: t.Final = Group("planned", "Would be offboarded", "→", "would be offboarded", "would be offboarded")
ALREADY: t.Final = Group("offboarded", "Offboarded", "✓", "is offboarded already", "are offboarded already")
WAITING: t.Final = Group("waiting", "Under way", "…", "has an offboard under way", "have an offboard under way")
NOTHING: t.Final = Group("nothing", "Nothing to do", "\N{EN DASH}", "needed nothing", "needed nothing")
OTHER: t.Final = Group("other", "Other", "?", "ended otherwise", "ended otherwise")
PERSON: t.Final = Group("person", "Needs a person", "!", "needs a person", "need a person")
GROUPS: t.Final = (PLANNED, OFFBOARDED, ALREADY, WAITING, NOTHING, OTHER, PERSON)


@dataclass(frozen=True)
class Word:
    """One outcome."""

    label: str
    meaning: str
    """For the legend, and for a device that has nothing more to say."""
    group: Group
    short: str
    """In the heading, behind a number."""


_OFFBOARD: t.Final[t.Mapping[str, Word]] = {
    "submitted": Word(
        "Submitted", "An offboard was sent; the device carries it out when it is online.", WAITING, "submitted"
    ),
    "in_progress": Word(
        "In progress", "An offboard was under way already; none was added.", WAITING, "already in progress"
    ),
    "already_offboarded": Word(
        "Already offboarded",
        "An earlier offboard succeeded, and the device has not been seen since.",
        OFFBOARDED,
        "already offboarded",
    ),
    "not_onboarded": Word("Not onboarded", "The device is not onboarded: nothing to do.", NOTHING, "not onboarded"),
    "not_found": Word("Not found", "No such device.", PERSON, "not found"),
    "ambiguous": Word("Ambiguous", "Several devices fit; none was touched.", PERSON, "ambiguous"),
    "mismatch": Word("Mismatch", "No device fits all of what was asked; none was touched.", PERSON, "not matching"),
    "refused": Word("Refused", "The service said no.", PERSON, "refused"),
    "error": Word("Error", "There was no clear answer.", PERSON, "without a clear answer"),
}
_VERIFY: t.Final[t.Mapping[str, Word]] = {
    "done": Word(
        "Done", "The offboard succeeded, and the device has not come back since.", OFFBOARDED, "proven offboarded"
    ),
    "pending": Word("Pending", "The service still waits for the device to carry it out.", WAITING, "pending"),
    "came_back": Word("Came back", "The device reported again after its offboard had succeeded.", PERSON, "came back"),
    "failed": Word("Failed", "The device could not carry out the offboard.", PERSON, "failed"),
    "timed_out": Word("Timed out", "The device did not come online in time; offboard it again.", PERSON, "timed out"),
    "cancelled": Word("Cancelled", "Somebody cancelled the offboard.", PERSON, "cancelled"),
    "no_action": Word(
        "No action", "The service has no offboard of this device: nothing proves it.", PERSON, "without an action"
    ),
    "error": Word("Error", "There was no clear answer.", PERSON, "without a clear answer"),
}
_FORETOLD: t.Final = Word("Would be submitted", "An offboard would be sent; none was.", PLANNED, "to be submitted")
_ALLOWED: t.Final = Word("Not found", "No such device, which this run allows.", NOTHING, "not found")
_SUCCEEDED: t.Final = "The offboard succeeded on the device."


@dataclass(frozen=True)
class Vocabulary:
    """The words of one kind of evidence."""

    kind: str
    prediction: bool

    @property
    def words(self) -> t.Mapping[str, Word]:
        return _VERIFY if self.kind == "verify" else _OFFBOARD

    def word(self, outcome: str, failed: bool | None) -> Word:
        """An outcome of this device; one that is not known needs a person unless the device did not fail."""
        if self.prediction and self.kind != "verify" and outcome == "submitted":
            return _FORETOLD
        if outcome == "not_found" and failed is False:
            return _ALLOWED
        if outcome in self.words:
            return self.words[outcome]
        label = outcome.replace("_", " ").strip() or "no outcome"
        return Word(
            label[:1].upper() + label[1:],
            "This page does not know the outcome.",
            OTHER if failed is False else PERSON,
            label,
        )

    def group(self, word: Word, *, failed: bool, succeeded: bool) -> Group:
        """Where the device stands: a failure needs a person whatever the outcome, an action that succeeded is the proof."""
        if failed:
            return PERSON
        offboarded = word.group is OFFBOARDED or (succeeded and word.group is WAITING and self.kind != "verify")
        return (ALREADY if self.prediction else OFFBOARDED) if offboarded else word.group

    def meaning(self, word: Word, group: Group) -> str:
        return _SUCCEEDED if group in (OFFBOARDED, ALREADY) and word.group is WAITING else word.meaning
