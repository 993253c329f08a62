"""The activations and their gradients, explained. Equations: reference/activations.py."""

from collections.abc import Callable

import numpy as np

from chainrule import operations
from chainrule.explain.notation import at, letters
from chainrule.explain.numbers import bracketed, listed, shown
from chainrule.explain.record import Curve, Factor, Made, Step, Term
from chainrule.explain.site import Site
from chainrule.reference import activations as reference

Written = Callable[[str], str]  # an equation in x, written with a letter or a number

FORWARD: dict[str, Written] = {
    "sigmoid": lambda x: f"1 / (1 + e^{{−{x}}})",
    "tanh": lambda x: f"tanh({x})",
    "arctan": lambda x: f"arctan({x})",
    "relu": lambda x: f"max(0, {x})",
    "gelu": lambda x: f"{x}/2 · (1 + tanh(√(2/π) · ({x} + 0.044715·{_power(x, 3)})))",
}
SLOPES: dict[str, Written] = {  # in what the gradient reads: y of sigmoid, tanh and relu, x of the others
    "sigmoid": lambda y: f"{y}·(1 − {y})",
    "tanh": lambda y: f"1 − {_power(y)}",
    "arctan": lambda x: f"1 / (1 + {_power(x)})",
}


def _power(text: str, power: int = 2) -> str:
    """x^{2}; a number with an exponent of its own in parentheses."""
    return f"({text})^{{{power}}}" if "e" in text else f"{text}^{{{power}}}"


def activation(site: Site) -> Made:
    """y = f(x), entry by entry"""
    n, *own = site.index
    x = site.factor(0, (n, *own))
    names = letters(len(own))
    write = _forward(site, x.value)
    y, read = site.result, site.called(0)
    symbols = f"{site.bracket(y, *names)} = {write(site.bracket(read, *names))}"
    here = f"{site.bracket(y, *own, sample=n)} = {write(site.bracket(read, *own, sample=n))}"
    numbers = write(bracketed(x.value))
    step = Step(y, write(read), numbers, site.value)
    return Made(
        _words(site, x.value), symbols, here, curve=_curve(site, x.value), steps=(step,), sources=(x.cell or "",)
    )


def activation_dx(site: Site) -> Made:
    """dx = dy · f′(x), entry by entry"""
    name, (n, *own) = site.operation.name.removesuffix("_dx"), site.index
    dy, kept = site.factor(0, (n, *own)), site.factor(1, (n, *own))
    slope = _slope(site, name, kept.value)
    letter = site.called(1)
    write = _slope_written(site, name, kept.value)
    names = letters(len(own))
    dx = site.result
    symbols = f"{site.bracket(dx, *names)} = {site.bracket(site.called(0), *names)} · f′({site.bracket('x', *names)})"
    here = (
        f"{site.bracket(dx, *own, sample=n)} = {site.bracket(site.called(0), *own, sample=n)} · "
        f"f′({site.bracket('x', *own, sample=n)})"
    )
    product = f"{bracketed(dy.value)} · {bracketed(slope)}"
    slopes = (Step("f′(x)", write(letter), write(bracketed(kept.value)), slope),)
    steps = (
        *(_gelu_slope(kept.value, slope) if name == "gelu" else slopes),
        Step(dx, f"{site.called(0)} · f′(x)", product, site.value),
    )
    factor = Factor("f′(x)", None, slope)
    x = _before(site)
    words = _slope_words(site, name, x, slope)
    curve = _curve_at(site, name, x)
    sources = (kept.cell or "",)
    return Made(words, symbols, here, (Term.of(dy, factor),), curve=curve, steps=steps, sources=sources)


def softmax(site: Site) -> Made:
    """y[k] = e^{x[k] − m} / Σ_l e^{x[l] − m}, m the largest x"""
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
    """dx[k] = Σ_l dy[l] · y[l] (δ_kl − y[k])"""
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


# -------------------------------------------------------------------------------------------------- curves


def _forward(site: Site, x: float) -> Written:
    if site.operation.name != "leaky_relu":
        return FORWARD[site.operation.name]
    slope = site.arguments["slope"]
    return (lambda text: text) if not x <= 0 else (lambda text: f"{shown(slope)}·{text}")


def _slope_written(site: Site, name: str, kept: float) -> Written:
    """The slope, in the letter or the number that the gradient reads."""
    if name in ("relu", "leaky_relu"):
        low = "0" if name == "relu" else shown(site.arguments["slope"])
        held = "1" if not kept <= 0 else low
        return lambda text: held if text != site.called(1) else f"1 if x > 0, else {low}"
    return SLOPES.get(name, str)


def _gelu_slope(x: float, slope: float) -> tuple[Step, Step]:
    """The slope of GELU, with h = tanh(…) worked out first."""
    number = bracketed(x)
    h = float(np.tanh(reference.GELU_SCALE * (x + reference.GELU_CUBIC * x * x * x)))

    def write(h: str, x: str) -> str:
        return f"(1 + {h})/2 + {x}/2 · (1 − {_power(h)}) · √(2/π) · (1 + 0.134145·{_power(x)})"

    inner = "tanh(√(2/π) · ({} + 0.044715·{}))"
    return (
        Step("h", inner.format("x", _power("x", 3)), inner.format(number, _power(number, 3)), h),
        Step("f′(x)", write("h", "x"), write(bracketed(h), number), slope),
    )


def _slope(site: Site, name: str, kept: float) -> float:
    """f′ by the reference's own gradient, for a dy of 1."""
    return float(getattr(reference, f"{name}_dx")(np.ones(1), np.array([kept]), **site.arguments)[0])


def _curve(site: Site, x: float) -> Curve:
    return _curve_at(site, site.operation.name, x)


def _curve_at(site: Site, name: str, x: float) -> Curve:
    y = float(getattr(reference, name)(np.array([x]), **site.arguments)[0])
    keeps_y = name in ("sigmoid", "tanh", "relu")
    return Curve(name, x, y, _slope(site, name, y if keeps_y else x))


def _before(site: Site) -> float:
    """x of an activation whose gradient reads y: what the layer read."""
    source = site.catalogue.inputs[site.layer]
    return float(site.arrays[source].reshape(site.samples, -1)[site.sample].reshape(site.shape)[site.own])


# -------------------------------------------------------------------------------------------------- words


def _words(site: Site, x: float) -> str:
    return site.say(x=shown(x), positive=x > 0, slope=shown(site.arguments.get("slope", 0.0)))


def _slope_words(site: Site, name: str, x: float, slope: float) -> str:
    called = operations.entries()[name].get("called", name)
    kinked = name in ("relu", "leaky_relu")
    facts = {"kinked": kinked, "passes": slope == 1, "stops": slope == 0, "slope": shown(slope)}
    return site.say("slope", called=called, x=shown(x), **facts)
