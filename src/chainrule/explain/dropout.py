"""Explanation of dropout. Equation: reference/dropout.py."""

import numpy as np

from chainrule.core.randomness import uniform
from chainrule.explain.cell_context import CellContext
from chainrule.explain.cells import flat_index
from chainrule.explain.notation import letters
from chainrule.explain.numbers import bracketed, format_number
from chainrule.explain.record import CalculationStep, Derivation


def dropout(ctx: CellContext) -> Derivation:
    """Explain y = x / (1 − rate) where u ≥ rate, else 0; the gradient does the same to dy."""
    given, (n, *own) = ctx.arguments, ctx.index
    rate, element = given["rate"], flat_index(tuple(own), ctx.shape)
    elements = int(np.prod(ctx.shape))
    sample = given["first"] + n
    u = float(uniform(given["seed"], given["stream"], given["step"], np.array([sample]), elements)[0, element])
    x, kept = ctx.factor(0, (n, *own)), u >= rate
    coordinates = f"{given['seed']}, {ctx.layer}, {given['step']}, {sample}, {element}"
    result = f"{x.name} / (1 − rate)" if kept else "0"
    numbers = f"{bracketed(x.value)} / (1 − {bracketed(rate)})" if kept else "0"
    steps = (
        CalculationStep("u", "uniform(seed, layer, step, sample, element)", f"uniform({coordinates})", u),
        CalculationStep(ctx.result, result, numbers, ctx.value),
    )
    names = letters(len(own))
    symbols = f"{ctx.bracket(ctx.result, *names)} = {ctx.bracket(x.name, *names)} / (1 − rate) if u ≥ rate, else 0"
    source = ctx.bracket(x.name, *own, sample=n)
    share = f" / (1 − {bracketed(rate)})"
    here = f"{ctx.bracket(ctx.result, *own, sample=n)} = {source + share if kept else '0'}"
    words = ctx.sentences(kept=kept, u=format_number(u), rate=format_number(rate))
    return Derivation(words, symbols, here, steps=steps, sources=(x.cell or "",))
