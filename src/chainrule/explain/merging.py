"""Explanations of sums of branches and of concatenation. Equations: reference/merging.py, operations/merging.toml."""

import re
from dataclasses import replace

from chainrule.explain import equations
from chainrule.explain.cell_context import CellContext
from chainrule.explain.notation import letters, minus
from chainrule.explain.record import Derivation, Term

_PARTIAL = re.compile(r"(.*\.)?(y|d\w+_sum)\d+")  # sums of only some terms: add1.y2, relu1.dy_sum2


def add(ctx: CellContext) -> Derivation:
    """Explain y[c,i,j] = a[c,i,j] + b[c,i,j] + …: all terms, where operations add them two by two."""
    made, first = equations.explain(ctx), ctx.tensor(0)
    operation, place, layer = ctx.catalogue.writers.get(first.storage, (ctx.operation, 0, ctx.layer))
    if operation is ctx.operation or operation.name != "add" or not _PARTIAL.fullmatch(first.storage):
        return made
    before = add(replace(ctx, name=first.storage, operation=operation, place=place, layer=layer))
    return replace(
        made,
        symbols=_put_in(before.symbols, made.symbols),
        instantiated=_put_in(before.instantiated, made.instantiated),
        terms=(*before.terms, *made.terms[1:]),
    )


def _put_in(partial: str, equation: str) -> str:
    """Return an equation with the terms of a partial sum in its place."""
    name, terms = partial.split(" = ")
    return equation.replace(name, terms, 1)


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
