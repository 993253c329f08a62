"""A browser for the tests of the page, and a server of its modules.

The browser is Chromium, run by Playwright. Where there is none, these tests are skipped, or, with
CHAINRULE_BROWSER=required, fail.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from web import looked_at
from web.bridge import call
from web.fixed_page import Subject
from web.fixed_page import served as served_page
from web.looked_at import small, stripes
from web.site import served
from web.views.subjects import digits
from web.watching import absent, watched

from chainrule.data import load
from chainrule.errors import DataError
from chainrule.operations import definitions
from chainrule.web.session import Session

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, ViewportSize

DESKTOP: "ViewportSize" = {"width": 1440, "height": 900}
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small data set."""
    return stripes(tmp_path_factory.mktemp("data") / "data.npz")


@pytest.fixture
def session(data: Path) -> Iterator[Session]:
    """Open a session of a small untrained network."""
    session = looked_at.opened(small(data))
    yield session
    session.close()


@pytest.fixture(scope="session")
def mnist() -> None:
    """Load MNIST itself, or skip."""
    try:
        load("mnist", progress=False)
    except DataError as error:
        pytest.skip(f"MNIST is out of reach: {error}")


@pytest.fixture(scope="session")
def browser() -> "Iterator[Browser]":
    """Start one browser for all tests of the session."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        absent("no chromium on this machine")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        absent("playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*ARGUMENTS])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """Serve the page's files and the scripts beside these tests (at /tests/); return the address."""
    with served() as address:
        yield address


@pytest.fixture(scope="module")
def subject() -> Subject:
    """Return a small network of digits."""
    return digits()


@pytest.fixture(scope="module")
def address(subject: Subject) -> Iterator[str]:
    """Serve the page of that network; return the address."""
    with served_page(subject) as found:
        yield found


@pytest.fixture(scope="module")
def opened(browser: "Browser", address: str) -> "Iterator[Page]":
    """Open one page of that network for all tests of a module; no error may go unreported on it."""
    page = browser.new_page(viewport=DESKTOP)
    with watched(page):
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        yield page
        page.close()


@pytest.fixture
def page(browser: "Browser") -> "Iterator[Page]":
    """Open a page; the test fails if an error goes unreported on it."""
    with _page(browser) as page:
        yield page


@pytest.fixture(scope="module")
def modules(browser: "Browser", site: str) -> "Iterator[Page]":
    """Open an empty page from which the modules can be imported: /engine/trace.js, /explain/index.js, …"""
    with _page(browser) as page:
        page.goto(f"{site}/empty")
        call(page, "define", definitions.entries())
        yield page


@contextmanager
def _page(browser: "Browser") -> "Iterator[Page]":
    context = browser.new_context()
    with watched(context.new_page()) as page:
        yield page
        context.close()
