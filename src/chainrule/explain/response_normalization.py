"""Explanations of local response normalisation. Equations: reference/normalization.py."""

from chainrule.explain.cell_context import CellContext
from chainrule.explain.cells import Index
from chainrule.explain.numbers import bracketed
from chainrule.explain.record import CalculationStep, Derivation

NAMES = ("c", "i", "j")


def local_response_norm(ctx: CellContext) -> Derivation:
    """Explain y = x · s^(−β)."""
    x, given = ctx.factor(0, ctx.index), ctx.arguments
    places = _window(ctx, ctx.own_index[0])
    s, numbers = _scale(ctx, 0, ctx.own_index[0])
    power = f"{bracketed(x.value)}·{bracketed(s)}^{{{bracketed(-given['beta'])}}}"
    steps = (
        CalculationStep("s", "k + α / size · Σ x^{2}", numbers, s),
        CalculationStep(ctx.result, "x·s^{−β}", power, ctx.value),
    )
    of, here = (ctx.bracket("x", *index, sample=n) for index, n in ((NAMES, "n"), (ctx.own_index, ctx.sample)))
    y, own = (ctx.bracket(ctx.result, *index, sample=n) for index, n in ((NAMES, "n"), (ctx.own_index, ctx.sample)))
    sources = tuple(dict.fromkeys((x.cell or "", *(ctx.cell(0, place) for place in places))))
    return Derivation(_words(ctx), f"{y} = {of} · s^{{−β}}", f"{own} = {here} · s^{{−β}}", steps=steps, sources=sources)


def local_response_norm_dx(ctx: CellContext) -> Derivation:
    """Explain dx = dy · s^(−β) − 2αβ/size · x · Σ dy · x · s^(−β − 1)."""
    (c, *_), given = ctx.own_index, ctx.arguments
    dy, x = ctx.factor(0, ctx.index), ctx.factor(1, ctx.index)
    s, numbers = _scale(ctx, 1, c)
    parts = [
        float(ctx.array(0)[place] * ctx.array(1)[place]) * _scale(ctx, 1, place[1])[0] ** (-given["beta"] - 1)
        for place in _window(ctx, c)
    ]
    total, share = sum(parts), 2 * given["alpha"] * given["beta"] / given["size"]
    direct = dy.value * s ** -given["beta"]
    steps = (
        CalculationStep("s", "k + α / size · Σ x^{2}", numbers, s),
        CalculationStep(
            "A", "dy·s^{−β}", f"{bracketed(dy.value)}·{bracketed(s)}^{{{bracketed(-given['beta'])}}}", direct
        ),
        CalculationStep("D", "Σ dy·x·s^{−β − 1}", " + ".join(bracketed(part) for part in parts), total),
        CalculationStep(
            ctx.result,
            "A − 2·α·β / size · x·D",
            f"{bracketed(direct)} − {bracketed(share)}·{bracketed(x.value)}·{bracketed(total)}",
            ctx.value,
        ),
    )
    of, own = (ctx.bracket(ctx.result, *index, sample=n) for index, n in ((NAMES, "n"), (ctx.own_index, ctx.sample)))
    left, here = (
        f"{ctx.bracket('dy', *index, sample=n)} · s^{{−β}} − 2·α·β / size · {ctx.bracket('x', *index, sample=n)} · D"
        for index, n in ((NAMES, "n"), (ctx.own_index, ctx.sample))
    )
    reached = _window(ctx, c, 2)
    sources = (dy.cell or "", x.cell or "", *(ctx.cell(0, place) for place in _window(ctx, c)))
    sources = tuple(dict.fromkeys((*sources, *(ctx.cell(1, place) for place in reached))))
    return Derivation(_words(ctx), f"{of} = {left}", f"{own} = {here}", steps=steps, sources=sources)


def _window(ctx: CellContext, c: int, times: int = 1) -> list[Index]:
    """Return the indices at this position in the window of a channel, or in the windows of all in it."""
    half, (_, *where) = times * (ctx.arguments["size"] // 2), ctx.own_index
    channels = range(max(0, c - half), min(ctx.array(0).shape[1], c + half + 1))
    return [(ctx.sample, m, *where) for m in channels]


def _scale(ctx: CellContext, read: int, c: int) -> tuple[float, str]:
    """Return s at this position in a channel, and how it is computed."""
    given, x = ctx.arguments, ctx.array(read)
    squares = sum(float(x[place]) ** 2 for place in _window(ctx, c))
    share = given["alpha"] / given["size"]
    return given["k"] + share * squares, f"{bracketed(given['k'])} + {bracketed(share)}·{bracketed(squares)}"


def _words(ctx: CellContext) -> str:
    channels = [place[1] for place in _window(ctx, ctx.own_index[0])]
    return ctx.sentences(count=len(channels), first=channels[0], last=channels[-1])
