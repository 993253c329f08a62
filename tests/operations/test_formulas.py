"""Formulas of element-wise operations and updates, as data: the reference and what is written about it say the same."""

import math

import numpy as np
import pytest
from numerical import assert_close
from operations.written import computed, docstring

from chainrule.explain.formulas import chain, evaluate, in_letters, in_names_and_numbers, in_numbers, result
from chainrule.layers.kinds import ELEMENTWISE, PARTIAL
from chainrule.operations import definitions, parser, reference

POINTS = (-3.7, -3.0, -1.0, -0.2, 0.0, 0.3, 1.0, 2.9, 3.0, 0.5)  # kinks, too
FAR = (-800.0, -40.0, 40.0, 800.0, math.nan)
ATTRIBUTES = [
    (name, attributes)
    for name, kind in ELEMENTWISE.items()
    for attributes in (kind(**kind.examples[place].options).attributes() for place in (0, -1))
]
GRADIENTS = [name for name, entry in definitions.entries().items() if name.endswith("_dp") and "steps" in entry]


def result_of(name: str, part: str, known: dict[str, float]) -> float:
    """Return the last value of an entry's formulas."""
    return chain(definitions.entries()[name][part], known, {}, {})[-1].value


@pytest.mark.parametrize(("name", "attributes"), ATTRIBUTES)
@pytest.mark.parametrize("x", [*POINTS, *FAR])
def test_formulas_and_docstrings_compute_what_the_reference_computes(
    name: str, attributes: dict[str, float], x: float
) -> None:
    """The pages have the equations of the docstrings (tests/docs); those of numbers that are not far are computed."""
    x = abs(x) + 0.1 if name in PARTIAL and abs(x) < 10 else x
    keeps = definitions.entries()[name]["keeps"]
    y = float(getattr(reference, name)(np.array([x]), **attributes)[0])
    known = {**attributes, "x": x, "y": y}
    slope = float(getattr(reference, f"{name}_dx")(np.ones(1), np.array([known[keeps]]), **attributes)[0])
    assert_close(result_of(name, "value", {**attributes, "x": x}), y)
    if abs(x) < 100 or name != "gelu":  # where ∞ · 0 is NaN, which the reference leaves out
        assert_close(result_of(name, "slope", {**attributes, keeps: known[keeps]}), slope)
    if abs(x) < 10:
        forward = computed(docstring(name), {**attributes, "x": x})["y"]
        assert_close(forward, [y] * len(forward), roundings=1000, dtype=float)
        lines = [*docstring(name), *docstring(f"{name}_dx")]
        assert_close(computed(lines, {**known, "dy": 0.7})["dx"], [0.7 * slope], dtype=float)


@pytest.mark.parametrize("name", GRADIENTS)
@pytest.mark.parametrize("batch", [1, 3])
def test_docstrings_compute_the_gradients_of_losses(name: str, batch: int) -> None:
    p, t = np.random.default_rng(batch).uniform(0.1, 0.9, (2, batch, 4))
    known = {**dict.fromkeys(("p", "z", "p\u0302"), p[0, 1]), "t": t[0, 1], "K": 4.0, "N": float(batch), "batch": batch}
    known["τ"] = 0.5
    lines = [line.replace("[n,k]", "") for line in docstring(name)]
    assert_close(computed(lines, known)["dp"], [getattr(reference, name)(p, t)[0, 1]], dtype=float)


def test_the_cases_of_a_formula() -> None:
    read = parser.parse_formula("y = 0 if x ≤ −3, x·x if −3 < x < low, else max(x, 3)")
    for x, expected, numbers in ((-4.0, 0, "0"), (-2.0, 4, "(−2)·(−2)"), (2.0, 3, "max(2, 3)"), (9.0, 9, "max(9, 3)")):
        known = {"x": x, "low": 1.0}
        assert result(read, known) == expected
        assert in_numbers(read, known) == numbers
    assert in_letters(read, {"x": "x[i]"}) == "0 if x[i] ≤ −3, x[i]·x[i] if −3 < x[i] < low, else max(x[i], 3)"
    assert in_names_and_numbers(read, {"x": -2.0, "low": 1.0}, {"x": "x[4]"}) == "x[4]·x[4]"


def test_numbers_that_are_raised_to_a_power() -> None:
    square = parser.parse_formula("q = g^{2} + e^{−g}")
    assert in_numbers(square, {"g": -2.0}) == "(−2)^{2} + e^{−(−2)}"
    assert in_numbers(square, {"g": 1e-7}) == "(1e−7)^{2} + e^{−1e−7}"
    assert result(square, {"g": -2.0}) == 4 + math.exp(2)
    assert evaluate(["/", 1.0, 0.0], {}) == math.inf
