# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Options that limit the rate of API calls."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  calls_per_minute:
    description:
      - Maximum API calls per minute. The service allows 100 calls per minute for an application in a tenant. All jobs that use the
        application share this quota.
      - You do not need to divide the quota among concurrent jobs of this collection, because each of them waits when the service throttles it.
        Set a lower limit to leave a part of the quota to other programs.
    type: int
    default: 100
  calls_per_hour:
    description:
      - Maximum API calls per hour. The minimum is 2. The service allows 1500.
    type: int
    default: 1500
"""
