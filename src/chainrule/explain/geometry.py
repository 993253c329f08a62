"""Explanations of operations that move, join or resample values.

Equations: reference/geometry.py (padding, cropping, axis permutation, selection, resampling) and reference/merging.py
(sums of branches, repetition, concatenation).
"""

import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from chainrule.core.shapes import WHOLE_IMAGE, Line, inverse_permutation, resampling_weights
from chainrule.explain import calculations
from chainrule.explain.cells import CellContext
from chainrule.explain.notation import Index, at, letters, minus, plus, with_bar
from chainrule.explain.record import Details, Factor, Term

Source = Callable[[Sequence[Index]], list[Index]]

_PARTIAL = re.compile(r"(.*\.)?(y|d\w+_sum)\d+")  # partial sums: add1.y2, relu1.dy_sum2


def pad(ctx: CellContext) -> Details:
    """Explain y[m] = x̄[m − before], where x̄ is x with zeros around it."""
    before = ctx.arguments["before"]
    return _moved(ctx, lambda index: list(map(minus, index, before)), with_bar(ctx.symbol_of(0)))


def crop(ctx: CellContext) -> Details:
    """Explain y[m] = x[m + before]."""
    before = ctx.arguments["before"]
    return _moved(ctx, lambda index: list(map(plus, index, before)), ctx.symbol_of(0))


def permute(ctx: CellContext) -> Details:
    """Explain y[m] = x[k] with k[axes[a]] = m[a]."""
    inverse = inverse_permutation(ctx.arguments["axes"])
    return _moved(ctx, lambda index: [index[axis] for axis in inverse], ctx.symbol_of(0))


def broadcast(ctx: CellContext) -> Details:
    """Explain y[m] = x[k], where k is 0 along each axis that is repeated."""
    sizes = ctx.tensor(0).shape

    def source(index: Sequence[Index]) -> list[Index]:
        places = list(index)
        for axis, size in enumerate(sizes):
            if size == 1:
                places[axis] = 0
        return places

    return _moved(ctx, source, ctx.symbol_of(0))


def broadcast_dx(ctx: CellContext) -> Details:
    """Explain dx[k] = Σ_m dy[m], over all elements m that repeat the element k."""
    names = list[Index](letters(len(ctx.shape)))
    ranges = list[Sequence[int]]()
    places = list(names)
    repeated = list[str]()
    for axis, (size, own) in enumerate(zip(ctx.tensor(0).shape, ctx.shape, strict=True)):
        if own == 1 and size > 1:
            repeated.append(str(names[axis]))
            ranges.append(range(size))
            places[axis] = 0
        else:
            ranges.append([ctx.own_index[axis]])
    terms = [Term.of(ctx.factor(0, (ctx.sample, *place))) for place in itertools.product(*ranges)]
    total = f"Σ_{{{','.join(repeated)}}} " if repeated else ""

    def equation(index: Sequence[Index], sample: Index) -> str:
        read = [name if name in repeated else index[axis] for axis, name in enumerate(names)]
        dy = ctx.bracket(ctx.symbol_of(0), *read, sample=sample)
        return f"{ctx.bracket(ctx.result, *index, sample=sample)} = {total}{dy}"

    words = ctx.sentences(layer=ctx.layer)
    return Details(words, equation(places, "n"), equation(ctx.own_index, ctx.sample), tuple(terms))


def gather(ctx: CellContext) -> Details:
    """Explain y[k] = x[i[k]]."""
    place = _places(ctx, ctx.tensor(0).size)[ctx.own_index[0]]
    own = ctx.symbol_of(0)
    symbols = f"{ctx.bracket(ctx.result, 'k')} = {ctx.bracket(own, at(ctx.symbol_of(1), 'k'))}"
    result = ctx.bracket(ctx.result, *ctx.own_index, sample=ctx.sample)
    here = f"{result} = {ctx.bracket(own, place, sample=ctx.sample)}"
    words = ctx.sentences(layer=ctx.layer, read=own)
    return Details(words, symbols, here, (Term.of(ctx.factor(0, (ctx.sample, place))),))


