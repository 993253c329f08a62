"""The numbers and the printed sums of sheets, compared with traces and with the reference loops."""

import re
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from explain.linear import number
from web.bridge import call, look
from web.networks import Subject, built, find_subject
from web.pages import Page

from chainrule import layers
from chainrule.core.plan import Operation
from chainrule.explain import Trace
from chainrule.explain.notation import format_number
from chainrule.operations import reference

SHEETS = 6  # around drawn weights of each network
SHOWN: dict[str, int] = {}  # numbers that were compared, by network


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


def whole() -> Subject:
    """Build a network that fits on one sheet."""
    body = [layers.Conv2D(2, 3), layers.ReLU(), layers.MaxPool2D(2), layers.Flatten(), layers.Dense(3)]
    return built("whole", [*body, layers.Softmax()], (1, 8, 8), scale=0.6)


NETWORKS = {
    **{f"drawn-{seed}": partial(drawn, seed) for seed in range(8)},
    "whole": whole,
    **{name: partial(find_subject, name) for name in ("flat", "lines", "branching-1", "numpy-cnn", "numbers", "rich")},
}


def sheets(page: Page, subject: Subject, trace: Trace) -> list[dict[str, Any]]:
    """Return the sheets around some weights, and around the output without a weight."""
    draw = np.random.default_rng(1)
    cells: list[str | None] = [None]
    for name in draw.choice([*subject.model.trainable_layout], SHEETS):
        index = [int(draw.integers(size)) for size in trace[str(name)].shape]
        cells.append(f"{name}[{','.join(map(str, index))}]")
    return [call(page, "sheet", cell) for cell in cells]


def of_loops(trace: Trace, operation: Operation) -> np.ndarray:
    """Return the first result of an operation by the reference loops, for the values of the trace."""
    given: list[Any] = []
    for tensor in operation.reads:
        if tensor is None:
            given.append(None)
        else:
            samples = () if tensor.kind == "parameter" else (1,)
            given.append(np.asarray(trace[tensor.storage], np.float64).reshape(*samples, *tensor.shape))
    results = getattr(reference, operation.name)(*given, **operation.attributes)
    return np.asarray(results[0] if isinstance(results, tuple) else results)


@pytest.mark.parametrize("name", NETWORKS)
def test_shown_numbers_are_those_of_the_reference_loops(modules: Page, name: str) -> None:
    subject = NETWORKS[name]()
    trace = look(modules, subject)
    expected = {
        operation.writes[0].storage: of_loops(trace, operation)
        for operation in (*trace.plan.forward, *trace.plan.backward)
        if re.fullmatch(r"cross_correlate.*|dense.*|relu.*|tanh.*|average_pool.*", operation.name)
        and not operation.runtime
    }
    assert expected
    SHOWN[name] = 0
    for sheet in sheets(modules, subject, trace):
        assert sheet["isWhole"] or name != "whole"
        for shown in sheet["numbers"]:
            tensor, _, index = shown["name"].rstrip("]").partition("[")
            place = tuple(map(int, index.split(","))) if index else ()
            values = expected.get(tensor, np.asarray(trace[tensor])).reshape(np.shape(trace[tensor]))
            assert shown["value"] == pytest.approx(float(values[place]), rel=1e-9, abs=1e-9), shown
            SHOWN[name] += 1


def test_ten_thousand_numbers_were_compared() -> None:
    if len(SHOWN) == len(NETWORKS):  # in one process
        assert sum(SHOWN.values()) >= 10_000


@pytest.mark.parametrize("name", NETWORKS)
def test_every_printed_sum_closes_and_comes_out_on_a_pocket_calculator(modules: Page, name: str) -> None:
    subject = NETWORKS[name]()
    trace = look(modules, subject)
    count = 0
    for sheet in sheets(modules, subject, trace):
        for shown in sheet["numbers"]:
            if shown["sum"] is None or shown["sum"]["result"] == "≈ 0":
                continue
            parts, scale = shown["sum"]["parts"], scale_of(shown["sum"]["scale"])
            exact = scale * sum((part["value"] for part in parts), 0.0)
            assert exact == pytest.approx(shown["value"], rel=1e-9, abs=1e-12), shown
            printed = scale * sum((product(part["text"]) for part in parts), 0.0)
            assert format_number(printed) == shown["sum"]["result"].removeprefix("= "), shown
            count += 1
    assert count > 100


def scale_of(text: str) -> float:
    """Return the number that a sum is multiplied by: 1/9."""
    over, _, under = (text or "1").partition("/")
    return float(over) / float(under or 1)


def product(text: str) -> float:
    """Return the product or the number at the end of a printed term."""
    factors = text.rpartition(": ")[2].removeprefix("bias ").split(" · ")
    return float(np.prod([number(factor.strip("()")) for factor in factors]))


@pytest.mark.parametrize("name", NETWORKS)
def test_the_thread_leads_from_the_weight_to_the_scores(modules: Page, name: str) -> None:
    """Each followed number is computed from the one before it."""
    subject = NETWORKS[name]()
    trace = look(modules, subject)
    for sheet in sheets(modules, subject, trace)[1:]:
        thread = sheet["thread"]
        for before, after in pairwise(thread):
            sources = trace.explain(after).to_json()["sources"]
            assert before in sources or after.partition(".")[0] != before.partition(".")[0]
        if re.match(r"(conv|dense)\d", sheet["weight"]):  # not those of transposed convolutions and normalizations
            assert sheet["weight"] in {shown["name"] for shown in sheet["numbers"]}
