"""Calls of functions with hand-written LLVM code, and the code for pooling windows and transforms.

The code for the functions in `tiles` is in `tile_code`, and the code for elementary functions in `elementary_code`.
Each function also has a NumPy definition, in `tiles` or `intrinsics`.

Tried with llvmlite 0.50. `vectors` describes how tiles are represented, and `tile_code` emitters.
"""

# Values in kernels may have any type, and llvmlite has no type annotations.
# pyright: basic

from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from chainrule.engines.compiled.compiler import elementary_code, tile_code
from chainrule.engines.compiled.compiler.intrinsics import (
    POINTS,
    add_cells,
    from_points,
    keep_larger,
    matrix_of,
    no_cells,
    store_larger,
    ticks,
    tile_functions,
    to_points,
)
from chainrule.engines.compiled.compiler.kernel_arithmetic import as_int64, to_number
from chainrule.engines.compiled.compiler.kernel_code import KernelCode
from chainrule.engines.compiled.compiler.kernel_values import (
    FLOAT64,
    VOID,
    DType,
    KernelArray,
    KernelNumber,
    Literal,
    LlvmValue,
    TileValue,
    Unsupported,
    Value,
    ir,
    is_constant,
)
from chainrule.engines.compiled.compiler.tile_code import is_new_maximum
from chainrule.engines.compiled.compiler.vectors import CodeBuilder, Tile, llvm_type


class ArrayType(NamedTuple):
    """The type of an array."""

    dtype: DType


@cache
def _emitters() -> dict[Any, Any]:
    tile_emitters = {function: tile_code.CODE[function.__name__] for function in tile_functions}
    clock = {ticks: (lambda arguments: FLOAT64, _emit_ticks)}
    return tile_emitters | elementary_code.CODE | WINDOW_EMITTERS | TRANSFORM_EMITTERS | clock


def _emit_ticks(code: CodeBuilder) -> LlvmValue:
    builder = code.builder
    counter = builder.module.declare_intrinsic("llvm.readcyclecounter", (), ir.FunctionType(ir.IntType(64), []))
    return builder.uitofp(builder.call(counter, []), ir.DoubleType())


def emitter_of(callee: Any) -> Any:
    """Return a function that emits a call of `callee`, or None if `callee` has no hand-written code.

    The arguments of the returned function are the `KernelCode` and the arguments of the call.
    """
    try:
        entry = _emitters().get(callee)
    except TypeError:
        return None
    if entry is None:
        return None
    result, emitter = entry

    def emit(code: KernelCode, arguments: list[Value]) -> Value:
        types, values = zip(*(_llvm_argument(code, argument) for argument in arguments), strict=True)
        return_type = result(types)
        if return_type is None:
            raise Unsupported(f"{callee.__name__}: an argument must be a constant")
        value = emitter(CodeBuilder(code.builder, types, return_type, values))
        if value is None:
            return None
        if isinstance(return_type, DType):
            return KernelNumber(return_type, value)
        return TileValue(return_type, value)

    return emit


def _llvm_argument(code: KernelCode, value: Value) -> tuple[Any, Any]:
    if isinstance(value, KernelArray):
        return ArrayType(value.dtype), value.pointer
    if isinstance(value, TileValue):
        return value.tile, value.value
    if is_constant(value) and isinstance(value, int):
        return Literal(int(value)), as_int64(code, value)
    if is_constant(value):
        return FLOAT64, to_number(code, value).value
    return value.dtype, value.value


UNUSED_LANE = 1 << 30  # larger than the index of any lane


def _load_cells(code: CodeBuilder, outside: float) -> tuple[Tile, LlvmValue]:
    """Load the elements x[offset + lane·step] into lanes first to last − 1, and `outside` into the other lanes.

    Return the type of one vector of the tile, and the vector of loaded elements.

    The arguments are (tile, x, offset, step, first, last, …). The emitted code loads adjacent vectors with masks for
    the selected elements, and gathers these elements with shuffles.
    """
    builder = code.builder
    tile = Tile(code.types[0].dtype, 1, 1)
    vector = ir.VectorType(tile.dtype.llvm, tile.lanes)
    width = tile.lanes
    int32s = ir.VectorType(ir.IntType(32), width)
    step = code.types[3].literal_value
    first, last = (code.broadcast_int32(tile, code.number(which)) for which in (4, 5))
    address = code.address(1, code.number(2))
    filled = ir.Constant(vector, [outside] * width)
    cells = filled
    for vector_number in range(step):
        lane_numbers = [UNUSED_LANE] * width
        for lane in range(width):
            offset = vector_number * width + lane
            if offset % step == 0:
                lane_numbers[lane] = offset // step
        lanes = ir.Constant(int32s, lane_numbers)
        inside = builder.and_(builder.icmp_signed("<=", first, lanes), builder.icmp_signed("<", lanes, last))
        loaded = code.masked_by("load", vector, [], code.advance(address, vector_number * width), inside, filled)
        order = list(range(width))
        for lane in range(width):
            if lane * step // width == vector_number:
                order[lane] = width + lane * step % width
        cells = builder.shuffle_vector(cells, loaded, ir.Constant(int32s, order))
    return tile, cells


def _emit_no_cells(code: CodeBuilder) -> LlvmValue:
    builder = code.builder
    tile = code.return_type
    element = llvm_type(tile).element
    int32s = ir.VectorType(ir.IntType(32), tile.lanes)
    number, first_offset, step = (code.broadcast_int32(tile, code.number(which)) for which in (1, 2, 3))
    offsets = builder.add(first_offset, builder.mul(step, ir.Constant(int32s, list(range(tile.lanes)))))
    zero = ir.Constant(int32s, None)
    padding = builder.select(builder.icmp_signed("<", offsets, zero), builder.sub(zero, offsets), zero)
    pair = ir.Constant(llvm_type(tile), [ir.Constant(element, [float("-inf")] * tile.lanes)] * 2)
    return builder.insert_value(pair, builder.sitofp(builder.add(number, padding), element), 1)


