"""Operations that are explained with named steps and sums: the formulas give the values that the engine computed."""

import math
import re
from typing import Any

import numpy as np
import pytest
from explain.networks import KINDS, LOSSES, around, dense, drawn, random_index, trace_of
from numerical import assert_close

from chainrule import layers as cr
from chainrule.explain import Trace
from chainrule.explain.calculations import Calculation
from chainrule.explain.cells import CellContext
from chainrule.explain.evaluation import Evaluator
from chainrule.network.network import Network
from chainrule.operations import definitions, parser

CALCULATIONS = [name for name, entry in definitions.entries().items() if "writes" in entry]


def evaluator_of(trace: Trace, name: str, index: tuple[int, ...] | None = None) -> Evaluator:
    """Return the evaluator for one element of a tensor, by default the last."""
    return Evaluator(context(trace, name, tuple(size - 1 for size in trace[name].shape) if index is None else index))


def context(trace: Trace, name: str, index: tuple[int, ...]) -> CellContext:
    cell = trace.catalogue.find(name, index)
    return CellContext.of(cell, trace._arrays, trace.catalogue, {"first": 0, "seed": 0, "step": 1})


def normalized(samples: int = 3) -> Trace:
    """Trace a normalization of groups of 2 channels, behind a batch normalization."""
    return trace_of(around(cr.GroupNorm(3), (6, 2, 5)), samples=samples)


def value(evaluator: Evaluator, text: str) -> Any:
    return evaluator.evaluate(parser.expression(text)["tree"], evaluator.own)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Σ_{n,i,j} x", lambda x, c: x[:, c].sum()),
        ("Σ_{n,i,j} x·x / N", lambda x, c: (x[:, c] ** 2).sum() / 3),
        ("Σ x / M", lambda x, c: x[:, c].mean()),
        ("Σ_{n} (max_{i,j} x − Σ_{c} x[n,c,0,1])", lambda x, c: x[:, c].max((1, 2)).sum() - x[:, :, 0, 1].sum()),
        ("Σ_{n} (Σ_{i,j} x)^{2}", lambda x, c: (x[:, c].sum((1, 2)) ** 2).sum()),
        ("Σ_{n} (max_{i,j} x) · max_{c} x[n,c,1,0]", lambda x, c: (x[:, c].max((1, 2)) * x[:, :, 1, 0].max(1)).sum()),
        ("Σ_{i,j} Σ_{n} x·i·j", lambda x, c: np.einsum("nij,i,j->", x[:, c], np.arange(2), np.arange(5))),
        ("Σ_{n} max_{i} Σ_{j} x", lambda x, c: x[:, c].sum(2).max(1).sum()),
        ("Σ_{n,c,i,j} x·δ[c,i]", lambda x, c: sum(x[:, i, i].sum() for i in range(2))),
        ("argmax_{c} Σ_{n} x[n,c,1,1]", lambda x, c: x[:, :, 1, 1].sum(0).argmax()),
        ("Σ_{n,i} x[n, c − 1, i, 2·i + 1]", lambda x, c: x[:, c - 1, [0, 1], [1, 3]].sum()),
        ("C·N + I·J mod 4 + ⌊C / 4⌋", lambda x, c: 6 * 3 + 10 % 4 + 1),
    ],
)
def test_reductions_are_those_of_numpy(text: str, expected: Any) -> None:
    trace = normalized()
    assert_close(value(evaluator_of(trace, "norm1.dgamma", (4,)), text), expected(trace["x"], 4))


def test_ranges_may_depend_on_the_letters_of_an_outer_sum() -> None:
    """The window of a window of a channel."""
    trace = trace_of(around(cr.LocalResponseNorm(3), (5, 2, 3)), samples=2)
    x = trace["lrn1.x"]
    for c in range(5):
        evaluator = evaluator_of(trace, "lrn1.y", (1, c, 0, 2))
        windows = [x[1, max(0, m - 1) : m + 2, 0, 2] for m in range(max(0, c - 1), min(5, c + 2))]
        assert_close(value(evaluator, "Σ Σ x^{2}"), sum((window**2).sum() for window in windows))
        assert_close(value(evaluator, "Σ max_{c} x"), sum(window.max() for window in windows))


