"""A visit to the real server in Firefox, mostly by keys: a weight's gradient and step, a nudge, the hall, the walk."""

import json
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from web.journey import Journey, journey, numpy_cnn
from web.views.opened import number
from web.watching import absent

from chainrule.explain.notation import format_number

SCRIPT = Path(__file__).parent / "firefox.mjs"
DRIVER = Path(__file__).parents[2] / "node_modules" / "puppeteer-core"
NEVER = threading.Event()


@pytest.fixture(scope="module")
def firefox() -> str:
    """Return the path of Firefox."""
    found = shutil.which("firefox-esr") or shutil.which("firefox")
    if found is None:
        absent("no firefox on this machine")
    if shutil.which("node") is None or not DRIVER.is_dir():
        absent("puppeteer-core is not installed (make node_modules/.installed)")
    return found


@pytest.fixture(scope="module")
def network(firefox: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """Train numpy-cnn for some steps and serve its page."""
    with journey(numpy_cnn(tmp_path_factory.mktemp("data")), steps=20) as found:
        yield found


@pytest.fixture(scope="module")
def visit(firefox: str, network: Journey) -> dict[str, Any]:
    """Visit the page once and return what was seen there."""
    words = ["node", str(SCRIPT), firefox, network.address]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def place(visit: dict[str, Any]) -> tuple[int, int]:
    """Return the image of the batch and the step at which the page opened."""
    found = re.fullmatch(r"#/network/backward\?image=(\d+)&step=(\d+)&why=.*", visit["start"])
    assert found, visit["start"]
    return int(found[1]), int(found[2])


def index(cell: str) -> tuple[int, ...]:
    return tuple(int(each) for each in cell[cell.index("[") + 1 : -1].split(","))


def picture(network: Journey, place: tuple[int, int]) -> tuple[np.ndarray, int]:
    """Return the image of the batch, in bytes, and its label."""
    record = network.session.batch_step(place[1], NEVER)
    assert record.labels is not None
    return record.images[place[0]], record.labels[place[0]]


def weight(network: Journey, step: int, cell: str) -> float:
    """Return a weight after some steps of training."""
    tensor = cell[: cell.index("[")].removesuffix(".update")
    return float(network.model(network.session.frame(step, NEVER)).weights[tensor][index(cell)])


def contributions(network: Journey, step: int, cell: str) -> Sequence[float]:
    """Return what each image of the batch contributes to the gradient of a convolution's weight."""
    tensor = f"{cell.partition('.')[0]}.w"
    shape = network.model(network.session.frame(step, NEVER)).weights[tensor].shape
    return network.session.contributions(step, tensor, [int(np.ravel_multi_index(index(cell), shape))], NEVER)[0]


def test_no_error_is_unreported(visit: dict[str, Any]) -> None:
    assert visit["wrong"] == []


def test_it_opens_early(place: tuple[int, int], network: Journey) -> None:
    assert 0 < place[1] < network.session.state()["step"]


def test_keys_lead_from_the_question_to_the_gradient_of_its_weight(
    visit: dict[str, Any], place: tuple[int, int], network: Journey
) -> None:
    found = visit["gradient"]
    assert found["name"].startswith("conv1.dw[")
    assert found["tabs"] < 20
    assert found["value"] == network.trace_of(*picture(network, place), place[1]).explain(found["name"]).shown
    whole = sum(contributions(network, place[1], found["name"]))
    assert whole * number(found["value"]) > 0  # the image wants what its batch wants
    first, second, third, back, last = visit["stop"]
    terms = last.split(" of ")[1]
    assert [first, second, third, back, last] == [f"{done} of {terms}" for done in (0, 1, 2, 1, terms)]


def test_why_a_weight_changed_adds_up_to_the_step_of_training(
    visit: dict[str, Any], place: tuple[int, int], network: Journey
) -> None:
    _, step = place
    cell, value = visit["update"]["name"], visit["update"]["value"]
    before, after = (weight(network, at, cell) for at in (step, step + 1))
    assert value == format_number(after, 3, [before])
    shares = [number(row.split("\n")[1]) for row in visit["shares"]]
    assert sum(shares) == pytest.approx(after - before, rel=2e-2)
    expected = contributions(network, step, cell)
    gradients = [number(image.split("\n")[-1]) for image in visit["images"]]
    assert sorted(gradients) == pytest.approx(sorted(len(expected) * each for each in expected), rel=5e-3)


def test_a_nudged_weight_is_computed_as_predict_does(
    visit: dict[str, Any], place: tuple[int, int], network: Journey
) -> None:
    image, label = picture(network, place)
    found = re.fullmatch(r"(\S+) = (\S+): loss (\S+), changed by (\S+); .*", visit["nudged"]["words"])
    assert found, visit["nudged"]
    model = network.model(network.session.frame(place[1], NEVER))
    model.weights["conv1.w"][index(found[1])] = number(found[2])
    answer = model.predict(image[None])[0]
    loss = -np.log(answer[label])
    assert number(found[3]) == pytest.approx(loss, rel=5e-3)
    assert number(found[4]) == pytest.approx(loss - float(network.trace_of(image, label, place[1])["loss"]), abs=2e-3)
    probabilities = [float(text.strip("<≈ %")) for text in visit["nudged"]["probabilities"]]
    assert probabilities == pytest.approx(list(100 * answer), abs=0.1)


def test_a_link_restores_the_lecture_hall_and_its_weight(
    visit: dict[str, Any], place: tuple[int, int], network: Journey
) -> None:
    before, after = visit["hall"]
    assert before < 18 <= after
    cell = visit["link"]["name"]
    assert visit["link"] == {"name": cell, "value": format_number(weight(network, place[1], cell)), "hall": True}


def test_the_walk_goes_on_and_back(visit: dict[str, Any]) -> None:
    stop, after, again = visit["walk"]
    assert stop == again != after
