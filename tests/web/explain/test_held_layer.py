"""What a held number is made of, compared with the reference loops on the cells that are shown and on all others."""

import re
from functools import partial
from typing import Any

import numpy as np
import pytest
from explain.linear import number
from numpy.typing import NDArray
from web.bridge import call, look
from web.networks import Subject, built, find_subject
from web.pages import Page

from chainrule import layers
from chainrule.core.plan import Operation, gradient_name
from chainrule.explain import Trace
from chainrule.explain.notation import format_number
from chainrule.operations import reference

TOLERANCE = 1e-9
Array = NDArray[np.float64]


def drawn(seed: int) -> Subject:
    """Draw a network of convolutions, of a pooling layer, and of a dense layer, with options of every kind."""
    draw = np.random.default_rng(seed)
    groups = int(draw.choice([1, 2]))
    first = layers.Conv2D(
        2 * int(draw.integers(1, 3)),
        (int(draw.integers(1, 4)), int(draw.integers(2, 5))),
        stride=(int(draw.integers(1, 3)), 1),
        padding=str(draw.choice(["valid", "same", "full"])),
        dilation=(1, int(draw.integers(1, 3))),
    )
    second = layers.Conv2D(2 * int(draw.integers(1, 3)), (2, 3), groups=groups, convolution=bool(draw.integers(2)))
    pool = [layers.MaxPool2D((2, 3), stride=(1, 2)), layers.AveragePool2D(2, padding=1)][draw.integers(2)]
    body = [first, layers.Tanh(), second, layers.SiLU(), pool, layers.Flatten(), layers.Dense(4), layers.Softmax()]
    return built(f"drawn-{seed}", body, (2, 13, 15), seed=seed, scale=0.5)


NETWORKS = {
    **{f"drawn-{seed}": partial(drawn, seed) for seed in range(8)},
    **{name: partial(find_subject, name) for name in ("flat", "lines", "branching-1", "numpy-cnn", "numbers")},
}


def masked(trace: Trace, tensor: str, cells: list[str]) -> Array:
    """Return an array of a trace in which all cells but these are 0."""
    array = np.asarray(trace[tensor], np.float64)
    kept = np.zeros_like(array)
    for cell in cells:
        name, _, index = cell.rstrip("]").partition("[")
        assert name == tensor
        place = tuple(map(int, index.split(",")))
        kept[place] = array[place]
    return kept


def run(operation: Operation, arrays: list[Array | None]) -> Array:
    """Run the reference loops on arrays without the axis of samples; return the first result without it."""
    given: list[Array | None] = []
    for tensor, array in zip(operation.reads, arrays, strict=True):
        if tensor is None or array is None:
            given.append(None)
        else:
            samples = () if tensor.kind == "parameter" else (1,)
            given.append(array.reshape(*samples, *tensor.shape))
    results = getattr(reference, operation.name)(*given, **operation.attributes)
    return np.asarray(results[0] if isinstance(results, tuple) else results)


def backward_of(trace: Trace, operation: Operation, end: str) -> Operation | None:
    """Return the backward operation of a layer for its input (_dx) or its weights (_dw)."""
    dy = gradient_name(operation.writes[0].storage)
    for candidate in trace.plan.backward:
        reads = [tensor.storage for tensor in candidate.reads if tensor is not None]
        isx = end == "_dx" or reads[0] == operation.reads[0].storage  # type: ignore[union-attr]
        if candidate.name == operation.name + end and dy in reads and isx:
            return candidate
    return None


def assert_shown(trace: Trace, operation: Operation, part: dict[str, Any]) -> None:
    """Compare the sums of the shown terms with the reference loops on the shown cells alone."""
    shown = {side: grid["cells"] for side, grid in part["grids"].items() if grid}
    x, y = operation.reads[0], operation.writes[0]
    assert x is not None
    dy = gradient_name(y.storage)
    gradients = [cell.replace(y.storage, dy, 1) for cell in shown["y"]]
    of_x = masked(trace, x.storage, shown["x"])
    of_dy = masked(trace, dy, gradients)
    weights = [masked(trace, operation.reads[1].storage, shown["w"])] if "w" in shown else []  # type: ignore[union-attr]
    expected: dict[str, Array] = {}
    if operation.name != "max_pool":
        expected["y"] = run(operation, [of_x, *weights, *([None] if weights else [])])
    if back := backward_of(trace, operation, "_dx"):
        others = [np.asarray(trace[t.storage]) for t in back.reads[1:] if t] if operation.name == "max_pool" else []
        expected["x"] = run(back, [of_dy, *weights, *others])
    if weights and (back := backward_of(trace, operation, "_dw")):
        expected["w"] = run(back, [of_x, of_dy])
    for holding in part["holdings"]:
        side, cell, total = holding["side"], holding["cell"], holding["total"]
        sum_of_shown = sum(term["value"] for term in holding["terms"])
        tensor, _, index = cell.rstrip("]").partition("[")
        place = tuple(map(int, index.split(",")))
        if side in expected:
            values = expected[side].reshape(np.shape(trace[tensor]))
            assert sum_of_shown == pytest.approx(values[place], rel=TOLERANCE, abs=TOLERANCE), (cell, holding)
        if total is not None:
            name = tensor if side == "y" else part["gradients"][side]
            assert total == pytest.approx(float(trace[name][place]), rel=TOLERANCE, abs=TOLERANCE)
            parts = sum_of_shown + holding["bias"] + holding["rest"]
            assert parts == pytest.approx(total, rel=TOLERANCE, abs=TOLERANCE)


