"""Explanations of softmax and its gradient. Equations: reference/activations.py."""

import numpy as np

from chainrule.explain.cell_context import CellContext
from chainrule.explain.notation import Index, at, letters
from chainrule.explain.numbers import bracketed, format_list
from chainrule.explain.record import CalculationStep, Derivation, Factor, Term


def softmax(ctx: CellContext) -> Derivation:
    """Explain y[k] = e^{x[k] − m} / Σ_l e^{x[l] − m}, where m is the largest x, at the entry's position."""
    n, (k, *position) = ctx.sample, ctx.own_index
    row = ctx.array(0)[(n, slice(None), *position)]
    values = [float(value) for value in row]
    largest = max(values)
    powers = [float(np.exp(value - largest)) for value in values]
    total = sum(powers)
    x, y = ctx.symbol_of(0), ctx.result
    steps = (
        CalculationStep("m", f"max_{{l}} {at(x, 'l', *position)}", f"max({format_list(values, ', ')})", largest),
        CalculationStep("S", f"Σ_{{l}} e^{{{at(x, 'l', *position)} − m}}", format_list(powers, " + "), total),
        CalculationStep(
            at(y, k, *position),
            f"e^{{{at(x, k, *position)} − m}} / S",
            f"e^{{{bracketed(values[k])} − {bracketed(largest)}}} / {bracketed(total)}",
            powers[k] / total,
        ),
    )
    written = [
        f"{ctx.bracket(y, index, *place, sample=sample)} = e^{{{ctx.bracket(x, index, *place, sample=sample)}}} / "
        f"Σ_{{l}} e^{{{ctx.bracket(x, 'l', *place, sample=sample)}}}"
        for index, place, sample in _forms(ctx)
    ]
    sources = tuple(ctx.cell(0, (n, each, *position)) for each in range(len(values)))
    return Derivation(ctx.sentences(), written[0], written[1], steps=steps, sources=sources)


def softmax_dx(ctx: CellContext) -> Derivation:
    """Explain dx[k] = Σ_l dy[l] · y[l] (δ_kl − y[k]), at the entry's position."""
    n, (k, *position) = ctx.sample, ctx.own_index
    row = ctx.array(1)[(n, slice(None), *position)]
    own = at(ctx.symbol_of(1), k, *position)
    terms = tuple(
        Term.of(
            ctx.factor(0, (n, each, *position)),
            ctx.factor(1, (n, each, *position)),
            Factor(f"(δ − {own})", None, (1.0 if each == k else 0.0) - float(row[k])),
        )
        for each in range(len(row))
    )
    written: list[str] = []
    for index, place, sample in _forms(ctx):
        dy, own, each = (
            ctx.bracket(name, at_index, *place, sample=sample)
            for name, at_index in ((ctx.symbol_of(0), "l"), (ctx.symbol_of(1), index), (ctx.symbol_of(1), "l"))
        )
        written.append(
            f"{ctx.bracket(ctx.result, index, *place, sample=sample)} = Σ_{{l}} {dy} · {each} · (δ[l,{index}] − {own})"
        )
    return Derivation(ctx.sentences(), written[0], written[1], terms)


def _forms(ctx: CellContext) -> tuple[tuple[Index, tuple[Index, ...], Index], ...]:
    """Return the index of the class, the position and the sample: as letters, and as numbers."""
    k, *position = ctx.own_index
    return ("k", letters(len(ctx.own_index))[1:], "n"), (k, tuple(position), ctx.sample)
