"""The text beside the network and what it shows: the walk, routed gradients, and values that are edited."""

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from web import fixed_networks
from web.fixed_page import Subject
from web.views.opened import went

from chainrule import layers
from chainrule.explain.notation import format_number
from chainrule.training import optimizers
from chainrule.training.recipe import Recipe

if TYPE_CHECKING:
    from playwright.sync_api import Page

SAMPLE = 1
BODY = [
    *(layers.Conv2D(3, (3, 2)), layers.ReLU(), layers.MaxPool2D(2), layers.Flatten()),
    *(layers.Dense(6), layers.ReLU(), layers.Dense(5), layers.Softmax()),
]
SHOWN = ["conv1", "relu1", "pool1", "dense1", "relu2", "dense2", "softmax1"]


@pytest.fixture(scope="module")
def subject() -> Subject:
    recipe = Recipe(optimizer=optimizers.Adam(learning_rate=0.01))
    return fixed_networks.random_subject("small", BODY, (1, 9, 8), recipe, seed=7)


def number(text: str) -> float:
    return float(text.replace("−", "-"))


def test_the_walk_stops_at_every_layer_forward_and_back_with_python_s_values(opened: "Page", subject: Subject) -> None:
    trace, cells = subject.trace(SAMPLE), list[str]()
    went(opened, f"#/network?sample={SAMPLE}&stop=1", ".story-body h2")
    count = int(opened.locator(".story-controls .story-meta").inner_text().split(" of ")[1])
    for stop in range(1, count + 1):
        opened.wait_for_selector(f".story-body .story-meta:text-matches('Stop {stop} of')")
        shown = opened.locator(".story-body .story-cell")
        if shown.count():
            cell, value = shown.inner_text().split(" = ")
            assert value == format_number(trace.explain(cell).value)
            cells.append(cell)
        opened.get_by_label("Next stop").click(force=stop == count)
    assert [cell.split(".")[0] for cell in cells] == [*SHOWN, *reversed(SHOWN), "conv1"]
    assert [cell.split(".")[1][:2] for cell in cells] == ["y["] * 7 + ["dy"] * 7 + ["w"]


def test_the_paths_of_the_error_grow_over_the_maps(opened: "Page") -> None:
    lines = []
    for stop in (10, 12, 15):
        went(opened, f"#/network/backward?sample={SAMPLE}&stop={stop}", f".story-meta:text-matches('Stop {stop} of')")
        opened.wait_for_timeout(300)
        lines.append(opened.locator(".diagram-paths path").count())
    assert lines == sorted(lines)
    assert lines[-1] > lines[0]


def test_a_window_shows_where_the_gradient_of_its_maximum_goes(opened: "Page", subject: Subject) -> None:
    trace = subject.trace(SAMPLE)
    dy = np.asarray(trace["pool1.dy"])
    c, i, j = np.unravel_index(np.abs(dy).argmax(), dy.shape)
    went(
        opened,
        f"#/network/backward/relu1.dy[{c},{2 * i},{2 * j}]?sample={SAMPLE}",
        ".computation-factors .computation-square",
    )
    squares = opened.locator(".computation-factor .computation-square .computation-digits").all_inner_texts()
    window = np.asarray(trace["relu1.y"])[c, 2 * i : 2 * i + 2, 2 * j : 2 * j + 2].ravel()
    expected = np.where(np.arange(4) == window.argmax(), dy[c, i, j], 0)
    assert [number(text) for text in squares[4:8]] == pytest.approx(expected, rel=0.05)


def test_edited_values_give_the_sum_of_their_products(opened: "Page", subject: Subject) -> None:
    trace = subject.trace(SAMPLE)
    cell = "dense2.y[2]"
    went(opened, f"#/network/forward/{cell}?sample={SAMPLE}", f'.computation-name:text-is("{cell}")')
    opened.locator(".computation-edit summary").click()
    fields = opened.locator(".computation-edit li:has(input ~ input)").first.locator("input")  # a product, not the bias
    value, other = (float((fields.nth(k).get_attribute("title") or "").split(" = ")[1]) for k in (0, 1))
    fields.nth(0).fill("2")
    total = opened.locator(".computation-edit .computation-so-far").inner_text()
    found = re.match(r"\S+ = (\S+) ", total)
    assert found, total
    expected = trace.explain(cell).value + (2 - value) * other
    assert number(found[1]) == pytest.approx(expected, rel=5e-3)


def test_another_kernel_is_run_over_the_whole_image(opened: "Page", subject: Subject) -> None:
    trace = subject.trace(SAMPLE)
    cell = "conv1.y[1,2,3]"
    went(opened, f"#/network/forward/{cell}?sample={SAMPLE}", f'.computation-name:text-is("{cell}")')
    opened.locator(".computation-kernel summary").click()
    opened.get_by_role("button", name="Average").click()
    window = np.asarray(trace["x"])[0, 2:5, 3:5]
    expected = window.mean() + np.asarray(trace["conv1.b"])[1]
    shown = opened.locator(".computation-kernel output").inner_text().split(" = ")[1].split(" ")[0]
    assert number(shown) == pytest.approx(expected, rel=5e-3)
    opened.locator(".computation-kernel input").first.fill("2")
    expected += (2 - 1 / 6) * window[0, 0]
    shown = opened.locator(".computation-kernel output").inner_text().split(" = ")[1].split(" ")[0]
    assert number(shown) == pytest.approx(expected, rel=5e-3)