@pytest.mark.parametrize("name", NETWORKS)
def test_the_shown_terms_are_those_of_the_reference_loops(modules: Page, name: str) -> None:
    trace = look(modules, NETWORKS[name]())
    parts = call(modules, "held", [])
    assert parts
    operations = {operation.writes[0].storage: operation for operation in trace.plan.forward}
    for part in parts:
        assert_shown(trace, operations[part["operation"]], part)


@pytest.mark.parametrize("name", NETWORKS)
def test_every_printed_sum_comes_out_on_a_pocket_calculator(modules: Page, name: str) -> None:
    look(modules, NETWORKS[name]())
    for part in call(modules, "held", []):
        for holding in part["holdings"]:
            if not holding["sum"] or holding["sum"][-1] == "≈ 0":
                continue
            _, *terms, result = holding["sum"]
            printed = sum((number(value_of(term)) for term in terms), 0.0)
            assert format_number(printed) == result.removeprefix("= "), (holding["cell"], holding["sum"])


def index_of(cell: str) -> tuple[int, ...]:
    """Return the index of a cell."""
    return tuple(map(int, cell.rstrip("]").partition("[")[2].split(",")))


def assert_sentence(trace: Trace, part: dict[str, Any], holding: dict[str, Any]) -> None:
    """Check that what the sentence says is so: counts, the order of the weights, and gradients of several parts."""
    words, side, terms = holding["words"], holding["side"], holding["terms"]
    tensor = holding["cell"].partition("[")[0]
    if "of these outputs used it, each with another weight" in words:
        uses = sorted((index_of(term["use"]["y"]), index_of(term["use"]["w"])) for term in terms)
        weights = [weight for _, weight in uses]
        assert re.search(rf"\b{len(terms)} of these outputs", words)
        assert len(set(weights)) == len(weights)
        is_reversed = "turned by half a turn" in words or "kernel w is therefore reversed" in words
        assert weights == sorted(weights, reverse=is_reversed)
        assert is_reversed != ("stored order" in words)
    if match := re.search(r"uses it at ([\d,]+) position", words):
        [operation] = [op for op in trace.plan.forward if op.writes[0].storage == part["operation"]]
        assert int(match[1].replace(",", "")) == np.prod(operation.writes[0].shape[1:])
    is_partial = "this is the part of its gradient" in words
    if side != "y" and part["gradients"][side]:
        own, whole = (np.asarray(trace[name]) for name in (part["gradients"][side], gradient_name(tensor)))
        assert is_partial == (own.shape != whole.shape or not np.array_equal(own, whole))
    if "and the bias b" in words:
        assert any(op.reads[2] is not None for op in trace.plan.forward if op.writes[0].storage == part["operation"])


@pytest.mark.parametrize("name", NETWORKS)
def test_every_sentence_holds(modules: Page, name: str) -> None:
    trace = look(modules, NETWORKS[name]())
    for part in call(modules, "held", []):
        for holding in part["holdings"]:
            assert_sentence(trace, part, holding)
            assert_others(trace, part, holding)


def assert_others(trace: Trace, part: dict[str, Any], holding: dict[str, Any]) -> None:
    """Check what the sum says of the terms outside the picture: how many they are, and of which channels or filters."""
    side, terms = holding["side"], holding["terms"]
    words = next((text for text in holding["sum"] if re.search("outside the picture|of the other", text)), "")
    if not words:
        return
    [operation] = [op for op in trace.plan.forward if op.writes[0].storage == part["operation"]]
    count = int(re.findall(r"([\d,]+) (?:output|position|product)", words)[0].replace(",", ""))
    if side == "w":
        assert count == np.prod(operation.writes[0].shape[1:]) - len(terms)
        return
    name = "x" if side == "y" else "y"
    shown = [index_of(term["use"][name]) for term in terms]
    own = operation.reads[0].storage if side == "y" else part["gradients"]["y"]  # type: ignore[union-attr]
    inside = [term.factors for term in trace.explain(holding["source"]).details.terms]
    inside = [factors for factors in inside if all(factor.cell for factor in factors) and factors[0].name != "b"]
    cells = [factor.cell for factors in inside for factor in factors if factor.cell.partition("[")[0] == own]
    others = [index_of(cell) for cell in cells if index_of(cell) not in shown]
    assert count == len(others), (holding, others)
    if operation.name != "dense":
        channel = index_of(part["grids"][name]["cells"][0])[0]
        assert ("of the other" in words) == any(index[0] != channel for index in others)
        assert ("outside" in words) == any(index[0] == channel for index in others)


def value_of(term: str) -> str:
    """Return the product or number at the end of a printed term, without the words before it."""
    match = re.search(r"[(−\d][^ ]* · [^ ]+$|[^ ]+$", term)
    assert match
    return match[0]
