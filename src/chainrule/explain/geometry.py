"""Explanations of operations that move, join or resample values.

Equations: reference/geometry.py (padding, cropping, axis permutation, resampling) and reference/merging.py (sums of
branches, concatenation).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from chainrule.core.shapes import WHOLE_IMAGE, inverse_permutation, resampling_weights
from chainrule.explain import calculations
from chainrule.explain.cells import CellContext
from chainrule.explain.notation import Index, at, letters, minus, plus, with_bar
from chainrule.explain.record import Derivation, Factor, Term

Source = Callable[[Sequence[Index]], list[Index]]

_PARTIAL = re.compile(r"(.*\.)?(y|d\w+_sum)\d+")  # partial sums: add1.y2, relu1.dy_sum2


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
    """Explain a moved value or a padding zero; ``source`` maps an index of the output to an index of the input."""
    cell, shape = [int(index) for index in source(ctx.own_index)], ctx.tensor(0).shape
    inside = all(0 <= index < size for index, size in zip(cell, shape, strict=True))
    zero = Factor(ctx.symbol_of(0), None, 0.0, "padding")
    symbols, here = (
        f"{ctx.bracket(ctx.result, *index, sample=sample)} = {ctx.bracket(read, *source(index), sample=sample)}"
        for index, sample in ((letters(len(shape)), "n"), (ctx.own_index, ctx.sample))
    )
    words = ctx.sentences(inside=inside, read=ctx.symbol_of(0))
    return Derivation(words, symbols, here, (Term.of(ctx.factor(0, (ctx.sample, *cell)) if inside else zero),))


# ------------------------------------------------------------------------------------------------------------- joining


def add(ctx: CellContext) -> Derivation:
    """Explain y[c,i,j] = a[c,i,j] + b[c,i,j] + …, with chained pairwise additions expanded into all their terms."""
    derivation, first = calculations.explain(ctx), ctx.tensor(0)
    operation, place, layer = ctx.catalogue.writers.get(first.storage, (ctx.operation, 0, ctx.layer))
    if operation is ctx.operation or operation.name != "add" or not _PARTIAL.fullmatch(first.storage):
        return derivation
    before = add(replace(ctx, name=first.storage, operation=operation, place=place, layer=layer))
    return replace(
        derivation,
        symbols=_put_in(before.symbols, derivation.symbols),
        instantiated=_put_in(before.instantiated, derivation.instantiated),
        terms=(*before.terms, *derivation.terms[1:]),
    )


def _put_in(partial: str, equation: str) -> str:
    """Replace a partial sum in an equation with its terms."""
    name, terms = partial.split(" = ")
    return equation.replace(name, terms, 1)


def concatenate(ctx: CellContext) -> Derivation:
    """Explain y[c,i,j] = x_k[c − o_k,i,j], an element of one of the inputs."""
    axis: int = ctx.arguments["axis"]
    source, offset, (n, *position) = 0, 0, ctx.index
    while position[axis] >= offset + ctx.tensor(source).shape[axis]:
        offset += ctx.tensor(source).shape[axis]
        source += 1
    names = letters(len(position))
    source_position = [index - offset * (k == axis) for k, index in enumerate(position)]
    symbols = [minus(index, offset) if k == axis else index for k, index in enumerate(names)]
    source_symbol = ctx.symbol_of(source)
    written = f"{ctx.bracket(ctx.result, *names)} = {ctx.bracket(source_symbol, *symbols)}"
    numeric = (
        f"{ctx.bracket(ctx.result, *position, sample=n)} = {ctx.bracket(source_symbol, *source_position, sample=n)}"
    )
    words = ctx.sentences(layer=ctx.layer, own=source_symbol, index=",".join(map(str, source_position)))
    return Derivation(words, written, numeric, (Term.of(ctx.factor(source, (n, *source_position))),))


# ---------------------------------------------------------------------------------------------------------- resampling


def resample(ctx: CellContext) -> Derivation:
    """Explain y[c,i,j] = Σ_{h,k} a[i,h] · b[j,k] · x[c,h,k]."""
    c, i, j = ctx.own_index
    mode, size, lines = ctx.arguments["mode"], ctx.tensor(0).shape[1:], ctx.arguments.get("lines", WHOLE_IMAGE)
    rows, columns = (resampling_weights(mode, *axis) for axis in zip(size, ctx.size, (i, j), lines, strict=True))
    terms = [_weighted_cell(ctx, (c, h, k), a, b) for h, a in rows for k, b in columns]
    symbols, here = _resampling_equations(ctx, "ij", "hk")
    facts = {name: name == mode for name in ("average", "nearest", "bilinear")}
    return Derivation(ctx.sentences(values=len(terms), **facts), symbols, here, tuple(terms))


def resample_dx(ctx: CellContext) -> Derivation:
    """Explain dx[c,h,k] = Σ_{i,j} a[i,h] · b[j,k] · dy[c,i,j]."""
    c, h, k = ctx.own_index
    mode, outputs, lines = ctx.arguments["mode"], ctx.tensor(0).shape[1:], ctx.arguments.get("lines", WHOLE_IMAGE)
    rows, columns = (
        [
            (i, weights[target])
            for i in range(output_count)
            if target in (weights := dict(resampling_weights(mode, input_count, output_count, i, line)))
        ]
        for input_count, output_count, target, line in zip(ctx.size, outputs, (h, k), lines, strict=True)
    )
    terms = [_weighted_cell(ctx, (c, i, j), a, b) for i, a in rows for j, b in columns]
    symbols, numeric = _resampling_equations(ctx, "hk", "ij")
    return Derivation(
        ctx.sentences(values=len(terms), once=len(terms) == 1, unused=not terms), symbols, numeric, tuple(terms)
    )


def _resampling_equations(ctx: CellContext, own: str, summed: str) -> list[str]:
    """Return the equation in letters and the equation with the cell's indices.

    own, summed   letters for the cell's position and for the summed positions; positions of y are i, j
    """
    written: list[str] = []
    for index, sample in ((("c", *own), "n"), (ctx.own_index, ctx.sample)):
        pairs = zip(index[1:], summed, strict=True) if own == "ij" else zip(summed, index[1:], strict=True)
        a, b = (at(name, *pair) for name, pair in zip("ab", pairs, strict=True))
        cell = ctx.bracket(ctx.symbol_of(0), index[0], *summed, sample=sample)
        result = ctx.bracket(ctx.result, *index, sample=sample)
        written.append(f"{result} = Σ_{{{','.join(summed)}}} {a} · {b} · {cell}")
    return written


def _weighted_cell(ctx: CellContext, index: tuple[int, int, int], a: float, b: float) -> Term:
    """Return the product of a cell, its row weight and its column weight."""
    return Term.of(Factor("a", None, a), Factor("b", None, b), ctx.factor(0, (ctx.sample, *index)))