def gather_dx(ctx: CellContext) -> Details:
    """Explain dx[k] = Σ_e dy[e], over all places e with i[e] = k."""
    (own,) = ctx.own_index
    places = [place for place, source in enumerate(_places(ctx, ctx.written.size)) if source == own]
    terms = [Term.of(ctx.factor(0, (ctx.sample, place))) for place in places]
    condition = at(ctx.symbol_of(1), "e")

    def equation(index: Index, sample: Index) -> str:
        dy = ctx.bracket(ctx.symbol_of(0), "e", sample=sample)
        return f"{ctx.bracket(ctx.result, index, sample=sample)} = Σ_{{e: {condition}={index}}} {dy}"

    words = ctx.sentences(layer=ctx.layer)
    return Details(words, equation("k", "n"), equation(own, ctx.sample), tuple(terms))


def _places(ctx: CellContext, size: int) -> list[int]:
    """Return the places that the second input selects; a place outside the ``size`` elements is the first."""
    indices = ctx.array(1).ravel().tolist()
    return [int(index) if 0 < index < size else 0 for index in indices]


def _moved(ctx: CellContext, source: Source, read: str) -> Details:
    """Explain a moved value or a padding zero; ``source`` maps an index of the output to an index of the input."""
    shape = ctx.tensor(0).shape
    cell = [int(index) for index in source(ctx.own_index)]
    is_inside = all(0 <= index < size for index, size in zip(cell, shape, strict=True))

    def equation(index: Sequence[Index], sample: Index) -> str:
        result = ctx.bracket(ctx.result, *index, sample=sample)
        return f"{result} = {ctx.bracket(read, *source(index), sample=sample)}"

    if is_inside:
        factor = ctx.factor(0, (ctx.sample, *cell))
    else:
        factor = Factor(ctx.symbol_of(0), None, 0.0, "padding")
    words = ctx.sentences(inside=is_inside, read=ctx.symbol_of(0), layer=ctx.layer)
    symbols = equation(letters(len(shape)), "n")
    here = equation(ctx.own_index, ctx.sample)
    return Details(words, symbols, here, (Term.of(factor),))


# ------------------------------------------------------------------------------------------------------------- joining


def add(ctx: CellContext) -> Details:
    """Explain y[c,i,j] = a[c,i,j] + b[c,i,j] + …, with chained pairwise additions expanded into all their terms."""
    details = calculations.explain(ctx)
    first = ctx.tensor(0).storage
    writer = ctx.catalogue.writers.get(first)
    if writer is None or writer.operation is ctx.operation:
        return details
    if writer.operation.name != "add" or not _PARTIAL.fullmatch(first):
        return details
    before = add(replace(ctx, name=first, operation=writer.operation, place=writer.place))
    return replace(
        details,
        symbols=_put_in(before.symbols, details.symbols),
        instantiated=_put_in(before.instantiated, details.instantiated),
        terms=(*before.terms, *details.terms[1:]),
    )


def _put_in(partial: str | None, equation: str | None) -> str:
    """Replace a partial sum in an equation with its terms."""
    assert partial is not None
    assert equation is not None
    name, terms = partial.split(" = ")
    return equation.replace(name, terms, 1)


def concatenate(ctx: CellContext) -> Details:
    """Explain y[c,i,j] = x_k[c − o_k,i,j], an element of one of the inputs."""
    axis: int = ctx.arguments["axis"]
    n, *position = ctx.index
    source = 0
    offset = 0
    while position[axis] >= offset + ctx.tensor(source).shape[axis]:
        offset += ctx.tensor(source).shape[axis]
        source += 1
    names = letters(len(position))
    source_names = list[Index](names)
    source_names[axis] = minus(names[axis], offset)
    source_position = list(position)
    source_position[axis] -= offset
    own = ctx.symbol_of(source)
    symbols = f"{ctx.bracket(ctx.result, *names)} = {ctx.bracket(own, *source_names)}"
    result = ctx.bracket(ctx.result, *position, sample=n)
    numeric = f"{result} = {ctx.bracket(own, *source_position, sample=n)}"
    words = ctx.sentences(layer=ctx.layer, own=own, index=",".join(map(str, source_position)))
    factor = ctx.factor(source, (n, *source_position))
    return Details(words, symbols, numeric, (Term.of(factor),))


