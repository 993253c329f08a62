"""Equations in linear notation as MathML."""

import inspect
import re
from typing import Any

import pytest
from explain.networks import explained
from web.networks import find_subject
from web.pages import Page

from chainrule.explain.formulas import in_letters
from chainrule.operations import definitions, reference

DRAWN = """async (lines) => {
  const { mathml } = await import("/equations/mathml.js");
  const told = (node) => node.nodeType === 3 ? node.data
    : `${node.localName}${node.classList.contains("put") ? "!" : ""}(${[...node.childNodes].map(told).join(" ")})`;
  return lines.map((line) => told(mathml(line)));
}"""

CASES = {
    "x\u0304": "math(mover(mi(x) mo(¯)))",
    "ŷ": "math(mover(mi(y) mo(ˆ)))",
    "dw": "math(mrow(mtext(d) mi(w)))",
    "dgamma": "math(mrow(mtext(d) mi(γ)))",
    "−x": "math(mrow(mo(−) mi(x)))",
    "x[c,3]": "math(msub(mi(x) mrow(mi(c) mo(,) mn!(3))))",
    "a[i+2]": "math(msub(mi(a) mrow(mi(i) mo(+) mn!(2))))",
    "g^{2}": "math(msup(mi(g) mn(2)))",
    "β₁ᵗ": "math(msubsup(mi(β) mn(1) mi(t)))",
    "0.9^{12}": "math(msup(mn(0.9) mn(12)))",
    "w′[o]": "math(msubsup(mi(w) mi(o) mo(′)))",
    "δ_kl": "math(msub(mi(δ) mrow(mi(k) mi(l))))",
    "C_in": "math(msub(mi(C) mi(in)))",
    "1/K": "math(mfrac(mn(1) mi(K)))",
    "a / b / c": "math(mfrac(mfrac(mi(a) mi(b)) mi(c)))",
    "(a + b) / (c)": "math(mfrac(mrow(mi(a) mo(+) mi(b)) mi(c)))",
    "a · b / c": "math(mrow(mi(a) mo(·) mfrac(mi(b) mi(c))))",
    "√(v + ε)": "math(msqrt(mrow(mi(v) mo(+) mi(ε))))",
    "‖g‖": "math(mrow(mo(‖) mi(g) mo(‖)))",
    "Σ_{i,j} x": "math(mrow(munder(mo(∑) mrow(mi(i) mo(,) mi(j))) mspace() mi(x)))",
    "max_k p": "math(mrow(munder(mi(max) mi(k)) mspace() mi(p)))",
    "max(0, x)": "math(mrow(mi(max) mrow(mo(() mrow(mn(0) mo(,) mi(x)) mo()))))",
    "e^{−x}": "math(msup(mi(e) mrow(mo(−) mi(x))))",
    "1.2e-7 · 3": "math(mrow(mrow(mn(1.2) mo(·) msup(mn(10) mn(-7))) mo(·) mn(3)))",
    "t / Σ_k a · b": "math(mfrac(mi(t) mrow(munder(mo(∑) mi(k)) mspace() mi(a) mo(·) mi(b))))",
    "p ← p − m": "math(mrow(mi(p) mo(←) mrow(mi(p) mo(−) mi(m))))",
}


def test_equations_become_mathml(modules: Page) -> None:
    drawn: list[str] = modules.evaluate(DRAWN, list(CASES))
    assert dict(zip(CASES, drawn, strict=True)) == CASES


@pytest.mark.parametrize("line", ["a +", "a[", "(a", "a b)", "€", "_x", "a / / b", ""])
def test_a_text_that_is_no_equation_is_shown_as_it_is(modules: Page, line: str) -> None:
    assert modules.evaluate(DRAWN, [line]) == [f"math(mtext({line}))"]


def test_the_equations_of_the_reference_are_read(modules: Page) -> None:
    lines = [line for name in reference.__all__ for line in equations(getattr(reference, name))]
    forms = [entry.get(key, ()) for entry in definitions.entries().values() for key in ("value", "slope")]
    lines += [f"y = {in_letters(formula, {})}" for formulas in forms for formula in formulas]
    assert len(lines) > 30
    assert not unread(modules, lines)


@pytest.mark.parametrize("network", ["vanilla-cnn", "rich", "normalized", "first-pool"])
def test_every_equation_of_every_operation_is_read(modules: Page, network: str) -> None:
    trace = find_subject(network).trace(0)
    lines: set[str] = set()
    for explanation in explained(trace):
        derived = explanation.details
        lines.update(derived.equations)
        lines |= {text for step in derived.steps or () for text in (step.name, step.symbols, step.numbers)}
    assert not unread(modules, sorted(lines))


def unread(modules: Page, lines: list[str]) -> list[str]:
    drawn: list[str] = modules.evaluate(DRAWN, lines)
    return [line for line, made in zip(lines, drawn, strict=True) if made.startswith("math(mtext(")]


def equations(operation: Any) -> list[str]:
    """Return the lines `y[n] = …` of a docstring without adjacent words."""
    found = re.findall(r"^ *([a-zα-ω][\w\[\],]* +[=←] .*)$", inspect.getdoc(operation) or "", re.M)
    return [line.split("        ")[0] for line in found]
