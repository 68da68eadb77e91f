"""A real browser: Debian's Chromium, driven by its own driver, never by one that is downloaded."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.expected_conditions import staleness_of
from selenium.webdriver.support.ui import WebDriverWait

LANGUAGES = ("es", "pt", "en")
THEMES = ("light", "dark")
WIDTHS = (320, 1440)


def missing() -> str:
    """What is not installed; "" when all of it is."""
    return ", ".join(name for name in ("chromium", "chromedriver") if shutil.which(name) is None)


@contextmanager
def started() -> Iterator[Chrome]:
    """One browser session, closed at the end."""
    options = ChromeOptions()
    options.binary_location = str(shutil.which("chromium"))
    for flag in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--no-first-run"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = Chrome(options=options, service=Service(shutil.which("chromedriver")))
    size = {"width": 1440, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)  # the same for whichever test is the first
    driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
    try:
        yield driver
    finally:
        driver.quit()


PATIENCE_S = 20


class Pages:
    """One person at the console at an address."""

    def __init__(self, driver: Chrome, url: str) -> None:
        self.driver = driver
        self.url = url

    def open(self, path: str) -> None:
        self.driver.get(self.url + path)

    def sign_in(self, key: str) -> None:
        """Also where somebody is signed in already."""
        self.driver.delete_all_cookies()
        self.open("/console/sign-in")
        self.field("key").send_keys(key)
        button = self.button("main form button.main")
        button.click()
        WebDriverWait(self.driver, PATIENCE_S).until(staleness_of(button))

    def field(self, name: str) -> Any:
        return self.driver.find_element(By.ID, name)

    def button(self, selector: str) -> Any:
        return self.driver.find_element(By.CSS_SELECTOR, selector)

    @property
    def text(self) -> str:
        return str(self.driver.find_element(By.TAG_NAME, "body").text)

    def look(self, language: str, theme: str, width: int) -> None:
        """From now on pages are in this language, these colours and so wide."""
        for name, value in (("connector-language", language), ("connector-theme", theme)):
            self.driver.add_cookie({"name": name, "value": value, "path": "/console"})
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})

    def is_too_wide(self) -> bool:
        """Whether the page scrolls sideways."""
        found = self.driver.execute_script(
            "return document.documentElement.scrollWidth > document.documentElement.clientWidth"
        )
        return bool(found)

    def picture(self, file: Path) -> None:
        """The page from its head to its foot; of a .webp, which is small, what a reader sees first."""
        size = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        how: dict[str, Any] = {"format": file.suffix[1:], "captureBeyondViewport": True}
        whole = {"clip": {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}}
        how |= {"quality": 55} if file.suffix == ".webp" else whole
        shot = self.driver.execute_cdp_cmd("Page.captureScreenshot", how)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(base64.b64decode(shot["data"]))
