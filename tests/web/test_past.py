"""The past of a weight on the page, its letters, and the way to the last step of training."""

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest
from web.journey import Journey, journey, smooth
from web.looked_at import NOBODY
from web.pages import Locator, Page, entered, waited

from chainrule.explain.notation import format_number

EPOCHS = 3
CELL = "conv1.w[2,0,1,1]"
LETTERS = ".computation-equation math [data-slot], .computation-factor[data-slot] > figcaption"
LINES = """(letters) => [...document.querySelectorAll(letters)].map((each) =>
  [each.closest('[data-slot]').dataset.slot, getComputedStyle(each).borderBottomStyle])"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """Train a network to the end."""
    subject = smooth(tmp_path_factory.mktemp("data"))
    with journey(replace(subject, recipe=replace(subject.recipe, epochs=EPOCHS)), steps=10**6) as network:
        yield network


def curve(page: Page, name: str) -> Locator:
    return page.locator(f'.computation-past-curve[aria-label="{name} over training"]')


def test_a_step_of_a_weights_past_is_pointed_at_and_gone_to(page: Page, network: Journey) -> None:
    entered(page, network.address, f"#/network/forward/{CELL}?sample=1")
    steps = network.session.past("conv1.w", 0)["steps"]
    value = curve(page, "value")
    value.focus()
    page.keyboard.press("Home")
    for at in range(1, 4):
        page.keyboard.press("ArrowRight")
        frame = network.session.frame(steps[at], NOBODY)
        weight = format_number(float(network.model(frame).weights["conv1.w"][2, 0, 1, 1]))
        assert value.get_attribute("aria-valuetext") == f"step {steps[at]}: {weight}"
    page.keyboard.press("Enter")
    waited(page, lambda: f"step={steps[3]}" in page.url)
    waited(page, lambda: page.inner_text(".computation-value") == weight)
    box = curve(page, "value").locator("svg").bounding_box()
    page.mouse.click(box["x"] + box["width"] - 1, box["y"] + 5)
    waited(page, lambda: "step=" not in page.url)  # the newest step


def test_after_training_update_leads_to_its_last_step(page: Page, network: Journey) -> None:
    last = network.session.state()["step"] - 1
    entered(page, network.address, f"#/network/update/{CELL.replace('.w', '.w.update')}?sample=1")
    page.click(".computation-ended button")
    waited(page, lambda: f"step={last}" in page.url)
    page.wait_for_selector(".computation-batch")
    weights = network.session.frame(last + 1, NOBODY).parameters
    after = weights[slice(*network.session.subject.model.layout["conv1.w"])].reshape(3, 1, 3, 3)[2, 0, 1, 1]
    assert page.inner_text(".computation-value") == format_number(float(after))
    page.evaluate("location.hash = '#/network/update?sample=1'")
    assert str(last + 1) in page.inner_text(".train-message")  # why no further step can be taken
    page.click(".last-step")
    waited(page, lambda: f"step={last}" in page.url)
    waited(page, lambda: page.locator(".last-step").is_hidden())
    question = f"#/network/backward?image=0&step={last}&why=conv1.w[2,0,1,1]"
    page.evaluate("place => { location.hash = place; }", question)
    page.wait_for_selector(".story-question")
    page.get_by_role("button", name="Newest").click()
    waited(page, lambda: "step=" not in page.url)
    page.get_by_role("button", name="Why?").click()
    waited(page, lambda: page.url.endswith(question))


def test_a_letter_lights_its_operand_which_has_an_underline_of_its_own(page: Page, network: Journey) -> None:
    entered(page, network.address, "#/network/forward/conv1.y[1,2,3]?sample=1")
    page.wait_for_selector(".computation-factor[data-slot]")
    lines = {tuple(each) for each in page.evaluate(LINES, LETTERS)}
    assert {slot for slot, _ in lines} == {"1", "2", "3"}  # x, w, b
    assert len(lines) == len({line for _, line in lines}) == 3
    ground = "(each) => getComputedStyle(each).backgroundColor"
    letter = page.locator(
        '.computation-here [data-name="w"][data-slot], .computation-equation [data-name="w"][data-slot]'
    ).last
    slot = letter.get_attribute("data-slot")
    operand = page.locator(f'.computation-factor[data-slot="{slot}"]').last
    assert re.match("w", operand.locator("figcaption").inner_text())
    for pointed, lit in ((letter, operand), (operand, letter)):
        page.mouse.move(2, 2)
        dull = lit.evaluate(ground)
        pointed.hover()
        waited(page, lambda lit=lit, dull=dull: lit.evaluate(ground) != dull)


@pytest.mark.parametrize(
    ("cell", "of"), [("conv1.dw[2,0,1,1]", "conv1.w"), ("conv1.db[1]", "conv1.b"), ("conv1.dy[1,2,3]", "conv1.y")]
)
def test_a_gradient_is_written_as_the_derivative_by_the_tensor_that_it_is_of(
    page: Page, network: Journey, cell: str, of: str
) -> None:
    entered(page, network.address, f"#/network/backward/{cell}?sample=1")
    results = page.locator(".computation-equation math > :first-child > :first-child")
    results.first.wait_for(state="attached")
    written = [re.sub(r"[^\w∂.]", "", text) for text in results.all_text_contents()]
    assert all(text.startswith(f"∂L∂{of}") for text in written), written


def test_the_letters_of_an_update_are_those_of_its_operands(page: Page, network: Journey) -> None:
    entered(page, network.address, f"#/network/update/{CELL.replace('.w', '.w.update')}?sample=1&step=3")
    page.wait_for_selector(".computation-batch")
    operands = {"w": "before the step", "g": "gradient of the batch", "m": "m", "v": "v"}  # Adam's
    slots = {}
    for letter, words in operands.items():
        slots[letter] = page.locator(".computation-like", has_text=re.compile(f"(^|, ){words}$")).get_attribute(
            "data-slot"
        )
        letters = page.locator(f'.computation-steps [data-name="{letter}"]').evaluate_all(
            "(all) => all.map((each) => each.dataset.slot)"
        )
        assert set(letters) == {slots[letter]}
    assert None not in slots.values()
    assert len(set(slots.values())) == len(operands)
