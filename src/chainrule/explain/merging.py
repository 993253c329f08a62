"""Explanation of concatenation. Equation: reference/merging.py."""

from chainrule.explain.cell_context import CellContext
from chainrule.explain.notation import letters, minus
from chainrule.explain.record import Derivation, Term


def concatenate(ctx: CellContext) -> Derivation:
    """Explain y[c,i,j] = x_k[c − o_k,i,j]: the entry of one input, which stands here."""
    axis: int = ctx.arguments["axis"]
    read, offset, (n, *own) = 0, 0, ctx.index
    while own[axis] >= offset + ctx.tensor(read).shape[axis]:
        offset += ctx.tensor(read).shape[axis]
        read += 1
    names = letters(len(own))
    place = [each - offset * (number == axis) for number, each in enumerate(own)]
    symbols = [minus(each, offset) if number == axis else each for number, each in enumerate(names)]
    source = ctx.symbol_of(read)
    written = f"{ctx.bracket(ctx.result, *names)} = {ctx.bracket(source, *symbols)}"
    here = f"{ctx.bracket(ctx.result, *own, sample=n)} = {ctx.bracket(source, *place, sample=n)}"
    words = ctx.sentences(layer=ctx.layer, own=source, index=",".join(map(str, place)))
    return Derivation(words, written, here, (Term.of(ctx.factor(read, (n, *place))),))
