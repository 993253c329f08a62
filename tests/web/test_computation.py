"""The computation of a value: the page shows the same as Python, and all links work."""

from typing import TYPE_CHECKING

import numpy as np
import pytest
from web import fixed_networks
from web.conftest import DESKTOP
from web.fixed_page import Subject, served

from chainrule.explain import Explanation
from chainrule.explain.notation import format_number

if TYPE_CHECKING:
    from playwright.sync_api import Page

THREE_DIGITS = 5e-3  # largest relative error of a number with three significant digits
SAMPLE = 1
PLAIN = fixed_networks.plain()
WIDE = ["conv2.y[1,2,3]", "relu1.dy[1,0,3]", "conv2.w.update[3,1,0,2]", "dense1.dy[3]", "loss.y"]
PART = "parts => document.activeElement.closest(parts)?.className ?? ''"
ENDED = "() => /^(\\d+) of \\1$/.test(document.querySelector('.computation-where-now').textContent)"
# how far the computation reaches below the window, and whether the network above it is visible
FITS = """() => {
  const bottom = (name) => document.querySelector(name)?.getBoundingClientRect().bottom ?? 0;
  const { top } = document.querySelector(".computation-strip").getBoundingClientRect();
  return [Math.max(bottom(".computation-show"), bottom(".computation-equations")) - innerHeight, top];
}"""
SHOWS = "cell => document.querySelector('.computation-name')?.textContent === cell"


@pytest.fixture(scope="module")
def subject() -> Subject:
    return PLAIN


def show(page: "Page", address: str, cell: str, phase: str = "backward") -> None:
    """Open the address of a cell, in a page that may already be open."""
    place = f"#/network/{phase}/{cell}?sample={SAMPLE}"
    if page.url.startswith(address.partition("?")[0]):
        page.evaluate("place => { location.hash = place; document.activeElement?.blur(); }", place)
    else:
        page.goto(address + place)
    page.wait_for_function(SHOWS, arg=cell)


def value(page: "Page") -> str:
    return page.locator(".computation-value").inner_text()


# ------------------------------------------------------------------------------------------------ every kind of cell


@pytest.mark.parametrize(
    "name", ["plain", "first-pool", "half_squared_error", pytest.param("rich", marks=pytest.mark.thorough)]
)
def test_a_cell_of_every_kind_is_printed_as_python_prints_it(page: "Page", name: str) -> None:
    subject = PLAIN if name == "plain" else fixed_networks.with_images(name)
    differing: dict[str, tuple[str, str]] = {}
    with served(subject) as address:
        for explained in one_of_each_kind(subject):
            show(page, address, explained.cell)
            page.keyboard.press("ArrowRight")
            page.keyboard.press("End")
            printed = [value(page), *page.locator(".computation-so-far .computation-digits").all_inner_texts()[-1:]]
            if set(printed) != {explained.shown}:
                differing[explained.cell] = (explained.shown, " ".join(printed))
            assert page.locator("math.plain").count() == 0, explained.cell
        page.goto("about:blank")
    assert not differing


def one_of_each_kind(subject: Subject) -> list[Explanation]:
    """Draw a random cell of one tensor for each operation and each role of a tensor in it."""
    trace, random = subject.trace(SAMPLE), np.random.default_rng(6)  # with 5, a value lies between two of three digits
    kinds: dict[tuple[str, ...], Explanation] = {}
    for tensor in trace.names:
        if tensor != "dx":  # of the input: only Python's trace has it
            explained = trace.explain(tensor, [int(random.integers(size)) for size in trace[tensor].shape])
            kinds[explained.operation, *tensor.split(".")[1:]] = explained
    return list(kinds.values())


def test_a_sum_grows_term_by_term(opened: "Page", address: str) -> None:
    record = PLAIN.trace(SAMPLE).explain("conv2.dw[3,1,0,2]")
    terms = [term.value for term in record.derived.terms if term.value]
    assert 4 < len(terms) < len(record.derived.terms)  # some are 0, and left out
    show(opened, address, "conv2.dw[3,1,0,2]")
    opened.get_by_role("button", name="in order").click()
    opened.keyboard.press("Home")
    assert number(opened, ".computation-so-far .computation-digits") == 0
    for count in range(1, len(terms)):
        opened.keyboard.press("ArrowRight")
        assert number(opened, ".computation-so-far .computation-digits") == pytest.approx(
            sum(terms[:count]), rel=THREE_DIGITS
        )
        assert opened.locator(".computation-where-now").inner_text() == f"{count} of {len(terms)}"
    opened.keyboard.press("ArrowLeft")
    assert number(opened, ".computation-so-far .computation-digits") == pytest.approx(
        sum(terms[: len(terms) - 2]), rel=THREE_DIGITS
    )


