"""The site that `make site` has built, in Chromium without a network: CHAINRULE_SITE names its folder.

The sections are read from their sources, so that a page that no section lists is found without building anything.
"""

import html
import inspect
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from web.pages import Browser, Page, absent, watched

import chainrule
from chainrule import sklearn

ROOT = Path(__file__).parents[2]
SECTIONS = [file.stem for file in (ROOT / "site").glob("*.md")]
BUILT = os.environ.get("CHAINRULE_SITE")
SITE = Path(BUILT or "build/site").resolve()
WINDOWS = [("light", (1280, 900)), ("dark", (390, 844))]
SEARCHES = {
    "fit": "site/api/models.html#chainrule.Sequential.fit",
    **dict.fromkeys(["early stopping", "EarlyStopping", "patience"], "docs/training.html#early-stopping"),
}
# pixels by which the text is wider than its column (headings: 8), scrolled boxes, pixels between rows of an equation
MEASURED = """() => {
  const article = document.querySelector("article") ?? document.body;
  const boxes = [...article.querySelectorAll(".equation, .table-wrapper")];
  const wide = boxes.filter((box) => box.scrollWidth > box.clientWidth + 1);
  const range = (places) => Math.max(...places) - Math.min(...places);
  const aligned = [...article.querySelectorAll('mtable[columnalign="right left"]')].map(({ children }) =>
    range([...children].map(({ firstElementChild: cell }) => cell.firstElementChild.getBoundingClientRect().right)));
  const excess = Math.max(article.scrollWidth - article.clientWidth, document.documentElement.scrollWidth - innerWidth);
  return [excess - 8, wide.map((e) => e.textContent.trim().slice(0, 40)), Math.max(0, ...aligned)];
}"""
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
FOUND = """async () => {
  const { violations } = await axe.run({ preload: false, iframes: false, resultTypes: ["violations"] });
  return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
}"""
needs_site = pytest.mark.skipif(BUILT is None, reason="make site builds the site and runs these tests")


def listed(section: str) -> list[str]:
    """Return the pages listed in a section."""
    text = (ROOT / "site" / f"{section}.md").read_text(encoding="utf-8")
    return re.findall(r"^\.\./([\w/-]+): \S", text, flags=re.M)


def test_every_page_is_in_exactly_one_section() -> None:
    pages = [file.relative_to(ROOT).with_suffix("").as_posix() for file in (ROOT / "docs").rglob("*.md")]
    pages = [page for page in pages if not page.startswith(("docs/course/slides/", "docs/course/exercises/"))]
    sections = {page: [name for name in SECTIONS if page in listed(name)] for page in pages}
    assert {page: names for page, names in sections.items() if len(names) != 1} == {}


@contextmanager
def offline(browser: Browser, scheme: str, size: tuple[int, int]) -> Iterator[Page]:
    """Open a page without a network; it may ask for nothing but files, and report no error."""
    wide, high = size
    context = browser.new_context(color_scheme=scheme, viewport={"width": wide, "height": high})  # pyright: ignore
    context.set_offline(True)
    addresses: list[str] = []
    with watched(context.new_page()) as page:
        page.on("request", lambda request: addresses.append(request.url))
        yield page
    context.close()
    assert [address for address in addresses if address.startswith(("http", "ws"))] == []


@needs_site
@pytest.mark.parametrize(("scheme", "size"), WINDOWS)
def test_the_first_page_and_the_search(browser: Browser, scheme: str, size: tuple[int, int]) -> None:
    with offline(browser, scheme, size) as page:
        page.goto(f"{SITE.as_uri()}/index.html")
        frame = page.frame_locator("iframe")
        frame.locator(".sheet-cell.thread").first.wait_for()
        assert frame.locator(".sheet-marks button").count() > 10  # the stops
        assert page.evaluate("scrollY") == 0  # what is embedded does not scroll the page
        light = page.evaluate("getComputedStyle(document.body).backgroundColor.match(/\\d+/g)[0] > 127")
        assert light == (scheme == "light")
        for place in page.locator(".door a").evaluate_all("all => all.map((door) => door.getAttribute('href'))"):
            page.goto(f"{SITE.as_uri()}/{place}")
            assert page.locator("article a").count() > 3
        for query, place in SEARCHES.items():
            page.goto(f"{SITE.as_uri()}/search.html?q={query}")
            first = page.locator("#search-results li a").first
            first.wait_for()
            assert (first.get_attribute("href") or "").partition("?")[0].endswith(place)


