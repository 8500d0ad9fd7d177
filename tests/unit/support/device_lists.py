# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filter parse_devices for tests: its result, or its error message."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.secops.mde.plugins.filter.parse_devices import FilterModule

Devices = list[dict[str, str]]

parse = FilterModule().filters()["parse_devices"]


def parse_error(value: object, **options: object) -> str:
    """Return the error message, which has a limited length."""
    with pytest.raises(AnsibleFilterError) as error:
        parse(value, **options)
    message = str(error.value)
    assert message.startswith("secops.mde.parse_devices: ")
    assert len(message) < 1500
    return message
