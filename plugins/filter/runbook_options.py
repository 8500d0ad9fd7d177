# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: runbook_options
short_description: Validate the variables of the runbook
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - The playbooks of this collection use this filter to validate the variables that they need before the role C(secops.mde.mde) runs. The
    role validates all variables by the same rules with M(secops.mde.runbook_input).
  - V(null) and empty text mean that a variable is not set, with every version of ansible-core, because AWX sends empty text for an empty
    answer.
  - A comment or tag that arrives as a number, a boolean or a date is used as text, with a warning. Identifiers and paths that arrive as
    such are errors, because the text that was typed is lost.
options:
  _input:
    description:
      - The variables and their values. The keys are the full names, for example C(mde_comment).
    type: dict
    required: true
  required:
    description:
      - Names of variables that must be set.
    type: list
    elements: str
    default: []
seealso:
  - plugin: secops.mde.host_devices
    plugin_type: filter
  - module: secops.mde.runbook_input
"""

EXAMPLES = r"""
- name: Offboard with survey answers, one of them empty and one converted to a number
  secops.mde.mde_offboard:
    device_name: lab-w11-07.corp.example
    comment: "{{ answers.options.comment }}"
    wait: "{{ answers.options.wait }}"
  delegate_to: localhost
  vars:
    answers: "{{ {'mde_comment': 20261044, 'mde_wait': ''} | secops.mde.runbook_options }}"
"""

RETURN = r"""
_value:
  description:
    - C(options) has the values by the names of the variables without C(mde_), with defaults for variables that are not set.
    - C(errors) and C(warnings) are lists of sentences. C(errors) has all that is invalid, C(warnings) all values that were converted.
  type: dict
  sample:
    options:
      comment: CHG-1044 retired
      wait: false
    errors: []
    warnings: []
"""

import typing as t

from ansible_collections.secops.mde.plugins.plugin_utils._runbook_options import read_options
from ansible_collections.secops.mde.plugins.plugin_utils._unsafe import make_unsafe


def runbook_options(variables: t.Mapping[str, t.Any], required: t.Sequence[str] = ()) -> dict[str, t.Any]:
    """Return ``options``, ``errors`` and ``warnings``, with all text marked as unsafe."""
    found = read_options(variables, required)
    return {name: make_unsafe(value) for name, value in vars(found).items()}


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"runbook_options": runbook_options}
