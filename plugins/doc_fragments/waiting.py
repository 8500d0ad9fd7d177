# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How to wait for the end of machine actions."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  wait:
    description:
      - Wait until the action has ended, also for one that was under way already. The task fails when it ends otherwise than
        with success, or is still under way after O(wait_timeout).
      - For devices that are switched off leave it off. Their action stays pending for days, which is normal.
    type: bool
    default: false
  wait_timeout:
    description:
      - Seconds to wait at most.
    type: int
    default: 600
  wait_sleep:
    description:
      - Seconds between two looks.
    type: int
    default: 10
"""
