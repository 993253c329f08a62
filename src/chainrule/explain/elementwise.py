"""Explanations of element-wise operations and their gradients, from their formulas in `chainrule.operations`."""

from dataclasses import replace

import numpy as np

from chainrule.explain.cell_context import CellContext
from chainrule.explain.formulas import chain, evaluate, in_letters, in_numbers
from chainrule.explain.notation import letters
from chainrule.explain.numbers import bracketed, format_number
from chainrule.explain.record import CalculationStep, Curve, Derivation, Factor, Term
from chainrule.operations import definitions
from chainrule.operations.reference import activations as reference


def value(ctx: CellContext) -> Derivation:
    """Explain y = f(x), entry by entry."""
    name, (n, *own) = ctx.operation.name, ctx.index
    entry = definitions.entries()[name]
    x = ctx.factor(0, ctx.index)
    attributes = ctx.operation.attributes
    known = {**attributes, "x": x.value}
    steps = chain(entry["value"], known, {}, {})
    last = entry["value"][-1]
    y, read = ctx.result, ctx.symbol_of(0)
    names = letters(len(own))
    symbols = f"{ctx.bracket(y, *names)} = {in_letters(last, {'x': ctx.bracket(read, *names)})}"
    own_names = {step.name: step.name for step in steps} | {"x": ctx.bracket(read, *own, sample=n)}
    here = f"{ctx.bracket(y, *own, sample=n)} = {in_numbers(last, known, own_names)}"
    facts = {fact: bool(evaluate(when["tree"], known)) for fact, when in entry.get("facts", {}).items()}
    words = ctx.sentences(
        x=format_number(x.value), **facts, **{letter: format_number(number) for letter, number in attributes.items()}
    )
    steps[-1] = replace(steps[-1], value=ctx.value)
    return Derivation(
        words, symbols, here, curve=_curve(ctx, name, x.value), steps=tuple(steps), sources=(x.cell or "",)
    )


def gradient(ctx: CellContext) -> Derivation:
    """Explain dx = dy · f′(x), entry by entry."""
    name, (n, *own) = ctx.operation.name.removesuffix("_dx"), ctx.index
    entry = definitions.entries()[name]
    dy, kept = ctx.factor(0, ctx.index), ctx.factor(1, ctx.index)
    slope = _slope(ctx, name, kept.value)
    steps = chain(entry["slope"], {**ctx.operation.attributes, entry["keeps"]: kept.value}, {}, {})
    steps[-1] = replace(steps[-1], value=slope)
    dx, read = ctx.result, ctx.symbol_of(0)
    steps.append(CalculationStep(dx, f"{read} · f′(x)", f"{bracketed(dy.value)} · {bracketed(slope)}", ctx.value))
    symbols, here = (
        f"{ctx.bracket(dx, *index, sample=sample)} = {ctx.bracket(read, *index, sample=sample)} · "
        f"f′({ctx.bracket('x', *index, sample=sample)})"
        for index, sample in ((letters(len(own)), "n"), (own, n))
    )
    x = _before(ctx)
    words = ctx.sentences(
        "activation_dx",
        called=entry.get("called", name),
        x=format_number(x),
        slope=format_number(slope),
        passes=slope == 1,
        stops=slope == 0,
    )
    terms = (Term.of(dy, Factor("f′(x)", None, slope)),)
    return Derivation(
        words, symbols, here, terms, curve=_curve(ctx, name, x), steps=tuple(steps), sources=(kept.cell or "",)
    )


def _slope(ctx: CellContext, name: str, kept: float) -> float:
    """Return f′ by the reference's own gradient, for a dy of 1."""
    return float(getattr(reference, f"{name}_dx")(np.ones(1), np.array([kept]), **ctx.operation.attributes)[0])


def _curve(ctx: CellContext, name: str, x: float) -> Curve:
    y = float(getattr(reference, name)(np.array([x]), **ctx.operation.attributes)[0])
    return Curve(name, x, y, _slope(ctx, name, y if definitions.entries()[name]["keeps"] == "y" else x))


def _before(ctx: CellContext) -> float:
    """Return x of an activation whose gradient reads y: what the layer read."""
    source = ctx.catalogue.inputs[ctx.layer]
    return float(ctx.arrays[source].reshape(ctx.samples, -1)[ctx.sample].reshape(ctx.shape)[ctx.own_index])