def test_cases_apply_element_by_element() -> None:
    trace = trace_of(around(cr.PReLU(), (2, 3, 4)), samples=2)
    evaluator, x = evaluator_of(trace, "prelu1.y"), trace["prelu1.x"]
    evaluator.where["h"] = parser.parse_formula("h = x if x > 0.5, −1 if x < 0, else 0")
    expected = np.where(x > 0.5, x, np.where(x < 0, -1, 0)).sum()
    assert_close(value(evaluator, "Σ_{n,c,i,j} h"), expected)


def test_letters_of_missing_axes_are_ignored() -> None:
    """The formulas are those of images; a vector has no positions."""
    network = Network([cr.Dense(4), cr.BatchNorm2D(), cr.Dense(3)], (5,), engine="numpy")
    trace = trace_of(network, samples=2)
    made = trace.explain("norm1.dgamma[1]").derived
    assert made.symbols == "dγ[c] = Σ_{n} dy[n,c] · x\u0302[n,c]"
    assert [term.factors[0].cell for term in made.terms] == ["norm1.dy[0,1]", "norm1.dy[1,1]"]
    assert trace_of(network).explain("norm1.dbeta[1]").derived.instantiated == "dβ[1] = dy[1]"


def test_the_cells_read_are_the_sources() -> None:
    evaluator = evaluator_of(normalized(), "norm2.y", (1, 4, 1, 0))
    value(evaluator, "x + Σ_{i} x[n,0,i,2]")
    with evaluator.unrecorded():
        value(evaluator, "γ + Σ x")
    assert evaluator.sources() == ("norm1.y[1,0,0,2]", "norm1.y[1,0,1,2]", "norm1.y[1,4,1,0]")


def check_rules(trace: Trace, generator: np.random.Generator) -> None:
    """Evaluate the rule of one element of every tensor, with the values of the steps."""
    for name, (operation, place, _) in trace.catalogue.writers.items():
        if operation.name not in CALCULATIONS:
            continue
        if operation.name == "max_pool" and place == 1:  # a position in the whole map, not in the window
            continue
        index = random_index(trace[name].shape, generator)
        calculation = Calculation(context(trace, name, index))
        calculation.derive()
        evaluator = calculation.evaluator
        for rule in evaluator.entry["results"][place]["rule"]:
            if definitions.holds(rule, calculation.facts):
                found = float(evaluator.formula(rule, evaluator.own))
                assert_close(found, trace.explain(name, index).value, name=(name, rule), dtype=float, magnitude=1)


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_rules_give_the_value(kind: int) -> None:
    generator = np.random.default_rng(kind)
    for turn in range(2):
        check_rules(drawn(kind + turn * len(KINDS), 1 if turn % 2 else None), generator)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("positions", [(5,), (2, 3)])
@pytest.mark.parametrize("samples", [1, 2])
def test_losses_of_dense_predictions(loss: str, positions: tuple[int, ...], samples: int) -> None:
    """Compare the last step or the rule with the value; a loss at a position has its index."""
    trace, generator = trace_of(dense(loss, positions), loss, samples), np.random.default_rng(3)
    check_rules(trace, generator)
    for name in trace.catalogue.writers:
        index = random_index(trace[name].shape, generator)
        made = trace.explain(name, index)
        assert_close(made.value, trace[name][index])
        if made.derived is not None and made.derived.steps:
            assert_close(made.derived.steps[-1].value, made.value, dtype=float)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("samples", [1, 2])
def test_equations_have_indices(loss: str, samples: int) -> None:
    """Letters in one equation, the cell's numbers in the other; sample indices only in a batch."""
    trace = trace_of(around(cr.Tanh(), (2, 3, 3), loss), loss, samples)
    made = trace.explain("loss.y[1]" if samples > 1 else "loss.y").derived
    assert made.symbols.startswith("loss[n] = " if samples > 1 else "loss = ")
    assert made.instantiated.startswith("loss[1] = " if samples > 1 else "loss = ")
    assert ("n,k" in made.symbols) == (samples > 1)
    assert not re.search(r"\[n|\bN\b|\bK\b", made.instantiated)


def test_not_a_number_is_explained() -> None:
    network = around(cr.LayerNorm(), (2, 3, 3), "softmax_cross_entropy")
    trace = Trace(network, np.full((1, 2, 3, 3), math.nan), np.eye(3)[:1], "softmax_cross_entropy")
    for name in trace.names:
        assert trace.explain(name, (0,) * trace[name].ndim).title
