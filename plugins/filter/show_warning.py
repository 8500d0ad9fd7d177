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
  - Shows text in the same way as Ansible shows its own warnings, and returns the text. Use it for messages that users must see although
    nothing failed.
  - Control characters are shown as escape sequences.
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

_DISPLAY: t.Final = Display()


def show_warning(text: str) -> str:
    """Show the text once, and return it."""
    if text.strip():
        visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))
        _DISPLAY.warning(visible)
    return text


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        return {"show_warning": show_warning}
