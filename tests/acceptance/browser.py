"""A real Chromium, and people who sit before it. What a page writes to the console as an error fails their test."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

WIDE, NARROW = (1280, 900), (390, 844)
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SHOTS = os.environ.get("SCREENSHOTS")
"""A folder: each page that a test looks at is kept there, wide and narrow."""

program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)


def missing() -> str:
    """Why there is no browser; empty if there is one."""
    try:
        import playwright  # noqa: F401
    except ImportError:
        return "the package playwright is not installed: make browser"
    return "" if program else "no Chromium is installed: apt-get install chromium, or set CHROMIUM to its path"


@contextmanager
def chromium() -> Iterator[Any]:
    """Start the browser, and end it. It resolves every name below `localhost` to this machine by itself."""
    if os.environ.get("CI") and missing():
        pytest.fail(missing())
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield browser
        browser.close()


class Person:
    """Somebody with a window and the cookies of one browser profile.

    Attributes:
        context: the profile; further tabs share its cookies.
        page: the first tab.
        complaints: what the browser said is wrong: errors in the console, files that were not found.
    """

    def __init__(self, browser: Any, port: int) -> None:
        self.context = browser.new_context(viewport=dict(zip(("width", "height"), WIDE, strict=True)))
        self.context.set_default_timeout(10_000)
        self.port = port
        self.complaints: list[str] = []
        self.page = self.new_tab()

    def new_tab(self) -> Any:
        """Open a tab."""
        page = self.context.new_page()
        page.on("console", lambda said: said.type == "error" and self._complain(said))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        return page

    def url(self, host: str, path: str = "/") -> str:
        """Return the address of a path at a host below `localhost`, or at the bare one."""
        return f"http://{host + '.' if host else ''}localhost:{self.port}{path}"

    def go(self, host: str, path: str = "/", page: Any = None) -> int:
        """Open a page, and return its HTTP status."""
        return int((page or self.page).goto(self.url(host, path)).status)

    def log_in(self, host: str, username: str, password: str, page: Any = None) -> None:
        """Log in at a help desk; at the bare host, into the platform's admin."""
        page = page or self.page
        self.go(host, "/login/" if host else "/admin/login/?next=/admin/", page)
        page.locator("[name=username]").fill(username)
        page.locator("[name=password]").fill(password)
        self.press(page.locator("[type=submit]"))

    def press(self, what: Any) -> None:
        """Click on a link or button that leads to another page, and wait until that is there."""
        with what.page.expect_navigation():
            what.click()

    def look(self, name: str, page: Any = None) -> None:
        """Check that a page fits a wide and a narrow window, and keep a picture of both where they are asked for."""
        page = page or self.page
        for label, (width, height) in (("wide", WIDE), ("narrow", NARROW)):
            page.set_viewport_size({"width": width, "height": height})
            if SHOTS:
                page.screenshot(path=Path(SHOTS) / f"{name}-{label}.png", full_page=True)
            assert page.evaluate("document.documentElement.scrollWidth") <= width, f"{name} is wider than {width}"
        page.set_viewport_size({"width": WIDE[0], "height": WIDE[1]})

    def _complain(self, said: Any) -> None:
        # Chromium counts the refusals that are looked at here as errors: those of the page itself are meant.
        if not (said.text.startswith("Failed to load resource") and said.location["url"] == self.page.url):
            self.complaints.append(f"{said.text} ({said.location['url']})")
