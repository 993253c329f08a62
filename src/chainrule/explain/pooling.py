"""Explanations of pooling and its gradients. Equations: reference/pooling.py."""

from collections.abc import Iterator

import numpy as np

from chainrule.explain.cells import CellContext
from chainrule.explain.notation import Index, plus, times, with_bar
from chainrule.explain.record import Candidate, Derivation, Factor, Pick, Scale, Term
from chainrule.operations.reference.windows import Axis, sliding

Cell = tuple[int, int]


def max_pool(ctx: CellContext) -> Derivation:
    """Explain y[c,i,j] = max_{u,v} x[c, s·i + u, s·j + v], or the position of the maximum."""
    x = ctx.array(0)
    n, (c, i, j) = ctx.sample, ctx.own_index
    rows, columns = _axes(ctx, x.shape[2:])
    cells = [(n, c, h, k) for h, k in _under(rows, columns, i, j)]
    values = [float(x[cell]) for cell in cells]
    place = next((k for k, value in enumerate(values) if np.isnan(value)), int(np.argmax(values)))
    pick = Pick(tuple(Candidate(ctx.cell(0, cell), float(x[cell])) for cell in cells), place)
    function = "max" if ctx.place == 0 else "argmax"
    written = [
        f"{ctx.bracket(ctx.result, *index, sample=sample)} = {function}_{{u,v}} {_window(ctx, index, sample, letters)}"
        for index, sample, letters in ((("c", "i", "j"), "n", True), (ctx.own_index, ctx.sample, False))
    ]
    words = ctx.sentences(
        values=len(cells),
        tie=sum(value == values[place] for value in values) > 1,
        winner=ctx.place == 1,
        padded=_is_padded(rows, columns),
    )
    return Derivation(words, written[0], written[1], pick=pick)


def max_pool_dx(ctx: CellContext) -> Derivation:
    """Explain dx[c,h,k] = Σ dy[c,i,j] over the windows whose maximum is this cell."""
    winner = ctx.array(1)
    n, (c, h, k) = ctx.sample, ctx.own_index
    flat = h * ctx.size[1] + k
    terms = tuple(Term.of(ctx.factor(0, (n, c, int(i), int(j)))) for i, j in np.argwhere(winner[n, c] == flat))
    dx, dy, won = ctx.result, ctx.symbol_of(0), ctx.symbol_of(1)
    symbols = (
        f"{ctx.bracket(dx, 'c', 'h', 'k')} = Σ_{{{ctx.bracket(won, 'c', 'i', 'j')}=h·W+k}} "
        f"{ctx.bracket(dy, 'c', 'i', 'j')}"
    )
    here = (
        f"{ctx.bracket(dx, c, h, k, sample=n)} = Σ_{{{ctx.bracket(won, c, 'i', 'j', sample=n)}={flat}}} "
        f"{ctx.bracket(dy, c, 'i', 'j', sample=n)}"
    )
    words = ctx.sentences(lost=not terms, once=len(terms) == 1, windows=len(terms))
    return Derivation(words, symbols, here, terms)


def average_pool(ctx: CellContext) -> Derivation:
    """Explain y[c,i,j] = 1/D · Σ_{u,v} x[c, s·i + u, s·j + v]."""
    n, (c, i, j) = ctx.sample, ctx.own_index
    rows, columns = _axes(ctx, ctx.array(0).shape[2:])
    terms = tuple(Term.of(ctx.factor(0, (n, c, h, k))) for h, k in _under(rows, columns, i, j))
    divisor = _divisor(ctx, rows, columns, i, j)
    share = "" if ctx.arguments["divisor"] == "one" else "1/D · "
    written = [
        f"{ctx.bracket(ctx.result, *index, sample=sample)} = {part}Σ_{{u,v}} {_window(ctx, index, sample, letters)}"
        for index, sample, letters, part in (
            (("c", "i", "j"), "n", True, share),
            (ctx.own_index, ctx.sample, False, share and f"1/{divisor} · "),
        )
    ]
    words = ctx.sentences(
        values=len(terms),
        sum=not share,
        counted=divisor != len(terms),
        divisor=divisor,
        padded=_is_padded(rows, columns),
    )
    scale = Scale(f"1/{divisor}", 1 / divisor) if share else None
    return Derivation(words, written[0], written[1], terms, scale)