# ---------------------------------------------------------------------------------------------------------- resampling


def resample(ctx: CellContext) -> Details:
    """Explain y[c,i,j] = Σ_{h,k} a[i,h] · b[j,k] · x[c,h,k]."""
    c, i, j = ctx.own_index
    height, width = ctx.tensor(0).shape[1:]
    out_height, out_width = ctx.size
    mode = ctx.arguments["mode"]
    row_line, column_line = ctx.arguments.get("lines", WHOLE_IMAGE)
    rows = resampling_weights(mode, height, out_height, i, row_line)
    columns = resampling_weights(mode, width, out_width, j, column_line)
    terms = list[Term]()
    for h, a in rows:
        for k, b in columns:
            terms.append(_weighted_cell(ctx, (c, h, k), a, b))

    def equation(index: Sequence[Index], sample: Index) -> str:
        channel, row, column = index
        weights = f"{at('a', row, 'h')} · {at('b', column, 'k')}"
        x = ctx.bracket(ctx.symbol_of(0), channel, "h", "k", sample=sample)
        return f"{ctx.bracket(ctx.result, *index, sample=sample)} = Σ_{{h,k}} {weights} · {x}"

    facts = {name: name == mode for name in ("average", "nearest", "bilinear")}
    words = ctx.sentences(values=len(terms), **facts)
    return Details(words, equation("cij", "n"), equation(ctx.own_index, ctx.sample), tuple(terms))


def resample_dx(ctx: CellContext) -> Details:
    """Explain dx[c,h,k] = Σ_{i,j} a[i,h] · b[j,k] · dy[c,i,j]."""
    c, h, k = ctx.own_index
    height, width = ctx.size
    out_height, out_width = ctx.tensor(0).shape[1:]
    mode = ctx.arguments["mode"]
    row_line, column_line = ctx.arguments.get("lines", WHOLE_IMAGE)
    terms = list[Term]()
    columns = _readers(mode, width, out_width, k, column_line)
    for i, a in _readers(mode, height, out_height, h, row_line):
        for j, b in columns:
            terms.append(_weighted_cell(ctx, (c, i, j), a, b))

    def equation(index: Sequence[Index], sample: Index) -> str:
        channel, row, column = index
        weights = f"{at('a', 'i', row)} · {at('b', 'j', column)}"
        dy = ctx.bracket(ctx.symbol_of(0), channel, "i", "j", sample=sample)
        return f"{ctx.bracket(ctx.result, *index, sample=sample)} = Σ_{{i,j}} {weights} · {dy}"

    words = ctx.sentences(values=len(terms), once=len(terms) == 1, unused=not terms)
    return Details(words, equation("chk", "n"), equation(ctx.own_index, ctx.sample), tuple(terms))


def _readers(mode: str, inputs: int, outputs: int, source: int, line: Line) -> list[tuple[int, float]]:
    """Return the output positions along an axis that read an input position, with its weight in each."""
    readers = list[tuple[int, float]]()
    for output in range(outputs):
        weights = dict(resampling_weights(mode, inputs, outputs, output, line))
        if source in weights:
            readers.append((output, weights[source]))
    return readers


def _weighted_cell(ctx: CellContext, index: tuple[int, int, int], a: float, b: float) -> Term:
    """Return the product of a cell, its row weight and its column weight."""
    return Term.of(Factor("a", None, a), Factor("b", None, b), ctx.factor(0, (ctx.sample, *index)))
