# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How machines are selected."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  device_id:
    description:
      - Ids of devices in MDE, or addresses of their pages in the portal.
      - A device must fit every filter that is given, and one of the values of each. Without any filter all devices are found.
      - A blank or null value is refused, and an empty list finds nothing, so that a template that came out empty never means all.
    type: list
    elements: str
  device_name:
    description:
      - Names as the service has them, compared whole and without case.
    type: list
    elements: str
  aad_device_id:
    description:
      - Microsoft Entra device ids.
    type: list
    elements: str
  tag:
    description:
      - A tag that the device has, compared whole.
    type: str
  health_status:
    description:
      - States of health, of V(Active), V(Inactive), V(ImpairedCommunication), V(NoSensorData),
        V(NoSensorDataImpairedCommunication) and V(Unknown). Another one gets a warning.
    type: list
    elements: str
  onboarding_status:
    description:
      - States of onboarding, of V(Onboarded), V(CanBeOnboarded), V(Unsupported) and V(InsufficientInfo). There is none for
        offboarded. Another one gets a warning.
    type: list
    elements: str
  last_seen_before:
    description:
      - Only devices whose last full report is older than this, which is a number of days before now, a date, or an ISO time. A
        time without a zone is in UTC. Days are counted by the service's clock.
      - A device reports in full about once in 24 hours. One without a time is not found.
      - Days are counted by the service's time, also where this machine's clock is wrong.
    type: str
  last_seen_after:
    description:
      - Only devices whose last full report is not older than this, in the same forms as O(last_seen_before).
    type: str
  filter:
    description:
      - A condition in the service's own words (OData), that must hold beside the others, such as V(osPlatform eq 'Windows10').
      - Text from elsewhere does not belong here, as it becomes part of the query. The other options quote theirs.
    type: str
  limit:
    description:
      - Find so many devices at most, in the service's order.
    type: int
"""
