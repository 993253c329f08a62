"""Explanations of batch and local response normalization. Equations: reference/normalization.py."""

from collections.abc import Iterator
from math import prod, sqrt

import numpy as np

from chainrule.explain.cells import CellContext, Index
from chainrule.explain.notation import at, letters
from chainrule.explain.record import CalculationStep, Derivation, Factor, Scale, Term

HAT = "x\u0302"
WHERE = ("i", "j")
LETTERS = ("c", "i", "j")


def batch_norm(ctx: CellContext) -> Derivation:
    """Explain y = γ·x̂ + β with x̂ = (x − μ) / √(σ² + ε), or a channel's μ or σ² over the batch."""
    return (_output, _mean, _variance)[ctx.place](ctx)


def batch_norm_dw(ctx: CellContext) -> Derivation:
    """Explain dγ[c] = Σ dy·x̂ or dβ[c] = Σ dy, summed over the batch."""
    (c,) = ctx.own_index
    scaled = ctx.place == 0
    terms: list[Term] = []
    for place in _places(ctx, c):
        extra = (Factor(HAT, None, _normal(ctx, 1, place, 2)),) if scaled else ()
        terms.append(Term.of(ctx.factor(0, place), *extra))
    where = WHERE[: ctx.array(0).ndim - 2]
    written = [
        f"{at(ctx.result, k)} = {ctx.over(*where)}{ctx.bracket('dy', k, *where)}"
        + (f" · {ctx.bracket(HAT, k, *where)}" if scaled else "")
        for k in ("c", c)
    ]
    sources = _read(ctx, 1, c, (2, 3)) if scaled else ()
    return Derivation(ctx.sentences(scale=scaled), written[0], written[1], tuple(terms), sources=sources)


def batch_norm_dx(ctx: CellContext) -> Derivation:
    """Explain dx = γ/√(σ² + ε) · (dy − dβ/M − x̂·dγ/M)."""
    n, (c, *where) = ctx.sample, ctx.own_index
    place = (n, c, *where)
    dy, gamma = ctx.factor(0, place), ctx.factor(2, (c,))
    places = list(_places(ctx, c))
    slopes = ctx.array(0)
    normals = [_normal(ctx, 1, entry, 3) for entry in places]
    size = len(places)
    dbeta = float(sum(slopes[entry] for entry in places)) / size
    dgamma = float(sum(slopes[entry] * normal for entry, normal in zip(places, normals, strict=True))) / size
    normal, deviation = _normal(ctx, 1, place, 3), _deviation(ctx, 4, c)
    factor = gamma.value / deviation
    operands = (factor, dy.value, dbeta, normal, dgamma)
    steps = (
        *_normal_steps(ctx, 1, place, 3),
        ctx.calculation("A", "Σ dy / M", "{} / {}", (dbeta * size, size), dbeta),
        ctx.calculation("B", f"Σ dy·{HAT} / M", "{} / {}", (dgamma * size, size), dgamma),
        ctx.calculation("G", "γ / s", "{} / {}", (gamma.value, deviation), factor),
        ctx.calculation(ctx.result, f"G · (dy − A − {HAT}·B)", "{} · ({} − {} − {}·{})", operands, ctx.value),
    )
    names = letters(len(ctx.own_index))
    written = [
        f"{ctx.bracket(ctx.result, *index, sample=sample)} = γ[{index[0]}] / s · "
        f"({ctx.bracket('dy', *index, sample=sample)} − A − {ctx.bracket(HAT, *index, sample=sample)}·B)"
        for index, sample in ((names, "n"), (ctx.own_index, n))
    ]
    words = ctx.sentences(values=size)
    sources = (dy.cell or "", gamma.cell or "", *_read(ctx, 1, c, (3, 4)), *(ctx.cell(0, entry) for entry in places))
    return Derivation(words, written[0], written[1], steps=steps, sources=tuple(dict.fromkeys(sources)))


