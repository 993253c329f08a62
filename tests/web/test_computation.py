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
PARTS = [f"computation-{name}" for name in ("likes", "onward", "player", "term-line", "term-room")]
ENDED = "() => /^(\\d+) of \\1$/.test(document.querySelector('.computation-where-now').textContent)"
# how far the computation reaches below the window, and whether the network above it is visible
FITS = """() => {
  const bottom = (name) => document.querySelector(name)?.getBoundingClientRect().bottom ?? 0;
  const { top } = document.querySelector(".computation-strip").getBoundingClientRect();
  return [Math.max(bottom(".computation-show"), bottom(".computation-equations")) - innerHeight, top];
}"""
CLIPPED = """() => [...document.querySelectorAll(".computation-square, .story-number")]
  .filter((cell) => cell.checkVisibility({ visibilityProperty: true }) && cell.scrollWidth > cell.clientWidth + 1)
  .filter((cell) => getComputedStyle(cell.firstElementChild ?? cell).visibility !== "hidden")
  .map((cell) => cell.textContent)"""
SHOWS = "cell => document.querySelector('.computation-name')?.textContent === cell"
SO_FAR = ".computation-so-far .computation-digits"
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
            page.keyboard.press("ArrowRight")
            page.keyboard.press("End")
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


def test_a_sum_grows_term_by_term_and_each_step_is_said(show: Show) -> None:
    record = PLAIN.trace(SAMPLE).explain("conv2.dw[3,1,0,2]")
    terms = [term.value for term in record.details.terms if term.value]
    assert 4 < len(terms) < len(record.details.terms)  # some are 0, and left out
    page = show("conv2.dw[3,1,0,2]")
    page.get_by_role("button", name="in order").click()
    page.keyboard.press("Home")
    for key, counts in (("ArrowRight", range(1, len(terms))), ("ArrowLeft", [len(terms) - 2])):
        for count in counts:
            page.keyboard.press(key)
            assert printed(page, SO_FAR)[0] == near(sum(terms[:count]))
            assert page.inner_text(".computation-where-now") == f"{count} of {len(terms)}"
            said = page.inner_text("#computation > [role=status]")
            assert said.startswith(f"term {count} of ")
            assert "sum so far" in said


def test_playing_ends_at_the_sum(show: Show) -> None:
    page = show("conv1.y[2,3,4]", "forward")
    assert float(page.inner_text(".computation-rate").removesuffix(" s")) <= 8
    page.locator(".computation-speed input").fill("1")  # in one second
    page.focus(".computation-name")
    page.keyboard.press("Space")
    page.wait_for_function(ENDED)
    assert texts(page, SO_FAR) == [value(page)]


# ------------------------------------------------------------------------------------------------ walking


def test_a_number_is_followed_upstream_and_back(show: Show) -> None:
    show("conv1.b[0]", "forward")
    page = show("conv2.dw[3,1,0,2]")  # chosen elsewhere, it begins a new path
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    factor = page.locator(".computation-term-line a").first
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
    show("conv2.y[1,2,3]", "forward")
    page.locator(".computation-onward a").first.click()
    page.wait_for_function(SHOWS, arg="relu2.y[1,2,3]")
    walked = page.locator(".computation-strip .walked .strip-name")  # leads back
    assert walked.all_inner_texts() == ["conv2", "relu2"]
    assert texts(page, ".computation-strip [aria-current] .strip-name") == ["relu2"]
    walked.first.click()
    page.wait_for_function(SHOWS, arg="conv2.y[1,2,3]")
    assert texts(page, ".computation-strip .source .strip-name") == ["relu1"]


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
    """The winner of a window and its gradient; the largest terms first; a softmax collapsed."""
    trace = PLAIN.trace(SAMPLE)
    window = trace["relu2.y"][2, 2:4, 4:6]
    page = show("pool1.y[2,1,2]", "forward")
    best = page.get_attribute(".computation-square.computation-best", "title") or ""
    row, column = np.unravel_index(window.argmax(), window.shape)
    assert best.startswith(f"relu2.y[2,{2 + row},{4 + column}] =")
    show(f"relu2.dy[2,{2 + row},{4 + column}]")
    assert texts(page, ".computation-pick-words a") == [trace.explain("pool1.dy[2,1,2]").shown]

    terms = [term.value for term in trace.explain("dense1.y[2]").details.terms]
    page = show("dense1.y[2]", "forward")
    page.get_by_role("button", name="largest first").click()
    page.locator(".computation-fold summary").first.click()
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


def test_a_whole_computation_fits_into_one_screen(show: Show, resized: Callable[[int, int], None]) -> None:
    resized(1280, 720)
    for cell in ("conv2.dw[3,1,0,2]", "conv2.y[1,2,3]", "relu1.dy[1,0,3]", "dense1.y[2]", "pool1.y[2,1,2]"):
        page = show(cell)
        for key in ("Home", "ArrowRight", "ArrowRight"):
            page.keyboard.press(key)
        below, top = page.evaluate(FITS)
        assert (cell, below <= 0, 0 <= top < 60) == (cell, True, True)


@pytest.mark.parametrize("width", [390, 768, 1024, 1440])
def test_digits_are_never_cut_off(show: Show, resized: Callable[[int, int], None], width: int) -> None:
    resized(width, 900)
    for cell in ("pool1.dy[1,0,1]", "conv1.dw[1,0,2,1]", "softmax1.dy[0]"):
        page = show(cell)
        page.wait_for_selector(".computation-square")
        assert page.evaluate(CLIPPED) == []


def test_everything_is_reached_by_the_keyboard(show: Show) -> None:
    page = show("conv2.y[3,1,0]", "forward")
    page.evaluate("document.querySelector('details.computation-fold').open = true")  # a fold stays as it was left
    page.keyboard.press("Home")
    page.keyboard.press("ArrowRight")
    page.focus(".computation-name")
    reached: set[str] = set()
    for _ in range(45):
        page.keyboard.press("Tab")
        reached.add(page.evaluate(PART, ", ".join(f".{part}" for part in PARTS)))
    assert set(PARTS) <= reached
