# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""OffboardParameters from the options of the module."""

from __future__ import annotations

import ast
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
    """All parameters of one run."""

    requests: tuple[DeviceRequest, ...]
    is_single: bool = True
    """Whether one device was requested instead of a list."""
    force: bool = False
    match_short_names: bool = False
    missing_ok: bool = False
    wait: WaitOptions | None = None
    concurrency: int = 1
    """Maximum number of concurrent POSTs."""
    check_mode: bool = False
    external_id: str | None = None
    """Text that follows the UUID in each external ID."""
    send_external_id: bool = True

    @classmethod
    def from_options(cls, params: t.Mapping[str, t.Any], *, check_mode: bool) -> OffboardParameters:
        """Validate the options of the module. Raises OptionError."""
        require_positive(params, "wait_timeout", "wait_sleep", "concurrency")
        is_single = params["devices"] is None
        requests = (_parse_device(params, params["comment"]),) if is_single else _parse_devices(params)
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


def _parse_device(device: t.Mapping[str, t.Any], comment: str) -> DeviceRequest:
    if _was_collection(device.get("device_name")):
        raise OptionError(
            f"device_name: {device['device_name'][:60]!r} is a list or a mapping, not one name.",
            hint="Set devices instead. The filter secops.mde.parse_devices makes its value of a list of names.",
        )
    return DeviceRequest.from_options(**{name: device.get(name) for name in _IDENTIFIERS}, comment=comment)


def _was_collection(text: str | None) -> bool:
    """Whether Ansible has converted a list of strings or a mapping to this text, as it does for every option of type str."""
    if not text or text[0] + text[-1] not in ("[]", "{}"):
        return False
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return False
    return isinstance(value, dict) or (isinstance(value, list) and all(isinstance(item, str) for item in value))


def _parse_devices(params: t.Mapping[str, t.Any]) -> tuple[DeviceRequest, ...]:
    """All entries of the list, or an OptionError that names the invalid ones by index."""
    others = [name for name in _IDENTIFIERS if (params[name] or "").strip()]
    if others:
        raise OptionError(
            f"devices cannot be combined with {', '.join(others)}.", hint="Set either one device or a list of devices."
        )
    requests, wrong = [], []
    for index, device in enumerate(params["devices"]):
        try:
            requests.append(_parse_device(device, (device.get("comment") or "").strip() or params["comment"]))
        except OptionError as error:
            wrong.append(f"devices[{index}]: {error.message} {error.hint or ''}".strip())
    if wrong:
        raise OptionError.of(wrong, hint="No device was changed. Correct the list and run again.")
    return tuple(requests)
