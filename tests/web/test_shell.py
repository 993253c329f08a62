"""The page around its views: addresses, notices, focus, history, light and dark, phones, the lecture hall."""

from typing import Any

import pytest
from web.pages import Page, arrived, entered, hash_of, name_is, waited, went

READ = 'async (hash) => (await import("/state.js")).readAddress(hash)'
WRITTEN = 'async (place) => (await import("/state.js")).address(place)'
START = {
    "phase": "forward",
    **dict.fromkeys(("cell", "sample", "image", "step", "why", "hold", "stop")),
    "hall": False,
}


def test_a_place_has_an_address(page: Page, address: str) -> None:
    entered(page, address)
    page.get_by_role("button", name="Backward").click()
    assert hash_of(page) == "#/network/backward?sample=0"
    page.locator('#diagram canvas[data-tensor="conv1.dw"]').click(position={"x": 1, "y": 1})
    assert hash_of(page) == "#/network/backward/conv1.dw[0,0,0,0]?sample=0"
    page.go_back()
    arrived(page, "#/network/backward?sample=0")
    page.go_back()
    assert page.get_by_role("button", name="Forward").get_attribute("aria-pressed") == "true"
    page.go_forward()
    page.go_forward()
    page.reload()
    page.wait_for_selector(name_is("conv1.dw[0,0,0,0]"))
    assert hash_of(page) == "#/network/backward/conv1.dw[0,0,0,0]?sample=0"
    assert page.get_by_role("button", name="Backward").get_attribute("aria-pressed") == "true"


@pytest.mark.parametrize(
    ("address", "change"),
    [
        ("#/network", {}),
        ("#/network/backward/conv2.dw[3,1,0,2]?sample=12&step=300", {
            "phase": "backward", "cell": "conv2.dw[3,1,0,2]", "sample": 12, "step": 300}),
        ("#/network/forward/loss.y?sample=0", {"cell": "loss.y", "sample": 0}),
        ("#/network/update?step=0", {"phase": "update", "step": 0}),
        ("#/network?sample=4&hold=conv1.w[0,1]", {"sample": 4, "hold": "conv1.w[0,1]"}),
        ("#/network/update?step=3&hall", {"phase": "update", "step": 3, "hall": True}),
        ("#/network?image=4&step=9&stop=2&why=conv1.w[0,1]", {"image": 4, "step": 9, "stop": 2, "why": "conv1.w[0,1]"}),
    ],
)  # fmt: skip
def test_addresses_are_read_as_they_are_written(modules: Page, address: str, change: dict[str, Any]) -> None:
    """Brackets may be encoded."""
    place = {**START, **change}
    for written in (address, address.replace("[", "%5B").replace(",", "%2C")):
        assert modules.evaluate(READ, written) == {"place": place, "complaints": []}
    assert modules.evaluate(WRITTEN, place) == address


@pytest.mark.parametrize("address", ["/ sideways", "? sample=-3", "? step=1e9", "/forward/ %E0%A4%A"])
def test_parts_that_cannot_be_read_are_named(modules: Page, address: str) -> None:
    part = address.split()[1]
    answer = modules.evaluate(READ, f"#/network{address.replace(' ', '')}")
    assert answer["place"] == START
    (complaint,) = answer["complaints"]
    assert part in complaint


@pytest.mark.parametrize(
    ("wrong", "words", "right"),
    [
        ("#/network/forward/conv9.y[0]?sample=1", "conv9.y[0]", "#/network?sample=1"),
        ("#/network/forward/conv1.y[0,0,99]?sample=1", "conv1.y[0,0,99]", "#/network?sample=1"),
        ("#/nowhere?sample=1", "“nowhere”", "#/network?sample=1"),
        ("#/network?sample=999", "no sample 999", "#/network?sample=0"),
        ("#/network?sample=1&hold=conv1.w[9,9,9,9]", "conv1.w[9,9,9,9]", "#/network?sample=1"),
        ("#/network?sample=1&why=conv1.y[0,1,2]", "conv1.y[0,1,2]", "#/network?sample=1"),
    ],
)
def test_a_bad_address_is_said_and_the_page_stands(opened: Page, wrong: str, words: str, right: str) -> None:
    """The notice leaves when it is dismissed, and with its address."""
    banner = opened.locator(".banner p")
    for leave in (
        lambda: opened.get_by_role("button", name="Dismiss").click(),
        lambda: went(opened, "#/network/forward?sample=0", ".diagram-track"),
    ):
        went(opened, wrong, ".banner p")
        assert words in banner.inner_text()
        arrived(opened, right)
        leave()
        waited(opened, lambda: banner.count() == 0)


