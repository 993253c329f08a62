"""What a number leads to: the cells computed from it, the loss once it is nudged, its paths, the parts of a change."""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from explain.networks import explained
from numerical import assert_close
from numpy.testing import assert_array_equal
from web.bridge import call, look
from web.networks import Subject, built, few_networks, find_subject
from web.pages import Page

import chainrule as cr
from chainrule.core.plan import gradient_name
from chainrule.explain import Trace
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
            derived = trace.explain(following["cell"]).details
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


# ------------------------------------------------------------------------------------------------ cells that are lit


WITH_GAPS = ("flat", "lines", "rich", "normalized")  # networks with strides or groups, whose readers have gaps
SOURCES = 4  # sources of each cell that are followed


def split(cell: str) -> tuple[str, tuple[int, ...]]:
    name, _, inside = cell.partition("[")
    return name, tuple(int(part) for part in inside.rstrip("]").split(",")) if inside else ()


def lies_in(cell: str, boxes: list[dict[str, Any]]) -> bool:
    tensor, index = split(cell)
    return any(
        box["tensor"] == tensor
        and all(low <= here < high for low, here, high in zip(box["from"], index, box["to"], strict=True))
        for box in boxes
    )


def corners(boxes: list[dict[str, Any]]) -> set[str]:
    """Return the first and the last cell of each box."""
    pairs = [(box["tensor"], end) for box in boxes for end in (box["from"], [place - 1 for place in box["to"]])]
    return {f"{tensor}[{','.join(map(str, index))}]" if index else tensor for tensor, index in pairs}


def phase_of(trace: Trace, tensor: str) -> str:
    kind = trace.catalogue.entries[tensor].kind
    return {"update": "update", "gradient": "backward"}.get(kind, "forward")


@few_networks
def test_a_number_is_reached_from_its_sources_and_from_nothing_else(modules: Page, name: str) -> None:
    """The corners of what is lit are sources, too; forward and backward."""
    trace = look(modules, find_subject(name))
    cells = {each.cell: {*each.details.all_sources()} for seed in range(3) for each in explained(trace, seed=seed)}
    reached = call(modules, "reach", [[cell, "forward"] for cell in cells])
    for (cell, sources), answer in zip(cells.items(), reached, strict=True):
        assert all(lies_in(source, answer["from"]) for source in sources), cell
        assert corners(answer["from"]) <= sources
    random = np.random.default_rng(3)
    followed = [(str(source), cell) for cell in cells for source in random.permutation(sorted(cells[cell]))[:SOURCES]]
    asked = [[source, phase_of(trace, split(cell)[0])] for source, cell in followed]
    for (source, cell), answer in zip(followed, call(modules, "reach", asked), strict=True):
        assert lies_in(cell, answer["to"]), f"{source} goes to {cell}"
        is_exact = name not in WITH_GAPS and len(answer["to"]) == 1  # an operation may write several tensors
        for reader in corners(answer["to"]) if is_exact else ():
            assert source in trace.explain(reader).details.all_sources(), f"{source} goes to {reader}"


# ------------------------------------------------------------------------------------------------ nudged numbers


def loss_in_python(subject: Subject, picture: dict[str, Any], tensor: str, flat: int, value: float) -> float:
    """Return the loss with one parameter, of float32, replaced."""
    weights = subject.model.weights[tensor].reshape(-1)
    before, weights[flat] = weights[flat], value
    loss = float(subject.trace(picture)["loss.y"].sum())
    weights[flat] = before
    return loss


@few_networks
def test_losses_of_a_nudged_number(modules: Page, name: str) -> None:
    subject, random = find_subject(name), np.random.default_rng(len(name))
    subject = replace(subject, recipe=replace(subject.recipe, clip_norm=None))
    picture, trace = subject.picture(3), look(modules, subject, 3)
    reads = {each.storage: each for operation in trace.plan.forward for each in operation.reads if each is not None}
    tensors = [each for each in reads if each != "t" and not reads[each].integer and reads[each].kind != "statistic"]
    random.shuffle(tensors)
    compared: list[Any] = []
    for tensor in ["x", *tensors[:6]]:
        if not call(modules, "nudgeable", tensor):
            continue
        array = trace[tensor]
        flat = int(random.integers(array.size))
        here = float(array.reshape(-1)[flat])
        values = [here, *np.float32([here + 0.3, here - 0.01]).tolist()]
        losses, quotient = call(modules, "nudged", tensor, flat, values, 1e-6)
        assert_close(losses[0], float(trace["loss.y"].sum()), name=tensor, dtype=float)
        if tensor in subject.model.trainable_layout:
            expected = [loss_in_python(subject, picture, tensor, flat, value) for value in values]
            assert_close(losses, expected, name=tensor, roundings=1000)
        compared.append(tensor)
        if gradient_name(tensor) not in trace:
            continue
        slope = float(trace[gradient_name(tensor)].reshape(-1)[flat])
        assert quotient == pytest.approx(slope, rel=1e-3, abs=1e-9), tensor  # rounding of the losses, divided by 1e-6
    assert len(compared) > 2
