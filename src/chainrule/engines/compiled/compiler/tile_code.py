"""LLVM code for the functions in `tiles`, which compute sums in vector registers.

Each function has an emitter: a function that emits the code of one call with a `CodeBuilder`; see `intrinsic_code`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from chainrule.engines.compiled.compiler import transposing_code
from chainrule.engines.compiled.compiler.kernel_values import VOID, Literal, LlvmValue, ir
from chainrule.engines.compiled.compiler.transposing_code import picked_addresses
from chainrule.engines.compiled.compiler.vectors import Address, CodeBuilder, ColumnOffsets, Tile, llvm_type, vector_of

Emitter = Callable[[CodeBuilder], LlvmValue | None]


def _add_outer_product(
    code: CodeBuilder, tile: Tile, rows: Iterable[LlvmValue], columns: Iterable[LlvmValue]
) -> LlvmValue:
    """Add rows[a] · columns[b] to vector [a, b] of the tile, which is the call's first argument.

    The shorter operand is kept in registers. The vectors of the longer operand are loaded one at a time, because there
    are not enough registers for all of them.
    """
    sums, (few_stride, many_stride), few, many = code.arguments[0], (tile.columns, 1), rows, columns
    if tile.rows > tile.columns:
        (few_stride, many_stride), few, many = (1, tile.columns), columns, rows
    kept = list(few)
    for b, other_factor in enumerate(many):
        for a, factor in enumerate(kept):
            k = a * few_stride + b * many_stride
            total = code.multiply_add(tile, factor, other_factor, code.builder.extract_value(sums, k))
            sums = code.builder.insert_value(sums, total, k)
    return code.end_step(sums)


def _zeros(code: CodeBuilder) -> LlvmValue:
    return ir.Constant(llvm_type(code.return_type), None)


def _load(code: CodeBuilder) -> LlvmValue:
    tile = code.return_type
    y, step = code.address(0, code.number(1)), code.number(2)
    return _load_columns(
        code, tile, [code.advance(y, code.builder.mul(step, ir.IntType(64)(b))) for b in range(tile.columns)]
    )


def _load_at(code: CodeBuilder) -> LlvmValue:
    tile = code.return_type
    return _load_columns(
        code, tile, picked_addresses(code, code.address(0, code.number(1)), 2, code.number(3), tile.columns)
    )


def _load_columns(code: CodeBuilder, tile: Tile, columns: Iterable[Address]) -> LlvmValue:
    """Return a tile loaded from the addresses of its columns."""
    sums = ir.Constant(llvm_type(tile), None)
    for b, column in enumerate(columns):
        for a in range(tile.rows):
            vector = code.load(tile, code.advance(column, a * tile.lanes))
            sums = code.builder.insert_value(sums, vector, a * tile.columns + b)
    return sums


def _spread_columns(code: CodeBuilder) -> LlvmValue:
    tile = code.return_type
    values = code.address(0, code.number(1))
    result = ir.Constant(llvm_type(tile), None)
    for b in range(tile.columns):
        vector = code.load_broadcast(tile, code.advance(values, b))
        for a in range(tile.rows):
            result = code.builder.insert_value(result, vector, a * tile.columns + b)
    return result


def _column_offsets(code: CodeBuilder) -> LlvmValue:
    columns = code.return_type.columns
    offsets = code.address(0, code.number(1))
    result = ir.Constant(llvm_type(code.return_type), ir.Undefined)
    for b in range(columns):
        result = code.builder.insert_value(result, code.load_element(code.advance(offsets, b)), b)
    return result


def _add_outer(code: CodeBuilder) -> LlvmValue:
    tile = code.types[0]
    x, w, step = code.address(1, code.number(2)), code.address(3, code.number(4)), code.number(5)
    rows = (code.load(tile, code.advance(x, a * tile.lanes)) for a in range(tile.rows))
    columns = (
        code.load_broadcast(tile, code.advance(w, code.builder.mul(step, ir.IntType(64)(b))))
        for b in range(tile.columns)
    )
    return _add_outer_product(code, tile, rows, columns)


def _add_outer_at(code: CodeBuilder) -> LlvmValue:
    tile = code.types[0]
    x = code.address(1, code.number(2))
    rows = (code.load(tile, code.advance(x, a * tile.lanes)) for a in range(tile.rows))
    w, start = code.column_addresses(3, 5, tile.columns), code.number(4)
    return _add_outer_product(
        code, tile, rows, (code.load_broadcast(tile, code.advance(address, start)) for address in w)
    )


def _add_vectors_at(code: CodeBuilder) -> LlvmValue:
    tile = code.types[0]
    x, start, w = code.column_addresses(1, 3, tile.rows), code.number(2), code.address(4, code.number(5))
    rows = (code.load(tile, code.advance(address, start)) for address in x)
    return _add_outer_product(
        code, tile, rows, (code.load_broadcast(tile, code.advance(w, b)) for b in range(tile.columns))
    )


def _add_lanes_at(code: CodeBuilder) -> LlvmValue:
    builder = code.builder
    tile = code.types[0]
    x, weight = code.address(1, code.number(2)), code.load(tile, code.address(3, code.number(4)))
    sums = code.arguments[0]
    for b in range(tile.columns):
        vector = code.load(tile, code.advance(x, builder.extract_value(code.arguments[5], b)))
        sums = builder.insert_value(sums, code.multiply_add(tile, vector, weight, builder.extract_value(sums, b)), b)
    return code.end_step(sums)


def _sum_fours(code: CodeBuilder) -> LlvmValue:
    tile = code.types[0]
    a, b, c, d = (code.builder.extract_value(code.arguments[0], k) for k in range(4))
    sums = code.fold(tile, code.fold(tile, a, b, 4), code.fold(tile, c, d, 4), 2)
    return code.builder.insert_value(ir.Constant(llvm_type(code.return_type), None), sums, 0)


def _join_columns(code: CodeBuilder) -> LlvmValue:
    result = ir.Constant(llvm_type(code.return_type), None)
    count = code.types[0].columns
    for b in range(2 * count):
        result = code.builder.insert_value(result, code.builder.extract_value(code.arguments[b // count], b % count), b)
    return result


def _clamp_tile(code: CodeBuilder) -> LlvmValue:
    builder = code.builder
    tile, sums = code.return_type, code.arguments[0]
    lower, upper = (code.broadcast(tile, code.converted(k, tile.dtype)) for k in (1, 2))
    for k in range(tile.rows * tile.columns):
        value = builder.extract_value(sums, k)
        value = builder.select(builder.fcmp_ordered("<", value, lower), lower, value)  # one instruction each
        sums = builder.insert_value(sums, builder.select(builder.fcmp_ordered(">", value, upper), upper, value), k)
    return sums


def _multiply_add(code: CodeBuilder) -> LlvmValue:
    tile = code.return_type
    sums, times, plus = code.arguments
    for k in range(tile.rows * tile.columns):
        value, factor, more = (code.builder.extract_value(tile_value, k) for tile_value in (sums, times, plus))
        sums = code.builder.insert_value(sums, code.multiply_add(tile, value, factor, more), k)
    return sums


def _add_products(code: CodeBuilder) -> LlvmValue:
    tile = code.types[0]
    g, step = code.address(1, code.number(2)), code.number(3)
    x, start = code.column_addresses(4, 6, tile.columns), code.number(5)
    rows = (code.load(tile, code.advance(g, code.builder.mul(step, ir.IntType(64)(a)))) for a in range(tile.rows))
    return _add_outer_product(code, tile, rows, (code.load(tile, code.advance(address, start)) for address in x))


def _store(code: CodeBuilder) -> None:
    columns = range(code.types[0].columns)
    y, step = code.address(1, code.number(2)), code.number(3)
    _store_columns(code, [code.advance(y, code.builder.mul(step, ir.IntType(64)(b))) for b in columns])


def _store_at(code: CodeBuilder) -> None:
    columns = code.types[0].columns
    _store_columns(code, picked_addresses(code, code.address(1, code.number(2)), 3, code.number(4), columns))


def _store_columns(code: CodeBuilder, columns: Iterable[Address]) -> None:
    """Store the tile, which is the call's first argument, at the addresses of its columns."""
    tile = code.types[0]
    for b, column in enumerate(columns):
        for a in range(tile.rows):
            sums = code.builder.extract_value(code.arguments[0], a * tile.columns + b)
            code.store(sums, code.advance(column, a * tile.lanes), tile.dtype.bitwidth // 8)


def _store_vectors_at(code: CodeBuilder) -> None:
    tile = code.types[0]
    rows = picked_addresses(code, code.address(1, ir.IntType(64)(0)), 2, code.number(3), tile.rows)
    columns = code.address(4, code.number(5))
    for b in range(tile.columns):
        offset = code.load_element(code.advance(columns, b))
        for a, row in enumerate(rows):
            sums = code.builder.extract_value(code.arguments[0], a * tile.columns + b)
            code.store(sums, code.advance(row, offset), tile.dtype.bitwidth // 8)


def _store_sums(code: CodeBuilder) -> None:
    """Sum the lanes of each vector, and store the sums.

    With L lanes, groups of L vectors are reduced together: pairs of vectors are folded into one vector until every lane
    contains the sum of one of the vectors.
    """
    tile = code.types[0]
    size, lanes = tile.rows * tile.columns, tile.lanes
    for first in range(0, size, lanes):
        vectors = [code.builder.extract_value(code.arguments[0], k) for k in range(first, min(first + lanes, size))]
        vectors += [ir.Constant(vector_of(tile), None)] * (lanes - len(vectors))
        group = lanes  # number of adjacent lanes that belong to one sum
        while len(vectors) > 1:
            vectors = [code.fold(tile, *pair, group) for pair in zip(vectors[::2], vectors[1::2], strict=True)]
            group //= 2
        code.store(vectors[0], code.advance(code.address(1, code.number(2)), first), tile.dtype.bitwidth // 8)


def _add_parts(code: CodeBuilder) -> LlvmValue:
    builder = code.builder
    tile = code.return_type
    x, step, mask = code.address(1, code.number(2)), code.number(3), code.lanes_below(tile, code.number(4))
    sums = code.arguments[0]
    for b in range(tile.columns):
        part = code.masked("load", tile, [], code.advance(x, builder.mul(step, ir.IntType(64)(b))), mask)
        sums = builder.insert_value(sums, builder.fadd(builder.extract_value(sums, b), part), b)
    return sums


def _store_part(code: CodeBuilder) -> None:
    tile = code.types[0]
    vector = code.builder.extract_value(code.arguments[0], 0)
    code.store_first(tile, vector, code.address(1, code.number(2)), code.number(3))


def _split_pairs(code: CodeBuilder) -> None:
    builder = code.builder
    tile = Tile(code.types[0].dtype, 1, 1)
    x, count, whole = code.address(0, code.number(1)), code.number(2), ir.IntType(64)
    low, high = (
        code.masked("load", tile, [], code.advance(x, first), code.lanes_below(tile, builder.sub(count, whole(first))))
        for first in (0, tile.lanes)
    )
    for parity in range(2):
        alternate = code.shuffle(low, high, range(parity, 2 * tile.lanes, 2))
        half = builder.ashr(builder.add(count, whole(1 - parity)), whole(1))
        code.store_first(tile, alternate, code.address(3, code.number(4 + parity)), half)


def _store_alternate(code: CodeBuilder) -> None:
    builder = code.builder
    tile = code.types[0]
    vector = builder.extract_value(code.arguments[0], 0)
    address = code.address(1, code.number(2))
    whole = ir.IntType(64)
    reach = builder.sub(builder.shl(code.number(3), whole(1)), whole(1))
    for first in (0, tile.lanes):
        half = code.shuffle(vector, vector, ((first + lane) // 2 for lane in range(tile.lanes)))
        code.masked(
            "store",
            tile,
            [half],
            code.advance(address, first),
            code.lanes_below(tile, builder.sub(reach, whole(first)), 2),
        )


def _maximum(builder: Any, a: Any, b: Any) -> LlvmValue:
    """Return the maximum of two vectors; NaN propagates.

    An instruction for maxima returns its second operand if an operand is NaN. The bits of both results together are
    those of a NaN then, and otherwise those of the maximum.
    """
    bits = ir.VectorType(ir.IntType(32 if a.type.element == ir.FloatType() else 64), a.type.count)
    largest = [
        builder.select(builder.fcmp_ordered(">", first, second), first, second) for first, second in ((a, b), (b, a))
    ]
    return builder.bitcast(builder.or_(*(builder.bitcast(value, bits) for value in largest)), a.type)


def _larger(code: CodeBuilder) -> LlvmValue:
    builder = code.builder
    result = code.arguments[0]
    for k in range(code.return_type.rows * code.return_type.columns):
        largest = _maximum(builder, *(builder.extract_value(tile_value, k) for tile_value in code.arguments))
        result = builder.insert_value(result, largest, k)
    return result


def _larger_neighbors(code: CodeBuilder) -> LlvmValue:
    builder = code.builder
    tile, operand = code.return_type, code.types[0]
    first, second = (builder.extract_value(code.arguments[0], k) for k in (0, operand.rows - 1))
    last = operand.rows * tile.lanes - 1
    largest: LlvmValue | None = None
    for distance in range(code.types[1].literal_value):
        neighbors = code.shuffle(first, second, (min(2 * lane + distance, last) for lane in range(tile.lanes)))
        largest = neighbors if largest is None else _maximum(builder, largest, neighbors)
    return builder.insert_value(ir.Constant(llvm_type(tile), None), largest, 0)


def _largest(code: CodeBuilder) -> LlvmValue:
    builder = code.builder
    tile = code.return_type
    result = ir.Constant(llvm_type(tile), None)
    for k in range(tile.rows * tile.columns):
        values = [builder.extract_value(code.arguments[0], 4 * k + index) for index in range(4)]
        pairs = [_maximum(builder, *values[:2]), _maximum(builder, *values[2:])]
        result = builder.insert_value(result, _maximum(builder, *pairs), k)
    return result


def is_new_maximum(builder: Any, value: LlvmValue, most: LlvmValue) -> LlvmValue:
    """Return whether a value replaces the current maximum: it is larger or NaN, and the maximum is not NaN."""
    return builder.and_(builder.fcmp_unordered(">", value, most), builder.fcmp_ordered("ord", most, most))


def _largest_of_four(code: CodeBuilder) -> None:
    """Emit `tiles.largest_of_four`.

    A window has the elements a, b above c, d. The maximum is first a, then replaced by b, c and d if they exceed it, so
    that the first of equal elements wins. Two adjacent vectors are divided into even elements (a or c) and odd ones.
    """
    builder = code.builder
    tile = Tile(code.types[0].dtype, 1, 1)
    numbers = ir.VectorType(ir.IntType(32), tile.lanes)

    def cells(start: LlvmValue) -> tuple[LlvmValue, LlvmValue]:
        """Load two adjacent vectors, and return the elements at even indices and the elements at odd indices."""
        address = code.address(0, start)
        first, second = (code.load(tile, code.advance(address, k * tile.lanes)) for k in range(2))
        even, odd = (code.shuffle(first, second, range(parity, 2 * tile.lanes, 2)) for parity in range(2))
        return even, odd

    start, width = code.number(1), code.number(2)
    (most, b), (c, d) = cells(start), cells(builder.add(start, width))
    right, below = ir.Constant(numbers, [1] * tile.lanes), code.broadcast_int32(tile, width)
    winner = ir.Constant(numbers, None)
    for value, offset in ((b, right), (c, below), (d, builder.add(below, right))):
        larger = is_new_maximum(builder, value, most)
        most, winner = builder.select(larger, value, most), builder.select(larger, offset, winner)
    start_of_result = code.number(5)
    code.store(most, code.address(3, start_of_result), tile.dtype.bitwidth // 8)
    first = builder.add(
        code.broadcast_int32(tile, code.number(6)), ir.Constant(numbers, list(range(0, 2 * tile.lanes, 2)))
    )
    code.store(builder.add(winner, first), code.address(4, start_of_result), 4)


def _constant_size_tile(arguments: Any) -> Tile | None:
    """Return the type of a tile whose rows and columns are the last two arguments; None unless both are constants."""
    array, *_, rows, columns = arguments
    is_constant = isinstance(rows, Literal) and isinstance(columns, Literal)
    if is_constant:
        return Tile(array.dtype, rows.literal_value, columns.literal_value)
    return None


def _constant_column_offsets(arguments: Any) -> ColumnOffsets | None:
    """Return the type of column offsets. Their number is the last argument. If it is not a constant, return None."""
    if isinstance(arguments[-1], Literal):
        return ColumnOffsets(arguments[-1].literal_value)
    return None


def _quarter_columns(tile: Tile) -> Tile:
    """Return the type of a tile with a quarter as many columns."""
    return Tile(tile.dtype, tile.rows, tile.columns // 4)


# Name of a function in `tiles` → function that infers the result type from the argument types, and emitter.
CODE: dict[str, tuple[Callable[[Any], Any], Emitter]] = {
    "zeros": (_constant_size_tile, _zeros),
    "load": (_constant_size_tile, _load),
    "load_at": (_constant_size_tile, _load_at),
    "spread_columns": (_constant_size_tile, _spread_columns),
    "add_parts": (lambda arguments: arguments[0], _add_parts),
    "load_offsets": (_constant_column_offsets, _column_offsets),
    "add_outer": (lambda arguments: arguments[0], _add_outer),
    "add_outer_at": (lambda arguments: arguments[0], _add_outer_at),
    "add_vectors_at": (lambda arguments: arguments[0], _add_vectors_at),
    "add_products": (lambda arguments: arguments[0], _add_products),
    "add_lanes_at": (lambda arguments: arguments[0], _add_lanes_at),
    "store": (lambda arguments: VOID, _store),
    "store_at": (lambda arguments: VOID, _store_at),
    "store_vectors_at": (lambda arguments: VOID, _store_vectors_at),
    "store_part": (lambda arguments: VOID, _store_part),
    "split_pairs": (lambda arguments: VOID, _split_pairs),
    "store_alternate": (lambda arguments: VOID, _store_alternate),
    "store_transposed": (lambda arguments: VOID, transposing_code.store_transposed),
    "store_sums": (lambda arguments: VOID, _store_sums),
    "sum_fours": (lambda arguments: Tile(arguments[0].dtype, 1, 1), _sum_fours),
    "join_columns": (lambda arguments: Tile(arguments[0].dtype, 1, 2 * arguments[0].columns), _join_columns),
    "clamp_tile": (lambda arguments: arguments[0], _clamp_tile),
    "multiply_add": (lambda arguments: arguments[0], _multiply_add),
    "larger": (lambda arguments: arguments[0], _larger),
    "larger_neighbors": (lambda arguments: Tile(arguments[0].dtype, 1, 1), _larger_neighbors),
    "largest": (lambda arguments: _quarter_columns(arguments[0]), _largest),
    "transpose": (lambda arguments: VOID, transposing_code.transpose),
    "transpose_to": (lambda arguments: VOID, transposing_code.transpose_to),
    "largest_of_four": (lambda arguments: VOID, _largest_of_four),
}
