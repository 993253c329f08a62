"""A browser for the tests of the page, and a server of its modules.

The browser is Chromium, run by Playwright. Where there is none, these tests are skipped, or, with
CHAINRULE_BROWSER=required, fail.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from web import looked_at
from web.journey import Journey, journey, numpy_cnn
from web.looked_at import small, stripes
from web.networks import Subject, digits
from web.networks import served as served_page
from web.pages import Browser, BrowserContext, Page, ViewportSize, chromium, watched
from web.site import served

from chainrule.web.session import Session

DESKTOP: ViewportSize = {"width": 1440, "height": 900}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a small data set."""
    return stripes(tmp_path_factory.mktemp("data") / "data.npz")


@pytest.fixture
def session(data: Path) -> Session:
    """Open a session of a small untrained network."""
    return looked_at.opened(small(data))


@pytest.fixture(autouse=True)
def close_sessions() -> Iterator[None]:
    """Close the sessions that a test opened."""
    before = len(looked_at.SESSIONS)
    yield
    while len(looked_at.SESSIONS) > before:
        looked_at.SESSIONS.pop().close()


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """Serve the page of numpy-cnn after some steps of training."""
    with journey(numpy_cnn(tmp_path_factory.mktemp("data")), steps=20) as network:
        yield network


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Start one browser for all tests of the session."""
    with chromium() as browser:
        yield browser


@pytest.fixture(scope="session")
def shared_context(browser: Browser) -> Iterator[BrowserContext]:
    """Open a context for most pages; each further context costs a second of computing, for processes of its own."""
    context = browser.new_context(viewport=DESKTOP)
    context.new_page()  # never closed, so that the process of the pages is kept
    yield context
    context.close()


@pytest.fixture(scope="module")
def context(shared_context: BrowserContext) -> Iterator[BrowserContext]:
    """Return the shared context; its cookies are deleted after each module."""
    yield shared_context
    shared_context.clear_cookies()


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
    with served_page(subject) as address:
        yield address


@pytest.fixture(scope="module")
def opened(context: BrowserContext, address: str) -> Iterator[Page]:
    """Open one page of that network for all tests of a module; no error may go unreported on it."""
    with new_page(context) as page:
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        yield page


@pytest.fixture
def page(context: BrowserContext) -> Iterator[Page]:
    """Open a page; the test fails if an error goes unreported on it."""
    with new_page(context) as page:
        yield page


@pytest.fixture(scope="module")
def modules(context: BrowserContext, site: str) -> Iterator[Page]:
    """Open an empty page from which the modules can be imported: /engine/trace.js, /explain/index.js, …"""
    with new_page(context) as page:
        page.goto(f"{site}/empty")
        yield page


@contextmanager
def new_page(context: BrowserContext) -> Iterator[Page]:
    """Open a page; at the end, close it and fail if an error went unreported on it."""
    with watched(context.new_page()) as page:
        yield page
        page.close()
