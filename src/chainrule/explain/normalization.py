"""Explanations of batch normalisation and its gradients. Equations: reference/normalization.py."""

from collections.abc import Iterator
from math import prod, sqrt

import numpy as np

from chainrule.explain.cells import Index
from chainrule.explain.notation import at, letters
from chainrule.explain.numbers import bracketed
from chainrule.explain.record import Factor, Made, Scale, Step, Term
from chainrule.explain.site import Site

HAT = "x\u0302"
WHERE = ("i", "j")


def batch_norm(site: Site) -> Made:
    """Explain y = γ·x̂ + β with x̂ = (x − μ) / √(σ² + ε), or the channel's μ or σ² over the batch."""
    return (_output, _mean, _variance)[site.place](site)


def batch_norm_dw(site: Site) -> Made:
    """Explain dγ[c] = Σ dy·x̂ or dβ[c] = Σ dy, over the batch."""
    (c,) = site.own
    scaled = site.place == 0
    terms: list[Term] = []
    for place in _places(site, c):
        extra = (Factor(HAT, None, _normal(site, 1, place, 2)),) if scaled else ()
        terms.append(Term.of(site.factor(0, place), *extra))
    where = WHERE[: site.array(0).ndim - 2]
    written = [
        f"{at(site.result, k)} = {site.over(*where)}{site.bracket('dy', k, *where)}"
        + (f" · {site.bracket(HAT, k, *where)}" if scaled else "")
        for k in ("c", c)
    ]
    sources = _read(site, 1, c, (2, 3)) if scaled else ()
    return Made(site.say(scale=scaled), written[0], written[1], tuple(terms), sources=sources)


def batch_norm_dx(site: Site) -> Made:
    """Explain dx = γ/√(σ² + ε) · (dy − dβ/M − x̂·dγ/M)."""
    n, (c, *where) = site.sample, site.own
    place = (n, c, *where)
    dy, gamma = site.factor(0, place), site.factor(2, (c,))
    places = list(_places(site, c))
    slopes = site.array(0)
    normals = [_normal(site, 1, each, 3) for each in places]
    size = len(places)
    dbeta = float(sum(slopes[each] for each in places)) / size
    dgamma = float(sum(slopes[each] * normal for each, normal in zip(places, normals, strict=True))) / size
    normal, deviation = _normal(site, 1, place, 3), _deviation(site, 4, c)
    factor = gamma.value / deviation
    left = f"{bracketed(dy.value)} − {bracketed(dbeta)} − {bracketed(normal)}·{bracketed(dgamma)}"
    steps = (
        *_normal_steps(site, 1, place, 3),
        Step("A", "Σ dy / M", f"{bracketed(dbeta * size)} / {size}", dbeta),
        Step("B", f"Σ dy·{HAT} / M", f"{bracketed(dgamma * size)} / {size}", dgamma),
        Step("G", "γ / s", f"{bracketed(gamma.value)} / {bracketed(deviation)}", factor),
        Step(site.result, f"G · (dy − A − {HAT}·B)", f"{bracketed(factor)} · ({left})", site.value),
    )
    names = letters(len(site.own))
    written = [
        f"{site.bracket(site.result, *index, sample=sample)} = γ[{index[0]}] / s · "
        f"({site.bracket('dy', *index, sample=sample)} − A − {site.bracket(HAT, *index, sample=sample)}·B)"
        for index, sample in ((names, "n"), (site.own, n))
    ]
    words = site.say(values=size)
    sources = (dy.cell or "", gamma.cell or "", *_read(site, 1, c, (3, 4)), *(site.cell(0, each) for each in places))
    return Made(words, written[0], written[1], steps=steps, sources=tuple(dict.fromkeys(sources)))


def running_statistics(site: Site) -> Made:
    """Explain running ← (1 − m)·running + m·batch; for the variance, m·batch·M/(M − 1)."""
    (c,) = site.own
    momentum, size = float(site.arguments["momentum"]), int(site.arguments["count"])
    new, old = site.factor(site.place, (c,)), site.factor(2 + site.place, (c,))
    steps: list[Step] = []
    batch = new.value
    if site.place == 1:
        batch *= size / max(size - 1, 1)
        steps.append(Step("u", "σ²·M / (M − 1)", f"{bracketed(new.value)}·{size} / {max(size - 1, 1)}", batch))
    letter = "u" if site.place == 1 else "μ"
    numbers = f"(1 − {bracketed(momentum)})·{bracketed(old.value)} + {bracketed(momentum)}·{bracketed(batch)}"
    steps.append(Step("r′", f"(1 − m)·r + m·{letter}", numbers, site.value))
    words = site.say(variance=site.place == 1)
    name = site.result
    symbols = f"{name}′[c] = (1 − m)·{name}[c] + m·{'variance[c]·M / (M − 1)' if site.place else 'mean[c]'}"
    unbiased = f"·{size} / {max(size - 1, 1)}" if site.place else ""
    here = f"{name}′[{c}] = (1 − {bracketed(momentum)})·{name}[{c}] + {bracketed(momentum)}·{new.name}[{c}]{unbiased}"
    return Made(words, symbols, here, steps=tuple(steps), sources=(new.cell or "", old.cell or ""))


# ------------------------------------------------------------------------------------ results of batch_norm