def running_statistics(ctx: CellContext) -> Derivation:
    """Explain running ← (1 − m)·running + m·batch; for the variance, m·batch·M/(M − 1)."""
    (c,) = ctx.own_index
    momentum, size = float(ctx.arguments["momentum"]), int(ctx.arguments["count"])
    new, old = ctx.factor(ctx.place, (c,)), ctx.factor(2 + ctx.place, (c,))
    steps: list[CalculationStep] = []
    batch = new.value
    if ctx.place == 1:
        batch *= size / max(size - 1, 1)
        operands = (new.value, size, max(size - 1, 1))
        steps.append(ctx.calculation("u", "σ²·M / (M − 1)", "{}·{} / {}", operands, batch))
    letter = "u" if ctx.place == 1 else "μ"
    operands = (momentum, old.value, momentum, batch)
    steps.append(ctx.calculation("r′", f"(1 − m)·r + m·{letter}", "(1 − {})·{} + {}·{}", operands, ctx.value))
    words = ctx.sentences(variance=ctx.place == 1)
    name = ctx.result
    symbols = f"{name}′[c] = (1 − m)·{name}[c] + m·{'variance[c]·M / (M − 1)' if ctx.place else 'mean[c]'}"
    unbiased = f"·{size} / {max(size - 1, 1)}" if ctx.place else ""
    share = ctx.operand(momentum)
    here = f"{name}′[{c}] = (1 − {share})·{name}[{c}] + {share}·{new.name}[{c}]{unbiased}"
    return Derivation(words, symbols, here, steps=tuple(steps), sources=(new.cell or "", old.cell or ""))


# ------------------------------------------------------------------------------------ results of batch_norm


def _output(ctx: CellContext) -> Derivation:
    n, (c, *where) = ctx.sample, ctx.own_index
    place = (n, c, *where)
    x, gamma, beta = ctx.factor(0, place), ctx.factor(1, (c,)), ctx.factor(2, (c,))
    mean, variance = _statistics(ctx, c)
    deviation = sqrt(variance + ctx.arguments["epsilon"])
    normal = (x.value - mean) / deviation
    steps = (
        ctx.calculation("μ", "Σ x / M", "{} / {}", (mean * _count(ctx), _count(ctx)), mean),
        ctx.calculation("s", "√(σ² + ε)", "√({} + {})", (variance, ctx.arguments["epsilon"]), deviation),
        ctx.calculation(HAT, "(x − μ) / s", "({} − {}) / {}", (x.value, mean, deviation), normal),
        ctx.calculation(ctx.result, f"γ·{HAT} + β", "{}·{} + {}", (gamma.value, normal, beta.value), ctx.value),
    )
    names = letters(len(ctx.own_index))
    written = [
        f"{ctx.bracket(ctx.result, *index, sample=sample)} = γ[{index[0]}] · "
        f"({ctx.bracket('x', *index, sample=sample)} − μ[{index[0]}]) / √(σ²[{index[0]}] + ε) + β[{index[0]}]"
        for index, sample in ((names, "n"), (ctx.own_index, n))
    ]
    words = ctx.sentences(output=True, mean=False, variance=False)
    layer = ctx.layer
    sources = (x.cell or "", gamma.cell or "", beta.cell or "", f"{layer}.mean[{c}]", f"{layer}.variance[{c}]")
    return Derivation(words, written[0], written[1], steps=steps, sources=sources)


def _mean(ctx: CellContext) -> Derivation:
    (c,) = ctx.own_index
    terms = tuple(Term.of(ctx.factor(0, place)) for place in _places(ctx, c))
    where = WHERE[: ctx.array(0).ndim - 2]
    size = len(terms)
    written = [
        f"{at(ctx.result, k)} = 1/{many} · {ctx.over(*where)}{ctx.bracket('x', k, *where)}"
        for k, many in (("c", "M"), (c, str(size)))
    ]
    words = ctx.sentences(output=False, mean=True, variance=False, values=size)
    return Derivation(words, written[0], written[1], terms, Scale(f"1/{size}", 1 / size))


