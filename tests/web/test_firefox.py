"""A visit to the real server in Firefox, mostly by keys: a weight's gradient and step, a nudge, the hall, the walk."""

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
from web.looked_at import NOBODY
from web.pages import absent, number

from chainrule.explain.notation import format_number

SCRIPT = Path(__file__).parent / "firefox.mjs"
DRIVER = Path(__file__).parents[2] / "node_modules" / "puppeteer-core"


@pytest.fixture(scope="module")
def firefox() -> str:
    """Return the path of Firefox."""
    path = shutil.which("firefox-esr") or shutil.which("firefox")
    if path is None:
        absent("no firefox on this machine")
    if shutil.which("node") is None or not DRIVER.is_dir():
        absent("puppeteer-core is not installed (make node_modules/.installed)")
    return path


@pytest.fixture(scope="module")
def network(firefox: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Journey]:
    """Train numpy-cnn for some steps and serve its page."""
    with journey(numpy_cnn(tmp_path_factory.mktemp("data")), steps=20) as network:
        yield network


@pytest.fixture(scope="module")
def visit(firefox: str, network: Journey) -> dict[str, Any]:
    """Visit the page once and return what was seen there."""
    words = ["node", str(SCRIPT), firefox, network.address]
    done = subprocess.run(words, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def index(cell: str) -> tuple[int, ...]:
    return tuple(int(each) for each in cell[cell.index("[") + 1 : -1].split(","))


def test_a_visit_in_firefox_shows_the_numbers_of_python(visit: dict[str, Any], network: Journey) -> None:
    """It opens early; keys lead to the gradient of a weight, its update, a nudge, the lecture hall and the walk."""
    assert visit["wrong"] == []
    image, step = map(int, re.fullmatch(r"#/network/backward\?image=(\d+)&step=(\d+)&why=.*", visit["start"]).groups())
    assert 0 < step < network.session.state()["step"]
    record = network.session.batch_step(step, NOBODY)
    before, after = (network.model(frame) for frame in (record.before, record.after))
    picture, label = record.images[image], record.labels[image]
    trace = network.trace_of(picture, label, step)

    gradient, update = visit["gradient"], visit["update"]
    assert gradient["name"].startswith("conv1.dw[")
    assert gradient["tabs"] < 20
    assert gradient["value"] == trace.explain(gradient["name"]).shown
    place = index(update["name"])
    was, became = (float(model.weights["conv1.w"][place]) for model in (before, after))
    assert update["value"] == format_number(became, 3, [was])

    cell, value, loss, change = re.match(
        r"(\S+) = (\S+): loss (\S+), changed by (\S+);", visit["nudged"]["words"]
    ).groups()
    shown = {"name": cell, "value": format_number(float(before.weights["conv1.w"][index(cell)])), "hall": True}
    assert visit["link"] == shown
    before.weights["conv1.w"][index(cell)] = number(value)
    answer = before.predict(picture[None])[0]
    assert number(loss) == pytest.approx(-np.log(answer[label]), rel=5e-3)
    assert number(change) == pytest.approx(-np.log(answer[label]) - float(trace["loss"]), abs=2e-3)
    probabilities = [float(text.strip("<≈ %")) for text in visit["nudged"]["probabilities"]]
    assert probabilities == pytest.approx(list(100 * answer), abs=0.1)

    small, large = visit["hall"]
    assert small < 18 <= large
    stop, following, again = visit["walk"]
    assert stop == again != following
