# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that select machines."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  device_id:
    description:
      - Device IDs in Defender for Endpoint, or URLs of device pages in the portal.
      - A device must match all filters that are set. It matches a filter with several values if it matches one of them. Without filters, all
        devices are returned.
      - An empty or null value is an error, and an empty list matches nothing. A template that renders as empty therefore never
        selects all devices.
    type: list
    elements: str
  device_name:
    description:
      - Device names as the service stores them. Compared in full and case-insensitively.
    type: list
    elements: str
  aad_device_id:
    description:
      - Microsoft Entra device IDs.
    type: list
    elements: str
  tag:
    description:
      - A tag of the device. Compared in full.
    type: str
  health_status:
    description:
      - Health states, for example V(Active), V(Inactive), V(ImpairedCommunication), V(NoSensorData),
        V(NoSensorDataImpairedCommunication) or V(Unknown). Any other value causes a warning.
    type: list
    elements: str
  onboarding_status:
    description:
      - Onboarding states, for example V(Onboarded), V(CanBeOnboarded), V(Unsupported) or V(InsufficientInfo). The service has no
        "offboarded" state. Any other value causes a warning.
    type: list
    elements: str
  last_seen_before:
    description:
      - Only devices whose last full report is older than this. Specify a number of days before now, a date, or an ISO 8601 time. A
        time without a time zone is in UTC. Days are counted by the clock of the service.
      - A device sends a full report about every 24 hours. A device without a report does not match.
    type: str
  last_seen_after:
    description:
      - Only devices whose last full report is not older than this. Takes the same values as O(last_seen_before).
    type: str
  filter:
    description:
      - An OData filter expression, combined with the other filters by "and". For example V(osPlatform eq 'Windows10').
      - Do not insert untrusted text, as it becomes part of the query. The other options quote their values.
    type: str
  limit:
    description:
      - Maximum number of devices to return, in the order of the service.
    type: int
"""
