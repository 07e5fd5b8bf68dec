"""A real browser without a screen, which asks nobody for anything: Chromium by its driver."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

__all__ = ["HOW_TO_GET_IT", "Browser", "find_browser", "open_browser"]

HOW_TO_GET_IT = "needs Chromium and its driver: apt-get install chromium chromium-driver"

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@dataclass(frozen=True, slots=True)
class Browser:
    """Where a browser is, and what drives it."""

    program: str
    driver: str


def find_browser() -> Browser | None:
    """The browser that is installed, if one is."""
    program = next((path for name in _NAMES if (path := shutil.which(name)) is not None), None)
    driver = shutil.which("chromedriver")
    return None if program is None or driver is None else Browser(program, driver)


@contextmanager
def open_browser(browser: Browser, *, width: int = 1440, height: int = 900) -> Iterator[Chrome]:
    """Run a browser of its own, with nothing kept from another one, while the block runs."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        options = ChromeOptions()
        options.binary_location = browser.program
        for flag in (*_FLAGS, f"--user-data-dir={profile}", f"--window-size={width},{height}"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        # With both paths given, nothing is looked for anywhere else.
        driver = Chrome(options=options, service=Service(browser.driver, log_output=subprocess.DEVNULL))
        try:
            yield driver
        finally:
            driver.quit()
