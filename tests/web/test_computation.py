"""The computation of a value: the page shows the same as Python, and all links work."""

from collections.abc import Callable, Iterator

import numpy as np
import pytest
from explain.networks import explained
from web.conftest import DESKTOP
from web.networks import Subject, find_subject, plain, served
from web.pages import Page, number

from chainrule.explain import Explanation

SAMPLE = 1
Show = Callable[..., Page]
PLAIN = plain()
PART = "parts => document.activeElement.closest(parts)?.className ?? ''"
PARTS = [f"computation-{name}" for name in ("likes", "onward", "term-room")]
CLIPPED = """() => [...document.querySelectorAll(".computation-square, .computation-chain td")]
  .filter((cell) => cell.checkVisibility({ visibilityProperty: true }) && cell.scrollWidth > cell.clientWidth + 1)
  .filter((cell) => getComputedStyle(cell.firstElementChild ?? cell).visibility !== "hidden")
  .map((cell) => cell.textContent)"""
SHOWS = """cell => document.querySelector(".computation-name")?.textContent === cell
  && document.querySelector("main[aria-busy=false]") !== null"""  # with the numbers of the image in the address
SO_FAR = ".computation-so-far"
PATH = ".computation-path-cells li"


@pytest.fixture(scope="module")
def subject() -> Subject:
    return PLAIN


def go(page: Page, address: str, cell: str, phase: str = "backward") -> None:
    """Open the address of a cell, in a page that may already be open."""
    place = f"#/network/{phase}/{cell}?sample={SAMPLE}"
    if page.url.startswith(address.partition("?")[0]):
        page.evaluate("place => { location.hash = place; document.activeElement?.blur(); }", place)
    else:
        page.goto(address + place)
    page.wait_for_function(SHOWS, arg=cell)


@pytest.fixture
def show(opened: Page, address: str) -> Show:
    """Return a function that shows a cell on the page that is open, and returns the page."""

    def shown(cell: str, phase: str = "backward") -> Page:
        go(opened, address, cell, phase)
        return opened

    return shown


def value(page: Page) -> str:
    return page.inner_text(".computation-value")


def texts(page: Page, selector: str) -> list[str]:
    return page.locator(selector).all_inner_texts()


def printed(page: Page, selector: str) -> list[float]:
    return [number(text) for text in texts(page, selector)]


def near(values: object) -> object:
    """Return what numbers with three significant digits are compared with."""
    return pytest.approx(values, rel=5e-3, abs=1e-6)


# ------------------------------------------------------------------------------------------------ every kind of cell


@pytest.mark.parametrize(
    "name", ["plain", "first-pool", "half_squared_error", pytest.param("rich", marks=pytest.mark.thorough)]
)
def test_a_cell_of_every_kind_is_printed_as_python_prints_it(page: Page, name: str) -> None:
    subject = PLAIN if name == "plain" else find_subject(name)
    differing: dict[str, tuple[str, set[str]]] = {}
    with served(subject) as address:
        for explanation in one_of_each_kind(subject):
            go(page, address, explanation.cell)
            shown = {value(page), *texts(page, SO_FAR)[-1:]}
            if shown != {explanation.shown}:
                differing[explanation.cell] = (explanation.shown, shown)
            assert page.locator("math.plain").count() == 0, explanation.cell
        page.goto("about:blank")
    assert not differing


def one_of_each_kind(subject: Subject) -> list[Explanation]:
    """Draw a random cell of one tensor for each operation and each role of a tensor in it."""
    cells = [each for each in explained(subject.trace(SAMPLE)) if each.tensor != "dx"]  # which only Python's trace has
    return list({(each.operation, *each.tensor.split(".")[1:]): each for each in cells}.values())


# ------------------------------------------------------------------------------------------------ walking


def test_a_number_is_followed_upstream_and_back(show: Show) -> None:
    show("conv1.b[0]", "forward")
    page = show("conv2.dw[3,1,0,2]")  # chosen elsewhere, it begins a new path
    page.evaluate("document.querySelector('details.computation-fold').open = true")
    factor = page.locator(".computation-term-factor a").first
    followed, text = (factor.get_attribute("title") or "").partition(" = ")[0], factor.inner_text()
    factor.click()
    page.wait_for_function(SHOWS, arg=followed)
    assert value(page) == text
    assert str(followed) in page.evaluate("decodeURI(location.hash)")
    assert texts(page, PATH) == ["conv2.dw[3,1,0,2]", followed]
    page.get_by_role("button", name="Back along the path").click()
    page.wait_for_function(SHOWS, arg="conv2.dw[3,1,0,2]")
    assert texts(page, PATH) == ["conv2.dw[3,1,0,2]"]
    page.locator(".computation-likes").get_by_text("after the step").click()
    page.wait_for_function(SHOWS, arg="conv2.w.update[3,1,0,2]")
    assert "/update/" in page.url


