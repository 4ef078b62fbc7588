"""A real browser for the tests of pages: Debian's Chromium, driven by Playwright, watched for what a user would not forgive."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

# The last five keep Chromium from looking up hosts of its vendor's at start.
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"]
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium() -> str:
    """The browser's path; skips the test, with a word, where there is none."""
    found = os.environ.get("MOORAGE_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not found:
        pytest.skip("no Chromium: sudo apt install chromium, or set MOORAGE_CHROMIUM")
    return found


@contextmanager
def opened() -> Iterator:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=ARGS)
        yield browser
        browser.close()


class Visitor:
    """One person's window: `page` to drive, `complaints` of the console, the CSP and requests that leave the market."""

    def __init__(self, browser, url: str, *, width: int = 1280, scheme: str = "light") -> None:
        self.url, self.width, self.complaints = url, width, []
        self.context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce", accept_downloads=True)
        self.page = self.context.new_page()
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type in ("error", "warning") else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda sent: None if sent.url.startswith((url, "data:", "blob:")) else self.complaints.append(f"left the market: {sent.url}"))

    def go(self, path: str) -> None:
        self.page.goto(self.url + path)
        self.page.wait_for_load_state("networkidle")

    def sign_in(self, name: str, password: str) -> None:
        self.go("/accounts/sign-in/")
        self.page.fill("input[name=username]", name)
        self.page.fill("input[name=password]", password)
        self.page.click("main button")
        self.page.wait_for_url(lambda address: "sign-in" not in address)

    def photograph(self, name: str) -> None:
        """Keep a picture where MOORAGE_SHOTS says; and no page may be wider than its window."""
        wide = self.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= self.width, f"{name} is {wide} px wide in a window of {self.width}"
        if folder := os.environ.get("MOORAGE_SHOTS"):
            Path(folder).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=Path(folder) / f"{name}.png", full_page=True)
