# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""How many calls to make."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
options:
  calls_per_minute:
    description:
      - Calls to the API that are made in any minute at most. The service allows 100 to an application in a tenant, shared by
        everything that uses it. Give several jobs at once a part each.
    type: int
    default: 100
  calls_per_hour:
    description:
      - Calls to the API that are made in any hour at most, and at least 2. The service allows 1500.
    type: int
    default: 1500
"""
