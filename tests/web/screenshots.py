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
WINDOW: ViewportSize = {"width": 900, "height": 1100}  # of the picture where a number is held
HELD = "conv1.y[2,11,12]"
PAUSE, SLIDE = 1400, 200  # milliseconds of a held number, and of a moved one
MOVES = (0.15, 0.3, 0.45, 0.6, 0.45, 0.3, 0.15, 0.0)  # positions of the slider


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
            animate(browser, file, query, folder / "page-hold.gif")


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


def animate(browser: Browser, file: Path, query: str, target: Path) -> None:
    """Record the picture: an output, three inputs and a weight are held, and a slider moves the weight."""
    page = opened(browser, file, f"#/network/backward?{query}&hold={HELD}", WINDOW)
    scenes: list[tuple[Image.Image, int]] = []
    for side, keys in (("y", ["ArrowRight"]), ("x", ["ArrowRight", "ArrowDown"]), ("w", ["ArrowLeft"])):
        if side != "y":
            page.locator(f'#hold [data-side="{side}"]').click()
        page.locator("#hold .hold-cell.held").first.focus()
        scenes.append((picture(page), PAUSE))
        for key in keys:
            page.keyboard.press(key)
            scenes.append((picture(page), PAUSE))
    slider = page.locator(".hold-slider input")
    for position in MOVES:
        slider.fill(str(position))
        scenes.append((picture(page), SLIDE))
    height = max(scene.height for scene, _ in scenes)
    frames = [Image.new("RGB", (scene.width, height), scene.getpixel((0, 0))) for scene, _ in scenes]
    for frame, (scene, _) in zip(frames, scenes, strict=True):
        frame.paste(scene)
    palette = Image.new("RGB", (frames[0].width, 3 * height))
    for row, frame in enumerate((frames[0], frames[3], frames[-4])):
        palette.paste(frame, (0, height * row))
    colors = palette.quantize(64, Image.Quantize.MAXCOVERAGE)
    reduced = [frame.quantize(palette=colors, dither=Image.Dither.NONE) for frame in frames]
    pauses = [pause for _, pause in scenes]
    reduced[0].save(target, save_all=True, append_images=reduced[1:], duration=pauses, loop=0, optimize=True)


def picture(page: Page) -> Image.Image:
    """Return an image of the picture where a number is held, after its slider has been drawn."""
    page.wait_for_timeout(700)
    page.evaluate("scrollTo(0, 0)")
    return Image.open(io.BytesIO(page.locator("#hold").screenshot())).convert("RGB")


if __name__ == "__main__":
    main()