def number(page: "Page", selector: str) -> float:
    return float(page.locator(selector).first.inner_text().replace("−", "-"))


def test_a_single_product_shows_its_factors(opened: "Page", address: str) -> None:
    record = PLAIN.trace(SAMPLE).explain("dense1.dw[2,7]")
    (product,) = record.derived.terms
    show(opened, address, "dense1.dw[2,7]")
    digits = opened.locator(".computation-term-line .computation-digits").all_inner_texts()
    assert digits == [format_number(each) for each in (*(factor.value for factor in product.factors), record.value)]


def test_playing_ends_at_the_sum(opened: "Page", address: str) -> None:
    show(opened, address, "conv1.y[2,3,4]", "forward")
    assert float(opened.locator(".computation-rate").inner_text().removesuffix(" s")) <= 8
    opened.locator(".computation-speed input").fill("1")  # in one second
    opened.locator(".computation-name").focus()
    opened.keyboard.press("Space")
    opened.wait_for_function(ENDED)
    assert opened.locator(".computation-so-far .computation-digits").inner_text() == value(opened)


# ------------------------------------------------------------------------------------------------ walking


def test_a_number_is_followed_upstream_and_back(opened: "Page", address: str) -> None:
    show(opened, address, "conv2.dw[3,1,0,2]")
    opened.keyboard.press("Home")
    opened.keyboard.press("ArrowRight")
    factor = opened.locator(".computation-term-line a").first
    followed, printed = (factor.get_attribute("title") or "").partition(" = ")[0], factor.inner_text()
    factor.click()
    opened.wait_for_function(SHOWS, arg=followed)
    assert value(opened) == printed
    assert str(followed) in opened.evaluate("decodeURI(location.hash)")
    assert opened.locator(".computation-path-cells li").all_inner_texts() == ["conv2.dw[3,1,0,2]", followed]
    opened.go_back()
    opened.wait_for_function(SHOWS, arg="conv2.dw[3,1,0,2]")
    assert opened.locator(".computation-path-cells li").all_inner_texts() == ["conv2.dw[3,1,0,2]"]


def test_from_a_weight_to_its_gradient_and_its_update(opened: "Page", address: str) -> None:
    show(opened, address, "conv2.w[3,1,0,2]", "forward")
    opened.locator(".computation-likes").get_by_text("gradient", exact=True).click()
    opened.wait_for_function(SHOWS, arg="conv2.dw[3,1,0,2]")
    assert "/backward/" in opened.url
    opened.locator(".computation-likes").get_by_text("after the step").click()
    opened.wait_for_function(SHOWS, arg="conv2.w.update[3,1,0,2]")
    assert "/update/" in opened.url
    assert opened.locator(".computation-path-cells li").count() == 3
    opened.get_by_role("button", name="Back along the path").click()
    opened.wait_for_function(SHOWS, arg="conv2.dw[3,1,0,2]")


def test_links_lead_on_to_the_loss(opened: "Page", address: str) -> None:
    show(opened, address, "conv1.y[2,3,4]", "forward")
    passed: list[str] = []
    while opened.locator(".computation-name").inner_text() != "loss.y":
        cell = opened.locator(".computation-onward a").first.get_attribute("title") or ""
        opened.locator(".computation-onward a").first.click()
        opened.wait_for_function(
            "cell => document.querySelector('.computation-name').textContent === cell.split(', the')[0]", arg=cell
        )
        passed.append(opened.locator(".computation-name").inner_text().split(".")[0])
    assert passed == ["relu1", "conv2", "relu2", "pool1", "dense1", "loss"]


def test_a_cell_chosen_elsewhere_begins_a_new_path(opened: "Page", address: str) -> None:
    show(opened, address, "conv2.w[3,1,0,2]", "forward")
    show(opened, address, "conv1.b[0]", "forward")
    assert opened.locator(".computation-path-cells li").all_inner_texts() == ["conv1.b[0]"]


# ------------------------------------------------------------------------------------------------ pictures


