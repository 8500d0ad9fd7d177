# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.secops.mde.plugins.filter.evidence import FilterModule
from ansible_collections.secops.mde.plugins.module_utils import _evidence_csv, _evidence_page
from ansible_collections.secops.mde.tests.unit.samples import office

FILTERS = FilterModule().filters()


def test_the_filters_are_those_that_are_documented() -> None:
    assert FILTERS.keys() == {"evidence_page", "evidence_csv"}


def test_they_give_what_the_rooms_below_write() -> None:
    assert FILTERS["evidence_page"](office()) == _evidence_page.render(office())
    assert FILTERS["evidence_csv"](office()) == _evidence_csv.render(office())


@pytest.mark.parametrize("name", FILTERS)
def test_what_is_no_evidence_fails_the_task_with_a_sentence(name: str) -> None:
    with pytest.raises(AnsibleFilterError, match="no evidence of a run"):
        FILTERS[name]([1, 2])
