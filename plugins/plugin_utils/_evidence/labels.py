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
    singular: str
    """Ends a sentence about one device."""
    plural: str


OFFBOARDED: t.Final = Group("offboarded", "Offboarded", "✓", "is offboarded", "are offboarded")
WOULD_OFFBOARD: t.Final = Group("planned", "Would be offboarded", "→", "would be offboarded", "would be offboarded")
ALREADY_OFFBOARDED: t.Final = Group("offboarded", "Offboarded", "✓", "is offboarded already", "are offboarded already")
WAITING: t.Final = Group("waiting", "Under way", "…", "has an offboard under way", "have an offboard under way")
NOTHING_TO_DO: t.Final = Group("nothing", "Nothing to do", "\N{EN DASH}", "needed nothing", "needed nothing")
OTHER: t.Final = Group("other", "Other", "?", "ended otherwise", "ended otherwise")
ATTENTION: t.Final = Group("person", "Needs attention", "!", "needs attention", "need attention")
GROUPS: t.Final = (WOULD_OFFBOARD, OFFBOARDED, ALREADY_OFFBOARDED, WAITING, NOTHING_TO_DO, OTHER, ATTENTION)


@dataclass(frozen=True)
class OutcomeLabel:
    """One outcome."""

    label: str
    meaning: str
    """For the legend, and for a device that has nothing more to say."""
    group: Group
    phrase: str
    """In the heading, behind a number."""


_OFFBOARD: t.Final[t.Mapping[str, OutcomeLabel]] = {
    "submitted": OutcomeLabel(
        "Submitted", "An offboard was sent; the device carries it out when it is online.", WAITING, "submitted"
    ),
    "in_progress": OutcomeLabel(
        "In progress", "An offboard was under way already; none was added.", WAITING, "already in progress"
    ),
    "already_offboarded": OutcomeLabel(
        "Already offboarded",
        "An earlier offboard succeeded, and the device has not been seen since.",
        OFFBOARDED,
        "already offboarded",
    ),
    "not_onboarded": OutcomeLabel(
        "Not onboarded", "The device is not onboarded: nothing to do.", NOTHING_TO_DO, "not onboarded"
    ),
    "not_found": OutcomeLabel("Not found", "No such device.", ATTENTION, "not found"),
    "ambiguous": OutcomeLabel("Ambiguous", "Several devices fit; none was touched.", ATTENTION, "ambiguous"),
    "mismatch": OutcomeLabel(
        "Mismatch", "No device fits all of what was asked; none was touched.", ATTENTION, "not matching"
    ),
    "refused": OutcomeLabel("Refused", "The service said no.", ATTENTION, "refused"),
    "error": OutcomeLabel("Error", "There was no clear answer.", ATTENTION, "without a clear answer"),
}
_VERIFY: t.Final[t.Mapping[str, OutcomeLabel]] = {
    "done": OutcomeLabel(
        "Done", "The offboard succeeded, and the device has not come back since.", OFFBOARDED, "proven offboarded"
    ),
    "pending": OutcomeLabel("Pending", "The service still waits for the device to carry it out.", WAITING, "pending"),
    "came_back": OutcomeLabel(
        "Came back", "The device reported again after its offboard had succeeded.", ATTENTION, "came back"
    ),
    "failed": OutcomeLabel("Failed", "The device could not carry out the offboard.", ATTENTION, "failed"),
    "timed_out": OutcomeLabel(
        "Timed out", "The device did not come online in time; offboard it again.", ATTENTION, "timed out"
    ),
    "cancelled": OutcomeLabel("Cancelled", "Somebody cancelled the offboard.", ATTENTION, "cancelled"),
    "no_action": OutcomeLabel(
        "No action", "The service has no offboard of this device: nothing proves it.", ATTENTION, "without an action"
    ),
    "error": OutcomeLabel("Error", "There was no clear answer.", ATTENTION, "without a clear answer"),
}
WOULD_BE_SUBMITTED: t.Final = OutcomeLabel(
    "Would be submitted", "An offboard would be sent; none was.", WOULD_OFFBOARD, "to be submitted"
)
ACCEPTED_MISSING: t.Final = OutcomeLabel(
    "Not found", "No such device, which this run allows.", NOTHING_TO_DO, "not found"
)
_SUCCEEDED: t.Final = "The offboard succeeded on the device."


@dataclass(frozen=True)
class OutcomeLabels:
    """The words of one kind of evidence."""

    kind: str
    prediction: bool

    @property
    def labels(self) -> t.Mapping[str, OutcomeLabel]:
        return _VERIFY if self.kind == "verify" else _OFFBOARD

    def label_for(self, outcome: str, failed: bool | None) -> OutcomeLabel:
        """An outcome of this device; one that is not known needs attention unless the device did not fail."""
        if self.prediction and self.kind != "verify" and outcome == "submitted":
            return WOULD_BE_SUBMITTED
        if outcome == "not_found" and failed is False:
            return ACCEPTED_MISSING
        if outcome in self.labels:
            return self.labels[outcome]
        text = outcome.replace("_", " ").strip() or "no outcome"
        return OutcomeLabel(
            text[:1].upper() + text[1:],
            "This page does not know the outcome.",
            OTHER if failed is False else ATTENTION,
            text,
        )

    def group(self, label: OutcomeLabel, *, failed: bool, succeeded: bool) -> Group:
        """Where the device stands: a failure needs attention whatever the outcome, an action that succeeded is the proof."""
        if failed:
            return ATTENTION
        offboarded = label.group is OFFBOARDED or (succeeded and label.group is WAITING and self.kind != "verify")
        return (ALREADY_OFFBOARDED if self.prediction else OFFBOARDED) if offboarded else label.group

    def meaning(self, label: OutcomeLabel, group: Group) -> str:
        return _SUCCEEDED if group in (OFFBOARDED, ALREADY_OFFBOARDED) and label.group is WAITING else label.meaning
