"""Explanations of element-wise operations and their gradients, from their formulas in `chainrule.operations`."""

from dataclasses import replace

import numpy as np

from chainrule import operations
from chainrule.explain.formulas import chain, evaluate, in_letters, in_numbers
from chainrule.explain.notation import letters
from chainrule.explain.numbers import bracketed, shown
from chainrule.explain.record import Curve, Factor, Made, Step, Term
from chainrule.explain.site import Site
from chainrule.reference import activations as reference


def value(site: Site) -> Made:
    """Explain y = f(x), entry by entry."""
    name, (n, *own) = site.operation.name, site.index
    entry = operations.entries()[name]
    x = site.factor(0, site.index)
    attributes = site.operation.attributes
    known = {**attributes, "x": x.value}
    steps = chain(entry["value"], known, {}, {})
    last = entry["value"][-1]
    y, read = site.result, site.called(0)
    names = letters(len(own))
    symbols = f"{site.bracket(y, *names)} = {in_letters(last, {'x': site.bracket(read, *names)})}"
    own_names = {step.name: step.name for step in steps} | {"x": site.bracket(read, *own, sample=n)}
    here = f"{site.bracket(y, *own, sample=n)} = {in_numbers(last, known, own_names)}"
    facts = {fact: bool(evaluate(when["tree"], known)) for fact, when in entry.get("facts", {}).items()}
    words = site.say(x=shown(x.value), **facts, **{letter: shown(number) for letter, number in attributes.items()})
    steps[-1] = replace(steps[-1], value=site.value)
    return Made(words, symbols, here, curve=_curve(site, name, x.value), steps=tuple(steps), sources=(x.cell or "",))


def gradient(site: Site) -> Made:
    """Explain dx = dy · f′(x), entry by entry."""
    name, (n, *own) = site.operation.name.removesuffix("_dx"), site.index
    entry = operations.entries()[name]
    dy, kept = site.factor(0, site.index), site.factor(1, site.index)
    slope = _slope(site, name, kept.value)
    steps = chain(entry["slope"], {**site.operation.attributes, entry["keeps"]: kept.value}, {}, {})
    steps[-1] = replace(steps[-1], value=slope)
    dx, read = site.result, site.called(0)
    steps.append(Step(dx, f"{read} · f′(x)", f"{bracketed(dy.value)} · {bracketed(slope)}", site.value))
    symbols, here = (
        f"{site.bracket(dx, *index, sample=sample)} = {site.bracket(read, *index, sample=sample)} · "
        f"f′({site.bracket('x', *index, sample=sample)})"
        for index, sample in ((letters(len(own)), "n"), (own, n))
    )
    x = _before(site)
    words = site.say(
        "activation_dx",
        called=entry.get("called", name),
        x=shown(x),
        slope=shown(slope),
        passes=slope == 1,
        stops=slope == 0,
    )
    terms = (Term.of(dy, Factor("f′(x)", None, slope)),)
    return Made(
        words, symbols, here, terms, curve=_curve(site, name, x), steps=tuple(steps), sources=(kept.cell or "",)
    )


def _slope(site: Site, name: str, kept: float) -> float:
    """Return f′ by the reference's own gradient, for a dy of 1."""
    return float(getattr(reference, f"{name}_dx")(np.ones(1), np.array([kept]), **site.operation.attributes)[0])


def _curve(site: Site, name: str, x: float) -> Curve:
    y = float(getattr(reference, name)(np.array([x]), **site.operation.attributes)[0])
    return Curve(name, x, y, _slope(site, name, y if operations.entries()[name]["keeps"] == "y" else x))


def _before(site: Site) -> float:
    """Return x of an activation whose gradient reads y: what the layer read."""
    source = site.catalogue.inputs[site.layer]
    return float(site.arrays[source].reshape(site.samples, -1)[site.sample].reshape(site.shape)[site.own])
