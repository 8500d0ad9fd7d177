# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Size limits of a response, in bytes."""

from __future__ import annotations

import typing as t

# A page of 10,000 records, the largest that the service sends, has 11 MB (measured with the emulator).
MAX_BODY: t.Final = 64 << 20
MAX_HEAD: t.Final = 256 << 10
MAX_INTERIM_RESPONSES: t.Final = 20
