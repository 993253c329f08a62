"""The bias and its gradient, explained. Equations: reference/bias.py."""

from chainrule.explain.notation import at
from chainrule.explain.record import Made, Term
from chainrule.explain.site import Site


def add_bias(site: Site) -> Made:
    """y[o,i,j] = x[o,i,j] + b[o], or + b[o,i,j]"""
    untied = site.array(1).ndim == len(site.own)
    bias = site.own if untied else site.own[:1]
    terms = (Term.of(site.factor(0, (site.sample, *site.own))), Term.of(site.factor(1, bias)))
    names, written = ("o", "i", "j")[: len(site.own)], list[str]()
    for index, sample in ((names, "n"), (site.own, site.sample)):
        y = site.bracket(site.result, *index, sample=sample)
        x = site.bracket(site.called(0), *index, sample=sample)
        written.append(f"{y} = {x} + {at(site.called(1), *(index if untied else index[:1]))}")
    words = f"The sum of products, and the bias of {'this position' if untied else 'this channel'}."
    return Made(words, written[0], written[1], terms)


def bias_gradient(site: Site) -> Made:
    """db[o] = Σ_{i,j} dy[o,i,j], untied db[o,i,j] = dy[o,i,j]"""
    dy, untied = site.array(0), site.arguments["untied"]
    rest = () if untied else dy.shape[2:]
    places = [(n, *site.own, *divmod(k, rest[1])) if rest else (n, *site.own) for n in range(site.samples)
              for k in range(rest[0] * rest[1] if rest else 1)]  # fmt: skip
    over = ("i", "j") if rest else ()
    names = ("o", "i", "j")[: len(site.own)]
    written = [
        f"{at(site.result, *index)} = {site.over(*over)}{site.bracket(site.called(0), *index, *over)}"
        for index in (names, site.own)
    ]
    terms = tuple(Term.of(site.factor(0, place)) for place in places)
    return Made(_words(site, bool(rest)), written[0], written[1], terms)


def _words(site: Site, everywhere: bool) -> str:
    words = f"This bias is added to an output of {site.layer}, so its gradient is that of the output"
    if everywhere:
        words = "This bias is added at every position of its channel, so the gradients of all of them are added up"
    return f"{words}{', over all samples' if site.samples > 1 else ''}."