def average_pool_dx(ctx: CellContext) -> Derivation:
    """Explain dx[c,h,k] = Σ_{i,j} dy[c,i,j] / D, over the windows that cover this cell."""
    n, (c, h, k) = ctx.sample, ctx.own_index
    rows, columns = _axes(ctx, ctx.size)
    windows = [(i, j) for i in _covering(rows, h) for j in _covering(columns, k)]
    divisors = [_divisor(ctx, rows, columns, i, j) for i, j in windows]
    uniform = len(set(divisors)) == 1
    terms = [
        Term.of(ctx.factor(0, (n, c, i, j)), *(() if uniform else (Factor("1/D", None, 1 / divisor),)))
        for (i, j), divisor in zip(windows, divisors, strict=True)
    ]
    is_sum = ctx.arguments["divisor"] == "one"
    scale = Scale(f"1/{divisors[0]}", 1 / divisors[0]) if uniform and not is_sum else None
    written = [
        f"{ctx.bracket(ctx.result, *index, sample=sample)} = {_shared(ctx, index[0], sample, text)}"
        for index, sample, text in (
            (("c", "h", "k"), "n", "" if is_sum else "D[i,j]"),
            (ctx.own_index, ctx.sample, "" if is_sum else str(divisors[0]) if uniform else "D[i,j]"),
        )
    ]
    words = ctx.sentences(covered=bool(windows), once=len(windows) == 1, windows=len(windows), sum=is_sum)
    return Derivation(words, written[0], written[1], tuple(terms), scale)


def _axes(ctx: CellContext, size: tuple[int, ...]) -> tuple[Axis, Axis]:
    arguments = ctx.arguments
    return sliding(
        ctx.operation.name, "window", (size[0], size[1]), arguments["window"], arguments["stride"], arguments["padding"]
    )


def _under(rows: Axis, columns: Axis, i: int, j: int) -> Iterator[Cell]:
    """Yield the positions in a window that lie on the image, row by row."""
    for _, h in rows.taps(i):
        for _, k in columns.taps(j):
            yield h, k


def _covering(axis: Axis, h: int) -> list[int]:
    """Return the windows that cover a cell."""
    return [i for i in range(axis.outputs) if any(h == cell for _, cell in axis.taps(i))]


def _divisor(ctx: CellContext, rows: Axis, columns: Axis, i: int, j: int) -> int:
    match ctx.arguments["divisor"]:
        case "cells":
            return sum(1 for _ in _under(rows, columns, i, j))
        case "window":
            return rows.window * columns.window
        case _:
            return 1


def _window(ctx: CellContext, index: tuple[Index, ...], sample: Index, letters: bool) -> str:
    """Return x[c, s·i + u, s·j + v]."""
    stride = ctx.arguments["stride"]
    c, i, j = index
    s, t = ("s" if letters and step > 1 else step for step in stride)
    x = (
        with_bar(ctx.symbol_of(0))
        if any(zeros for pair in ctx.arguments["padding"] for zeros in pair)
        else ctx.symbol_of(0)
    )
    return ctx.bracket(x, c, plus(times(s, i), "u"), plus(times(t, j), "v"), sample=sample)


def _shared(ctx: CellContext, c: Index, sample: Index, divisor: str) -> str:
    dy = ctx.bracket(ctx.symbol_of(0), c, "i", "j", sample=sample)
    return f"Σ_{{i,j}} {dy} / {divisor}" if divisor else f"Σ_{{i,j}} {dy}"


def _is_padded(rows: Axis, columns: Axis) -> bool:
    return any(zeros for axis in (rows, columns) for zeros in axis.padding)
