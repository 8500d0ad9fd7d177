# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Attribute descriptions shared by all modules."""

from __future__ import annotations


class ModuleDocFragment:
    DOCUMENTATION = r"""
attributes:
  idempotent:
    description: When run twice in a row on the same state, the second run changes nothing.
    support: full
  platform:
    description: Where the module runs, and what it acts on.
    support: full
    platforms: all
    details:
      - Delegate the task to localhost to run it on the control node. The module calls the API only. Nothing runs on the device.
  action_group:
    description: Use C(group/secops.mde.mde) in C(module_defaults) to set the connection options of all modules.
    support: full
    membership:
      - secops.mde.mde
"""

    WRITES = r"""
attributes:
  check_mode:
    description: Can run in check mode and return a prediction of what would change.
    support: full
    details:
      - Check mode signs in, reads and decides. It sends only read requests to the API. It returns the same RV(ignore:changed) as a
        real run, and fails if the token lacks the permission that a real run needs.
  diff_mode:
    description: Returns what changed, or would change, when in diff mode.
    support: full
"""

    # mde_evidence and runbook_input, which are action plugins.
    CONTROLLER = r"""
attributes:
  action:
    description: Indicates this has a corresponding action plugin so some parts of the options can be executed on the controller.
    support: full
  async:
    description: Supports being used with the C(async) keyword.
    support: none
  diff_mode:
    description: Returns what changed, or would change, when in diff mode.
    support: none
  platform:
    description: Where the module runs, and what it acts on.
    support: full
    platforms: all
    details:
      - It always runs on the control node, as the user who runs Ansible, and connects to nothing. C(delegate_to), C(become) and the
        connection settings of the host have no effect.
"""

    READS = r"""
attributes:
  check_mode:
    description: Can run in check mode and return a prediction of what would change.
    support: full
    details:
      - The module only reads. Check mode makes no difference.
  diff_mode:
    description: Returns what changed, or would change, when in diff mode.
    support: none
    details:
      - The module never changes anything.
"""