def _variance(ctx: CellContext) -> Derivation:
    (c,) = ctx.own_index
    mean, _ = _statistics(ctx, c)
    places = list(_places(ctx, c))
    factors = [Factor("(x − μ)", None, float(ctx.array(0)[place]) - mean) for place in places]
    where = WHERE[: ctx.array(0).ndim - 2]
    size = len(places)
    written = [
        f"{at(ctx.result, k)} = 1/{many} · {ctx.over(*where)}({ctx.bracket('x', k, *where)} − μ[{k}])^{{2}}"
        for k, many in (("c", "M"), (c, str(size)))
    ]
    words = ctx.sentences(output=False, mean=False, variance=True, values=size)
    terms = tuple(Term.of(factor, factor) for factor in factors)
    sources = (f"{ctx.layer}.mean[{c}]", *(ctx.cell(0, place) for place in places))
    return Derivation(words, written[0], written[1], terms, Scale(f"1/{size}", 1 / size), sources=sources)


# -------------------------------------------------------------------------------------------------- parts


def _places(ctx: CellContext, c: int) -> Iterator[Index]:
    """Yield all indices of a channel in the batch, sample by sample."""
    read = ctx.array(0)
    for n in range(ctx.samples):
        for where in np.ndindex(read.shape[2:]):
            yield (n, c, *where)


def _count(ctx: CellContext) -> int:
    return ctx.samples * prod(ctx.array(0).shape[2:])


def _statistics(ctx: CellContext, c: int) -> tuple[float, float]:
    """Return the channel's mean and variance, as computed by the operation."""
    return tuple(float(ctx.arrays[f"{ctx.layer}.{name}"][c]) for name in ("mean", "variance"))  # pyright: ignore


def _deviation(ctx: CellContext, read: int, c: int) -> float:
    return sqrt(float(ctx.array(read)[c]) + ctx.arguments["epsilon"])


def _normal(ctx: CellContext, read: int, place: Index, mean: int) -> float:
    """Return x̂ of an element. The operation's inputs ``mean`` and ``mean + 1`` are the mean and the variance."""
    c = place[1]
    return (float(ctx.array(read)[place]) - float(ctx.array(mean)[c])) / _deviation(ctx, mean + 1, c)


def _normal_steps(ctx: CellContext, read: int, place: Index, mean: int) -> tuple[CalculationStep, CalculationStep]:
    c = place[1]
    variance, deviation = float(ctx.array(mean + 1)[c]), _deviation(ctx, mean + 1, c)
    operands = (float(ctx.array(read)[place]), float(ctx.array(mean)[c]), deviation)
    return (
        ctx.calculation("s", "√(σ² + ε)", "√({} + {})", (variance, ctx.arguments["epsilon"]), deviation),
        ctx.calculation(HAT, "(x − μ) / s", "({} − {}) / {}", operands, _normal(ctx, read, place, mean)),
    )


def _read(ctx: CellContext, x: int, c: int, statistics: tuple[int, ...]) -> tuple[str, ...]:
    """Return the cells of x in a channel, and those of the channel's statistics."""
    cells = [ctx.cell(x, place) for place in _places(ctx, c)]
    return (*cells, *(ctx.cell(read, (c,)) for read in statistics))


# ---------------------------------------------------------------------------------------- local response normalization


