"""The picture in which a reader holds a number: pointer, keys, address, slider, and how fast it answers."""

from typing import Any

import pytest
from web.networks import Subject, plain
from web.pages import Page, entered, number, waited, went

SAMPLE = 1
HELD = "#hold .hold-cell.held"
LIT = """names => names.map((name) => {
  return document.querySelectorAll(`#hold .hold-${name} .hold-cell:not(.off, .held)`).length;
})"""
TIMED = """async (cells) => {
  const times = [];
  for (const element of document.querySelectorAll(cells)) {
    const start = performance.now();
    element.dispatchEvent(new PointerEvent("pointerenter", { pointerType: "mouse" }));
    document.body.getBoundingClientRect();
    times.push(performance.now() - start);
    await new Promise((resume) => requestAnimationFrame(resume));
  }
  return times.sort((a, b) => a - b);
}"""
ANSWER = 50  # milliseconds


@pytest.fixture(scope="module")
def subject() -> Subject:
    return plain()


def visited(page: Page, place: str, there: str) -> None:
    """Go to a place and wait until its numbers are shown."""
    went(page, place, there)
    page.wait_for_selector("main[aria-busy=false]")


def held(page: Page) -> set[str]:
    """Return the held cells."""
    names = page.locator(HELD).evaluate_all("all => all.map((each) => each.dataset.cell)")
    return set(names)


def cell(page: Page, name: str) -> Any:
    return page.locator(f'#hold [data-cell="{name}"]').first


def test_the_sides_light_what_the_held_number_is_made_of(opened: Page) -> None:
    visited(opened, f"#/network?sample={SAMPLE}", ".hold-cell")
    for side, lit in (("y", {"x": 9, "w": 9}), ("x", {"w": 9, "y": 9}), ("w", {"x": 9, "y": 9})):
        opened.select_option("#hold select[aria-label=layer]", "conv2")
        opened.click(f"#hold [data-side={side}]")
        opened.wait_for_function("() => location.hash.includes('hold=')")
        shown = dict(zip(lit, opened.evaluate(LIT, [*lit]), strict=True))
        assert all(1 < shown[name] <= lit[name] for name in lit), (side, shown)
        assert "hold=" in opened.url
        opened.keyboard.press("Escape")
        opened.wait_for_function("() => !location.hash.includes('hold=')")


def test_the_used_weights_are_the_kernel_in_reverse_order(opened: Page) -> None:
    visited(opened, f"#/network?sample={SAMPLE}&hold=relu1.y[1,3,3]", ".hold-used .first")
    kernel = opened.locator("#hold .hold-w .hold-cell").all_inner_texts()
    used = opened.locator("#hold .hold-used .hold-cell").all_inner_texts()
    assert len(used) == 9
    assert used == kernel[::-1]


CROSSED = """() => [...document.querySelectorAll("#hold .hold-lines path")].map((path) => {
  const { left, top } = path.closest("svg").getBoundingClientRect();
  const texts = [...document.querySelectorAll("#hold .hold-cell")].map((cell) => {
    const range = document.createRange();
    range.selectNodeContents(cell);
    return range.getBoundingClientRect();
  });
  const steps = Array.from({ length: 400 }, (_, at) => path.getPointAtLength((at / 399) * path.getTotalLength()));
  const isBetween = (at, low, high) => at > low && at < high;
  const isIn = ({ x, y }, box) =>
    isBetween(x + left, box.left, box.right) && isBetween(y + top, box.top + 4, box.bottom - 4);
  return steps.filter((point) => texts.some((box) => isIn(point, box))).length;
})"""


