"""Explanation of dropout, whose random number has no formula. Equation: reference/dropout.py."""

import numpy as np

from chainrule.core.randomness import uniform
from chainrule.explain.cells import CellContext, flat_index
from chainrule.explain.formulas import calculation_line
from chainrule.explain.notation import letters
from chainrule.explain.record import CalculationStep, Details
from chainrule.operations.grammar import Tree

TREE: Tree = ["/", "x", ["−", 1, "rate"]]  # the formula x / (1 − rate), parsed


def dropout(ctx: CellContext) -> Details:
    """Explain y = x / (1 − rate) where u ≥ rate, else 0. The gradient applies the same operation to dy.

    The random number u is drawn again: it depends only on seed, layer, step, sample and element.
    """
    arguments = ctx.arguments
    seed = arguments["seed"]
    step = arguments["step"]
    rate = arguments["rate"]
    n, *position = ctx.index
    sample = arguments["first"] + n
    element = flat_index(tuple(position), ctx.shape)
    elements = int(np.prod(ctx.shape))
    drawn = uniform(seed, arguments["stream"], step, np.array([sample]), elements)
    u = float(drawn[0, element])
    is_kept = u >= rate
    x = ctx.factor(0, (n, *position))
    draw = CalculationStep(
        "u",
        "uniform(seed, layer, step, sample, element)",
        f"uniform({seed}, {ctx.layer}, {step}, {sample}, {element})",
        u,
        ctx.number(u, rate),
    )
    if is_kept:
        result = calculation_line(ctx, ctx.result, f"{x.name} / (1 − rate)", "{} / (1 − {})", TREE, (x.value, rate))
        value = f"{ctx.bracket(x.name, *position, sample=n)} / (1 − {ctx.operand(rate)})"
    else:
        result = CalculationStep(ctx.result, "0", "0", ctx.value, ctx.number(ctx.value))
        value = "0"
    names = letters(len(position))
    symbols = f"{ctx.bracket(ctx.result, *names)} = {ctx.bracket(x.name, *names)} / (1 − rate) if u ≥ rate, else 0"
    numeric = f"{ctx.bracket(ctx.result, *position, sample=n)} = {value}"
    words = ctx.sentences(kept=is_kept, u=ctx.number(u, rate), rate=ctx.number(rate, u))
    return Details(words, symbols, numeric, steps=(draw, result), sources=(x.cell or "",))
