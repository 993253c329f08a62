"""Explanation of dropout. Equation: reference/dropout.py."""

import numpy as np

from chainrule.explain.cells import ravelled
from chainrule.explain.notation import letters
from chainrule.explain.numbers import bracketed, shown
from chainrule.explain.record import Made, Step
from chainrule.explain.site import Site
from chainrule.randomness import uniform


def dropout(site: Site) -> Made:
    """Explain y = x / (1 − rate) where u ≥ rate, else 0; the gradient does the same to dy."""
    given, (n, *own) = site.arguments, site.index
    rate, element = given["rate"], ravelled(tuple(own), site.shape)
    elements = int(np.prod(site.shape))
    sample = given["first"] + n
    u = float(uniform(given["seed"], given["stream"], given["step"], np.array([sample]), elements)[0, element])
    x, kept = site.factor(0, (n, *own)), u >= rate
    coordinates = f"{given['seed']}, {site.layer}, {given['step']}, {sample}, {element}"
    result = f"{x.name} / (1 − rate)" if kept else "0"
    numbers = f"{bracketed(x.value)} / (1 − {bracketed(rate)})" if kept else "0"
    steps = (
        Step("u", "uniform(seed, layer, step, sample, element)", f"uniform({coordinates})", u),
        Step(site.result, result, numbers, site.value),
    )
    names = letters(len(own))
    symbols = f"{site.bracket(site.result, *names)} = {site.bracket(x.name, *names)} / (1 − rate) if u ≥ rate, else 0"
    source = site.bracket(x.name, *own, sample=n)
    share = f" / (1 − {bracketed(rate)})"
    here = f"{site.bracket(site.result, *own, sample=n)} = {source + share if kept else '0'}"
    words = site.say(kept=kept, u=shown(u), rate=shown(rate))
    return Made(words, symbols, here, steps=steps, sources=(x.cell or "",))
