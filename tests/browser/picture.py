# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Takes the screenshot of an evidence page for the README: ``python -m ...tests.browser.picture FILE.png``."""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

from ansible_collections.secops.mde.plugins.plugin_utils._evidence import html_report
from ansible_collections.secops.mde.tests.browser import chromium
from ansible_collections.secops.mde.tests.unit.support.evidence_samples import small_office

WIDTH, HEIGHT = 1280, 1420


def take(target: Path) -> None:
    """Write a screenshot of the small office, sorted by outcome."""
    with tempfile.TemporaryDirectory() as folder, chromium.started() as browser:
        page = Path(folder, "evidence.html")
        page.write_text(html_report.render(small_office()), "utf-8")
        chromium.emulate_media(browser)
        chromium.resize(browser, WIDTH, HEIGHT)
        browser.get(page.as_uri())
        browser.execute_script(
            "document.querySelectorAll('thead button')[2].click(); document.activeElement.blur(); scrollTo(0, 0)"
        )
        taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"format": "png", "optimizeForSpeed": False})
        target.write_bytes(base64.b64decode(taken["data"]))


if __name__ == "__main__":
    take(Path(sys.argv[1]))
