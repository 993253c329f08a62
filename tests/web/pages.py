"""Pages in tests: opening them, waiting, reading what they show, what they need, and errors that go unreported."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import pytest

try:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Error,
        Locator,
        Page,
        ViewportSize,
        sync_playwright,
    )
except ImportError:  # then tests of the page are skipped
    Browser = BrowserContext = ConsoleMessage = Error = Locator = Page = ViewportSize = Any
    sync_playwright = None

FOCUSED = """() => {
  const at = document.activeElement;
  return at.type === "range" ? "slider" : at.textContent;
}"""
ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--renderer-process-limit=1"),
)
PATIENCE = 120_000  # milliseconds: a busy machine may take many seconds to open a page


@contextmanager
def watched(page: Page) -> Iterator[Page]:
    """Yield the page, patient with a busy machine; at the end, fail if an error was unreported."""
    page.set_default_timeout(PATIENCE)
    wrong: list[str] = []

    def threw(error: Error) -> None:
        wrong.append(str(error))

    def said(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            wrong.append(message.text)

    page.on("pageerror", threw)
    page.on("console", said)
    yield page
    page.remove_listener("pageerror", threw)
    page.remove_listener("console", said)
    assert not wrong, wrong


def absent(reason: str) -> NoReturn:
    """Skip a test of the page where what it needs is absent, or, with CHAINRULE_BROWSER=required, fail."""
    if os.environ.get("CHAINRULE_BROWSER") == "required":
        pytest.fail(f"{reason}, and CHAINRULE_BROWSER=required")
    pytest.skip(f"{reason}: the tests of the page need it")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start the browser."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None or sync_playwright is None:
        absent("no chromium on this machine" if path is None else "playwright is not installed")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=[*ARGUMENTS])
        yield browser
        browser.close()


# ------------------------------------------------------------------------------------------------ opening and waiting


def entered(page: Page, address: str, place: str = "#/network?sample=0") -> Page:
    """Open the page at a place, by default the first image at the newest step, and wait until it is ready."""
    page.goto(address + place)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector("#diagram canvas")
    return page


def visit(page: Page, address: str) -> None:
    """Open the page and wait for the state of training."""
    entered(page, address)
    waited(page, lambda: words(page).get("step"))


def waited(page: Page, true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until a condition holds, while the page keeps running."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, page.inner_text("#train")
        page.wait_for_timeout(20)


def went(page: Page, place: str, there: str) -> None:
    """Go to a place of a page that is open and wait for a selector."""
    page.evaluate("place => { location.hash = place; }", place)
    page.wait_for_selector(there)


def number(text: str) -> float:
    """Read a number of the page."""
    return float(text.replace("−", "-").replace(",", ""))


def name_is(cell: str) -> str:
    """Return a selector for the panel of a cell."""
    return f'.computation-name:text-is("{cell}")'


def arrived(page: Page, place: str) -> None:
    """Wait until the address has this ending."""
    page.wait_for_url(lambda url: url.endswith(place))


def hash_of(page: Page) -> str:
    return page.evaluate("location.hash")


def point(page: Page, tensor: str, x: int, y: int) -> str:
    """Return the text shown for the cell of the first map at column x, row y."""
    canvas = page.locator(f'#diagram canvas[data-tensor="{tensor}"]').first
    cell = canvas.evaluate("(canvas) => canvas.parentElement.parentElement.dataset.cell")
    canvas.hover(position={"x": (x + 0.5) * float(cell), "y": (y + 0.5) * float(cell)})
    return page.inner_text(".diagram-readout")


def draw(page: Page) -> None:
    page.locator(".pad-canvas").scroll_into_view_if_needed()
    box = page.locator(".pad-canvas").bounding_box()
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle + 4, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(middle - 4, box["y"] + 170, steps=12)
    page.mouse.up()


# ------------------------------------------------------------------------------------------------ training


def words(page: Page) -> dict[str, str]:
    """Return the state of training as shown on the page."""
    pairs = page.evaluate("[...document.querySelectorAll('.train-words div')].map((pair) => pair.innerText)")
    return {name: value for name, _, value in (pair.partition("\n") for pair in pairs)}


def step(page: Page) -> int:
    """Return the newest step."""
    return int(page.get_attribute(".train-slider", "max") or 0)


def shown(page: Page) -> int:
    """Return the shown step, or −1 while the page draws it."""
    return int(words(page).get("step", "-1").split(" ")[0].replace(",", ""))


def weight(page: Page, index: tuple[int, ...]) -> float:
    """Return a weight of conv1 at the shown step, by its computation."""
    cell = f"conv1.w[{','.join(map(str, index))}]"
    page.evaluate(
        "cell => { location.hash = location.hash.replace(/#.network[^?]*/, `#/network/forward/${cell}`); }", cell
    )
    page.wait_for_function("cell => document.querySelector('.computation-name')?.textContent === cell", arg=cell)
    page.wait_for_selector("main[aria-busy=false]")
    return number(page.inner_text(".computation-value"))


def tab(page: Page, target: str) -> None:
    """Press Tab until something has the focus: a button by its text, or the slider."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate(FOCUSED) == target:
            return
    raise AssertionError(f"Tab does not lead to {target}")
