"""The dense layer and its gradients, explained. Equations: reference/dense.py."""

from chainrule.explain.notation import at, summed
from chainrule.explain.record import Made, Term
from chainrule.explain.site import Site


def dense(site: Site) -> Made:
    """y[o] = b[o] + Σ_c w[o,c] · x[c]"""
    n, (o,) = site.sample, site.own
    terms = [Term.of(site.factor(2, (o,)))] if site.reads(2) else []
    terms += [Term.of(site.factor(1, (o, c)), site.factor(0, (n, c))) for c in range(site.array(0).shape[1])]
    written: list[str] = []
    for k, sample in (("o", "n"), (o, n)):
        bias = f"{at(site.called(2), k)} + " if site.reads(2) else ""
        products = f"{at(site.called(1), k, 'c')} · {site.bracket(site.called(0), 'c', sample=sample)}"
        written.append(f"{site.bracket(site.result, k, sample=sample)} = {bias}{summed('c')}{products}")
    words = f"Every input of {site.layer} times its weight to this output, all added up"
    words += "; then the bias is added." if site.reads(2) else "."
    return Made(words, written[0], written[1], tuple(terms))


def dense_dx(site: Site) -> Made:
    """dx[c] = Σ_o dy[o] · w[o,c]"""
    n, (c,) = site.sample, site.own
    terms = [Term.of(site.factor(0, (n, o)), site.factor(1, (o, c))) for o in range(site.array(0).shape[1])]
    written: list[str] = []
    for k, sample in (("c", "n"), (c, n)):
        products = f"{site.bracket(site.called(0), 'o', sample=sample)} · {at(site.called(1), 'o', k)}"
        written.append(f"{site.bracket(site.result, k, sample=sample)} = {summed('o')}{products}")
    words = (
        f"This number goes into every output of {site.layer}: each sends its gradient back through the weight between "
        "them, and all are added up."
    )
    return Made(words, written[0], written[1], tuple(terms))


def dense_dw(site: Site) -> Made:
    """dw[o,c] = dy[o] · x[c], summed over the samples"""
    o, c = site.own
    terms = [Term.of(site.factor(1, (n, o)), site.factor(0, (n, c))) for n in range(site.samples)]
    written = [
        f"{at(site.result, *index)} = {site.over()}{site.bracket(site.called(1), index[0])} · "
        f"{site.bracket(site.called(0), index[1])}"
        for index in (("o", "c"), (o, c))
    ]
    words = (
        "A change of this weight moves its output by the input it is multiplied with, and the loss by that times the "
        "gradient of the output."
    )
    return Made(words, written[0], written[1], tuple(terms))