def _emit_add_cells(code: CodeBuilder) -> LlvmValue:
    builder = code.builder
    _, cells = _load_cells(code, 0.0)
    return builder.insert_value(code.arguments[0], builder.fadd(builder.extract_value(code.arguments[0], 0), cells), 0)


def _emit_keep_larger(code: CodeBuilder) -> LlvmValue:
    builder = code.builder
    tile, value = _load_cells(code, float("-inf"))
    largest, number = (builder.extract_value(code.arguments[0], which) for which in range(2))
    numbers = code.broadcast(tile, code.converted(6, tile.dtype))
    is_larger = is_new_maximum(builder, value, largest)
    kept = builder.insert_value(code.arguments[0], builder.select(is_larger, value, largest), 0)
    return builder.insert_value(kept, builder.select(is_larger, numbers, number), 1)


def _emit_store_larger(code: CodeBuilder) -> None:
    builder = code.builder
    tile = Tile(code.types[0].dtype, 1, 1)
    start, count, begin, step = (code.number(which) for which in (3, 4, 5, 6))
    code.store_first(tile, builder.extract_value(code.arguments[0], 0), code.address(1, start), count)
    int32s = ir.VectorType(ir.IntType(32), tile.lanes)
    lanes = builder.mul(code.broadcast_int32(tile, step), ir.Constant(int32s, list(range(tile.lanes))))
    base = builder.add(
        builder.fptosi(builder.extract_value(code.arguments[0], 1), int32s), code.broadcast_int32(tile, begin)
    )
    code.store_first(tile, builder.add(base, lanes), code.address(2, start), count)


def _same_tile(arguments: Any) -> Any:
    """Return the tile's type, or None if the step is not a constant."""
    if isinstance(arguments[3], Literal):
        return arguments[0]
    return None


WINDOW_EMITTERS = {
    no_cells: (lambda arguments: Tile(arguments[0].dtype, 2, 1), _emit_no_cells),
    add_cells: (_same_tile, _emit_add_cells),
    keep_larger: (_same_tile, _emit_keep_larger),
    store_larger: (lambda arguments: VOID, _emit_store_larger),
}


def _emit_to_points(code: CodeBuilder) -> LlvmValue:
    tile = code.types[0]
    matrix = matrix_of(int(code.types[1].literal_value), tile.columns)
    rows = [_row_columns(code, code.arguments[0], tile, a) for a in range(tile.rows)]
    transformed = list[list[LlvmValue]]()
    for row in rows:
        values = [_weighted_sum(code, tile, factors, row) for factors in matrix]
        transformed.append(_with_sums_and_differences(code, values))
    return _pack_tile(code, transformed)


def _emit_from_points(code: CodeBuilder) -> LlvmValue:
    tile = code.types[0]
    matrix = matrix_of(*(int(literal.literal_value) for literal in code.types[1:]))
    rows = [_with_sums_and_differences(code, _row_columns(code, code.arguments[0], tile, a)) for a in range(tile.rows)]
    transformed = list[list[LlvmValue]]()
    for row in rows:
        transformed.append([_weighted_sum(code, tile, factors, row) for factors in matrix.T])
    return _pack_tile(code, transformed)


def _row_columns(code: CodeBuilder, value: LlvmValue, tile: Tile, row: int) -> list[LlvmValue]:
    return [code.builder.extract_value(value, row * tile.columns + b) for b in range(tile.columns)]


def _pack_tile(code: CodeBuilder, rows: list[list[LlvmValue]]) -> LlvmValue:
    tile = ir.Constant(llvm_type(code.return_type), None)
    for k, value in enumerate(chain.from_iterable(rows)):
        tile = code.builder.insert_value(tile, value, k)
    return tile


def _with_sums_and_differences(code: CodeBuilder, values: list[LlvmValue]) -> list[LlvmValue]:
    builder = code.builder
    a, b, c, d, e, f = values
    return [a, builder.fadd(b, c), builder.fsub(b, c), builder.fadd(d, e), builder.fsub(d, e), f]


def _weighted_sum(code: CodeBuilder, tile: Tile, factors: Any, values: list[LlvmValue]) -> LlvmValue:
    """Return Σ factor · value. Terms with factor 0 are skipped; terms with factor 1 are added first."""
    terms = [(float(factor), value) for factor, value in zip(factors, values, strict=True) if factor]
    (first_factor, total), *others = sorted(terms, key=lambda term: term[0] != 1)
    if first_factor != 1:
        total = code.builder.fmul(total, code.broadcast(tile, ir.Constant(tile.dtype.stored, first_factor)))
    for factor, value in others:
        if factor == 1:
            total = code.builder.fadd(total, value)
        else:
            vector_factor = code.broadcast(tile, ir.Constant(tile.dtype.stored, factor))
            total = code.multiply_add(tile, value, vector_factor, total)
    return total


def _six_columns(arguments: Any) -> Tile | None:
    tile, which = arguments
    if isinstance(which, Literal):
        return Tile(tile.dtype, tile.rows, POINTS)
    return None


def _count_columns(arguments: Any) -> Tile | None:
    tile, which, count = arguments
    if not isinstance(which, Literal) or not isinstance(count, Literal):
        return None
    return Tile(tile.dtype, tile.rows, int(count.literal_value))


TRANSFORM_EMITTERS = {
    to_points: (_six_columns, _emit_to_points),
    from_points: (_count_columns, _emit_from_points),
}  # function → function that infers the result type from the argument types, and emitter
