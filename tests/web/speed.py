"""Speed of the page: `make page-speed`; needs Chromium and Playwright. Not a test, as a busy machine varies.

PYTHONPATH=tests python tests/web/speed.py [RUN]     without a RUN numpy-cnn before its first step
"""

import math
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from web.conftest import DESKTOP
from web.pages import Browser, Page, chromium, entered
from web.serving import in_a_process

from chainrule.web import single_file, subjects

TIMES = 5
FRAME = 1000 / 60
LATE = 1.5 * FRAME  # a frame that took longer skipped one
OPENED = """new MutationObserver((_, watching) => {
  window.readyAt = performance.now();
  watching.disconnect();
}).observe(document, { attributes: true, subtree: true, attributeFilter: ["data-ready"] });"""
FRAMES = """() => {
  window.frameTimes = [];
  let last = performance.now();
  const frame = (now) => { window.frameTimes.push(now - last); last = now; requestAnimationFrame(frame); };
  requestAnimationFrame(frame);
}"""


def main() -> None:
    """Print all tables."""
    words = sys.argv[1:] or ["--model", "numpy-cnn"]
    subject = subjects.of_path(Path(words[0])) if sys.argv[1:] else subjects.of_name("numpy-cnn")
    with tempfile.TemporaryDirectory() as scratch, chromium() as browser:
        file = Path(scratch) / "page.html"
        single_file.write(file, subject)
        with in_a_process(Path.cwd(), *words, engine="compiled") as served:
            report(browser, served.address, file.as_uri())


def report(browser: Browser, address: str, file: str) -> None:
    """Measure everything and print two tables."""
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; best and median of {TIMES}\n")
    print(f"{'opening, ms':<28}{'best':>8}{'median':>8}")
    for name, opened, again in (("served", address, False), ("served, again", address, True), ("file", file, False)):
        times = sorted(opening(browser, opened, again=again) for _ in range(TIMES))
        print(f"{name:<28}{times[0]:>8.0f}{times[len(times) // 2]:>8.0f}")
    print(f"\n{'frames':<28}{'a second':>9}{'longest':>9}{'left out':>9}   (best of {TIMES})")
    page = entered(browser.new_page(viewport=DESKTOP), address)
    page.evaluate(FRAMES)
    for name, act in ACTS.items():
        count, longest, late = min((frames(page, act) for _ in range(TIMES)), key=lambda measured: measured[::-1])
        print(f"{name:<28}{count:>9.1f}{longest:>6.0f} ms{late:>9.1%}")
    page.close()


def opening(browser: Browser, address: str, *, again: bool) -> float:
    """Return the milliseconds from navigation until the page reports that it is ready; again: with a warm cache."""
    context = browser.new_context(viewport=DESKTOP)
    context.add_init_script(OPENED)
    page = context.new_page()
    for _ in range(2 if again else 1):
        page.goto("about:blank")
        page.goto(address)
        page.wait_for_function("() => window.readyAt")
    milliseconds: float = page.evaluate("window.readyAt")
    context.close()
    return milliseconds


def frames(page: Page, act: Callable[[Page], None]) -> tuple[float, float, float]:
    """Return frames per second during an action, the longest frame in milliseconds, and the share of skipped frames."""
    page.wait_for_timeout(300)
    page.evaluate("window.frameTimes.length = 0")
    act(page)
    times: list[float] = page.evaluate("window.frameTimes.slice(1)")
    late = sum(round(time / FRAME) - 1 for time in times if time > LATE)
    return 1000 * len(times) / sum(times), max(times), late / (len(times) + late)


# ------------------------------------------------------------------------------------------------ what is done


def nothing(page: Page) -> None:
    """Do nothing, to measure the machine's limit."""
    page.wait_for_timeout(1500)


def moved(page: Page, selector: str, curve: Callable[[int], tuple[float, float]], *, pressed: bool = False) -> None:
    """Move the pointer over an element along a curve of shares of its width and height."""
    element = page.locator(selector).first
    element.scroll_into_view_if_needed()
    box = element.bounding_box()
    for k in range(150):
        x, y = curve(k)
        page.mouse.move(box["x"] + box["width"] * x, box["y"] + box["height"] * y)
        if pressed and not k:
            page.mouse.down()
    page.mouse.up()


def hover(tensor: str) -> Callable[[Page], None]:
    """Move the pointer over the maps of a tensor."""

    def act(page: Page) -> None:
        page.evaluate("location.hash.includes('/network') || (location.hash = '#/network?sample=0')")
        place = f'#diagram canvas[data-tensor="{tensor}"]'
        moved(page, place, lambda k: (0.5 + 0.45 * math.sin(k / 9), 0.5 + 0.45 * math.cos(k / 7)))

    return act


def draw(page: Page) -> None:
    """Draw a curve on the pad; the output follows."""
    moved(page, ".pad-canvas", lambda k: (0.5 + 0.35 * math.sin(k / 12), 0.5 + 0.35 * math.cos(k / 17)), pressed=True)


def nudge(page: Page) -> None:
    """Drag the slider of a weight to and fro."""
    page.evaluate("location.hash = '#/network?image=0&step=0&why=conv1.w[0,0,1,1]&stop=1'")
    page.wait_for_selector(".sheet-marks button")
    page.locator(".sheet-marks button").nth(-3).click()
    page.wait_for_selector(".sheet-side input")
    page.wait_for_timeout(500)
    page.evaluate("window.frameTimes.length = 0")
    moved(page, ".sheet-side input", lambda k: (0.5 + 0.4 * math.sin(k / 15), 0.5), pressed=True)


ACTS: dict[str, Callable[[Page], None]] = {
    "nothing": nothing,
    "hovering over conv1.y": hover("conv1.y"),
    "hovering over conv2.y": hover("conv2.y"),
    "hovering over conv2.w": hover("conv2.w"),
    "hovering over dense1.y": hover("dense1.y"),
    "drawing": draw,
    "moving a weight": nudge,
}

if __name__ == "__main__":
    main()
