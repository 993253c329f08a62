"""Evaluation of the formulas of calculations: sums, maxima and cases are those of NumPy."""

from typing import Any

import numpy as np
import pytest
from explain.networks import around, trace_of
from explain.test_explanations import context
from numerical import assert_close

from chainrule import layers as cr
from chainrule.explain import Trace
from chainrule.explain.evaluation import Evaluator
from chainrule.network.network import Network
from chainrule.operations import parser


def evaluator_of(trace: Trace, name: str, *index: int) -> Evaluator:
    """Return the evaluator for one element of a tensor."""
    return Evaluator(context(trace, name, index))


def normalized() -> Trace:
    """Trace a normalization of groups of 2 channels, behind a batch normalization."""
    return trace_of(around(cr.GroupNorm(3), (6, 2, 5)), samples=3)


def value(evaluator: Evaluator, text: str) -> Any:
    return evaluator.evaluate(parser.expression(text)["tree"], evaluator.own)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Σ_{n,i,j} x", lambda x, c: x[:, c].sum()),
        ("Σ_{n,i,j} x·x / N", lambda x, c: (x[:, c] ** 2).sum() / 3),
        ("Σ_{n} (max_{i,j} x − Σ_{c} x[n,c,0,1])", lambda x, c: x[:, c].max((1, 2)).sum() - x[:, :, 0, 1].sum()),
        ("Σ_{n} (Σ_{i,j} x)^{2}", lambda x, c: (x[:, c].sum((1, 2)) ** 2).sum()),
        ("Σ_{n} (max_{i,j} x) · max_{c} x[n,c,1,0]", lambda x, c: (x[:, c].max((1, 2)) * x[:, :, 1, 0].max(1)).sum()),
        ("Σ_{i,j} Σ_{n} x·i·j", lambda x, c: np.einsum("nij,i,j->", x[:, c], np.arange(2), np.arange(5))),
        ("Σ_{n,c,i,j} x·δ[c,i]", lambda x, c: sum(x[:, i, i].sum() for i in range(2))),
        ("argmax_{c} Σ_{n} x[n,c,1,1]", lambda x, c: x[:, :, 1, 1].sum(0).argmax()),
        ("Σ_{n,i} x[n, c − 1, i, 2·i + 1]", lambda x, c: x[:, c - 1, [0, 1], [1, 3]].sum()),
        ("C·N + I·J mod 4 + ⌊C / 4⌋", lambda x, c: 6 * 3 + 10 % 4 + 1),
    ],
)
def test_reductions_are_those_of_numpy(text: str, expected: Any) -> None:
    trace = normalized()
    assert_close(value(evaluator_of(trace, "norm1.dgamma", 4), text), expected(trace["x"], 4))


def test_ranges_may_depend_on_the_letters_of_an_outer_sum() -> None:
    """The window of a window of a channel."""
    trace = trace_of(around(cr.LocalResponseNorm(3), (5, 2, 3)), samples=2)
    x = trace["lrn1.x"]
    for c in range(5):
        evaluator = evaluator_of(trace, "lrn1.y", 1, c, 0, 2)
        windows = [x[1, max(0, m - 1) : m + 2, 0, 2] for m in range(max(0, c - 1), min(5, c + 2))]
        assert_close(value(evaluator, "Σ Σ x^{2}"), sum((window**2).sum() for window in windows))
        assert_close(value(evaluator, "Σ max_{c} x"), sum(window.max() for window in windows))


def test_cases_apply_element_by_element() -> None:
    trace = trace_of(around(cr.PReLU(), (2, 3, 4)), samples=2)
    evaluator, x = evaluator_of(trace, "prelu1.y", 1, 1, 2, 3), trace["prelu1.x"]
    evaluator.where["h"] = parser.parse_formula("h = x if x > 0.5, −1 if x < 0, else 0")
    expected = np.where(x > 0.5, x, np.where(x < 0, -1, 0)).sum()
    assert_close(value(evaluator, "Σ_{n,c,i,j} h"), expected)


def test_letters_of_missing_axes_are_ignored() -> None:
    """The formulas are those of images; a vector has no positions."""
    network = Network([cr.Dense(4), cr.BatchNorm2D(), cr.Dense(3)], (5,), engine="numpy")
    trace = trace_of(network, samples=2)
    derived = trace.explain("norm1.dgamma[1]").details
    assert derived.symbols == "dγ[c] = Σ_{n} dy[n,c] · x\u0302[n,c]"
    assert [term.factors[0].cell for term in derived.terms] == ["norm1.dy[0,1]", "norm1.dy[1,1]"]
    assert trace_of(network).explain("norm1.dbeta[1]").details.instantiated == "dβ[1] = dy[1]"


def test_sources_are_the_cells_read() -> None:
    evaluator = evaluator_of(normalized(), "norm2.y", 1, 4, 1, 0)
    value(evaluator, "x + Σ_{i} x[n,0,i,2]")
    with evaluator.unrecorded():
        value(evaluator, "γ + Σ x")
    assert evaluator.sources() == ("norm1.y[1,0,0,2]", "norm1.y[1,0,1,2]", "norm1.y[1,4,1,0]")
