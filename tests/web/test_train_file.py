"""The self-contained file, opened from disk without a network: training in it, and a teacher's walk."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numerical import assert_close
from web.conftest import new_page
from web.journey import numpy_cnn, written
from web.looked_at import small, stripes
from web.pages import Browser, Page, number, shown, step, visit, waited, weight, words

from chainrule.errors import FormatError
from chainrule.training.optimizers import Adam
from chainrule.training.recipe import Recipe
from chainrule.web.walks import WalkStop, read_walk


@pytest.fixture
def offline(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(offline=True)
    with new_page(context) as page:
        yield page
    context.close()


def test_the_file_trains_and_finds_its_steps_again(offline: Page, tmp_path: Path) -> None:
    page, recipe = offline, Recipe(epochs=1000, batch_size=7, optimizer=Adam(0.01), seed=5)
    visit(page, written(tmp_path / "page.html", small(stripes(tmp_path / "data.npz"), recipe=recipe), 45))
    assert "only the 30 images in this file" in page.inner_text(".train-about")
    assert words(page)["step"] == "45 of 9,000"
    slider = page.locator(".train-slider")
    slider.focus()
    while slider.input_value() != "10":  # stored without moments
        page.keyboard.press("ArrowLeft")
    waited(page, lambda: shown(page) == 10)
    page.evaluate("location.hash = location.hash.replace(/network[^?]*/, 'network/update')")
    page.get_by_text("not stored at step 10").wait_for()
    assert page.locator('#diagram canvas[data-key="conv1.w.change"]').count() == 0
    page.click(".train-one")
    waited(page, lambda: re.search(r"It can from step 0 or \d+ or 45\.", page.inner_text(".train-message")))
    slider.focus()
    page.keyboard.press("Home")
    waited(page, lambda: shown(page) == 0)
    page.wait_for_selector('#diagram canvas[data-key="conv1.w.change"]')
    page.click(".train-one")
    waited(page, lambda: step(page) == 1)
    first = number(words(page)["batch loss"])
    page.click(".train-go")
    waited(page, lambda: step(page) > 40)
    page.click(".train-go")
    waited(page, lambda: page.inner_text(".train-go") == "Continue")
    assert number(words(page)["batch loss"]) < first / 2
    slider.focus()
    page.keyboard.press("Home")
    page.keyboard.press("PageUp")
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    chosen = int(slider.input_value())
    waited(page, lambda: shown(page) == chosen)
    seen = [weight(page, index) for index in ((0, 0, 0, 0), (2, 0, 1, 2))]
    page.click("text=The run")
    waited(page, lambda: words(page)["step"] == "45 of 9,000")
    page.click("text=Training on this page")
    waited(page, lambda: "of" not in words(page)["step"])
    assert [weight(page, index) for index in ((0, 0, 0, 0), (2, 0, 1, 2))] != seen
    page.evaluate("n => { location.hash = location.hash.replace(/[?].*|$/, `?step=${n}`) }", chosen)
    waited(page, lambda: shown(page) == chosen)
    assert [weight(page, index) for index in ((0, 0, 0, 0), (2, 0, 1, 2))] == seen


def test_an_epoch_sees_every_picture_once_in_an_order_of_its_own(modules: Page) -> None:
    """Of 23 images in batches of 5, the last step of an epoch has 3."""
    epochs = modules.evaluate(
        """async () => {
          const { batch, batchSize, epochSteps } = await import("/source/batches.js");
          const size = batchSize(23, 5);
          const every = epochSteps(23, size);
          return [0, 1].map((epoch) => Array.from({ length: every }, (_, k) => batch(epoch * every + k, 23, size, 7)));
        }"""
    )
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == [5, 5, 5, 5, 3]
        assert sorted(number for batch in epoch for number in batch) == list(range(23))
    assert epochs[0] != epochs[1]


def test_keyframes_become_sparser_and_replays_stay_exact(modules: Page) -> None:
    keyframes = modules.evaluate(
        """async () => {
          const { Keyframes } = await import("/source/keyframes.js");
          const frame = (step) => ({ step, rate: 1, parameters: new Float32Array(4), statistics: new Float32Array(0) });
          const kept = new Keyframes({ ...frame(5), moments: null }, 6);
          for (let step = 6; step <= 105; step += 1) if (kept.keeps(step)) kept.keep({ ...frame(step), moments: null });
          kept.remember({ ...frame(50), moments: null });
          const before = [5, 49, 50, 105].map((step) => kept.before(step).step);
          return { steps: kept.steps, spacing: kept.spacing, before };
        }"""
    )
    assert keyframes == {"steps": [5, 21, 37, 53, 69, 85, 101], "spacing": 16, "before": [5, 37, 50, 101]}


def test_ranges_and_means_of_many_steps_are_those_of_numpy(modules: Page) -> None:
    """Compare ranges and running means of 5,000 values with NumPy's."""
    values = np.random.default_rng(0).normal(size=5000)
    asked = [(0, 5000), (17, 18), (1000, 3333), (4096, 4999)]
    signals = modules.evaluate(
        """async ([values, asked]) => {
          const { Signal } = await import("/views/train/signal.js");
          const signal = new Signal();
          for (let k = 0; k < values.length; k += 7) signal.append(values.slice(k, k + 7));
          const means = [0, 3, 2500, 4999].map((k) => signal.mean(k));
          return { ranges: asked.map(([a, b]) => signal.range(a, b)), means };
        }""",
        [values.tolist(), asked],
    )
    assert signals["ranges"] == [[values[a:b].min(), values[a:b].max()] for a, b in asked]
    half = 35  # ½ √5000, rounded down
    means = [values[0], values[:7].mean(), values[2500 - half : 2500 + half + 1].mean(), values[4999 - half :].mean()]
    assert_close(signals["means"], means)