def test_links_lead_on_to_the_loss(show: Show) -> None:
    page = show("conv1.y[2,3,4]", "forward")
    passed: list[str] = []
    while page.inner_text(".computation-name") != "loss.y":
        onward = page.locator(".computation-onward a").first
        cell = (onward.get_attribute("title") or "").split(", the")[0]
        onward.click()
        page.wait_for_function(SHOWS, arg=cell)
        passed.append(cell.split(".")[0])
    assert passed == ["relu1", "conv2", "relu2", "pool1", "dense1", "loss"]


# ------------------------------------------------------------------------------------------------ pictures


def titles(page: Page, grid: int) -> list[float]:
    """Return the values of a grid, row by row, from their titles."""
    squares = page.locator(".computation-products .computation-grid").nth(grid).locator(".computation-square")
    return [number(text.rpartition("= ")[2]) for text in squares.evaluate_all("all => all.map((each) => each.title)")]


def test_patch_and_kernel_hold_the_numbers_of_the_term(show: Show) -> None:
    """The kernel of the input's gradient is shown rotated."""
    trace = PLAIN.trace(SAMPLE)
    x, dy = (np.pad(trace[name], ((0, 0), (1, 1), (1, 1))) for name in ("conv2.x", "conv2.dy"))
    page = show("conv2.y[1,2,3]", "forward")
    page.get_by_role("button", name="c = 2").click()
    patch, kernel = x[2, 2:5, 3:6], trace["conv2.w"][1, 2]
    for grid, expected in enumerate((patch, kernel, patch * kernel)):
        assert titles(page, grid) == pytest.approx(expected.ravel(), rel=1e-5)
    show("relu1.dy[1,0,3]").get_by_role("button", name="o = 0").click()
    for grid, expected in enumerate((dy[0, 0:3, 3:6], trace["conv2.w"][0, 1, ::-1, ::-1])):
        assert titles(page, grid) == pytest.approx(expected.ravel(), rel=1e-5)
    assert any("180°" in caption for caption in page.locator(".computation-factor figcaption").all_inner_texts())


def test_the_numbers_of_a_picture_are_those_of_python(show: Show) -> None:
    """The largest terms first; a softmax collapsed."""
    trace = PLAIN.trace(SAMPLE)
    terms = [term.value for term in trace.explain("dense1.y[2]").details.terms]
    page = show("dense1.y[2]", "forward")
    page.evaluate("document.querySelector('details.computation-fold').open = true")
    page.wait_for_selector(".computation-term-row")
    values = sorted(terms, key=abs, reverse=True)
    for kind, expected in (("value", values), ("sum", np.cumsum(values))):
        shown = printed(page, f".computation-term-{kind}")
        assert shown == near(expected[: len(shown)])
        assert len(shown) < len(terms)

    p = trace["softmax1.y"]
    page = show("dense1.dy[3]")
    assert printed(page, ".computation-chain tbody .computation-filled") == near(p * (np.eye(5)[3] - p[3]))
    assert page.inner_text(".computation-chain .computation-total") == value(page)


# ------------------------------------------------------------------------------------------------ everybody


@pytest.fixture
def resized(opened: Page) -> Iterator[Callable[[int, int], None]]:
    """Return a function that sets the size of the window until the test ends."""
    yield lambda width, height: opened.set_viewport_size({"width": width, "height": height})
    opened.set_viewport_size(DESKTOP)


@pytest.mark.parametrize("width", [390, 768, 1024, 1440])
def test_digits_are_never_cut_off(show: Show, resized: Callable[[int, int], None], width: int) -> None:
    resized(width, 900)
    for cell in ("pool1.dy[1,0,1]", "conv1.dw[1,0,2,1]", "dense1.dy[0]"):
        page = show(cell)
        page.wait_for_selector(".computation-square, .computation-chain td")
        assert page.evaluate(CLIPPED) == []


def test_everything_is_reached_by_the_keyboard(show: Show) -> None:
    page = show("conv2.y[3,1,0]", "forward")
    page.evaluate("document.querySelector('details.computation-fold').open = true")  # a fold stays as it was left
    page.focus(".computation-name")
    reached: set[str] = set()
    for _ in range(35):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(PART, ", ".join(f".{part}" for part in PARTS)))
    assert set(PARTS) <= reached
