"""Explanations of padding, cropping and permutation of axes. Equations: reference/geometry.py."""

from collections.abc import Callable, Sequence

from chainrule.core.shapes import inverse_permutation
from chainrule.explain.cell_context import CellContext
from chainrule.explain.notation import Index, letters, minus, plus, with_bar
from chainrule.explain.record import Derivation, Factor, Term

Source = Callable[[Sequence[Index]], list[Index]]


def pad(ctx: CellContext) -> Derivation:
    """Explain y[m] = x̄[m − before], where x̄ is x with zeros around it."""
    before = ctx.arguments["before"]
    return _moved(ctx, lambda index: list(map(minus, index, before)), with_bar(ctx.symbol_of(0)))


def crop(ctx: CellContext) -> Derivation:
    """Explain y[m] = x[m + before]."""
    before = ctx.arguments["before"]
    return _moved(ctx, lambda index: list(map(plus, index, before)), ctx.symbol_of(0))


def permute(ctx: CellContext) -> Derivation:
    """Explain y[m] = x[k] with k[axes[a]] = m[a]."""
    inverse = inverse_permutation(ctx.arguments["axes"])
    return _moved(ctx, lambda index: [index[axis] for axis in inverse], ctx.symbol_of(0))


def _moved(ctx: CellContext, source: Source, read: str) -> Derivation:
    """Return the entry of what is read that stands here, or the zero that does; ``source`` returns its index."""
    cell, shape = [int(index) for index in source(ctx.own_index)], ctx.tensor(0).shape
    inside = all(0 <= index < size for index, size in zip(cell, shape, strict=True))
    zero = Factor(ctx.symbol_of(0), None, 0.0, "padding")
    symbols, here = (
        f"{ctx.bracket(ctx.result, *index, sample=sample)} = {ctx.bracket(read, *source(index), sample=sample)}"
        for index, sample in ((letters(len(shape)), "n"), (ctx.own_index, ctx.sample))
    )
    words = ctx.sentences(inside=inside, read=ctx.symbol_of(0))
    return Derivation(words, symbols, here, (Term.of(ctx.factor(0, (ctx.sample, *cell)) if inside else zero),))
