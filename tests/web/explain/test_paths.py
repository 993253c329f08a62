"""Paths of the chain rule and the parts of a weight's change, against products and updates taken here."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from numerical import assert_close
from numpy.testing import assert_array_equal
from web.bridge import call, look
from web.networks import built, find_subject
from web.pages import Page

import chainrule as cr
from chainrule.training.optimizers import SGD, Adam, Momentum, Nesterov, Optimizer, RMSProp
from chainrule.training.recipe import Recipe

EVERY = 10**6


@pytest.mark.parametrize("seed", range(3))
def test_the_paths_of_two_dense_layers_and_the_ways_from_each_output(modules: Page, seed: int) -> None:
    subject = find_subject("softmax_cross_entropy")
    trace = look(modules, subject, seed)
    i, j = np.unravel_index(np.abs(trace["dense1.dw"]).argmax(), trace["dense1.dw"].shape)
    x = np.asarray(trace["x"]).reshape(-1)
    products = x[j] * subject.model.weights["dense2.w"][:, i] * trace["dense2.dy"]
    expected = products[np.argsort(-abs(products))]
    for count in (EVERY, 2):
        paths = call(modules, "paths", f"dense1.dw[{i},{j}]", count, count)
        assert_close([path["value"] for path in paths], expected[:count], dtype=np.float32)
    sign = np.sign(products.sum())
    ways = call(modules, "ways", f"dense1.dw[{i},{j}]")
    assert ways["layer"] == "dense2"
    assert_close(ways["values"], sign * np.sort(sign * products[sign * products > 0])[::-1][:5], dtype=np.float32)


def test_all_paths_through_a_batch_normalization_add_up_to_the_gradient(modules: Page) -> None:
    layers = [cr.Conv2D(2, 2), cr.BatchNorm2D(), cr.Flatten(), cr.Dense(3)]
    trace = look(modules, built("small", layers, (1, 3, 4), Recipe(loss="softmax_cross_entropy")), 1)
    paths = call(modules, "paths", "conv1.dw[1,0,1,0]", EVERY, EVERY)
    assert len(paths) == 6 * 6 * 3  # positions, those of the normalized channel, classes
    assert_close(sum(path["value"] for path in paths), trace.explain("conv1.dw[1,0,1,0]").value, 1000, dtype=float)


@pytest.mark.parametrize("name", ["numpy-cnn", "flat", "branching-1", "rich"])
def test_a_path_is_the_product_along_it(modules: Page, name: str) -> None:
    trace = look(modules, find_subject(name), 4)
    tensor = next(each for each in trace.names if each.endswith(".dw"))
    index = np.unravel_index(np.abs(trace[tensor]).argmax(), trace[tensor].shape)
    cell = f"{tensor}[{','.join(map(str, index))}]"
    paths = call(modules, "paths", cell, 5, 64)
    assert paths
    for path in paths:
        first, *_ = links = path["links"]
        assert links[-1]["cell"] == cell
        assert_close(path["start"], trace.explain(first["cell"]).value, dtype=float)
        assert_close(path["value"], path["start"] * math.prod(link["factor"] for link in links), dtype=float)
        for link, following in pairwise(links):
            derived = trace.explain(following["cell"]).derived
            products = [term.value for term in derived.terms if link["cell"] in [each.cell for each in term.factors]]
            product = link["factor"] * trace.explain(link["cell"]).value / (derived.scale.value if derived.scale else 1)
            assert any(product == pytest.approx(each, rel=1e-9) for each in products)


@pytest.mark.parametrize("seed", range(3))
def test_the_ways_through_each_map_of_the_next_convolution(modules: Page, seed: int) -> None:
    layers = [cr.Conv2D(3, (3, 2)), cr.Tanh(), cr.AveragePool2D(2), cr.Conv2D(7, 2, stride=(1, 2)), cr.Sigmoid()]
    small = built("small", [*layers, cr.Flatten(), cr.Dense(4), cr.Softmax()], (2, 9, 11), scale=0.5)
    trace, place, nudge = look(modules, small, seed), (seed, 1, 2, 0), 2.0**-10  # exact in float32
    outputs: list[np.ndarray] = []
    for change in (nudge, -2 * nudge):
        small.model.weights["conv1.w"][place] += change
        outputs.append(np.asarray(small.trace(seed)["conv2.y"]))
    expected = ((outputs[0] - outputs[1]) / (2 * nudge) * trace["conv2.dy"]).sum((1, 2))
    cell = f"conv1.dw[{','.join(map(str, place))}]"
    sign = np.sign(trace.explain(cell).value)
    assert expected.sum() == pytest.approx(trace.explain(cell).value, rel=1e-4)
    ways = call(modules, "ways", cell)
    assert ways["layer"] == "conv2"
    assert ways["values"] == pytest.approx(sign * np.sort(sign * expected[sign * expected > 0])[::-1][:5], rel=1e-4)
    for links in ways["links"]:
        assert links[-1]["cell"] == cell
        through = [link["cell"] for link in links if link["cell"].startswith("conv2.dy")]
        assert len(through) == 1
        assert links[0]["cell"].startswith("dense1.dy")


OPTIMIZERS = [
    SGD(0.1),
    SGD(0.1, weight_decay=0.3),
    Momentum(0.1),
    Nesterov(0.1),
    Adam(0.01),
    RMSProp(0.01, momentum=0.5),
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda each: f"{each.name} {getattr(each, 'decay', 0)}")
def test_the_parts_of_a_change(modules: Page, optimizer: Optimizer) -> None:
    subject = find_subject("mean_squared_error")
    random = np.random.default_rng(7)
    size = subject.model.parameters.size
    moments = tuple(random.uniform(1e-3, 0.1, size).astype(np.float32) for _ in optimizer.moments)
    subject = replace(subject, recipe=replace(subject.recipe, optimizer=optimizer, clip_norm=2.0), moments=moments)
    gradient = random.normal(size=size)
    clipped = gradient * min(1, 2.0 / (np.linalg.norm(gradient) + 1e-6))
    before = subject.model.parameters.astype(np.float64)
    step, rate = subject.step + 1, subject.rate
    after, kept = optimizer.update(
        before, clipped, [each.astype(np.float64) for each in moments], step=step, learning_rate=rate
    )
    # without a gradient, and with what the squares are divided by as it was: only memory and decay are left
    shrinking = {"adam": getattr(optimizer, "beta2", 1), "rmsprop": getattr(optimizer, "alpha", 1)}.get(optimizer.name)
    rest = [each.astype(np.float64) for each in moments]
    if shrinking:
        rest[optimizer.moments.index("v")] = kept[optimizer.moments.index("v")] / shrinking
    alone, _ = optimizer.update(before, np.zeros(size), tuple(rest), step=step, learning_rate=rate)
    first, last = subject.model.layout["dense1.w"]
    stored = after.astype(np.float32)
    picture = subject.picture(1)
    cells = [["dense1.w", [n // 12, n % 12]] for n in range(last - first)]
    changes = call(modules, "changed", subject.description, subject.frame, picture, stored, gradient, cells)
    own = slice(first, last)
    parts = {name: np.array([each[name] for each in changes]) for name in changes[0]}
    assert_array_equal(parts["total"], stored[own].astype(np.float64) - before[own])
    assert_close(parts["memory"] + parts["decay"], (alone - before)[own], error=1e-12)
    assert_close(parts["batch"], (after - alone)[own], error=1e-12)
    assert_close(parts["perGradient"] * gradient[own], parts["batch"])
    assert_close(parts["rounding"], (stored - after)[own], error=1e-7)
    if not optimizer.moments:
        assert not parts["memory"].any()
