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

ROTATED = "relu1.dy[3,8,9]"
TALL: ViewportSize = {"width": 1440, "height": 1150}  # shows the whole computation at once
TURNING, TERMS = 12, 4  # frames of the kernel's rotation; terms between two frames
PAUSE, LAST = 140, 2500  # milliseconds
SCENE_WIDTH = 900


def main() -> None:
    """Take all three."""
    run, folder = Path(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "page.html"
        single_file.write(file, subjects.of_path(run))
        with chromium() as browser:
            weight, query = start(browser, file)
            cell = weight.replace(".w[", ".dw[")
            page = opened(browser, file, "")
            page.evaluate("document.querySelector('.bench').scrollIntoView()")  # below the picture
            save(Image.open(io.BytesIO(page.screenshot())), folder / "page-network.png")
            page = opened(browser, file, f"#/network/backward/{cell}?{query}", TALL)
            save(scene(page), folder / "page-cell.png")
            animate(browser, file, f"#/network/backward/{ROTATED}?{query}", folder / "page-made.gif")


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
    """Return an image of the panel from its top to the player's buttons."""
    page.evaluate("scrollTo(0, scrollY + document.querySelector('#computation').getBoundingClientRect().top - 60)")
    top = page.locator("#computation").bounding_box()
    end = page.locator(".computation-player").bounding_box()
    clip = {**top, "height": end["y"] + end["height"] - top["y"] + 8}
    return Image.open(io.BytesIO(page.screenshot(clip=clip))).convert("RGB")


def at_the_end(page: Page) -> bool:
    """Return whether the last term has been added: "200 of 200"."""
    done, _, terms = page.inner_text(".computation-player output").partition(" of ")
    return done == terms


def save(image: Image.Image, target: Path) -> None:
    """Write a small PNG."""
    image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


def animate(browser: Browser, file: Path, place: str, target: Path) -> None:
    """Record the computation: the kernel rotates, and one term after the other is added."""
    page = opened(browser, file, place, TALL)
    page.keyboard.press("Home")
    scene(page)  # scrolls there
    page.get_by_role("button", name="show the kernel being rotated").click()
    scenes = [scene(page) for _ in range(TURNING)]
    page.mouse.click(5, 100)
    while not at_the_end(page):
        for _ in range(TERMS):
            page.keyboard.press("ArrowRight")
        scenes.append(scene(page))
    height = round(scenes[0].height * SCENE_WIDTH / scenes[0].width)
    frames = [each.resize((SCENE_WIDTH, height), Image.Resampling.LANCZOS) for each in scenes]
    colours = Image.new("RGB", (SCENE_WIDTH, height * 3))
    for row, frame in enumerate((frames[0], frames[len(frames) // 2], frames[-1])):
        colours.paste(frame, (0, height * row))
    palette = colours.quantize(256, Image.Quantize.MAXCOVERAGE)
    reduced = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    pauses = [PAUSE] * (len(reduced) - 1) + [LAST]
    reduced[0].save(target, save_all=True, append_images=reduced[1:], duration=pauses, loop=0, optimize=True)


if __name__ == "__main__":
    main()