def test_patch_and_kernel_hold_the_numbers_of_the_term(opened: "Page", address: str) -> None:
    subject = PLAIN
    trace = subject.trace(SAMPLE)
    show(opened, address, "conv2.y[1,2,3]", "forward")
    opened.get_by_role("button", name="c = 2").click()
    patch, kernel = (titles(opened, at) for at in range(2))
    x, w = np.pad(trace["conv2.x"], ((0, 0), (1, 1), (1, 1))), trace["conv2.w"]
    assert patch == pytest.approx(x[2, 2:5, 3:6].ravel(), rel=1e-5)
    assert kernel == pytest.approx(w[1, 2].ravel(), rel=1e-5)
    assert titles(opened, 2) == pytest.approx((x[2, 2:5, 3:6] * w[1, 2]).ravel(), rel=1e-5)


def test_the_kernel_of_an_input_gradient_is_rotated(opened: "Page", address: str) -> None:
    trace = PLAIN.trace(SAMPLE)
    show(opened, address, "relu1.dy[1,0,3]")
    dy = np.pad(trace["conv2.dy"], ((0, 0), (1, 1), (1, 1)))
    assert titles(opened, 0) == pytest.approx(dy[0, 0:3, 3:6].ravel(), rel=1e-5)
    assert titles(opened, 1) == pytest.approx(trace["conv2.w"][0, 1].ravel(), rel=1e-5)
    grid = opened.locator(".computation-turntable .computation-grid")
    grid.evaluate("element => Promise.all(element.getAnimations({subtree: true}).map((each) => each.finished))")
    matrix = grid.evaluate("element => getComputedStyle(element).transform")
    assert [round(float(part)) for part in matrix[7:-1].split(",")][:4] == [-1, 0, 0, -1]


def titles(page: "Page", grid: int) -> list[float]:
    """Return the values of a grid, row by row, from their titles."""
    squares = page.locator(".computation-products .computation-grid").nth(grid).locator(".computation-square")
    texts: list[str] = squares.evaluate_all("all => all.map((each) => each.title)")
    return [float(text.rpartition("= ")[2].replace("−", "-")) for text in texts]


def test_the_winner_of_a_window_and_its_gradient(opened: "Page", address: str) -> None:
    trace = PLAIN.trace(SAMPLE)
    window = trace["relu2.y"][2, 2:4, 4:6]
    show(opened, address, "pool1.y[2,1,2]", "forward")
    best = opened.locator(".computation-square.computation-best").get_attribute("title") or ""
    row, column = np.unravel_index(window.argmax(), window.shape)
    assert best.startswith(f"relu2.y[2,{2 + row},{4 + column}] =")
    assert opened.locator(".computation-route a").all_inner_texts() == [trace.explain("pool1.dy[2,1,2]").shown] * 2


def test_the_largest_terms_first(opened: "Page", address: str) -> None:
    terms = PLAIN.trace(SAMPLE).explain("dense1.y[2]").derived.terms
    show(opened, address, "dense1.y[2]", "forward")
    opened.get_by_role("button", name="largest first").click()
    opened.locator(".computation-fold summary").first.click()
    values = sorted((term.value for term in terms), key=abs, reverse=True)
    for kind, expected in (("value", values), ("sum", np.cumsum(values))):
        texts = opened.locator(f".computation-term-{kind}").all_inner_texts()
        shown = [float(text.replace("−", "-")) for text in texts]
        assert shown == pytest.approx(expected[: len(texts)], rel=THREE_DIGITS, abs=1e-6)
        assert len(texts) < len(terms)


def test_softmax_with_cross_entropy_collapses(opened: "Page", address: str) -> None:
    subject = PLAIN
    p = subject.trace(SAMPLE)["softmax1.y"]
    show(opened, address, "dense1.dy[3]")
    slopes = [
        float(text.replace("−", "-"))
        for text in opened.locator(".computation-chain tbody .computation-filled").all_inner_texts()
    ]
    assert slopes == pytest.approx(p * (np.eye(5)[3] - p[3]), rel=THREE_DIGITS)
    assert opened.locator(".computation-chain .computation-total").inner_text() == value(opened)


# ------------------------------------------------------------------------------------------------ one screen


