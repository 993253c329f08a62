"""A browser for the tests of the page, and a server of its modules.

The browser is Chromium, run by Playwright. Where there is none, these tests are skipped, or, with
CHAINRULE_BROWSER=required, fail.
"""

import os
import shutil
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from web.site import served

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """One browser for all tests of the session."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        _without("no chromium on this machine")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _without("playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """The address of a server of the page's files and of the scripts beside these tests (at /tests/)."""
    with served() as address:
        yield address


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """A page; the test fails when something went wrong on it unseen."""
    yield from _watched(browser)


@pytest.fixture(scope="module")
def modules(browser: "Browser", site: str) -> "Iterator[Page]":
    """An empty page from which the modules can be imported: /engine/trace.js, /explain/index.js, …"""
    for page in _watched(browser):
        page.goto(f"{site}/empty")
        yield page


def _watched(browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context()
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type in ("error", "warning") else None)
    yield page
    context.close()
    assert not wrong


def _without(reason: str) -> Any:
    if os.environ.get("CHAINRULE_BROWSER") == "required":
        pytest.fail(f"{reason}, and CHAINRULE_BROWSER=required")
    pytest.skip(f"{reason}: the tests of the page need one")
