"""The page checked with axe-core (npm): all views, desktop and phone, light and dark."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from web.journey import numpy_cnn, written
from web.networks import branching, served
from web.pages import Browser, absent, name_is, watched, went

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
# From the top, so that nothing lies half below the head: finish all animations, and draw the frame after the next.
STILL = """async () => {
  scrollTo(0, 0);
  const frame = () => new Promise((done) => requestAnimationFrame(done));
  await frame();
  await Promise.allSettled(document.getAnimations().map((each) => each.finished));
  await frame();
}"""
FOUND = """async () => {
  const { violations } = await axe.run({ resultTypes: ["violations"], rules: { "target-size": { enabled: true } } });
  const found = violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
  const wide = document.documentElement.scrollWidth - innerWidth;
  return wide > 0 ? [...found, `the page scrolls sideways by ${wide}`] : found;
}"""


PLACES = {  # place: selector that appears once it is shown
    "forward": ("#/network/forward", ".diagram-track[data-phase=forward]"),
    "backward": ("#/network/backward/conv1.dw[3,0,0,2]?sample=3", name_is("conv1.dw[3,0,0,2]")),
    "pooling": ("#/network/forward/pool1.y[1,2,3]", name_is("pool1.y[1,2,3]")),
    "update": ("#/network/update/dense1.w.update[3,5]", name_is("dense1.w.update[3,5]")),
    "question": ("#/network?image=0&step=0&why=conv1.w[0,0,1,1]", ".story-cause"),
    "first stop": ("#/network?sample=1&stop=1", ".sheet-where:text-matches('^1 of')"),
    "turned": ("#/network?image=0&step=0&why=conv1.w[0,0,1,1]&stop=14", ".sheet-tables"),
    "lecture": ("#/network/backward/conv1.dw[0,0,1,1]?sample=1&hall", "html[data-hall] .computation-panel"),
    "lecture stop": ("#/network?sample=1&stop=2&hall", "html[data-hall] .sheet-where:text-matches('^2 of')"),
    "held input": ("#/network?sample=1&hold=relu1.y[2,5,6]", ".sheet-cell[aria-pressed=true]"),
    "held weight": ("#/network?sample=1&hold=conv2.w[3,2,1,1]", ".sheet-cell[aria-pressed=true]"),
}
BRANCHES = {
    "forward": ("#/network/forward", ".diagram-track[data-phase=forward]"),
    "sum": ("#/network/backward/add1.dy[0,2,3]", name_is("add1.dy[0,2,3]")),
}
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
each_look = pytest.mark.parametrize(
    ("size", "scheme"),
    [
        *(("desktop", "light"), ("phone", "dark")),
        *(pytest.param(*look, marks=pytest.mark.thorough) for look in (("desktop", "dark"), ("phone", "light"))),
    ],
)


@pytest.fixture(scope="module")
def axe() -> str:
    """Return the source of axe-core."""
    if not AXE.is_file():
        absent("axe-core is not installed (make node_modules/.installed)")
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Write a self-contained file of an untrained network; return its address."""
    folder = tmp_path_factory.mktemp("file")
    return written(folder / "page.html", numpy_cnn(folder))


@pytest.fixture(scope="module")
def branched() -> Iterator[str]:
    """Serve the page of a network that branches."""
    with served(branching(1)) as address:
        yield address


@each_look
def test_axe_finds_nothing(browser: Browser, axe: str, file: str, size: str, scheme: Any) -> None:
    assert troubles(browser, axe, file, PLACES, size, scheme) == {}


def test_axe_finds_nothing_in_branches(browser: Browser, axe: str, branched: str) -> None:
    assert troubles(browser, axe, branched, BRANCHES, "phone", "light") == {}


def troubles(
    browser: Browser, axe: str, address: str, places: dict[str, tuple[str, str]], size: str, scheme: Any
) -> dict[str, list[str]]:
    """Return what axe finds at each of these places of a page, where it finds anything."""
    width, height = SIZES[size]
    touch = size == "phone"  # where controls are larger
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme, has_touch=touch)
    context.set_offline(address.startswith("file:"))
    trouble: dict[str, list[str]] = {}
    with watched(context.new_page()) as page:
        page.goto(address)
        page.wait_for_selector("html[data-ready]")
        page.evaluate(axe)
        for name, (place, there) in places.items():
            went(page, place, there)
            page.evaluate(STILL)
            trouble[name] = page.evaluate(FOUND)
    context.close()
    assert [*trouble] == [*places]
    return {place: violations for place, violations in trouble.items() if violations}
