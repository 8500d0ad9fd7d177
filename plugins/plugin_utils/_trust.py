# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Values from outside must never become templates: a device can have any name."""

from __future__ import annotations

import typing as t

from ansible import template
from ansible.utils.unsafe_proxy import wrap_var

# From ansible-core 2.19 on only what is trusted is a template.
_TRUST_IS_GIVEN: t.Final = hasattr(template, "trust_as_template")


def untrusted(value: t.Any) -> t.Any:
    """The value with every text marked that Ansible could take for a template. Others stay plain, as they print better."""
    if isinstance(value, str):
        return wrap_var(value) if "{" in value and not _TRUST_IS_GIVEN else value
    if isinstance(value, dict):
        return {untrusted(key): untrusted(item) for key, item in value.items()}
    return [untrusted(item) for item in value] if isinstance(value, list) else value
