# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Filters that write the evidence of a run. Their documentation stands beside, in a file for each."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleFilterError
from ansible.utils.unsafe_proxy import wrap_var

from ansible_collections.secops.mde.plugins.module_utils import _evidence_csv, _evidence_page


def evidence_page(evidence: object) -> t.Any:
    """The evidence of a run as one HTML page."""
    return _written(_evidence_page.render, evidence)


def evidence_csv(evidence: object) -> t.Any:
    """The evidence of a run as CSV."""
    return _written(_evidence_csv.render, evidence)


def _written(render: t.Callable[[object], str], evidence: object) -> t.Any:
    """Marked as unsafe: older cores would take braces in a device's name for a template when they meet the text again."""
    try:
        return wrap_var(render(evidence))
    except ValueError as error:
        raise AnsibleFilterError(str(error)) from error


class FilterModule:
    """What Ansible looks for."""

    def filters(self) -> dict[str, t.Callable[[object], t.Any]]:
        return {"evidence_page": evidence_page, "evidence_csv": evidence_csv}
