# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""What a task asks for: the devices, and how to go about them."""

from __future__ import annotations

import typing as t
from dataclasses import dataclass

from .._errors import OptionError
from .._options.argument_spec import require_positive
from .._options.identifiers import DeviceRequest
from .external_id import clean_external_id
from .wait import WaitOptions

_IDENTIFIERS: t.Final = ("device_id", "device_name", "aad_device_id")


@dataclass(frozen=True)
class OffboardParameters:
    """The whole order."""

    requests: tuple[DeviceRequest, ...]
    is_single: bool = True
    """Whether one device was asked for, and not a list."""
    force: bool = False
    match_short_names: bool = False
    missing_ok: bool = False
    wait: WaitOptions | None = None
    concurrency: int = 1
    """How many POSTs may be on their way at once."""
    check_mode: bool = False
    external_id: str | None = None
    """Text that follows the UUID in each external ID."""
    send_external_id: bool = True

    @classmethod
    def from_options(cls, params: t.Mapping[str, t.Any], *, check_mode: bool) -> OffboardParameters:
        """The order that a module's options give; raises OptionError for what cannot be meant."""
        require_positive(params, "wait_timeout", "wait_sleep", "concurrency")
        is_single = params["devices"] is None
        requests = (_parse_device(params),) if is_single else _parse_devices(params)
        return cls(
            requests=requests,
            is_single=is_single,
            force=params["force"],
            match_short_names=params["match_short_names"],
            missing_ok=params["missing_ok"],
            wait=WaitOptions(params["wait_timeout"], params["wait_sleep"]) if params["wait"] else None,
            concurrency=max(1, min(params["concurrency"], len(requests))),
            check_mode=check_mode,
            external_id=_parse_external_id(params),
            send_external_id=bool(params["send_external_id"]),
        )


def _parse_external_id(params: t.Mapping[str, t.Any]) -> str | None:
    text = params["external_id"]
    if text is None:
        return None
    if not params["send_external_id"]:
        raise OptionError("external_id is set, but send_external_id is false.", hint="Remove one of them.")
    return clean_external_id(text)


def _parse_device(params: t.Mapping[str, t.Any]) -> DeviceRequest:
    return DeviceRequest.from_options(**{name: params[name] for name in _IDENTIFIERS}, comment=params["comment"])


def _parse_devices(params: t.Mapping[str, t.Any]) -> tuple[DeviceRequest, ...]:
    """All of the list, or an OptionError that names the entries that are wrong by their place."""
    beside = [name for name in _IDENTIFIERS if (params[name] or "").strip()]
    if beside:
        raise OptionError(
            f"devices: it stands beside {', '.join(beside)}.", hint="Give either one device or a list of devices."
        )
    requests, wrong = [], []
    for index, device in enumerate(params["devices"]):
        own = (device.get("comment") or "").strip()
        try:
            requests.append(
                DeviceRequest.from_options(
                    **{name: device.get(name) for name in _IDENTIFIERS}, comment=own or params["comment"]
                )
            )
        except OptionError as error:
            wrong.append(f"devices[{index}]: {error.message} {error.hint or ''}".strip())
    if wrong:
        raise OptionError.of(wrong, hint="Nothing was done for any device: correct the list and run again.")
    return tuple(requests)
