"""The page judged by axe-core (npm), view by view, on a desktop and on a phone, by day and by night."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from web import train_served

from chainrule.web import single_file
from chainrule.web.session import Session

if TYPE_CHECKING:
    from playwright.sync_api import Browser

AXE = Path(__file__).parents[2] / "node_modules" / "axe-core" / "axe.min.js"
PLACES = {
    "forward": "#/network/forward",
    "backward": "#/network/backward/conv1.dw[3,0,0,2]?sample=3",
    "pooling": "#/network/forward/pool1.y[1,2,3]",
    "update": "#/network/update/dense1.w.update[3,5]",
    "lab": "#/lab",
    "walk": "#/walk/4",
}
SIZES = {"desktop": (1440, 900), "phone": (390, 844)}


@pytest.fixture(scope="module")
def axe() -> str:
    """The source of axe-core."""
    if not AXE.is_file():
        reason = "axe-core is not installed (make node_modules/.installed)"
        (pytest.fail if os.environ.get("CHAINRULE_BROWSER") == "required" else pytest.skip)(reason)
    return AXE.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The address of a self-contained file of a network before its first step."""
    session = Session(train_served.subject())
    try:
        session.loaded.wait()
        path: Path = tmp_path_factory.mktemp("file") / "page.html"
        path.write_bytes(single_file.made(session))
    finally:
        session.close()
    return path.as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [*SIZES])
@pytest.mark.parametrize("view", [*PLACES])
def test_axe_finds_nothing(browser: "Browser", axe: str, file: str, view: str, size: str, scheme: Any) -> None:
    width, height = SIZES[size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    try:
        page.goto(file + PLACES[view])
        page.wait_for_selector("html[data-ready]", timeout=20_000)
        page.wait_for_timeout(300)
        page.evaluate(axe)
        found = page.evaluate("async () => (await axe.run()).violations")
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    finally:
        context.close()
    assert [f"{each['id']}: {node['html'][:160]}" for each in found for node in each["nodes"]] == []
    assert wide <= 0, "the page scrolls sideways"
