# Copyright: secops.mde contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One browser for all tests, with a tab for an evidence page."""

from __future__ import annotations

import json
import typing as t
from dataclasses import dataclass
from pathlib import Path

import pytest
from selenium.webdriver import Chrome
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

from ansible_collections.secops.mde.plugins.plugin_utils._evidence import html_report
from ansible_collections.secops.mde.tests.browser import chromium, programs

Record = dict[str, t.Any]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip all tests if there is no browser. With a marker, they are one line of the summary."""
    if why := programs.missing():
        for item in items:
            item.add_marker(pytest.mark.skip(reason=why))


@pytest.fixture(scope="session")
def browser() -> t.Iterator[Chrome]:
    with chromium.started() as running:
        yield running


@dataclass
class Tab:
    """A browser tab with an evidence page, and helpers to use the page."""

    browser: Chrome
    folder: Path

    def open(self, evidence: Record) -> Tab:
        """Write the page to a file and load it."""
        return self.show(html_report.render(evidence))

    def show(self, text: str) -> Tab:
        """Load any HTML from a file."""
        path = self.folder / "evidence.html"
        path.write_text(text, "utf-8")
        self.forget()
        self.browser.get(path.as_uri())
        return self

    def forget(self) -> None:
        for name in ("browser", "performance"):
            self.browser.get_log(name)

    def find(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def run(self, script: str, *arguments: object) -> t.Any:
        return self.browser.execute_script(script, *arguments)

    @property
    def messages(self) -> list[str]:
        """The messages of the console."""
        return [entry["message"] for entry in self.browser.get_log("browser")]

    @property
    def requests(self) -> list[str]:
        """Return all URLs that were requested since the page was opened, including its own URL."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        sent = [event["params"] for event in events if event["method"] == "Network.requestWillBeSent"]
        return [each["request"]["url"] for each in sent if each["documentURL"] == self.browser.current_url]

    @property
    def names(self) -> list[str]:
        """The names of the visible devices, from top to bottom."""
        script = "return Array.from(document.querySelectorAll('tbody tr')).filter(r => r.offsetHeight).map(r => r.querySelector('b').textContent)"
        return list(self.run(script))

    @property
    def busy(self) -> float:
        """Processor time of the main thread in milliseconds since the page was requested."""
        metrics = self.browser.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return 1000 * next(float(each["value"]) for each in metrics if each["name"] == "TaskDuration")

    @property
    def count(self) -> str:
        return self.find("#count").text

    def choose(self, name: str, start: str) -> None:
        """Select the first option of a list that starts with ``start``."""
        options = self.find(f"#{name}").find_elements(By.TAG_NAME, "option")
        next(option for option in options if option.text.startswith(start)).click()

    def head(self, name: str) -> WebElement:
        """The header of a column, by its text."""
        heads = self.browser.find_elements(By.CSS_SELECTOR, "thead th")
        return next(head for head in heads if head.find_element(By.TAG_NAME, "button").text.startswith(name))

    def sort(self, name: str) -> None:
        self.head(name).find_element(By.TAG_NAME, "button").click()


@pytest.fixture
def tab(browser: Chrome, tmp_path: Path) -> t.Iterator[Tab]:
    """A tab with a wide screen and the light color scheme."""
    chromium.emulate_media(browser)
    chromium.resize(browser, 1280)
    yield Tab(browser, tmp_path)
    browser.get("about:blank")
