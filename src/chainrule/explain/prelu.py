"""Explanations of parametric ReLU and its gradients. Equations: reference/prelu.py."""

import numpy as np

from chainrule.explain.cell_context import CellContext
from chainrule.explain.notation import at, letters
from chainrule.explain.numbers import format_number
from chainrule.explain.record import Derivation, Factor, Term

WHERE = ("i", "j")


def prelu(ctx: CellContext) -> Derivation:
    """Explain y = x where x > 0, else slope·x."""
    return _leaning(ctx, float(ctx.array(0)[ctx.index]), 1, ())


def prelu_dx(ctx: CellContext) -> Derivation:
    """Explain dx = dy where x > 0, else slope·dy."""
    return _leaning(ctx, float(ctx.array(1)[ctx.index]), 2, (ctx.cell(1, ctx.index),))


def prelu_dw(ctx: CellContext) -> Derivation:
    """Explain dslope[c] = Σ dy·min(0, x), over the batch."""
    (c,), read = ctx.own_index, ctx.array(1)
    places = [(n, c, *where) for n in range(ctx.samples) for where in np.ndindex(read.shape[2:])]
    terms = [Term.of(ctx.factor(0, place), Factor("min(0, x)", None, min(0.0, float(read[place])))) for place in places]
    where = WHERE[: read.ndim - 2]
    written = [
        f"{at(ctx.result, k)} = {ctx.over(*where)}{ctx.bracket('dy', k, *where)} · "
        f"min(0, {ctx.bracket('x', k, *where)})"
        for k in ("c", c)
    ]
    sources = tuple(ctx.cell(1, place) for place in places)
    return Derivation(ctx.sentences(), written[0], written[1], tuple(terms), sources=sources)


def _leaning(ctx: CellContext, x: float, slopes: int, sources: tuple[str, ...]) -> Derivation:
    """Explain a value that passes where x > 0, and is multiplied by its channel's slope elsewhere."""
    value, slope, negative = ctx.factor(0, ctx.index), ctx.factor(slopes, ctx.own_index[:1]), x <= 0
    names, own = letters(len(ctx.own_index)), ctx.own_index
    of, sign = ctx.bracket(value.name, *names), ctx.bracket("x", *names)
    symbols = f"{ctx.bracket(ctx.result, *names)} = {of} if {sign} > 0, else slope[{names[0]}] · {of}"
    factor = f"slope[{own[0]}] · " if negative else ""
    here = f"{ctx.bracket(ctx.result, *own, sample=ctx.sample)} = {factor}"
    here += ctx.bracket(value.name, *own, sample=ctx.sample)
    terms = (Term.of(slope, value) if negative else Term.of(value),)
    words = ctx.sentences(negative=negative, x=format_number(x), slope=format_number(slope.value))
    return Derivation(words, symbols, here, terms, sources=sources)
