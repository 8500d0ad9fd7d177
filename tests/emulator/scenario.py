# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Scenario files: devices, knobs, apps and faults in YAML."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from .devices import Device, device_from

FOLDER = Path(__file__).parent / "scenarios"
_KEYS = ("description", "defaults", "knobs", "apps", "faults", "devices")


@dataclass
class Scenario:
    """The initial state of an emulator."""

    devices: list[Device] = field(default_factory=list)
    knobs: dict[str, Any] = field(default_factory=dict)
    apps: list[dict[str, Any]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    description: str = ""


def load_scenario(source: str | Path) -> Scenario:
    """Load a scenario by the name of a bundled scenario or by path. Raises ValueError or OSError."""
    path = Path(source)
    if path.suffix not in (".yml", ".yaml") and not path.exists():
        path = FOLDER / f"{source}.yml"
    with path.open(encoding="utf-8") as stream:
        values = yaml.safe_load(stream)
    values = {} if values is None else values
    if not isinstance(values, dict):
        raise ValueError(f"{path}: a scenario is a mapping")
    unknown = sorted(set(values) - set(_KEYS))
    if unknown:
        raise ValueError(f"{path}: unknown key: {', '.join(unknown)}")
    defaults = values.get("defaults") or {}
    return Scenario(
        devices=[device_from({**defaults, **item}) for item in values.get("devices") or ()],
        knobs=values.get("knobs") or {},
        apps=list(values.get("apps") or ()),
        faults=list(values.get("faults") or ()),
        description=str(values.get("description") or ""),
    )
