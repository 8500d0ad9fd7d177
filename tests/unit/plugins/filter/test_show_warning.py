# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter that shows text as a warning."""

from __future__ import annotations

import pytest
from ansible.utils.display import Display

from ansible_collections.secops.mde.plugins.filter.show_warning import FilterModule


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The displayed warnings."""
    texts: list[str] = []
    monkeypatch.setattr(Display, "warning", lambda _display, text: texts.append(text))
    return texts


def test_the_text_is_shown_and_returned_without_control_characters(shown: list[str]) -> None:
    returned = FilterModule().filters()["show_warning"]("pc\x1b[2J\x9b\u202e\u2066é\n keeps its tag")
    assert returned == "pc⟨U+001B⟩[2J⟨U+009B⟩⟨U+202E⟩⟨U+2066⟩é  keeps its tag"
    assert shown == [returned]


def test_empty_text_is_not_shown(shown: list[str]) -> None:
    assert FilterModule().filters()["show_warning"](" ").strip() == ""
    assert shown == []
