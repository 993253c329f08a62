"""Explanations as text: largest terms first, folded, in columns."""

import re
from unicodedata import combining

import numpy as np
import pytest
from explain.networks import KINDS, around, drawn, random_index, trace_of

from chainrule import layers as cr
from chainrule.explain.record import Factor, Term
from chainrule.explain.text import fold, text


@pytest.fixture
def screen(monkeypatch):
    def size(columns, lines):
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("LINES", str(lines))

    size(80, 24)
    return size


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


def test_a_dense_layer_on_a_low_screen(screen):
    trace = trace_of(around(cr.Tanh(), (2, 5, 5)))
    explanation = trace.explain("dense1.y[1]")
    lines = text(explanation).splitlines()
    assert lines[0] == f"dense1.y[1] = {explanation.shown}"
    assert lines[1] == "one output of dense1"
    assert len(lines) <= 25
    assert max(map(len, lines)) <= 80
    heading = next(k for k, line in enumerate(lines) if line.endswith("product"))
    found = [line for line in lines[heading + 1 :] if " = " in line or "  =  " in line]
    values = [abs(float(line.split("=")[1].strip().replace("−", "-"))) for line in found if "dense1.w[" in line]
    assert values == sorted(values, reverse=True)
    assert len(values) >= 3
    folded = next(line for line in lines if "smaller terms, together" in line)
    assert int(re.search(r"and (\d+) smaller", folded)[1]) + len(found) == 51
    total = next(line for line in lines if line.startswith("  sum"))
    assert total.split()[1] == explanation.shown
    ends = {len(line) for line in [*found, folded, total]}
    assert len(ends) == 1
    everything = text(explanation, everything=True).splitlines()
    assert sum("dense1.w[" in line for line in everything) == 50
    assert "smaller" not in "".join(everything)
    screen(200, 90)
    assert sum("dense1.w[" in line for line in text(explanation).splitlines()) == 50


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_every_kind_fits_the_width(kind, screen):
    generator = np.random.default_rng(kind)
    trace = drawn(kind, 1 + kind % 2)
    for name in trace.names:
        explanation = trace.explain(name, random_index(trace[name].shape, generator))
        for columns in (80, 100):
            screen(columns, 30)
            lines = text(explanation).splitlines()
            wide = [line for line in lines if sum(not combining(letter) for letter in line) > columns]
            table = ("  ·  ", "product", "smaller", "sum", "  =  ", "∂")
            assert all(any(part in line for part in table) for line in wide), wide
            assert not any(line != line.rstrip() for line in lines)
        assert str(explanation) == text(explanation)


def test_padding_and_strides_are_named(screen):
    screen(120, 60)
    network = around(cr.Conv2D(1, 2, stride=2, padding=1), (1, 3, 3))
    trace = trace_of(network)
    assert "(padding)" in text(trace.explain("conv1.y[0,0,0]"))
    assert "(between strides)" in text(trace.explain("conv1.dx[0,0,0]"))
