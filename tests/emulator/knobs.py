# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The behaviors of the emulated service that tests can change, at any time."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any


def _choices(*values: Any) -> dict[str, Any]:
    return {"choices": values}


@dataclass
class Knobs:
    """The knobs. An unknown name or a value that is not one of the choices raises ValueError."""

    # --- Offboard ---
    # HTTP status of an accepted offboard request: 201 like the real service, or 200 as in the portal's API Explorer.
    offboard_status: int = field(default=201, metadata=_choices(201, 200))
    # A second offboard request while an action is active: "grace" returns the existing action for `duplicate_grace`
    # seconds and refuses after that; "existing" always returns it; "refuse" always returns HTTP 400; "create" creates
    # a second action.
    duplicate_mode: str = field(default="grace", metadata=_choices("grace", "existing", "refuse", "create"))
    duplicate_grace: float = 60.0
    # Offboard request for a device that is not onboarded: accepted (and never picked up), or refused.
    not_onboarded_offboard: int = field(default=201, metadata=_choices(201, 400))
    # Offboard request for an unknown ID: refused, or accepted (and never picked up).
    unknown_device_offboard: int = field(default=404, metadata=_choices(404, 201))
    # The offboard request also requires a read role.
    offboard_needs_read: bool = False
    # ExternalId of an offboard request: returned as externalId of the action, dropped, or refused as unknown parameter.
    external_id: str = field(default="echo", metadata=_choices("echo", "drop", "refuse"))
    # How an ExternalId is returned: as it was sent, with upper and lower case swapped, or with spaces around it; and
    # the number of characters after which it is truncated.
    external_id_form: str = field(default="sent", metadata=_choices("sent", "swapped", "padded"))
    external_id_length: int | None = None
    # findbytag requires Machine.ReadWrite.All.
    findbytag_needs_write: bool = False

    # --- Life cycle (seconds) ---
    # An action that has no result yet gets the status TimeOut after 72 h 14 min.
    action_timeout: float = 72 * 3600.0 + 14 * 60.0
    # Time from a successful offboard action until onboardingStatus is CanBeOnboarded.
    onboarding_delay: float = 86400.0
    # Time from the last report of a device until healthStatus is Inactive.
    inactive_delay: float = 7 * 86400.0

    # --- Cancel ---
    # "none": the action is cancelled. "succeeded": the device is faster, and the action is Succeeded. "completes": the
    # action is Cancelled although the device carried it out.
    cancel_race: str = field(default="none", metadata=_choices("none", "succeeded", "completes"))
    # Seconds until a cancelled action has the status Cancelled. Until then, responses return it unchanged.
    cancel_delay: float = 0.0
    # Cancel request for a finished action: HTTP 200 with the unchanged action, or HTTP 400.
    cancel_final: int = field(default=200, metadata=_choices(200, 400))

    # --- Routes that are documented only in the service's $metadata ---
    # availableMachineActions and setExclusion: a normal response, the service's HTTP 403, or a missing route.
    available_actions: str = field(default="answer", metadata=_choices("answer", "forbidden", "missing"))
    exclusion: str = field(default="answer", metadata=_choices("answer", "forbidden", "missing"))
    # Seconds until the device's record shows a changed exclusion.
    exclusion_delay: float = 0.0

    # --- Consistency ---
    # Seconds until a new action appears in lists, and until it can be read by ID.
    list_lag: float = 0.0
    read_lag: float = 0.0
    # The first N single reads of each machine return HTTP 404 ResourceNotFound.
    machine_read_flaky: int = 0
    # GET /machines/{id} also accepts a computer name.
    machine_by_name: bool = False
    # A machine list without a match returns HTTP 404 instead of an empty list.
    empty_list_404: bool = False

    # --- Errors ---
    # error.code of an HTTP 429, and the format of error.target.
    code_429: str = field(default="TooManyRequests", metadata=_choices("TooManyRequests", "429"))
    error_target: str = field(default="guid", metadata=_choices("guid", "operation", "absent"))

    # --- Quotas: sliding windows per app and tenant over all API calls; None disables a quota ---
    quota_per_minute: int | None = None
    quota_per_hour: int | None = None
    # The part of the quota that other programs with the same app use.
    quota_others_per_minute: int = 0
    quota_others_per_hour: int = 0
    # Refused calls count too: a client that ignores Retry-After stays blocked for longer.
    quota_counts_refused: bool = False
    # Retry-After of a 429: seconds, an HTTP date, or no header.
    retry_after: str = field(default="seconds", metadata=_choices("seconds", "date", "absent"))

    # --- Queries ---
    # By default, filters compare names and IDs case-insensitively.
    filter_case_sensitive: bool = False
    # `in` returns HTTP 400.
    in_refused: bool = False
    # A filter with more nodes than this returns HTTP 400.
    max_filter_nodes: int | None = None
    # A longer query string returns HTTP 414, or HTTP 404 with an HTML page.
    max_query_length: int | None = None
    long_query: str = field(default="414", metadata=_choices("414", "html_404"))
    # Literals accepted for aadDeviceId, and for the ID of an action: quoted, unquoted, or both.
    guid_literal: str = field(default="string", metadata=_choices("string", "guid", "both"))
    action_id_literal: str = field(default="both", metadata=_choices("string", "guid", "both"))
    # onboardingStatus cannot be selected, as in a response from 2024.
    select_refused: bool = False

    # --- Paging ---
    # "normal": a nextLink only without $top; "none": never; "loses_filter": also with $top, and without the filter;
    # "foreign": also with $top, and to another origin.
    next_link: str = field(default="normal", metadata=_choices("normal", "none", "loses_filter", "foreign"))
    # The largest $top that the service allows; the maximum number of records per page whatever $top is (then with a
    # nextLink).
    max_page: int = 10_000
    page_cap: int | None = None
    # $skip is ignored: every page is the first page.
    repeat_page: bool = False
    # $count=true adds the count, is refused with HTTP 400, or has no effect.
    count: str = field(default="taken", metadata=_choices("taken", "refused", "ignored"))
    # Order of machine lists: the order in which the devices were added, or the most recently seen device first.
    machine_order: str = field(default="added", metadata=_choices("added", "last_seen"))

    # --- Headers and time ---
    # The Date header: "virtual" is the time of the clock, "absent" omits it, a number is an offset from the clock in
    # seconds.
    date_header: str | float = "virtual"
    # Seconds of real time, and of virtual time, that each API call takes; seconds of real time of each sign-in call.
    latency: float = 0.0
    virtual_latency: float = 0.0
    entra_latency: float = 0.0

    # --- Sign-in ---
    token_lifetime: float = 3600.0
    managed_identity_lifetime: float = 86400.0
    # Number of device-code polls that return "pending" before one succeeds; None: all of them.
    device_code_polls: int | None = 1

    # --- Managed identity of an Arc machine ---
    # The key file that the challenge names; None: a file in the emulator's temporary folder.
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
        """Set several knobs. An unknown name or value raises ValueError before any knob is set."""
        trial = Knobs(**self.as_dict())
        for name, value in changes.items():
            setattr(trial, name, value)
        for name in changes:
            setattr(self, name, getattr(trial, name))

    def as_dict(self) -> dict[str, Any]:
        """Return all knobs by name."""
        return asdict(self)


_SPECS: dict[str, Any] = {item.name: item.metadata for item in fields(Knobs)}