@pytest.mark.parametrize("size", [(1440, 900), (736, 400), (390, 844)], ids=str)
def test_the_lines_of_an_input_cross_no_digits(opened: Page, size: tuple[int, int]) -> None:
    opened.set_viewport_size({"width": size[0], "height": size[1]})
    for place in ("relu1.y[1,3,3]", "relu1.y[2,5,4]"):
        visited(opened, f"#/network?sample={SAMPLE}&hold={place}", ".hold-slider svg")
        opened.wait_for_timeout(100)  # the slider may have moved the picture
        assert opened.evaluate(CROSSED) == [0, 0]
    opened.keyboard.press("Escape")
    opened.set_viewport_size({"width": 1440, "height": 900})


def test_arrows_move_the_hold_enter_keeps_it_and_escape_releases_it(opened: Page) -> None:
    visited(opened, f"#/network?sample={SAMPLE}", ".hold-cell")
    first = opened.locator("#hold .hold-x .hold-cell").first.get_attribute("data-cell")
    opened.locator("#hold .hold-x [tabindex='0']").focus()
    for _ in range(9):
        opened.keyboard.press("ArrowLeft")
        opened.keyboard.press("ArrowUp")
    assert held(opened) == {first}
    opened.keyboard.press("ArrowRight")
    second = held(opened)
    assert second != {first}
    opened.keyboard.press("Enter")
    waited(opened, lambda: "hold=" in opened.url)
    opened.keyboard.press("ArrowDown")
    assert held(opened) not in ({first}, second)
    opened.keyboard.press("Escape")
    waited(opened, lambda: "hold=" not in opened.url)


def test_the_pointer_holds_until_a_number_is_kept(opened: Page) -> None:
    visited(opened, f"#/network?sample={SAMPLE}", ".hold-cell")
    names = opened.locator("#hold .hold-w .hold-cell").evaluate_all("all => all.map((each) => each.dataset.cell)")
    cell(opened, names[0]).hover()
    assert held(opened) == {names[0]}
    cell(opened, names[1]).click()
    cell(opened, names[2]).hover()
    assert held(opened) == {names[1]}
    cell(opened, names[1]).click()
    cell(opened, names[2]).hover()
    assert held(opened) == {names[2]}


def test_a_slider_moves_the_kept_number_its_output_and_the_loss(opened: Page, subject: Subject) -> None:
    weight = "conv1.w[1,0,1,1]"
    visited(opened, f"#/network?sample={SAMPLE}&hold={weight}", ".hold-slider input")
    trace = subject.trace(SAMPLE)
    slope = trace.explain("conv1.dw[1,0,1,1]").shown
    assert f"slope = {slope}" in opened.text_content(".hold-slider svg")
    before = opened.locator("#hold .hold-y .hold-cell").all_inner_texts()
    value = number(cell(opened, weight).inner_text())
    opened.locator(".hold-slider input").fill("0.9")
    waited(opened, lambda: opened.locator("#hold .hold-y .hold-cell").all_inner_texts() != before)
    assert number(cell(opened, weight).inner_text()) > value
    opened.get_by_role("button", name="Reset").first.click()
    waited(opened, lambda: opened.locator("#hold .hold-y .hold-cell").all_inner_texts() == before)
    opened.keyboard.press("Escape")


def test_the_picture_fills_a_low_window_and_a_phone(opened: Page) -> None:
    for width, height in ((736, 400), (390, 844), (1440, 400)):
        opened.set_viewport_size({"width": width, "height": height})
        visited(opened, f"#/network?sample={SAMPLE}&hold=relu1.y[1,3,3]", ".hold-used .first")
        opened.evaluate("scrollTo(0, 0)")
        stage = opened.locator(".hold-stage").bounding_box() or {}
        assert stage["y"] + stage["height"] <= height
        assert stage["x"] + stage["width"] <= width
        assert opened.evaluate("document.documentElement.scrollWidth") == width
    opened.set_viewport_size({"width": 1440, "height": 900})


def test_a_hold_answers_at_once(page: Page, network: Any) -> None:
    entered(page, network.address)
    page.wait_for_selector(".hold-cell")
    times = page.evaluate(TIMED, "#hold .hold-cell[data-cell]")
    assert len(times) > 60
    assert times[len(times) // 2] < ANSWER
