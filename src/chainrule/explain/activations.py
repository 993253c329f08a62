"""Explanations of softmax and its gradient. Equations: reference/activations.py."""

import numpy as np

from chainrule.explain.notation import at
from chainrule.explain.numbers import bracketed, listed
from chainrule.explain.record import Factor, Made, Step, Term
from chainrule.explain.site import Site


def softmax(site: Site) -> Made:
    """Explain y[k] = e^{x[k] − m} / Σ_l e^{x[l] − m}, where m is the largest x."""
    n, k = site.sample, site.own[0]
    row = site.array(0)[n]
    values = [float(value) for value in row]
    largest = max(values)
    powers = [float(np.exp(value - largest)) for value in values]
    total = sum(powers)
    x, y = site.called(0), site.result
    steps = (
        Step("m", f"max_{{l}} {at(x, 'l')}", f"max({listed(values, ', ')})", largest),
        Step("S", f"Σ_{{l}} e^{{{at(x, 'l')} − m}}", listed(powers, " + "), total),
        Step(
            at(y, k),
            f"e^{{{at(x, k)} − m}} / S",
            f"e^{{{bracketed(values[k])} − {bracketed(largest)}}} / {bracketed(total)}",
            powers[k] / total,
        ),
    )
    written = [
        f"{site.bracket(y, index, sample=sample)} = e^{{{site.bracket(x, index, sample=sample)}}} / "
        f"Σ_{{l}} e^{{{site.bracket(x, 'l', sample=sample)}}}"
        for index, sample in (("k", "n"), (k, n))
    ]
    sources = tuple(site.cell(0, (n, at)) for at in range(len(values)))
    return Made(site.say(), written[0], written[1], steps=steps, sources=sources)


def softmax_dx(site: Site) -> Made:
    """Explain dx[k] = Σ_l dy[l] · y[l] (δ_kl − y[k])."""
    n, k = site.sample, site.own[0]
    y = site.array(1)[n]
    terms = tuple(
        Term.of(
            site.factor(0, (n, each)),
            site.factor(1, (n, each)),
            Factor(f"(δ − {at(site.called(1), k)})", None, (1.0 if each == k else 0.0) - float(y[k])),
        )
        for each in range(len(y))
    )
    written: list[str] = []
    for index, sample in (("k", "n"), (k, n)):
        dy, own, each = (
            site.bracket(name, at_index, sample=sample)
            for name, at_index in ((site.called(0), "l"), (site.called(1), index), (site.called(1), "l"))
        )
        written.append(
            f"{site.bracket(site.result, index, sample=sample)} = Σ_{{l}} {dy} · {each} · (δ[l,{index}] − {own})"
        )
    return Made(site.say(), written[0], written[1], terms)
