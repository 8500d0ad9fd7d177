# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Finds the browser of the tests, without any library, so that the tools can use it too."""

from __future__ import annotations

import shutil
import typing as t

BROWSERS: t.Final = ("chromium", "chromium-browser", "google-chrome")
DRIVERS: t.Final = ("chromedriver", "chromium.chromedriver")


def find(names: t.Iterable[str]) -> str | None:
    return next(filter(None, map(shutil.which, names)), None)


def missing() -> str | None:
    """Return the reason why the tests of the page cannot run, or None."""
    both = (("Chromium", BROWSERS), ("its chromedriver", DRIVERS))
    lacking = " and ".join(name for name, programs in both if find(programs) is None)
    return f"not in the PATH: {lacking}; 'make chromium' installs both on Debian" if lacking else None
