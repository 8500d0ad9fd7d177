# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Marks values of the service as unsafe, so that text that a device or a user chose is never evaluated as a template."""

from __future__ import annotations

import re
import typing as t

from ansible import template
from ansible.utils.unsafe_proxy import wrap_var

# Since ansible-core 2.19, only trusted text is a template. Other text is exported as {"__ansible_unsafe": "..."}, which
# programs that read the export do not understand.
_trust: t.Final = getattr(template, "trust_as_template", None)
# Such text cannot call anything or start a template, even if Ansible evaluates it as an expression (`debug: var`, `assert`).
_HARMLESS = re.compile(r"[A-Za-z0-9 ._:/@+-]*")
# As an expression, text can still be the name of a variable, whose value Ansible then shows: variables with secrets, and those
# of Ansible itself. Without trust, such text is still shown correctly.
_NAMES_A_SECRET = re.compile(
    r"ansible|hostvars|\bvars\b|\bgroups?\b|\bgroup_names\b|inventory|environment|playbook|vault|pass|pwd|secret|token|key|cred|mde_",
    re.IGNORECASE,
)


def make_unsafe(value: t.Any) -> t.Any:
    """The value with its text marked as unsafe, except harmless text."""
    if isinstance(value, str):
        harmless = _HARMLESS.fullmatch(value) and not _NAMES_A_SECRET.search(value)
        if _trust is None:
            return value if harmless else wrap_var(value)
        return _trust(value) if harmless else value
    if isinstance(value, dict):
        return {make_unsafe(key): make_unsafe(item) for key, item in value.items()}
    return [make_unsafe(item) for item in value] if isinstance(value, list) else value
