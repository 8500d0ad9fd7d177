# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Starts headless Chromium and emulates screens, color schemes and paper."""

from __future__ import annotations

import contextlib
import os
import tempfile
import typing as t

from selenium import webdriver

from ansible_collections.secops.mde.tests.browser.programs import BROWSERS, DRIVERS, find

QUIET = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",  # it is small in containers
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


@contextlib.contextmanager
def started(*, scale: float = 1) -> t.Iterator[webdriver.Chrome]:
    """A browser with a new profile, for the duration of the block. It logs all its requests."""
    options = webdriver.ChromeOptions()
    options.binary_location = find(BROWSERS) or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(prefix="mde-browser-") as profile:
        sandbox = () if os.geteuid() else ("--no-sandbox",)  # the sandbox of Chromium does not work for root
        scaled = f"--force-device-scale-factor={scale}"
        for argument in (*QUIET, *sandbox, scaled, f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(argument)
        # With both paths, the library does not search or download a driver.
        service = webdriver.ChromeService(executable_path=find(DRIVERS) or "")
        browser = webdriver.Chrome(options=options, service=service)
        # Measure the processor time of the thread of a page.
        browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        try:
            yield browser
        finally:
            browser.quit()


def emulate_media(browser: webdriver.Chrome, *, scheme: str = "light", media: str = "") -> None:
    """Emulate a light or dark color scheme, or paper (``print``)."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def resize(browser: webdriver.Chrome, width: int, height: int = 900, *, mobile: bool = False) -> None:
    """Emulate a screen of this size in CSS pixels."""
    size = {"width": width, "height": height, "deviceScaleFactor": 0, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
