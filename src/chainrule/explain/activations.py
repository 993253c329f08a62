"""Explanations of softmax and its gradient. Equations: reference/activations.py."""

import numpy as np

from chainrule.explain.cell_context import CellContext
from chainrule.explain.notation import at
from chainrule.explain.numbers import bracketed, format_list
from chainrule.explain.record import CalculationStep, Derivation, Factor, Term


def softmax(ctx: CellContext) -> Derivation:
    """Explain y[k] = e^{x[k] − m} / Σ_l e^{x[l] − m}, where m is the largest x."""
    n, k = ctx.sample, ctx.own_index[0]
    row = ctx.array(0)[n]
    values = [float(value) for value in row]
    largest = max(values)
    powers = [float(np.exp(value - largest)) for value in values]
    total = sum(powers)
    x, y = ctx.symbol_of(0), ctx.result
    steps = (
        CalculationStep("m", f"max_{{l}} {at(x, 'l')}", f"max({format_list(values, ', ')})", largest),
        CalculationStep("S", f"Σ_{{l}} e^{{{at(x, 'l')} − m}}", format_list(powers, " + "), total),
        CalculationStep(
            at(y, k),
            f"e^{{{at(x, k)} − m}} / S",
            f"e^{{{bracketed(values[k])} − {bracketed(largest)}}} / {bracketed(total)}",
            powers[k] / total,
        ),
    )
    written = [
        f"{ctx.bracket(y, index, sample=sample)} = e^{{{ctx.bracket(x, index, sample=sample)}}} / "
        f"Σ_{{l}} e^{{{ctx.bracket(x, 'l', sample=sample)}}}"
        for index, sample in (("k", "n"), (k, n))
    ]
    sources = tuple(ctx.cell(0, (n, at)) for at in range(len(values)))
    return Derivation(ctx.sentences(), written[0], written[1], steps=steps, sources=sources)


def softmax_dx(ctx: CellContext) -> Derivation:
    """Explain dx[k] = Σ_l dy[l] · y[l] (δ_kl − y[k])."""
    n, k = ctx.sample, ctx.own_index[0]
    y = ctx.array(1)[n]
    terms = tuple(
        Term.of(
            ctx.factor(0, (n, each)),
            ctx.factor(1, (n, each)),
            Factor(f"(δ − {at(ctx.symbol_of(1), k)})", None, (1.0 if each == k else 0.0) - float(y[k])),
        )
        for each in range(len(y))
    )
    written: list[str] = []
    for index, sample in (("k", "n"), (k, n)):
        dy, own, each = (
            ctx.bracket(name, at_index, sample=sample)
            for name, at_index in ((ctx.symbol_of(0), "l"), (ctx.symbol_of(1), index), (ctx.symbol_of(1), "l"))
        )
        written.append(
            f"{ctx.bracket(ctx.result, index, sample=sample)} = Σ_{{l}} {dy} · {each} · (δ[l,{index}] − {own})"
        )
    return Derivation(ctx.sentences(), written[0], written[1], terms)
