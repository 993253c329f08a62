"""Compiled code of the functions in `tiles`: sums in vector registers, emitted with llvmlite.

An emitter gets a context, a builder, the types of the result and of the arguments, and the arguments: see `by_hand`.
"""

from collections.abc import Callable, Iterable
from typing import Any

from chainrule.engines.compiled.compiler.kernel_values import NOTHING, Literal, ir
from chainrule.engines.compiled.compiler.vectors import Address, CodeBuilder, Places, Tile, vector_of


def _with_products(code: CodeBuilder, tile: Tile, left: Iterable[Any], right: Iterable[Any]) -> Any:
    """Add left[a] · right[b] to vector [a, b] of the tile.

    Registers keep the side that has fewer vectors; those of the other are loaded one by one, or registers run out.
    """
    sums, (down, along), few, many = code.arguments[0], (tile.columns, 1), left, right
    if tile.rows > tile.columns:
        (down, along), few, many = (1, tile.columns), right, left
    kept = list(few)
    for b, other in enumerate(many):
        for a, one in enumerate(kept):
            k = a * down + b * along
            total = code.multiply_add(tile, one, other, code.builder.extract_value(sums, k))
            sums = code.builder.insert_value(sums, total, k)
    return code.close(sums)


def _zeros(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    return ir.Constant(context.get_value_type(signature.return_type), None)


def _load(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.return_type
    y, step = code.address(0, code.number(1)), code.number(2)
    sums = ir.Constant(context.get_value_type(tile), None)
    for b in range(tile.columns):
        column = code.after(y, builder.mul(step, ir.IntType(64)(b)))
        for a in range(tile.rows):
            vector = code.load(tile, code.after(column, a * tile.lanes))
            sums = builder.insert_value(sums, vector, a * tile.columns + b)
    return sums


def _load_at(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.return_type
    y, offsets = code.address(0, code.number(1)), code.address(2, code.number(3))
    sums = ir.Constant(context.get_value_type(tile), None)
    for b in range(tile.columns):
        column = code.after(y, code.element(code.after(offsets, b)))
        for a in range(tile.rows):
            vector = code.load(tile, code.after(column, a * tile.lanes))
            sums = builder.insert_value(sums, vector, a * tile.columns + b)
    return sums


def _load_offsets(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, columns = CodeBuilder(context, builder, signature, arguments), signature.return_type.columns
    offsets = code.address(0, code.number(1))
    found = ir.Constant(context.get_value_type(signature.return_type), ir.Undefined)
    for b in range(columns):
        found = builder.insert_value(found, code.element(code.after(offsets, b)), b)
    return found


def _add_outer(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    x, w, step = code.address(1, code.number(2)), code.address(3, code.number(4)), code.number(5)
    left = (code.load(tile, code.after(x, a * tile.lanes)) for a in range(tile.rows))
    right = (code.spread(tile, code.after(w, builder.mul(step, ir.IntType(64)(b)))) for b in range(tile.columns))
    return _with_products(code, tile, left, right)


def _add_outer_at(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    x = code.address(1, code.number(2))
    left = (code.load(tile, code.after(x, a * tile.lanes)) for a in range(tile.rows))
    w, start = code.at_places(3, 5, tile.columns), code.number(4)
    return _with_products(code, tile, left, (code.spread(tile, code.after(each, start)) for each in w))


def _add_lanes_at(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    x, weight = code.address(1, code.number(2)), code.load(tile, code.address(3, code.number(4)))
    sums = arguments[0]
    for b in range(tile.columns):
        seen = code.load(tile, code.after(x, builder.extract_value(arguments[5], b)))
        sums = builder.insert_value(sums, code.multiply_add(tile, seen, weight, builder.extract_value(sums, b)), b)
    return code.close(sums)


def _clamp_tile(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    tile, sums = signature.return_type, arguments[0]
    code = CodeBuilder(context, builder, signature, arguments)
    numbers = [code.context.cast(builder, arguments[k], signature.args[k], tile.dtype) for k in (1, 2, 3)]
    (least, most, factor), values = (code.every(tile, each) for each in numbers), list[Any]()
    for k in range(tile.rows * tile.columns):
        value = builder.extract_value(sums, k)
        value = builder.select(builder.fcmp_ordered("<", value, least), least, value)  # one instruction each
        values.append(builder.select(builder.fcmp_ordered(">", value, most), most, value))
    before, nothing = builder.block, ir.Constant(vector_of(tile), None)
    with builder.if_then(builder.fcmp_unordered("!=", numbers[2], ir.Constant(numbers[2].type, 1))):
        low = [builder.select(builder.fcmp_ordered(">", v, nothing), v, builder.fmul(factor, v)) for v in values]
        after = builder.block
    found = [builder.phi(value.type) for value in values]
    for k, one in enumerate(found):
        one.add_incoming(values[k], before)
        one.add_incoming(low[k], after)
        sums = builder.insert_value(sums, one, k)
    return sums


def _multiply_add(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.return_type
    sums, times, plus = arguments
    for k in range(tile.rows * tile.columns):
        value, factor, more = (builder.extract_value(each, k) for each in (sums, times, plus))
        sums = builder.insert_value(sums, code.multiply_add(tile, value, factor, more), k)
    return sums


def _add_products(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    g, step = code.address(1, code.number(2)), code.number(3)
    x, start = code.at_places(4, 6, tile.columns), code.number(5)
    left = (code.load(tile, code.after(g, builder.mul(step, ir.IntType(64)(a)))) for a in range(tile.rows))
    return _with_products(code, tile, left, (code.load(tile, code.after(each, start)) for each in x))


def _fetch(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code = CodeBuilder(context, builder, signature, arguments)
    code.fetch(code.address(0, code.number(1)))
    return context.get_dummy_value()


def _store(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    y, step = code.address(1, code.number(2)), code.number(3)
    for b in range(tile.columns):
        column = code.after(y, builder.mul(step, ir.IntType(64)(b)))
        for a in range(tile.rows):
            sums = builder.extract_value(arguments[0], a * tile.columns + b)
            code.store(sums, code.after(column, a * tile.lanes), tile.dtype.bitwidth // 8)
    return context.get_dummy_value()


def _store_picked(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    y, offsets = code.address(1, code.number(2)), code.address(3, code.number(4))
    for b in range(tile.columns):
        column = code.after(y, code.element(code.after(offsets, b)))
        for a in range(tile.rows):
            sums = builder.extract_value(arguments[0], a * tile.columns + b)
            code.store(sums, code.after(column, a * tile.lanes), tile.dtype.bitwidth // 8)
    return context.get_dummy_value()


def _store_sums(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    """Add up as many vectors as one has lanes together: halves of two become one, until each lane is a sum."""
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    size, lanes = tile.rows * tile.columns, tile.lanes
    for first in range(0, size, lanes):
        vectors = [builder.extract_value(arguments[0], k) for k in range(first, min(first + lanes, size))]
        vectors += [ir.Constant(vector_of(tile), None)] * (lanes - len(vectors))
        group = lanes  # neighbouring lanes that belong to one sum
        while len(vectors) > 1:
            vectors = [code.fold(tile, *pair, group) for pair in zip(vectors[::2], vectors[1::2], strict=True)]
            group //= 2
        code.store(vectors[0], code.after(code.address(1, code.number(2)), first), tile.dtype.bitwidth // 8)
    return context.get_dummy_value()


def _load_part(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.return_type
    vector = code.masked("load", tile, [], code.address(0, code.number(1)), code.below(tile, code.number(2)))
    return builder.insert_value(ir.Constant(context.get_value_type(tile), None), vector, 0)


def _store_part(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    vector = builder.extract_value(arguments[0], 0)
    code.store_first(tile, vector, code.address(1, code.number(2)), code.number(3))
    return context.get_dummy_value()


def _split_pairs(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), Tile(signature.args[0].dtype, 1, 1)
    x, count, whole = code.address(0, code.number(1)), code.number(2), ir.IntType(64)
    low, high = (
        code.masked("load", tile, [], code.after(x, first), code.below(tile, builder.sub(count, whole(first))))
        for first in (0, tile.lanes)
    )
    for parity in range(2):
        alternate = code.shuffled(low, high, range(parity, 2 * tile.lanes, 2))
        half = builder.ashr(builder.add(count, whole(1 - parity)), whole(1))
        code.store_first(tile, alternate, code.address(3, code.number(4 + parity)), half)
    return context.get_dummy_value()


def _store_alternate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    vector, address, whole = builder.extract_value(arguments[0], 0), code.address(1, code.number(2)), ir.IntType(64)
    reach = builder.sub(builder.shl(code.number(3), whole(1)), whole(1))
    for first in (0, tile.lanes):
        half = code.shuffled(vector, vector, ((first + lane) // 2 for lane in range(tile.lanes)))
        code.masked(
            "store", tile, [half], code.after(address, first), code.below(tile, builder.sub(reach, whole(first)), 2)
        )
    return context.get_dummy_value()


def _larger(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    found = arguments[0]
    for k in range(signature.return_type.rows * signature.return_type.columns):
        most, value = (builder.extract_value(each, k) for each in arguments)
        most = builder.select(builder.fcmp_ordered(">", value, most), value, most)  # one instruction: NaN stays
        found = builder.insert_value(found, builder.select(builder.fcmp_unordered("uno", value, value), value, most), k)
    return found


def _larger_neighbors(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    tile, numbers = signature.return_type, ir.VectorType(ir.IntType(32), signature.return_type.lanes)
    pair = [builder.extract_value(arguments[0], k) for k in range(2)]
    masks = [ir.Constant(numbers, list(range(odd, 2 * tile.lanes, 2))) for odd in range(2)]
    most, value = (builder.shuffle_vector(*pair, mask) for mask in masks)
    found = builder.select(wins(builder, value, most), value, most)
    return builder.insert_value(ir.Constant(context.get_value_type(tile), None), found, 0)


def _largest(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    tile = signature.return_type
    largest = ir.Constant(context.get_value_type(tile), None)
    for k in range(tile.rows * tile.columns):
        most, *others = (builder.extract_value(arguments[0], 4 * k + one) for one in range(4))
        for value in others:
            most = builder.select(wins(builder, value, most), value, most)
        largest = builder.insert_value(largest, most, k)
    return largest


def wins(builder: Any, value: Any, most: Any) -> Any:
    """Return whether a value is larger or NaN, while the largest so far is not NaN."""
    return builder.and_(builder.fcmp_unordered(">", value, most), builder.fcmp_ordered("ord", most, most))


def _transpose(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), Tile(signature.args[0].dtype, 1, 1)
    x, step, y, along = code.address(0, code.number(1)), code.number(2), code.address(3, code.number(4)), code.number(5)
    given = [code.after(x, builder.mul(step, ir.IntType(64)(a))) for a in range(tile.lanes)]
    found = [code.after(y, builder.mul(along, ir.IntType(64)(b))) for b in range(tile.lanes)]
    _store_all(code, tile, _transposed(code, tile, [code.load(tile, each) for each in given]), found)
    return context.get_dummy_value()


def _transpose_to(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), Tile(signature.args[0].dtype, 1, 1)
    x, y = code.address(0, code.number(1)), code.address(3, code.number(4))
    given, found = (_picked(code, *each, tile.lanes) for each in ((x, 2, ir.IntType(64)(0)), (y, 5, code.number(6))))
    _store_all(code, tile, _transposed(code, tile, [code.load(tile, each) for each in given]), found)
    return context.get_dummy_value()


def _store_transposed(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code, tile = CodeBuilder(context, builder, signature, arguments), signature.args[0]
    rows = _picked(code, code.address(1, code.number(2)), 3, ir.IntType(64)(0), tile.lanes)
    for first in range(0, tile.columns, tile.lanes):
        vectors = [builder.extract_value(arguments[0], first + b) for b in range(tile.lanes)]
        _store_all(code, tile, _transposed(code, tile, vectors), [code.after(row, first) for row in rows])
    return context.get_dummy_value()


def _picked(code: CodeBuilder, base: Address, which: int, first: Any, count: int) -> list[Address]:
    """Return addresses at `count` offsets from another one: entries of an array argument, from the first on."""
    offsets = code.address(which, first)
    return [code.after(base, code.element(code.after(offsets, k))) for k in range(count)]


def _transposed(code: CodeBuilder, tile: Tile, vectors: list[Any]) -> list[Any]:
    """Return the transpose of as many vectors as one has lanes.

    In every two vectors 1, 2, 4 … apart, the lanes that are as far apart are exchanged.
    """
    vectors, apart = list(vectors), 1
    while apart < tile.lanes:
        for a in (a for a in range(tile.lanes) if not a & apart):
            vectors[a], vectors[a + apart] = code.exchanged(tile, vectors[a], vectors[a + apart], apart)
        apart *= 2
    return vectors


def _store_all(code: CodeBuilder, tile: Tile, vectors: Iterable[Any], addresses: Iterable[Address]) -> None:
    for vector, address in zip(vectors, addresses, strict=True):
        code.store(vector, address, tile.dtype.bitwidth // 8)


def _largest_of_four(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
    code = CodeBuilder(context, builder, signature, arguments)
    tile = Tile(signature.args[0].dtype, 1, 1)
    numbers = ir.VectorType(ir.IntType(32), tile.lanes)

    def cells(start: Any) -> tuple[Any, Any]:
        """Return the elements at even and at odd indices of two vectors side by side."""
        address = code.address(0, start)
        pair = [code.load(tile, code.after(address, k * tile.lanes)) for k in range(2)]
        masks = [ir.Constant(numbers, list(range(odd, 2 * tile.lanes, 2))) for odd in range(2)]
        even, odd = (builder.shuffle_vector(*pair, mask) for mask in masks)
        return even, odd

    start, width = code.number(1), code.number(2)
    (most, b), (c, d) = cells(start), cells(builder.add(start, width))
    one, below = ir.Constant(numbers, [1] * tile.lanes), code.in_every_lane(tile, width)
    at = ir.Constant(numbers, None)
    for value, ahead in ((b, one), (c, below), (d, builder.add(below, one))):
        larger = wins(builder, value, most)
        most, at = builder.select(larger, value, most), builder.select(larger, ahead, at)
    found = code.number(5)
    code.store(most, code.address(3, found), tile.dtype.bitwidth // 8)
    first = builder.add(
        code.in_every_lane(tile, code.number(6)), ir.Constant(numbers, list(range(0, 2 * tile.lanes, 2)))
    )
    code.store(builder.add(at, first), code.address(4, found), 4)
    return context.get_dummy_value()


def _new(arguments: Any) -> Tile | None:
    """Return the type of the tile of as many rows and columns as the last arguments say; None unless constant."""
    array, *_, rows, columns = arguments
    constant = isinstance(rows, Literal) and isinstance(columns, Literal)
    return Tile(array.dtype, rows.literal_value, columns.literal_value) if constant else None


def _columns(arguments: Any) -> Places | None:
    """Return the type of as many offsets as the last argument says; None unless it is constant."""
    return Places(arguments[-1].literal_value) if isinstance(arguments[-1], Literal) else None


def _quarter(tile: Tile) -> Tile:
    """Return the type of a tile with one column for every four."""
    return Tile(tile.dtype, tile.rows, tile.columns // 4)


CODE: dict[str, tuple[Callable[[Any], Any], Callable[..., Any]]] = {  # type of the result, emitter
    "zeros": (_new, _zeros),
    "load": (_new, _load),
    "load_at": (_new, _load_at),
    "fetch": (lambda arguments: NOTHING, _fetch),
    "load_part": (lambda arguments: Tile(arguments[0].dtype, 1, 1), _load_part),
    "load_offsets": (_columns, _load_offsets),
    "add_outer": (lambda arguments: arguments[0], _add_outer),
    "add_outer_at": (lambda arguments: arguments[0], _add_outer_at),
    "add_products": (lambda arguments: arguments[0], _add_products),
    "add_lanes_at": (lambda arguments: arguments[0], _add_lanes_at),
    "store": (lambda arguments: NOTHING, _store),
    "store_at": (lambda arguments: NOTHING, _store_picked),
    "store_part": (lambda arguments: NOTHING, _store_part),
    "split_pairs": (lambda arguments: NOTHING, _split_pairs),
    "store_alternate": (lambda arguments: NOTHING, _store_alternate),
    "store_transposed": (lambda arguments: NOTHING, _store_transposed),
    "store_sums": (lambda arguments: NOTHING, _store_sums),
    "clamp_tile": (lambda arguments: arguments[0], _clamp_tile),
    "multiply_add": (lambda arguments: arguments[0], _multiply_add),
    "larger": (lambda arguments: arguments[0], _larger),
    "larger_neighbors": (lambda arguments: Tile(arguments[0].dtype, 1, 1), _larger_neighbors),
    "largest": (lambda arguments: _quarter(arguments[0]), _largest),
    "transpose": (lambda arguments: NOTHING, _transpose),
    "transpose_to": (lambda arguments: NOTHING, _transpose_to),
    "largest_of_four": (lambda arguments: NOTHING, _largest_of_four),
}
