"""Explanations of padding and cropping. Equations: reference/geometry.py."""

from collections.abc import Callable

from chainrule.explain.cell_context import CellContext
from chainrule.explain.notation import Index, letters, minus, plus, with_bar
from chainrule.explain.record import Derivation, Factor, Term


def pad(ctx: CellContext) -> Derivation:
    """Explain y[m] = x̄[m − before], where x̄ is x with zeros around it."""
    return _moved(ctx, minus, with_bar(ctx.symbol_of(0)))


def crop(ctx: CellContext) -> Derivation:
    """Explain y[m] = x[m + before]."""
    return _moved(ctx, plus, ctx.symbol_of(0))


def _moved(ctx: CellContext, move: Callable[[Index, Index], Index], read: str) -> Derivation:
    """Return the entry of what is read that stands here, or the zero that does."""
    before, shape = ctx.arguments["before"], ctx.tensor(0).shape

    def source(index: tuple[Index, ...]) -> list[Index]:
        return [move(each, front) for each, front in zip(index, before, strict=True)]

    cell = [int(index) for index in source(ctx.own_index)]
    inside = all(0 <= index < size for index, size in zip(cell, shape, strict=True))
    zero = Factor(ctx.symbol_of(0), None, 0.0, "padding")
    symbols, here = (
        f"{ctx.bracket(ctx.result, *index, sample=sample)} = {ctx.bracket(read, *source(index), sample=sample)}"
        for index, sample in ((letters(len(shape)), "n"), (ctx.own_index, ctx.sample))
    )
    words = ctx.sentences(inside=inside, read=ctx.symbol_of(0))
    return Derivation(words, symbols, here, (Term.of(ctx.factor(0, (ctx.sample, *cell)) if inside else zero),))
