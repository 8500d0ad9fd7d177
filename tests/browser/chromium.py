# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Chromium of the distribution, without a window: how it starts, and what it pretends to be."""

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
    "--disable-dev-shm-usage",  # containers have little of it
    "--no-first-run",
    "--no-default-browser-check",
    "--hide-scrollbars",
    "--force-color-profile=srgb",
)


@contextlib.contextmanager
def started(*, scale: float = 1) -> t.Iterator[webdriver.Chrome]:
    """A browser with a new, empty profile while the block runs. It tells all it asks the network for."""
    options = webdriver.ChromeOptions()
    options.binary_location = find(BROWSERS) or ""
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    with tempfile.TemporaryDirectory(prefix="mde-browser-") as profile:
        sandbox = () if os.geteuid() else ("--no-sandbox",)  # Chromium's own does not work for root
        scaled = f"--force-device-scale-factor={scale}"
        for argument in (*QUIET, *sandbox, scaled, f"--user-data-dir={profile}", "--window-size=1280,900"):
            options.add_argument(argument)
        # With both paths given, the library has no reason to look for, or to fetch, a driver.
        service = webdriver.ChromeService(executable_path=find(DRIVERS) or "")
        browser = webdriver.Chrome(options=options, service=service)
        # The clock of what a page costs: the processor time of its thread.
        browser.execute_cdp_cmd("Performance.enable", {"timeDomain": "threadTicks"})
        try:
            yield browser
        finally:
            browser.quit()


def wear(browser: webdriver.Chrome, *, scheme: str = "light", media: str = "") -> None:
    """Have pages see a light or dark screen, or paper (``print``)."""
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})


def resize(browser: webdriver.Chrome, width: int, height: int = 900, *, mobile: bool = False) -> None:
    """Give the page a screen of so many CSS pixels."""
    size = {"width": width, "height": height, "deviceScaleFactor": 0, "mobile": mobile}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