@needs_site
def test_nothing_is_wider_than_its_column(browser: Browser) -> None:
    """Equations and tables may scroll on small screens only, and aligned equations are aligned."""
    page = browser.new_context(java_script_enabled=False).new_page()
    wide: dict[str, list[object]] = {}
    for file in sorted(SITE.rglob("*.html")):
        if not {"_static", "slides", "source"} & {*file.parts}:
            page.goto(file.as_uri())
            for width in (390, 1024, 1440):
                page.set_viewport_size({"width": width, "height": 1000})
                excess, scrolled, shift = page.evaluate(MEASURED)
                if excess > 1 or shift > 1 or (scrolled and width == 1440):
                    wide[f"{file.relative_to(SITE)} at {width}"] = [excess, scrolled, shift]
    page.context.close()
    assert wide == {}


def audited() -> list[Path]:
    """Return all pages, but of those that show source files, which differ only in their code, one for each language."""
    pages, languages = list[Path](), set[str]()
    for file in sorted(SITE.rglob("*.html")):
        language = Path(file.stem).suffix if "source" in file.parts else ""
        if "_static" in file.parts or language in languages:
            continue
        pages.append(file)
        if language:
            languages.add(language)
    return pages


@needs_site
def test_axe_finds_nothing_on_any_page(browser: Browser) -> None:
    if not AXE.is_file():
        absent("axe-core is not installed (make node_modules/.installed)")
    axe, found = AXE.read_text(encoding="utf-8"), dict[str, list[str]]()
    with offline(browser, "light", (1280, 900)) as page:
        for file in audited():
            page.goto(file.as_uri())
            if "live" in file.parts:
                page.wait_for_selector("html[data-ready]")
            page.evaluate(axe)
            if violations := page.evaluate(FOUND):
                found[file.relative_to(SITE).as_posix()] = violations
    assert found == {}


@needs_site
def test_no_page_loads_anything_from_elsewhere() -> None:
    loaded = re.compile(r"""<(?:script|link|img|iframe|source|video)\b[^>]*?(?:src|href)=["'](?:https?:)?//[^"']*""")
    imported = re.compile(r"url\(.?(https?:)?//|@import")
    for kind, pattern in (("html", loaded), ("css", imported)):
        files = [file for file in SITE.rglob(f"*.{kind}") if pattern.search(file.read_text(encoding="utf-8"))]
        assert files == []


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


def methods(cls: type) -> set[str]:
    """Return the documented public methods and properties that a class has from this library."""
    bases = [base for base in cls.__mro__ if base.__module__.startswith("chainrule")]
    kinds = (property, classmethod, staticmethod)
    return {
        name
        for base in bases
        for name, value in vars(base).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or isinstance(value, kinds))
        and inspect.getdoc(value)
    }


@needs_site
def test_every_public_name_and_method_is_documented() -> None:
    inventory = zlib.decompress((SITE / "objects.inv").read_bytes().split(b"zlib.\n", 1)[1]).decode()
    documented = set(re.findall(r"^(chainrule\S*) py:", inventory, re.M))
    public = {f"chainrule.{name}": getattr(chainrule, name) for name in chainrule.__all__ if name != "__version__"}
    public |= {f"chainrule.sklearn.{name}": getattr(sklearn, name) for name in sklearn.__all__}
    assert [name for name in public if name not in documented] == []
    members = {tuple(name.split(".")[-2:]) for name in documented}
    for name, value in public.items():
        if inspect.isclass(value):
            is_model = value in (chainrule.Sequential, chainrule.Graph)  # their base classes are not public
            owners = [base.__name__ for base in ([value] if is_model else value.__mro__)]
            missing = [each for each in methods(value) if not any((owner, each) in members for owner in owners)]
            assert (name, missing) == (name, [])
