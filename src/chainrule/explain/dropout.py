"""Explanation of dropout, whose random number has no formula. Equation: reference/dropout.py."""

import numpy as np

from chainrule.core.randomness import uniform
from chainrule.explain.cells import CellContext, flat_index
from chainrule.explain.formulas import calculation_line
from chainrule.explain.notation import letters
from chainrule.explain.record import CalculationStep, Derivation

TREE = ["/", "x", ["−", 1, "rate"]]  # the formula x / (1 − rate), parsed


def dropout(ctx: CellContext) -> Derivation:
    """Explain y = x / (1 − rate) where u ≥ rate, else 0. The gradient applies the same operation to dy.

    The random number u is drawn again: it depends only on seed, layer, step, sample and element.
    """
    arguments, (n, *position) = ctx.arguments, ctx.index
    rate, element = arguments["rate"], flat_index(tuple(position), ctx.shape)
    sample, elements = arguments["first"] + n, int(np.prod(ctx.shape))
    drawn = uniform(arguments["seed"], arguments["stream"], arguments["step"], np.array([sample]), elements)
    u = float(drawn[0, element])
    x, is_kept = ctx.factor(0, (n, *position)), u >= rate
    coordinates = f"{arguments['seed']}, {ctx.layer}, {arguments['step']}, {sample}, {element}"
    steps = (
        CalculationStep(
            "u", "uniform(seed, layer, step, sample, element)", f"uniform({coordinates})", u, ctx.number(u, rate)
        ),
        calculation_line(ctx, ctx.result, f"{x.name} / (1 − rate)", "{} / (1 − {})", TREE, (x.value, rate))
        if is_kept
        else CalculationStep(ctx.result, "0", "0", ctx.value, ctx.number(ctx.value)),
    )
    names = letters(len(position))
    symbols = f"{ctx.bracket(ctx.result, *names)} = {ctx.bracket(x.name, *names)} / (1 − rate) if u ≥ rate, else 0"
    source = ctx.bracket(x.name, *position, sample=n)
    divisor = f" / (1 − {ctx.operand(rate)})"
    numeric = f"{ctx.bracket(ctx.result, *position, sample=n)} = {source + divisor if is_kept else '0'}"
    words = ctx.sentences(kept=is_kept, u=ctx.number(u, rate), rate=ctx.number(rate, u))
    return Derivation(words, symbols, numeric, steps=steps, sources=(x.cell or "",))
