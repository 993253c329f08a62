"""The screenshots in the README: `make screenshots`, with a trained run; needs Chromium and Playwright.

PYTHONPATH=tests python tests/web/screenshots.py RUN docs/pictures
"""

import io
import sys
import tempfile
from pathlib import Path

from PIL import Image
from web.conftest import DESKTOP
from web.pages import PATIENCE, Browser, Page, ViewportSize, chromium

from chainrule.web import single_file, subjects

TALL: ViewportSize = {"width": 1440, "height": 1150}  # shows the whole computation at once


def main() -> None:
    """Take both."""
    run, folder = Path(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "page.html"
        single_file.write(file, subjects.of_path(run))
        with chromium() as browser:
            weight, query = start(browser, file)
            cell = weight.replace(".w[", ".dw[")
            page = opened(browser, file, f"#/network/backward/{cell}?{query}", TALL)
            save(scene(page), folder / "page-cell.png")
            sheet(browser, folder / "page-sheet.png")


def opened(browser: Browser, file: Path, place: str, size: ViewportSize = DESKTOP) -> Page:
    """Open the page at a place and wait until it is ready."""
    page = browser.new_context(viewport=size, device_scale_factor=1.5, color_scheme="light").new_page()
    page.set_default_timeout(PATIENCE)
    page.goto(file.as_uri() + place)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(1500)
    return page


def start(browser: Browser, file: Path) -> tuple[str, str]:
    """Return the weight that the page opens on, and its address's query without the weight."""
    page = opened(browser, file, "")
    page.wait_for_selector(".story-cause")
    query, _, weight = page.evaluate("location.hash").partition("?")[2].partition("&why=")
    return weight, query


def scene(page: Page) -> Image.Image:
    """Return an image of the panel from its top to the sum."""
    page.evaluate("scrollTo(0, scrollY + document.querySelector('#computation').getBoundingClientRect().top - 60)")
    top = page.locator("#computation").bounding_box()
    end = page.locator(".computation-show").bounding_box()
    clip = {**top, "height": end["y"] + end["height"] - top["y"] + 8}
    return Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")


def save(image: Image.Image, target: Path) -> None:
    """Write a small PNG."""
    image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


def sheet(browser: Browser, target: Path) -> None:
    """Take a picture of the sheet of the network that fits on one, at the gradient of its weight."""
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "sheet.html"
        single_file.write(file, subjects.of_name("one-sheet"))
        page = opened(browser, file, "")
        page.locator(".sheet-marks button[title*='gradient']").click()
        page.wait_for_timeout(500)
        save(Image.open(io.BytesIO(page.locator("#sheet").screenshot())), target)


if __name__ == "__main__":
    main()
