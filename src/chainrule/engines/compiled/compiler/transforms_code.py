"""Code of the transforms of Winograd's algorithm, emitted by hand: the rows of a matrix as sums of vectors.

Tried with llvmlite 0.50: see `registers`, whose tiles these are.
"""

from typing import Any

from chainrule.engines.compiled.compiler.kernel_values import Literal, ir
from chainrule.engines.compiled.compiler.transforms import POINTS_OF_A_ROW, from_points, matrix_of, to_points
from chainrule.engines.compiled.compiler.vectors import CodeBuilder, Tile


def _to_points(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    matrix = matrix_of(int(signature.args[1].literal_value), tile.columns)
    rows = [_columns(builder, arguments[0], tile, a) for a in range(tile.rows)]
    found = [_with_pairs(builder, [_sum(code, tile, factors, row) for factors in matrix]) for row in rows]
    return _tile(context, builder, signature.return_type, found)


def _from_points(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    matrix = matrix_of(*(int(each.literal_value) for each in signature.args[1:]))
    rows = [_with_pairs(builder, _columns(builder, arguments[0], tile, a)) for a in range(tile.rows)]
    found = [[_sum(code, tile, factors, row) for factors in matrix.T] for row in rows]
    return _tile(context, builder, signature.return_type, found)


def _columns(builder: Any, value: Any, tile: Tile, row: int) -> list[Any]:
    return [builder.extract_value(value, row * tile.columns + b) for b in range(tile.columns)]


def _tile(context: Any, builder: Any, kind: Tile, rows: list[list[Any]]) -> Any:
    found = ir.Constant(context.get_value_type(kind), None)
    for k, value in enumerate(value for row in rows for value in row):
        found = builder.insert_value(found, value, k)
    return found


def _with_pairs(builder: Any, values: list[Any]) -> list[Any]:
    a, b, c, d, e, f = values
    return [a, builder.fadd(b, c), builder.fsub(b, c), builder.fadd(d, e), builder.fsub(d, e), f]


def _sum(code: CodeBuilder, tile: Tile, factors: Any, values: list[Any]) -> Any:
    """Return Σ factor · value, without those whose factor is 0; the first whose factor is 1 begin the sum."""
    terms = [(float(factor), value) for factor, value in zip(factors, values, strict=True) if factor]
    total = None
    for factor, value in sorted(terms, key=lambda term: term[0] != 1):
        times = code.every(tile, ir.Constant(tile.dtype.stored, factor))
        if total is None:
            total = value if factor == 1 else code.builder.fmul(value, times)
        elif factor == 1:
            total = code.builder.fadd(total, value)
        else:
            total = code.multiply_add(tile, value, times, total)
    return total


def _six(arguments: Any) -> Tile | None:
    tile, which = arguments
    return Tile(tile.dtype, tile.rows, POINTS_OF_A_ROW) if isinstance(which, Literal) else None


def _fewer(arguments: Any) -> Tile | None:
    tile, which, count = arguments
    if not isinstance(which, Literal) or not isinstance(count, Literal):
        return None
    return Tile(tile.dtype, tile.rows, int(count.literal_value))


CODE = {to_points: (_six, _to_points), from_points: (_fewer, _from_points)}  # type of the result, emitter
