"""Explanations of softmax, parametric ReLU and dropout. Equations: reference/activations.py, prelu.py, dropout.py."""

import numpy as np

from chainrule.core.randomness import uniform
from chainrule.explain.cells import CellContext, flat_index
from chainrule.explain.notation import Index, at, letters
from chainrule.explain.record import CalculationStep, Derivation, Factor, Term

WHERE = ("i", "j")


def softmax(ctx: CellContext) -> Derivation:
    """Explain y[k] = e^{x[k] − m} / Σ_l e^{x[l] − m} at one position, where m is the maximum of x over the classes."""
    n, (k, *position) = ctx.sample, ctx.own_index
    row = ctx.array(0)[(n, slice(None), *position)]
    values = [float(value) for value in row]
    largest = max(values)
    powers = [float(np.exp(value - largest)) for value in values]
    total = sum(powers)
    x, y = ctx.symbol_of(0), ctx.result
    steps = (
        ctx.listed("m", f"max_{{l}} {at(x, 'l', *position)}", values, ", ", largest),
        ctx.listed("S", f"Σ_{{l}} e^{{{at(x, 'l', *position)} − m}}", powers, " + ", total),
        ctx.calculation(
            at(y, k, *position),
            f"e^{{{at(x, k, *position)} − m}} / S",
            "e^{{{} − {}}} / {}",
            (values[k], largest, total),
            powers[k] / total,
        ),
    )
    written = [
        f"{ctx.bracket(y, index, *place, sample=sample)} = e^{{{ctx.bracket(x, index, *place, sample=sample)}}} / "
        f"Σ_{{l}} e^{{{ctx.bracket(x, 'l', *place, sample=sample)}}}"
        for index, place, sample in _forms(ctx)
    ]
    sources = tuple(ctx.cell(0, (n, class_index, *position)) for class_index in range(len(values)))
    return Derivation(ctx.sentences(), written[0], written[1], steps=steps, sources=sources)


def softmax_dx(ctx: CellContext) -> Derivation:
    """Explain dx[k] = Σ_l dy[l] · y[l] (δ_kl − y[k]) at one position."""
    n, (k, *position) = ctx.sample, ctx.own_index
    row = ctx.array(1)[(n, slice(None), *position)]
    own = at(ctx.symbol_of(1), k, *position)
    terms = tuple(
        Term.of(
            ctx.factor(0, (n, class_index, *position)),
            ctx.factor(1, (n, class_index, *position)),
            Factor(f"(δ − {own})", None, (1.0 if class_index == k else 0.0) - float(row[k])),
        )
        for class_index in range(len(row))
    )
    written: list[str] = []
    for index, place, sample in _forms(ctx):
        dy, own, other = (
            ctx.bracket(name, at_index, *place, sample=sample)
            for name, at_index in ((ctx.symbol_of(0), "l"), (ctx.symbol_of(1), index), (ctx.symbol_of(1), "l"))
        )
        written.append(
            f"{ctx.bracket(ctx.result, index, *place, sample=sample)} = Σ_{{l}} {dy} · {other} · (δ[l,{index}] − {own})"
        )
    return Derivation(ctx.sentences(), written[0], written[1], terms)


def _forms(ctx: CellContext) -> tuple[tuple[Index, tuple[Index, ...], Index], ...]:
    """Return the class index, the position and the sample, first as letters and then as numbers."""
    k, *position = ctx.own_index
    return ("k", letters(len(ctx.own_index))[1:], "n"), (k, tuple(position), ctx.sample)


# ----------------------------------------------------------------------------------------------------- parametric ReLU


def prelu(ctx: CellContext) -> Derivation:
    """Explain y = x where x > 0, else slope·x."""
    return _piecewise_linear(ctx, float(ctx.array(0)[ctx.index]), 1, ())


def prelu_dx(ctx: CellContext) -> Derivation:
    """Explain dx = dy where x > 0, else slope·dy."""
    return _piecewise_linear(ctx, float(ctx.array(1)[ctx.index]), 2, (ctx.cell(1, ctx.index),))


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


def _piecewise_linear(ctx: CellContext, x: float, slopes: int, sources: tuple[str, ...]) -> Derivation:
    """Explain a value that is multiplied by its channel's slope unless x > 0."""
    value, slope, negative = ctx.factor(0, ctx.index), ctx.factor(slopes, ctx.own_index[:1]), x <= 0
    names, own = letters(len(ctx.own_index)), ctx.own_index
    of, sign = ctx.bracket(value.name, *names), ctx.bracket("x", *names)
    symbols = f"{ctx.bracket(ctx.result, *names)} = {of} if {sign} > 0, else slope[{names[0]}] · {of}"
    factor = f"slope[{own[0]}] · " if negative else ""
    here = f"{ctx.bracket(ctx.result, *own, sample=ctx.sample)} = {factor}"
    here += ctx.bracket(value.name, *own, sample=ctx.sample)
    terms = (Term.of(slope, value) if negative else Term.of(value),)
    words = ctx.sentences(negative=negative, x=ctx.number(x), slope=ctx.number(slope.value))
    return Derivation(words, symbols, here, terms, sources=sources)


# ------------------------------------------------------------------------------------------------------------- dropout


def dropout(ctx: CellContext) -> Derivation:
    """Explain y = x / (1 − rate) where u ≥ rate, else 0. The gradient applies the same operation to dy."""
    arguments, (n, *own) = ctx.arguments, ctx.index
    rate, element = arguments["rate"], flat_index(tuple(own), ctx.shape)
    elements = int(np.prod(ctx.shape))
    sample = arguments["first"] + n
    u = float(
        uniform(arguments["seed"], arguments["stream"], arguments["step"], np.array([sample]), elements)[0, element]
    )
    x, kept = ctx.factor(0, (n, *own)), u >= rate
    coordinates = f"{arguments['seed']}, {ctx.layer}, {arguments['step']}, {sample}, {element}"
    steps = (
        CalculationStep(
            "u", "uniform(seed, layer, step, sample, element)", f"uniform({coordinates})", u, ctx.number(u, rate)
        ),
        ctx.calculation(ctx.result, f"{x.name} / (1 − rate)", "{} / (1 − {})", (x.value, rate), ctx.value)
        if kept
        else CalculationStep(ctx.result, "0", "0", ctx.value, ctx.number(ctx.value)),
    )
    names = letters(len(own))
    symbols = f"{ctx.bracket(ctx.result, *names)} = {ctx.bracket(x.name, *names)} / (1 − rate) if u ≥ rate, else 0"
    source = ctx.bracket(x.name, *own, sample=n)
    share = f" / (1 − {ctx.operand(rate)})"
    here = f"{ctx.bracket(ctx.result, *own, sample=n)} = {source + share if kept else '0'}"
    words = ctx.sentences(kept=kept, u=ctx.number(u, rate), rate=ctx.number(rate, u))
    return Derivation(words, symbols, here, steps=steps, sources=(x.cell or "",))