def local_response_norm(ctx: CellContext) -> Derivation:
    """Explain y = x · s^(−β)."""
    x, arguments = ctx.factor(0, ctx.index), ctx.arguments
    places = _window(ctx, ctx.own_index[0])
    s, operands = _window_scale(ctx, 0, ctx.own_index[0])
    steps = (
        ctx.calculation("s", "k + α / size · Σ x^{2}", "{} + {}·{}", operands, s),
        ctx.calculation(ctx.result, "x·s^{−β}", "{}·{}^{{{}}}", (x.value, s, -arguments["beta"]), ctx.value),
    )
    of, here = (ctx.bracket("x", *index, sample=n) for index, n in ((LETTERS, "n"), (ctx.own_index, ctx.sample)))
    y, own = (ctx.bracket(ctx.result, *index, sample=n) for index, n in ((LETTERS, "n"), (ctx.own_index, ctx.sample)))
    sources = tuple(dict.fromkeys((x.cell or "", *(ctx.cell(0, place) for place in places))))
    return Derivation(
        _window_words(ctx), f"{y} = {of} · s^{{−β}}", f"{own} = {here} · s^{{−β}}", steps=steps, sources=sources
    )


def local_response_norm_dx(ctx: CellContext) -> Derivation:
    """Explain dx = dy · s^(−β) − 2αβ/size · x · Σ dy · x · s^(−β − 1)."""
    (c, *_), arguments = ctx.own_index, ctx.arguments
    dy, x = ctx.factor(0, ctx.index), ctx.factor(1, ctx.index)
    s, operands = _window_scale(ctx, 1, c)
    parts = [
        float(ctx.array(0)[place] * ctx.array(1)[place])
        * _window_scale(ctx, 1, place[1])[0] ** (-arguments["beta"] - 1)
        for place in _window(ctx, c)
    ]
    total, share = sum(parts), 2 * arguments["alpha"] * arguments["beta"] / arguments["size"]
    direct = dy.value * s ** -arguments["beta"]
    steps = (
        ctx.calculation("s", "k + α / size · Σ x^{2}", "{} + {}·{}", operands, s),
        ctx.calculation("A", "dy·s^{−β}", "{}·{}^{{{}}}", (dy.value, s, -arguments["beta"]), direct),
        ctx.listed("D", "Σ dy·x·s^{−β − 1}", parts, " + ", total),
        ctx.calculation(
            ctx.result, "A − 2·α·β / size · x·D", "{} − {}·{}·{}", (direct, share, x.value, total), ctx.value
        ),
    )
    of, own = (ctx.bracket(ctx.result, *index, sample=n) for index, n in ((LETTERS, "n"), (ctx.own_index, ctx.sample)))
    symbols, here = (
        f"{ctx.bracket('dy', *index, sample=n)} · s^{{−β}} − 2·α·β / size · {ctx.bracket('x', *index, sample=n)} · D"
        for index, n in ((LETTERS, "n"), (ctx.own_index, ctx.sample))
    )
    reached = _window(ctx, c, 2)
    sources = (dy.cell or "", x.cell or "", *(ctx.cell(0, place) for place in _window(ctx, c)))
    sources = tuple(dict.fromkeys((*sources, *(ctx.cell(1, place) for place in reached))))
    return Derivation(_window_words(ctx), f"{of} = {symbols}", f"{own} = {here}", steps=steps, sources=sources)


def _window(ctx: CellContext, c: int, times: int = 1) -> list[Index]:
    """Return the indices at this position in the window of a channel, with the window widened ``times`` times."""
    half, (_, *where) = times * (ctx.arguments["size"] // 2), ctx.own_index
    channels = range(max(0, c - half), min(ctx.array(0).shape[1], c + half + 1))
    return [(ctx.sample, m, *where) for m in channels]


def _window_scale(ctx: CellContext, read: int, c: int) -> tuple[float, tuple[float, float, float]]:
    """Return s for a channel at this position, and its operands k, α / size and Σ x²."""
    arguments, x = ctx.arguments, ctx.array(read)
    squares = sum(float(x[place]) ** 2 for place in _window(ctx, c))
    share = arguments["alpha"] / arguments["size"]
    return arguments["k"] + share * squares, (arguments["k"], share, squares)


def _window_words(ctx: CellContext) -> str:
    channels = [place[1] for place in _window(ctx, ctx.own_index[0])]
    return ctx.sentences(count=len(channels), first=channels[0], last=channels[-1])
