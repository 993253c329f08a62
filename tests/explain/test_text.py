"""Explanations as text: largest terms first, folded, in columns."""

import re

from explain.networks import around, trace_of

from chainrule import layers as cr
from chainrule.explain.record import Factor, Term
from chainrule.explain.text import fold, text


def terms(*values):
    return tuple(Term.of(Factor("x", f"x[{k}]", value)) for k, value in enumerate(values))


def test_folding():
    folded = fold(terms(1, -5, 0, 3, 0, -2), 3)
    assert [term.value for term in folded.largest] == [-5, 3, -2]
    assert (folded.others, folded.zeros, folded.rest, folded.sum) == (3, 2, 1, -3)
    assert fold(terms(1, 2, 3, 4), 3).others == 0
    assert fold(terms(*range(9)), None).others == 0
    assert [term.value for term in fold(terms(0, 0, 7, 0, 0, 0), 4).largest] == [7]
    assert fold(terms(1, float("nan"), 5), 1).largest[0].factors[0].cell == "x[1]"


def test_the_largest_terms_are_on_a_low_screen(screen):
    """Fold the smaller ones into a line; a higher screen shows all."""
    explanation = trace_of(around(cr.Tanh(), (2, 5, 5))).explain("dense1.y[1]")
    lines = text(explanation).splitlines()
    assert lines[:2] == [f"dense1.y[1] = {explanation.shown}", "one output of dense1"]
    assert len(lines) <= 25
    rows = [line for line in lines if re.search(r"dense1\.[wb]\[.* = ", line)]
    values = [abs(float(line.split("=")[1].strip().replace("−", "-"))) for line in rows if "dense1.w[" in line]
    assert values == sorted(values, reverse=True)
    folded, total = (next(line for line in lines if part in line) for part in ("smaller terms", "  sum"))
    assert int(re.search(r"and (\d+) smaller", folded)[1]) + len(rows) == 51
    assert total.split()[1] == explanation.shown
    assert len({len(line) for line in [*rows, folded, total]}) == 1
    assert text(explanation, everything=True).count("dense1.w[") == 50
    screen(200, 90)
    assert text(explanation).count("dense1.w[") == 50


def test_padding_and_strides_are_named(screen):
    screen(120, 60)
    network = around(cr.Conv2D(1, 2, stride=2, padding=1), (1, 3, 3))
    trace = trace_of(network)
    assert "(padding)" in text(trace.explain("conv1.y[0,0,0]"))
    assert "(between strides)" in text(trace.explain("conv1.dx[0,0,0]"))
