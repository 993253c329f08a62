"""Visits to the real server: a question and its causes, letters of equations, and Firefox, by keys."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from web.journey import Journey, journey, numpy_cnn
from web.looked_at import NOBODY, completed
from web.pages import Page, absent, entered, number, waited

from chainrule.explain.notation import format_number


def split(cell: str) -> tuple[str, tuple[int, ...]]:
    """Return the tensor and the index of a cell."""
    name, _, index = cell.removesuffix("]").partition("[")
    return name, tuple(map(int, index.split(",")))


def changed(network: Journey, step: int, weight: str) -> tuple[float, float, list[float]]:
    """Return the change of a weight in a step, its gradient, and each image's contribution to it."""
    name, index = split(weight)
    record = network.session.batch_step(step, NOBODY)
    before, after = (network.model(frame).weights[name] for frame in (record.before, record.after))
    flat = int(np.ravel_multi_index(index, before.shape))
    [contributions] = network.session.contributions(step, name, [flat], NOBODY)
    return float(after[index]) - float(before[index]), float(np.sum(contributions)), contributions


def test_the_page_opens_on_a_question_about_an_early_step_and_leads_to_the_newest_step(
    page: Page, network: Journey
) -> None:
    newest = completed(network.session, "advance", 40)["step"]
    page.goto(network.address)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector(".story-cause")
    place = re.search(r"#/network/backward\?image=(\d+)&step=(\d+)&why=(conv1\.w\[[\d,]+\])$", page.url)
    image, step, weight = int(place[1]), int(place[2]), place[3]
    assert 0 < step < newest
    change, gradient, contributions = changed(network, step, weight)
    pulls = -np.sign(change) * np.array(contributions)
    record = network.session.batch_step(step, NOBODY)
    wrong = network.model(record.before).predict(record.images).argmax(1) != np.array(record.labels)
    preferred = np.where(wrong, pulls, 0) if pulls[wrong].max(initial=0) > 0 else pulls
    assert image == np.argmax(preferred)  # an image that is misclassified, if it moves the weight
    parts = [number(text) for text in page.locator(".story-cause > .number:not(.story-share)").all_inner_texts()]
    earlier, batch, of_image = parts
    assert earlier + batch == pytest.approx(change, rel=0.02)
    assert earlier + batch == pytest.approx(number(page.inner_text("#why > p b")), rel=1e-9)
    assert of_image == pytest.approx(batch * contributions[image] / gradient, rel=0.02, abs=abs(change) / 200)
    page.get_by_role("button", name="Newest").click()
    waited(page, lambda: "step=" not in page.url)
    page.goto("about:blank")
    entered(page, network.address, "#/network?sample=2")  # a link wins
    assert page.url.endswith("#/network?sample=2")


