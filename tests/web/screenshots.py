"""The pictures of the page in the README: `make screenshots`, with a trained run; needs Chromium and Playwright.

python tests/web/screenshots.py RUN docs/pictures
"""

import io
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

from chainrule.web import single_file, subjects

SIZE = {"width": 1280, "height": 800}
SAMPLE = 18  # a 3 that the network is not sure of, so that its gradients can be seen
CELL = "conv2.dw[3,1,0,2]"
ROTATED = "relu1.dy[3,8,9]"
FRAMES, PAUSE = 60, 90  # of the animation; milliseconds
SCENE_WIDTH = 860


def main() -> None:
    """Take all three."""
    run, folder = Path(sys.argv[1]), Path(sys.argv[2])
    with tempfile.TemporaryDirectory() as scratch:
        file = Path(scratch) / "page.html"
        single_file.write(file, subjects.of_path(run))
        with chromium() as browser:
            take(browser, file, f"#/network/backward?sample={SAMPLE}", folder / "page-network.png")
            take(browser, file, f"#/network/backward/{CELL}?sample={SAMPLE}", folder / "page-cell.png", "#made")
            animate(browser, file, f"#/network/backward/{ROTATED}?sample={SAMPLE}", folder / "page-made.gif")


@contextmanager
def chromium() -> Iterator[Browser]:
    """The browser."""
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
        yield browser
        browser.close()


def opened(browser: Browser, file: Path, place: str) -> Page:
    """The page at a place, ready."""
    page = browser.new_context(viewport=SIZE, device_scale_factor=1.5, color_scheme="light").new_page()
    page.goto(file.as_uri() + place)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_timeout(1500)
    return page


def take(browser: Browser, file: Path, place: str, target: Path, part: str | None = None) -> None:
    """One picture of the page, or of a part of it."""
    page = opened(browser, file, place)
    shot = page.locator(part).screenshot() if part else page.screenshot()
    save(Image.open(io.BytesIO(shot)), target)
    page.context.close()


def save(image: Image.Image, target: Path) -> None:
    """A small PNG."""
    image.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(target, optimize=True)


def animate(browser: Browser, file: Path, place: str, target: Path) -> None:
    """The number being made, from its first product to its sum."""
    page = opened(browser, file, place)
    made = page.locator("#made")
    made.scroll_into_view_if_needed()
    page.keyboard.press("Home")
    made.get_by_role("button", name="Play").click()
    shots: list[Image.Image] = []
    for _ in range(FRAMES):
        shots.append(Image.open(io.BytesIO(made.screenshot())).convert("RGB"))
        page.wait_for_timeout(PAUSE)
    page.context.close()
    height = round(shots[0].height * SCENE_WIDTH / shots[0].width)
    frames = [shot.resize((SCENE_WIDTH, height), Image.Resampling.LANCZOS) for shot in shots]
    palette = frames[-1].quantize(64)
    reduced = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    reduced[0].save(target, save_all=True, append_images=reduced[1:], duration=PAUSE * 2, loop=0, optimize=True)


if __name__ == "__main__":
    main()
