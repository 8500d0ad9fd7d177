# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every behaviour of the emulated service that a test may turn. All may be changed at any time."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


def _choices(*values: Any) -> dict[str, Any]:
    return {"choices": values}


@dataclass
class Knobs:
    """The knobs. A wrong name or a value that is not among the choices is a ValueError."""

    # --- Offboard ---
    # Status of an accepted offboard: 201 as live, 200 as the portal's API Explorer shows it.
    offboard_status: int = field(default=201, metadata=_choices(201, 200))
    # A second offboard while one is active: "grace" hands back the existing action for `duplicate_grace` seconds and
    # refuses after that; "existing" always hands it back; "refuse" always answers 400; "create" makes a second one.
    duplicate_mode: str = field(default="grace", metadata=_choices("grace", "existing", "refuse", "create"))
    duplicate_grace: float = 60.0
    # Offboard of a device that is not onboarded: accepted (and never picked up), or refused.
    not_onboarded_offboard: int = field(default=201, metadata=_choices(201, 400))
    # Offboard of an unknown ID: refused, or accepted (and never picked up).
    unknown_device_offboard: int = field(default=404, metadata=_choices(404, 201))
    # Offboard demands a read role as well.
    offboard_needs_read: bool = False
    # ExternalId of an offboard: shown as externalId of the action, dropped, or refused as an unknown parameter.
    external_id: str = field(default="echo", metadata=_choices("echo", "drop", "refuse"))
    # How an ExternalId is shown: as it was sent, in the other case, with blanks around it, or cut off after so many
    # characters.
    external_id_form: str = field(default="sent", metadata=_choices("sent", "swapped", "padded"))
    external_id_length: int | None = None
    # findbytag demands Machine.ReadWrite.All.
    findbytag_needs_write: bool = False

    # --- Life cycle (seconds) ---
    # A queued or unanswered action ends as TimeOut after 72 h 14 min.
    action_timeout: float = 72 * 3600.0 + 14 * 60.0
    # onboardingStatus becomes CanBeOnboarded so long after a success (knob A of the life cycle).
    onboarding_delay: float = 86400.0
    # healthStatus becomes Inactive so long after the last sign of life.
    inactive_delay: float = 7 * 86400.0

    # --- Cancel ---
    # "none": the cancel wins. "succeeded": the device is faster, the action ends Succeeded. "completes": the action
    # reads Cancelled although the device did its work.
    cancel_race: str = field(default="none", metadata=_choices("none", "succeeded", "completes"))
    # Seconds until a cancelled action reads Cancelled; the answer shows it unchanged until then.
    cancel_delay: float = 0.0
    # Cancel of an action that has ended: 200 with the unchanged action, or 400.
    cancel_final: int = field(default=200, metadata=_choices(200, 400))

    # --- Routes that only the service's own model names ---
    # availableMachineActions and setExclusion: an answer, the service's own 403, or a route that is not there.
    available_actions: str = field(default="answer", metadata=_choices("answer", "forbidden", "missing"))
    exclusion: str = field(default="answer", metadata=_choices("answer", "forbidden", "missing"))
    # Seconds until a changed exclusion shows in the device's record.
    exclusion_delay: float = 0.0

    # --- Consistency ---
    # Seconds until a new action shows in lists, and until it can be read by id.
    list_lag: float = 0.0
    read_lag: float = 0.0
    # The first N single reads of each machine answer 404 ResourceNotFound.
    machine_read_flaky: int = 0
    # GET /machines/{id} also takes a computer name.
    machine_by_name: bool = False
    # A machine list without a match answers 404 instead of an empty list.
    empty_list_404: bool = False

    # --- Errors ---
    # error.code of a 429, and the form of error.target.
    code_429: str = field(default="TooManyRequests", metadata=_choices("TooManyRequests", "429"))
    error_target: str = field(default="guid", metadata=_choices("guid", "operation", "absent"))

    # --- Quotas: sliding windows by app and tenant over all API calls; None is off ---
    quota_per_minute: int | None = None
    quota_per_hour: int | None = None
    # What other programs with the same app use up of them.
    quota_others_per_minute: int = 0
    quota_others_per_hour: int = 0
    # Refused calls count too, so that ignoring Retry-After prolongs the block.
    quota_counts_refused: bool = False
    # Retry-After of a 429: seconds, an HTTP date, or no header.
    retry_after: str = field(default="seconds", metadata=_choices("seconds", "date", "absent"))

    # --- Queries ---
    # By default names and ids are compared without case in filters.
    filter_case_sensitive: bool = False
    # `in` answers 400.
    in_refused: bool = False
    # More nodes than this in a filter answer 400.
    max_filter_nodes: int | None = None
    # A longer query string answers 414 or an HTML 404.
    max_query_length: int | None = None
    long_query: str = field(default="414", metadata=_choices("414", "html_404"))
    # Literals accepted for aadDeviceId, and for the id of an action: quoted, unquoted, both.
    guid_literal: str = field(default="string", metadata=_choices("string", "guid", "both"))
    action_id_literal: str = field(default="both", metadata=_choices("string", "guid", "both"))
    # onboardingStatus cannot be selected, as in an answer of 2024.
    select_refused: bool = False

    # --- Paging ---
    # "normal": a nextLink only without $top; "none": never; "loses_filter": with $top too, and without the filter;
    # "foreign": with $top too, and to another origin.
    next_link: str = field(default="normal", metadata=_choices("normal", "none", "loses_filter", "foreign"))
    # The largest page the service allows, and how many records it returns whatever was asked (then with a nextLink).
    max_page: int = 10_000
    page_cap: int | None = None
    # $skip is ignored: every page is the first one again.
    repeat_page: bool = False
    # $count=true adds the count, is refused with 400, or has no effect.
    count: str = field(default="taken", metadata=_choices("taken", "refused", "ignored"))
    # Machine lists are in the order in which the devices were added, or the last seen comes first.
    machine_order: str = field(default="added", metadata=_choices("added", "last_seen"))

    # --- Headers and time ---
    # The Date header: "virtual" follows the clock, "absent", or seconds off the clock.
    date_header: str | float = "virtual"
    # Seconds of wall time, and of virtual time, that each API call takes; wall seconds of each sign-in call.
    latency: float = 0.0
    virtual_latency: float = 0.0
    entra_latency: float = 0.0

    # --- Sign-in ---
    token_lifetime: float = 3600.0
    managed_identity_lifetime: float = 86400.0
    # How often a device-code poll says "pending" before it succeeds; None is for ever.
    device_code_polls: int | None = 1

    # --- Managed identity of an Arc machine ---
    # The key file named in the challenge; None is one in the emulator's temporary folder.
    arc_key_file: str | None = None

    def __setattr__(self, name: str, value: Any) -> None:
        spec = _SPECS.get(name)
        if spec is None:
            raise ValueError(f"no such knob: {name!r}")
        choices = spec.get("choices")
        if choices and value not in choices:
            raise ValueError(f"{name} is one of {', '.join(map(repr, choices))}, not {value!r}")
        if name == "date_header" and isinstance(value, str) and value not in ("virtual", "absent"):
            raise ValueError("date_header is 'virtual', 'absent' or a number of seconds")
        object.__setattr__(self, name, value)

    def update(self, changes: dict[str, Any]) -> None:
        """Set several knobs; unknown names and values are refused before any is set."""
        trial = Knobs(**self.as_dict())
        for name, value in changes.items():
            setattr(trial, name, value)
        for name in changes:
            setattr(self, name, getattr(trial, name))

    def as_dict(self) -> dict[str, Any]:
        """All knobs by name."""
        return asdict(self)


_SPECS: dict[str, Any] = {item.name: item.metadata for item in fields(Knobs)}