def test_light_and_dark(page: Page, address: str) -> None:
    page.emulate_media(color_scheme="dark")
    entered(page, address)
    ground = "getComputedStyle(document.documentElement).backgroundColor"
    dark = page.evaluate(ground)
    page.get_by_role("button", name="Light or dark theme").click()
    assert page.evaluate(ground) != dark
    page.reload()
    page.wait_for_selector("html[data-ready]")
    assert page.evaluate(ground) == dark  # the choice is not stored


SIDEWAYS = "document.documentElement.scrollWidth - innerWidth"
SMALLEST = """() => {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const sizes = [];
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement;
    const seen = node.data.trim() && parent.checkVisibility({ visibilityProperty: true });
    if (seen && !parent.closest(".unseen, math")) sizes.push(parseFloat(getComputedStyle(parent).fontSize));
  }
  return Math.min(...sizes);
}"""


def test_leafing_through_images_is_one_step_of_back(opened: Page) -> None:
    went(opened, "#/network/backward?sample=0", ".diagram-track[data-phase=backward]")
    before = opened.evaluate("history.length")
    for number in (1, 2, 3, 4):
        opened.get_by_label("Next sample").first.click()
        opened.wait_for_function(f"() => location.hash.includes('sample={number}')")
    assert opened.evaluate("history.length") <= before + 1
    opened.go_back()
    opened.wait_for_function("() => location.hash.includes('sample=0')")


def test_clear_leaves_no_answer_of_the_last_image(opened: Page) -> None:
    went(opened, "#/network/forward?sample=1", ".diagram-track[data-phase=forward]")
    before = opened.inner_text(".winner")
    opened.get_by_role("button", name="Clear").click()
    opened.wait_for_function("old => document.querySelector('.winner').textContent !== old", arg=before)
    assert opened.locator(".input-pad .hint").is_visible()


def test_escape_leads_from_the_panel_of_an_opened_link_to_its_cell(opened: Page) -> None:
    """The focus is on that cell then, and nothing points at it."""
    went(opened, "#/network/forward/conv1.y[0,1,2]?sample=0", ".computation-panel")
    opened.reload()
    opened.wait_for_selector(name_is("conv1.y[0,1,2]"))
    opened.keyboard.press("Escape")
    opened.wait_for_selector(".computation-panel", state="detached")
    waited(opened, lambda: opened.evaluate("document.activeElement.dataset.tensor === 'conv1.y'"))
    assert opened.locator(".diagram-readout").is_hidden()
    opened.keyboard.press("ArrowRight")
    assert opened.inner_text(".diagram-readout .cell-name") == "conv1.y[0,1,3]"


def test_nothing_moves_sideways_on_a_phone(opened: Page) -> None:
    opened.set_viewport_size({"width": 320, "height": 700})
    cells = {"conv1.y[1,2,3]": "forward", "conv1.dw[1,0,2,2]": "backward", "dense1.dy[3]": "backward"}
    cells |= {"softmax1.y[3]": "forward", "conv1.w.update[1,0,2,2]": "update"}
    wide: dict[str, int] = {}
    for cell, phase in cells.items():
        went(opened, f"#/network/{phase}/{cell}?sample=0", name_is(cell))
        wide[cell] = opened.evaluate(SIDEWAYS)
    went(opened, "#/network/forward?sample=0", ".diagram-track[data-phase=forward]")
    tops = opened.locator(".diagram-stage").evaluate_all("all => all.map((each) => each.getBoundingClientRect().top)")
    opened.set_viewport_size({"width": 1440, "height": 900})
    assert not any(wide.values()), wide
    assert tops == sorted(tops)  # from top to bottom
    assert len(set(tops)) == len(tops)


def test_the_lecture_hall(opened: Page) -> None:
    opened.set_viewport_size({"width": 1920, "height": 1080})
    went(opened, "#/network/forward?sample=0", ".diagram-track[data-phase=forward]")
    opened.keyboard.press("l")
    opened.wait_for_selector("html[data-hall]")
    assert opened.evaluate(SMALLEST) >= 18
    # A map with the focus leaves these keys to the hall.
    opened.locator("#diagram canvas[data-tensor='conv1.y']").first.focus()
    opened.keyboard.press("PageDown")
    opened.wait_for_selector(".sheet-where:text-matches('^2 of')")
    assert "hall" in opened.url
    went(opened, "#/network/backward/conv1.dw[1,0,2,2]?sample=0&hall", name_is("conv1.dw[1,0,2,2]"))
    assert opened.evaluate(SMALLEST) >= 18
    went(opened, "#/network?stop=2&sample=0&hall", ".sheet-where:text-matches('^2 of')")
    assert opened.evaluate(SMALLEST) >= 18
    opened.keyboard.press("PageDown")
    opened.wait_for_function("() => location.hash.includes('stop=3')")
    opened.keyboard.press("l")
    opened.wait_for_selector("html:not([data-hall])")
    opened.set_viewport_size({"width": 1440, "height": 900})
