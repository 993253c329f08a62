"""A complete visit to the real server with mouse, keyboard and drawing."""

import re
from collections.abc import Iterator
from decimal import Decimal

import numpy as np
import pytest
from web.journey import Journey, journey, numpy_cnn
from web.looked_at import NOBODY
from web.pages import Page, entered, number, waited


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    with journey(numpy_cnn(tmp_path_factory.mktemp("data")), steps=20) as network:
        yield network


def changed(network: Journey, step: int, weight: str) -> tuple[float, float, list[float]]:
    """Return the change of a weight in a step, its gradient, and each image's contribution to it."""
    name, index = weight[: weight.index("[")], tuple(map(int, weight[weight.index("[") + 1 : -1].split(",")))
    record = network.session.batch_step(step, NOBODY)
    place = slice(*network.session.subject.model.layout[name])
    shape = network.session.subject.model.weights[name].shape
    arrays = (record.before.parameters, record.after.parameters, record.gradient)
    before, after, gradient = (float(array[place].reshape(shape)[index]) for array in arrays)
    flat = int(np.ravel_multi_index(index, shape))
    return after - before, gradient, network.session.contributions(step, name, [flat], NOBODY)[0]


def test_the_page_opens_on_a_question_about_an_early_step_and_leads_to_the_newest_step(
    page: Page, network: Journey
) -> None:
    network.session.command("advance", 40)
    network.rest()
    newest = network.session.state()["step"]
    page.goto(network.address)
    page.wait_for_selector("html[data-ready]")
    page.wait_for_selector(".story-cause")
    place = re.search(r"#/network/backward\?image=(\d+)&step=(\d+)&why=(conv1\.w\[[\d,]+\])$", page.url)
    image, step, weight = int(place[1]), int(place[2]), place[3]
    assert 0 < step < newest
    change, gradient, contributions = changed(network, step, weight)
    assert change * gradient < 0  # the step goes against the gradient of its batch
    assert image == np.argmax(np.array(contributions) * np.sign(gradient))
    parts = [number(text) for text in page.locator(".story-cause > .number:not(.story-share)").all_inner_texts()]
    earlier, batch, of_image = parts
    shares = [number(text.split()[0]) for text in page.locator(".story-share").all_inner_texts()]
    assert min(map(abs, shares)) >= 1  # all causes can be seen
    assert min(map(abs, parts)) > 0
    assert earlier + batch == pytest.approx(change, rel=0.02)
    assert earlier + batch == pytest.approx(number(page.inner_text(".story-body > p b")), rel=1e-9)
    assert batch / change >= 0.5
    assert of_image == pytest.approx(batch * contributions[image] / gradient, rel=0.02, abs=abs(change) / 200)
    page.get_by_role("button", name="Newest").click()
    waited(page, lambda: "step=" not in page.url)
    page.goto("about:blank")
    entered(page, network.address, "#/network?sample=2")  # a link wins
    assert page.url.endswith("#/network?sample=2")


@pytest.mark.parametrize("size", [(1280, 800), (1440, 900), (3440, 1440)], ids=str)
def test_causes_open_below_the_network_with_the_weight_and_its_paths_in_view(
    page: Page, network: Journey, size: tuple[int, int]
) -> None:
    page.set_viewport_size({"width": size[0], "height": size[1]})
    entered(page, network.address, "#/network?image=0&step=1&why=conv2.w[6,6,3,2]")
    page.wait_for_selector(".story-cause.image")
    assert page.locator(".diagram-paths path").count() == 0  # forward, no way back is drawn
    page.click(".story-cause.memory")
    page.click(".story-cause.image")
    page.wait_for_selector(".diagram-paths path")
    assert page.locator("#phases [aria-pressed=true]").first.inner_text() == "← Backward"
    marks = page.locator(".diagram-paths path, .diagram-marks .chosen")
    ends = marks.evaluate_all("all => all.map(a => a.getBoundingClientRect().bottom)")
    bar, detail = (page.locator(part).bounding_box() for part in (".train-bar", "#cause-image"))
    assert max(ends) < detail["y"] < detail["y"] + detail["height"] <= bar["y"]
    is_roomy = size[0] > 1280
    assert page.locator("#cause-memory").is_visible() == is_roomy  # where both fit
    assert page.evaluate("scrollY") == 0 or not is_roomy


def test_the_last_stop_leads_from_the_image_s_gradient_to_the_change(page: Page, network: Journey) -> None:
    weight = "conv2.w[6,6,3,2]"
    entered(page, network.address, f"#/network/update?image=0&step=1&stop=12&why={weight}")
    page.wait_for_selector(".computation-steps")
    text = " ".join(page.locator(".story-body > p").all_inner_texts()).replace("−", "-")
    before, after, step = map(Decimal, re.findall(r"from (\S+) to (\S+)\. The change is (\S+)\.", text)[0])
    part, others, mean = map(Decimal, re.findall(r" = (\S+) to their mean.* add (\S+), so .* is (\S+?)\. Of", text)[0])
    assert after - before == step
    assert part + others == mean
    assert sum(map(Decimal, re.findall(r"(\S+)\s%", text))) == 100
    tops = "all => all.map((element) => element.getBoundingClientRect().top)"
    controls, bar = page.locator(".story-controls, .train-bar").evaluate_all(tops)
    assert controls < bar - 20  # the text is longer than the window
    change, gradient, contributions = changed(network, 1, weight)
    assert [float(step), float(mean), float(part)] == pytest.approx([change, gradient, contributions[0]], rel=0.01)


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
