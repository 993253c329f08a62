"""Explanations of resampling and its gradient. Equations: reference/geometry.py."""

from chainrule.core.shapes import resampling_weights
from chainrule.explain.cell_context import CellContext
from chainrule.explain.notation import at
from chainrule.explain.record import Derivation, Factor, Term


def resample(ctx: CellContext) -> Derivation:
    """Explain y[c,i,j] = Σ_{h,k} a[i,h] · b[j,k] · x[c,h,k]."""
    c, i, j = ctx.own_index
    mode, size = ctx.arguments["mode"], ctx.tensor(0).shape[1:]
    rows, columns = (resampling_weights(mode, *axis) for axis in zip(size, ctx.size, (i, j), strict=True))
    terms = [_term(ctx, (c, h, k), a, b) for h, a in rows for k, b in columns]
    symbols, here = _written(ctx, "ij", "hk")
    facts = {name: name == mode for name in ("average", "nearest", "bilinear")}
    return Derivation(ctx.sentences(values=len(terms), **facts), symbols, here, tuple(terms))


def resample_dx(ctx: CellContext) -> Derivation:
    """Explain dx[c,h,k] = Σ_{i,j} a[i,h] · b[j,k] · dy[c,i,j]."""
    c, h, k = ctx.own_index
    mode, outputs = ctx.arguments["mode"], ctx.tensor(0).shape[1:]
    rows, columns = (
        [(i, weights[cell]) for i in range(many) if cell in (weights := dict(resampling_weights(mode, size, many, i)))]
        for size, many, cell in zip(ctx.size, outputs, (h, k), strict=True)
    )
    terms = [_term(ctx, (c, i, j), a, b) for i, a in rows for j, b in columns]
    symbols, here = _written(ctx, "hk", "ij")
    return Derivation(ctx.sentences(values=len(terms), once=len(terms) == 1), symbols, here, tuple(terms))


def _written(ctx: CellContext, own: str, summed: str) -> list[str]:
    """Return the equation of a cell, in symbols and with its own numbers.

    own, summed  the letters of its position, and of the positions that it sums over; those of y are i, j
    """
    written: list[str] = []
    for index, sample in ((("c", *own), "n"), (ctx.own_index, ctx.sample)):
        pairs = zip(index[1:], summed, strict=True) if own == "ij" else zip(summed, index[1:], strict=True)
        a, b = (at(name, *pair) for name, pair in zip("ab", pairs, strict=True))
        cell = ctx.bracket(ctx.symbol_of(0), index[0], *summed, sample=sample)
        result = ctx.bracket(ctx.result, *index, sample=sample)
        written.append(f"{result} = Σ_{{{','.join(summed)}}} {a} · {b} · {cell}")
    return written


def _term(ctx: CellContext, index: tuple[int, int, int], a: float, b: float) -> Term:
    """Return the product of a cell with the weights of its row and of its column."""
    return Term.of(Factor("a", None, a), Factor("b", None, b), ctx.factor(0, (ctx.sample, *index)))