@pytest.mark.parametrize("width", [390, 1280])
def test_an_image_is_a_part_of_its_batch_and_keeps_the_focus(page: Page, network: Journey, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    entered(page, network.address, "#/network/backward?image=0&step=1&why=conv2.w[6,6,3,2]")
    page.click(".story-cause.batch")
    tracks = page.locator(".story-cause:is(.batch, .image) .signed-bar")
    ends = tracks.evaluate_all("all => all.map((a) => [a.getBoundingClientRect().x, a.offsetWidth])")
    assert ends == 2 * ends[:1]
    page.locator(".story-image[aria-pressed=false]").first.press("Enter")
    page.wait_for_selector(".story-image[aria-pressed=true]:focus")
    page.click(".story-cause.image")
    numbers = page.locator(".story-cause:is(.batch, .image) > b, #cause-image b:last-of-type").all_inner_texts()
    batch, image, others = map(number, numbers)
    assert image + others == pytest.approx(batch, rel=1e-9)


def test_an_update_leads_to_the_images_of_its_step_and_to_the_gradient_of_one(page: Page, network: Journey) -> None:
    entered(page, network.address, "#/network/update/conv2.w.update[1,0,0,1]?step=9")
    page.get_by_role("link", name="Why did this weight change?").click()
    waited(page, lambda: page.url.endswith("why=conv2.w[1,0,0,1]"))
    page.click(".story-cause.batch")
    images = page.locator(".story-image")
    images.first.wait_for()
    assert images.count() == 6  # in the last batch of an epoch
    images.first.click()
    page.click(".story-cause.image")
    gradient = number(page.locator("#cause-image .story-cell").inner_text())
    page.click("#cause-image .story-cell")
    waited(page, lambda: "/backward/conv2.dw[1,0,0,1]" in page.url)
    waited(page, lambda: number(page.inner_text("output.computation-value")) == pytest.approx(gradient, rel=0.01))


# ------------------------------------------------------------------------------------------------ after training


CELL = "conv1.w[2,0,1,1]"
LETTERS = ".computation-equation math [data-slot], .computation-factor[data-slot] > figcaption"
LINES = """(letters) => [...document.querySelectorAll(letters)].map((each) =>
  [each.closest('[data-slot]').dataset.slot, getComputedStyle(each).borderBottomStyle])"""


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """Train the network to the end."""
    with journey(numpy_cnn(tmp_path_factory.mktemp("data"), epochs=3), steps=15) as network:
        yield network


def test_a_finished_run_continues_at_its_last_rate_and_is_repeated_from_its_start(page: Page, ended: Journey) -> None:
    end, rate = ended.session.state()["steps"], ended.session.frame(None, NOBODY).rate
    planned = ended.session.frame(end - 1, NOBODY)
    assert (ended.session.state()["step"], planned.rate) == (end, rate)
    entered(page, ended.address, f"#/network/update/{CELL.replace('.w', '.w.update')}?sample=1")
    page.wait_for_selector(".computation-panel")
    further = page.inner_text("output.computation-value")
    page.click(".train-one")
    waited(page, lambda: ended.session.state()["step"] == end + 1)
    frame = ended.session.frame(end + 1, NOBODY)
    assert frame.rate == rate
    assert further == format_number(float(ended.model(frame).weights["conv1.w"][2, 0, 1, 1]))
    assert ended.session.state()["steps"] == end
    waited(page, lambda: page.inner_text(".train-go") == "Continue")
    page.click(".train-go")
    waited(page, lambda: ended.session.state()["step"] > end + 5)
    page.click(".train-go")
    page.click(".train-again")
    page.click(".train-dialog .train-go")
    waited(page, lambda: ended.session.state()["step"] == 0)
    assert completed(ended.session, "start")["step"] == end
    assert np.array_equal(ended.session.frame(end - 1, NOBODY).parameters, planned.parameters)


def test_a_letter_lights_its_operand_which_has_an_underline_of_its_own(page: Page, ended: Journey) -> None:
    entered(page, ended.address, "#/network/forward/conv1.y[1,2,3]?sample=1")
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


def test_a_gradient_is_written_as_the_derivative_by_the_tensor_that_it_is_of(page: Page, ended: Journey) -> None:
    for cell in ("conv1.dw[2,0,1,1]", "conv1.db[1]", "conv1.dy[1,2,3]"):
        entered(page, ended.address, f"#/network/backward/{cell}?sample=1")
        results = page.locator(".computation-equation math > :first-child > :first-child")
        results.first.wait_for(state="attached")
        written = [re.sub(r"[^\w∂.]", "", text) for text in results.all_text_contents()]
        tensor = cell.partition("[")[0].replace(".d", ".")
        assert all(text.startswith(f"∂L∂{tensor}") for text in written), written


def test_the_letters_of_an_update_are_those_of_its_operands(page: Page, ended: Journey) -> None:
    entered(page, ended.address, f"#/network/update/{CELL.replace('.w', '.w.update')}?sample=1&step=3")
    operands = {"w": "before the step", "g": "gradient of the batch", "m": "m", "v": "v"}  # Adam's
    slots = set[str | None]()
    for letter, words in operands.items():
        operand = page.locator(".computation-like", has_text=re.compile(f"(^|, ){words}$")).get_attribute("data-slot")
        letters = page.locator(f'.computation-steps [data-name="{letter}"]')
        assert {*letters.evaluate_all("(all) => all.map((each) => each.dataset.slot)")} == {operand}
        slots.add(operand)
    assert len(slots - {None}) == len(operands)


# ------------------------------------------------------------------------------------------------ Firefox


SCRIPT = Path(__file__).parent / "firefox.mjs"
DRIVER = Path(__file__).parents[2] / "node_modules" / "puppeteer-core"


def visit_in_firefox(address: str) -> dict[str, Any]:
    """Visit a page and return what was seen there."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        absent("no firefox on this machine")
    if shutil.which("node") is None or not DRIVER.is_dir():
        absent("puppeteer-core is not installed (make node_modules/.installed)")
    done = subprocess.run(["node", str(SCRIPT), path, address], capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_a_visit_in_firefox_shows_the_numbers_of_python(network: Journey) -> None:
    """It opens early; keys lead to the gradient of a weight, its update, a nudge, the lecture hall and the walk."""
    visit = visit_in_firefox(network.address)
    assert visit["wrong"] == []
    image, step = map(int, re.fullmatch(r"#/network/backward\?image=(\d+)&step=(\d+)&why=.*", visit["start"]).groups())
    assert 0 < step < network.session.state()["step"]
    record = network.session.batch_step(step, NOBODY)
    before, after = (network.model(frame) for frame in (record.before, record.after))
    picture, label = record.images[image], record.labels[image]
    trace = network.trace_of(picture, label, step)

    gradient, update = visit["gradient"], visit["update"]
    assert gradient["name"].startswith("conv1.dw[")
    assert gradient["tabs"] < 30
    assert gradient["value"] == trace.explain(gradient["name"]).shown
    was, became = (float(model.weights["conv1.w"][split(update["name"])[1]]) for model in (before, after))
    assert update["value"] == format_number(became, 3, [was])

    cell, value, loss, change = re.match(
        r"(\S+) = (\S+): loss (\S+), changed by (\S+);", visit["nudged"]["words"]
    ).groups()
    weight = before.weights["conv1.w"][split(cell)[1]]
    assert visit["link"] == {"name": cell, "value": format_number(float(weight)), "hall": True}
    before.weights["conv1.w"][split(cell)[1]] = number(value)
    answer = before.predict(picture[None])[0]
    assert number(loss) == pytest.approx(-np.log(answer[label]), rel=5e-3)
    assert number(change) == pytest.approx(-np.log(answer[label]) - float(trace["loss"]), abs=2e-3)
    probabilities = [float(text.strip("<≈ %")) for text in visit["nudged"]["probabilities"]]
    assert probabilities == pytest.approx(list(100 * answer), abs=0.1)

    small, large = visit["hall"]
    assert small < 18 <= large
    stop, following, again = visit["walk"]
    assert stop == again != following