def _output(site: Site) -> Made:
    n, (c, *where) = site.sample, site.own
    place = (n, c, *where)
    x, gamma, beta = site.factor(0, place), site.factor(1, (c,)), site.factor(2, (c,))
    mean, variance = _statistics(site, c)
    deviation = sqrt(variance + site.arguments["epsilon"])
    normal = (x.value - mean) / deviation
    steps = (
        Step("μ", "Σ x / M", f"{bracketed(mean * _count(site))} / {_count(site)}", mean),
        Step("s", "√(σ² + ε)", _root(variance, site.arguments["epsilon"]), deviation),
        Step(HAT, "(x − μ) / s", f"({bracketed(x.value)} − {bracketed(mean)}) / {bracketed(deviation)}", normal),
        Step(
            site.result,
            f"γ·{HAT} + β",
            f"{bracketed(gamma.value)}·{bracketed(normal)} + {bracketed(beta.value)}",
            site.value,
        ),
    )
    names = letters(len(site.own))
    written = [
        f"{site.bracket(site.result, *index, sample=sample)} = γ[{index[0]}] · "
        f"({site.bracket('x', *index, sample=sample)} − μ[{index[0]}]) / √(σ²[{index[0]}] + ε) + β[{index[0]}]"
        for index, sample in ((names, "n"), (site.own, n))
    ]
    words = site.say(output=True, mean=False, variance=False)
    layer = site.layer
    sources = (x.cell or "", gamma.cell or "", beta.cell or "", f"{layer}.mean[{c}]", f"{layer}.variance[{c}]")
    return Made(words, written[0], written[1], steps=steps, sources=sources)


def _mean(site: Site) -> Made:
    (c,) = site.own
    terms = tuple(Term.of(site.factor(0, place)) for place in _places(site, c))
    where = WHERE[: site.array(0).ndim - 2]
    size = len(terms)
    written = [
        f"{at(site.result, k)} = 1/{many} · {site.over(*where)}{site.bracket('x', k, *where)}"
        for k, many in (("c", "M"), (c, str(size)))
    ]
    words = site.say(output=False, mean=True, variance=False, values=size)
    return Made(words, written[0], written[1], terms, Scale(f"1/{size}", 1 / size))


def _variance(site: Site) -> Made:
    (c,) = site.own
    mean, _ = _statistics(site, c)
    places = list(_places(site, c))
    factors = [Factor("(x − μ)", None, float(site.array(0)[place]) - mean) for place in places]
    where = WHERE[: site.array(0).ndim - 2]
    size = len(places)
    written = [
        f"{at(site.result, k)} = 1/{many} · {site.over(*where)}({site.bracket('x', k, *where)} − μ[{k}])^{{2}}"
        for k, many in (("c", "M"), (c, str(size)))
    ]
    words = site.say(output=False, mean=False, variance=True, values=size)
    terms = tuple(Term.of(factor, factor) for factor in factors)
    sources = (f"{site.layer}.mean[{c}]", *(site.cell(0, place) for place in places))
    return Made(words, written[0], written[1], terms, Scale(f"1/{size}", 1 / size), sources=sources)


# -------------------------------------------------------------------------------------------------- parts


def _places(site: Site, c: int) -> Iterator[Index]:
    """Yield every index of a channel in the batch, sample after sample."""
    read = site.array(0)
    for n in range(site.samples):
        for where in np.ndindex(read.shape[2:]):
            yield (n, c, *where)


def _count(site: Site) -> int:
    return site.samples * prod(site.array(0).shape[2:])


def _statistics(site: Site, c: int) -> tuple[float, float]:
    """Return mean and variance of a channel, as the operation wrote them."""
    return tuple(float(site.arrays[f"{site.layer}.{name}"][c]) for name in ("mean", "variance"))  # pyright: ignore


def _deviation(site: Site, read: int, c: int) -> float:
    return sqrt(float(site.array(read)[c]) + site.arguments["epsilon"])


def _normal(site: Site, read: int, place: Index, mean: int) -> float:
    """Return x̂ of an entry; the operation reads the mean at ``mean``, followed by the variance."""
    c = place[1]
    return (float(site.array(read)[place]) - float(site.array(mean)[c])) / _deviation(site, mean + 1, c)


def _normal_steps(site: Site, read: int, place: Index, mean: int) -> tuple[Step, Step]:
    c = place[1]
    variance, deviation = float(site.array(mean + 1)[c]), _deviation(site, mean + 1, c)
    numbers = f"({bracketed(float(site.array(read)[place]))} − {bracketed(float(site.array(mean)[c]))})"
    return (
        Step("s", "√(σ² + ε)", _root(variance, site.arguments["epsilon"]), deviation),
        Step(HAT, "(x − μ) / s", f"{numbers} / {bracketed(deviation)}", _normal(site, read, place, mean)),
    )


def _root(variance: float, epsilon: float) -> str:
    return f"√({bracketed(variance)} + {bracketed(epsilon)})"


def _read(site: Site, x: int, c: int, statistics: tuple[int, ...]) -> tuple[str, ...]:
    """Return the cells of the channel's x, and of its statistics."""
    cells = [site.cell(x, place) for place in _places(site, c)]
    return (*cells, *(site.cell(read, (c,)) for read in statistics))