def test_a_whole_computation_fits_into_one_screen(opened: "Page", address: str) -> None:
    opened.set_viewport_size({"width": 1280, "height": 720})
    beyond: dict[str, object] = {}
    for cell in ("conv2.dw[3,1,0,2]", "conv2.y[1,2,3]", "relu1.dy[1,0,3]", "dense1.y[2]", "pool1.y[2,1,2]"):
        show(opened, address, cell)
        for key in ("Home", "ArrowRight", "ArrowRight"):
            opened.keyboard.press(key)
        below, top = opened.evaluate(FITS)
        if below > 0 or not 0 <= top < 60:
            beyond[cell] = below, top
    opened.set_viewport_size(DESKTOP)
    assert not beyond, beyond


def test_the_strip_shows_the_path_and_leads_along_it(opened: "Page", address: str) -> None:
    show(opened, address, "conv2.y[1,2,3]", "forward")
    opened.locator(".computation-onward a").first.click()
    opened.wait_for_function(SHOWS, arg="relu2.y[1,2,3]")
    walked = opened.locator(".computation-strip .walked .strip-name")
    assert walked.all_inner_texts() == ["conv2", "relu2"]
    assert opened.locator(".computation-strip [aria-current] .strip-name").inner_text() == "relu2"
    walked.first.click()
    opened.wait_for_function(SHOWS, arg="conv2.y[1,2,3]")
    assert opened.locator(".computation-strip .source .strip-name").all_inner_texts() == ["relu1"]


# ------------------------------------------------------------------------------------------------ everybody


def test_every_step_is_said(opened: "Page", address: str) -> None:
    show(opened, address, "conv2.dw[3,1,0,2]")
    opened.keyboard.press("Home")
    opened.keyboard.press("ArrowRight")
    said = opened.locator("#computation > [role=status]").inner_text()
    assert said.startswith("term 1 of ")
    assert "sum so far" in said


def test_less_motion_shows_the_rotated_kernel_at_once(page: "Page", address: str) -> None:
    page.emulate_media(reduced_motion="reduce")
    show(page, address, "relu1.dy[1,0,3]")
    assert (
        page.locator(".computation-turntable .computation-grid").evaluate("element => element.getAnimations().length")
        == 0
    )
    assert page.locator(".computation-turntable .computation-turned").count() == 1
    assert page.locator(".computation-rotation .computation-grid").count() == 2


def test_everything_is_reached_by_the_keyboard(opened: "Page", address: str) -> None:
    show(opened, address, "conv2.y[3,1,0]", "forward")
    opened.evaluate("document.querySelector('details.computation-fold').open = true")  # a fold stays as it was left
    opened.evaluate("document.activeElement.blur()")
    opened.keyboard.press("Home")
    opened.keyboard.press("ArrowRight")
    opened.locator(".computation-name").focus()
    parts = [f"computation-{name}" for name in ("likes", "onward", "player", "term-line", "term-room")]
    reached: set[str] = set()
    for _ in range(45):
        opened.keyboard.press("Tab")
        reached.add(opened.evaluate(PART, ", ".join(f".{part}" for part in parts)))
    assert set(parts) <= reached


def test_another_picture_makes_the_same_cell_anew(opened: "Page", address: str) -> None:
    subject = PLAIN
    show(opened, address, "conv1.y[2,3,4]", "forward")
    opened.evaluate("location.hash = '#/network/forward/conv1.y[2,3,4]?sample=2'")
    expected = subject.trace(2).explain("conv1.y[2,3,4]").shown
    opened.wait_for_function("text => document.querySelector('.computation-value').textContent === text", arg=expected)


CLIPPED = """() => [...document.querySelectorAll(".computation-square, .story-number")]
  .filter((cell) => cell.checkVisibility({ visibilityProperty: true }) && cell.scrollWidth > cell.clientWidth + 1)
  .filter((cell) => getComputedStyle(cell.firstElementChild ?? cell).visibility !== "hidden")
  .map((cell) => cell.textContent)"""


@pytest.mark.parametrize("width", [390, 768, 1024, 1440])
def test_digits_are_never_cut_off(opened: "Page", address: str, width: int) -> None:
    opened.set_viewport_size({"width": width, "height": 900})
    for cell in ("pool1.dy[1,0,1]", "conv1.dw[1,0,2,1]", "softmax1.dy[0]"):
        show(opened, address, cell)
        opened.wait_for_selector(".computation-square")
        assert opened.evaluate(CLIPPED) == []
