# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Private to the secops.mde collection: it may change with any release.

"""Version of the collection, for the user agent and the evidence. A test compares it with galaxy.yml."""

from __future__ import annotations

COLLECTION_VERSION = "1.0.0"
