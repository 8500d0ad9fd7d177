# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: show_warning
short_description: Show text as a warning
version_added: 1.0.0
author: secops.mde contributors (@secops-example)
description:
  - Shows text in the same way as Ansible shows its own warnings, and returns the text that was shown. Use it for messages that users
    must see although nothing failed.
  - Control characters, and others that are invisible or change the direction of text, are shown as their numbers.
options:
  _input:
    description:
      - The text. If it is empty, nothing is shown.
    type: str
    required: true
seealso:
  - plugin: secops.mde.runbook_options
    plugin_type: filter
"""

EXAMPLES = r"""
- name: Offboard a device that can be missing
  secops.mde.mde_offboard:
    device_name: gone-since-spring.corp.example
    comment: CHG-0815 retired
    missing_ok: true
  delegate_to: localhost
  register: offboard

- name: Warn if the device is missing
  ansible.builtin.debug:
    msg: "{{ (offboard.devices[0].outcome ~ ': check the ticket') | secops.mde.show_warning }}"
  when: offboard.devices[0].outcome == 'not_found'
"""

RETURN = r"""
_value:
  description:
    - The text that was shown.
  type: str
  sample: pc-0101.corp.example keeps its old tag.
"""

import typing as t

from ansible.utils.display import Display

from ..module_utils._presentable import one_line
from ..plugin_utils._unsafe import make_unsafe

_DISPLAY: t.Final = Display()


def show_warning(text: str) -> t.Any:
    """Show the text in one line without invisible characters, and return what was shown. It is never a template."""
    visible = one_line(text)
    if visible.strip():
        _DISPLAY.warning(visible)
    return make_unsafe(visible)


class FilterModule:
    """The filter, for Ansible."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"show_warning": show_warning}