# ------------------------------------------------------------------------------------------------ a walk


def read(folder: Path, text: str) -> list[WalkStop]:
    """Write a walk of a network with two layers and read it."""
    path = folder / "walk.md"
    path.write_text(text, encoding="utf-8")
    return read_walk(path, ["conv1", "dense1"])


def test_a_drawn_walk_is_read_as_it_was_written(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    for _ in range(20):
        stops: list[WalkStop] = []
        lines = ["# The title of all", ""]
        for stop in range(random.integers(1, 6)):
            paragraphs = [f"paragraph {k} of {stop}, with `code` and *stars*" for k in range(random.integers(0, 4))]
            cell = random.choice(["", "loss.y", "conv1.dw[0,0,1,1]", "dense1.w.update[3,2]"])
            options = {name: int(random.integers(99)) for name in ("sample", "step") if cell and random.random() < 0.5}
            query = "&".join(f"{name}={value}" for name, value in options.items())
            blocks = [text.replace(" of ", " of\n") for text in paragraphs]
            if cell:
                blocks.insert(int(random.integers(len(blocks) + 1)), f"`{cell}{'?' if query else ''}{query}`")
            lines += [f"## Stop {stop}", *(part for block in blocks for part in (*block.split("\n"), ""))]
            stops.append(WalkStop(f"Stop {stop}", paragraphs, cell or None, **options))
        assert read(tmp_path, "\n".join(lines)) == stops


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "0 stops"),
        ("text before any stop", "walk.md:1: expected a stop"),
        ("## a\n`conv7.y[0,1,2]`", "walk.md:2: the network has no layer 'conv7'"),
        ("## a\n\n`loss.y`\n`loss.y`", "walk.md:4: "),
        ("## a\n" * 101, "101 stops"),
    ],
)
def test_the_line_of_an_error_is_named(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(FormatError, match=words.replace("(", r"\(")):
        read(tmp_path, text)


def test_a_walk_plays_on_the_network(page: Page, tmp_path: Path) -> None:
    text = "## One\nFirst text.\n\n`loss.y?sample=2`\n## Two\n`conv1.dw[0,0,1,1]`\n## Three\nThe end."
    page.goto(written(tmp_path / "page.html", replace(numpy_cnn(tmp_path), walk=tuple(read(tmp_path, text)))))
    page.wait_for_selector('.sheet-talk h2:text-is("One")')
    assert page.inner_text(".sheet-words") == "First text."
    page.wait_for_function("location.hash.includes('sample=2')")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('.sheet-talk h2:text-is("Two")')
    assert "conv1.w[0,0,1,1]" in page.inner_text(".sheet-sum")
    page.keyboard.press("ArrowRight")
    page.wait_for_selector('.sheet-talk h2:text-is("Three")')
