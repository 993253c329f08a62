"""Opening and navigating the page of a fixed network."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page


def opened(page: "Page", address: str) -> "Page":
    """Open the page at an address and wait until it is ready."""
    page.set_viewport_size({"width": 1440, "height": 900})
    page.goto(address)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector("#diagram canvas")
    return page


def went(page: "Page", place: str, there: str) -> None:
    """Go to a place of a page that is open and wait for a selector."""
    page.evaluate("place => { location.hash = place; }", place)
    page.wait_for_selector(there)


def number(text: str) -> float:
    """Read a number of the page."""
    return float(text.replace("−", "-").replace(",", ""))


def name_is(cell: str) -> str:
    """Return a selector for the panel of a cell."""
    return f'.computation-name:text-is("{cell}")'


def arrived(page: "Page", place: str) -> None:
    """Wait until the address has this ending."""
    page.wait_for_url(lambda url: url.endswith(place))


def hash_of(page: "Page") -> str:
    return page.evaluate("location.hash")


def point(page: "Page", tensor: str, x: int, y: int) -> str:
    """Return the text shown for the cell of the first map at column x, row y."""
    canvas = page.locator(f'#diagram canvas[data-tensor="{tensor}"]').first
    cell = canvas.evaluate("(canvas) => canvas.parentElement.parentElement.dataset.cell")
    canvas.hover(position={"x": (x + 0.5) * float(cell), "y": (y + 0.5) * float(cell)})
    return page.locator(".diagram-readout").inner_text()


def draw(page: "Page") -> None:
    box = page.locator(".pad-canvas").bounding_box()
    assert box
    middle = box["x"] + box["width"] / 2
    page.mouse.move(middle + 4, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(middle - 4, box["y"] + 170, steps=12)
    page.mouse.up()
