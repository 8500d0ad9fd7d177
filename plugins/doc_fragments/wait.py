# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options for waiting until machine actions are finished."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Wait until the action has ended, also if it was already in progress. The task fails if the action ends with another status than
        C(Succeeded), or has not ended after O(wait_timeout).
      - Do not set it for devices that are powered off. Their actions stay pending for days, which is normal.
    type: bool
    default: false
  wait_timeout:
    description:
      - Maximum time to wait, in seconds.
    type: int
    default: 600
  wait_sleep:
    description:
      - Seconds between two reads of the action.
    type: int
    default: 10
"""
