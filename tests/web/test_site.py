"""The site that `make site` has built, in Chromium without a network: CHAINRULE_SITE names its folder.

The sections are read from their sources, so that a page that no section lists is found without building anything.
"""

import html
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import chainrule

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROOT = Path(__file__).parents[2]
SECTIONS = ("learn", "use", "inside")
BUILT = os.environ.get("CHAINRULE_SITE")
SITE = Path(BUILT or "build/site").resolve()
WINDOWS = [("light", (1280, 900)), ("dark", (390, 844))]
needs_site = pytest.mark.skipif(BUILT is None, reason="make site builds the site and runs these tests")


def listed(section: str) -> list[str]:
    """Return the patterns in the tables of contents of a section."""
    text = (ROOT / "site" / f"{section}.md").read_text(encoding="utf-8")
    return re.findall(r"^\.\./([\w/*?-]+)$", text, flags=re.M)


def test_every_page_is_in_exactly_one_section() -> None:
    pages = [file.relative_to(ROOT).with_suffix("").as_posix() for file in (ROOT / "docs").rglob("*.md")]
    pages = [page for page in pages if not page.startswith(("docs/course/slides/", "docs/course/exercises/"))]
    found = {page: [name for name in SECTIONS if any(fnmatch(page, each) for each in listed(name))] for page in pages}
    assert {page: names for page, names in found.items() if len(names) != 1} == {}


@contextmanager
def offline(browser: "Browser", scheme: str, size: tuple[int, int]) -> "Iterator[Page]":
    """Open a page without a network; it may ask for nothing but files, and report no error."""
    wide, high = size
    context = browser.new_context(color_scheme=scheme, viewport={"width": wide, "height": high})  # pyright: ignore
    context.set_offline(True)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda asked: wrong.append(asked.url) if asked.url.startswith(("http", "ws")) else None)
    yield page
    context.close()
    assert wrong == []


@needs_site
@pytest.mark.parametrize(("scheme", "size"), WINDOWS)
def test_the_first_page_and_the_search(browser: "Browser", scheme: str, size: tuple[int, int]) -> None:
    with offline(browser, scheme, size) as page:
        page.goto(f"{SITE.as_uri()}/index.html")
        frame = page.frame_locator("iframe")
        frame.locator(".computation-value").wait_for()
        assert frame.locator(".computation-name").first.inner_text() == "conv1.dw[0,0,1,1]"
        assert page.evaluate("scrollY") == 0  # what is embedded does not scroll the page
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        light = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] > 127")
        assert light == (scheme == "light")
        doors = page.locator(".door a")
        assert doors.all_inner_texts() == ["Learn", "Use", "API", "Inside"]
        places = [doors.nth(k).get_attribute("href") or "" for k in range(4)]
        for place in places:
            page.goto(f"{SITE.as_uri()}/{place}")
            assert page.locator("article a").count() > 3
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        page.goto(f"{SITE.as_uri()}/search.html?q=dilation")
        page.locator("#search-results li a").first.wait_for()
        found = page.locator("#search-results li a").all_inner_texts()
        assert any("Convolution" in title for title in found)


@needs_site
@pytest.mark.parametrize(("scheme", "size"), WINDOWS)
def test_equations(browser: "Browser", scheme: str, size: tuple[int, int]) -> None:
    with offline(browser, scheme, size) as page:
        page.goto(f"{SITE.as_uri()}/docs/derivations/convolution.html")
        matrix = page.locator("math mtable").first.bounding_box()
        assert matrix is not None
        assert matrix["height"] > 40  # three rows
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]


@needs_site
def test_no_page_loads_anything_from_elsewhere() -> None:
    loaded = re.compile(r"""<(?:script|link|img|iframe|source|video)\b[^>]*?(?:src|href)=["'](?:https?:)?//[^"']*""")
    found = {
        file.relative_to(SITE).as_posix(): match[0]
        for file in SITE.rglob("*.html")
        for match in loaded.finditer(file.read_text(encoding="utf-8"))
    }
    styles = {file.name for file in SITE.rglob("*.css") if re.search(r"url\(.?(https?:)?//|@import", file.read_text())}
    assert (found, styles) == ({}, set())


@needs_site
def test_every_link_leads_to_a_file_and_to_a_place_in_it() -> None:
    missing: set[tuple[str, str]] = set()
    texts = {file.resolve(): file.read_text("utf-8") for file in SITE.rglob("*.html") if "live" not in file.parts}
    places = {file: {*re.findall(r'\bid="([^"]+)"', text)} for file, text in texts.items()}
    for file, text in texts.items():
        for link in re.findall(r'<(?:a|img|iframe)\b[^>]*?(?:href|src)="([^":]+)"', text):
            path, _, place = html.unescape(link).partition("#")
            target = (file.parent / path.partition("?")[0]).resolve() if path else file
            known = places.get(target)  # None for images, and live pages, whose places are no anchors
            if not target.exists() or (place and known is not None and place not in known):
                missing.add((file.relative_to(SITE).as_posix(), link))
    assert missing == set()


@needs_site
def test_every_public_name_is_documented() -> None:
    pages = "".join(file.read_text("utf-8") for file in (SITE / "site" / "api").glob("*.html"))
    anchors = set(re.findall(r'id="(?:module-)?(chainrule[\w.]*)"', pages))
    places = {name: chainrule.MODULES.get(name, f"chainrule.{name}") for name in chainrule.__all__}
    assert [name for name, place in places.items() if place not in anchors and name != "__version__"] == []
