# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Labels and groups of the outcomes, of offboarding and of verification."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass


@dataclass(frozen=True)
class Group:
    """Outcomes that mean the same to the reader, with a color and a sign on the page."""

    key: str
    label: str
    glyph: str
    """The sign next to the color, which is never the only difference."""
    singular: str
    """The end of a sentence about one device."""
    plural: str


OFFBOARDED: t.Final = Group("offboarded", "Offboarded", "✓", "is offboarded", "are offboarded")
WOULD_OFFBOARD: t.Final = Group("planned", "Would be offboarded", "→", "would be offboarded", "would be offboarded")
ALREADY_OFFBOARDED: t.Final = Group("offboarded", "Offboarded", "✓", "is already offboarded", "are already offboarded")
WAITING: t.Final = Group("waiting", "In progress", "…", "is being offboarded", "are being offboarded")
NOTHING_TO_DO: t.Final = Group("nothing", "Nothing to do", "\N{EN DASH}", "needed no action", "needed no action")
OTHER: t.Final = Group("other", "Other", "?", "has another status", "have another status")
ATTENTION: t.Final = Group("person", "Needs attention", "!", "needs attention", "need attention")
GROUPS: t.Final = (WOULD_OFFBOARD, OFFBOARDED, ALREADY_OFFBOARDED, WAITING, NOTHING_TO_DO, OTHER, ATTENTION)


@dataclass(frozen=True)
class OutcomeLabel:
    """How evidence shows one outcome."""

    label: str
    meaning: str
    """For the legend, and for a device without a message."""
    group: Group
    other_phrase: str = ""

    @property
    def phrase(self) -> str:
        """In the headline, after a number."""
        return self.other_phrase or self.label.lower()


_ERROR: t.Final = OutcomeLabel("Error", "The outcome is unknown.", ATTENTION, "outcome unknown")
_OFFBOARD: t.Final[t.Mapping[str, OutcomeLabel]] = {
    "submitted": OutcomeLabel(
        "Submitted", "The offboard action was submitted. The device carries it out when it is online.", WAITING
    ),
    "in_progress": OutcomeLabel(
        "In progress", "An offboard action was already in progress. No other one was submitted.", WAITING
    ),
    "already_offboarded": OutcomeLabel(
        "Already offboarded",
        "An earlier offboard action succeeded, and the device has not come back.",
        OFFBOARDED,
    ),
    "not_onboarded": OutcomeLabel(
        "Not onboarded", "The device is not onboarded. Nothing needs to be done.", NOTHING_TO_DO
    ),
    "not_found": OutcomeLabel("Not found", "No device was found.", ATTENTION),
    "ambiguous": OutcomeLabel("Ambiguous", "Several devices match. None was changed.", ATTENTION),
    "mismatch": OutcomeLabel(
        "Mismatch", "No device matches all identifiers. None was changed.", ATTENTION, "not matching"
    ),
    "refused": OutcomeLabel("Refused", "The service refused the request.", ATTENTION),
    "error": _ERROR,
}
_VERIFY: t.Final[t.Mapping[str, OutcomeLabel]] = {
    "done": OutcomeLabel("Done", "The offboard action succeeded, and the device has not come back.", OFFBOARDED),
    "pending": OutcomeLabel("Pending", "The offboard action has not ended.", WAITING),
    "came_back": OutcomeLabel(
        "Came back", "The offboard action succeeded, and the device reported more than 24 hours later.", ATTENTION
    ),
    "failed": OutcomeLabel("Failed", "The offboard action failed on the device.", ATTENTION),
    "timed_out": OutcomeLabel(
        "Timed out", "The device was offline for about three days. Offboard it again if it will be online.", ATTENTION
    ),
    "cancelled": OutcomeLabel("Cancelled", "The offboard action was cancelled.", ATTENTION),
    "no_action": OutcomeLabel(
        "No action",
        "The service has no offboard action for this device, so there is no proof.",
        ATTENTION,
        "without an action",
    ),
    "error": _ERROR,
}
WOULD_BE_SUBMITTED: t.Final = OutcomeLabel(
    "Would be submitted", "A real run would submit an offboard action.", WOULD_OFFBOARD
)
ACCEPTED_MISSING: t.Final = OutcomeLabel("Not found", "Not found, which missing_ok accepts.", NOTHING_TO_DO)
_SUCCEEDED: t.Final = "The offboard action succeeded on the device."


@dataclass(frozen=True)
class OutcomeLabels:
    """The labels for one kind of evidence."""

    kind: str
    prediction: bool

    @property
    def labels(self) -> t.Mapping[str, OutcomeLabel]:
        return _VERIFY if self.kind == "verify" else _OFFBOARD

    def label_for(self, outcome: str, failed: bool | None) -> OutcomeLabel:
        """The label of an outcome. A device with an unknown outcome needs attention, unless it did not fail."""
        if self.prediction and self.kind != "verify" and outcome == "submitted":
            return WOULD_BE_SUBMITTED
        if outcome == "not_found" and failed is False:
            return ACCEPTED_MISSING
        if outcome in self.labels:
            return self.labels[outcome]
        text = outcome.replace("_", " ").strip() or "no outcome"
        group = OTHER if failed is False else ATTENTION
        return OutcomeLabel(text[:1].upper() + text[1:], "Unknown outcome.", group, text)

    def group(self, label: OutcomeLabel, *, failed: bool, succeeded: bool) -> Group:
        """The group of a device. A failure needs attention in any case. A succeeded action is the proof of offboarding."""
        if failed:
            return ATTENTION
        offboarded = label.group is OFFBOARDED or (succeeded and label.group is WAITING and self.kind != "verify")
        return (ALREADY_OFFBOARDED if self.prediction else OFFBOARDED) if offboarded else label.group

    def meaning(self, label: OutcomeLabel, group: Group) -> str:
        return _SUCCEEDED if group in (OFFBOARDED, ALREADY_OFFBOARDED) and label.group is WAITING else label.meaning
