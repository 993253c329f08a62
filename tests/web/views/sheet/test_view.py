"""The sheet: its stops, pointer, keys, address, slider, how fast it answers, and that nothing moves."""

from collections.abc import Iterator

import pytest
from web.networks import Subject, plain
from web.pages import Page, entered, number, waited, went

from chainrule.explain.notation import format_number

WEIGHT = "conv1.w[1,0,1,1]"
PLACE = "#/network/backward?sample=1"
TIMED = """async () => {
  const times = [];
  for (const element of [...document.querySelectorAll(".sheet-cell")].slice(0, 200)) {
    const start = performance.now();
    element.dispatchEvent(new PointerEvent("pointerenter", { pointerType: "mouse" }));
    document.body.getBoundingClientRect();
    times.push(performance.now() - start);
    await new Promise((resume) => requestAnimationFrame(resume));
  }
  return times.sort((a, b) => a - b);
}"""
ANSWER = 50  # milliseconds
SMALL_DIGITS = """() => [...document.querySelectorAll(".sheet-cell span")]
  .filter((text) => text.textContent && text.checkVisibility())
  .filter((text) => parseFloat(getComputedStyle(text).fontSize) < 10 || text.scrollWidth > text.clientWidth + 1)
  .map((text) => text.textContent)"""
TOPS = "all => all.map((cell) => { const { x, y } = cell.getBoundingClientRect(); return [x, y + scrollY]; })"


@pytest.fixture(scope="module")
def subject() -> Subject:
    return plain()


@pytest.fixture
def sheet(opened: Page) -> Iterator[Page]:
    """Show the sheet around a weight, at its last stop, on which all numbers are known."""
    went(opened, f"{PLACE}&hold={WEIGHT}", ".sheet-cell[aria-pressed=true]")
    opened.wait_for_selector("main[aria-busy=false]")
    opened.mouse.move(1, 1)
    opened.keyboard.press("Escape")
    waited(opened, lambda: "hold=" not in opened.url)
    opened.locator(".sheet-marks button").last.click()
    opened.wait_for_selector(".sheet-talk h2:text-matches('Your turn')")
    yield opened
    opened.set_viewport_size({"width": 1440, "height": 900})


def cell(name: str) -> str:
    return f'.sheet-cell[data-cell="{name}"]'


def value(page: Page, name: str) -> str:
    return page.inner_text(f"{cell(name)} .sheet-value")


def test_the_stops_fill_the_sheet_in_and_no_cell_moves(sheet: Page) -> None:
    count = sheet.locator(".sheet-marks button").count()
    assert 10 < count <= 20
    sheet.locator(".sheet-marks button").first.click()
    filled: list[int] = []
    places = list[object]()
    for stop in range(1, count + 1):
        sheet.wait_for_selector(f".sheet-where:text-matches('^{stop} of {count}')")
        texts = sheet.locator(".sheet-value, .sheet-gradient").all_inner_texts()
        filled.append(sum(bool(text) for text in texts))
        places.append(sheet.locator(".sheet-cell").evaluate_all(TOPS))
        assert sheet.inner_text(".sheet-talk h2")
        if stop < count:
            sheet.keyboard.press("ArrowRight")
    assert filled == sorted(filled)
    assert all(place == places[0] for place in places)
    assert sheet.get_by_role("button", name="Next →").is_disabled()


def test_cells_have_the_numbers_of_python(sheet: Page, subject: Subject) -> None:
    trace = subject.trace(1)
    names = sheet.locator(".sheet-cell").evaluate_all("all => all.map((each) => each.dataset.cell)")
    labels = sheet.locator(".sheet-cell").evaluate_all("all => all.map((each) => each.getAttribute('aria-label'))")
    for name, label in zip(names, labels, strict=True):
        assert label.startswith(f"{name}: {format_number(float(trace.explain(name).value))}"), label


def test_a_held_number_lights_what_it_is_made_of(sheet: Page, subject: Subject) -> None:
    sheet.click(cell(WEIGHT))
    waited(sheet, lambda: f"hold={WEIGHT}" in sheet.url)
    gradient = subject.trace(1).explain("conv1.dw[1,0,1,1]")
    assert f"= {gradient.shown}" in sheet.inner_text(".sheet-sum")
    assert sheet.locator(".sheet-cell.held").count() == 1
    assert sheet.locator(".sheet-cell.lit").count() > 2
    assert sheet.locator(".sheet-lines path").count() >= 2
    rest = sheet.locator(".sheet-rest").first
    count = int(rest.inner_text().split()[0])
    lit = sheet.locator(".sheet-sum p").last.locator("span.positive, span.negative").count()
    assert count + lit == sum(term.value != 0 for term in gradient.details.terms)
    rest.click()
    sheet.wait_for_selector('.computation-name:text-is("conv1.dw[1,0,1,1]")')
    sheet.keyboard.press("Escape")


def test_arrows_move_between_cells_and_enter_keeps_one(sheet: Page) -> None:
    held = "document.querySelector('.sheet-cell.held')?.dataset.cell"
    sheet.locator(cell(WEIGHT)).focus()
    seen = [WEIGHT]
    for key in ("ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"):
        sheet.keyboard.press(key)
        seen.append(sheet.evaluate(held))
    assert seen[1:3] == ["conv1.w[1,0,1,0]", WEIGHT]
    assert seen[3:] == ["conv1.w[1,0,0,1]", WEIGHT]
    sheet.keyboard.press("Enter")
    waited(sheet, lambda: f"hold={WEIGHT}" in sheet.url)
    sheet.keyboard.press("Escape")
    waited(sheet, lambda: "hold=" not in sheet.url)


def test_the_pointer_holds_until_a_number_is_kept(sheet: Page) -> None:
    other = "conv1.w[1,0,0,0]"
    held = f"{cell(WEIGHT)}.held"
    sheet.hover(cell(WEIGHT))
    sheet.wait_for_selector(held)
    sheet.click(cell(WEIGHT))
    sheet.hover(cell(other))
    assert sheet.locator(held).count() == 1
    sheet.click(cell(WEIGHT))
    sheet.hover(cell(other))
    sheet.wait_for_selector(f"{cell(other)}.held")


def test_a_slider_moves_the_whole_sheet(page: Page, address: str) -> None:
    entered(page, address, f"{PLACE}&hold={WEIGHT}")
    page.wait_for_selector(cell(WEIGHT))
    page.wait_for_selector("main[aria-busy=false]")  # or the sheet would be drawn again, with another slider
    page.keyboard.press("Escape")
    page.locator(".sheet-marks button[title*='The step']").click()
    slider = page.wait_for_selector(".sheet-side input[type=range]")
    before = page.locator(".sheet-value").all_inner_texts()
    own = number(value(page, WEIGHT))
    slider.fill("0.9")
    waited(page, lambda: page.locator(".sheet-value").all_inner_texts() != before)
    assert number(value(page, WEIGHT)) > own
    page.get_by_role("button", name="Reset").click()
    waited(page, lambda: page.locator(".sheet-value").all_inner_texts() == before)


@pytest.mark.parametrize("width", [390, 1024, 1440])
def test_digits_are_readable_and_nothing_is_wider_than_the_window(sheet: Page, width: int) -> None:
    sheet.set_viewport_size({"width": width, "height": 844})
    sheet.wait_for_timeout(200)
    assert sheet.evaluate(SMALL_DIGITS) == []
    assert sheet.evaluate("document.documentElement.scrollWidth") == width


def test_a_hold_answers_at_once(sheet: Page) -> None:
    times = sheet.evaluate(TIMED)
    assert len(times) > 60
    assert times[len(times) // 2] < ANSWER
