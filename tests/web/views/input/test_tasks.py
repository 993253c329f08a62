"""The page's output for tasks other than classification: yes/no, several labels, regression."""

from pathlib import Path

import numpy as np
import pytest
from web.journey import journey
from web.looked_at import untrained
from web.networks import find_subject, served
from web.pages import Page, entered, number, waited, words

from chainrule import layers
from chainrule.models.model import Sequential
from chainrule.network import tasks
from chainrule.training import optimizers
from chainrule.training.recipe import Recipe


@pytest.mark.parametrize("name", ["yes-or-no", "labels", "numbers"])
def test_answers_are_said_in_the_words_of_the_task(page: Page, name: str) -> None:
    subject = find_subject(name)
    task, classes = subject.model.task, subject.description["classes"]
    y = subject.model.predict(subject.picture(0)["x"][None])[0]
    with served(subject) as address:
        entered(page, address)
        waited(page, lambda: words(page))  # the training state is polled as well
        said = page.inner_text(".winner")
        label, answer = (page.locator(f".input-{name}").bounding_box() for name in ("label", "answer"))
        assert label["x"] + label["width"] <= answer["x"]
        measures = words(page)
        page.goto("about:blank")  # or it would keep polling the server
    if task is tasks.BINARY:
        assert said.startswith(f"Prediction: {classes[int(y[0] >= 0.5)]}, ")
        assert float(said.split()[-2]) == pytest.approx(100 * max(y[0], 1 - y[0]), abs=0.06)
    elif task is tasks.MULTI_LABEL:
        names = [each for each, value in zip(classes, y, strict=True) if value >= 0.5]
        assert said == f"Prediction: {', '.join(names) or 'no label'}"
    else:
        assert said.startswith("Output")
        assert number(said.split()[-1]) == pytest.approx(y[-1], rel=0.01)
    assert f"batch {task.metric.replace('_', ' ')}" in measures
    assert ("batch accuracy" in measures) == (task is tasks.BINARY)


def test_a_series_of_floats_is_drawn_as_curves(page: Page, tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    x, y = random.normal(2, 3, (24, 2, 30)).astype(np.float32), random.integers(0, 3, 24)
    np.savez(tmp_path / "series.npz", x=x, y=y, x_test=x[:9], y_test=y[:9])
    body = [layers.Conv1D(4, 3), layers.ReLU(), layers.Flatten(), layers.Dense(3), layers.Softmax()]
    recipe = Recipe(optimizer=optimizers.Adam(0.01), normalization="standardize", batch_size=6)
    model = Sequential(body, (2, 30), seed=1, engine="numpy", name="series")
    with journey(untrained(model, recipe, tmp_path / "series.npz"), steps=2) as network:
        entered(page, network.address, "#/network/forward/x[1,7]?sample=3")
        shown = number(page.inner_text("output.computation-value"))
        assert shown == pytest.approx(float(model.normalization.apply(x)[3, 1, 7]), rel=5e-3)
        for tensor, channels in (("x", 2), ("conv1.y", 4)):
            canvas = page.locator(f'#diagram canvas[data-tensor="{tensor}"]').first
            box = canvas.bounding_box()
            assert box["height"] >= 25 * channels
        canvas.click(position={"x": box["width"] * 10.5 / 28, "y": box["height"] * 3.5 / 4})
        waited(page, lambda: "forward/conv1.y[3,0,10]" in page.url)
        page.goto("about:blank")  # which sends no requests to a stopped server
